"""Validate requests against the schema: whatever gets past here, a checked rule can read.

Everything is read first, so that all problems are found: the action, who does it, on what, the
context, other entities. Then what is known of each entity is put together, from the request, from
entities that were given where references are expected, and from a store; ancestors are worked out; and
last, what the rules for this action and these types read is followed through the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from policyengine.intake.ancestors import Known
from policyengine.intake.decode import Reader
from policyengine.intake.fast_path import time_of
from policyengine.intake.foreign import FoundEntities, as_list, plain
from policyengine.intake.objects import Objects, named_parts
from policyengine.intake.raw import RawRequest, raw_request
from policyengine.intake.store import EntityStore, problem_of
from policyengine.intake.undeclared import Reads, Undeclared, read_of
from policyengine.model.entities import Entity, Key, entity_class
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import CONTEXT, RESOURCE, SUBJECT, Gap, Search
from policyengine.model.limits import Limits
from policyengine.model.masks import ID, field_and_mask, field_type, masks_of
from policyengine.model.needs import RequestNeeds
from policyengine.model.records import Record, record_class
from policyengine.model.request_messages import (
    Path,
    Problems,
    entity_name,
    inside,
    is_private,
    listed,
    shown,
)
from policyengine.model.types import DATETIME, ActionType, EntityType, Schema, TargetKey
from policyengine.model.valid_request import Entities, ValidRequest
from policyengine.model.values import ABSENT, INVALID, moment_text
from policyengine.runtime import clock

NeedsOf: TypeAlias = Callable[[TargetKey], RequestNeeds]

_ACTION: Final[Path] = inside(None, "action")
_PARTS: Final = (("subject", SUBJECT), ("resource", RESOURCE))
_NOW: Final[Path] = inside(None, "now")
_FIELDS: Final[Path] = inside(None, "fields")
_ENTITIES: Final[Path] = inside(None, "entities")


class Validator:
    """Validates requests against one schema; *needs*: what the rules for a target read.

    *objects*: classes of which objects are taken for entities.
    """

    def __init__(
        self, schema: Schema, needs: NeedsOf, limits: Limits, objects: Objects | None = None
    ) -> None:
        self._schema = schema
        self._needs = needs
        self._limits = limits
        self._objects = Objects(schema, limits, needs) if objects is None else objects
        self._reads: dict[TargetKey, Reads] = {}

    @property
    def limits(self) -> Limits:
        """The limits on what requests give."""
        return self._limits

    def validate_parts(self, store: EntityStore | None = None, **parts: Any) -> ValidRequest:
        """Validate the request of these parts (see `RawRequest`); *now* may be in microseconds here."""
        raw = raw_request(**{"subject": ABSENT, "action": ABSENT, "resource": ABSENT, **parts})
        if type(raw.now) is int:
            raw.now = moment_text(raw.now)
        return self.validate(raw, store)

    def validate(self, raw: RawRequest, store: EntityStore | None = None) -> ValidRequest:
        """Return the request in canonical values, or raise `InvalidRequest` with every problem.

        *store*: that of the engine, unless the request has one.
        """
        (action, *_), given = self.target_and_parts(raw, store)
        assert given.subject is not None
        assert given.resource is not None
        assert given.context is not None
        return ValidRequest(
            given.subject, action, given.resource, given.context, given.now, given.fields, given.entities
        )  # fmt: skip

    def target_and_parts(
        self,
        raw: RawRequest,
        store: EntityStore | None,
        unknown: Literal["subject", "resource"] | None = None,
        type_: object = None,
    ) -> tuple[TargetKey, GivenParts]:
        """Return the target of a request, and its parts in canonical values, with all that rules read of them.

        *unknown*: the part that it lacks, if one; *type_*: of that, if it may have several. Raises
        `InvalidRequest` as `validate` does.
        """
        given, raw = raw, self._objects.request(raw)
        said = [plain(part) for part in (raw.action, raw.subject, raw.resource)]
        reading = self._reading(raw, store, self._objects.target(*said))
        action = reading.reader.action(said[0], _ACTION)
        parts: dict[str, Entity | None] = {"subject": None, "resource": None}
        types: dict[str, EntityType | None] = {}
        for (name, path), raw_part in zip(_PARTS, said[1:], strict=True):
            allowed: tuple[str, ...] | None = getattr(action, f"{name}s", None)
            if name == unknown:
                types[name] = reading.type(type_, path, allowed)
            else:
                parts[name] = part = reading.entity(raw_part, path, allowed)
                types[name] = None if part is None else part.entity_type
        context = reading.context(raw.context, action)
        moment = reading.now(raw.now)
        subject, resource = types.values()
        target = (
            (action.name, subject.name, resource.name) if action and subject and resource else None
        )
        fields = reading.fields(raw.fields, target, resource)
        reading.others(raw.entities)
        known = reading.known()
        if target is not None:
            one, other = (None if part is None else known[part.key_] for part in parts.values())
            reading.follow(target[0], one, other, context, self._needs(target))
            if not reading.problems.items:
                assert isinstance(context, Record)
                assert moment is not None
                given.ignored += reading.ignored
                return target, GivenParts(one, other, context, moment, fields, known)
        raise InvalidRequest(reading.problems.items, named=named_parts(raw, given))

    def given_parts(
        self, raw: RawRequest, target: TargetKey, store: EntityStore | None
    ) -> GivenParts:
        """Return the parts of a request for *target* that are given, in canonical values.

        Those that are None are not; nor need they have all that rules read. Raises `InvalidRequest`
        with every problem of what is given.
        """
        if store is None and (built := self._built(raw, target)) is not None:
            return built
        given, raw = raw, self._objects.request(raw, target)
        reading = self._reading(raw, store, target)
        action, *types = target
        asked = ((raw.subject, SUBJECT, types[0]), (raw.resource, RESOURCE, types[1]))
        parts = [
            None if part is None else reading.entity(part, path, (type_,))
            for part, path, type_ in asked
        ]
        context = None
        if raw.context is not None:
            context = reading.context(raw.context, self._schema.actions[action])
        moment = reading.now(raw.now)
        fields = reading.fields(raw.fields, target, self._schema.entities[types[1]])
        reading.others(raw.entities)
        known = reading.known()
        if reading.problems.items:
            raise InvalidRequest(reading.problems.items, named=named_parts(raw, given))
        subject, resource = (None if part is None else known[part.key_] for part in parts)
        assert context is None or isinstance(context, Record)
        assert moment is not None
        given.ignored += reading.ignored
        beside = reading.beside(subject, resource, context)
        return GivenParts(subject, resource, context, moment, fields, known, beside)

    def _built(self, raw: RawRequest, target: TargetKey) -> GivenParts | None:
        """Return the parts that are given where they were built by this schema and need no others; None if in doubt."""
        if not (raw.fields is None and raw.entities is None and raw.store is None):
            return None
        schema, known, (action, *types) = self._schema, dict[Key, Entity](), target
        for part, type_ in zip((raw.subject, raw.resource), types, strict=True):
            if part is None:
                continue
            if type(part) is not entity_class(schema.entities[type_]) or part.carried_:
                return None
            key = part.key_
            if part.line != frozenset((key,)) or key in known:  # it may have ancestors
                return None
            known[key] = part
        context = raw.context
        if context is not None:
            made = record_class(schema.actions[action].context)
            if type(context) is not made or context.carried_:
                return None
        try:
            moment = clock.now() if raw.now is None else time_of(raw.now)
        except Exception:  # noqa: BLE001 - of a class, or a time zone, of somebody's
            return None
        return GivenParts(raw.subject, raw.resource, context, moment, None, known)

    def types(self, raw: RawRequest, store: EntityStore | None) -> tuple[str, str]:
        """Return the types of subject and resource; raises `InvalidRequest` where one of them has none."""
        given, raw = raw, self._objects.request(raw)
        reading = self._reading(raw, store)
        subject = reading.entity(raw.subject, SUBJECT, None)
        resource = reading.entity(raw.resource, RESOURCE, None)
        if subject is None or resource is None:
            raise InvalidRequest(reading.problems.items, named=named_parts(raw, given))
        return subject.type, resource.type

    def type_of(self, part: object) -> str | None:
        """Return the name of the entity type of a part in any form, as far as it says one."""
        return self._objects.type_of(part)

    def keep_others(self, raw: RawRequest) -> None:
        """Keep the others of a request, which may be read but once, for as many requests as are made of it."""
        raw.entities = as_list(raw.entities, self._limits.entities)

    def _reading(
        self, raw: RawRequest, store: EntityStore | None, target: TargetKey | None = None
    ) -> _Reading:
        reads = None if target is None else lambda: self._read_of(target)
        used = store if raw.store is None else raw.store
        return _Reading(self._schema, self._limits, used, reads)

    def _read_of(self, target: TargetKey) -> Reads:
        found = self._reads.get(target)
        if found is None:
            made = read_of(self._schema, target, self._needs(target))
            found = self._reads.setdefault(target, made)  # another thread may have made it
        return found


class GivenParts(Struct, frozen=True, eq=False):
    """The parts of a request that are given; None for those that are not.

    *beside*: the entities that are known and not carried along by the parts, without those that a store has;
    None for none.
    """

    subject: Entity | None
    resource: Entity | None
    context: Record | None
    now: int
    fields: tuple[str, ...] | None
    entities: Mapping[Key, Entity]
    beside: FoundEntities | None = None


class _Reading:
    """One request while it is read."""

    def __init__(
        self,
        schema: Schema,
        limits: Limits,
        store: EntityStore | None,
        reads: Callable[[], Reads] | None,
    ) -> None:
        self.problems = Problems(limits.problems)
        self.reader = Reader(schema, limits, self.problems, undeclared=Undeclared(reads))
        self._schema = schema
        self._limits = limits
        self._given: list[tuple[Entity, Path]] = []
        self._known = Known(self.problems, self.reader.flawed)
        self._all_read = True  # else an entity that seems to be missing may be one of those
        self._store = store
        problem = None if store is None else problem_of(store, schema)
        if problem is not None:
            self.problems.add("PE528", inside(None, "store"), problem)
            self._store, self._all_read = None, False

    @property
    def ignored(self) -> tuple[str, ...]:
        """The places of undeclared members that were dropped."""
        return self.reader.undeclared.names()

    def entity(self, raw: object, path: Path, allowed: tuple[str, ...] | None) -> Entity | None:
        """Read the subject or the resource."""
        if raw is ABSENT:
            self.problems.add("PE521", path, "it is missing")
            return None
        entity = self.reader.entity(raw, path, allowed)
        if entity is not None:
            self._given.append((entity, path))
        return entity

    def type(self, raw: object, path: Path, allowed: tuple[str, ...] | None) -> EntityType | None:
        """Read the type of a part that is not known, which need not be said if only one is allowed."""
        if raw is None and allowed is not None and len(allowed) == 1:
            raw = allowed[0]
        if raw is not None:
            return self.reader.entity_type({"type": raw}, path, allowed)
        if allowed is not None:
            said = f"it is missing, and may be {listed(allowed)}"
            self.problems.add("PE521", inside(path, "type"), said)
        return None

    def context(self, raw: object, action: ActionType | None) -> object:
        """Read the context; without an action nothing says what it may be."""
        if action is None:
            return INVALID
        given = {} if raw is None or raw is ABSENT else raw
        return self.reader.record(action.context, given, CONTEXT)

    def now(self, raw: object) -> int | None:
        """Read the time; None is now."""
        if raw is None:
            return clock.now()
        read = self.reader.value(DATETIME, raw, _NOW)
        return read if isinstance(read, int) else None

    def fields(
        self,
        raw: object,
        target: TargetKey | None,
        resource: EntityType | None,
    ) -> tuple[str, ...] | None:
        """Read the names of the fields that are asked for."""
        if raw is None or raw is ABSENT:
            return None
        raw = plain(raw)
        if not isinstance(raw, list | tuple | set | frozenset):
            self.reader.mistyped("a list of names of fields", raw, _FIELDS)
            return None
        if len(raw) > self._limits.set_size:
            message = f"at most {self._limits.set_size} fields can be asked for"
            self.problems.add("PE514", _FIELDS, message)
            return None
        if not self._schema.has_field_gate:
            message = "fields cannot be asked for: the policy set has no field gate"
            self.problems.add("PE527", _FIELDS, message)
        elif target is not None:
            self._check_asked(target)
        asked: dict[str, str] = {}  # by the name of the field
        for i, given in enumerate(raw):
            place = inside(_FIELDS, i)
            spelling = self.reader.text(given, place)
            if not isinstance(spelling, str):
                continue
            name, mask = field_and_mask(spelling)
            if name in asked:
                self.problems.add("PE511", place, f"`{shown(name)}` is asked for twice")
                continue
            asked[name] = spelling
            if resource is not None:
                self._check_field(name, mask, resource, place)
        return tuple(asked.values() if isinstance(raw, list | tuple) else sorted(asked.values()))

    def _check_asked(self, target: TargetKey) -> None:
        if not self._schema.gates_of(target).fields:
            action, subject, resource = target
            message = f"no field gate applies to `{action}` by `{subject}` on `{resource}`"
            self.problems.add("PE527", _FIELDS, f"fields cannot be asked for: {message}")

    def _check_field(self, name: str, mask: str | None, resource: EntityType, place: Path) -> None:
        if self.problems.full:
            return
        type_ = field_type(resource, name)
        if type_ is None:
            hint = self.problems.hint(name, (ID, *resource.by_name))
            self.problems.add(
                "PE526", place, f"`{resource.name}` has no field `{shown(name)}`{hint}"
            )
        elif mask is not None and mask not in masks_of(type_):
            said = f"`{name}` cannot be shown as `{shown(mask)}`, but as {listed(masks_of(type_))}"
            self.problems.add("PE535", place, said)

    def others(self, raw: object) -> None:
        """Read the entities that are referred to."""
        if raw is None or raw is ABSENT:
            return
        each = self.reader.each(raw, _ENTITIES, self._limits.entities)
        if each is None:
            self._all_read = False
        for one, place in each or ():
            entity = self.reader.entity(one, place)
            if entity is None:
                self._all_read = False
            else:
                self._given.append((entity, place))

    # ---- what is known, and what lacks --------------------------------------------------

    def known(self) -> dict[Key, Entity]:
        """Put together what is known of each entity, and work out ancestors."""
        for entity, path in (*self._given, *self.reader.carried):
            self._known.add(entity, path)
        if self._store is None:
            self._known.close_lines({}, self._limits.ancestors, self._limits.ancestors_in_all)
            return self._known.entities
        stored = self._store.by_key
        self._known.add_stored(stored)
        self._known.close_lines(stored, self._limits.ancestors, self._limits.ancestors_in_all)
        return Entities(self._known.entities, stored)

    def beside(self, *parts: Entity | Record | None) -> FoundEntities | None:
        """Return what is known of other entities than those that *parts* are and carry along, None if there are none."""
        known = self._known.entities
        others = [(one.key_, path) for one, path in self._given if path not in (SUBJECT, RESOURCE)]
        given = dict.fromkeys(key for key, path in others if not is_private(path))
        said = {part.key_ for part in parts if isinstance(part, Entity)}
        said |= {one.key_ for part in parts if part is not None for one in part.carried_}
        found = [one for key, one in known.items() if key not in given and key not in said]
        return FoundEntities([known[key] for key in given], found) if given or found else None

    def _find(self, key: Key) -> Entity | None:
        entity = self._known.entities.get(key)
        return self._store.get(key) if entity is None and self._store is not None else entity

    def _find_described(self, key: Key) -> Entity | None:
        entity = self._find(key)
        return None if entity is None or self._is_out_of_account(entity) else entity

    def _find_ancestor(self, key: Key) -> Entity | None:
        """Return an ancestor; None if a store, of whatever kind, should know it and does not.

        One that was deleted would else hide what it forbids.
        """
        entity = self._find_described(key)
        if entity is None or self._store is None or key in self._store or entity.described_:
            return entity
        return None

    def _is_out_of_account(self, entity: Entity) -> bool:
        """Whether what an entity lacks follows from a problem that is reported already."""
        return self._is_unknown(entity) or entity.key_ in self._known.uncombined

    def _is_unknown(self, entity: Entity) -> bool:
        """Whether an entity is neither in the store, which should know it, nor described."""
        store = self._store
        if store is None or store.by_key.bare:
            return False
        return not entity.described_ and entity.key_ not in store

    def follow(
        self,
        action: str,
        subject: Entity | None,
        resource: Entity | None,
        context: object,
        needs: RequestNeeds,
    ) -> None:
        """Report what the rules read and the request does not give; a part that is None is passed over."""
        each = ((subject, SUBJECT, needs.subject), (resource, RESOURCE, needs.resource))
        parts = [(part, path, needed) for part, path, needed in each if part is not None]
        for part, path, _ in parts:
            if self._is_unknown(part):  # what is lacking of it follows from that
                self._report_unknown(part.key_, path)
        # Of an entity that is given by a reference alone, the place is that reference.
        places = {one.key_: place for one, place in reversed(self._given)}
        search = Search(
            self._find_described,
            places.get,
            self._find_ancestor,
            self._limits.ancestors_of_type,
        )
        for part, path, needed in parts:
            if not self._is_out_of_account(part):
                search.entity(part, needed, path)
        if context is not INVALID:
            search.record(context, needs.context, CONTEXT)
        for gap in search.gaps:
            if not self.problems.full:
                self._report(gap, f"rules for `{action}`")

    def _report(self, gap: Gap, rules: str) -> None:
        if gap.key is None:
            self.problems.add("PE507", gap.path, f"it must be given: {rules} read it")
            return
        if not self._all_read or gap.key in self._known.uncombined:
            return
        name = "the entity" if is_private(gap.path) else entity_name(gap.key)
        store = self._store
        if gap.lack == "number":
            self._report_number(gap, rules, name)
        elif store is not None and (
            gap.lack == "ancestor" or (gap.lack == "entity" and not store.by_key.bare)
        ):
            self._report_unknown(gap.key, gap.path)
        elif gap.lack in ("entity", "ancestor"):
            read = listed(gap.needs.attributes) or "the ancestors"
            said = f"{rules} read {read} of {name}: give it in `entities` or in a store"
            self.problems.add("PE508", gap.path, said)
        elif not self._known.broken:
            said = f"{rules} ask what {name} lies within: {self._lacking(gap)}"
            self.problems.add("PE509", inside(gap.path, "parents"), said)

    def _report_number(self, gap: Gap, rules: str, name: str) -> None:
        [type_] = gap.needs.above
        most = self._limits.ancestors_of_type
        said = f"{rules} ask for each `{type_}` that {name} lies within, and there are more than {most}"
        self.problems.add("PE514", gap.path, said)

    def _report_unknown(self, key: Key, path: Path) -> None:
        name = "the entity" if is_private(path) else entity_name(key)
        said = f"{name} is not in the store: give its `properties` if it is about to be made"
        self.problems.add("PE529", path, said)

    def _lacking(self, gap: Gap) -> str:
        """Say what keeps the ancestors of an entity from being known."""
        assert gap.key is not None
        waiting, seen, not_given = [gap.key], set[Key](), gap.key
        while waiting:
            key = waiting.pop()
            entity = self._find(key)
            parents = None if entity is None else entity.parents_
            if parents is None:
                return self._asking(gap, key)
            if key not in self._known.entities and entity is not None and entity.line is None:
                not_given = key
            seen.add(key)
            waiting += sorted(parents - seen)
        # The request completes what a store knows of an ancestor, and does not give those below that.
        return self._asking(gap, not_given)

    def _asking(self, gap: Gap, key: Key) -> str:
        """Ask for the parents of an entity, for those of the entity in *gap* to be known."""
        if key == gap.key:
            return "give its parents (an empty list if there are none)"
        name = "an ancestor" if is_private(gap.path) else f"its ancestor {entity_name(key)}"
        return f"{name} must be given in `entities` or in a store, with its parents"
