"""Evaluate all that the conditions of rules ask of one request, also what short circuits pass over.

An atom is a condition without `and`, `or`, `not` and `if`, or a comparison inside a value. It is evaluated in
every scope in which it may be: for each element that a quantifier is about, and in definitions where they
are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import product
from math import prod
from typing import Any, TypeAlias

from attrs import evolve, frozen

from policyengine.analysis.candidate_values import by_nearness
from policyengine.model.schedules import Schedule
from policyengine.model.types import BOOL, ORDERED
from policyengine.reference.calendar import next_turn
from policyengine.reference.evaluation import Env, ancestors, evaluate, with_variable
from policyengine.semantics.checked import CheckedRule, Definition, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children

Scope: TypeAlias = tuple[object, ...]
"""The calls and the elements that lead to an atom, and the atom itself."""

MOST_ATOMS = 500
"""The number of atoms of a rule that are evaluated."""

_STEPS = 5
"""How often a distance that does not go on as it began is followed."""

_MOST_ASKED = 3_000
"""The number of times that a rule is asked about an element of a set."""

_MOST_ALIKE = 512
"""The number of sets that represent all."""


@frozen(eq=False)
class Atom:
    """A condition in one scope; *where* names both."""

    expr: nodes.Expr
    typing: Typing
    env: Env
    where: Scope

    @property
    def value(self) -> object:
        """Its value, None if it cannot be evaluated: a guard before it is false."""
        return _value(self.expr, self.typing, self.env)

    @property
    def distances(self) -> tuple[int, ...]:
        """How far the left number is above the right one, or above each of a set; empty if there are none.

        For a schedule it is how far `left` is beyond the next two moments at which that opens or closes.
        """
        if not isinstance(self.expr, nodes.Compare):
            return ()
        left, right = self.expr.left, self.expr.right
        one, other = self._side(left), self._side(right)
        if self.typing.type_of(left) not in ORDERED or one is None:
            return ()
        match other:
            case Schedule():
                turn = next_turn(one, other)
                return one - turn, one - next_turn(turn, other)
            case frozenset():
                return tuple(one - element for element in sorted(other))
            case int():
                return (one - other,)
        return ()

    @property
    def sets(self) -> Iterator[frozenset[Any]]:
        """The sets that are compared."""
        match self.expr:
            case nodes.Compare(_, left, right):
                for side in (self._side(left), self._side(right)):
                    if isinstance(side, frozenset):
                        yield side

    def _side(self, expr: nodes.Expr) -> Any:
        return _value(expr, self.typing, self.env)


def _value(expr: nodes.Expr, typing: Typing, env: Env) -> Any:
    try:
        return evaluate(expr, typing, env)
    except Exception:  # noqa: BLE001 - what is absent is read where no guard was asked
        return None


Asked: TypeAlias = tuple[CheckedRule, Sequence[int]]
"""A rule, and the numbers of some of its conditions."""


def atoms_of(asked: Asked, env: Env) -> list[Atom]:
    """Return the atoms of some conditions of a rule, at most `MOST_ATOMS`."""
    rule, numbers = asked
    typing = rule.typings[env.target]
    found: list[Atom] = []
    for number in numbers:
        for atom in _atoms_in(rule.conjuncts[number].expr, typing, env, (number,)):
            found.append(atom)
            if len(found) == MOST_ATOMS:
                return found
    return found


def _atoms_in(expr: nodes.Expr, typing: Typing, env: Env, where: Scope) -> Iterator[Atom]:
    if isinstance(typing.binding_of(expr), Value):
        return
    match expr:
        case nodes.Quantified(_, variable, over, body):
            yield Atom(expr, typing, env, (*where, id(expr)))
            yield from _atoms_in(over, typing, env, where)
            for element in _elements(over, typing, env):
                inner = with_variable(env, variable.name, element)
                yield from _atoms_in(body, typing, inner, (*where, id(expr), element))
        case nodes.Call(_, arguments):
            for argument in arguments:
                yield from _atoms_in(argument, typing, env, where)
            called = typing.binding_of(expr)
            if isinstance(called, Definition):
                values = [cache(partial(evaluate, a, typing, env)) for a in arguments]
                scope = dict(zip(called.parameters, values, strict=True))
                inner = evolve(env, variables=scope)
                yield from _atoms_in(called.body, called.typing, inner, (*where, id(expr)))
        case nodes.And() | nodes.Or() | nodes.Not() | nodes.If():
            for part in children(expr):
                yield from _atoms_in(part, typing, env, where)
        case _:
            if typing.type_of(expr) == BOOL:
                yield Atom(expr, typing, env, (*where, id(expr)))
            for part in children(expr):
                if id(part) in typing.types:
                    yield from _atoms_in(part, typing, env, where)


def _elements(over: nodes.Expr, typing: Typing, env: Env) -> list[Any]:
    try:
        among = (
            ancestors(over, typing, env)
            if isinstance(over, nodes.Ancestors)
            else evaluate(over, typing, env)
        )
    except Exception:  # noqa: BLE001 - as above
        return []
    return list(among)


Distances: TypeAlias = Mapping[tuple[Scope, int], int]
"""How far apart the numbers are that each atom compares."""


def distances_in(asked: Asked, env: Env) -> Distances:
    """Return the distances of each atom of what is *asked*."""
    return {
        (atom.where, number): distance
        for atom in atoms_of(asked, env)
        for number, distance in enumerate(atom.distances)
    }


def turning_points(start: int, distances: Callable[[int], Distances]) -> tuple[set[int], bool]:
    """Return the numbers at which a distance may change its sign, and whether those are all.

    They are where each distance would be 0 if it went on as it does at *start*; if it does not, from there again.
    """
    found: set[int] = set()
    exact = True
    before, after = distances(start), distances(start + 1)
    for mark, first in before.items():
        slope = after.get(mark, first) - first
        at, distance = start, first
        for _ in range(_STEPS if slope else 0):
            then = at - distance // slope
            found |= {then - 1, then, then + 1}
            there = distances(then).get(mark)
            if there is None:
                exact = False
                break
            if there == distance + slope * (then - at) or abs(there) <= abs(slope):
                break
            at, distance = then, there
        else:
            exact &= not slope
    return found, exact


def represented(
    present: frozenset[Any],
    others: Iterable[Any],
    asked: Sequence[Asked],
    env: Callable[[Iterable[Any]], Env],
    counted: int = 0,
) -> list[frozenset[Any]] | None:
    """Return sets that represent all that rules can tell apart, the nearest to *present* first.

    What rules ask of a set they ask of its elements, one by one, or of all elements of another set. So
    elements of which no answer differs are of one kind, and one of a kind represents some, unless all of them are
    asked for. *env*: where the set has these elements. *counted*: how many elements of a kind may matter. None if
    there are too many.
    """
    pool = [*sorted(present, key=str), *others]
    if len(pool) * len(asked) > _MOST_ASKED:
        return None
    empty = [atom for one in asked for atom in atoms_of(one, env(()))]
    places = [atom.where for atom in empty]
    sets = {side for atom in empty for side in atom.sets}
    kinds: dict[object, list[Any]] = {}
    for element in pool:
        answers = answers_in(asked, env((element,)))
        answer = (*map(answers.get, places), *(element in other for other in sets))
        kinds.setdefault(answer, []).append(element)
    states: list[list[frozenset[Any]]] = []
    for group in kinds.values():
        some = (frozenset(group) & present) or frozenset(group[:1])
        whole = [frozenset(group)] if any(group[0] in other for other in sets) else []
        many = [frozenset(group[:number]) for number in range(1, min(counted, len(group)) + 1)]
        states.append(list(dict.fromkeys([some, frozenset(), *whole, *many])))
    if prod(map(len, states)) > _MOST_ALIKE:
        return None
    return by_nearness((frozenset().union(*parts) for parts in product(*states)), present)


def answers_in(asked: Iterable[Asked], env: Env) -> dict[Scope, object]:
    """Return the value of each atom of what is *asked*."""
    return {atom.where: atom.value for one in asked for atom in atoms_of(one, env)}
