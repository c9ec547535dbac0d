"""Suggest tests at the boundaries of each rule, where a small mistake would show.

For every value that a rule reads, there is the last one with which it holds and the first with which
it does not, on each side of what it is compared with; of sets, the empty one, one element, and all.
The requests are those of tests with one value changed. For a rule that no test covers, a witness is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from attrs import frozen

from policyengine.analysis.places import NOW, Changes, Place, value_at
from policyengine.analysis.what_if import Neighbourhood
from policyengine.model.limits import Limits
from policyengine.model.request import Request
from policyengine.model.types import BOOL, ORDERED, LevelsType, SetType
from policyengine.model.values import ABSENT
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.mutation.witness_requests import witness_request
from policyengine.mutation.write_tests import Expectation, can_be_written
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.testing.requests_of_tests import requests_of

_MOST_BASES = 4


@frozen
class Suggestion:
    """A test at the boundaries of one rule, as text."""

    rule: str
    text: str


def suggest(checked: CheckedSet, *, limits: Limits | None = None, now: int) -> Iterator[Suggestion]:
    """Give a test for each rule that has boundaries which no test asks at.

    *now*: the time (microseconds) of witnesses, and of tests without `at`.
    """
    limits = limits or Limits()
    pasting = VerifiedTestWriter(checked, limits, now)
    asked = [one.request for one in requests_of(checked, limits=limits, now=now)]
    for rule in checked.rules:
        if rule.advisory:
            continue
        found = list(_boundaries(checked, rule, asked, limits, now))
        title = f"boundaries of {rule.id}"
        text = pasting.test(title, found, rule, timed=True) if found else None
        if text is not None:
            yield Suggestion(rule.id, text)


def _boundaries(
    checked: CheckedSet, rule: CheckedRule, asked: list[Request], limits: Limits, now: int
) -> Iterator[Expectation]:
    given: list[Request] = list(asked)
    done: set[str] = set()
    for base in _bases(checked, rule, asked, limits, now):
        near = Neighbourhood(checked, base)
        if base not in given:
            given.append(base)
            yield _expected(checked, rule, base)
        places = [p for p in near.places if p.read_key in near.reads(rule)]
        for place in (*places, NOW):
            if place.text in done:
                continue
            boundary = list(_boundary_values(near, rule, place))
            if boundary:
                done.add(place.text)
            for changes in boundary:
                request = near.changed(changes)
                if request not in given and near.fits(changes) and can_be_written(request):
                    given.append(request)
                    yield _expected(checked, rule, request)


def _expected(checked: CheckedSet, rule: CheckedRule, request: Request) -> Expectation:
    """Return a request, whether it is allowed, and further clauses."""
    outcome = interpreter.decide(checked, request)
    decided = rule.id in outcome.rules
    return request, outcome.allowed, (f"because {rule.id}",) if decided else ()


def _bases(
    checked: CheckedSet, rule: CheckedRule, asked: Iterable[Request], limits: Limits, now: int
) -> Iterator[Request]:
    """Give requests that the rule covers: those of tests, or a witness."""
    there = [r for r in asked if (r.action, r.subject.type, r.resource.type) in rule.typings]
    if there:
        yield from there[:_MOST_BASES]
        return
    made = witness_request(checked, rule, limits, now)
    if made is not None:
        yield made


def _boundary_values(near: Neighbourhood, rule: CheckedRule, place: Place) -> Iterator[Changes]:
    """Give the changes of *place* to values at a boundary of *rule*."""

    def holds_with(value: object) -> bool:
        changes: Changes = () if value == here else ((place, value),)
        return near.verdict(rule, changes).holds

    here = value_at(near.request, place)
    values = [here, *near.options(place)]
    if len({holds_with(value) for value in values}) < 2:  # noqa: PLR2004 - it makes no difference
        return
    kept: list[object] = []
    if place.type in ORDERED or isinstance(place.type, LevelsType):
        line = sorted(value for value in values if isinstance(value, int))
        for below, above in pairwise(line):
            if holds_with(below) != holds_with(above):
                kept += [below, above]
    elif isinstance(place.type, SetType) and place.kind == "attribute":
        sets = [value for value in values if isinstance(value, frozenset)]
        kept += [value for value in sets if not value]
        ones = [value for value in sets if len(value) == 1]
        kept += [next((v for v in ones if holds_with(v) is yes), ABSENT) for yes in (True, False)]
        kept += [max(sets, key=len)] if sets else []
        kept += [next((v for v in sets if holds_with(v) is yes), ABSENT) for yes in (True, False)]
    elif place.type == BOOL or place.optional:
        kept += [next((v for v in values if holds_with(v) is yes), ABSENT) for yes in (True, False)]
    else:
        kept += [next(v for v in values if holds_with(v) is yes) for yes in (True, False)]
    if place.optional:
        kept.append(ABSENT)
    for value in dict.fromkeys(kept):
        if value in values and value != here:
            yield ((place, value),)
