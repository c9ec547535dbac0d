"""Run the lint rules over a checked policy set.

Only a set without errors is linted: nothing is guessed about one that does not check.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from policyengine.analysis.questions import Questions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.diagnostics.spell import shared_budget
from policyengine.lint import ignores
from policyengine.lint.configuration import Configuration
from policyengine.lint.rule import Subject
from policyengine.lint.rules import RULES
from policyengine.semantics.checked import CheckedSet

LINT_CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {code.number: code for code in (*(rule.code for rule in RULES), *ignores.CODES)}
)

SLUGS: Final = frozenset(code.slug for code in LINT_CODES.values())

EVERYTHING: Final = Configuration(SLUGS)


@frozen
class Linted:
    """The findings, and whether the search was given up, so that some may be missing."""

    found: Diagnostics
    gave_up: bool


def lint(
    checked: CheckedSet, configuration: Configuration = EVERYTHING, *, now: int | None = None
) -> Diagnostics:
    """Return the findings of the rules, without those that authors have answered.

    *now* (microseconds since 1970 UTC): the moment at which waivers may have run out; the present.
    """
    return examine(checked, configuration, now=now).found


def examine(
    checked: CheckedSet, configuration: Configuration = EVERYTHING, *, now: int | None = None
) -> Linted:
    """Lint, and report whether every question was answered."""
    moment = time.time_ns() // 1000 if now is None else now
    subject = Subject(checked, checked.files, moment, Questions(checked))
    wanted = [r for r in RULES if r.code.slug in configuration.select - configuration.ignore]
    found = [finding for rule in wanted for finding in rule.find(subject)]
    counting = (
        finding
        for finding in ignores.without_ignored(found, checked.sources, LINT_CODES)
        if configuration.counts(LINT_CODES[finding.code].slug, finding.span.file)
    )
    with shared_budget():
        return Linted(Diagnostics.of(counting, checked.sources), subject.ask.given_up)
