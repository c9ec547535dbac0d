"""Make the requests that a test writes down.

The reference interpreter gives the value of every expression of a test. It knows no entity that is
written out (`App "a1" { tier: pro }`), so those are evaluated first, innermost first, and noted in
the typing as known values. Such a value is a `Written`: an id, as every reference is, that carries
along what was written of the entity. A request is then put together as a service would send it,
and goes through the same door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from attrs import define, field, frozen

from policyengine.model.request import Request
from policyengine.model.types import EntityRefType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT, moment_text, slot, to_json
from policyengine.reference.evaluation import Env, evaluate
from policyengine.semantics.checked import Binding, Typing, Value
from policyengine.semantics.flow import children
from policyengine.syntax import nodes


class Written(str):
    """The id of an entity, with what a test wrote of it.

    *properties* are canonical values by name, None where no braces were written. *parents* are the
    (type, id) that stand after `under`.
    """

    __slots__ = ("parents", "properties", "type")

    type: str
    properties: Mapping[str, object] | None
    parents: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls,
        type_: str,
        id_: str,
        properties: Mapping[str, object] | None,
        parents: tuple[tuple[str, str], ...],
    ) -> Written:
        """Make one."""
        written = cls(id_)
        written.type, written.properties, written.parents = type_, properties, parents
        return written


@define
class Writer:
    """Evaluates what one test writes, and makes its requests.

    *names*: the values of the `let`s so far. *known*: the entities that were written out so far,
    by (type, id): that is where a parent that is only named is looked up.
    """

    schema: Schema
    typing: Typing
    now: int
    names: dict[str, object] = field(factory=dict)
    known: dict[tuple[str, str], Written] = field(factory=dict)

    def value(self, expr: nodes.Expr) -> Any:
        """Return the canonical value of *expr*; entities that are written out are `Written`.

        Raises whatever comes of it where an expression reads what was not written.
        """
        env = self._env()
        typing = Typing(self.typing.types, dict(self.typing.bindings))
        known = cast("dict[int, Binding]", typing.bindings)
        for node in _entities_innermost_first(expr):
            if id(node) in known:
                continue  # only named
            match node:
                case nodes.EntityRef(type_, id_, attributes, parents):
                    found = Written.of(
                        type_.name,
                        id_,
                        None if attributes is None else _record(attributes, typing, env),
                        tuple((parent.type.name, parent.id) for parent in parents or ()),
                    )
                case nodes.Update(object_, changes):
                    found = _changed(
                        self._type_name(object_),
                        evaluate(object_, typing, env),
                        _record(changes, typing, env),
                    )
            self.known[found.type, str(found)] = found
            known[id(node)] = Value(typing.type_of(node), found)
        return evaluate(expr, typing, env)

    def request(self, expect: nodes.Expect) -> dict[str, Any]:
        """Return the request of *expect*, as keyword arguments of `model.request.validate`."""
        action = self.schema.actions[expect.action.name]
        context = _fields(expect.context) if expect.context else ()
        brought = _Brought(self.schema, self.known)
        return {
            "subject": self._party(expect.subject, brought),
            "action": action.name,
            "resource": self._party(expect.resource, brought),
            "context": {
                f.name.name: brought.wire(
                    action.context.by_name[f.name.name].type, self.value(f.value)
                )
                for f in context
            },
            "now": moment_text(self.now),
            "fields": None if expect.asking is None else [name.name for name in expect.asking],
            "entities": brought.entities,
        }

    def _party(self, expr: nodes.Expr, brought: _Brought) -> dict[str, Any]:
        return brought.reference(self._type_name(expr), self.value(expr))

    def _type_name(self, expr: nodes.Expr) -> str:
        type_ = self.typing.type_of(expr)
        assert isinstance(type_, EntityRefType)
        return type_.name

    def _env(self) -> Env:
        entities = _Contents(self.schema, self.known)
        nobody = cast("Any", None)  # a test's names include none of the request's
        request = Request(nobody, "", nobody, nobody, self.now, None, cast("Any", entities))
        return Env(request, self.schema, self.names)


def _entities_innermost_first(expr: nodes.Expr) -> Iterator[nodes.EntityRef | nodes.Update]:
    """Yield the entities written out in *expr*, each after those that stand in its attributes."""
    inner = children(expr)
    if isinstance(expr, nodes.EntityRef) and expr.attributes is not None:
        inner = (expr.attributes,)
    for part in inner:
        yield from _entities_innermost_first(part)
    if isinstance(expr, nodes.EntityRef | nodes.Update):
        yield expr


def _fields(record: nodes.RecordDisplay | nodes.SetDisplay) -> tuple[nodes.RecordField, ...]:
    """Return the fields of what stands in braces; `{}` is parsed as a set."""
    return record.fields if isinstance(record, nodes.RecordDisplay) else ()


def _record(
    record: nodes.RecordDisplay | nodes.SetDisplay, typing: Typing, env: Env
) -> dict[str, object]:
    return {f.name.name: evaluate(f.value, typing, env) for f in _fields(record)}


def _changed(type_: str, entity: str, changes: Mapping[str, object]) -> Written:
    """Return *entity* with some properties changed; one that was only named has no others."""
    if isinstance(entity, Written):
        return Written.of(
            type_, str(entity), {**(entity.properties or {}), **changes}, entity.parents
        )
    return Written.of(type_, entity, changes, ())


@frozen
class _Contents:
    """Gives what was written of an entity, where an expression of a test reads it.

    It stands for `Request.entities`; the id that it is asked for carries the answer along.
    """

    schema: Schema
    known: Mapping[tuple[str, str], Written]

    def __getitem__(self, key: tuple[str, str]) -> SimpleNamespace:
        type_, id_ = key
        written = id_ if isinstance(id_, Written) else self.known[type_, id_]
        given = written.properties or {}
        names = self.schema.entities[type_].by_name
        return SimpleNamespace(line=None, **{slot(n): given.get(n, ABSENT) for n in names})


@define
class _Brought:
    """Turns values into what a service would send, and collects the entities that come along."""

    schema: Schema
    known: Mapping[tuple[str, str], Written]
    entities: list[dict[str, Any]] = field(factory=list)
    met: list[Written] = field(factory=list)

    def reference(self, type_: str, id_: str) -> dict[str, Any]:
        """Return `{"type", "id"}`; what was written of the entity joins the others."""
        if isinstance(id_, Written) and not any(id_ is met for met in self.met):
            self.met.append(id_)
            self._bring(id_)
        return {"type": type_, "id": str(id_)}

    def wire(self, type_: Type, value: Any) -> object:
        """Return a canonical value as JSON has it."""
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

    def _bring(self, written: Written) -> None:
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
            # A parent that is written out nowhere is one without parents.
            self.reference(key[0], self.known.get(key) or Written.of(*key, None, ()))
