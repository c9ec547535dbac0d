"""Run the lint rules over a checked policy set.

Only a set without errors is linted: nothing is guessed about one that does not check.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import frozen

from policyengine.analysis.budget import Budget
from policyengine.analysis.questions import Questions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics
from policyengine.diagnostics.spell import shared_budget
from policyengine.lint import ignores
from policyengine.lint.configuration import Configuration
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules import RULES
from policyengine.semantics.checked import CheckedSet

LINT_CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {code.number: code for code in (*(rule.code for rule in RULES), *ignores.CODES)}
)

SLUGS: Final = frozenset(code.slug for code in LINT_CODES.values())

EVERYTHING: Final = Configuration(SLUGS)


SECONDS: Final = 10.0
"""The time for questions about all requests, unless the caller has another budget."""

ASKING: Final = (
    "breakable-invariant", "unsettled-invariant", "unsatisfiable-rule", "unreachable-action", "forbid-escaped-by-absence", "constant-condition",
    "duplicate-rule", "shadowed-rule", "superfluous-permit", "mask-never-shown",
)  # fmt: skip
"""The rules that ask about all requests, the most important first: they share the budget. Others need none."""


_FOR_INVARIANTS = 0.5
"""The share of the first rule that asks, about all invariants at once."""


@frozen
class Linted:
    """The findings, and how many questions were asked.

    *not_settled*: those left open, by lint rule, the most important first; *too_many*: how many of these have
    more cases than are tried, whatever the time. Each finding is true, however many questions are left open.
    """

    found: Diagnostics
    asked: int
    not_settled: Mapping[str, int]
    too_many: int

    @property
    def gave_up(self) -> bool:
        """Whether questions were left open, so that findings may be missing."""
        return bool(self.not_settled)


def lint(
    checked: CheckedSet,
    configuration: Configuration = EVERYTHING,
    *,
    now: int | None = None,
    budget: Budget | None = None,
) -> Diagnostics:
    """Return the findings of the rules, without those that authors have answered.

    *now* (microseconds since 1970 UTC): the moment at which waivers may have run out; the present.
    *budget*: the time for questions about all requests; ten seconds from now.
    """
    return examine(checked, configuration, now=now, budget=budget).found


def examine(
    checked: CheckedSet,
    configuration: Configuration = EVERYTHING,
    *,
    now: int | None = None,
    budget: Budget | None = None,
    proved: Collection[str] = (),
) -> Linted:
    """Lint, and report which questions were not settled; *proved*: invariants that are known to be."""
    moment = time.time_ns() // 1000 if now is None else now
    subject = Subject(checked, checked.files, moment, Questions(checked, proved=frozenset(proved)))
    wanted = [r for r in RULES if r.code.slug in configuration.select - configuration.ignore]
    budget = budget or Budget.lasting(SECONDS)
    found: list[Diagnostic] = []
    for rule, share in _shares(wanted):
        subject.ask.about, subject.ask.budget = rule.code.slug, budget.part(share=share)
        found += rule.find(subject)
    ask = subject.ask
    counting = (
        finding
        for finding in ignores.without_ignored(
            found, checked.sources, LINT_CODES, ask.not_settled.keys()
        )
        if configuration.counts(LINT_CODES[finding.code].slug, finding.span.file)
    )
    with shared_budget():
        diagnostics = Diagnostics.of(counting, checked.sources)
    return Linted(diagnostics, ask.asked.total(), dict(ask.not_settled), ask.too_many.total())


def _shares(rules: Sequence[LintRule]) -> Iterator[tuple[LintRule, float]]:
    """Give the rules in the order in which they ask, each with its share of the time that is left then."""
    asking = sorted(
        (rule for rule in rules if rule.code.slug in ASKING),
        key=lambda rule: ASKING.index(rule.code.slug),
    )
    yield from ((rule, 1) for rule in rules if rule not in asking)
    for before, rule in enumerate(asking):
        all_invariants = rule.code.slug == "breakable-invariant"
        yield rule, _FOR_INVARIANTS if all_invariants else 1 / (len(asking) - before)
