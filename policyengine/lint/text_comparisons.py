"""Find where rules compare strings by their beginnings, ends, parts and patterns, for several lint rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from policyengine.analysis.paths import path_of
from policyengine.lint.placed_conditions import Condition, Placed, asked_in
from policyengine.reference.evaluation import is_like
from policyengine.semantics.checked import CheckedRule, Size
from policyengine.syntax import nodes


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
    for asked in asked_in(rule):
        placed = asked.placed
        match placed.expr:
            case nodes.Compare("startswith" | "endswith" | "contains", left, right) as node:
                text, part = placed.at(left), placed.at(right)
                yield TextComparison(node, text, part, asked.wanted, asked.given)
            case nodes.Like(text_, _, "string") as node:  # the case of a path counts
                yield TextComparison(node, placed.at(text_), None, asked.wanted, asked.given)


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
