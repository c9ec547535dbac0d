"""Decide variants of a request, in which some values are others.

The *places* of a request are the values that rules read: attributes of its entities, parts of its
context, the parents of entities, the fields that it asks for. Each has *options*: values that rules
may tell from the present one. The verdict on a rule is remembered by the options at the places that
it reads, so that trying two places together costs little more than trying each alone.

For a place whose type has few values, the options are all of them. For others they are the values
that rules and the request mention, and their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import define, field, frozen

from policyengine.analysis.candidate_values import CandidateValues
from policyengine.analysis.places import (
    NOW_KEY,
    Changes,
    Place,
    ReadKey,
    ancestors_with,
    changed,
    places_of,
    read_keys_of,
    value_at,
)
from policyengine.analysis.symbolic_request import ancestor_types
from policyengine.model.decision import Obligation
from policyengine.model.gaps import gives
from policyengine.model.masks import field_and_mask, spelled
from policyengine.model.request import Request
from policyengine.model.types import (
    EntityRefType,
    TargetKey,
)
from policyengine.model.values import ABSENT
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_OPTIONS = 60
"""The number of values that are tried at one place."""

_JUDGING = 10
"""The cost of judging a rule, beside looking up an earlier verdict."""


class OutOfBudgetError(Exception):
    """Rules were judged more often than the budget allows."""


@frozen
class Granted:
    """The parts of a decision that somebody is granted: whether it allows, the fields it shows, and what is owed for it."""

    allowed: bool
    exposed: frozenset[str] | None
    masks: tuple[tuple[str, str], ...]
    obligations: tuple[Obligation, ...]


@define(eq=False)
class Neighbourhood:
    """A request and all that differ from it in a few values.

    *also*: rules beside those of the set that may be judged, and whose constants matter too.
    *budget*: how often rules may be judged before `OutOfBudgetError`; None for no bound.
    """

    checked: CheckedSet
    request: Request
    also: tuple[CheckedRule, ...] = ()
    budget: int | None = None
    target: TargetKey = field(init=False)
    rules: tuple[CheckedRule, ...] = field(init=False)
    places: tuple[Place, ...] = field(init=False)
    _pool: CandidateValues = field(init=False)
    _public: CandidateValues | None = field(init=False, default=None)
    _reads: dict[int, frozenset[ReadKey]] = field(init=False, factory=dict)
    _verdicts: dict[tuple[int, Changes], Verdict] = field(init=False, factory=dict)
    _requests: dict[Changes, Request] = field(init=False, factory=dict)
    _options: dict[Place, tuple[object, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        env = Env(self.request, self.checked.schema)
        self.target = env.target
        of_target = self.checked.rules_for(self.target)
        self.rules = tuple(rule for rule in of_target if not rule.advisory)
        self.places = places_of(self.checked, self.request)
        self._pool = self._pool_of(self.places, all_known=True)

    def _pool_of(self, places: Iterable[Place], *, all_known: bool) -> CandidateValues:
        rules = (*self.rules, *self.also)
        return CandidateValues.of(self.checked, self.request, rules, places, all_known=all_known)

    @property
    def unsure(self) -> bool:
        """Whether rules turn on what no option may show."""
        mentions = self._pool.mentions
        return mentions.unsure or mentions.climbs or len(mentions.patterns) > 1

    def options(self, place: Place) -> tuple[object, ...]:
        """Return the other values that *place* may have, the nearest first."""
        if place not in self._options:
            now = value_at(self.request, place)
            found = [value for value in self._values(place, now, self._pool) if value != now]
            if place.optional and now is not ABSENT:
                found = [*found[: MOST_OPTIONS - 1], ABSENT]
            self._options[place] = tuple(found[:MOST_OPTIONS])
        return self._options[place]

    def gives_away(self, place: Place, value: object) -> bool:
        """Whether *value* is an option at *place* only because of values at hidden places."""
        if value is ABSENT or place.kind == "fields":
            return False
        if self._public is None:
            shown = [other for other in self.places if not other.hidden]
            self._public = self._pool_of(shown, all_known=False)
        now = value_at(self.request, place)
        return value not in self._values(place, now, self._public)

    def _values(self, place: Place, now: Any, pool: CandidateValues) -> list[Any]:
        if place.kind in ("attribute", "now"):
            return pool.values(place.type, None if now is ABSENT else now)
        if place.kind == "fields":
            case = self.judged((), self.rules)
            gates = interpreter.gates(case)
            lacking = {name for gate in gates for name in interpreter.missing_fields(case, gate)}
            given = interpreter.shown_by_all(case)
            names = [field_and_mask(field)[0] for field in lacking]
            less = {spelled(name, given[name]) for name in names if name in given}
            fewer = (now - {one} for one in sorted(now))
            return [*dict.fromkeys([now - lacking | less, now - lacking, *fewer, frozenset()])]
        assert place.owner is not None
        above = ancestor_types(self.checked.schema, place.owner[0])
        ones = [
            (name, one)
            for name in sorted(above)
            for one in pool.values(EntityRefType(name), None)
            if place.owner not in ancestors_with(self.request, (name, one), ())
        ]
        return [*(now | {one} for one in ones), *(now - {one} for one in sorted(now)), frozenset()]

    def changed(self, changes: Changes) -> Request:
        """Return the request with *changes*."""
        if changes not in self._requests:
            self._requests[changes] = changed(self.request, changes)
        return self._requests[changes]

    def reads(self, rule: CheckedRule) -> frozenset[ReadKey]:
        """Return the read keys of the places that *rule* reads."""
        if id(rule) not in self._reads:
            needs = rule.needs[self.target]
            self._reads[id(rule)] = read_keys_of(needs, self.checked.schema, self.target)
        return self._reads[id(rule)]

    def verdict(self, rule: CheckedRule, changes: Changes = ()) -> Verdict:
        """Return the verdict on *rule* after *changes*."""
        self._spend(1)
        reads = self.reads(rule)
        matter = tuple(
            change
            for change in changes
            if change[0].read_key in reads or change[0].read_key == NOW_KEY
        )
        mark = (id(rule), matter)
        if mark not in self._verdicts:
            self._spend(_JUDGING)
            self._verdicts[mark] = self._judge(rule, self.changed(matter))
        return self._verdicts[mark]

    def _spend(self, cost: int) -> None:
        if self.budget is not None:
            self.budget -= cost
            if self.budget < 0:
                raise OutOfBudgetError

    def _judge(self, rule: CheckedRule, request: Request) -> Verdict:
        if not rule.in_force(request.now):
            return Verdict(rule)
        env = Env(request, self.checked.schema)
        return interpreter.judge(rule, interpreter.waivers(self.checked, rule, env), env)

    def allows(self, changes: Changes) -> bool:
        """Whether the request is allowed after *changes*; false if it could not be decided then."""
        opened: set[str] = set()
        for rule in self.rules:
            if rule.effect == "expose" or (rule.effect == "permit" and rule.gate in opened):
                continue
            verdict = self.verdict(rule, changes)
            if verdict.failed or (verdict.satisfied and rule.effect == "forbid"):
                return False
            if verdict.satisfied:
                opened.add(rule.gate)
        if len(opened) < len(self.checked.schema.gates_of(self.target).names):
            return False
        if self.request.fields is None:
            return True
        return interpreter.cause(self.judged(changes, self.rules)) == "permitted"

    def judged(self, changes: Changes, rules: Iterable[CheckedRule]) -> JudgedRequest:
        """Return the verdicts on *rules* after *changes*."""
        env = Env(self.changed(changes), self.checked.schema)
        return JudgedRequest(
            self.checked, env, tuple(self.verdict(rule, changes) for rule in rules)
        )

    def granted(self, changes: Changes, rules: Iterable[CheckedRule]) -> Granted:
        """Return what *rules* together grant after *changes*."""
        case = self.judged(changes, rules)
        allowed = interpreter.cause(case) == "permitted"
        owed = interpreter.obligations(case)
        return Granted(allowed, interpreter.exposed(case), interpreter.masks(case), owed)

    def fits(self, changes: Changes) -> bool:
        """Whether the changed request still gives all that rules read."""
        return gives(self.changed(changes), self.checked.needs(self.target))
