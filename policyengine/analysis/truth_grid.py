"""Answer whether rules cover another one by the truth values that conditions can have together.

Conditions that read a value in common form a *group*. All requests are tried for each group alone (`search.py`),
and give its *cases*: the combinations of truth values that its conditions can have. Groups are independent, so
a request is a choice of one case for each group, and a rule is a set of cases for each group that it mentions.
Then one rule is covered by others if no choice of its cases avoids them all, which is searched with bit sets:
one bit for each rule, and for each case the rules that it leaves possible. So a question about hundreds of
rules takes about as long as one about two, and no request is evaluated for it.

Conditions of a group of which not all cases could be found count as independent of each other. That allows
too much: what is covered even so is covered, and whether others are is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import Factory, define, frozen
from msgspec.structs import replace

from policyengine.analysis.budget import Budget, OutOfBudgetError, UndecidedError
from policyengine.analysis.constants import walk_typed
from policyengine.analysis.search import SearchSpace
from policyengine.model.types import EntityRefType, SetType, TargetKey, Type
from policyengine.reference.evaluation import Env, evaluate
from policyengine.semantics.checked import CheckedRule, CheckedSet, Typing
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_MOST_CASES = 1_000
"""The number of requests that are tried for one group."""

_MOST_TOGETHER = 300
"""The number of conditions in one group of which the cases are looked for."""

_MOST_WORK = 15_000
"""The number of conditions that are evaluated for one group, and of values that are chosen for it."""

_MOST_STEPS = 20_000
"""The number of choices that are made for one question."""


Cases: TypeAlias = set[tuple[bool, ...]]
"""The truth values that some conditions can have together."""


@frozen(eq=False)
class _Condition:
    """A condition, and the rule of which it is; *reads*: keys that it shares with what reads the same."""

    expr: nodes.Expr
    typing: Typing
    rule: CheckedRule
    reads: frozenset[object]


@frozen(eq=False)
class _Group:
    """Conditions, and their cases: for each, the rules that it leaves possible, as bits.

    *mentioned*: the rules with a condition of the group. *is_exact*: whether the cases are those that occur.
    """

    mentioned: int
    leaves: tuple[int, ...]
    is_exact: bool


@frozen(eq=False)
class TruthGrid:
    """The rules for one target, a bit for each, and the groups of their conditions.

    *exact*: the bits of rules of which all groups are.
    """

    bits: Mapping[int, int]
    groups: Sequence[_Group]
    exact: int

    @classmethod
    def of(
        cls,
        checked: CheckedSet,
        target: TargetKey,
        rules: Mapping[CheckedRule, object],
        budget: Budget,
        known: dict[object, Cases | None],
    ) -> TruthGrid:
        """Find the groups of *rules*, which are those for *target*.

        For each rule there is a key, the same for targets for which its conditions mean the same. *known*:
        the cases that were found for other targets.
        """
        making = _Making(checked, target, budget, rules, known)
        for rule in rules:
            making.add(rule)
        groups = [
            group for some in _connected(making.conditions()) for group in making.groups(some)
        ]
        if making.contradictory:
            groups.append(_Group(making.contradictory, (0,), is_exact=True))
        inexact = 0
        for group in groups:
            inexact |= 0 if group.is_exact else group.mentioned
        return cls(making.bits, groups, (1 << len(rules)) - 1 & ~inexact)

    def place(self, rule: CheckedRule) -> object:
        """Return a key that rules which may hold share only if they hold together; None if it is not known."""
        mine = self.bits[id(rule)]
        if not mine & self.exact:
            return None
        place = []
        for number, group in enumerate(self.groups):
            if group.mentioned & mine:
                cases = sum(1 << at for at, one in enumerate(group.leaves) if one & mine)
                if cases.bit_count() < len(group.leaves):
                    place.append((number, cases))
        return tuple(place)

    def never_holds(self, rule: CheckedRule, budget: Budget) -> bool | None:
        """Whether *rule* holds for no request; None if it is not known here."""
        return self.covered(rule, (), budget)

    def covered(
        self, rule: CheckedRule, others: Iterable[CheckedRule], budget: Budget
    ) -> bool | None:
        """Whether one of *others* holds wherever *rule* does; None if it is not known here."""
        mine = self.bits[id(rule)]
        bits = 0
        for other in others:
            bits |= self.bits.get(id(other), 0)
        steps = budget.part(steps=_MOST_STEPS)
        try:
            if not self._is_avoidable(mine, bits, self.groups, steps):
                return True
            if not mine & self.exact:
                return None
            exact = [group for group in self.groups if group.is_exact]
            if not bits & ~self.exact or self._is_avoidable(mine, bits, exact, steps):
                return False
        except OutOfBudgetError:
            if budget.is_spent or not (mine | bits) & ~self.exact:
                raise  # trying requests would take longer still
        return None

    def _is_avoidable(
        self, mine: int, others: int, groups: Iterable[_Group], budget: Budget
    ) -> bool:
        """Whether some case for each of *groups* satisfies rule *mine* and none of *others*."""
        left: list[tuple[int, list[int]]] = []
        for group in groups:
            if group.mentioned & mine:
                left.append((group.mentioned, [one for one in group.leaves if one & mine]))
            elif group.mentioned & others:
                left.append((group.mentioned, list(group.leaves)))
        return all(cases for _, cases in left) and _avoid(others, left, budget)


def _avoid(others: int, left: list[tuple[int, list[int]]], budget: Budget) -> bool:
    """Whether some choice of a case for each group that is *left* refutes all of *others*."""
    if not others:
        return True
    budget.spend(1)
    once = twice = 0
    for mentioned, _ in left:
        twice |= once & mentioned
        once |= mentioned
    if others & ~once:
        return False  # all conditions of one of them hold
    # First what can be refuted in one group only, then what most have in common.
    wanted = others & ~twice or others
    at = max(range(len(left)), key=lambda number: (left[number][0] & wanted).bit_count())
    mentioned, cases = left[at]
    rest = [*left[:at], *left[at + 1 :]]
    apart = others & ~mentioned
    found = sorted({others & case | apart for case in cases}, key=int.bit_count)
    least: list[int] = []
    for remaining in found:
        if not any(fewer & remaining == fewer for fewer in least):
            least.append(remaining)
    return any(_avoid(remaining, rest, budget) for remaining in least)


@define(eq=False)
class _Making:
    """What is known of the rules while their grid is made; *contradictory*: those that want both of one condition."""

    checked: CheckedSet
    target: TargetKey
    budget: Budget
    rules: Mapping[CheckedRule, object]
    known: dict[object, Cases | None]
    bits: dict[int, int] = Factory(dict)
    contradictory: int = 0
    _wanted: dict[_Condition, dict[bool, int]] = Factory(dict)
    _found: dict[nodes.Expr, list[_Condition]] = Factory(dict)

    def add(self, rule: CheckedRule) -> None:
        """Give *rule* a bit, and note which conditions it wants."""
        bit = self.bits[id(rule)] = 1 << len(self.bits)
        for conjunct in rule.conjuncts:
            wanted = self._wanted[self._condition(rule, conjunct.expr)]
            if wanted[not conjunct.wanted] & bit:
                self.contradictory |= bit
            wanted[conjunct.wanted] |= bit

    def conditions(self) -> Iterable[_Condition]:
        """Return the conditions of all rules."""
        return self._wanted

    def groups(self, conditions: Sequence[_Condition]) -> Iterator[_Group]:
        """Give the group of *conditions*, or one for each if their cases cannot be found."""
        mark = tuple((id(c.expr), self.rules[c.rule]) for c in conditions)
        if mark not in self.known:
            self.known[mark] = self._cases(conditions)
        cases = self.known[mark]
        if cases is not None:
            yield self._group(conditions, cases, is_exact=True)
        else:
            for condition in conditions:
                yield self._group([condition], {(False,), (True,)}, is_exact=False)

    def _group(
        self,
        conditions: Sequence[_Condition],
        cases: Cases,
        *,
        is_exact: bool,
    ) -> _Group:
        asked = [self._wanted[condition] for condition in conditions]
        mentioned = 0
        for wanted in asked:
            mentioned |= wanted[True] | wanted[False]
        leaves = set()
        for case in cases:
            refuted = 0
            for wanted, value in zip(asked, case, strict=True):
                refuted |= wanted[not value]
            leaves.add(mentioned & ~refuted)
        return _Group(mentioned, tuple(leaves), is_exact)

    def _cases(self, conditions: Sequence[_Condition]) -> Cases | None:
        """Return the truth values that *conditions* have together; None if not all could be found."""
        if len(conditions) > _MOST_TOGETHER:
            return None
        cases: Cases = set()
        budget = self.budget.part(steps=_MOST_WORK)
        alone = tuple(
            replace(
                condition.rule, conjuncts=_one(condition), obligations=(),
                valid_from=None, valid_until=None,
            )
            for condition in conditions
        )  # fmt: skip

        def note(env: Env) -> bool:
            budget.spend(len(conditions))
            cases.add(tuple(_is_true(condition, env) for condition in conditions))
            return False

        try:
            space = SearchSpace(self.checked, self.target, alone, _MOST_CASES, budget)
            next(space.states(note, all_or_none=True), None)
        except UndecidedError:
            return None
        return cases

    def _condition(self, rule: CheckedRule, expr: nodes.Expr) -> _Condition:
        """Return the condition *expr* of *rule*, or the same one of an earlier rule."""
        typing = rule.typings[self.target]
        alike = self._found.setdefault(expr, [])
        for other in alike:
            if _mean_the_same(expr, typing, other):
                return other
        found = _Condition(expr, typing, rule, frozenset(self._reads(expr, typing)))
        alike.append(found)
        self._wanted[found] = {True: 0, False: 0}
        return found

    def _reads(self, expr: nodes.Expr, typing: Typing) -> Iterator[object]:
        """Give keys of the values that *expr* reads: conditions without one in common are independent.

        Where an attribute may be that of the same entity in two ways, or entities are compared, the
        identity of the entity is read as well.
        """
        _, subject, resource = self.target
        for node, types in walk_typed(expr, typing):
            match node:
                case nodes.Attr(object_, name) | nodes.Has(object_, name):
                    owner = types.types.get(id(object_))
                    if isinstance(owner, EntityRefType):
                        yield owner.name, name.name
                        if subject == resource or not _is_party(object_) or name.name == "id":
                            yield "id", owner.name
                    elif isinstance(object_, nodes.Name):
                        yield object_.name, name.name
                case nodes.Name("now"):
                    yield "now"
                case nodes.Ancestors():
                    yield "line"
                case nodes.Compare(op, left, right):
                    for type_ in (types.types.get(id(left)), types.types.get(id(right))):
                        name_ = _entity_type(type_)
                        if name_ is not None:
                            yield "id", name_
                            if op == "within":
                                yield "line"
                case nodes.Quantified(_, _, over):
                    over_ = _entity_type(types.types.get(id(over)))
                    if over_ is not None:
                        yield "id", over_


def _one(condition: _Condition) -> tuple[object, ...]:
    return tuple(c for c in condition.rule.conjuncts if c.expr is condition.expr)[:1]


def _is_true(condition: _Condition, env: Env) -> bool:
    """Whether a condition holds; of one that reads something absent, its guard does not, so it does not matter."""
    try:
        return bool(evaluate(condition.expr, condition.typing, env))
    except LookupError:
        return False


def _entity_type(type_: Type | None) -> str | None:
    match type_:
        case EntityRefType(name):
            return name
        case SetType(element):
            return _entity_type(element)
    return None


def _is_party(expr: nodes.Expr) -> bool:
    return isinstance(expr, nodes.Name) and expr.name in ("subject", "resource")


def _mean_the_same(expr: nodes.Expr, typing: Typing, other: _Condition) -> bool:
    """Whether the words of two conditions with the same words mean the same."""
    return all(
        typing.binding_of(a) == other.typing.binding_of(b)
        for a, b in zip(walk(expr), walk(other.expr), strict=True)
    )


def _connected(conditions: Iterable[_Condition]) -> Iterator[list[_Condition]]:
    """Give lists of conditions: those that share a key, directly or by others, are in one list."""
    of_key: dict[object, list[_Condition]] = {}
    for condition in conditions:
        if not condition.reads:
            yield [condition]
            continue
        near = {id(some): some for key in condition.reads if (some := of_key.get(key))}
        joined = max(near.values(), key=len, default=[])  # it takes in the smaller ones
        for some in near.values():
            if some is not joined:
                joined += some
                of_key |= dict.fromkeys((key for one in some for key in one.reads), joined)
        joined.append(condition)
        of_key |= dict.fromkeys(condition.reads, joined)
    yield from {id(some): some for some in of_key.values()}.values()
