"""Hold what is known of a request of which the rest is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.model.entities import Entity, Key
from policyengine.model.records import Record
from policyengine.model.types import Attribute, is_private
from policyengine.model.values import ABSENT, slot

Path: TypeAlias = tuple[str, ...]
"""A root of a request and the names that lead on from there: `("context", "purposes")`."""


class KnownParts(Struct, frozen=True, eq=False):
    """The parts of a request that are known; None for one of which nothing is.

    *now* (microseconds), *entities*: others, by key. *unknown*: paths that are not known, though the part
    that they are in is. *without_private*: whether what is private counts as not known.
    """

    subject: Entity | None = None
    resource: Entity | None = None
    context: Record | None = None
    entities: Mapping[Key, Entity] = {}
    unknown: frozenset[Path] = frozenset()
    without_private: bool = False
    now: int | None = None

    @property
    def given(self) -> tuple[bool, bool, bool]:
        """Which of subject, resource and context are known, if only in part."""
        return self.subject is not None, self.resource is not None, self.context is not None

    @property
    def is_described(self) -> bool:
        """Whether the entities that are known were described: of another, what is absent is not known."""
        given = self.subject, self.resource
        return all(entity is None or entity.described_ for entity in given)

    def entity_at(self, node: ir.Expr) -> Entity | None:
        """Return the entity that *node* stands for, None if it is not known."""
        match node:
            case ir.Root("subject" | "resource" as name) if (name,) not in self.unknown:
                return self.subject if name == "subject" else self.resource
            case ir.Entity(type_, ir.Const(_, str(id_))):
                return self.entity(type_, id_)
            case _:
                return None

    def entity(self, type_: str, id_: str) -> Entity | None:
        """Return an entity by its key, None if it is not known."""
        try:
            return self.entities[type_, id_]  # what is in a store is found so alone
        except KeyError:
            return None

    def slot_at(self, node: ir.Slot) -> tuple[Attribute, object] | None:
        """Return an attribute and its value, `ABSENT` if it is known to be absent; None if it is not known.

        A record of which a part is unknown is not known; its other parts are.
        """
        path = _path_of(node)
        if path is not None and any(_overlap(path, other) for other in self.unknown):
            return None
        holder = self._holder(node.object)
        if holder is None:
            return None
        attribute = _attribute(holder, node.name)
        if self.without_private and self.is_private(node):
            return None
        value = getattr(holder, slot(node.name))
        if value is ABSENT and not (attribute.optional and _is_described(holder)):
            return None
        return attribute, value

    def is_private(self, node: ir.Expr) -> bool:
        """Whether *node* is private, or in a record that is."""
        if not isinstance(node, ir.Slot) or (holder := self._holder(node.object)) is None:
            return False
        return is_private(_attribute(holder, node.name)) or self.is_private(node.object)

    def _holder(self, node: ir.Expr) -> Entity | Record | None:
        match node:
            case ir.Root("context"):
                return self.context
            case ir.Slot(object_, name):
                above = self._holder(object_)
                value = None if above is None else getattr(above, slot(name))
                return value if isinstance(value, Record) else None
            case _:
                return self.entity_at(node)


class Shape(Struct, frozen=True):
    """Which parts of a request are known, and which paths in them are not."""

    parts: frozenset[str]
    unknown: frozenset[Path]

    def is_known(self, node: ir.Expr) -> bool:
        """Whether *node*, in no quantifier, reads nothing but what is known, and perhaps the time."""
        return all(map(self._may_be_in_test, ir.walk(node)))

    def _may_be_in_test(self, part: ir.Expr) -> bool:
        match part:
            case ir.Root("subject" | "resource" | "context" as name):
                return name in self.parts
            case ir.Slot():
                return not self.is_left_out(part)
            case ir.Present(ir.Slot(ir.Entity())):  # it may be known by its id alone
                return False
            case _:  # a context as a whole may lack something
                return ir.Root("context") not in ir.children(part)

    def is_unknown(self, node: ir.Expr) -> bool:
        """Whether *node* reads nothing that is known."""
        return not any(
            (isinstance(part, ir.Root) and part.name in (*self.parts, "entities"))
            or (isinstance(part, ir.Entity) and isinstance(part.id, ir.Const))
            for part in ir.walk(node)
        )

    def is_left_out(self, node: ir.Expr) -> bool:
        """Whether *node* is at a path that is not known, though the part that it is in is."""
        path = _path_of(node)
        return path is not None and any(_overlap(path, other) for other in self.unknown)


def shape_of(known: KnownParts) -> Shape:
    """Return the shape of what is *known*."""
    whole = {path[0] for path in known.unknown if len(path) == 1}
    names = zip(("subject", "resource", "context"), known.given, strict=True)
    parts = frozenset(name for name, given in names if given and name not in whole)
    return Shape(parts, known.unknown)


def _attribute(holder: Entity | Record, name: str) -> Attribute:
    type_ = holder.entity_type if isinstance(holder, Entity) else holder.record_type
    return type_.by_name[name]


def _is_described(holder: Entity | Record) -> bool:
    return not isinstance(holder, Entity) or holder.described_


def _path_of(node: ir.Expr) -> Path | None:
    """Return the path of *node* from a root, if it leads through no other entity."""
    match node:
        case ir.Root(name):
            return (name,)
        case ir.Slot(object_, name):
            before = _path_of(object_)
            return None if before is None else (*before, name)
        case _:
            return None


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
