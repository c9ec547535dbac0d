"""Suggest tests at the boundaries of each rule, where a small mistake would show.

For every value that a rule reads, there is the last one with which it holds and the first with which
it does not, on each side of what it is compared with; of sets, the empty one, one element, and all.
The requests are those of tests with one value changed; if the rule decides none of those, of a witness, by and
on what tests ask for with other actions if it decides that; at last those of tests with a second entity like each. A
boundary is shown with both sides, and only where the rule decides: what is granted differs between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice, pairwise, starmap, zip_longest
from operator import eq

from attrs import Factory, define, frozen
from msgspec.structs import replace

from policyengine.analysis.budget import Budget, OutOfBudgetError
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.places import NOW, Changes, Place, places_of, read_keys_of, value_at
from policyengine.analysis.what_if import Granted, Neighbourhood
from policyengine.model.limits import Limits
from policyengine.model.sealed import altered
from policyengine.model.types import (
    BOOL,
    ORDERED,
    STRING,
    EntityRefType,
    LevelsType,
    SetType,
    TargetKey,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.mutation.offered_tests import clauses_of, passes
from policyengine.mutation.smaller_tests import minimal
from policyengine.mutation.timed_targets import TimedTargets
from policyengine.mutation.witness_requests import with_parties, witness_request
from policyengine.mutation.write_tests import Expectation, can_be_written
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import requests_of

_MOST_BASES = 4

_MOST_NAMED = 4
"""The number of entities named by a rule that are tried as subject or resource."""

_MOST_KEPT = 100
"""The number of requests of which it is kept how they were judged, while a test is made shorter."""


@frozen
class Suggestion:
    """A test at the boundaries of one rule, as text; or, if it is empty, *why* there is none.

    *late*: whether there might be one in a larger budget.
    """

    rule: str
    text: str
    why: str = ""
    late: bool = False


def suggest(
    checked: CheckedSet, *, limits: Limits | None = None, now: int, budget: Budget | None = None
) -> Iterator[Suggestion]:
    """Give a test for each rule that has boundaries which no test asks at; of the others, why there is none.

    *now*: the time (microseconds) of witnesses, and of tests without `at`.
    """
    limits, budget = limits or Limits(), budget or Budget()
    writer = VerifiedTestWriter(checked, limits, now)
    timed = TimedTargets(checked)
    asked = [one.request for one in requests_of(checked, limits=limits, now=now)]
    deciding = [interpreter.decide(checked, request).rules for request in asked]
    for rule in checked.rules:
        if not rule.advisory:
            boundaries = _Boundaries(
                checked, rule, asked, deciding, limits, now, writer, timed, budget
            )
            try:
                yield boundaries.suggestion()
            except OutOfBudgetError:
                yield Suggestion(rule.id, "", "the budget was spent", late=True)


@define
class _Boundaries:
    """The boundaries of *rule*.

    *asked*: the requests of tests; *deciding*: the rules that determine each. *shown*: whether boundaries
    were found that tests ask at already.
    """

    checked: CheckedSet
    rule: CheckedRule
    asked: list[ValidRequest]
    deciding: list[tuple[str, ...]]
    limits: Limits
    now: int
    writer: VerifiedTestWriter
    timed: TimedTargets
    budget: Budget
    shown: bool = False
    _read: list[tuple[ValidRequest, JudgedRequest, object]] = Factory(list)

    def suggestion(self) -> Suggestion:
        """Return a test, or why there is none; raises `OutOfBudgetError`."""
        self.budget.spend()
        expectations = list(self._all())
        if not expectations:
            return Suggestion(self.rule.id, "", self._why())
        title = f"boundaries of {self.rule.id}"
        timed = any(_target(request) in self.timed for request, _, _ in expectations)
        if not timed:
            expectations = [(replace(r, now=self.now), ok, more) for r, ok, more in expectations]
        text = self.writer.test(title, expectations, self.rule, timed=timed)
        if text is None or None in self._read_in(self.writer.node_of(text)):
            return Suggestion(self.rule.id, "", "its boundaries cannot be written as a test")
        return Suggestion(self.rule.id, self._shortest(text))

    def _why(self) -> str:
        if self.shown:
            return "tests ask at its boundaries already"
        return "no request was found that it decides, with one value that makes it decide otherwise"

    def _all(self) -> Iterator[Expectation]:
        """Give the requests on both sides of each boundary, each once."""
        given: list[ValidRequest] = []
        done: set[str] = set()
        bases = []
        for base in self._bases():
            bases.append(base)
            near = Neighbourhood(self.checked, base)
            places = [p for p in near.places if p.read_key in near.reads(self.rule)]
            for place in (*places, NOW):
                if place.text in done:
                    continue
                sides = self._sides(near, place)
                if sides:
                    done.add(place.text)
                    self.shown = True
                if all(request in self.asked for request, _, _ in sides):
                    continue
                for expectation in sides:
                    if expectation[0] not in given:
                        given.append(expectation[0])
                        yield expectation
        sides = self._by_others(bases)
        if not all(request in self.asked for request, _, _ in sides):
            yield from (side for side in sides if side[0] not in given)

    def _by_others(self, bases: Iterable[ValidRequest]) -> list[Expectation]:
        """Return both sides of a boundary between two entities: who the subject is, or which one the resource.

        Others are those that the rule names, and any other one if nothing else makes it decide otherwise.
        """
        for base in bases:
            for part in ("subject", "resource"):
                for id_ in self._other_ids(base, part):
                    self.budget.spend()
                    sides = self._both(base, _with_id(base, part, id_))
                    if sides:
                        self.shown = True
                        return sides
        return []

    def _other_ids(self, base: ValidRequest, part: str) -> list[str]:
        entity = getattr(base, part)
        mentions = MentionedConstants.of([self.rule], _target(base))
        named = {str(id_) for id_ in mentions.values.get(EntityRefType(entity.type), ())}
        if mentions.ids:
            named |= {str(text) for text in mentions.values.get(STRING, ()) if text}
        known = {id_ for type_, id_ in base.entities if type_ == entity.type}
        new = next(
            f"{entity.id}-{number}" for number in count(2) if f"{entity.id}-{number}" not in known
        )
        ids = sorted(named)[:_MOST_NAMED]
        if not self.shown or entity.id in named:
            ids.append(new)
        return [id_ for id_ in ids if id_ not in known]

    def _both(self, *requests: ValidRequest) -> list[Expectation]:
        """Return two requests, first the one for which the rule holds; none if it does not tell them apart."""
        nears = [Neighbourhood(self.checked, request) for request in requests]
        holds = [near.verdict(self.rule, ()).holds for near in nears]
        grants = [near.granted((), near.rules) for near in nears]
        written = all(near.fits(()) and can_be_written(near.request) for near in nears)
        if holds[0] == holds[1] or grants[0] == grants[1] or not written:
            return []
        if not all(self._decides(r, holds=h) for r, h in zip(requests, holds, strict=True)):
            return []
        sides = [self._expected(requests[i], grants[i], grants[1 - i]) for i in (0, 1)]
        return sides if holds[0] else sides[::-1]

    def _bases(self) -> Iterator[ValidRequest]:
        """Give requests that the rule covers: those of tests; a witness if it decides none of those."""
        kinds: dict[tuple[bool, TargetKey, int], ValidRequest] = {}
        for request, rules in zip(self.asked, self.deciding, strict=True):
            if _target(request) in self.rule.typings:
                decided = self.rule.id in rules
                kinds.setdefault((not decided, _target(request), request.now), request)
        yield from [kinds[kind] for kind in sorted(kinds)][:_MOST_BASES]
        if not self.shown:
            made = witness_request(self.checked, self.rule, self.limits, self.now)
            if made is not None:
                known = with_parties(self.checked, made, self.asked)
                yield from islice(filter(self._is_decided, known), _MOST_BASES)
                yield made
        if not self.shown:
            of_tests = (kinds[kind] for kind in sorted(kinds) if not kind[0])
            yield from map(_with_others, islice(of_tests, 1))

    def _is_decided(self, request: ValidRequest) -> bool:
        return self.rule.id in interpreter.decide(self.checked, request).rules

    def _sides(self, near: Neighbourhood, place: Place) -> list[Expectation]:
        """Return requests on both sides of the boundaries at *place*, none if the rule decides nothing there."""
        here: Changes = ()
        sides = []
        for changes in (*_boundary_values(near, self.rule, place), here):
            self.budget.spend()
            request = near.changed(changes)
            if near.fits(changes) and can_be_written(request):
                holds = near.verdict(self.rule, changes).holds
                if self._decides(request, holds=holds):
                    sides.append((changes, holds, near.granted(changes, near.rules)))
        inside = [side for side in sides if side[1]]
        outside = [
            side for side in sides if not side[1] and any(side[2] != one[2] for one in inside)
        ]
        inside = [one for one in inside if any(one[2] != side[2] for side in outside)]
        for some in (inside, outside):
            if len(some) > 1 and some[-1][0] == here:
                some.pop()  # another one is nearer to the boundary
        return [
            self._expected(
                near.changed(changes), granted, next(o[2] for o in others if o[2] != granted)
            )
            for some, others in ((inside, outside), (outside, inside))
            for changes, _, granted in some
        ]

    def _decides(self, request: ValidRequest, *, holds: bool) -> bool:
        """Whether the decision depends on the rule, which *holds* or does not, and no other rule denies."""
        outcome = interpreter.decide(self.checked, request)
        if holds:
            return self.rule.id in outcome.rules
        shut = self.rule.effect != "forbid" and (self.rule.gate, False) in outcome.gates
        return outcome.allowed or (shut and outcome.cause == "not_permitted")

    def _expected(self, request: ValidRequest, granted: Granted, other: Granted) -> Expectation:
        """Return a request, whether it is allowed, and further clauses."""
        outcome = interpreter.decide(self.checked, request)
        because = [f"because {self.rule.id}"] if self.rule.id in outcome.rules else []
        return request, outcome.allowed, (*(clauses_of(granted, other) or ()), *because)

    def _shortest(self, text: str) -> str:
        """Return the test without what the values that the rule reads do not need."""
        node = self.writer.node_of(text)
        wanted = list(self._read_in(node))

        def serves(shorter: nodes.TestDecl) -> bool:
            if self.budget.is_spent:  # the test is good as it is
                return False
            return all(starmap(eq, zip_longest(self._read_in(shorter), wanted, fillvalue=())))

        return self.writer.text_of(minimal(node, serves))

    def _read_in(self, node: nodes.TestDecl) -> Iterator[object]:
        """Give the values that the rule reads in each request of a test, None for one that is not as expected."""
        for one in self.writer.asked_in(node, self.rule):
            case, values = self._judged(one.request)
            yield values if passes(self.checked, one, case) else None

    def _judged(self, request: ValidRequest) -> tuple[JudgedRequest, object]:
        """Return a request as it is judged, and the values that the rule reads in it.

        A test with one part less has mostly the requests of the longer one, so they are kept.
        """
        for known, case, values in self._read:
            if known == request:
                return case, values
        case = interpreter.judge_all(self.checked, Env(request, self.checked.schema))
        target = _target(request)
        keys = read_keys_of(self.rule.needs[target], self.checked.schema, target)
        places = [p for p in places_of(self.checked, request) if p.read_key in keys]
        values = (
            request.now,
            request.fields,
            {p.text: value_at(request, p) for p in places},
        )
        self._read = [(request, case, values), *self._read[: _MOST_KEPT - 1]]
        return case, values


def _with_others(request: ValidRequest) -> ValidRequest:
    """Return *request* with another entity like each, which references may be to."""
    known = dict(request.entities)
    for (name, id_), entity in request.entities.items():
        new = next(one for i in count(2) if (name, one := f"{id_}-{i}") not in known)
        line = entity.line
        if line is not None:
            line = line - {(name, id_)} | {(name, new)}
        known[name, new] = altered(entity, id=new, line=line)
    return replace(request, entities=known)


def _with_id(request: ValidRequest, part: str, id_: str) -> ValidRequest:
    """Return *request* with another entity like the one that is its subject or resource, in its place."""
    entity = getattr(request, part)
    line = entity.line
    if line is not None:
        line = line - {entity.key_} | {(entity.type, id_)}
    other = altered(entity, id=id_, line=line)
    known = {**request.entities, (entity.type, id_): other}
    return replace(request, entities=known, **{part: other})


def _target(request: ValidRequest) -> TargetKey:
    return request.action, request.subject.type, request.resource.type


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
