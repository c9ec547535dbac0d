"""Write decisions as records for a log: bounded, and without what is private unless that is asked for.

A record has the request with the values that rules may read of it, and no others. So it can be decided again, by
the same set or another one, and it can be said what lacks for that: a value that is masked, or was not read
(`docs/record.md` has the shape, `docs/record.schema.json` as a JSON schema).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from policyengine.model.entities import Entity, Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.outcome import Cause, Listed, Obligation, SharedResult
from policyengine.model.request import Request
from policyengine.model.types import Attribute, EntityRefType, Primitive, RecordType, SetType, Type
from policyengine.model.values import ABSENT, from_datetime, moment_text, slot, to_json

VERSION: Final = 1
"""The version of the shape; a change that readers of logs notice is another one."""

MASKED: Final = "$masked"
"""The name in an object that stands for a value; no attribute can be called so."""

LONGEST: Final = 200
"""Most characters of a text that is no long value."""
MOST_ELEMENTS: Final = 100
"""Most elements of a set that is no long value, fields that are asked for, obligations, and problems."""
MOST_ENTITIES: Final = 100
"""Most other entities of a record, and most ancestors of one."""
_SHORT: Final = 500
ROOM: Final = 32_000
"""Characters of values of a record; what does not fit is masked."""


class Answered(Struct, frozen=True):
    """When a decision was given, in microseconds since 1970, and the nanoseconds that it took, if that is known."""

    time: int
    latency: int | None = None


def log_record(
    result: SharedResult,
    request: Request | None,
    *,
    id_: str,
    answered: Answered,
    cause: Cause,
    listed: Listed,
    obligations: Sequence[Obligation],
    private: bool,
    longest: int,
) -> dict[str, Any]:
    """Return a decision as a record. *result* is shared; the others are its own, as `Decision` has them.

    *private*: whether to show private values; *longest*: most characters of a text that is shown.
    """
    values = _Values(private=private, longest=longest)
    try:
        asked = _request(request, result, values)
    except Exception:  # noqa: BLE001 - values that do not fit, which is a bug of ours; there is a record nevertheless
        asked = None
    owed = [
        {"name": one.name, "parameters": {n: values.value(t, v) for n, t, v in one.arguments}}
        for one in obligations[:MOST_ELEMENTS]
    ]
    return {
        "version": VERSION,
        "id": id_,
        "time": moment_text(answered.time),
        "policy": result.policy,
        "request": asked,
        "decision": result.allowed,
        "cause": cause,
        "rules": list(listed[0]),
        "more_rules": listed[1],
        "exposed": None if result.exposed is None else sorted(result.exposed),
        "masks": {field.name: field.mask for field in result.masks},
        "obligations": owed,
        "more_obligations": len(obligations) - len(owed),
        "problems": [
            # A message may quote what did not fit.
            {"code": p.code, "path": _short(p.path)}
            | ({"message": _short(p.message)} if private else {})
            for p in result.problems[:MOST_ELEMENTS]
        ],
        "latency_us": None if answered.latency is None else answered.latency / 1000,
    }


def _request(
    request: Request | None, result: SharedResult, values: _Values
) -> dict[str, Any] | None:
    if request is None:
        return None
    needs = result.what_is_read()
    if needs is None:  # it was refused: who asked what, and none of the values
        subject, resource = result.named or (request.subject, request.resource)
        return {
            "subject": _named(subject, values),
            "action": _action(request.action),
            "resource": _named(resource, values),
        }
    return values.request(request, needs)


def _named(part: Any, values: _Values) -> dict[str, Any] | None:
    """Return type and id of an entity in any form, if it has them."""
    try:
        if isinstance(part, Mapping):
            type_, id_ = _own_text(_member(part, "type")), _own_text(_member(part, "id"))
        else:
            type_, id_ = _own_text(part.type), _own_text(part.id)
    except Exception:  # noqa: BLE001 - whatever was given, it is denied already
        return None
    if type_ is None or id_ is None:
        return None
    return {"type": _short(type_), "id": values.value(_TEXT, _plain(id_))}


def _action(given: Any) -> dict[str, Any] | None:
    """Return the action in any form, if it has a name."""
    try:
        name = _own_text(_member(given, "name") if isinstance(given, Mapping) else given)
    except Exception:  # noqa: BLE001 - as above
        return None
    return None if name is None else {"name": _short(name)}


def _member(given: Mapping[str, Any], name: str) -> Any:
    """Return a member, of a dict what it holds: a class that derives from it may say something else."""
    return dict.__getitem__(given, name) if isinstance(given, dict) else given[name]


def _own_text(given: Any) -> str | None:
    """Return the text that a string holds, also one of a derived class; None for what is none."""
    return str.__str__(given) if issubclass(type(given), str) else None


def _short(text: str) -> str:
    """Return a text that may be a stranger's, cut where it is long."""
    return _plain(text if len(text) <= _SHORT else text[: _SHORT - 1] + "…")


def _plain(text: str) -> str:
    """Return a text that each encoder takes: without halves of surrogate pairs."""
    return text if text.isascii() else text.encode(errors="replace").decode()


class _Values:
    """Writes values, as long as there is room."""

    def __init__(self, *, private: bool, longest: int) -> None:
        self._private = private
        self._longest = longest
        self._room = ROOM

    # ---- requests -----------------------------------------------------------------------

    def request(self, request: Request, needs: RequestNeeds) -> dict[str, Any]:
        """Return a request that was decided."""
        subject, resource = request.subject, request.resource
        own = {subject.key_: subject, resource.key_: resource}
        others = {one.key_: one for one in request.entities or () if one.key_ not in own}
        reached = _Reached({**others, **own}.get)
        if self._private:
            reached.follows = lambda _: True
        reached.entity(subject, needs.subject)
        reached.entity(resource, needs.resource)
        reached.attributes(request.context.record_type, request.context, needs.context)
        read = reached.needs
        written: dict[str, Any] = {
            "subject": self._entity(subject, read.get(subject.key_, NOTHING)),
            "action": {"name": request.action},
            "resource": self._entity(resource, read.get(resource.key_, NOTHING)),
            "context": self._attributes(
                request.context.record_type, request.context, needs.context
            ),
        }
        if request.now is not None:
            written["now"] = moment_text(from_datetime(request.now))
        if request.fields is not None:
            written["fields"] = self.names(request.fields)
        found: list[dict[str, Any]] = []
        more = {key: part for key, part in read.items() if key in others}
        for key, part in more.items():
            if len(found) < MOST_ENTITIES and self._room > 0:
                found.append(self._entity(others[key], part))
        return written | {"entities": found, "more_entities": len(more) - len(found)}

    def _entity(self, entity: Entity, needs: Needs) -> dict[str, Any]:
        written: dict[str, Any] = {"type": entity.type, "id": self.value(_TEXT, entity.id)}
        written["properties"] = self._attributes(entity.entity_type, entity, needs)
        if needs.line and entity.line is not None:
            written["ancestors"] = self._ancestors(sorted(entity.line - {entity.key_}))
        return written

    def _ancestors(self, keys: list[Key]) -> Any:
        if len(keys) > MOST_ENTITIES:
            return _masked("ancestors", "long")
        found = [{"type": type_, "id": self.value(_TEXT, id_)} for type_, id_ in keys]
        return self._if_room(found, "ancestors")

    def _if_room(self, written: Any, kind: str) -> Any:
        """Return what was *written* of many parts, unless the room ended among them."""
        return written if self._room > 0 else _masked(kind, "full")

    def _attributes(self, type_: Any, owner: Any, needs: Needs) -> dict[str, Any]:
        """Return the attributes that are read: None for one that is absent."""
        read = (type_.by_name[name] for name in needs.attributes if name in type_.by_name)
        return {one.name: self._attribute(one, owner) for one in read}

    def _attribute(self, attribute: Attribute, owner: Any) -> Any:
        self._room -= len(attribute.name)
        if attribute.private and not self._private:  # whether or not it is there
            return _masked(_kind(attribute.type), "private")
        value = getattr(owner, slot(attribute.name))
        return None if value is ABSENT else self.value(attribute.type, value)

    # ---- values -------------------------------------------------------------------------

    def value(self, type_: Type, value: Any) -> Any:
        """Return a canonical value in JSON, or what stands for it."""
        if self._room <= 0:
            return _masked(_kind(type_), "full")
        match type_:
            case Primitive("string" | "bool" | "int" as name):  # as most are
                size = len(value) if name == "string" else 1
                if size > self._longest:
                    return _masked(name, "long")
                self._room -= size + 8
                return value
            case SetType(element):
                if len(value) > MOST_ELEMENTS:
                    return _masked("set", "long")
                found = sorted((self.value(element, one) for one in value), key=repr)
                return self._if_room(found, "set")
            case RecordType(attributes):
                parts = ((one.name, self._attribute(one, value)) for one in attributes)
                given = {name: part for name, part in parts if part is not None}
                return self._if_room(given, "record")
            case EntityRefType(name):
                return {"type": name, "id": self.value(_TEXT, value)}
            case _:
                written = to_json(type_, value)
                size = len(written) if isinstance(written, str) else 1
                if size > self._longest:
                    return _masked(_kind(type_), "long")
                self._room -= size + 8
                return written

    def names(self, names: Iterable[str]) -> list[Any] | dict[str, str]:
        """Return names of fields."""
        listed = list(names)
        if len(listed) > MOST_ELEMENTS:
            return _masked("fields", "long")
        self._room -= sum(map(len, listed))
        return listed


_TEXT: Final = Primitive("string")


def _masked(kind: str, why: str) -> dict[str, str]:
    """Return what stands for a value of that kind."""
    return {MASKED: kind, "why": why}


def _kind(type_: Type) -> str:
    """Return the name of a type in one word."""
    match type_:
        case SetType():
            return "set"
        case RecordType():
            return "record"
        case _:
            return type_.name if hasattr(type_, "name") else "value"


class _Reached:
    """Notes what rules read of each entity, as far as no private reference leads there."""

    def __init__(self, find: Callable[[Key], Entity | None]) -> None:
        self.needs: dict[Key, Needs] = {}
        self.follows: Callable[[Attribute], bool] = lambda attribute: not attribute.private
        self._find = find
        self._seen: set[tuple[Key, int]] = set()

    def entity(self, entity: Entity, needs: Needs) -> None:
        """Note what is read of an entity, and of those that it leads to."""
        mark = entity.key_, id(needs)
        if not needs or mark in self._seen:
            return
        self._seen.add(mark)
        self.needs[entity.key_] = self.needs.get(entity.key_, NOTHING) | needs
        self.attributes(entity.entity_type, entity, needs)
        for type_, part in needs.above.items():
            for key in entity.line or ():
                if key[0] == type_:
                    self._key(key, part)

    def attributes(self, type_: Any, owner: Any, needs: Needs) -> None:
        """Note what is read by way of attributes."""
        by_name: Mapping[str, Attribute] = type_.by_name
        for name, part in needs.attributes.items():
            attribute = by_name.get(name)
            if attribute is not None and part and self.follows(attribute):
                self._value(attribute.type, getattr(owner, slot(name)), part)

    def _value(self, type_: Type, value: Any, needs: Needs) -> None:
        if value is ABSENT:
            return
        match type_:
            case EntityRefType(name):
                self._key((name, value), needs)
            case SetType(element):
                for one in value if len(value) <= MOST_ELEMENTS else ():
                    self._value(element, one, needs.elements or NOTHING)
            case RecordType():
                self.attributes(type_, value, needs)

    def _key(self, key: Key, needs: Needs) -> None:
        found = self._find(key)
        if found is not None:
            self.entity(found, needs)
