"""Make a concrete request of a symbolic one: values that were not chosen get their first option."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field

from policyengine.analysis.symbolic_request import SymbolicRequest, SymbolicState
from policyengine.model.entities import Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import (
    INT,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    Type,
)
from policyengine.model.values import ABSENT, slot, to_json

_LINE = Needs(line=True)


def request_of(state: SymbolicState, needs: RequestNeeds) -> dict[str, Any]:
    """Return the request of *state* with all that *needs* lists, as arguments of `validate`."""

    def above(key: Key) -> list[Any]:
        return [
            place[3]
            for place, yes in list(state.known.items())
            if place[:3] == ("line", *key) and yes
        ]

    return RequestMaker(SymbolicRequest(state), state.schema, state.target, above).request(needs)


@define
class RequestMaker:
    """Reads a symbolic *request*; *above* gives the ancestors of an entity.

    *elements* gives those of a set, and *plain* a value as JSON has it.
    """

    read: Any
    schema: Schema
    target: TargetKey
    above: Callable[[Key], list[Key]]
    elements: Callable[[Any], Iterable[Any]] = iter
    plain: Callable[[Type, Any], object] = to_json
    entities: dict[Key, dict[str, Any]] = field(factory=dict)
    reading: set[tuple[Key, int]] = field(factory=set)

    def request(self, needs: RequestNeeds) -> dict[str, Any]:
        """Return the request with all that *needs* lists."""
        symbolic = self.read
        action, subject, resource = self.target
        keys = (subject, symbolic.subject.id), (resource, symbolic.resource.id)
        context = self.schema.actions[action].context
        made = {
            "action": action,
            "context": self._parts(symbolic.context, context, needs.context),
            "now": int(str(self.plain(INT, symbolic.now))),
        }
        for key, part in zip(keys, (needs.subject, needs.resource), strict=True):
            self._entity(key, part)
        subject_, resource_ = ({"type": type_, "id": id_} for type_, id_ in keys)
        entities = [{"type": t, "id": i, **rest} for (t, i), rest in self.entities.items()]
        return {**made, "subject": subject_, "resource": resource_, "entities": entities}

    def _entity(self, key: Key, needs: Needs) -> None:
        if (key, id(needs)) in self.reading:
            return
        self.reading.add((key, id(needs)))
        symbolic = self.read.entities[key]
        described = self.entities.setdefault(key, {"properties": {}, "parents": []})
        attributes = self.schema.entities[key[0]].by_name
        for name, part in needs.attributes.items():
            value = getattr(symbolic, slot(name))
            if value is not ABSENT:
                described["properties"][name] = self._json(attributes[name].type, value, part)
        above = self.above(key)
        for parent in above if needs.line else ():
            self._entity(parent, _LINE)
            if not any(parent in self.above(other) for other in above if other != parent):
                self._place(key, parent, above, needs)
        for type_, part in needs.above.items():
            for one in (key, *above):
                if one[0] == type_:
                    self._entity(one, part)

    def _place(self, key: Key, parent: Key, above: list[Key], needs: Needs) -> None:
        """Put an entity below another one: below others of it, or new ones, where their types want some between."""
        for type_ in _types_between(self.schema, key[0], parent[0]):
            new = type_, f"{type_.lower()}-of-{key[1]}"
            between = next((one for one in above if one[0] == type_), new)
            self._entity(between, needs.above.get(type_, NOTHING))
            self._place(key, between, [], needs)
            key = between
        reference = {"type": parent[0], "id": parent[1]}
        parents = self.entities[key]["parents"]
        if reference not in parents:
            parents.append(reference)

    def _parts(self, record: Any, type_: RecordType, needs: Needs) -> dict[str, Any]:
        return {
            name: self._json(type_.by_name[name].type, value, part)
            for name, part in needs.attributes.items()
            if (value := getattr(record, slot(name))) is not ABSENT
        }

    def _json(self, type_: Type, value: Any, needs: Needs) -> Any:
        match type_:
            case EntityRefType(name):
                if needs:
                    self._entity((name, str(value)), needs)
                return {"type": name, "id": str(value)}
            case SetType(element):
                return [
                    self._json(element, one, needs.elements or NOTHING)
                    for one in self.elements(value)
                ]
            case RecordType():
                everything = Needs({a.name: NOTHING for a in type_.attributes})
                return self._parts(value, type_, needs | everything)
            case _:
                return self.plain(type_, value)


def _types_between(schema: Schema, below: str, above: str) -> list[str]:
    """Return the types of the parents between entities of two types, none if one may be a parent of the other."""
    ways: dict[str, list[str]] = {below: []}
    ahead = deque([below])
    while ahead:
        type_ = ahead.popleft()
        if above in schema.entities[type_].parents:
            return ways[type_]
        for parent in schema.entities[type_].parents:
            if parent not in ways:
                ways[parent] = [*ways[type_], parent]
                ahead.append(parent)
    return []
