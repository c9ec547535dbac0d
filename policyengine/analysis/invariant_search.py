"""Search for a request that is allowed and breaks an invariant.

The search begins with what breaks the invariant, and nothing else. Whatever request is found is decided
by the reference interpreter. If it is denied, the reasons for that become conditions of the search: this
forbid does not hold, this gate is opened by one of its permits. So a search asks as few rules as it
takes. Where no request is left, none breaks the invariant: it is *proved*, and rests on the conditions
that failed. A request that is really allowed and breaks it is *broken*. If neither comes to be, it is
*not settled*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, Literal, TypeAlias

from attrs import Factory, define, evolve, frozen

from policyengine.analysis.budget import Budget, OutOfBudgetError, UndecidedError
from policyengine.analysis.concrete_values import Completion
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_request import ConstrainedRequest, ContradictionError
from policyengine.analysis.constrained_search import constrained_requests, is_satisfied, mentions_of
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.masks import detail, field_and_mask
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import CheckedRule, CheckedSet, Invariant

Answer: TypeAlias = Literal["proved", "broken", "not settled"]

_STEPS = (2_000, 50_000)
"""The numbers of ways to answer that are tried for one target: for every invariant first, then for those left."""

_ALONE = 100
"""The number of ways to answer that are tried to see whether one condition alone is enough."""

_DECIDING = 20
"""The cost of deciding a request, beside trying a way to answer."""

_MOST_SHRINKING = 150
"""The number of requests that are decided to find a smaller one."""

TIME_IS_UP = "the time was over before"
"""Why an invariant is not settled of which more may be known with a larger budget."""

SHOWN_FIELDS = "shown fields"
"""The name of the condition that one of an invariant's fields is shown."""


@frozen
class Finding:
    """What is known of an invariant.

    *rests_on*: forbids and gates that are enough for the proof; *request*: one that breaks it;
    *tried*: the number of requests that were decided; *why*: why it is not settled, and for which *target*.
    """

    invariant: Invariant
    answer: Answer
    rests_on: tuple[str, ...] = ()
    request: ValidRequest | None = None
    tried: int = 0
    why: str = ""
    target: TargetKey | None = None


@frozen(eq=False)
class _Condition:
    """Something that is so of every request that breaks the invariant; *rules*: those it asks."""

    name: str
    rules: tuple[CheckedRule, ...]
    holds: Callable[[ConstrainedRequest, Env], bool]


def examine(
    checked: CheckedSet, invariants: Iterable[Invariant], budget: Budget, now: int
) -> list[Finding]:
    """Return what is known of each of *invariants*. *now*: the time of requests, if any will do.

    Those that take little are settled first; what is settled is true whatever the budget was.
    """
    searches = [_InvariantSearch(checked, invariant, budget, now) for invariant in invariants]
    for steps in _STEPS:
        for whole in searches:
            if whole.answer == "not settled":
                whole.settle(steps)
    return [whole.finding() for whole in searches]


@define(eq=False)
class _InvariantSearch:
    """An invariant, and what is known of it so far.

    *left* has its targets that are not settled, and why; *met_by_none* conditions that no request meets, as `_alike`
    gives them, and the names of those that failed.
    """

    checked: CheckedSet
    invariant: Invariant
    budget: Budget
    now: int
    rests_on: set[str] = Factory(set)
    tried: int = 0
    left: dict[TargetKey, str] = Factory(dict)
    met_by_none: dict[Hashable, frozenset[str]] = Factory(dict)
    broken: tuple[ValidRequest, TargetKey] | None = None

    def __attrs_post_init__(self) -> None:
        self.left = dict.fromkeys(sorted(self.invariant.typings), TIME_IS_UP)

    @property
    def answer(self) -> Answer:
        """What is known."""
        if self.broken is not None:
            return "broken"
        return "not settled" if self.left else "proved"

    def settle(self, steps: int) -> None:
        """Search for each target that is left; the first request that breaks the invariant ends it."""
        for target in tuple(self.left):
            found = _TargetSearch(self, target, self.budget.part(steps)).run()
            if isinstance(found, str):
                self.left[target] = found
                continue
            del self.left[target]
            if found is not None:
                self.broken = found, target
                return

    def finding(self) -> Finding:
        """Return what is known."""
        request, target = self.broken or (None, next(iter(self.left), None))
        why = "" if self.broken or target is None else self.left[target]
        rests_on = tuple(sorted(self.rests_on)) if self.answer == "proved" else ()
        return Finding(self.invariant, self.answer, rests_on, request, self.tried, why, target)


@define(eq=False)
class _TargetSearch:
    """The search among the requests for one target."""

    whole: _InvariantSearch
    target: TargetKey
    budget: Budget
    conditions: list[_Condition] = Factory(list)
    failed: set[str] = Factory(set)
    reads_action: bool = False

    @property
    def checked(self) -> CheckedSet:
        return self.whole.checked

    @property
    def invariant(self) -> Invariant:
        return self.whole.invariant

    def run(self) -> ValidRequest | str | None:
        """Return a request that breaks the invariant, None if there is none, or why it is not known."""
        breaking = [_Condition("", (), self._breaks)]
        if self.invariant.fields is not None:
            breaking.append(_Condition(SHOWN_FIELDS, self._field_rules(), self._shows))
        # What settled another target is likely to settle this one.
        hints = self._named(self.whole.rests_on)
        self.conditions = [*breaking, *hints]
        try:
            found = self._refined()
            if found is None and not self.failed <= self.whole.rests_on:
                self.whole.rests_on |= self._least(breaking, self.failed)
        except OutOfBudgetError:
            over = self.whole.budget.is_spent
            return TIME_IS_UP if over else "there are too many cases to try"
        except UndecidedError:
            return "a rule does what is not understood"
        return found

    def _refined(self) -> ValidRequest | str | None:
        """Search, and again with the reasons for which what was found is denied."""
        while True:
            alike = self._alike()
            if alike in self.whole.met_by_none:
                self.failed = {*self.whole.met_by_none[alike]}
                return None
            self.failed, self.reads_action = set(), False
            unsure: ConstrainedRequest | None = None
            for state in self._states():
                found = self._try(state)
                if isinstance(found, ValidRequest):
                    return found
                if found:
                    self.conditions += found
                    break
                unsure = state
            else:
                gates = self._gates_not_asked() if unsure else []
                if not gates:
                    if unsure is not None:
                        return _turns_on(unsure)
                    if not self.reads_action:
                        self.whole.met_by_none[alike] = frozenset(self.failed)
                    return None
                self.conditions += map(self._gate_opens, gates)

    def _alike(self) -> Hashable:
        """Return all on which it depends which requests meet the conditions, for targets whose action none reads.

        Rules have one typing for targets in which all that they name has the same types.
        """
        _, subject, resource = self.target
        asked = [
            (c.name, *((id(r), id(r.typings[self.target])) for r in c.rules))
            for c in self.conditions
        ]
        gates = () if self.invariant.fields is None else tuple(self._field_gates())
        return subject, resource, id(self.invariant.typings[self.target]), gates, *asked

    def _least(self, breaking: list[_Condition], names: set[str]) -> set[str]:
        """Return conditions of *names* that are enough: none or one, if that is soon seen, else none that can be spared.

        They are hints for all other targets. Where the steps for a search are used up, nothing is left out.
        """
        named = sorted(names - {SHOWN_FIELDS})
        kept = set(names)
        for few in (set(), *({name} for name in named)):
            if self._are_enough(breaking, few, _ALONE):
                return few | (kept - set(named))
        for name in named:
            if self._are_enough(breaking, kept - {name}, _STEPS[0]):
                kept.remove(name)
        return kept

    def _are_enough(self, breaking: list[_Condition], names: set[str], steps: int) -> bool:
        """Whether the conditions of these names are known to leave no request that breaks it."""
        self.conditions = [*breaking, *self._named(names)]
        self.budget = self.whole.budget.part(steps)
        try:
            return next(self._states(), None) is None
        except UndecidedError:
            return False

    def _named(self, names: Collection[str]) -> list[_Condition]:
        """Return the conditions of these names that there are for the target."""
        gates = [g for g in self.checked.schema.gates_of(self.target).names if f"gate {g}" in names]
        forbids = [rule for rule in self._rules("forbid") if rule.id in names]
        return [*map(self._forbid_fails, forbids), *map(self._gate_opens, gates)]

    # ---- searching ----------------------------------------------------------------------

    def _states(self) -> Iterator[ConstrainedRequest]:
        """Give the constrained requests for which all conditions hold."""
        return constrained_requests(
            self.checked, self.target, self._mentions(), self.budget, self._meets_all
        )

    def _meets_all(self, state: ConstrainedRequest, env: Env) -> bool:
        try:
            for condition in self.conditions:
                state.reads.clear()
                if not condition.holds(state, env):
                    self.failed |= {condition.name} - {""}
                    return False
        except ContradictionError:
            raise
        except Exception as problem:  # a failure proves nothing
            raise UndecidedError from problem
        finally:
            self.reads_action |= state.reads_action
        return True

    def _mentions(self) -> MentionedConstants:
        rules = [rule for condition in self.conditions for rule in condition.rules]
        mentions = mentions_of(self.checked, rules, self.target)
        exprs = [c.expr for c in self.invariant.conjuncts]
        mentions.take(exprs, self.invariant.typings[self.target], set())
        return mentions

    # ---- conditions ---------------------------------------------------------------------

    def _breaks(self, _: ConstrainedRequest, env: Env) -> bool:
        typing = self.invariant.typings[self.target]
        return first_false(self.invariant.conjuncts, typing, env) is None

    def _satisfied(self, rule: CheckedRule, env: Env) -> bool:
        return is_satisfied(self.checked, rule, self.target, env)

    def _rules(self, *effects: str, gate: str | None = None) -> tuple[CheckedRule, ...]:
        return tuple(
            rule
            for rule in self.checked.rules_for(self.target)
            if rule.effect in effects and not rule.advisory and gate in (None, rule.gate)
        )

    def _forbid_fails(self, rule: CheckedRule) -> _Condition:
        return _Condition(rule.id, (rule,), lambda _, env: not self._satisfied(rule, env))

    def _gate_opens(self, gate: str) -> _Condition:
        permits = self._rules("permit", gate=gate)

        def opens(state: ConstrainedRequest, env: Env) -> bool:
            return _some_satisfied(
                state, ("gate", gate), permits, lambda r: self._satisfied(r, env)
            )

        return _Condition(f"gate {gate}", permits, opens)

    def _field_gates(self) -> Sequence[str]:
        return sorted(self.checked.schema.gates_of(self.target).fields or ())

    def _field_rules(self) -> tuple[CheckedRule, ...]:
        return tuple(
            rule
            for gate in self._field_gates()
            for rule in self._rules("permit", "expose", gate=gate)
        )

    def _shows(self, state: ConstrainedRequest, env: Env) -> bool:
        """Whether one of the invariant's fields is shown, in more detail than it says, by every field gate."""
        gates = self._field_gates()
        assert self.invariant.fields is not None
        fields = [
            (field, giving)
            for field in self.invariant.fields
            if all(giving := [self._giving(gate, field) for gate in gates]) and giving
        ]
        if not fields:
            return False
        field, giving = state.choose(("field",), lambda: fields)
        return all(
            _some_satisfied(state, ("shown", field, gate), rules, lambda r: self._satisfied(r, env))
            for gate, rules in zip(gates, giving, strict=True)
        )

    def _giving(self, gate: str, field: str) -> tuple[CheckedRule, ...]:
        """Return the rules of a gate that show *field* in more detail than an invariant allows."""
        name, mask = field_and_mask(field)
        found = []
        for rule in self._rules("permit", "expose", gate=gate):
            given = dict(map(field_and_mask, (rule.fields or {}).get(self.target[2], ())))
            if name in given and (mask is None or detail(given[name]) > detail(mask)):
                found.append(rule)
        return tuple(found)

    # ---- deciding -----------------------------------------------------------------------

    def _try(self, state: ConstrainedRequest) -> ValidRequest | list[_Condition]:
        """Return a request of *state* that is allowed and breaks the invariant, or new conditions."""
        needs = self.checked.needs(self.target) | self.invariant.needs[self.target]
        for invariant in self.checked.invariants:  # a test gives what all of them read
            needs |= invariant.needs.get(self.target, RequestNeeds())
        validator = Validator(self.checked.schema, lambda _: needs, Limits())
        added: list[_Condition] = []
        for given in Completion(state, self._mentions(), needs, self.whole.now).requests():
            self.whole.tried += 1
            self.budget.spend(_DECIDING)
            try:
                request = validator.validate_parts(**given)
            except InvalidRequest:
                continue
            if self._is_broken_by(request):
                return self._smaller(given, request, validator)
            added = self._reasons(request)
            if added:
                return added
        return added

    def _is_broken_by(self, request: ValidRequest) -> bool:
        """Whether *request* is allowed and breaks the invariant."""
        alone = evolve(self.checked, invariants=(self.invariant,))
        outcome = interpreter.decide(alone, request)
        return outcome.allowed and bool(interpreter.broken_invariants(alone, request, outcome))

    def _smaller(
        self, given: dict[str, Any], found: ValidRequest, validator: Validator
    ) -> ValidRequest:
        """Return a request that breaks the invariant as well, and from which nothing can be left out."""
        tries = iter(range(_MOST_SHRINKING))
        again = True
        while again:
            again = False
            for less in _with_less(given):
                if next(tries, None) is None:
                    return found
                try:
                    request = validator.validate_parts(**less)
                except InvalidRequest:
                    continue
                if self._is_broken_by(request):
                    given, found, again = less, request, True
                    break
        return found

    def _reasons(self, request: ValidRequest) -> list[_Condition]:
        """Return conditions that are not asked yet and that *request* does not meet."""
        asked = {condition.name for condition in self.conditions}
        case = interpreter.judge_all(self.checked, Env(request, self.checked.schema))
        shut = interpreter.shut_gates(case)
        gates = [gate for gate in self._gates_not_asked() if gate in shut]
        forbids = [v.rule for v in interpreter.forbidding(case) if v.rule.id not in asked]
        return [*map(self._forbid_fails, forbids), *map(self._gate_opens, gates)]

    def _gates_not_asked(self) -> list[str]:
        asked = {condition.name for condition in self.conditions}
        gates = self.checked.schema.gates_of(self.target).names
        return [gate for gate in gates if f"gate {gate}" not in asked]


def _turns_on(state: ConstrainedRequest) -> str:
    """Return on what it depends whether there is a request like *state*, of which none was found."""
    kinds = {
        "products of numbers of the request": "product",
        "sums of several numbers of the request": "total",
        "moments some months later": "months later",
        "the length of a text": "length",
        "how large a set is": "size",
        "a function that is not understood": "call",
    }
    parts = {part for place in state.numbers for part in (place, *_inside(place))}
    found = [what for what, mark in kinds.items() if mark in parts]
    if state.scheduled:
        found.append("schedules")
    if any(place in state.known for place in state.questions):
        found.append("what texts, paths or addresses are like or within")
    on = " and on ".join(found[:2]) or "how its parts fit together"
    return f"it depends on {on}, and no request was found that breaks it"


def _inside(place: object) -> Iterator[object]:
    """Give the parts of a place, and theirs."""
    if isinstance(place, tuple | frozenset):
        for part in place:
            yield part
            yield from _inside(part)


def _some_satisfied(
    state: ConstrainedRequest,
    place: tuple[object, ...],
    rules: Sequence[CheckedRule],
    satisfied: Callable[[CheckedRule], bool],
) -> bool:
    """Whether one of *rules*, which is chosen, is satisfied."""
    if not rules:
        return False
    return satisfied(state.choose(place, lambda: rules))


def _with_less(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give requests in which one element, attribute or entity is left out."""
    for path in list(_parts_of(given, ())):
        less = deepcopy(given)
        holder: Any = less
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
        yield less


def _parts_of(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Give the paths of what may be left out, the larger parts first."""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict) and value.keys() != {"type", "id"}:
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, part in inside:
        here = (*path, key)
        if isinstance(value, list) or (path and key not in ("type", "id", "parents", "properties")):
            yield here
        yield from _parts_of(part, here)
