"""Generate the readers of entities and contexts, as fast as hand-written ones.

They are shared by the readers of requests (`request_reader_codegen`), and return what `intake.validation` would make
of a dict. A reader takes no more than what is valid without further checks: anything that it does not know (a
mistake, an entity given where a reference is expected) it answers with None, or it fails, and the request
is validated in full. So all that is ever refused is refused there, in its words, and whatever a reader
takes, full validation takes as well: laws hold that.

The statements come from templates of ours, with expressions in place of names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from msgspec import Struct, field

from policyengine.compiler.code_templates import Body, expression, filled
from policyengine.compiler.python_nodes import (
    assign,
    conjunction,
    disjunction,
    name,
    negated,
    put_on_line,
)
from policyengine.model.entities import arguments, entity_class
from policyengine.model.limits import DIGITS, Limits
from policyengine.model.needs import NOTHING, Needs
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
    TableType,
    TaxonomyType,
    Type,
    table_given,
)
from policyengine.model.values import slot
from policyengine.runtime.generated import run
from policyengine.runtime.reader_operations import QUICK, READERS, Moments, Sets

Reader: TypeAlias = Callable[..., Any]
"""Returns the entity or record that a dict says; None, or it fails, if it must be validated in full."""

_Made: TypeAlias = Callable[[Sequence[ast.expr], ast.expr], ast.stmt]
"""The statement that makes something of the values of attributes, and of whether none is lacking."""

_ABSENT: Final = name("ABSENT")
_BOUND: Final = 10**DIGITS
_SMALL: Final = 1 << 30
"""Whole numbers from 0 to this are compared quickest."""


def entity_reader(type_: EntityType, limits: Limits) -> Reader:
    """Return the reader of entities of *type_*; its second parameter says whether ancestors may be read."""
    writer = Writer(limits)
    body = writer.entity("raw", type_)
    return writer.finish([*body, ast.Return(name("raw"))], ("raw", "lined"))


def context_reader(type_: RecordType, limits: Limits) -> Reader:
    """Return the reader of contexts of *type_*."""
    writer = Writer(limits)
    body = writer.record("raw", type_)
    return writer.finish([*body, ast.Return(name("raw"))], ("raw",))


# ---- templates --------------------------------------------------------------------------

_ENTITY: Final = """
if type(raw) is not dict: return None
kind = raw["type"]
if type(kind) is not str or kind != type_name: return None
id_ = raw["id"]
described = True
if len(raw) == 3 and "properties" in raw:
    given = raw["properties"]
    line, parents = unsaid
else:
    given, described, line, parents = rest_of(raw, id_, type_name, above, most, longest)
if type(given) is not dict: return None
"""
_RECORD: Final = """
given = raw
if type(given) is not dict: return None
"""
_STRING: Final = """
if type(value) is not str: value = text(value)
if len(value) > longest: return None
if not value.isascii(): value.encode()
"""
_BOOL: Final = """
if value is not True and value is not False: return None
"""
_INT: Final = """
if type(value) is not int or not (0 <= value < small or least < value < bound): return None
"""
_DATETIME: Final = """
if type(value) is str: value = moments[value]
elif type(value) is datetime: value = from_datetime(value)
else: return None
"""
_REFERENCE: Final = """
if type(value) is not dict or len(value) != 2: return None
kind = value["type"]
if type(kind) is not str or kind != type_name: return None
value = value["id"]
"""
_REFERENCES: Final = """
if type(value) is list and not value:
    value = EMPTY
else:
    value = references(value, type_name, most, longest)
"""
_ANCESTORS: Final = """
found = [known[key] for key in part.line if key[0] == type_name]
if len(found) > most: return None
"""
_SURE_OF_ANCESTORS: Final = """
store is None and type(part.carried_) is Closed and part.carried_.whole and len(part.line) <= most
"""
_KNOWN_ANCESTOR: Final = """
if store is not None and not one.described_ and (type_name, one.id) not in store: return None
"""
_NAME: Final = """
if type(value) is not str: value = text(value)
value = names[value]
"""
_MAY_BE_GIVEN: Final = """
if key in given:
    value = given[key]
    count += 1
else:
    value = ABSENT
"""
_LACKING: Final = """
value = given.get(key, ABSENT)
if value is not ABSENT: count += 1
"""
_NAMES: Final = """
if type(value) is frozenset:
    value = sets[value]
elif type(value) is list or type(value) in SETS:
    count = len(value)
    value = sets[joined(value)]
    if len(value) != count: return None
else:
    return None
"""
_STRINGS: Final = """
if type(value) is not frozenset: value = as_set(value)
if len(value) > most: return None
for string in value:
    if type(string) is not str or len(string) > longest: return None
    if not string.isascii(): string.encode()
"""


# ---- writing ----------------------------------------------------------------------------


class Writer(Struct, eq=False):
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

    def entity(self, part: str, type_: EntityType) -> Body:
        """Turn the dict *part* into an entity."""
        id_, given, above, parents, described = map(
            self.fresh, ("id", "given", "line", "parents", "described")
        )
        # A type that can lie in nothing has no parents, and only itself on its line.
        line = "frozenset([(type_name, id_)]) if lined else None"
        unsaid = "None, None" if type_.parents else f"({line}), EMPTY"
        parts: dict[str, ast.expr | str] = {
            "raw": part, "id_": id_, "given": given, "line": above, "parents": parents,
            "described": described, "kind": self.fresh("kind"), "type_name": ast.Constant(type_.name),
            "above": self.named("above", frozenset(type_.parents)),
            "most": ast.Constant(self.limits.ancestors),
            "longest": ast.Constant(self.limits.string_size),
        }  # fmt: skip
        body = filled(_ENTITY.replace("unsaid", unsaid), **parts)
        body += self.string(id_)
        class_ = self.named("made", entity_class(type_))

        def made(values: Sequence[ast.expr], complete: ast.expr) -> ast.stmt:
            plain = expression("line is not None or parents is None", **parts)
            plain = conjunction([complete, plain]) if type_.parents else complete
            rest = [name(above), name(parents), name("NONE"), complete, plain, name(described)]
            few = arguments(type_, name(id_), values, *rest)
            while few[-1] is _ABSENT:
                few.pop()
            return assign(part, ast.Call(class_, few, []))

        return body + self.attributes(type_.attributes, given, made)

    def record(self, part: str, type_: RecordType) -> Body:
        """Turn the dict *part* into a record, if it is one."""
        given = self.fresh("given")
        body = filled(_RECORD, raw=part, given=given)
        class_ = self.named("made", record_class(type_))

        def made(values: Sequence[ast.expr], complete: ast.expr) -> ast.stmt:
            return assign(part, ast.Call(class_, [*values, name("NONE"), complete, complete], []))

        return body + self.attributes(type_.attributes, given, made)

    # ---- what is known ------------------------------------------------------------------

    def enough(
        self, part: str, type_: EntityType | RecordType, needs: Needs
    ) -> tuple[ast.expr, ...]:
        """Return the test whether *part* lacks nothing that is read, unless it never can."""
        lacking: list[ast.expr] = []
        for attribute_name, inner in needs.attributes.items():
            attribute = type_.by_name.get(attribute_name)
            if attribute is None:  # of a type that is not this one
                continue
            value = ast.Attribute(name(part), slot(attribute_name), ast.Load())
            if not attribute.optional:
                lacking.append(expression("value is ABSENT", value=value))
            if inner and not isinstance(attribute.type, EntityRefType):
                deep = "value is not ABSENT and not value.complete_"
                if isinstance(attribute.type, SetType):
                    deep = "value" if isinstance(attribute.type.element, RecordType) else "False"
                lacking.append(expression(deep, value=value))
        if not lacking:
            return ()
        complete = expression("part.complete_", part=part)
        return (disjunction([complete, negated(disjunction(lacking))]),)

    def sufficient(self, part: str, type_: EntityType | RecordType, needs: Needs) -> Body:
        """Give up if something of *part* is lacking that is read."""
        enough = self.enough(part, type_, needs)
        return [ast.If(negated(test), [ast.Return(ast.Constant(None))], []) for test in enough]

    def follow(
        self, schema: Schema, owner: str, type_: EntityType | RecordType, needs: Needs
    ) -> Body:
        """See that the entities are known that rules follow to from *owner*."""
        body: Body = []
        for attribute_name, inner in needs.attributes.items():
            attribute = type_.by_name.get(attribute_name)
            value = self.fresh("value")
            reading = self._follow_value(schema, value, attribute.type, inner) if attribute else []
            if attribute and reading:
                body.append(
                    assign(value, ast.Attribute(name(owner), slot(attribute_name), ast.Load()))
                )
                if attribute.optional:  # others are there: what lacks them is given up before
                    reading = [ast.If(expression("value is not ABSENT", value=value), reading, [])]
                body += reading
        return body

    def follow_entity(self, schema: Schema, part: str, type_: EntityType, needs: Needs) -> Body:
        """See that the ancestors of *part* are known if they are read, and what rules follow to."""
        body: Body = []
        if needs.line:
            body += filled("if part.line is None: return None", part=part)
        body += self.follow(schema, part, type_, needs)
        for above, inner in needs.above.items():
            one, found = self.fresh("one"), self.fresh("found")
            parts: dict[str, ast.expr | str] = {
                "part": part, "one": one, "found": found, "type_name": ast.Constant(above),
                "most": ast.Constant(self.limits.ancestors_of_type),
            }  # fmt: skip
            looked_at = filled(_KNOWN_ANCESTOR, **parts)
            looked_at += self.sufficient(one, schema.entities[above], inner)
            following = self.follow_entity(schema, one, schema.entities[above], inner)
            looking = filled(_ANCESTORS, **parts)
            looking.append(
                ast.For(ast.Name(one, ast.Store()), name(found), looked_at + following, [])
            )
            sure = expression(_SURE_OF_ANCESTORS, **parts)
            body += looking if following else [ast.If(negated(sure), looking, [])]
        return body

    def _follow_value(self, schema: Schema, value: str, type_: Type, needs: Needs) -> Body:
        match type_:
            case EntityRefType(entity) if needs:
                to = schema.entities[entity]
                found = self.fresh("found")
                parts: dict[str, ast.expr | str] = {"found": found, "value": value}
                body = filled("found = known[kind, value]", kind=ast.Constant(entity), **parts)
                body += self.sufficient(found, to, needs)
                return body + self.follow_entity(schema, found, to, needs)
            case SetType(element):
                one = self.fresh("one")
                inner = self._follow_value(schema, one, element, needs.elements or NOTHING)
                if not inner:
                    return []
                return [ast.For(ast.Name(one, ast.Store()), name(value), inner, [])]
            case RecordType():
                return self.follow(schema, value, type_, needs)
            case _:
                return []

    # ---- attributes ---------------------------------------------------------------------

    def attributes(self, attributes: Sequence[Attribute], given: str, made: _Made) -> Body:
        """Read attributes out of the dict *given*, any of which may be left out, and do what is *made* of them.

        Mostly all are there that must be, so each is asked for only if one is not, which the size of the dict often
        shows; optional ones are looked at if others are not all that is given.
        """
        size, count, complete = map(self.fresh, ("size", "count", "complete"))
        parts: dict[str, ast.expr | str] = {
            "given": given, "size": size, "count": count, "complete": complete,
        }  # fmt: skip
        found: list[ast.expr] = []
        few: list[ast.expr] = []  # where no optional one is given
        whole: Body = []
        lacking: Body = filled("count = 0", **parts)
        reading: Body = []
        optional: Body = []
        deep: list[ast.expr] = []
        deep_few: list[ast.expr] = []
        for attribute in attributes:
            value = self.fresh("value")
            found.append(name(value))
            few.append(_ABSENT if attribute.optional else name(value))
            parts |= {"value": value, "key": ast.Constant(attribute.name)}
            canonical = self.canonical(attribute.type, value)
            if attribute.optional:
                [branch] = filled(_MAY_BE_GIVEN, **parts)
                assert isinstance(branch, ast.If)
                branch.body += canonical
                optional.append(branch)
            else:
                whole += filled("value = given[key]", **parts)
                lacking += filled(_LACKING, **parts)
                reading.append(
                    ast.If(expression("complete or value is not ABSENT", **parts), canonical, [])
                )
            if isinstance(attribute.type, RecordType):
                deep.append(expression("value is ABSENT or value.complete_", **parts))
                deep_few += [] if attribute.optional else deep[-1:]
        parts["total"] = ast.Constant(len(whole))
        body = filled("size = len(given); count = total; complete = size >= count", **parts)
        if whole:
            found_lacking = ast.ExceptHandler(
                name("KeyError"), None, filled("complete = False", **parts)
            )
            body.append(ast.If(name(complete), [ast.Try(whole, [found_lacking], [], [])], []))
            body.append(ast.If(negated(name(complete)), lacking, []))
        body += reading
        unknown = filled("if size != count: return None", **parts)

        def making(values: Sequence[ast.expr], inner: Sequence[ast.expr]) -> Body:
            all_ = [assign(complete, conjunction([name(complete), *inner]))] if inner else []
            return [*all_, made(values, name(complete))]

        if not optional:
            return body + unknown + making(found, deep)
        others = expression("size != count", **parts)
        with_others = [*optional, *unknown, *making(found, deep)]
        return [*body, ast.If(others, with_others, making(few, deep_few))]

    def string(self, value: str) -> Body:
        """Check the string *value*."""
        return filled(_STRING, value=value, longest=ast.Constant(self.limits.string_size))

    def canonical(self, type_: Type, value: str) -> Body:
        """Return statements that turn the variable *value* into canonical form, or return None."""
        match type_:
            case Primitive("string"):
                return self.string(value)
            case Primitive("bool"):
                return filled(_BOOL, value=value)
            case Primitive("int"):
                bounds = {"small": _SMALL, "least": -_BOUND, "bound": _BOUND}
                constants = {bound: ast.Constant(number) for bound, number in bounds.items()}
                return filled(_INT, value=value, **constants)
            case Primitive("datetime"):
                moments = self.named("moments", Moments())
                return filled(_DATETIME, value=value, moments=moments)
            case Primitive(primitive):
                read = self.named("read", READERS[primitive])
                return filled("value = read(value)", value=value, read=read)
            case EnumType() | LevelsType() | TaxonomyType():
                names = self.named("names", _names(type_))
                return filled(_NAME, value=value, names=names)
            case EntityRefType(entity):
                of_type = ast.Constant(entity)
                return filled(_REFERENCE, value=value, type_name=of_type) + self.string(value)
            case SetType(element):
                return self._set(element, value)
            case RecordType():
                return self.record(value, type_)
            case TableType():
                raise table_given(type_)
            case _:
                assert_never(type_)

    def _set(self, element: Type, value: str) -> Body:
        limits: dict[str, ast.expr | str] = {
            "most": ast.Constant(self.limits.set_size),
            "longest": ast.Constant(self.limits.string_size),
            "value": value,
        }
        match element:
            case EnumType() | LevelsType() | TaxonomyType():
                sets = self.named("sets", Sets(_names(element), self.limits.set_size))
                return filled(_NAMES, value=value, sets=sets, count=self.fresh("count"))
            case Primitive("string"):
                return filled(_STRINGS, **limits)
            case EntityRefType(entity):
                of_type = ast.Constant(entity)
                return filled(_REFERENCES, type_name=of_type, **limits)
            case _:
                writer = Writer(self.limits)
                body = writer.canonical(element, "raw")
                if isinstance(element, RecordType):
                    body += filled("if not raw.complete_: return None")
                read_one = self.named(
                    "read", writer.finish([*body, ast.Return(name("raw"))], ("raw",))
                )
                return filled("value = elements(value, read, most)", read=read_one, **limits)

    def finish(self, body: Body, parameters: Sequence[str]) -> Callable[..., Any]:
        """Return the function with that body."""
        named = [ast.arg(parameter) for parameter in parameters]
        arguments = ast.arguments([], named, None, [], [], None, [])
        tree = ast.Module([ast.FunctionDef("read", arguments, body, [])], [])
        put_on_line(1, [tree])
        read: Callable[..., Any] = run(tree, {**QUICK, **self._objects}, "<reader>")["read"]
        return read


def _names(type_: EnumType | LevelsType | TaxonomyType) -> Mapping[str, object]:
    """Return the canonical form of each name."""
    if isinstance(type_, LevelsType):
        return type_.positions
    return {name: name for name in type_.members}
