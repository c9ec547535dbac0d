"""Read the objects of one request: each attribute once, and as far as rules follow.

Rules follow references and parents from one entity to another. A reference may be an object, or the id of one
that is given elsewhere in the request; and what it stands in may be an object, a dict or a built entity. So all
that is given is known by type and id, and what is still to be followed waits in a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias
from uuid import UUID

from msgspec import Struct, field

from policyengine.intake.foreign import Refused, failed, plain
from policyengine.intake.mapped_classes import (
    AttributeSource,
    Mapped,
    Ref,
    has_fields,
    id_text,
    is_made,
    not_a_set,
    scalar,
)
from policyengine.model.entities import Entity, Key
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.records import Record
from policyengine.model.request_messages import class_name
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EntityType,
    RecordType,
    Schema,
    SetType,
    Type,
    is_private,
)
from policyengine.model.values import ABSENT, slot

Find: TypeAlias = Callable[[type], Mapped | None]

_SETS: Final = (list, tuple, set, frozenset)
_BUILT: Final = (Entity, Record)


class Said(Struct, eq=False):
    """What was read of an object so far: *raws* as the object gave it, *properties* as a dict would say it."""

    given: object
    mapped: Mapped
    id: object
    raws: dict[str, object] = field(default_factory=dict)
    properties: dict[str, object] = field(default_factory=dict)
    parents: object = None
    followed: bool = False
    fetched: bool = False

    def reference(self) -> dict[str, object]:
        """Return the name of the entity that the object says."""
        return {"type": self.mapped.type.name, "id": self.id}

    def as_dict(self) -> dict[str, object]:
        """Return what was read as a dict says it."""
        said = {**self.reference(), "properties": self.properties}
        return said if self.parents is None else {**said, "parents": self.parents}


def said_of(part: object) -> Any:
    """Return a part of a request, as a dict if it was an object."""
    return part.as_dict() if isinstance(part, Said) else part


Node: TypeAlias = "Said | dict[str, Any] | Entity"
"""What says something of an entity."""


class ObjectReading:
    """The objects of one request while they are read; *find*: how those of a class are.

    *sourced*: whether what is only named is still to be fetched, and not known for being named.
    """

    def __init__(
        self, find: Find, limits: Limits, schema: Schema, *, sourced: bool = False
    ) -> None:
        self._find = find
        self._limits = limits
        self._schema = schema
        self._sourced = sourced
        # Whether what is read was fetched: an object that it refers to may be as old as the session, and is
        # fetched, too.
        self._is_fetched = self._is_private = False
        self.named: set[Key] = set()
        """The entities that are to be fetched for that, as far as rules follow to them."""
        self.referred: set[Key] = set()
        """The same of those to which fetched objects refer by what may be private."""
        self._said: dict[int, Said] = {}
        self._known: dict[Key, list[Node]] = {}
        self._to_read: list[tuple[Node | Key, Needs]] = []
        self._to_place: list[tuple[Node | Key, Mapping[str, Needs]]] = []
        self._seen: dict[tuple[int, int], object] = {}  # what was looked for stays, and so its id
        self._waiting: list[tuple[list[tuple[Any, Any]], Key, Any]] = []

    # ---- a request ----------------------------------------------------------------------

    def given(self, raw: object, *, fetched: bool = False) -> object:
        """Take a part of a request, or what was *fetched*: the object that it is, or itself, a mapping as a dict."""
        mapped = self._find(type(raw))
        if mapped is not None:
            said = self._object(raw, mapped)
            said.fetched = fetched
            return said
        raw = _own(raw)
        carried: Iterable[Entity] = raw.carried_ if isinstance(raw, Entity) else ()
        for one in (raw, *carried):
            key = key_of(one)
            if key is None:
                continue
            if self._sourced and not (fetched and one is raw) and only_named(one):
                self.named.add(key)
            else:
                self._known.setdefault(key, []).append(one)  # type: ignore[arg-type]  # it has a key
        return raw

    def knows(self, key: Key) -> bool:
        """Return whether anything describes an entity."""
        return key in self._known

    def read(self, node: object, needs: Needs) -> None:
        """Read *needs* of a part that was given, or of the entity with a key."""
        made = type(node)
        if made is dict or made is tuple or isinstance(node, Said | Entity):
            self._to_read.append((node, needs))  # type: ignore[arg-type]  # it is one of these

    def follow(self) -> None:
        """Read all that rules follow to."""
        while self._to_read or self._to_place:
            if self._to_read:
                where, needs = self._to_read.pop()
                self._wait_for(where, needs, self._to_read)
                for node in self._nodes(where, needs):
                    self._read(node, needs)
            else:
                where, above = self._to_place.pop()
                self._wait_for(where, above, self._to_place)
                for node in self._nodes(where, above):
                    self._place(node, above)
        self._agree()

    def _wait_for(self, where: Node | Key, what: Any, to_do: list[tuple[Any, Any]]) -> None:
        if isinstance(where, tuple) and where not in self._known:
            self._waiting.append((to_do, where, what))

    def unknown(self) -> list[Key]:
        """Return the keys of entities that rules follow to, of which nothing says anything."""
        return sorted({key for _, key, _ in self._waiting})

    def go_on(self) -> None:
        """Follow to those that were given since."""
        waiting, self._waiting = self._waiting, []
        for to_do, key, what in waiting:
            if key in self._known:
                to_do.append((key, what))
        self.follow()

    def follow_all(self, needs_of: Callable[[EntityType], Needs]) -> None:
        """Read all that rules follow to, and of each object that what any rule reads of its type."""
        done = set[int]()
        while True:
            self.follow()
            new = [one for one in self._said.values() if one.followed and id(one) not in done]
            if not new:
                return
            done |= {id(one) for one in new}
            self._to_read += [(one, needs_of(one.mapped.type)) for one in new]

    def others(self, roots: Iterable[object]) -> list[object]:
        """Return, as dicts, the objects that were followed to, which are none of *roots*."""
        known = {id(root) for root in roots}
        found = (said for said in self._said.values() if said.followed and id(said) not in known)
        return [said.as_dict() for said in found]

    def context(self, raw: object, type_: RecordType, needs: Needs) -> object:
        """Return a context with references where registered objects stand."""
        raw = _own(raw)
        if type(raw) is not dict:
            if isinstance(raw, Record):
                self._walk(type_, raw, needs)
            return raw
        find, changed = self._find, dict[str, object]()
        for attribute in type_.attributes:
            value: Any = raw.get(attribute.name)
            if find(type(value)) is not None:
                changed[attribute.name] = self._reference(value, None, "")
            elif _is_set(value) and any(find(type(one)) is not None for one in value):
                changed[attribute.name] = [self._reference(one, None, "") for one in value]
        made = {**raw, **changed} if changed else raw
        self._walk(type_, made, needs)
        return made

    def _nodes(self, where: Node | Key, what: object) -> list[Node]:
        """Return all that says something of an entity, and was not looked at for the same."""
        if isinstance(where, tuple):
            nodes = self._known.get(where, [])
        else:  # another object may be the same row: what is read of one is read of both
            key = key_of(where.reference() if isinstance(where, Said) else where)
            nodes = [where] if key is None else self._known.get(key, [where])
        new = [node for node in nodes if (id(node), id(what)) not in self._seen]
        self._seen |= {(id(node), id(what)): what for node in new}
        for node in new:
            if isinstance(node, Said):
                node.followed = True
        return new

    def _agree(self) -> None:
        """Read of an object what a dict or a built entity says of the same entity: less would contradict it."""
        for nodes in list(self._known.values()):
            names = {
                name: NOTHING
                for node in nodes
                if not isinstance(node, Said)
                for name in _names(node)
            }
            for node in nodes if names else ():
                if isinstance(node, Said) and node.followed:
                    self._read(node, Needs(names))

    def _object(self, given: object, mapped: Mapped) -> Said:
        said = self._said.get(id(given))
        if said is None:
            said = self._said[id(given)] = Said(given, mapped, mapped.id_of(given))
            key = key_of(said.reference())
            if key is not None:
                self._known.setdefault(key, []).append(said)
        return said

    # ---- attributes ---------------------------------------------------------------------

    def _read(self, node: Node, needs: Needs) -> None:
        if isinstance(node, Said):
            for name, inner in needs.attributes.items():
                attribute = node.mapped.type.by_name.get(name)
                if attribute is not None:
                    self._attribute(node, attribute, inner)
        else:
            type_ = self._schema.entities.get(_type_of(node))
            if type_ is not None:
                of = node if isinstance(node, Entity) else node.get("properties")
                self._walk(type_, of, needs)
        if needs.line:
            self._to_place.append((node, needs.above))
            itself = needs.above.get(_type_of(node))
            if itself is not None:  # its ancestors begin with itself
                self._to_read.append((node, itself))

    def _attribute(self, said: Said, attribute: Attribute, needs: Needs) -> None:
        name, source = attribute.name, said.mapped.attributes[attribute.name]
        if source is None:
            return
        if name not in said.raws:
            raw = said.raws[name] = said.mapped.read(said.given, source)
            if raw is not None or not attribute.optional:
                fresh = is_made(source)
                self._is_fetched = said.fetched
                self._is_private = is_private(attribute) or not self._is_named(said)
                try:
                    said.properties[name] = self._value(attribute.type, raw, source, fresh=fresh)
                except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
                    said.properties[name] = failed(problem)
        self._walk(attribute.type, said.properties.get(name), needs)

    def _is_named(self, said: Said) -> bool:
        return key_of(said.reference()) in self.named

    def _value(
        self, type_: Type, raw: object, source: AttributeSource, *, fresh: bool = False
    ) -> object:
        """Return a value as a dict would have it; *fresh*: whether a collection was made to be asked."""
        match type_:
            case SetType(element):
                items = self._items(raw, self._limits.set_size, fresh=fresh)
                if isinstance(items, Refused):
                    return items
                return [self._value(element, one, source) for one in items]
            case EntityRefType(name):
                return self._reference(raw, source, name)
            case RecordType():
                return self._record(type_, raw)
            case _:
                return scalar(raw)

    def _items(self, raw: object, most: int, *, fresh: bool) -> list[object] | Refused:
        """Return the elements of a collection, *most* and one more."""
        try:
            if isinstance(raw, str | bytes | Mapping) or not isinstance(raw, Iterable):
                return raw if isinstance(raw, Refused) else not_a_set(raw)
            if isinstance(raw, Iterator) and not fresh:
                said = "can be iterated but once: keep a list, or register a function that makes it"
                return Refused("PE505", f"a `{class_name(type(raw))}` {said}")
            return list(islice(raw, most + 1))
        except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
            return failed(problem)

    def _record(self, type_: RecordType, raw: object) -> object:
        """Return a record as a dict: of a mapping, or of an object that says which fields it has."""
        if isinstance(raw, Mapping):
            held = plain(raw)  # whatever a derived class says that it holds
            if type(held) is not dict:
                return held
            given = dict(held)
        elif has_fields(type(raw)) and not isinstance(raw, Record | Refused):
            reader = Mapped(EntityType("", (), ()), type(raw).__qualname__, None, None, {})
            given = {name: reader.read(raw, name) for name in type_.by_name}
        else:
            return raw
        for name, attribute in type_.by_name.items():
            if name in given:
                if given[name] is None and attribute.optional:
                    del given[name]
                else:
                    given[name] = self._value(attribute.type, given[name], None)
        return given

    def _reference(self, raw: object, source: AttributeSource, type_: str) -> object:
        mapped = self._find(type(raw))
        if mapped is not None:
            if len(self._said) <= self._limits.entities and not self._is_fetched:
                return self._object(raw, mapped).reference()
            reference: dict[str, object] = {"type": mapped.type.name, "id": mapped.id_of(raw)}
            key = key_of(reference) if self._is_fetched else None
            if key is not None:
                (self.referred if self._is_private else self.named).add(key)
            return reference
        if isinstance(source, Ref) and not isinstance(raw, Refused):
            return {"type": source.type or type_, "id": id_text(raw)}
        if type_ and isinstance(raw, str | int | UUID) and not isinstance(raw, bool):
            return Refused("PE505", "expected an entity: `Ref` says that this is the id of one")
        return raw

    # ---- what rules follow --------------------------------------------------------------

    def _walk(self, type_: Type | EntityType, value: object, needs: Needs) -> None:
        """Note the references in a value, as a dict says it or in canonical form, that rules follow."""
        if not needs:
            return
        value = _own(value)
        match type_:
            case EntityRefType(name):
                key = (name, value) if isinstance(value, str) else key_of(value)
                if key is not None:
                    self._to_read.append((key, needs))
            case SetType(element):
                if _is_set(value):
                    elements: Any = value
                    for one in elements:
                        self._walk(element, one, needs.elements or NOTHING)
            case RecordType() | EntityType():
                for name, inner in needs.attributes.items():
                    attribute = type_.by_name.get(name)
                    if attribute is not None:
                        self._walk(attribute.type, _part(value, name), inner)

    def _place(self, node: Node, above: Mapping[str, Needs]) -> None:
        """Note the parents of an entity, and what is read of them: rules ask for all ancestors."""
        if isinstance(node, Entity):
            parents: Any = node.parents_
        elif isinstance(node, Said):
            parents = self._parents(node)
        else:
            parents = _own(node.get("parents"))
        for parent in parents if _is_set(parents) else ():
            key = parent if isinstance(node, Entity) else key_of(parent)
            if key is not None:
                self._to_place.append((key, above))
                if key[0] in above:
                    self._to_read.append((key, above[key[0]]))

    def _parents(self, said: Said) -> object:
        """Return the parents of an object, as a dict says them."""
        source = said.mapped.parents
        if said.parents is None and source is not None:
            raw = said.mapped.read(said.given, source)
            self._is_fetched, self._is_private = said.fetched, not self._is_named(said)
            try:
                said.parents = self._as_parents(raw, source, said.mapped.type)
            except Exception as problem:  # noqa: BLE001 - whatever comes of a foreign class
                said.parents = failed(problem)
        return said.parents

    def _as_parents(self, raw: object, source: AttributeSource, type_: EntityType) -> object:
        items: Any = [] if raw is None else [raw]
        if isinstance(raw, Refused):
            return raw
        several = isinstance(raw, Iterable) and not isinstance(raw, str | Mapping)
        if several and self._find(type(raw)) is None:
            items = self._items(raw, self._limits.ancestors, fresh=is_made(source))
        if isinstance(items, Refused):
            return items
        only = next(iter(type_.parents), "")
        return [self._reference(one, source, only) for one in items]


def _own(value: object) -> Any:
    """Return a value in a class of Python's own, if it is of one that derives from that, or is a mapping."""
    made = type(value)
    return value if made is dict or made is str or issubclass(made, _BUILT) else plain(value)


def _is_set(value: object) -> bool:
    """Whether a value is of a class of Python's own: others may say that they equal these."""
    made = type(value)
    return any(made is class_ for class_ in _SETS)


def key_of(raw: object) -> Key | None:
    """Return the type and the id that a dict, or an entity, says; None for what says none."""
    raw = _own(raw)
    if isinstance(raw, Entity):
        return raw.key_
    if type(raw) is not dict:
        return None
    type_, id_ = raw.get("type"), raw.get("id")
    if not type(type_) is type(id_) is str:
        type_, id_ = _own(type_), _own(id_)
    return (type_, id_) if type(type_) is type(id_) is str else None


def action_name(raw: object) -> str | None:
    """Return the name of an action, which a request says as a text or as `{"name"}`; None for what says none."""
    raw = plain(raw)
    name = plain(raw.get("name")) if type(raw) is dict else raw
    return name if type(name) is str else None


def only_named(raw: object) -> Key | None:
    """Return the key of an entity, built or a dict, that is named and not described; None for all else."""
    if isinstance(raw, Entity):
        return None if raw.described_ else raw.key_
    return key_of(raw) if type(raw) is dict and "properties" not in raw else None


def _type_of(node: Node) -> str:
    if isinstance(node, Said):
        return node.mapped.type.name
    named = node.type if isinstance(node, Entity) else _own(node.get("type"))
    return named if type(named) is str else ""


def _names(node: Node) -> list[str]:
    """Return the names of the attributes that a dict or a built entity gives."""
    if isinstance(node, Entity):
        names = node.entity_type.by_name
        return [name for name in names if getattr(node, slot(name)) is not ABSENT]
    given = _own(node.get("properties")) if isinstance(node, dict) else None
    return [name for name in given if type(name) is str] if type(given) is dict else []


def _part(value: object, name: str) -> object:
    if isinstance(value, Record | Entity):
        found = getattr(value, slot(name), ABSENT)
        return None if found is ABSENT else found
    return value.get(name) if type(value) is dict else None
