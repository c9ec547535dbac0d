"""Check parts that were built once for all requests of which rules read the same of them.

A part passes if nothing is lacking that rules read: of the part, and of the entities that rules follow to
from it, which it must carry along. Parts cannot change, so this is noted at the part; but only if it is asked
about a second time, since a part of a single request is seen more quickly with that. So is what does not
pass, and may still be part of a request that fits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from msgspec.structs import force_setattr

from policyengine.intake.gathering import Gathering
from policyengine.model.entities import Closed, Entity
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs
from policyengine.model.records import Record
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type

_MOST_NOTED: Final = 256
"""Checks that are noted at one part: policy sets may be loaded again as long as it is in use."""

_ONCE: Final = frozenset[int]()
"""What is noted at a part that was asked about once."""

_MOST_SHARED: Final = 64
"""What one check keeps of notes that many parts share, so that they are in the caches of the processor."""

_numbers: Final = count(1)


class PartCheck:
    """The check of parts of one type, of which rules read *needs*; *number* is noted at those that pass.

    At a part that does not pass, the negative number is noted, so that it is not looked at again.
    """

    def __init__(
        self,
        schema: Schema,
        type_: EntityType | RecordType,
        needs: Needs,
        limits: Limits,
        gathering: Gathering,
    ) -> None:
        self.number = next(_numbers)
        self.carries = carried_types(schema, type_)
        self.needs = needs
        self._of = schema, type_, needs, limits
        self._fits = gathering.fits
        self._has_all: Callable[..., object] | None = None
        self._notes: dict[tuple[frozenset[int], int], frozenset[int]] = {}

    def passes(self, part: Entity | Record) -> bool:
        """Whether *part*, for which that is not noted, passes."""
        noted = part.passed_
        if not isinstance(noted, frozenset):
            force_setattr(part, "passed_", _ONCE)
            return False
        if -self.number in noted:
            return False
        passes = self._looks_right(part)
        force_setattr(part, "passed_", self._noted(noted, self.number if passes else -self.number))
        return passes

    def _noted(self, before: frozenset[int], number: int) -> frozenset[int]:
        """Return what is noted at a part, with *number*: one object for all parts of which the same is noted."""
        found = self._notes.get((before, number))
        if found is None:
            found = (_ONCE if len(before) >= _MOST_NOTED else before) | {number}
            if len(self._notes) < _MOST_SHARED:
                self._notes[before, number] = found
        return found

    def _looks_right(self, part: Entity | Record) -> bool:
        carried = part.carried_
        if carried and not (isinstance(carried, Closed) and self._fits(carried)):
            return False
        if not self.carries.issuperset(one.type for one in carried):
            return False
        known = carried.by_key.copy() if isinstance(carried, Closed) else {}
        if isinstance(part, Entity) and known.setdefault(part.key_, part) is not part:
            return False
        if self._has_all is None:
            from policyengine.compiler.request_reader_codegen import part_check

            self._has_all = part_check(*self._of)
        try:
            return self._has_all(part, known, None) is True
        except KeyError:  # an entity is not carried along
            return False


def carried_types(schema: Schema, type_: EntityType | RecordType) -> frozenset[str]:
    """Return the names of the types of entities to which references and parents lead from a value of *type_*."""
    found = set[str]()
    waiting: list[Type | EntityType] = [type_]
    while waiting:
        match waiting.pop():
            case EntityType(_, parents, attributes):
                named = {*parents}
                waiting += [attribute.type for attribute in attributes]
            case RecordType(attributes):
                named = set()
                waiting += [attribute.type for attribute in attributes]
            case SetType(element):
                named = set()
                waiting.append(element)
            case EntityRefType(entity):
                named = {entity}
            case _:
                named = set()
        waiting += [schema.entities[name] for name in named - found]
        found |= named
    return frozenset(found)
