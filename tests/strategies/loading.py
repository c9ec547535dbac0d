"""Load policy text as the engine does, and keep the parts apart that the laws compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from policyengine.compiler.link import link
from policyengine.diagnostics.source import Source
from policyengine.engine import PolicyEngine
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.pipeline import check_sources
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet


class RefusedError(Exception):
    """The policy set has errors."""


class TooCostlyError(RefusedError):
    """It has none but expressions over their bounds, which the generators do not keep."""


@frozen(eq=False)
class Loaded:
    """A checked policy set, its program, what validates requests for it, and its engine."""

    checked: CheckedSet
    program: Program
    validator: Validator
    engine: PolicyEngine

    def request(self, **parts: Any) -> ValidRequest:
        """Validate a request; raises `InvalidRequest`."""
        return self.validator.validate_parts(**parts)

    def text(self) -> str:
        """Return all files of the set as one text."""
        return "\n".join(source.text for source in self.checked.sources.values())


def load(sources: Mapping[str, str]) -> Loaded:
    """Parse and check policy texts by file name; raises `RefusedError` with the diagnostics."""
    checked, found = check_sources({name: Source(name, text) for name, text in sources.items()})
    if checked is None:
        too_costly = all(p.code in ("PE308", "PE331") for p in found.errors)
        said = "\n".join(f"{p.code} {p.message} at {p.span}" for p in found.errors)
        raise (TooCostlyError if too_costly else RefusedError)(said)
    program, validator = link(checked), Validator(checked.schema, checked.needs, Limits())
    engine = PolicyEngine(program, lambda: checked, limits=Limits())
    return Loaded(checked, program, validator, engine)
