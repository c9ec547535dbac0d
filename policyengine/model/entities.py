"""Define entities, and make a class for each entity type.

An entity is a type, an id, attributes in canonical form and, where they are known, its parents and
its line: itself and all its ancestors. Like records, the classes are msgspec structs, one for
each entity type, whatever schema it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

from msgspec import Struct, defstruct

from policyengine.model.class_registry import ClassRegistry
from policyengine.model.sealed import Sealed, sealing, values_of
from policyengine.model.shown import shown_attributes, shown_entity
from policyengine.model.types import EntityType, is_private
from policyengine.model.values import ABSENT, content_of, slot, to_python

Key: TypeAlias = tuple[str, str]
"""(type, id): the identity of an entity."""

Line: TypeAlias = frozenset[Key]
"""The keys of an entity and of all its ancestors."""


class Entity(Sealed, frozen=True, eq=False, gc=False, kw_only=True):
    """An entity of some `EntityType`; the canonical value of attribute `a` is `v_a`.

    For Python programs `entity.a` and `entity["a"]` are the value as `model.values.to_python` gives
    it; the second form serves attributes that are called `type` or `line` as well. Entities are
    equal if type, id, attributes and parents are. What requests are validated by ends in `_`:
    the key, the parents (None if they were not given), the entities carried along because they were
    given as references, whether no attribute is lacking, whether it is *plain* (no attribute
    is lacking, nothing is carried along, and its ancestors are known if its parents are), and whether
    it is *described*: its attributes were given, if only as an empty object. *passed_* are the numbers of the
    checks that it has passed (`intake/part_checks.py`), which no copy takes over.
    """

    type: ClassVar[str]
    entity_type: ClassVar[EntityType]
    content_: ClassVar[Callable[[Any], object]]
    passed_: Collection[int] = ()

    if TYPE_CHECKING:
        id: str
        line: Line | None
        parents_: Line | None
        carried_: tuple[Entity, ...] | Closed
        complete_: bool
        plain_: bool
        described_: bool

        def __init__(self, *values: object, **rest: object) -> None: ...

    @property
    def key_(self) -> Key:
        """Type and id."""
        return self.type, self.id

    def __getitem__(self, name: str) -> object:
        attribute = self.entity_type.by_name.get(name)
        if attribute is not None:
            value = getattr(self, slot(name))
            if value is not ABSENT:
                return to_python(attribute.type, value)
        elif name == "id":
            return self.id
        raise KeyError(name)

    __iter__ = None
    """It is no mapping and has no elements: `dict(entity)` would show what is private, or hide it."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        content = type(self).content_
        return content(self) == content(other) and self.parents_ == other.parents_

    def __ne__(self, other: object) -> bool:  # a struct's own does not ask `__eq__`
        return not self == other

    def __hash__(self) -> int:
        return hash(self.key_)

    def __reduce__(self) -> tuple[Callable[..., Entity], tuple[object, ...]]:
        return _again, (self.entity_type, *values_of(self))

    def __repr__(self) -> str:
        parts = list(shown_attributes(self.entity_type.attributes, self))
        braces = " { " + ", ".join(parts) + " }" if parts else ""
        return f"<{shown_entity(self.type, self.id)}{braces}>"


EntityLike: TypeAlias = Entity | Mapping[str, Any] | object
"""An entity from `PolicyEngine.entity`, or `{"type", "id", "properties", "parents"}` as a dict, or an object of a
class that was given to `PolicyEngine.register`, which can be any."""


class Closed(Struct, frozen=True, eq=False, gc=False):
    """Entities that are carried along, of which each has all its ancestors among them.

    Their descriptions of ancestors were compared when they were collected, so they need not be again.
    They are there *by_key* as well; *classes*: theirs; *leaf*: one that carries nothing itself, if there is
    one, which is what parts mostly share, such as a tenant; *others*: the hashes of all keys but that one's,
    so that it is seen at once that two have nothing else in common (`agree`); *whole*: whether none lacks
    anything, and all ancestors of what carries them are among them. (Every decision reads some of this, and
    the fields of a
    struct lie together.)
    """

    entities: tuple[Entity, ...]
    by_key: dict[Key, Entity]
    leaf: Entity | None
    others: frozenset[int]
    classes: frozenset[type[Entity]]
    whole: bool

    @classmethod
    def of(cls, entities: tuple[Entity, ...], whole: bool = False) -> Self:  # noqa: FBT001, FBT002 - pickle gives it by position
        """Return these entities, no two of one key."""
        # The keys are those of lines, so that looking up an ancestor needs no comparison.
        of_lines = {key: key for one in entities if one.line for key in one.line}
        by_key = {of_lines.get(one.key_, one.key_): one for one in entities}
        leaf = next((one for one in entities if not one.carried_), None)
        others = frozenset([hash(key) for key, one in by_key.items() if one is not leaf])
        return cls(entities, by_key, leaf, others, frozenset(map(type, entities)), whole)

    def agrees(self, other: Closed) -> bool:
        """Whether no entity is described by another object in *other*."""
        few, many = (self, other) if len(self.by_key) < len(other.by_key) else (other, self)
        known = many.by_key
        for key, one in few.by_key.items():  # noqa: SIM110 - twice as quick as `all`
            if known.get(key, one) is not one:
                return False
        return True

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closed) and self.entities == other.entities

    def __ne__(self, other: object) -> bool:  # a struct's own does not ask `__eq__`
        return not self == other

    def __hash__(self) -> int:
        return hash(self.entities)

    def __reduce__(self) -> tuple[Callable[..., Closed], tuple[tuple[Entity, ...], bool]]:
        return Closed.of, (self.entities, self.whole)


def has_properties(entity: Entity) -> bool:
    """Whether any attribute was given."""
    return any(getattr(entity, slot(name)) is not ABSENT for name in entity.entity_type.by_name)


def repeats(one: Entity, other: Entity) -> bool:
    """Whether *one* describes an entity as *other* does, and says nothing else of it, its parents and ancestors left out or not."""
    kind = type(other)
    return (
        type(one) is kind
        and kind.content_(one) == kind.content_(other)
        and (one.parents_ is None or one.parents_ == other.parents_)
        and (one.line is None or one.line == other.line)
        and one.described_ <= other.described_
    )


def entity_class(type_: EntityType) -> type[Entity]:
    """Return the class of entities of *type_*, the same one as long as it is in use.

    It takes what `arguments` puts in order. Optional attributes are last, and `ABSENT` if they are left out: each
    argument takes time, and types with tens of them are mostly given few.
    """
    return _classes(type_)


def arguments(type_: EntityType, id_: Any, values: Sequence[Any], *rest: Any) -> list[Any]:
    """Return the arguments of the class of *type_*, or what is given in their place.

    *values*: the canonical ones in the order of the attributes, `ABSENT` for what is not there; *rest*: the line and
    the parents, if they are known, the entities carried along, whether nothing is lacking, whether it is
    plain, and whether it is described.
    """
    needed, optional = list[Any](), list[Any]()
    for attribute, value in zip(type_.attributes, values, strict=True):
        (optional if attribute.optional else needed).append(value)
    return [id_, *needed, *rest, *optional]


def _again(type_: EntityType, *values: object) -> Entity:
    """Make an entity that was pickled."""
    return entity_class(type_)(*values)


def _make(type_: EntityType) -> type[Entity]:
    slots = [slot(attribute.name) for attribute in type_.attributes]
    needed = [(slot(one.name), object) for one in type_.attributes if not one.optional]
    fields: list[Any] = [("id", str), *needed, ("line", object, None)]
    fields.append(("parents_", object, None if type_.parents else frozenset()))  # or it has none
    fields += [("carried_", object, ()), ("complete_", bool, True), ("plain_", bool, True)]
    fields.append(("described_", bool, True))
    fields += [(slot(one.name), object, ABSENT) for one in type_.attributes if one.optional]
    names = {"type", "key_", *(field[0] for field in fields)}
    namespace: dict[str, Any] = {
        attribute.name: _reading(attribute.name) for attribute in type_.attributes
    }
    namespace = {name: read for name, read in namespace.items() if name not in names}
    namespace |= {"type": type_.name, "entity_type": type_}
    namespace |= sealing(private=any(map(is_private, type_.attributes)))
    namespace["content_"] = content_of(["id", *slots])
    made: Any = defstruct(
        type_.name, fields, bases=(Entity,), namespace=namespace, frozen=True, eq=False, gc=False
    )
    return made  # type: ignore[no-any-return]  # a subclass of `Entity`, by its bases


_classes: Final = ClassRegistry(_make)


def _reading(name: str) -> property:
    """Return a property that reads `entity.name` as `entity["name"]`.

    There is one for each attribute, and no `__getattr__` for all: Python is quicker to read the
    attributes of classes without.
    """

    def read(entity: Entity) -> object:
        try:
            return entity[name]
        except KeyError:
            message = f"`{entity.type}` was given without `{name}`"
            raise AttributeError(message, name=name, obj=entity) from None

    return property(read)
