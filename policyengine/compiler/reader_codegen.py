"""Write functions that read plain requests, as fast as somebody would by hand.

A reader takes the subject, the resource or the context of a request for one target as dicts, lists
and strings, and returns the entity or the record that `model.reading` would. It takes no more than
what is plain: anything that it does not know (a mistake, an entity handed in where a reference
stands) it answers with None or by failing, and the request goes the thorough way. So all that is
ever refused is refused there, in its words; and whatever a reader takes, the thorough way takes
alike: tests hold that. `decider` writes one function that reads all three parts of the plainest
requests, and then decides.

The statements come from templates of ours, with expressions put where names stand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias, assert_never

from msgspec import Struct, field

from policyengine.compiler.emitter import ROOTS, assign, name
from policyengine.concurrency import ForkSafeLock
from policyengine.model.entities import entity_class
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
from policyengine.runtime.generated import run
from policyengine.runtime.program import TargetKey
from policyengine.runtime.reader_operations import QUICK, READERS, Sets

Body: TypeAlias = list[ast.stmt]

Reader: TypeAlias = Callable[[Any], Any]
"""Returns the entity or record that a dict says; None, or it fails, if that is not plain."""

_BOUND: Final = 10**DIGITS
_SMALL: Final = 1 << 30
"""Whole numbers from 0 to this are compared quickest."""


def entity_reader(type_: EntityType, needs: Needs, limits: Limits) -> Reader:
    """Return the reader of entities of *type_* of which rules read *needs*."""
    writer = _Writer(limits)
    parts: dict[str, ast.expr | str] = {
        "type_name": ast.Constant(type_.name),
        "above": writer.named("above", frozenset(type_.parents)),
        "most": ast.Constant(limits.ancestors),
        "longest": ast.Constant(limits.string_size),
        "unsaid": ast.Constant(None) if type_.parents else name("EMPTY"),
    }
    body = _filled(_ENTITY, **parts) + writer.string("id_")
    found, complete, reading = writer.attributes(type_.attributes, "given", needs)
    body += reading + _filled(_LINE, **parts)
    rest = [name("line"), name("parents"), name("NONE"), complete, complete]
    made = writer.named("made", entity_class(type_))
    return writer.finish([*body, ast.Return(_call(made, name("id_"), *found, *rest))])


def context_reader(type_: RecordType, needs: Needs, limits: Limits) -> Reader:
    """Return the reader of contexts of *type_* of which rules read *needs*."""
    writer = _Writer(limits)
    body = _filled(_RECORD, given="given", raw="raw")
    found, complete, reading = writer.attributes(type_.attributes, "given", needs)
    made = writer.named("made", record_class(type_))
    parts = [*found, name("NONE"), complete, complete]
    return writer.finish([*body, *reading, ast.Return(_call(made, *parts))])


def decider(
    schema: Schema,
    target: TargetKey,
    needs: RequestNeeds,
    limits: Limits,
    decide: Callable[..., Any],
    *,
    lines: bool = False,
) -> Callable[..., Any]:
    """Return a function of subject, resource and context, and of the time: it reads and decides.

    Parts may be built already, which *decide* looks at; the context may be None, and the time 0 for
    now. *decide* asks for no other entity, nor, without *lines*, for ancestors, so what is made for
    it knows of none.
    """
    action, *types = target
    context = schema.actions[action].context
    writer = _Writer(limits)
    body: Body = []
    for part, type_name, needed in zip(ROOTS, types, (needs.subject, needs.resource), strict=False):
        type_ = schema.entities[type_name]
        body += _if_dict(part, writer.plain_entity(part, type_, needed, lines=lines))
    body += _filled("if context is None: context = NOTHING")
    body += _if_dict("context", writer.plain_context("context", context, needs.context))
    decided = _call(writer.named("decide", decide), *map(name, ROOTS[:4]))
    return writer.finish([*body, ast.Return(decided)], ROOTS[:4], ast.Constant(0))


def _if_dict(part: str, reading: Body) -> Body:
    return [ast.If(_expression("type(part) is dict", part=part), reading, [])]


# ---- templates --------------------------------------------------------------------------

_ENTITY: Final = """
if type(raw) is not dict or raw["type"] != type_name: return None
id_ = raw["id"]
given = raw["properties"] if "properties" in raw else NOTHING
parents = ancestors(raw["parents"], above, most, longest) if "parents" in raw else unsaid
if len(raw) != 2 + ("properties" in raw) + ("parents" in raw): return None
if type(given) is not dict: return None
"""
_LINE: Final = """
line = frozenset([(type_name, id_)]) if parents is not None and not parents else None
"""
_PLAIN_ENTITY: Final = """
if raw["type"] != type_name: return None
if len(raw) != 3 and (len(raw) != 4 or raw["parents"] != []): return None
id_ = raw["id"]
given = raw["properties"]
if type(given) is not dict: return None
"""
_OWN_LINE: Final = "None if untold and len(raw) == 3 else frozenset([(type_name, id_)])"
_NO_PARENTS: Final = "None if untold and len(raw) == 3 else EMPTY"
_RECORD: Final = """
given = raw
if type(given) is not dict: return None
"""
_STRING: Final = """
if type(value) is not str or len(value) > longest: return None
if not value.isascii(): value.encode()
"""
_BOOL: Final = """
if value is not True and value is not False: return None
"""
_INT: Final = """
if type(value) is not int or not (0 <= value < small or least < value < bound): return None
"""
_REFERENCE: Final = """
if type(value) is not dict or len(value) != 2 or value["type"] != type_name: return None
value = value["id"]
"""
_NAMES: Final = """
value = sets[
    value if type(value) is frozenset else tuple(value) if type(value) is list else as_key(value)
]
"""
_STRINGS: Final = """
if type(value) is not frozenset: value = as_set(value)
if len(value) > most: return None
for string in value:
    if type(string) is not str or len(string) > longest: return None
    if not string.isascii(): string.encode()
"""


_parsing: Final = ForkSafeLock()
"""Python counts in one place for all threads how deep it is in making a tree, and fails if they meet."""


def _filled(template: str, **parts: ast.expr | str) -> Body:
    """Return the statements of *template*, with *parts* where their names stand."""
    with _parsing.lock:
        tree = ast.parse(template)
    return [_Filling(parts).visit(statement) for statement in tree.body]


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


def _call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    return ast.Call(function, list(arguments), [])


def _is_true(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Constant) and expression.value is True


# ---- writing ----------------------------------------------------------------------------


class _Writer(Struct, eq=False):
    """Writes one reader."""

    limits: Limits
    _objects: dict[str, object] = field(default_factory=dict)
    _number: int = 0

    def named(self, prefix: str, value: object) -> ast.Name:
        """Return a new name of an object that the reader knows."""
        found = self.fresh(prefix)
        self._objects[found] = value
        return name(found)

    def fresh(self, prefix: str) -> str:
        """Return a new name."""
        self._number += 1
        return f"{prefix}_{self._number}"

    def plain_entity(self, part: str, type_: EntityType, needs: Needs, *, lines: bool) -> Body:
        """Read the dict *part* as an entity that has no ancestors or says nothing of them.

        Which of the two is kept with *lines*.
        """
        id_, given = self.fresh("id"), self.fresh("given")
        parts: dict[str, ast.expr | str] = {
            "raw": part, "id_": id_, "given": given, "type_name": ast.Constant(type_.name),
            "untold": ast.Constant(bool(type_.parents)),
        }  # fmt: skip
        body = _filled(_PLAIN_ENTITY, **parts)
        body += self.string(id_)
        found, complete, reading = self.attributes(type_.attributes, given, needs)
        if lines:
            line, parents = _expression(_OWN_LINE, **parts), _expression(_NO_PARENTS, **parts)
        else:
            line = ast.Constant(None)
            parents = ast.Constant(None) if type_.parents else name("EMPTY")
        rest = [line, parents, name("NONE"), complete] if lines or not _is_true(complete) else []
        made = _call(self.named("made", entity_class(type_)), name(id_), *found, *rest)
        return [*body, *reading, assign(part, made)]

    def plain_context(self, part: str, type_: RecordType, needs: Needs) -> Body:
        """Read the dict *part* as a context, and put it there."""
        found, complete, reading = self.attributes(type_.attributes, part, needs)
        rest = [name("NONE"), complete, ast.Constant(True)]
        made = _call(self.named("made", record_class(type_)), *found, *rest)
        return [*reading, assign(part, made)]

    def attributes(
        self, attributes: Sequence[Attribute], given: str, needs: Needs
    ) -> tuple[list[ast.expr], ast.expr, Body]:
        """Read attributes out of the dict *given*.

        Returns them, whether none is lacking, and the statements. What is read must be there;
        other attributes may be left out, and are looked at if they are not. Mostly all are there,
        which then need not be asked of each.
        """
        variables = [self.fresh("value") for _ in attributes]
        found: list[ast.expr] = [name(variable) for variable in variables]
        sparse, lacking = self._sparse(attributes, variables, given, needs)
        if all(_must(attribute, needs) for attribute in attributes):
            return found, _all(lacking), sparse
        full, deep = self._full(attributes, variables, given, needs)
        complete = self.fresh("complete")
        total = ast.Constant(len(attributes))
        all_given = _expression("len(given) == total", given=given, total=total)
        full.append(assign(complete, _all(deep)))
        sparse.append(assign(complete, _all(lacking)))
        return found, name(complete), [ast.If(all_given, full, sparse)]

    def _full(
        self, attributes: Iterable[Attribute], variables: Sequence[str], given: str, needs: Needs
    ) -> tuple[Body, list[ast.expr]]:
        """Read attributes that are as many as there may be; also what tells that none is lacking."""
        body: Body = []
        deep: list[ast.expr] = []
        for attribute, variable in zip(attributes, variables, strict=True):
            key = ast.Constant(attribute.name)
            body += _filled("value = given[key]", value=variable, given=given, key=key)
            body += self._value(attribute.type, variable, needs.attributes.get(attribute.name))
            if isinstance(attribute.type, RecordType):
                deep.append(_expression("value.complete_", value=variable))
        return body, deep

    def _sparse(
        self, attributes: Iterable[Attribute], variables: Sequence[str], given: str, needs: Needs
    ) -> tuple[Body, list[ast.expr]]:
        """Read attributes of which some may be left out; also what tells that none is lacking."""
        body: Body = []
        lacking: list[ast.expr] = []
        count, present = 0, list[ast.expr]()
        for attribute, variable in zip(attributes, variables, strict=True):
            parts: dict[str, ast.expr | str] = {
                "value": variable, "given": given, "key": ast.Constant(attribute.name),
            }  # fmt: skip
            reading = self._value(attribute.type, variable, needs.attributes.get(attribute.name))
            if _must(attribute, needs):
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
        known = _sum_of([ast.Constant(count), *present])
        unknown = _expression("len(given) != known", given=given, known=known)
        return [*body, ast.If(unknown, [ast.Return(ast.Constant(None))], [])], lacking

    def string(self, value: str) -> Body:
        """Check the string *value*."""
        return _filled(_STRING, value=value, longest=ast.Constant(self.limits.string_size))

    def _value(self, type_: Type, value: str, needs: Needs | None) -> Body:
        """Return statements that turn the variable *value* into canonical form, or return None."""
        match type_:
            case Primitive("string"):
                return self.string(value)
            case Primitive("bool"):
                return _filled(_BOOL, value=value)
            case Primitive("int"):
                bounds = {"small": _SMALL, "least": -_BOUND, "bound": _BOUND}
                constants = {bound: ast.Constant(number) for bound, number in bounds.items()}
                return _filled(_INT, value=value, **constants)
            case Primitive(primitive):
                read = self.named("read", READERS[primitive])
                return _filled("value = read(value)", value=value, read=read)
            case EnumType() | LevelsType() | TaxonomyType():
                names = self.named("names", _names(type_))
                return _filled("value = names[value]", value=value, names=names)
            case EntityRefType(entity):
                of_type = ast.Constant(entity)
                return _filled(_REFERENCE, value=value, type_name=of_type) + self.string(value)
            case SetType(element):
                return self._set(element, value, needs or NOTHING)
            case RecordType():
                return self._record(type_, value, needs or NOTHING)
            case _:
                assert_never(type_)

    def _set(self, element: Type, value: str, needs: Needs) -> Body:
        limits: dict[str, ast.expr | str] = {
            "most": ast.Constant(self.limits.set_size),
            "longest": ast.Constant(self.limits.string_size),
            "value": value,
        }
        match element:
            case EnumType() | LevelsType() | TaxonomyType():
                sets = self.named("sets", Sets(_names(element), self.limits.set_size))
                return _filled(_NAMES, value=value, sets=sets)
            case Primitive("string"):
                return _filled(_STRINGS, **limits)
            case EntityRefType(entity):
                of_type = ast.Constant(entity)
                read = "value = references(value, type_name, most, longest)"
                return _filled(read, type_name=of_type, **limits)
            case _:
                writer = _Writer(self.limits)
                body = writer._value(element, "raw", needs.elements)
                if isinstance(element, RecordType):
                    body += _filled("if not raw.complete_: return None")
                read_one = self.named("read", writer.finish([*body, ast.Return(name("raw"))]))
                return _filled("value = elements(value, read, most)", read=read_one, **limits)

    def _record(self, type_: RecordType, value: str, needs: Needs) -> Body:
        given = self.fresh("given")
        body = _filled(_RECORD, raw=value, given=given)
        found, complete, reading = self.attributes(type_.attributes, given, needs)
        made = self.named("made", record_class(type_))
        return [
            *body,
            *reading,
            assign(value, _call(made, *found, name("NONE"), complete, complete)),
        ]

    def finish(
        self, body: Body, parameters: Sequence[str] = ("raw",), *defaults: ast.expr
    ) -> Callable[..., Any]:
        """Return the function with that body; *defaults* are those of the last parameters."""
        named = [ast.arg(parameter) for parameter in parameters]
        arguments = ast.arguments([], named, None, [], [], None, list(defaults))
        tree = ast.Module([ast.FunctionDef("read", arguments, body, [])], [])
        objects = {**QUICK, **self._objects}
        read: Callable[..., Any] = run(ast.fix_missing_locations(tree), objects, "<reader>")["read"]
        return read


def _must(attribute: Attribute, needs: Needs) -> bool:
    """Whether an attribute must be there, since rules read it."""
    return attribute.name in needs.attributes and not attribute.optional


def _all(tests: Sequence[ast.expr]) -> ast.expr:
    if len(tests) > 1:
        return ast.BoolOp(ast.And(), list(tests))
    return tests[0] if tests else ast.Constant(True)


def _sum_of(parts: Sequence[ast.expr]) -> ast.expr:
    """Return a sum that is nested as little as can be: an entity may have thousands of attributes."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return ast.BinOp(_sum_of(parts[:half]), ast.Add(), _sum_of(parts[half:]))


def _names(type_: EnumType | LevelsType | TaxonomyType) -> Mapping[str, object]:
    """Return the canonical form of each name."""
    if isinstance(type_, LevelsType):
        return {name: position for position, name in enumerate(type_.members)}
    return {name: name for name in type_.members}
