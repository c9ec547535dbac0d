"""Load policy text as the engine does, and keep the parts apart that the laws compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.request import Request, Validator
from policyengine.semantics.checked import CheckedSet


class RefusedError(Exception):
    """The policy set has errors."""


@frozen(eq=False)
class Loaded:
    """A checked policy set, and what validates requests for it."""

    checked: CheckedSet
    validator: Validator

    def request(self, **parts: Any) -> Request:
        """Validate a request; raises `InvalidRequest`."""
        return self.validator.validate(**parts)


def load(sources: Mapping[str, str]) -> Loaded:
    """Parse and check policy texts by file name; raises `Refused` with the diagnostics."""
    from policyengine.semantics.checker import check
    from policyengine.syntax.parser import parse

    named = {name: Source(name, text) for name, text in sources.items()}
    files, problems = [], []
    for source in named.values():
        file, found = parse(source)
        problems += found
        if file is not None:
            files.append(file)
    checked = None
    if not problems:
        checked, problems = check(files, named, Limits())
    if checked is None:
        raise RefusedError("\n".join(f"{p.code} {p.message} at {p.span}" for p in problems))
    return Loaded(checked, Validator(checked.schema, checked.needs, Limits()))
