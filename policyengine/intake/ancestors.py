"""Gather what is known of each entity from all the places that describe it.

The properties of an entity may come from one place and its parents from another. `Known` puts them
together and reports where two places contradict one another; `close` then finds the ancestors of all
entities, depth first, each entity once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from policyengine.model.entities import Entity, Key, Line, has_properties
from policyengine.model.request_messages import (
    MOST_LISTED,
    Path,
    Problems,
    entity_name,
    inside,
    is_private,
    path_text,
)
from policyengine.model.sealed import altered
from policyengine.model.values import slot

# ---- two accounts of one entity ---------------------------------------------------------


def difference(one: Entity, other: Entity) -> str | None:
    """Return what two accounts of one entity contradict one another in, None if they do not.

    Properties are compared if both give some, parents and ancestors if both give them.
    """
    if one is other:
        return None
    if has_properties(one) and has_properties(other):
        for name in one.entity_type.by_name:
            if getattr(one, slot(name)) != getattr(other, slot(name)):
                return name
    if one.parents_ is not None and other.parents_ is not None and one.parents_ != other.parents_:
        return "parents"
    known = one.line is not None and other.line is not None
    return "ancestors" if known and one.line != other.line else None


def _have_equal_properties(one: Entity, other: Entity) -> bool:
    names = one.entity_type.by_name
    return all(getattr(one, slot(name)) == getattr(other, slot(name)) for name in names)


def merge(one: Entity, other: Entity) -> Entity:
    """Return what two accounts of one entity say together; they do not contradict one another."""
    # Where neither has any, the other may be of a store, and is taken as it is.
    takes_other = not has_properties(one) and (other.described_ or not one.described_)
    properties = other if takes_other else one
    parents = one if one.parents_ is not None else other
    line = one.line if one.line is not None else other.line
    if (
        properties.parents_ == parents.parents_
        and properties.line == line
        and properties.described_ >= max(one.described_, other.described_)
    ):
        return properties
    described = one.described_ or other.described_
    return with_line(altered(properties, parents_=parents.parents_, described_=described), line)


def with_line(entity: Entity, line: Line | None) -> Entity:
    """Return the entity with that line, None if it is not known."""
    known = line is not None or entity.parents_ is None
    return altered(entity, line=line, plain_=entity.complete_ and not entity.carried_ and known)


def line_above(
    entity: Entity,
    entities: Mapping[Key, Entity],
    store: Mapping[Key, Entity] | None,
    most: int,
) -> Line | None:
    """Return the line that the lines of its parents give an entity, None if that needs a closer look.

    If all among *entities* that have parents have the lines that this gives, they are what
    closing finds: they agree, and go in no circle. *store*: where others are. *most*: ancestors that
    one may have.
    """
    key = entity.key_
    joined: Line = frozenset()
    for parent in entity.parents_ or ():
        above = entities.get(parent)
        if above is None and store is not None:
            above = store.get(parent)
        if above is None or (line := above.line) is None or key in line:
            return None
        joined = joined | line if joined else line
    return joined | {key} if len(joined) <= most else None


class Known(Struct):
    """What is known of each entity, and where it was first described."""

    problems: Problems
    flawed: set[Key] = field(default_factory=set)
    """Entities with problems already: comparing them would report the same mistake again."""
    entities: dict[Key, Entity] = field(default_factory=dict)
    uncombined: set[Key] = field(default_factory=set)
    """Of those, entities of which more is known than was put together."""
    places: dict[Key, Path] = field(default_factory=dict)
    broken: bool = False
    """Whether lines are unknown because of cycles or numbers, which is reported already."""

    def add(self, entity: Entity, path: Path) -> None:
        """Take in what is said of an entity at *path*."""
        key = entity.key_
        before = self.entities.get(key)
        if before is None:
            self.entities[key] = entity
            self.places[key] = path
        elif before is entity:
            return
        elif key in self.flawed:
            self.uncombined.add(key)
        else:
            self._combine(before, entity, path, f"`{path_text(self.places[key])}`")

    def add_stored(self, stored: Mapping[Key, Entity]) -> None:
        """Take in what a store says of the entities that are known already.

        An entity of the store is given by type and id alone, or with all its properties; else an account
        with one of them would say whether that one is right.
        """
        for key, before in list(self.entities.items()):
            entity = stored.get(key)
            if entity is None or entity is before:
                continue
            if key in self.flawed:
                self.uncombined.add(key)
                continue
            if has_properties(before) and not _have_equal_properties(before, entity):
                self.flawed.add(key)
                self.uncombined.add(key)
                message = f"{self._name(key)} is in the store: name it by type and id alone, or give all its properties as they are there"
                self.problems.add("PE510", self.places[key], message)
            else:
                self._combine(before, entity, self.places[key], "the store")

    def _combine(self, before: Entity, entity: Entity, path: Path, other: str) -> None:
        differs = difference(before, entity)
        if differs is None:
            self.entities[before.key_] = merge(before, entity)
        else:
            self.flawed.add(before.key_)
            self.uncombined.add(before.key_)
            name = "an entity" if is_private(path) else entity_name(before.key_)
            message = f"{name} is given twice: `{differs}` is not what {other} says"
            self.problems.add("PE510", path, message)

    def close_lines(
        self, stored: Mapping[Key, Entity], most: int, in_all: int | None = None
    ) -> None:
        """Work out all ancestors where they can be known; report cycles and too many, also of all (*in_all*).

        *stored*: entities that are not known here, with their lines. A line that was worked out
        when an entity was built must come out again: its ancestors may be described differently here.
        """

        def line_of(key: Key) -> Line | None:
            entity = self.entities.get(key) or stored.get(key)
            return None if entity is None else entity.line

        parents = {key: entity.parents_ for key, entity in self.entities.items()}
        found = close(parents, line_of, most, in_all)
        for key, line in found.lines.items():
            entity = self.entities[key]
            if entity.line is None:
                if line is not None:
                    self.entities[key] = with_line(entity, line)
            elif key not in self.flawed and (
                entity.line != line
                or (key not in found.closed and not _holds(entity.line, parents))
            ):
                message = "its ancestors are others than when it was built"
                self.problems.add("PE510", self.places[key], message)
        self.broken = bool(found.cyclic or found.too_many or found.last is not None)
        if found.last is not None:
            message = f"the entities of a request have at most {in_all:,} ancestors together"
            self.problems.add("PE514", inside(self.places[found.last], "parents"), message)
        for key, circle in found.cyclic.items():
            chain = f": {self._chain(circle)}" if circle else ""
            message = f"an entity cannot be an ancestor of itself{chain}"
            self.problems.add("PE524", inside(self.places[key], "parents"), message)
        for key in found.too_many:
            message = f"an entity has at most {most} ancestors, and {self._name(key)} has more"
            self.problems.add("PE514", inside(self.places[key], "parents"), message)

    def _chain(self, circle: Sequence[Key]) -> str:
        """Return the names of those in a circle, the first again at the end."""
        if len(circle) > MOST_LISTED:
            names = [*map(self._name, circle[: MOST_LISTED - 1]), "…"]
        else:
            names = [*map(self._name, circle)]
        return " → ".join((*names, names[0]))

    def _name(self, key: Key) -> str:
        return "an entity" if is_private(self.places[key]) else entity_name(key)


_MOST_CIRCLES: Final = 10
"""Circles that are shown with all who are in them, which takes time in proportion to the request."""

# ---- ancestors --------------------------------------------------------------------------


class Lines(Struct):
    """What closing the parents gave: lines, None for those that cannot be known; what is wrong.

    *cyclic*: who closes a circle, and of the first ones the circle, each before its parent. *closed*: who has
    a line of which every entity was among those that were closed.
    """

    lines: dict[Key, Line | None] = field(default_factory=dict)
    closed: set[Key] = field(default_factory=set)
    cyclic: dict[Key, tuple[Key, ...]] = field(default_factory=dict)
    too_many: list[Key] = field(default_factory=list)
    size: int = 0
    """Ancestors that were worked out, of all together."""
    last: Key | None = None
    """The entity with which these were too many; of those after it, none are worked out."""


def close(
    parents: Mapping[Key, Line | None],
    line_of: Callable[[Key], Line | None],
    most: int,
    in_all: int | None = None,
) -> Lines:
    """Find all ancestors of each entity.

    *parents*: the keys of the parents, None where they were not given. *line_of* gives the line of an
    entity that is not among them, and that of one whose ancestors are not all known, if it was
    worked out before. *most*: ancestors that one entity may have, *in_all*: those of all together, None for any number.
    """
    found = Lines()
    lines = found.lines

    def is_ready(key: Key) -> bool:
        """Work out the line of an entity, if nothing must be worked out before."""
        above = parents[key]
        if above is None:
            lines[key] = None
            return True
        known = [line for line in map(lines.get, above) if line is not None]
        if len(known) < len(above):
            if any(p in parents and p not in lines for p in above):
                return False
            elsewhere = [lines[p] if p in lines else line_of(p) for p in above]
            known = [line for line in elsewhere if line is not None]
        line = before = line_of(key)
        if len(known) == len(above) and found.last is None:
            line = frozenset((key,)).union(*known)
            found.size += 0 if before is not None else len(line) - 1
            if in_all is not None and found.size > in_all:
                found.last = key
            if len(line) - 1 > most:
                found.too_many.append(key)
                line = None
            elif found.closed.issuperset(above):
                found.closed.add(key)
        lines[key] = before if line == before else line  # one of those that are equal
        return True

    # Mostly all parents stand before their children, or all after them.
    waiting = [key for key in parents if not is_ready(key)]
    waiting = [key for key in reversed(waiting) if not is_ready(key)]
    open_: set[Key] = set()
    for start in reversed(waiting):
        stack = [start]
        while stack:
            key = stack.pop()
            if key in lines or is_ready(key):
                continue
            open_.add(key)
            unknown = [p for p in parents[key] or () if p in parents and p not in lines]
            if open_.isdisjoint(unknown):
                stack += [key, *unknown]
            else:
                told_apart = len(found.cyclic) < _MOST_CIRCLES
                found.cyclic[key] = _circle(key, parents, open_, stack) if told_apart else ()
                lines[key] = None
    return found


def _circle(
    key: Key, parents: Mapping[Key, Line | None], open_: set[Key], stack: Sequence[Key]
) -> tuple[Key, ...]:
    """Return the circle that *key*, which was just taken off *stack*, closes: it comes last.

    On the stack are those on the way to it, who are *open_*, each above the child it was found by.
    """
    circle = [key]
    above = parents[key] or ()
    for one in reversed(stack):
        if circle[-1] in above:
            break
        if one in open_ and circle[-1] in (parents[one] or ()):
            circle.append(one)
    return tuple(reversed(circle))


def _holds(line: Line, parents: Mapping[Key, Line | None]) -> bool:
    """Whether all parents of the entities in *line*, as far as they are given, are in it as well."""
    return all((parents.get(key) or line) <= line for key in line)
