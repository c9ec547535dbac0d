"""Build the requests that a test describes.

The reference interpreter gives the value of every expression of a test. It knows no entity that is
written out (`App "a1" { tier: pro }`), so those are evaluated first, innermost first, and noted in
the typing as known values. Such a value is an `EntityLiteral`: an id, as every reference is, with the
attributes and parents that the test gives. A request is then assembled as a service would send it,
and validated as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias, assert_never, cast

from attrs import define, field, frozen

from policyengine.model.shown import shown_value
from policyengine.model.types import EntityRefType, RecordType, Schema, SetType, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, moment_text, slot, to_json
from policyengine.reference.evaluation import Env, evaluate
from policyengine.semantics.checked import Binding, Fixture, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children

Key: TypeAlias = tuple[str, str]
"""The type and the id of an entity."""


class EntityLiteral(str):
    """The id of an entity, with the attributes and parents that a test gives it.

    *properties* are canonical values by name, None where no braces were written. *parents* are the
    (type, id) after `under`. *before*: the entity that it is a changed version of (`acme { tier: pro }`).
    """

    __slots__ = ("before", "parents", "properties", "type")

    type: str
    properties: Mapping[str, object] | None
    parents: tuple[Key, ...]
    before: EntityLiteral | None

    @classmethod
    def of(
        cls,
        key: Key,
        properties: Mapping[str, object] | None = None,
        parents: tuple[Key, ...] = (),
        before: EntityLiteral | None = None,
    ) -> EntityLiteral:
        """Make a literal."""
        written = cls(key[1])
        written.type, written.properties = key[0], properties
        written.parents, written.before = parents, before
        return written

    @property
    def key(self) -> Key:
        """Its type and id."""
        return self.type, str(self)


@define
class RequestBuilder:
    """Evaluates the expressions of one test, and builds its requests.

    *names*: the values of the `let`s so far. *known*: the entities that were written out so far,
    by (type, id): that is where a parent that is only named is looked up, and then among *fixtures*.
    *shared*: the values of the fixtures that were used so far, by identity.
    """

    schema: Schema
    typing: Typing
    now: int
    fixtures: Mapping[Key, Fixture] = field(factory=dict)
    names: dict[str, object] = field(factory=dict)
    known: dict[Key, EntityLiteral] = field(factory=dict)
    shared: dict[int, object] = field(factory=dict)

    def each(self, item: nodes.Expect | nodes.ExpectEach) -> Iterator[tuple[nodes.Expect, str]]:
        """Give the expectations of an item, each row of a table with its label.

        Until the next one is asked for, the variable of the table has its value (`tier = pro`).
        """
        if isinstance(item, nodes.Expect):
            yield item, ""
            return
        for value, expect in item.expectations():
            binding = self.typing.binding_of(value)
            assert isinstance(binding, Value)
            self.names[item.variable.name] = binding.value
            yield expect, f"{item.variable} = {shown_value(binding.type, binding.value)}"
        del self.names[item.variable.name]

    def value(self, expr: nodes.Expr) -> Any:
        """Return the canonical value of *expr*; entities that are written out are `EntityLiteral`.

        Raises some exception where an expression reads an attribute that the test does not give.
        """
        return self._value(expr, self.typing)

    def fixture(self, fixture: Fixture) -> Any:
        """Return the value of a fixture, always the same. Raises as `value` does."""
        if id(fixture) not in self.shared:
            self.shared[id(fixture)] = self._value(fixture.value, fixture.typing, own=False)
        return self.shared[id(fixture)]

    def _value(self, expr: nodes.Expr, typing: Typing, *, own: bool = True) -> Any:
        """Return a value; *own*: it is of the test itself, which goes before shared fixtures."""
        env = self._env()
        typing = Typing(typing.types, dict(typing.bindings))
        known = cast("dict[int, Binding]", typing.bindings)
        for node in _innermost_first(expr):
            binding = known.get(id(node))
            if isinstance(binding, Fixture):
                known[id(node)] = Value(binding.type, self.fixture(binding))
            if binding is not None:
                continue  # an entity that is only named, or another name
            match node:
                case nodes.Name() | nodes.Attr():
                    continue
                case nodes.EntityRef(type_, id_, attributes, parents):
                    found = EntityLiteral.of(
                        (type_.name, id_),
                        None if attributes is None else _record(attributes, typing, env),
                        tuple((parent.type.name, parent.id) for parent in parents or ()),
                    )
                case nodes.Update(object_, changes):
                    found = _changed(
                        _entity_type(object_, typing),
                        evaluate(object_, typing, env),
                        _record(changes, typing, env),
                    )
                case _:
                    assert_never(node)
            if own or found.key not in self.known:
                self.known[found.key] = found
            known[id(node)] = Value(typing.type_of(node), found)
        return evaluate(expr, typing, env)

    def request(self, expect: nodes.Expect) -> dict[str, Any]:
        """Return the request of *expect*, as keyword arguments of `Validator.validate_parts`.

        Where the request has both an entity and a changed version of it, the changed one is used everywhere.
        """
        action = self.schema.actions[expect.action.name]
        types = action.context.by_name
        parties = [
            (_entity_type(e, self.typing), self.value(e)) for e in (expect.subject, expect.resource)
        ]
        context = [
            (f.name.name, types[f.name.name].type, self.value(f.value))
            for f in (_fields(expect.context) if expect.context else ())
        ]

        def assemble(collector: _EntityCollector) -> dict[str, Any]:
            subject, resource = (collector.reference(type_, value) for type_, value in parties)
            return {
                "subject": subject,
                "action": action.name,
                "resource": resource,
                "context": {name: collector.wire(type_, value) for name, type_, value in context},
                "now": moment_text(self.now),
                "fields": [f.spelling for f in expect.asking.fields] if expect.asking else None,
                "entities": collector.entities,
            }

        first = _EntityCollector(self.schema, self._parent)
        assemble(first)
        return assemble(_EntityCollector(self.schema, self._parent, _newer(first.met)))

    def _parent(self, key: Key) -> EntityLiteral:
        """Return a parent that is only named; one that is written out nowhere has no parents."""
        if key not in self.known and key in self.fixtures:
            self.fixture(self.fixtures[key])
        return self.known.get(key) or EntityLiteral.of(key)

    def _env(self) -> Env:
        entities = _LiteralEntities(self.schema, self.known)
        nobody = cast("Any", None)  # a test's names include none of the request's
        request = ValidRequest(nobody, "", nobody, nobody, self.now, None, cast("Any", entities))
        return Env(request, self.schema, {name: _given(v) for name, v in self.names.items()})


def _entity_type(expr: nodes.Expr, typing: Typing) -> str:
    type_ = typing.type_of(expr)
    assert isinstance(type_, EntityRefType)
    return type_.name


def _given(value: object) -> Callable[[], object]:
    return lambda: value


_Part: TypeAlias = nodes.EntityRef | nodes.Update | nodes.Name | nodes.Attr


def _innermost_first(expr: nodes.Expr) -> Iterator[_Part]:
    """Yield names and the entities written out in *expr*, after those inside them."""
    inner = children(expr)
    if isinstance(expr, nodes.EntityRef) and expr.attributes is not None:
        inner = (expr.attributes,)
    for part in inner:
        yield from _innermost_first(part)
    if isinstance(expr, nodes.EntityRef | nodes.Update | nodes.Name | nodes.Attr):
        yield expr


def _fields(record: nodes.Expr) -> tuple[nodes.RecordField, ...]:
    """Return the fields in braces; `{}` is parsed as a set."""
    return record.fields if isinstance(record, nodes.RecordDisplay) else ()


def _record(
    record: nodes.RecordDisplay | nodes.SetDisplay, typing: Typing, env: Env
) -> dict[str, object]:
    return {f.name.name: evaluate(f.value, typing, env) for f in _fields(record)}


def _changed(type_: str, entity: str, changes: Mapping[str, object]) -> EntityLiteral:
    """Return *entity* with some properties changed; one that was only named has no others."""
    if isinstance(entity, EntityLiteral):
        properties = {**(entity.properties or {}), **changes}
        return EntityLiteral.of(entity.key, properties, entity.parents, entity)
    return EntityLiteral.of((type_, entity), changes)


def _newer(met: list[EntityLiteral]) -> dict[int, EntityLiteral]:
    """Return the newest version of each of *met* that was changed into another, by identity."""
    newer = {}
    for one in met:
        before = one.before
        while before is not None:
            newer[id(before)] = one
            before = before.before
    return newer


@frozen
class _LiteralEntities:
    """The entities of a test, by key, for expressions that read their attributes.

    It takes the place of `Request.entities`; an id that is a literal has the attributes with it.
    """

    schema: Schema
    known: Mapping[Key, EntityLiteral]

    def __getitem__(self, key: Key) -> SimpleNamespace:
        type_, id_ = key
        written = id_ if isinstance(id_, EntityLiteral) else self.known[type_, id_]
        given = written.properties or {}
        names = self.schema.entities[type_].by_name
        return SimpleNamespace(line=None, **{slot(n): given.get(n, ABSENT) for n in names})


@define
class _EntityCollector:
    """Converts values to what a service would send, and collects the entities that they refer to.

    *parent*: finds a parent by its type and id. *newer*: the version that replaces an entity, by identity.
    """

    schema: Schema
    parent: Callable[[Key], EntityLiteral]
    newer: Mapping[int, EntityLiteral] = field(factory=dict)
    entities: list[dict[str, Any]] = field(factory=list)
    met: list[EntityLiteral] = field(factory=list)

    def reference(self, type_: str, id_: str) -> dict[str, Any]:
        """Return `{"type", "id"}`, and collect the entity if the test describes it."""
        if isinstance(id_, EntityLiteral):
            written = self.newer.get(id(id_), id_)
            if not any(written is met for met in self.met):
                self.met.append(written)
                self._collect(written)
        return {"type": type_, "id": str(id_)}

    def wire(self, type_: Type, value: Any) -> object:
        """Return a canonical value as JSON."""
        match type_:
            case EntityRefType(name):
                return self.reference(name, value)
            case SetType(element):
                return [self.wire(element, one) for one in value]
            case RecordType(attributes):
                parts = ((a, getattr(value, slot(a.name))) for a in attributes)
                return {a.name: self.wire(a.type, part) for a, part in parts if part is not ABSENT}
            case _:
                return to_json(type_, value)

    def _collect(self, written: EntityLiteral) -> None:
        entity: dict[str, Any] = {"type": written.type, "id": str(written)}
        self.entities.append(entity)
        if written.properties is not None:
            types = self.schema.entities[written.type].by_name
            entity["properties"] = {
                name: self.wire(types[name].type, value)
                for name, value in written.properties.items()
            }
        entity["parents"] = [{"type": type_, "id": id_} for type_, id_ in written.parents]
        for key in written.parents:
            self.reference(key[0], self.parent(key))
