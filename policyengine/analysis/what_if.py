"""Decide variants of a request, in which some values are others.

The *places* of a request are the values that rules read: attributes of its entities, parts of its
context, the parents of entities, the fields that it asks for. Each has *options*: values that rules
may tell from the present one. The verdict on a rule is remembered by the options at the places that
it reads, so that trying two places together costs little more than trying each alone.

For a place whose type has few values, the options are all of them. For others they are the values
that rules and the request mention, and their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from attrs import define, field, frozen

from policyengine.analysis.atoms import (
    Asked,
    Distances,
    answers_in,
    distances_in,
    represented,
    turning_points,
)
from policyengine.analysis.candidate_values import (
    FEW,
    CandidateValues,
    RuleConstants,
    by_nearness,
    subsets,
)
from policyengine.analysis.places import (
    NOW,
    NOW_KEY,
    Changes,
    Place,
    ReadKey,
    ancestors_with,
    changed,
    places_of,
    read_keys_of,
    size_of_changed,
    value_at,
)
from policyengine.model.entities import Key
from policyengine.model.gaps import gives
from policyengine.model.masks import field_and_mask, spelled
from policyengine.model.needs import NOTHING, RequestNeeds
from policyengine.model.outcome import Obligation
from policyengine.model.records import Record
from policyengine.model.types import (
    DATETIME,
    ORDERED,
    Primitive,
    RecordType,
    SetType,
    TargetKey,
    holds_private,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, can_be_given
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env, evaluate
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.semantics.demand import read_by

MOST_OPTIONS = 80
"""The number of values that are tried at one place."""

MOST_KEPT = 1_000_000
"""The size of all changed requests that are kept: entities with their ancestors, which a move gives to all below."""

_JUDGING = 10
"""The cost of judging a rule, beside looking up an earlier verdict."""


class OutOfBudgetError(Exception):
    """Rules were judged more often, or for longer, than the budget allows."""


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

    *also*: rules beside those of the set that may be judged, and whose constants matter too. *beside*: one
    for the same target with the same rules, of which the constants are known.
    *budget*: how often rules may be judged before `OutOfBudgetError`, *deadline*: the moment (`time.monotonic`) from
    which that is raised; None for no bound.
    """

    checked: CheckedSet
    request: ValidRequest
    also: tuple[CheckedRule, ...] = ()
    budget: int | None = None
    deadline: float | None = None
    beside: Neighbourhood | None = None
    target: TargetKey = field(init=False)
    rules: tuple[CheckedRule, ...] = field(init=False)
    places: tuple[Place, ...] = field(init=False)
    needs: RequestNeeds = field(init=False)
    constants: RuleConstants = field(init=False)
    _pool: CandidateValues = field(init=False)
    _public: CandidateValues | None = field(init=False, default=None)
    _reads: dict[int, frozenset[ReadKey]] = field(init=False, factory=dict)
    _verdicts: dict[tuple[int, Changes], Verdict] = field(init=False, factory=dict)
    _held: dict[tuple[int, int, Changes], bool] = field(init=False, factory=dict)
    _read_by: dict[tuple[int, int], frozenset[ReadKey]] = field(init=False, factory=dict)
    _requests: dict[Changes, ValidRequest] = field(init=False, factory=dict)
    _size: int = field(init=False, default=0)
    _options: dict[tuple[Place, Changes], tuple[object, ...]] = field(init=False, factory=dict)
    _guessed: set[Place] = field(init=False, factory=set)
    _represented: set[Place] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        env = Env(self.request, self.checked.schema)
        self.target = env.target
        of_target = self.checked.rules_for(self.target)
        self.rules = tuple(rule for rule in of_target if not rule.advisory)
        self.needs = self.checked.needs(self.target)
        self.places = places_of(self.checked, self.request)
        self.constants = (
            RuleConstants.of((*self.rules, *self.also), self.target)
            if self.beside is None
            else self.beside.constants
        )
        self._pool = self._pool_of(self.places, all_known=True)

    def _pool_of(self, places: Iterable[Place], *, all_known: bool) -> CandidateValues:
        constants = self.constants
        return CandidateValues.of(
            self.checked, self.request, constants, places, all_known=all_known
        )

    @property
    def reads_time(self) -> bool:
        """Whether any rule reads the time, its dates included."""
        return bool(self._pool.mentions.timed)

    def guessed(self, place: Place) -> bool:
        """Whether the options of *place* may not represent all its values."""
        self.options(place)
        return place in self._guessed or self.constants.asked.anything

    def options(self, place: Place, given: Changes = ()) -> tuple[object, ...]:
        """Return the other values that *place* may have after the changes *given*, the nearest first."""
        mark = place, given
        if mark not in self._options:
            now = value_at(self.changed(given), place)
            self._pool.guessed = False
            found = self._values(place, now, self._pool, given)
            found = [value for value in dict.fromkeys(found) if value != now]
            optional = place.optional and now is not ABSENT
            if len(found) + optional > MOST_OPTIONS:
                self._pool.guessed = True
                found = found[: MOST_OPTIONS - optional]
            if self._pool.guessed:
                self._guessed.add(place)
            self._options[mark] = (*found, ABSENT) if optional else tuple(found)
        return self._options[mark]

    def gives_away(self, place: Place, value: object) -> bool:
        """Whether *value* is an option at *place* only because of values at hidden places."""
        if value is ABSENT or place.kind == "fields":
            return False
        if self._public is None:
            shown = [p for p in self.places if not p.hidden and not holds_private(p.type)]
            self._public = self._pool_of(shown, all_known=False)
        now = value_at(self.request, place)
        return value not in self._values(place, now, self._public, None)

    def _values(
        self, place: Place, now: Any, pool: CandidateValues, given: Changes | None
    ) -> list[Any]:
        """Return values for *place*; *given* is None if only what *pool* mentions may be regarded."""
        match place.kind, place.type:
            case "fields", _:
                return list(self._fields(now))
            case "parents", _:
                return self._parents(place, now, pool)
            case "attribute", RecordType() if now is not ABSENT:
                return []  # its parts are places
        near = None if now is ABSENT else now
        if given is None:
            pool.answers = None
            return pool.values(place.type, near, place.needs)
        match place.type:
            case Primitive() if place.type in ORDERED and (
                place.type in pool.asked.doubted or place == NOW
            ):
                plain = pool.plain_numbers(place.type, near)
                simplest = [one for one in plain if one == pool.now and place.type == DATETIME]
                return [*simplest, *self._turning_points(place, now, given), *plain]
            case RecordType() | SetType():
                pool.answers = self._answers_about(place, given)
        found = pool.values(place.type, near, place.needs)
        if isinstance(place.type, SetType) and pool.guessed:
            self._represented.add(place)
            return [*self._representatives(place, place.type, now, given), *found]
        return found

    def _fields(self, now: frozenset[str]) -> Iterator[frozenset[str]]:
        case = self.judged((), self.rules)
        gates = interpreter.gates(case)
        lacking = {name for gate in gates for name in interpreter.missing_fields(case, gate)}
        given = interpreter.shown_by_all(case)
        names = [field_and_mask(field)[0] for field in lacking]
        less = {spelled(name, given[name]) for name in names if name in given}
        fewer = (now - {one} for one in sorted(now))
        yield from (now - lacking | less, now - lacking, *fewer, frozenset())

    def _parents(self, place: Place, now: frozenset[Key], pool: CandidateValues) -> list[Any]:
        assert place.owner is not None
        ones = [
            (name, one)
            for name in sorted(self.checked.schema.entities[place.owner[0]].parents)
            for one in pool.named(name)
            if (name, one) not in now
            and place.owner not in ancestors_with(self.request, (name, one), ())
        ]
        if len(ones) + len(now) <= FEW:
            return by_nearness(subsets([*sorted(now), *ones]), now)
        pool.guessed = True
        less = [now - {one} for one in sorted(now)]
        more = [now | {one} for one in ones]
        instead = [(now - {gone}) | {one} for gone in sorted(now) for one in ones]
        return by_nearness([*more, *less, *instead, frozenset()], now)

    def _reading(self, place: Place) -> list[CheckedRule]:
        key = place.read_key
        return [
            rule for rule in (*self.rules, *self.also) if key == NOW_KEY or key in self.reads(rule)
        ]

    def _asking(self, place: Place) -> list[Asked]:
        """Return the rules that read *place*, each with the conditions that do."""
        key = place.read_key
        return [
            (rule, [n for n in range(len(rule.conjuncts)) if self._may_read(rule, n, key)])
            for rule in self._reading(place)
        ]

    def _may_read(self, rule: CheckedRule, number: int, key: ReadKey) -> bool:
        return key == NOW_KEY or key in self._condition_reads(rule, number)

    def _answers_about(self, place: Place, given: Changes) -> Callable[[Record], object] | None:
        """Return what rules answer about a record at *place*, or in the set there: the values of their atoms."""
        if not isinstance(place.type, RecordType | SetType):
            return None
        asked = self._asking(place)

        def answers_about(record: Record) -> object:
            value = frozenset([record]) if isinstance(place.type, SetType) else record
            request = self.changed((*given, (place, value)))
            answers = answers_in(asked, Env(request, self.checked.schema))
            return tuple(
                (tuple(part for part in where if part != record), answer)
                for where, answer in answers.items()
            )

        return answers_about

    def varies(self, place: Place, other: Place) -> bool:
        """Whether the options of *place* may be others after a change at *other*."""
        self.options(place)
        if place in self._represented:
            return any(other.read_key in self.reads(rule) for rule in self._reading(place))
        return self.computes(other, place)

    def computes(self, one: Place, other: Place) -> bool:
        """Whether some rule may compute with the numbers at two places."""
        doubted = self._pool.asked.doubted
        if one.type not in ORDERED or other.type not in doubted or other.type not in ORDERED:
            return False
        return any(one.read_key in self.reads(rule) for rule in self._reading(other))

    def _turning_points(self, place: Place, now: Any, given: Changes) -> list[int]:
        """Return the numbers at which a comparison that some rule makes changes, if all else is as it is."""
        if place == NOW and not self.reads_time:
            self._pool.guessed = False
            return []
        start = now if isinstance(now, int) else self._pool.start(place.type)
        found: set[int] = set()
        exact = True
        for one in self._asking(place):

            def distances(number: int, asked: Asked = one) -> Distances:
                request = self.changed((*given, (place, number)))
                return distances_in(asked, Env(request, self.checked.schema))

            points, all_found = turning_points(start, distances)
            found |= points
            exact &= all_found
        self._pool.guessed = not exact
        known = (number for number in found if can_be_given(place.type, number))
        return sorted(known, key=lambda number: abs(number - start))

    def _representatives(
        self, place: Place, type_: SetType, now: Any, given: Changes
    ) -> list[frozenset[Any]]:
        """Return sets that represent all that rules can tell apart, if all else is as it is; none if too many."""
        self._pool.guessed = False
        present = now if isinstance(now, frozenset) else frozenset()
        others = self._pool.elements(type_, now, place.needs.elements or NOTHING)
        asked = self._asking(place)

        def env(elements: Iterable[Any]) -> Env:
            request = self.changed((*given, (place, frozenset(elements))))
            return Env(request, self.checked.schema)

        found = represented(present, others, asked, env, self._pool.counted(type_))
        self._pool.guessed |= found is None or self._pool.sizes(type_)
        return found or []

    def changed(self, changes: Changes) -> ValidRequest:
        """Return the request with *changes*."""
        found = self._requests.get(changes)
        if found is None:
            found = changed(self.request, changes)
            self._size += size_of_changed(found, self.request)
            if self._size > MOST_KEPT:  # many were made of a large request: they are made again
                self._requests.clear()
                self._size = size_of_changed(found, self.request)
            self._requests[changes] = found
        return found

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

    def holds(self, rule: CheckedRule, number: int, changes: Changes) -> bool:
        """Whether one condition of *rule* has its wanted value after *changes*; not if it cannot be evaluated."""
        mark = id(rule), number, changes
        if mark not in self._held:
            self._spend(1)
            conjunct = rule.conjuncts[number]
            env = Env(self.changed(changes), self.checked.schema)
            try:
                found = evaluate(conjunct.expr, rule.typings[self.target], env)
                self._held[mark] = bool(found) == conjunct.wanted
            except Exception:  # noqa: BLE001 - what its guard asks for is absent
                self._held[mark] = False
        return self._held[mark]

    def failing(
        self, rule: CheckedRule, changes: Changes
    ) -> tuple[tuple[int, frozenset[ReadKey]], ...]:
        """Return the numbers of the conditions of *rule* that fail after *changes*, and what each reads.

        None where the rule may be satisfied without them.
        """
        if any(waiver.rule == rule.id for waiver in self.checked.waivers):
            return ()
        return tuple(
            (number, self._condition_reads(rule, number))
            for number in range(len(rule.conjuncts))
            if not self.holds(rule, number, changes)
        )

    def _condition_reads(self, rule: CheckedRule, number: int) -> frozenset[ReadKey]:
        mark = id(rule), number
        if mark not in self._read_by:
            needs, _ = read_by([rule.conjuncts[number].expr], rule.typings[self.target])
            self._read_by[mark] = read_keys_of(needs, self.checked.schema, self.target)
        return self._read_by[mark]

    def _spend(self, cost: int) -> None:
        if self.budget is not None:
            self.budget -= cost
            if self.budget < 0:
                raise OutOfBudgetError
        if self.deadline is not None and monotonic() >= self.deadline:
            raise OutOfBudgetError

    def _judge(self, rule: CheckedRule, request: ValidRequest) -> Verdict:
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
        return gives(self.changed(changes), self.needs)
