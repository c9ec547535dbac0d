"""Make a concrete request of a symbolic one: values that were not chosen get their first option."""

from __future__ import annotations

from typing import Any, cast

from attrs import define, field

from policyengine.analysis.symbolic_request import SymbolicRequest, SymbolicState
from policyengine.model.entities import Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import EntityRefType, RecordType, SetType, Type
from policyengine.model.values import ABSENT, slot, to_json


def request_of(state: SymbolicState, needs: RequestNeeds) -> dict[str, Any]:
    """Return the request of *state* with all that *needs* lists, as arguments of `validate`."""
    return _RequestMaker(state).request(needs)


@define
class _RequestMaker:
    state: SymbolicState
    entities: dict[Key, dict[str, Any]] = field(factory=dict)
    reading: set[tuple[Key, int]] = field(factory=set)

    def request(self, needs: RequestNeeds) -> dict[str, Any]:
        symbolic = SymbolicRequest(self.state)
        action, subject, resource = self.state.target
        keys = (subject, symbolic.subject.id), (resource, symbolic.resource.id)
        context = self.state.schema.actions[action].context
        made = {
            "action": action,
            "context": self._parts(symbolic.context, context, needs.context),
            "now": int(str(symbolic.now)),
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
        symbolic = SymbolicRequest(self.state).entities[key]
        described = self.entities.setdefault(key, {"properties": {}, "parents": []})
        attributes = self.state.schema.entities[key[0]].by_name
        for name, part in needs.attributes.items():
            value = getattr(symbolic, slot(name))
            if value is not ABSENT:
                described["properties"][name] = self._json(attributes[name].type, value, part)
        above = [
            cast("Key", place[3])
            for place, yes in list(self.state.known.items())
            if place[:3] == ("line", *key) and yes
        ]
        for parent in above:
            reference = {"type": parent[0], "id": parent[1]}
            if needs.line and reference not in described["parents"]:
                described["parents"].append(reference)
                self.entities.setdefault(parent, {"properties": {}, "parents": []})
        for type_, part in needs.above.items():
            for one in (key, *above):
                if one[0] == type_:
                    self._entity(one, part)

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
                return [self._json(element, one, needs.elements or NOTHING) for one in value]
            case RecordType():
                everything = Needs({a.name: NOTHING for a in type_.attributes})
                return self._parts(value, type_, needs | everything)
            case _:
                return to_json(type_, value)
