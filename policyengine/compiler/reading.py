"""Write functions that read the parts of plain requests, as fast as somebody would by hand.

A reader takes the subject, the resource or the context of a request for one target as dicts, lists
and strings, and returns the entity or the record that `model.reading` would. It takes no more than
what is plain: anything that it does not know (a mistake, an entity handed in where a reference
stands, ancestors) it answers with None or by failing, and the request goes the thorough way. So all
that is ever refused is refused there, in its words; and whatever a reader takes, the thorough way
takes alike: tests hold that.

The statements come from templates of ours, with expressions put where names stand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias, assert_never

from attrs import define, field

from policyengine.compiler.expressions import assign, name
from policyengine.model.entity_classes import entity_class
from policyengine.model.limits import DIGITS, Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import record_class
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.runtime.program import TargetKey
from policyengine.runtime.quick import QUICK, READERS, Sets

Body: TypeAlias = list[ast.stmt]

_BOUND: Final = 10**DIGITS


Reader: TypeAlias = Callable[[Any], Any]
"""Returns the entity or record that a dict says; None, or it fails, if that is not plain."""


def readers(
    schema: Schema, target: TargetKey, needs: RequestNeeds, limits: Limits
) -> tuple[Reader, Reader, Reader]:
    """Return the readers of the subject, the resource and the context of requests for *target*."""
    action, subject, resource = target
    return (
        entity_reader(schema.entities[subject], needs.subject, limits),
        entity_reader(schema.entities[resource], needs.resource, limits),
        context_reader(schema.actions[action].context, needs.context, limits),
    )


def entity_reader(type_: EntityType, needs: Needs, limits: Limits) -> Reader:
    """Return the reader of entities of *type_* of which rules read *needs*, but no ancestors."""
    writer = _Writer(limits)
    of_type = ast.Constant(type_.name)
    body = _filled(_ENTITY, type_name=of_type) + writer.string(name("id_"))
    found, complete, reading = writer.attributes(type_.attributes, "given", needs)
    parents = ast.Constant(None) if type_.parents else name("EMPTY")
    key = ast.Tuple([of_type, name("id_")], ast.Load())
    yes = ast.Constant(True)
    own = [of_type, name("id_"), ast.Constant(None), key, parents, name("NONE"), complete, yes]
    made = writer.named("made", entity_class(type_))
    return writer.finish([*body, *reading, ast.Return(ast.Call(made, [*own, *found], []))])


def context_reader(type_: RecordType, needs: Needs, limits: Limits) -> Reader:
    """Return the reader of contexts of *type_* of which rules read *needs*."""
    writer = _Writer(limits)
    body = _filled("given = raw\nif type(given) is not dict: return None")
    found, complete, reading = writer.attributes(type_.attributes, "given", needs)
    made = writer.named("made", record_class(type_))
    parts = [*found, name("NONE"), complete, ast.Constant(True)]
    return writer.finish([*body, *reading, ast.Return(ast.Call(made, parts, []))])


# ---- templates --------------------------------------------------------------------------

_ENTITY: Final = """
if type(raw) is not dict or raw["type"] != type_name: return None
if len(raw) != 3 and (len(raw) != 4 or raw["parents"] != []): return None
id_ = raw["id"]
given = raw["properties"]
if type(given) is not dict: return None
"""
_STRING: Final = """
if type(value) is not str or len(value) > longest: return None
if not value.isascii(): value.encode()
"""
_REFERENCE: Final = """
if type(value) is not dict or len(value) != 2 or value["type"] != type_name: return None
value = value["id"]
"""
_NAMES: Final = """
value = sets[value if type(value) is frozenset else tuple(value) if type(value) is list else None]
"""


def _filled(template: str, **parts: ast.expr | str) -> Body:
    """Return the statements of *template*, with *parts* where their names stand."""
    return [_Filling(parts).visit(statement) for statement in ast.parse(template).body]


def _expression(template: str, **parts: ast.expr | str) -> ast.expr:
    [statement] = _filled(template, **parts)
    assert isinstance(statement, ast.Expr)
    return statement.value


class _Filling(ast.NodeTransformer):
    """Puts expressions where names stand, and names in the place of others."""

    def __init__(self, parts: Mapping[str, ast.expr | str]) -> None:
        self._parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        part = self._parts.get(node.id, node.id)
        return ast.Name(part, node.ctx) if isinstance(part, str) else deepcopy(part)


# ---- writing ----------------------------------------------------------------------------


@define(eq=False)
class _Writer:
    """Writes one reader."""

    limits: Limits
    _objects: dict[str, object] = field(factory=dict)
    _number: int = 0

    def named(self, prefix: str, value: object) -> ast.Name:
        """Return a new name of an object that the reader knows."""
        found = self._fresh(prefix)
        self._objects[found] = value
        return name(found)

    def _fresh(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}_{self._number}"

    def attributes(
        self, attributes: Iterable[Attribute], given: str, needs: Needs
    ) -> tuple[list[ast.expr], ast.expr, Body]:
        """Read attributes out of the dict *given*.

        Returns them, whether none is lacking, and the statements. What is read must be there;
        other attributes may be left out, and are looked at if they are not.
        """
        body: Body = []
        found: list[ast.expr] = []
        lacking: list[ast.expr] = []
        count, present = 0, list[ast.expr]()
        for attribute in attributes:
            variable = self._fresh("value")
            parts: dict[str, ast.expr | str] = {
                "value": variable, "given": given, "key": ast.Constant(attribute.name),
            }  # fmt: skip
            needed = needs.attributes.get(attribute.name)
            reading = self._value(attribute.type, variable, needed or NOTHING)
            if needed is not None and not attribute.optional:
                body += [*_filled("value = given[key]", **parts), *reading]
                count += 1
            else:
                body += _filled("value = given[key] if key in given else ABSENT", **parts)
                is_given = _expression("value is not ABSENT", **parts)
                body.append(ast.If(is_given, reading, []))
                present.append(is_given)
                lacking += [] if attribute.optional else [is_given]
            if isinstance(attribute.type, RecordType):
                lacking.append(_expression("value is ABSENT or value.complete_", **parts))
            found.append(name(variable))
        known = _sum_of([ast.Constant(count), *present])
        unknown = _expression("len(given) != known", given=given, known=known)
        body.append(ast.If(unknown, [ast.Return(ast.Constant(None))], []))
        complete = ast.BoolOp(ast.And(), lacking) if len(lacking) > 1 else None
        return found, complete or (lacking[0] if lacking else ast.Constant(True)), body

    def string(self, value: ast.expr) -> Body:
        """Check a string."""
        assert isinstance(value, ast.Name)
        longest = ast.Constant(self.limits.string_size)
        return _filled(_STRING, value=value.id, longest=longest)

    def _value(self, type_: Type, value: str, needs: Needs) -> Body:
        """Return statements that turn the variable *value* into canonical form, or return None."""
        match type_:
            case Primitive("string"):
                return self.string(name(value))
            case Primitive("bool"):
                return _filled(
                    "if value is not True and value is not False: return None", value=value
                )
            case Primitive("int"):
                bound, least = ast.Constant(_BOUND), ast.Constant(-_BOUND)
                test = "if type(value) is not int or not least < value < bound: return None"
                return _filled(test, value=value, least=least, bound=bound)
            case Primitive(primitive):
                read = self.named("read", READERS[primitive])
                return _filled("value = read(value)", value=value, read=read)
            case EnumType() | LevelsType() | TaxonomyType():
                names = self.named("names", _names(type_))
                return _filled("value = names[value]", value=value, names=names)
            case EntityRefType(entity):
                reference = _filled(_REFERENCE, value=value, type_name=ast.Constant(entity))
                return [*reference, *self.string(name(value))]
            case SetType(element):
                return self._set(element, value)
            case RecordType():
                return self._record(type_, value, needs)
            case _:
                assert_never(type_)

    def _set(self, element: Type, value: str) -> Body:
        most, longest = ast.Constant(self.limits.set_size), ast.Constant(self.limits.string_size)
        limits = {"most": most, "longest": longest}
        match element:
            case EnumType() | LevelsType() | TaxonomyType():
                sets = self.named("sets", Sets(_names(element), self.limits.set_size))
                return _filled(_NAMES, value=value, sets=sets)
            case Primitive("string"):
                return _filled("value = strings(value, most, longest)", value=value, **limits)
            case EntityRefType(entity):
                of_type = ast.Constant(entity)
                read = "value = references(value, type_name, most, longest)"
                return _filled(read, value=value, type_name=of_type, **limits)
            case _:
                return [ast.Return(ast.Constant(None))]

    def _record(self, type_: RecordType, value: str, needs: Needs) -> Body:
        given = self._fresh("given")
        check = "if type(value) is not dict: return None\ngiven = value"
        body = _filled(check, value=value, given=given)
        found, complete, reading = self.attributes(type_.attributes, given, needs)
        made = self.named("made", record_class(type_))
        parts = [*found, name("NONE"), complete, complete]
        return [*body, *reading, assign(value, ast.Call(made, parts, []))]

    def finish(self, body: Body) -> Reader:
        """Return the function with that body."""
        arguments = ast.arguments([], [ast.arg("raw")], None, [], [], None, [])
        tree = ast.Module([ast.FunctionDef("read", arguments, body, [])], [])
        namespace = {"__builtins__": {}, **QUICK, **self._objects}
        code = compile(ast.fix_missing_locations(tree), "<reader>", "exec")
        exec(code, namespace)  # noqa: S102 - nodes of our own making
        read: Reader = namespace["read"]
        return read


def _sum_of(parts: Sequence[ast.expr]) -> ast.expr:
    total = parts[0]
    for part in parts[1:]:
        total = ast.BinOp(total, ast.Add(), part)
    return total


def _names(type_: EnumType | LevelsType | TaxonomyType) -> Mapping[str, object]:
    """Return the canonical form of each name."""
    if isinstance(type_, LevelsType):
        return {name: position for position, name in enumerate(type_.members)}
    return {name: name for name in type_.members}
