"""Find the values of a request that rules read, and put others there."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from attrs import define, evolve, field, frozen
from msgspec.structs import replace

from policyengine.model.entities import Entity, Key
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import Record
from policyengine.model.sealed import altered
from policyengine.model.shown import in_words, shown_entity
from policyengine.model.types import (
    DATETIME,
    STRING,
    Attribute,
    Changer,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.doubtful_values import doubtful
from policyengine.semantics.phrases import REQUEST, YOU, Phrase

PlaceKind: TypeAlias = Literal["attribute", "parents", "fields", "now"]
ReadKey: TypeAlias = tuple[str, str]


@frozen
class Place:
    """The place of a value in a request.

    *owner*: the entity, None for the context and the fields that are asked for; *names* lead from
    there to an attribute, through records; *text* is the path as a policy writes it. *by*: the party
    that can change the value. *private* or *hidden*: it is private, or of another entity than the subject;
    *words* name it to readers who may not see it: "the owner of the document". *needs*: the parts of the
    value that rules read.
    """

    kind: PlaceKind
    owner: Key | None
    names: tuple[str, ...]
    text: str = field(eq=False)
    type: Type = field(eq=False)
    optional: bool = field(eq=False)
    by: Changer = field(eq=False)
    hidden: bool = field(eq=False)
    private: bool = field(eq=False, default=False)
    words: str = field(eq=False, default="")
    needs: Needs = field(eq=False, default=NOTHING)

    @property
    def read_key(self) -> ReadKey:
        """The attribute that rules read here, by type and name, whichever entity it is of."""
        if self.kind != "attribute":
            return "", self.kind
        return self.owner[0] if self.owner else "context", self.names[0]

    def overlaps(self, other: Place) -> bool:
        """Whether one of the two is inside the other: an attribute in a record."""
        shorter = min(len(self.names), len(other.names))
        same = (self.kind, self.owner) == (other.kind, other.owner)
        return same and self.names[:shorter] == other.names[:shorter]


PARENTS_KEY: ReadKey = ("", "parents")
NOW_KEY: ReadKey = ("", "now")

NOW = Place("now", None, (), "now", DATETIME, False, "nobody", False, words="the time")
"""The time: not among the places of a request, but it can be changed as well."""

Changes: TypeAlias = tuple[tuple[Place, object], ...]
"""Places, each with its new value."""


def places_of(checked: CheckedSet, request: ValidRequest) -> tuple[Place, ...]:
    """Return the places of *request* that rules may read, each once."""
    target = (request.action, request.subject.type, request.resource.type)
    needs = checked.needs(target)
    finding = _Places(request)
    finding.entity(request.subject, needs.subject, "subject", YOU)
    resource = Phrase(f"the {in_words(request.resource.type)}")
    finding.entity(request.resource, needs.resource, "resource", resource)
    context = checked.schema.actions[request.action].context
    given = request.context
    finding.attributes(None, (), context.attributes, given, needs.context, "context", REQUEST)
    claimed = doubtful(checked, target)
    # What only an untrue declaration would change is not for the caller to change.
    for place in list(finding.found.values()):
        if place.owner is None and place.names[0] in claimed:
            finding.found[place] = evolve(place, by="nobody")
    if request.fields is not None:
        asked = Place("fields", None, (), "fields", SetType(STRING), False, "caller", False)
        finding.found[asked] = asked
    return tuple(finding.found.values())


@define
class _Places:
    request: ValidRequest
    found: dict[Place, Place] = field(factory=dict)

    def entity(self, entity: Entity, needs: Needs, text: str, phrase: Phrase) -> None:
        """Find the places of an entity, and of those that it refers to."""
        if needs.line:
            self._parents(entity, f"{text} in", phrase.ancestors())
            for key in sorted(entity.line or ()):
                other = entity_at(self.request, key)
                if other is not None and other is not entity:
                    holder = Phrase(f"a {in_words(key[0])} that holds {phrase.text}")
                    self._parents(other, f"{shown_entity(*key)} in", holder.ancestors())
        attributes = entity.entity_type.attributes
        self.attributes(entity.key_, (), attributes, entity, needs, text, phrase)
        for type_, part in needs.above.items():
            for key in sorted(key for key in entity.line or () if key[0] == type_):
                above = f'ancestors({text}, {type_})["{key[1]}"]'
                holds = Phrase(f"a {in_words(type_)} that holds {phrase.text}")
                self.entity(self.request.entities[key], part, above, holds)

    def _parents(self, entity: Entity, text: str, words: Phrase) -> None:
        if entity.parents_ is not None and entity.entity_type.parents:
            self._add("parents", entity.key_, (), text, words, SetType(STRING))

    def attributes(
        self,
        owner: Key | None,
        above: tuple[str, ...],
        attributes: Iterable[Attribute],
        holder: object,
        needs: Needs,
        text: str,
        phrase: Phrase,
        by: Changer | None = None,
        *,
        private: bool = False,
    ) -> None:
        """Find the places of an entity, a context or a record in one."""
        for part in attributes:
            if part.name not in needs.attributes:
                continue
            value = getattr(holder, slot(part.name))
            names, here = (*above, part.name), f"{text}.{part.name}"
            words = phrase.of(part.name)
            changer, hidden = by or part.by, private or part.private
            inner = needs.attributes[part.name]
            whole = not (isinstance(part.type, RecordType) and value is not ABSENT)
            if whole or part.optional:
                of_person = Phrase(f"a setting of {phrase.text}")
                told = phrase.with_type(part.name, part.type)
                kind = of_person if changer == "person" else told
                self._add(
                    "attribute", owner, names, here, kind, part.type, part.optional, changer, hidden,
                    inner,
                )  # fmt: skip
            match part.type, value:
                case RecordType(inside), Record():
                    self.attributes(
                        owner, names, inside, value, inner, here, words, changer, private=hidden
                    )
                case EntityRefType(name), str() if inner:
                    self.entity(self.request.entities[name, value], inner, here, words)
                case SetType(EntityRefType(name)), frozenset() if inner.elements:
                    for one in sorted(value):
                        entity = self.request.entities[name, one]
                        among = Phrase(f"one of {words.text}")
                        self.entity(entity, inner.elements, f'{here}["{one}"]', among)
                case SetType(element), frozenset() if inner.elements:
                    for one in sorted(value, key=str):
                        self._referred(element, one, inner.elements, words)

    def _referred(self, type_: Type, value: Any, needs: Needs, words: Phrase) -> None:
        """Find the places of the entities that an element of a set refers to."""
        match type_:
            case EntityRefType(name) if needs and value is not ABSENT:
                text, among = shown_entity(name, value), Phrase(f"one of {words.text}")
                self.entity(self.request.entities[name, value], needs, text, among)
            case RecordType(parts) if value is not ABSENT:
                for part in parts:
                    inner = needs.attributes.get(part.name, NOTHING)
                    self._referred(part.type, getattr(value, slot(part.name)), inner, words)
            case SetType(element) if needs.elements and value is not ABSENT:
                for one in sorted(value, key=str):
                    self._referred(element, one, needs.elements, words)

    def _add(
        self,
        kind: PlaceKind,
        owner: Key | None,
        names: tuple[str, ...],
        text: str,
        phrase: Phrase,
        type_: Type,
        optional: bool = False,  # noqa: FBT001, FBT002 - the same order as the fields of a place
        by: Changer = "platform",
        private: bool = False,  # noqa: FBT001, FBT002 - as above
        needs: Needs = NOTHING,
    ) -> None:
        hidden = private or owner not in (None, self.request.subject.key_)
        words = phrase.text
        place = Place(kind, owner, names, text, type_, optional, by, hidden, private, words, needs)
        before = self.found.get(place, place)
        nearer = place if len(text) < len(before.text) else before
        self.found[place] = evolve(nearer, needs=before.needs | needs)


def entity_at(request: ValidRequest, key: Key) -> Entity | None:
    """Return an entity that is known for the request, also if only its store knows it."""
    try:
        return request.entities[key]
    except KeyError:
        return None


def leads_on(type_: Type, needs: Needs) -> bool:
    """Whether rules follow a value of *type_* to entities, of which they read *needs*."""
    match type_:
        case EntityRefType():
            return bool(needs)
        case SetType(element):
            return leads_on(element, needs.elements or NOTHING)
        case RecordType(parts):
            return any(leads_on(p.type, needs.attributes.get(p.name, NOTHING)) for p in parts)
    return False


def value_at(request: ValidRequest, place: Place) -> Any:
    """Return the value at *place*: a canonical value, the keys of parents, or names of fields."""
    if place.kind == "fields":
        return frozenset(request.fields or ())
    if place.kind == "now":
        return request.now
    owner: object = request.context if place.owner is None else request.entities[place.owner]
    if place.kind == "parents":
        return getattr(owner, "parents_", frozenset())
    for name in place.names:
        owner = getattr(owner, slot(name))
    return owner


def changed(request: ValidRequest, changes: Changes) -> ValidRequest:
    """Return *request* with other values at some places."""
    for place, value in sorted(changes, key=lambda change: len(change[0].names)):
        request = _with(request, place, value)
    return request


def size_of_changed(request: ValidRequest, before: ValidRequest) -> int:
    """Return about how much a request of `changed` holds that the one *before* does not."""
    entities, size = request.entities, 1
    while entities is not before.entities and isinstance(entities, ChainMap):
        made, entities = entities.maps
        size += sum(1 + len(one.line or ()) for one in made.values())
    return size


def _with(request: ValidRequest, place: Place, value: Any) -> ValidRequest:
    if place.kind == "fields":
        return replace(request, fields=tuple(sorted(value)))
    if place.kind == "now":
        return replace(request, now=value)
    if place.owner is None:
        return replace(request, context=_put(request.context, place.names, value))
    entity = request.entities[place.owner]
    if place.kind == "parents":
        return _with_entities(request, _moved(request, entity, value))
    return _with_entities(request, {place.owner: _put(entity, place.names, value)})


def _put(holder: Any, names: tuple[str, ...], value: object) -> Any:
    if not names:
        return value
    name, *rest = names
    inner = _put(getattr(holder, slot(name)), tuple(rest), value) if rest else value
    return altered(holder, **{slot(name): inner})


def _with_entities(request: ValidRequest, others: dict[Key, Entity]) -> ValidRequest:
    return replace(
        request,
        subject=others.get(request.subject.key_, request.subject),
        resource=others.get(request.resource.key_, request.resource),
        entities=ChainMap(others, request.entities),  # type: ignore[arg-type]  # it is only read
    )


def _moved(request: ValidRequest, entity: Entity, parents: frozenset[Key]) -> dict[Key, Entity]:
    """Return *entity* below other parents, and its descendants."""
    lines: dict[Key, frozenset[Key]] = {
        entity.key_: frozenset({entity.key_}).union(
            *(ancestors_with(request, parent, ()) for parent in parents)
        )
    }
    moved = {entity.key_: altered(entity, parents_=parents, line=lines[entity.key_])}
    for key, other in request.entities.items():
        if key != entity.key_ and other.line and entity.key_ in other.line:
            moved[key] = altered(other, line=_line_after(key, entity.key_, request, lines))
    return moved


def _line_after(
    key: Key, moved: Key, request: ValidRequest, lines: dict[Key, frozenset[Key]]
) -> frozenset[Key]:
    """Return a line after the move of one to another place; *lines*: those that are known by then, of which many are large.

    One whose parents are not known only grows.
    """
    if key not in lines:
        known = entity_at(request, key)
        before = frozenset({key}) if known is None or known.line is None else known.line
        lines[key] = before
        if known is not None and moved in before:
            above = before if known.parents_ is None else known.parents_
            kept = before if known.parents_ is None else frozenset({key})
            each = (_line_after(one, moved, request, lines) for one in above if one != key)
            lines[key] = kept.union(*each)
    return lines[key]


def ancestors_with(request: ValidRequest, key: Key, parents: Iterable[Key]) -> frozenset[Key]:
    """Return an entity, its known ancestors, and *parents* with theirs."""
    line = {key, *parents}
    for one in parents or (key,):
        known = entity_at(request, one)
        line |= frozenset() if known is None else known.line or frozenset()
    return frozenset(line)


def read_keys_of(needs: RequestNeeds, schema: Schema, target: TargetKey) -> frozenset[ReadKey]:
    """Return the read keys of all that *needs* lists."""
    found: set[ReadKey] = set()
    action, subject, resource = target

    def entity(name: str, part: Needs) -> None:
        if part.line:
            found.add(PARENTS_KEY)
        for attribute, inner in part.attributes.items():
            found.add((name, attribute))
            value(schema.entities[name].by_name[attribute].type, inner)
        for above, inner in part.above.items():
            entity(above, inner)

    def value(type_: Type, part: Needs) -> None:
        match type_:
            case EntityRefType(name):
                entity(name, part)
            case SetType(element):
                value(element, part.elements or NOTHING)
            case RecordType():
                for attribute, inner in part.attributes.items():
                    value(type_.by_name[attribute].type, inner)

    entity(subject, needs.subject)
    entity(resource, needs.resource)
    context = schema.actions[action].context
    for name, inner in needs.context.attributes.items():
        found.add(("context", name))
        value(context.by_name[name].type, inner)
    return frozenset(found)
