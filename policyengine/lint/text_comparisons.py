"""Find where rules compare strings by their beginnings, ends, parts and patterns, for several lint rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from attrs import frozen

from policyengine.analysis.paths import path_of
from policyengine.reference.evaluation import is_like
from policyengine.semantics.checked import CheckedRule, Definition, Lower, Size, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children


@frozen
class Placed:
    """An expression where it is: with its typing, and the arguments of the definition that it is in."""

    expr: nodes.Expr
    typing: Typing
    arguments: Mapping[str, Placed]

    def at(self, expr: nodes.Expr) -> Placed:
        """Return a part of it; of a parameter, the argument."""
        if isinstance(expr, nodes.Name) and expr.name in self.arguments:
            return self.arguments[expr.name]
        return Placed(expr, self.typing, self.arguments)

    @property
    def binding(self) -> object:
        """The binding of the expression: a constant, a function, a definition."""
        return self.typing.binding_of(self.expr)

    @property
    def constant(self) -> object:
        """The value of a constant, None for anything else."""
        return self.binding.value if isinstance(self.binding, Value) else None

    @property
    def is_written(self) -> bool:
        """Whether the policy gives the value, written out or as what an action has."""
        path = path_of(self.expr)
        return self.constant is not None or (path is not None and path[0] == "action")

    @property
    def lowered(self) -> Placed | None:
        """The string that is lowered, if the expression lowers one."""
        if isinstance(self.expr, nodes.Call) and isinstance(self.binding, Lower):
            return self.at(self.expr.arguments[0])
        return self.definition.lowered if self.definition else None

    @property
    def definition(self) -> Placed | None:
        """The body of the definition that is called, if one is."""
        match self.expr, self.binding:
            case nodes.Call(_, arguments), Definition() as called:
                given = dict(zip(called.parameters, map(self.at, arguments), strict=True))
                return Placed(called.body, called.typing, given)
        return None


Condition: TypeAlias = tuple[Placed, bool]
"""A condition, and whether it must hold."""


@frozen
class TextComparison:
    """A comparison of *text* with *part*, or with the pattern of `like` where *part* is None.

    *wanted*: whether it must hold for the rule to be satisfied, if no other alternative is. *given*: the
    conditions that hold beside it.
    """

    node: nodes.Compare | nodes.Like
    text: Placed
    part: Placed | None
    wanted: bool
    given: tuple[Condition, ...]


def text_comparisons(rule: CheckedRule) -> Iterator[TextComparison]:
    """Give the comparisons of strings in the conditions of *rule*, and in the definitions that it uses."""
    typing = next(iter(rule.typings.values()))
    yield from _together([(Placed(c.expr, typing, {}), c.wanted) for c in rule.conjuncts], ())


def _together(
    conditions: Iterable[Condition], given: tuple[Condition, ...]
) -> Iterator[TextComparison]:
    """Give those in conditions that all hold."""
    conditions = tuple(conditions)
    for condition in conditions:
        others = tuple(other for other in conditions if other is not condition)
        yield from _in(condition, given + others)


def _in(condition: Condition, given: tuple[Condition, ...]) -> Iterator[TextComparison]:
    placed, wanted = condition
    match placed.expr:
        case nodes.Not(operand):
            yield from _in((placed.at(operand), not wanted), given)
        case nodes.And(operands) | nodes.Or(operands):
            parts = [(placed.at(operand), wanted) for operand in operands]
            if isinstance(placed.expr, nodes.And) is wanted:
                yield from _together(parts, given)
            else:
                for part in parts:
                    yield from _in(part, given)
        case nodes.Compare("startswith" | "endswith" | "contains", left, right) as node:
            yield TextComparison(node, placed.at(left), placed.at(right), wanted, given)
        case nodes.Like(text, _, "string") as node:  # the case of a path counts
            yield TextComparison(node, placed.at(text), None, wanted, given)
        case _ if placed.definition:
            yield from _in((placed.definition, wanted), given)
        case expr:
            for child in children(expr):
                yield from _in((placed.at(child), wanted), given)


def may_be_empty(part: Placed, given: Iterable[Condition]) -> bool:
    """Whether *part*, no constant, may be the empty string while the conditions *given* hold."""
    part = part.lowered or part
    path = path_of(part.expr)
    return path is None or not any(_excludes(condition, path) for condition in given)


def _excludes(condition: Condition, path: tuple[str, ...]) -> bool:
    """Whether *condition* is not met where the string at *path* is empty."""
    placed, wanted = condition
    match placed.expr:
        case nodes.Not(operand):
            return _excludes((placed.at(operand), not wanted), path)
        case nodes.And(operands) | nodes.Or(operands):
            each = (_excludes((placed.at(operand), wanted), path) for operand in operands)
            return any(each) if isinstance(placed.expr, nodes.And) is wanted else all(each)
        case nodes.Like(text, pattern, "string"):
            value = _if_empty(placed.at(text), path)
            return isinstance(value, str) and is_like(value, pattern) is not wanted
        case nodes.Compare(op, left, right):
            one, other = (_if_empty(placed.at(side), path) for side in (left, right))
            holds = None if one is None or other is None else _compare(op, one, other)
            return holds is not None and holds is not wanted
        case _:
            called = placed.definition
            return called is not None and _excludes((called, wanted), path)


def _if_empty(side: Placed, path: tuple[str, ...]) -> object:
    """Return the value of *side* where the string at *path* is empty; None if that is not known."""
    if path_of(side.expr) == path or (side.lowered and path_of(side.lowered.expr) == path):
        return ""
    match side.expr, side.binding:
        case nodes.Call(_, (sized,)), Size() if path_of(side.at(sized).expr) == path:
            return 0
    return side.constant


def _compare(op: nodes.Comparison, one: object, other: object) -> bool | None:
    """Return how strings and numbers compare; None for what else there is."""
    match op, one, other:
        case "==", _, _:
            return one == other
        case "!=", _, _:
            return one != other
        case "in", _, frozenset():
            return one in other
        case "<", int(), int():
            return one < other
        case "<=", int(), int():
            return one <= other
        case ">", int(), int():
            return one > other
        case ">=", int(), int():
            return one >= other
        case "startswith", str(), str():
            return one.startswith(other)
        case "endswith", str(), str():
            return one.endswith(other)
        case "contains", str(), str():
            return other in one
        case _:
            return None
