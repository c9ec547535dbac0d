"""Follow values through checked expressions: what is read, what is private, what it costs.

*Reading* pushes a demand down: reading `resource.author.protected` demands `protected` of the
author, hence the author of the resource. What a definition demands of its parameters is worked out
once and pushed on to the arguments. *Cost* counts elementary steps with each set at its limit, and
nodes with definitions inlined. *Digits* bounds the numbers that arithmetic can make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import define, field, frozen

from policyengine.model.limits import DIGITS, Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import (
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    Attribute,
    EntityRefType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    Type,
)
from policyengine.semantics.checked import Definition, Typing, Value, Variable
from policyengine.syntax import nodes

_LONGEST_GIVEN = DIGITS + 2
"""Digits of the longest number at the door: a moment in microseconds may have twenty."""

MOST_DIGITS = 1_000
"""Most digits of a number that an expression may compute: such a one can still be printed."""


def children(node: nodes.Expr) -> tuple[nodes.Expr, ...]:
    """Return the expressions directly inside *node*."""
    return _CHILDREN[type(node)](node)


# A table, since this is asked of every node several times: a `match` tries one class after another.
_CHILDREN: Final[Mapping[type[nodes.Node], Callable[[Any], tuple[nodes.Expr, ...]]]] = {
    nodes.Literal: lambda _: (),
    nodes.Name: lambda _: (),
    nodes.EntityRef: lambda _: (),
    nodes.Attr: lambda node: (node.object,),
    nodes.Has: lambda node: (node.object,),
    nodes.Like: lambda node: (node.object,),
    nodes.Update: lambda node: (node.object, node.changes),
    nodes.Not: lambda node: (node.operand,),
    nodes.Negate: lambda node: (node.operand,),
    nodes.SetDisplay: lambda node: node.items,
    nodes.RecordDisplay: lambda node: tuple(f.value for f in node.fields),
    nodes.And: lambda node: node.operands,
    nodes.Or: lambda node: node.operands,
    nodes.If: lambda node: (node.condition, node.yes, node.no),
    nodes.Compare: lambda node: (node.left, node.right),
    nodes.Arithmetic: lambda node: (node.left, node.right),
    nodes.Call: lambda node: node.arguments,
    nodes.Quantified: lambda node: (node.set, node.body),
}


def interpolated(template: nodes.Template) -> Iterator[nodes.Expr]:
    """Give the expressions of a text."""
    for part in template.parts:
        if not isinstance(part, str):
            yield part


# ---- what is read -----------------------------------------------------------------------


def read_by(
    exprs: Iterable[nodes.Expr], typing: Typing
) -> tuple[RequestNeeds, list[tuple[nodes.Expr, str]]]:
    """Return what evaluating *exprs* may read of a request, and what no request can give.

    That is: constants that refer to an entity of which more is read than its id, each with the path
    to the reference in it; an entity that a policy only names is in no request.
    """
    reader = _Reader(typing)
    for expr in exprs:
        reader.read(expr, NOTHING)
    roots = (reader.needs.get(root, NOTHING) for root in ("subject", "resource", "context"))
    return RequestNeeds(*roots), reader.beyond


@define
class _Reader:
    """Collects what is demanded of each variable, and of constants what they cannot give."""

    typing: Typing
    needs: dict[str, Needs] = field(factory=dict)
    beyond: list[tuple[nodes.Expr, str]] = field(factory=list)

    def read(self, node: nodes.Expr, need: Needs) -> None:
        """Demand *need* of the value of *node*."""
        binding = self.typing.binding_of(node)
        if isinstance(binding, Value) or (isinstance(binding, Variable) and binding == _ACTION):
            path = _path_to_entity(self.typing.type_of(node), need)
            if path is not None:
                self.beyond.append((node, path))
            return
        match node:
            case nodes.Name():
                assert isinstance(binding, Variable)
                need = need or whole(self.typing.type_of(node))
                self.needs[binding.name] = self.needs.get(binding.name, NOTHING) | need
            case nodes.Attr(object_, name):
                if name.name == "id" and isinstance(self.typing.type_of(object_), EntityRefType):
                    self.read(object_, NOTHING)
                else:
                    need = need or whole(self.typing.type_of(node))
                    self.read(object_, Needs({name.name: need}))
            case nodes.Has(object_, name):
                self.read(object_, Needs({name.name: NOTHING}))
            case nodes.If(condition, yes, no):
                self.read(condition, NOTHING)
                self.read(yes, need)
                self.read(no, need)
            case nodes.RecordDisplay(fields):
                for f in fields:
                    self.read(f.value, need.attributes.get(f.name.name, NOTHING))
            case nodes.SetDisplay(items):
                for item in items:
                    self.read(item, need.elements or NOTHING)
            case nodes.Compare("within", left, right):
                self.read(left, _line_of(self.typing.type_of(left)))
                self.read(right, NOTHING)
            case nodes.Call(_, arguments) if isinstance(binding, Definition):
                demanded = _demanded(binding)
                for parameter, argument in zip(binding.parameters, arguments, strict=True):
                    self.read(argument, demanded.get(parameter, NOTHING))
            case nodes.Quantified(_, variable, over, body):
                self.read(body, NOTHING)
                element = self.needs.pop(variable.name, NOTHING)
                self.read(over, Needs(elements=element) if element else NOTHING)
            case _:
                for child in children(node):
                    self.read(child, NOTHING)


_ACTION = Variable("action")
"""A record of constants."""


def _path_to_entity(type_: Type, need: Needs) -> str | None:
    """Return the path to an entity of which *need* wants something, in a value of that type."""
    match type_:
        case EntityRefType():
            return "" if need else None
        case SetType(element):
            return _path_to_entity(element, need.elements or NOTHING)
        case RecordType():
            for name, part in need.attributes.items():
                path = _path_to_entity(type_.by_name[name].type, part)
                if path is not None:
                    return f".{name}{path}"
    return None


def whole(type_: Type) -> Needs:
    """Return what taking a value as a whole reads: all of a record, nothing of an entity."""
    match type_:
        case RecordType(attributes):
            return Needs({a.name: whole(a.type) for a in attributes})
        case SetType(element):
            inner = whole(element)
            return Needs(elements=inner) if inner else NOTHING
        case _:
            return NOTHING


def _line_of(type_: Type) -> Needs:
    match type_:
        case EntityRefType():
            return Needs(line=True)
        case SetType(EntityRefType()):
            return Needs(elements=Needs(line=True))
        case _:
            return NOTHING


def _demanded(definition: Definition) -> dict[str, Needs]:
    reader = _Reader(definition.typing)
    reader.read(definition.body, NOTHING)
    return reader.needs


# ---- what is private --------------------------------------------------------------------


def private_reads(node: nodes.Expr, typing: Typing, schema: Schema) -> Iterator[nodes.Expr]:
    """Give each place in *node* where something private is read, in definitions too.

    A comparison of a private value tells something of it, and so does a branch that hangs on it:
    any read counts. The place of a read inside a definition is the call.
    """
    binding = typing.binding_of(node)
    if isinstance(binding, Value):
        return
    if isinstance(node, nodes.Attr | nodes.Has):
        owner = typing.type_of(node.object)
        attribute = _attribute(owner, node.name.name, schema)
        if attribute is not None and attribute.private:
            yield node
            return
    if isinstance(node, nodes.Name | nodes.Attr) and _holds_private(typing.type_of(node)):
        yield node
        return
    if isinstance(binding, Definition) and any(
        True for _ in private_reads(binding.body, binding.typing, schema)
    ):
        yield node
        return
    for child in children(node):
        # `r.a` reads one attribute of the record `r`, not the private ones beside it.
        if isinstance(node, nodes.Attr | nodes.Has) and isinstance(child, nodes.Name | nodes.Attr):
            yield from _private_on_the_way(child, typing, schema)
        else:
            yield from private_reads(child, typing, schema)


def _private_on_the_way(
    node: nodes.Name | nodes.Attr, typing: Typing, schema: Schema
) -> Iterator[nodes.Expr]:
    if isinstance(node, nodes.Attr) and not isinstance(typing.binding_of(node), Value):
        attribute = _attribute(typing.type_of(node.object), node.name.name, schema)
        if attribute is not None and attribute.private:
            yield node
        elif isinstance(node.object, nodes.Name | nodes.Attr):
            yield from _private_on_the_way(node.object, typing, schema)
        else:
            yield from private_reads(node.object, typing, schema)


def _attribute(owner: Type, name: str, schema: Schema) -> Attribute | None:
    match owner:
        case EntityRefType(entity):
            return schema.entities[entity].by_name.get(name)
        case RecordType():
            return owner.by_name.get(name)
        case _:
            return None


def _holds_private(type_: Type) -> bool:
    match type_:
        case RecordType(attributes):
            return any(a.private or _holds_private(a.type) for a in attributes)
        case SetType(element):
            return _holds_private(element)
        case _:
            return False


# ---- what it costs ----------------------------------------------------------------------


@frozen
class Cost:
    """What evaluating an expression may take.

    *steps* with sets at their limit; *size* in nodes, definitions inlined; *depth* of the nesting,
    definitions inlined; *digits* of the value, 0 if no number is in it; *longest* of the digits of
    every number on the way.
    """

    steps: int
    size: int
    depth: int = 0
    digits: int = 0
    longest: int = 0


_NO_COST = Cost(0, 0)


def _digits_in(type_: Type, digits: int, longest: int) -> int:
    """Return the digits of a value of *type_*, whose parts may be computed numbers."""
    if isinstance(type_, RecordType | SetType):
        return max(digits, longest)
    return digits if _is_number(type_) else 0


class Costs:
    """Works out costs; that of each definition once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._definitions: dict[int, Cost] = {}

    def of(self, node: nodes.Expr, typing: Typing) -> Cost:
        """Return the cost of evaluating *node* once."""
        binding = typing.binding_of(node)
        if isinstance(binding, Value):
            digits = len(str(binding.value)) if _is_number(binding.type) else 0
            return Cost(1, 1, 0, digits, digits)
        if isinstance(node, nodes.Name | nodes.Attr):
            return self._of_place(node, typing)
        parts = [self.of(child, typing) for child in children(node)]
        steps = 1 + sum(part.steps for part in parts)
        size = 1 + sum(part.size for part in parts)
        depth = 1 + max((part.depth for part in parts), default=0)
        digits = max((part.digits for part in parts), default=0)
        longest = max((part.longest for part in parts), default=0)
        match node:
            case nodes.Quantified(_, _, over, _):
                steps += self._elements(over, typing) * (1 + parts[1].steps)
            case nodes.Compare("within" | "touches", left, right):
                steps += self._elements(left, typing) * self._elements(right, typing)
            case nodes.Compare(_, left, right):
                steps += self._weight(left, typing) + self._weight(right, typing)
            case nodes.SetDisplay() | nodes.RecordDisplay():
                steps += self._weight(node, typing)
            case nodes.Arithmetic(op):
                digits = parts[0].digits + parts[1].digits if op == "*" else digits + 1
                steps += digits // DIGITS
            case nodes.Call() if isinstance(binding, Definition):
                body = self.of_definition(binding)
                steps, size, depth = steps + body.steps, size + body.size, depth + body.depth
                # The body was measured with what is given at the door; each place in it may
                # multiply an argument that is longer.
                grown = digits * body.size if digits > _LONGEST_GIVEN else 0
                digits, longest = body.digits + grown, max(longest, body.longest + grown)
            case nodes.Call():
                digits = max(_LONGEST_GIVEN, digits)
        digits = _digits_in(typing.type_of(node), digits, longest)
        return Cost(steps, size, depth, digits, max(longest, digits))

    def _of_place(self, node: nodes.Name | nodes.Attr, typing: Typing) -> Cost:
        """Return the cost of a name or an attribute: what most nodes are."""
        owner = self.of(node.object, typing) if isinstance(node, nodes.Attr) else _NO_COST
        given = max(_LONGEST_GIVEN, owner.digits)
        digits = _digits_in(typing.type_of(node), given, owner.longest)
        longest = max(owner.longest, digits)
        return Cost(1 + owner.steps, 1 + owner.size, 1 + owner.depth, digits, longest)

    def of_definition(self, definition: Definition) -> Cost:
        """Return the cost of the body of *definition*."""
        known = self._definitions.get(id(definition))
        if known is None:
            known = self.of(definition.body, definition.typing)
            self._definitions[id(definition)] = known
        return known

    def _elements(self, node: nodes.Expr, typing: Typing) -> int:
        binding = typing.binding_of(node)
        if isinstance(binding, Value) and isinstance(binding.value, frozenset):
            return max(1, len(binding.value))
        if isinstance(node, nodes.SetDisplay):
            return max(1, len(node.items))
        return self._limits.set_size if isinstance(typing.type_of(node), SetType) else 1

    def _weight(self, node: nodes.Expr, typing: Typing) -> int:
        type_ = typing.type_of(node)
        if isinstance(type_, SetType):
            return self._elements(node, typing) * self._type_weight(type_.element)
        return self._type_weight(type_)

    def _type_weight(self, type_: Type) -> int:
        match type_:
            case SetType(element):
                return self._limits.set_size * self._type_weight(element)
            case RecordType(attributes):
                return 1 + sum(self._type_weight(a.type) for a in attributes)
            case _:
                return 1


def _is_number(type_: Type) -> bool:
    return type(type_) is Primitive and type_ in (INT, DECIMAL, DATETIME, DURATION)
