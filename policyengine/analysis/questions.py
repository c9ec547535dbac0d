"""Answer questions about rules: whether a rule can hold, and whether another one covers it.

Every answer is about all requests for every target that the rules cover. Where the answer is not
known, it is False: so what is found is true whatever the budget was, and a smaller one only finds less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from attrs import Factory, define

from policyengine.analysis.budget import Budget, OutOfBudgetError, UndecidedError
from policyengine.analysis.invariant_search import TIME_IS_UP, Finding, examine
from policyengine.analysis.paths import Path, path_of, paths_in
from policyengine.analysis.search import SearchSpace, holds, never
from policyengine.analysis.truth_grid import Cases, TruthGrid
from policyengine.model.types import TargetKey
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import CheckedRule, CheckedSet, Value
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

T = TypeVar("T")

_FEW, _MANY = 8, 40
"""The number of rules for one target from which on all their conditions are tried first: the more targets
there are, the more it must save."""

_ROOTS = ("subject", "resource", "context", "action")


@define(eq=False)
class Questions:
    """Answers to questions about the rules of one set, within one budget.

    *about*: the code of the lint rule that asks, under which questions are counted. *not_settled*: those
    for which the budget was too small, or which have more cases than are tried for one question; *too_many*
    counts these alone. *proved*: the names of invariants of which that is known.
    """

    checked: CheckedSet
    budget: Budget = Factory(Budget)
    about: str = ""
    proved: frozenset[str] = frozenset()
    asked: Counter[str] = Factory(Counter)
    not_settled: Counter[str] = Factory(Counter)
    too_many: Counter[str] = Factory(Counter)
    _never: dict[tuple[int, object], bool] = Factory(dict)
    _forms: dict[tuple[int, TargetKey], object] = Factory(dict)
    _grids: dict[object, TruthGrid] = Factory(dict)
    _cases: dict[object, Cases | None] = Factory(dict)
    _grid_of: dict[TargetKey, TruthGrid] = Factory(dict)
    _invariants: list[Finding] | None = None
    _paths: dict[int, frozenset[Path]] = Factory(dict)
    _pins: dict[tuple[int, TargetKey], Mapping[Path, object]] = Factory(dict)

    def leaves_open(self) -> bool:
        """Whether the budget is spent, so that a question need not be prepared; it is counted then."""
        if not self.budget.is_spent:
            return False
        self.asked[self.about] += 1
        self.not_settled[self.about] += 1
        return True

    def never_holds(self, rule: CheckedRule, targets: Iterable[TargetKey] | None = None) -> bool:
        """Whether the conditions of *rule* hold for no request, or for none of *targets* if given."""
        return self._ask(lambda: self._never_holds(rule, targets), default=False)

    def covered(self, rule: CheckedRule, others: Iterable[CheckedRule]) -> bool:
        """Whether one of *others* holds, and is in force, whenever *rule* is."""
        return self._ask(lambda: self._covered(rule, others), default=False)

    def covering(self, rule: CheckedRule, others: Iterable[CheckedRule]) -> CheckedRule | None:
        """Return the first of *others* that covers *rule* alone, None if none is known to."""
        for other in others:
            with suppress(OutOfBudgetError):
                if self._covered(rule, [other]):
                    return other
        return None

    def same(self, one: CheckedRule, other: CheckedRule) -> bool:
        """Whether two rules with the same targets hold for the same requests, and for at least one."""
        return same_conditions(one, other) or self._ask(
            lambda: (
                not any(self._apart(one, other, target) for target in one.typings)
                and self._covered(one, [other])
                and self._covered(other, [one])
                and not self._never_holds(one)
            ),
            default=False,
        )

    def apart(self, rule: CheckedRule) -> object:
        """Return a key by which rules are told apart at once: if it differs they are not the same.

        None if nothing is known: then a rule may be the same as any.
        """
        grids = [self._grid(target) for target in sorted(rule.typings)]
        places = [None if grid is None else grid.place(rule) for grid in grids]
        return None if None in places else tuple(places)

    def constant_operands(self, rule: CheckedRule) -> list[tuple[nodes.Expr, bool]]:
        """Return the conditions and operands of *rule* that have one value for all requests.

        Of nested ones, only the outermost is returned.
        """
        return self._ask(lambda: self._constant_operands(rule), default=[])

    def needed(self, rule: CheckedRule, present: nodes.Has) -> bool:
        """Whether *rule* holds only where *present* was evaluated and is true."""
        return self._ask(lambda: self._needed(rule, present), default=False)

    def invariants(self, now: int) -> list[Finding]:
        """Return what is known of the invariants that are not known to be proved."""
        if self._invariants is None:
            left = [one for one in self.checked.invariants if one.name not in self.proved]
            self._invariants = examine(self.checked, left, self.budget, now)
        self.asked[self.about] += len(self._invariants)
        over = sum(finding.why == TIME_IS_UP for finding in self._invariants)
        if over:
            self.not_settled[self.about] += over
        return self._invariants

    def _ask(self, question: Callable[[], T], default: T) -> T:
        """Count and answer a question; *default* is returned if it is not settled."""
        self.asked[self.about] += 1
        try:
            self.budget.spend(0)
            return question()
        except OutOfBudgetError:
            self.not_settled[self.about] += 1
            self.too_many[self.about] += not self.budget.is_spent
            return default

    # ---- answers, which raise `OutOfBudgetError` where they are not settled --------------

    def _never_holds(self, rule: CheckedRule, targets: Iterable[TargetKey] | None = None) -> bool:
        if not rule.conjuncts:
            return False
        for target in rule.typings if targets is None else targets:
            mark = id(rule), self._form(rule, target)
            if mark not in self._never:
                self._never[mark] = self._never_holds_for(rule, target)
            if not self._never[mark]:
                return False
        return True

    def _never_holds_for(self, rule: CheckedRule, target: TargetKey) -> bool:
        grid = self._grid(target)
        answer = None if grid is None else grid.never_holds(rule, self.budget)
        if answer is None:
            answer = self._is_no([target], lambda _: (rule,), lambda env: holds(rule, env))
        return bool(answer)

    def _covered(self, rule: CheckedRule, others: Iterable[CheckedRule]) -> bool:
        lasting = [other for other in others if other.outlasts(rule)]
        if not lasting:
            return self._never_holds(rule)
        unknown = []
        for target in self._unlike(rule, lasting):
            grid = self._grid(target)
            answer = None if grid is None else grid.covered(rule, lasting, self.budget)
            if answer is False:
                return False
            if answer is None:
                unknown.append(target)
        if not unknown:
            return True
        own = self._reads(rule)
        near: dict[TargetKey, tuple[CheckedRule, ...]] = {}

        def beside(target: TargetKey) -> tuple[CheckedRule, ...]:
            if target not in near:
                there = [
                    other
                    for other in lasting
                    if target in other.typings and not self._apart(rule, other, target)
                ]
                # The fewer values are read before one holds, the fewer paths there are.
                near[target] = tuple(sorted(there, key=lambda other: len(self._reads(other) - own)))
            return near[target]

        def uncovered(env: Env, first: int) -> bool:
            typing, conditions = rule.typings[env.target], rule.conjuncts
            if first_false(conditions[:first], typing, env) is not None:
                return False
            if any(holds(other, env) for other in beside(env.target)):
                return False
            return first_false(conditions[first:], typing, env) is None

        def open_to(env: Env) -> bool:
            return not any(holds(other, env) for other in beside(env.target))

        for target in unknown:
            self.budget.spend(0)
            space = SearchSpace(self.checked, target, (rule, *beside(target)), budget=self.budget)
            if space.some(lambda env: holds(rule, env), open_to):
                return False

        # Conditions that cannot be tried out, such as arithmetic, need not be where another rule
        # holds already. So where the answer is unknown, the others are evaluated before the last
        # conditions of the rule.
        too_many = False
        for first in reversed(range(len(rule.conjuncts) + 1)):
            try:
                answer = self._is_no(
                    unknown, lambda t: (rule, *beside(t)), partial(uncovered, first=first)
                )
            except OutOfBudgetError:
                too_many = True
                continue
            if answer is not None:
                return answer
        if too_many:
            raise OutOfBudgetError
        return False

    def _constant_operands(self, rule: CheckedRule) -> list[tuple[nodes.Expr, bool]]:
        operands = [part for c in rule.conjuncts for part in conditions_in(c.expr)]
        taken: dict[int, set[bool]] = {id(operand): set() for operand in operands}

        def trace(expr: nodes.Expr, value: object) -> None:
            if id(expr) in taken:
                taken[id(expr)].add(bool(value))

        for target in self._unlike(rule):
            try:
                for _ in self._space(rule, target).states(
                    lambda env: holds(rule, env) or True, trace, all_or_none=True
                ):
                    if all(len(values) == 2 for values in taken.values()):  # noqa: PLR2004 - a bool
                        return []
            except OutOfBudgetError:
                raise
            except UndecidedError:
                return []
        found: list[tuple[nodes.Expr, bool]] = []
        inside: set[int] = set()
        for operand in operands:
            values = taken[id(operand)]
            if len(values) == 1 and id(operand) not in inside:
                found.append((operand, next(iter(values))))
                inside |= {id(part) for part in walk(operand)}
        return found

    def _needed(self, rule: CheckedRule, present: nodes.Has) -> bool:
        for target in self._unlike(rule):
            seen: list[bool] = []

            def trace(expr: nodes.Expr, value: object, seen: list[bool] = seen) -> None:
                if expr is present:
                    seen.append(bool(value))

            def without(env: Env, seen: list[bool] = seen) -> bool:
                seen.clear()
                return holds(rule, env) and True not in seen

            try:
                space = self._space(rule, target)
                if any(True for _ in space.states(without, trace, all_or_none=True)):
                    return False
            except OutOfBudgetError:
                raise
            except UndecidedError:
                return False
        return True

    def _is_no(
        self,
        targets: Iterable[TargetKey],
        rules: Callable[[TargetKey], tuple[CheckedRule, ...]],
        ask: Callable[[Env], bool],
    ) -> bool | None:
        """Whether the answer is no for every request; None if values to try do not represent all."""
        try:
            self.budget.spend(0)
            return never(self.checked, targets, rules, ask, self.budget)
        except OutOfBudgetError:
            raise
        except UndecidedError:
            return None

    # ---- what questions have in common ---------------------------------------------------

    def _unlike(self, rule: CheckedRule, others: Iterable[CheckedRule] = ()) -> Iterable[TargetKey]:
        """Return targets of *rule* that represent all: for no two, the rules mean the same."""
        rules = (rule, *others)
        unlike: dict[object, TargetKey] = {}
        for target in rule.typings:
            forms = tuple(self._form(one, target) for one in rules if target in one.typings)
            unlike.setdefault(forms, target)
        return unlike.values()

    def _form(self, rule: CheckedRule, target: TargetKey) -> object:
        """Return a key that is the same for targets for which the conditions of *rule* mean the same."""
        mark = id(rule), target
        if mark not in self._forms:
            action = self.checked.schema.actions[target[0]]
            read = sorted(path[1] for path in self._reads(rule) if path[0] == "action" and path[1:])
            given = (target[0] if name == "name" else action.constants.get(name) for name in read)
            self._forms[mark] = id(rule.typings[target]), *given
        return self._forms[mark]

    def _grid(self, target: TargetKey) -> TruthGrid | None:
        """Return the grid of the rules for *target*, None if they are so few that it does not pay."""
        rules = self.checked.rules_for(target)
        if len(rules) < min(_MANY, max(_FEW, len(self.checked.by_target) // 4)):
            return None
        if target not in self._grid_of:
            form_of = {rule: self._form(rule, target) for rule in rules}
            forms = tuple(form_of.values())
            if forms not in self._grids:
                self._grids[forms] = TruthGrid.of(
                    self.checked, target, form_of, self.budget, self._cases
                )
            self._grid_of[target] = self._grids[forms]
        return self._grid_of[target]

    def _reads(self, rule: CheckedRule) -> frozenset[Path]:
        """Return the paths in the conditions of *rule*."""
        if id(rule) not in self._paths:
            paths = (path for c in rule.conjuncts for path in paths_in(c.expr))
            self._paths[id(rule)] = frozenset(paths)
        return self._paths[id(rule)]

    def _space(self, rule: CheckedRule, target: TargetKey) -> SearchSpace:
        self.budget.spend(0)
        return SearchSpace(self.checked, target, (rule,), budget=self.budget)

    def _apart(self, one: CheckedRule, other: CheckedRule, target: TargetKey) -> bool:
        """Whether two rules want different values of one path, so that they never hold together.

        This is only a short cut; without it, sets of thousands of such rules would take too long.
        """
        mine = self._pinned(one, target)
        if not mine:
            return False
        its = self._pinned(other, target)
        return any(its.get(path, value) != value for path, value in mine.items())

    def _pinned(self, rule: CheckedRule, target: TargetKey) -> Mapping[Path, object]:
        """Return the paths of which *rule* wants one value, and that value."""
        mark = id(rule), target
        if mark not in self._pins:
            self._pins[mark] = dict(_equalities(rule, target))
        return self._pins[mark]


def _equalities(rule: CheckedRule, target: TargetKey) -> Iterable[tuple[Path, object]]:
    binding_of = rule.typings[target].binding_of
    for conjunct in rule.conjuncts:
        match conjunct.expr:
            case nodes.Compare("==", left, right) if conjunct.wanted:
                for side, value in ((left, binding_of(right)), (right, binding_of(left))):
                    path = path_of(side)
                    if isinstance(value, Value) and path and path[0] in _ROOTS:
                        yield path, value


def same_conditions(one: CheckedRule, other: CheckedRule, *, but: nodes.Expr | None = None) -> bool:
    """Whether two rules have the same conditions word for word, and the words mean the same.

    *but*: a condition of *one* that does not count; nor does the one in its place in *other*.
    """
    shared = one.typings.keys() & other.typings.keys()
    if not shared or len(one.conjuncts) != len(other.conjuncts):
        return False
    target = min(shared)
    mine, its = one.typings[target], other.typings[target]
    for conjunct, twin in zip(one.conjuncts, other.conjuncts, strict=True):
        if conjunct.expr is but:
            continue
        if conjunct != twin or not all(
            mine.binding_of(a) == its.binding_of(b)
            for a, b in zip(walk(conjunct.expr), walk(twin.expr), strict=True)
        ):
            return False
    return True


def conditions_in(expr: nodes.Expr) -> Iterable[nodes.Expr]:
    """Give *expr* and its operands, as far as it is made by `and`, `or`, `not` and `if`.

    `a not in b` is one condition, as it is written.
    """
    yield expr
    match expr:
        case nodes.And(operands) | nodes.Or(operands):
            for operand in operands:
                yield from conditions_in(operand)
        case nodes.Not(operand, infix=False):
            yield from conditions_in(operand)
        case nodes.If(condition, yes, no):
            for part in (condition, yes, no):
                yield from conditions_in(part)


def equivalent(
    checked: CheckedSet,
    one: CheckedRule,
    other: CheckedRule,
    instead: Callable[[TargetKey], tuple[CheckedRule, ...]] = lambda _: (),
) -> bool:
    """Whether two rules with the same targets are known to hold for the same requests.

    Requests for which one of the rules *instead* holds do not count: it decides, whatever the two rules do.
    """

    def differ(env: Env) -> bool:
        if holds(one, env) == holds(other, env):
            return False
        return not any(holds(rule, env) for rule in instead(env.target))

    try:
        return never(checked, one.typings, lambda t: (one, other, *instead(t)), differ)
    except UndecidedError:
        return False
