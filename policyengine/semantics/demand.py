"""Find the parts of a request that checked expressions read, and which of them are private.

A demand is pushed down: reading `resource.author.protected` demands `protected` of the author, hence
the author of the resource. What a definition demands of its parameters is worked out once and pushed
on to the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from attrs import define, field

from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    Type,
    holds_private,
)
from policyengine.semantics.checked import Definition, Typing, Value, Variable
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import of_comparison

# ---- what is read -----------------------------------------------------------------------


def read_by(
    exprs: Iterable[nodes.Expr], typing: Typing
) -> tuple[RequestNeeds, list[tuple[nodes.Expr, str]]]:
    """Return the needs of evaluating *exprs*, and the reads that no request can serve.

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
    """Collects the demands on each variable, and those that constants cannot meet."""

    typing: Typing
    needs: dict[str, Needs] = field(factory=dict)
    beyond: list[tuple[nodes.Expr, str]] = field(factory=list)

    def read(self, node: nodes.Expr, need: Needs) -> None:
        """Demand *need* of the value of *node*."""
        binding = self.typing.binding_of(node)
        known = isinstance(binding, Value) or (isinstance(binding, Variable) and binding == _ACTION)
        if known or isinstance(node, nodes.LookUp):
            path = _path_to_entity(self.typing.type_of(node), need)
            if path is not None:
                self.beyond.append((node, path))
            for child in () if known else children(node):
                self.read(child, NOTHING)
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
            case nodes.Compare(_, left, right) if of_comparison(node).ancestors:
                self.read(left, _line_of(self.typing.type_of(left)))
                self.read(right, NOTHING)
            case nodes.Ancestors(object_):
                made = self.typing.type_of(node)
                assert isinstance(made, SetType)
                assert isinstance(made.element, EntityRefType)
                above = {made.element.name: need.elements or NOTHING}
                self.read(object_, Needs(line=True, above=above))
            case nodes.Call(_, arguments) if isinstance(binding, Definition):
                for parameter, argument in zip(binding.parameters, arguments, strict=True):
                    self.read(argument, binding.demands.get(parameter, NOTHING))
            case nodes.Quantified(_, variable, over, body):
                self.read(body, NOTHING)
                element = self.needs.pop(variable.name, NOTHING)
                self.read(over, Needs(elements=element) if element else NOTHING)
            case (
                nodes.Not() | nodes.Negate() | nodes.And() | nodes.Or() | nodes.Compare() | nodes.Like()
                | nodes.Arithmetic() | nodes.Call() | nodes.Literal() | nodes.EntityRef() | nodes.Update()
            ):  # fmt: skip
                for child in children(node):
                    self.read(child, NOTHING)
            case _:
                assert_never(node)


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
    """Return the needs of a value as a whole: all of a record, nothing of an entity."""
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


def demands_of(body: nodes.Expr, typing: Typing) -> dict[str, Needs]:
    """Return the demands of a definition's body on each of its parameters."""
    reader = _Reader(typing)
    reader.read(body, NOTHING)
    return reader.needs


# ---- what is private --------------------------------------------------------------------


def private_reads(node: nodes.Expr, typing: Typing, schema: Schema) -> Iterator[nodes.Expr]:
    """Give each place in *node* where something private is read, in definitions too.

    A comparison of a private value reveals something of it, and so does a branch that depends on it:
    any read counts. The place of a read inside a definition is the call.
    """
    binding = typing.binding_of(node)
    if isinstance(binding, Value):
        return
    if isinstance(node, nodes.Attr | nodes.Has):
        owner = typing.type_of(node.object)
        attribute = attribute_of(owner, node.name.name, schema)
        if attribute is not None and attribute.private:
            yield node
            return
    if isinstance(node, nodes.Name | nodes.Attr) and holds_private(typing.type_of(node)):
        yield node
        return
    if isinstance(binding, Definition) and binding.reads_private:
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
        attribute = attribute_of(typing.type_of(node.object), node.name.name, schema)
        if attribute is not None and attribute.private:
            yield node
        elif isinstance(node.object, nodes.Name | nodes.Attr):
            yield from _private_on_the_way(node.object, typing, schema)
        else:
            yield from private_reads(node.object, typing, schema)


def attribute_of(owner: Type, name: str, schema: Schema) -> Attribute | None:
    """Return the attribute of a record or of the entity that a reference refers to."""
    match owner:
        case EntityRefType(entity):
            return schema.entities[entity].by_name.get(name)
        case RecordType():
            return owner.by_name.get(name)
        case _:
            return None
