"""Bound the cost of evaluating a checked expression.

The *cost* counts elementary steps with each set at its limit, and nodes with definitions inlined;
*digits* bounds the numbers that arithmetic can make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias, assert_never

from attrs import evolve, frozen

from policyengine.model.limits import DIGITS, Limits
from policyengine.model.path_syntax import MOST_SEGMENTS, segments_of
from policyengine.model.types import (
    ORDERED,
    PATH,
    STRING,
    Primitive,
    RecordType,
    SetType,
    Type,
)
from policyengine.semantics.checked import Definition, Lower, Typing, Value, Variable, rows_of
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import of_comparison

_LONGEST_GIVEN = DIGITS + 2
"""The digits of the longest number in a request: a moment in microseconds may have twenty."""

MOST_DIGITS = 1_000
"""The most digits of a number that an expression may compute: it can still be printed."""

_CHARACTERS = 1_000
"""The code points of a string that one step goes through."""

_SHOWING = 20
"""Steps that showing one part of a value takes."""


@frozen
class Cost:
    """The cost of evaluating an expression once.

    *steps* with sets at their limit; *size* in nodes, definitions inlined; *depth* of the nesting,
    definitions inlined; *digits* of the value, 0 if no number is in it; *longest* of the digits of
    every number on the way.
    """

    steps: int
    size: int
    depth: int = 0
    digits: int = 0
    longest: int = 0


NO_COST = Cost(0, 0)


def together(costs: Iterable[Cost]) -> Cost:
    """Return the cost of evaluating one after the other."""
    costs = tuple(costs)
    return Cost(sum(cost.steps for cost in costs), sum(cost.size for cost in costs))


def most_of(costs: Iterable[Cost]) -> Cost:
    """Return the greatest of *costs*, part by part."""
    costs = (NO_COST, *costs)
    return Cost(max(cost.steps for cost in costs), max(cost.size for cost in costs))


def _digits_in(type_: Type, digits: int, longest: int) -> int:
    """Return the digits of a value of *type_*, whose parts may be computed numbers."""
    if isinstance(type_, RecordType | SetType):
        return max(digits, longest)
    return digits if _is_number(type_) else 0


def _digits_of(op: nodes.Sign, one: int, other: int) -> int:
    """Return the most digits that come of numbers with so many."""
    match op:
        case "+" | "-":
            return max(one, other) + 1
        case "*":
            return one + other
        case _:
            assert_never(op)


Sizes: TypeAlias = Mapping[str, int]
"""The most elements of sets, by the names of parameters."""

_AT_LIMIT: Final[Sizes] = MappingProxyType({})

_MOST_CALLS = 64
"""The calls of one definition, with sets of different sizes, whose costs are counted apart; in others sets count as being at their limit."""


class Costs:
    """Works out costs; that of each definition once for the sizes of the sets that it is called with."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._definitions: dict[int, dict[tuple[int, ...], Cost]] = {}

    def of(self, node: nodes.Expr, typing: Typing, sizes: Sizes = _AT_LIMIT) -> Cost:
        """Return the cost of evaluating *node* once.

        *sizes*: the most elements of parameters that are sets; of others it is the limit.
        """
        binding = typing.binding_of(node)
        if isinstance(binding, Value):
            digits = len(str(binding.value)) if _is_number(binding.type) else 0
            return Cost(self._weight(node, typing, sizes), 1, 0, digits, digits)
        if isinstance(node, nodes.Name | nodes.Attr):
            return self._of_place(node, typing, sizes)
        parts = [self.of(child, typing, sizes) for child in children(node)]
        steps = 1 + sum(part.steps for part in parts)
        size = 1 + sum(part.size for part in parts)
        depth = 1 + max((part.depth for part in parts), default=0)
        digits = max((part.digits for part in parts), default=0)
        longest = max((part.longest for part in parts), default=0)
        match node:
            case nodes.Quantified(_, _, over, _):
                steps += self._elements(over, typing, sizes) * (1 + parts[1].steps)
            case nodes.Compare(op, left, right) if (
                op not in ("==", "!=") and typing.type_of(left) == typing.type_of(right) == STRING
            ):
                steps += self._length(left, typing) + self._length(right, typing)
            case nodes.Like(text):
                steps += self._length(text, typing)
            case nodes.Compare(_, left, right) if of_comparison(node).linear:
                steps += self._weight(left, typing, sizes) + self._weight(right, typing, sizes)
            case nodes.Compare(_, left, right):
                each = self._elements(right, typing, sizes)
                if typing.type_of(left) in (PATH, SetType(PATH)):
                    each += MOST_SEGMENTS
                steps += self._elements(left, typing, sizes) * each
            case nodes.Like(_, pattern, "path"):
                steps += MOST_SEGMENTS * len(segments_of(pattern))
            case nodes.SetDisplay() | nodes.RecordDisplay():
                steps += self._weight(node, typing, sizes)
            case nodes.Arithmetic(op):
                digits = _digits_of(op, parts[0].digits, parts[1].digits)
                steps += digits // DIGITS
            case nodes.Call(_, arguments) if isinstance(binding, Definition):
                given = self._sizes_of(binding, arguments, typing, sizes)
                body = self.of_definition(binding, given)
                steps, size, depth = steps + body.steps, size + body.size, depth + body.depth
                # The body was measured with numbers of a request; each place in it may multiply
                # an argument that is longer.
                grown = digits * body.size if digits > _LONGEST_GIVEN else 0
                digits, longest = body.digits + grown, max(longest, body.longest + grown)
            case nodes.Ancestors():
                steps += self._limits.ancestors
            case nodes.LookUp():
                digits = max(_LONGEST_GIVEN, digits)
            case nodes.Call(_, arguments):
                digits = max(_LONGEST_GIVEN, digits)
                if isinstance(binding, Lower):
                    steps += self._length(arguments[0], typing)
        digits = _digits_in(typing.type_of(node), digits, longest)
        return Cost(steps, size, depth, digits, max(longest, digits))

    def _of_place(self, node: nodes.Name | nodes.Attr, typing: Typing, sizes: Sizes) -> Cost:
        """Return the cost of a name or an attribute, the most frequent nodes."""
        owner = self.of(node.object, typing, sizes) if isinstance(node, nodes.Attr) else NO_COST
        given = max(_LONGEST_GIVEN, owner.digits)
        digits = _digits_in(typing.type_of(node), given, owner.longest)
        longest = max(owner.longest, digits)
        return Cost(1 + owner.steps, 1 + owner.size, 1 + owner.depth, digits, longest)

    def of_shown(self, node: nodes.Expr, typing: Typing) -> Cost:
        """Return the cost of evaluating *node* once, and of showing its value to people."""
        cost = self.of(node, typing)
        return evolve(cost, steps=cost.steps + _SHOWING * self._weight(node, typing, _AT_LIMIT))

    def of_definition(self, definition: Definition, sizes: Sizes = _AT_LIMIT) -> Cost:
        """Return the cost of the body of *definition*, where its parameters have those *sizes*."""
        known = self._definitions.setdefault(id(definition), {})
        key = tuple(sizes.get(name, -1) for name in definition.parameters)
        if key not in known and len(known) >= _MOST_CALLS:
            sizes, key = _AT_LIMIT, (-1,) * len(key)
        if key not in known:
            known[key] = self.of(definition.body, definition.typing, sizes)
        return known[key]

    def at_least(self, definition: Definition) -> Cost:
        """Return the cost of the body of *definition*, were all sets among its parameters of one element."""
        return self.of_definition(definition, dict.fromkeys(definition.parameters, 1))

    def _sizes_of(
        self, called: Definition, arguments: Sequence[nodes.Expr], typing: Typing, sizes: Sizes
    ) -> Sizes:
        """Return the most elements of each set that a definition is called with."""
        given = zip(called.parameters, called.parameter_types, arguments, strict=True)
        return {
            name: self._elements(argument, typing, sizes)
            for name, type_, argument in given
            if isinstance(type_, SetType)
        }

    def _elements(self, node: nodes.Expr, typing: Typing, sizes: Sizes) -> int:
        binding = typing.binding_of(node)
        if isinstance(binding, Value) and isinstance(binding.value, frozenset):
            return max(1, len(binding.value))
        match node:
            case nodes.Name(name) if isinstance(binding, Variable) and name in sizes:
                return sizes[name]
            case nodes.SetDisplay(items):
                return max(1, len(items))
            case nodes.Ancestors():
                return self._limits.ancestors_of_type
            case nodes.LookUp():
                return max(map(_size, rows_of(node, typing)), default=1)
            case nodes.If(_, yes, no):
                return max(self._elements(yes, typing, sizes), self._elements(no, typing, sizes))
            case nodes.Call(_, arguments) if isinstance(binding, Definition):
                given = self._sizes_of(binding, arguments, typing, sizes)
                return self._elements(binding.body, binding.typing, given)
        return self._limits.set_size if isinstance(typing.type_of(node), SetType) else 1

    def _length(self, node: nodes.Expr, typing: Typing) -> int:
        """Return the steps that going through a string takes."""
        binding = typing.binding_of(node)
        most = self._limits.string_size
        return 1 + (len(str(binding.value)) if isinstance(binding, Value) else most) // _CHARACTERS

    def _weight(self, node: nodes.Expr, typing: Typing, sizes: Sizes) -> int:
        type_ = typing.type_of(node)
        if isinstance(type_, SetType):
            return self._elements(node, typing, sizes) * self._type_weight(type_.element)
        return self._type_weight(type_)

    def _type_weight(self, type_: Type) -> int:
        match type_:
            case SetType(element):
                return self._limits.set_size * self._type_weight(element)
            case RecordType(attributes):
                return 1 + sum(self._type_weight(a.type) for a in attributes)
            case _:
                return 1


def _size(value: object) -> int:
    return max(1, len(value)) if isinstance(value, frozenset) else 1


def _is_number(type_: Type) -> bool:
    return type(type_) is Primitive and type_ in ORDERED
