"""Find the values that rules read and a request lacks: attributes, entities, ancestors.

The needs of a rule are followed through the values: attributes of an entity or a record, elements
of a set, the entity that a reference refers to. Each entity is looked at once for each part of the
needs, so the work is bounded by the size of what was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct, field

from policyengine.model.entities import Entity, Key
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import Record, record_class
from policyengine.model.request_messages import Path, inside, path_text
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
    table_given,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, INVALID, Ip, slot

Lack: TypeAlias = Literal["attribute", "entity", "line", "ancestor", "number", "value"]


class Gap(Struct, frozen=True):
    """Something that is read and not given: an attribute, an entity, its line, or a fitting value.

    Or there is no entity for an *ancestor* on a line, or too large a *number* of one type. *path* is where
    it would be, of an entity the reference to it; *key* is that of the entity; *needs* what is read of it.
    """

    lack: Lack
    path: Path
    key: Key | None = None
    needs: Needs = NOTHING


SUBJECT: Final[Path] = inside(None, "subject")
RESOURCE: Final[Path] = inside(None, "resource")
CONTEXT: Final[Path] = inside(None, "context")

_MOST_OF_A_TYPE: Final = Limits().ancestors_of_type


class Search(Struct):
    """Follows needs through values and collects the gaps.

    *find* gives an entity by its key, or None; *place* where an entity was given, if not by a
    reference; *suspicious*: whether values are distrusted, as after a failure. *find_ancestor* gives those
    that are asked for by their type, of which there may be *most*.
    """

    find: Callable[[Key], Entity | None]
    place: Callable[[Key, Path], Path]
    find_ancestor: Callable[[Key], Entity | None]
    most: int = _MOST_OF_A_TYPE
    suspicious: bool = False
    gaps: list[Gap] = field(default_factory=list)
    seen: dict[tuple[Key, int], Needs] = field(default_factory=dict)

    def request(
        self, subject: object, resource: object, context: object, needs: RequestNeeds
    ) -> list[Gap]:
        """Return the gaps of a whole request; parts that are `INVALID` are passed over."""
        self.entity(subject, needs.subject, SUBJECT)
        self.entity(resource, needs.resource, RESOURCE)
        if context is not INVALID:
            self.record(context, needs.context, CONTEXT)
        return self.gaps

    def entity(self, entity: object, needs: Needs, path: Path) -> None:
        """Check the values that are read of an entity."""
        if not isinstance(entity, Entity):
            self.gaps.append(Gap("value", path))
            return
        mark = (entity.key_, id(needs))
        if not needs or mark in self.seen:
            return
        self.seen[mark] = needs
        if needs.line and entity.line is None:
            self.gaps.append(Gap("line", path, entity.key_, needs))
        self._attributes(entity, entity.entity_type, needs, inside(path, "properties"))
        for type_, part in needs.above.items():
            self._ancestors(entity, type_, part, path)

    def _ancestors(self, entity: Entity, type_: str, needs: Needs, path: Path) -> None:
        """Check what is read of the ancestors of that type; an unknown line is a gap already."""
        keys = sorted(key for key in entity.line or () if key[0] == type_)
        place = inside(path, "parents")
        if len(keys) > self.most:
            self.gaps.append(Gap("number", place, entity.key_, Needs(above={type_: needs})))
            return
        for key in keys:
            found = self.find_ancestor(key)
            if found is None:
                self.gaps.append(Gap("ancestor", place, key, needs))
            else:
                self.entity(found, needs, self.place(key, inside(place, key)))

    def record(self, record: object, needs: Needs, path: Path) -> None:
        """Check the values that are read of a record."""
        if not isinstance(record, Record):
            self.gaps.append(Gap("value", path))
            return
        self._attributes(record, record.record_type, needs, path)

    def _attributes(
        self, owner: object, type_: EntityType | RecordType, needs: Needs, path: Path
    ) -> None:
        for name, part in needs.attributes.items():
            attribute = type_.by_name.get(name)
            if attribute is not None:
                self._attribute(attribute, getattr(owner, slot(name), INVALID), part, path)
            else:
                self.gaps.append(Gap("attribute", inside(path, name)))

    def _attribute(self, attribute: Attribute, value: object, needs: Needs, path: Path) -> None:
        place = inside(path, attribute.name, private=attribute.private)
        if value is not ABSENT:
            self.value(attribute.type, value, needs, place)
        elif not attribute.optional:
            self.gaps.append(Gap("attribute", place))

    def value(self, type_: Type, value: object, needs: Needs, path: Path) -> None:
        """Check the parts that are read of a value."""
        if self.suspicious and not fits(type_, value):
            self.gaps.append(Gap("value", path))
        elif not needs or value is INVALID:
            return
        elif isinstance(type_, EntityRefType):
            self._reference(type_, str(value), needs, path)
        elif isinstance(type_, SetType) and isinstance(value, frozenset):
            self._elements(type_.element, value, needs.elements or NOTHING, path)
        elif isinstance(value, Record):
            self.record(value, needs, path)

    def _elements(self, type_: Type, values: Iterable[object], needs: Needs, path: Path) -> None:
        for value in values:
            # References are told apart by their targets; other elements have no name.
            key = (type_.name, str(value)) if isinstance(type_, EntityRefType) else None
            self.value(type_, value, needs, inside(path, key) if key else path)

    def _reference(self, type_: EntityRefType, id_: str, needs: Needs, path: Path) -> None:
        key = (type_.name, id_)
        entity = self.find(key)
        if entity is None:
            self.gaps.append(Gap("entity", path, key, needs))
        else:
            self.entity(entity, needs, self.place(key, path))


def fits(type_: Type, value: object) -> bool:
    """Whether *value* is a canonical value of the type."""
    match type_:
        case Primitive(name):
            return type(value) is _CLASSES[name]
        case EnumType() | TaxonomyType():
            return isinstance(value, str) and value in type_.members
        case LevelsType(members=members):
            return type(value) is int and 0 <= value < len(members)
        case EntityRefType():
            return isinstance(value, str)
        case SetType(element):
            return isinstance(value, frozenset) and all(fits(element, v) for v in value)
        case RecordType(attributes):
            return isinstance(value, record_class(type_)) and all(
                (part := getattr(value, slot(a.name))) is ABSENT or fits(a.type, part)
                for a in attributes
            )
        case TableType():
            raise table_given(type_)
        case _:
            assert_never(type_)


_CLASSES: Final[dict[str, type]] = {
    "bool": bool, "int": int, "decimal": int, "string": str, "datetime": int, "duration": int,
    "months": int, "ip": Ip, "path": str,
}  # fmt: skip


# ---- what one rule reads ----------------------------------------------------------------


def gives(request: ValidRequest, needs: RequestNeeds) -> bool:
    """Whether a request gives everything that is read: a rule on trial may read more than others."""
    return not _gaps(request, needs)


def misfits(request: ValidRequest, needs: RequestNeeds) -> tuple[str, ...]:
    """Return the paths of values that are read and missing, or of the wrong type."""
    return tuple(sorted({path_text(gap.path) for gap in _gaps(request, needs)}))


def _gaps(request: ValidRequest, needs: RequestNeeds) -> Sequence[Gap]:
    find = _finder(request)
    search = Search(find, _here, find, suspicious=True)
    return search.request(request.subject, request.resource, request.context, needs)


def _finder(request: ValidRequest) -> Callable[[Key], Entity | None]:
    def find(key: Key) -> Entity | None:
        try:
            return request.entities[key]
        except KeyError:
            return None

    return find


def _here(_: Key, path: Path) -> Path:
    return path
