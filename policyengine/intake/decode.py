"""Read foreign values strictly: from Python objects or from JSON, to their canonical form.

One reader serves both: decimals, moments, spans and addresses are strings and sets are lists, as in
JSON; Python's own types for them are taken too, and cannot occur in JSON. Nothing is converted that
is not of the right type: a bool is no int, a string is no set, a float is nothing at all. The
reader goes on after a problem, so that all mistakes are reported at once; what it could not read is
`INVALID`, which never leaves `intake/`, since a request with a problem is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, assert_never
from weakref import WeakKeyDictionary, ref

from msgspec import Struct, field

from policyengine.intake.foreign import Refused, Repeated, as_list, failed, is_found, plain
from policyengine.intake.undeclared import Undeclared
from policyengine.model import values
from policyengine.model.entities import Entity, Key, Line, arguments, entity_class
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import DIGITS, Limits
from policyengine.model.path_syntax import parse_path
from policyengine.model.records import Record, record_class
from policyengine.model.request_messages import (
    Path,
    Problems,
    described,
    got,
    inside,
    is_private,
    listed,
    shown,
    within,
)
from policyengine.model.types import (
    ActionType,
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TableType,
    TaxonomyType,
    Type,
    table_given,
)
from policyengine.model.values import ABSENT, INVALID, Invalid, OutOfRange

_CONTEXT: Final = inside(None, "context")
_BESIDE: Final = frozenset({"now", "fields", "entities"})
"""Parts of a request that are looked for in its context."""

_PARSERS: Final[Mapping[str, Callable[[str], object]]] = {
    "decimal": values.parse_decimal,
    "datetime": values.parse_datetime,
    "duration": values.parse_duration,
    "months": values.parse_months,
    "ip": values.parse_ip,
    "path": parse_path,
}

_NATIVE: Final[Mapping[str, tuple[tuple[type, ...], Callable[[Any], object]]]] = {
    "decimal": ((Decimal,), lambda number: values.from_decimal(Decimal(number))),
    "datetime": ((datetime,), values.from_datetime),
    "duration": ((timedelta,), values.from_timedelta),
    "ip": (values.ADDRESSES, values.from_address),
}
"""Python's own types. A `path` has none: those of Python put away `//` and `/.` before anybody sees them."""

_NAMES: Final = (EnumType, LevelsType, TaxonomyType)

_ENTITY_KEYS: Final = ("type", "id", "properties", "parents")
_FROM_JSON: Final = frozenset({type(None), bool, int, float, str, list, dict})
_REFERENCE_KEYS: Final = ("type", "id")
_ACTION_KEYS: Final = ("name",)


class Reader(Struct):
    """Reads values and collects what is wrong with them.

    *carried*: entities that were handed in where references stand, with the places. *flawed*:
    entities that had problems. *undeclared*: members that were dropped, where that is asked for.
    """

    schema: Schema
    limits: Limits
    problems: Problems
    carried: list[tuple[Entity, Path]] = field(default_factory=list)
    flawed: set[Key] = field(default_factory=set)
    undeclared: Undeclared = field(default_factory=Undeclared)

    # ---- values -------------------------------------------------------------------------

    def value(self, type_: Type, raw: object, path: Path) -> object:
        """Return *raw* in canonical form, or `INVALID` after reporting what is wrong."""
        raw = plain(raw)
        match type_:
            case Primitive("string"):
                return self.text(raw, path)
            case Primitive("bool"):
                return raw if isinstance(raw, bool) else self._mistyped(type_, raw, path)
            case Primitive("int"):
                return self._int(type_, raw, path)
            case Primitive(name):
                return self._literal(type_, name, raw, path)
            case EnumType() | LevelsType() | TaxonomyType():
                return self._name(type_, raw, path)
            case EntityRefType():
                return self._reference(type_, raw, path)
            case SetType():
                return self._set(type_, raw, path)
            case RecordType():
                return self.record(type_, raw, path)
            case TableType():
                raise table_given(type_)
            case _:
                assert_never(type_)

    def text(self, raw: object, path: Path) -> str | Invalid:
        """Read a string that is not too long and can be written as UTF-8."""
        raw = plain(raw)
        if not isinstance(raw, str):
            return self.mistyped("a string", raw, path)
        if len(raw) > self.limits.string_size:
            message = f"a string has at most {self.limits.string_size} characters"
            return self.report("PE514", path, message)
        if not raw.isascii():
            try:
                raw.encode()
            except UnicodeEncodeError:
                return self.report("PE515", path, "the string has half of a surrogate pair in it")
        return raw

    def _int(self, type_: Type, raw: object, path: Path) -> object:
        if isinstance(raw, bool) or not isinstance(raw, int):
            return self._mistyped(type_, raw, path)
        if not -(10**DIGITS) < raw < 10**DIGITS:
            return self.report("PE512", path, f"an int has at most {DIGITS} digits")
        return raw

    def _literal(self, type_: Primitive, name: str, raw: object, path: Path) -> object:
        native = _NATIVE.get(name)
        try:
            if isinstance(raw, str):
                return _PARSERS[name](raw)
            if native is not None and isinstance(raw, native[0]):
                return native[1](raw)
        except OutOfRange as problem:
            return self.report("PE512", path, str(problem))
        except ValueError as problem:
            # What the parser says may quote the text.
            said = f"expected {described(type_)}" if is_private(path) else str(problem)
            return self.report("PE530" if name == "path" else "PE513", path, said)
        except Exception as problem:  # noqa: BLE001 - of a class, or a time zone, of somebody's
            return self._mistyped(type_, failed(problem), path)
        return self._mistyped(type_, raw, path)

    def _name(self, type_: EnumType | LevelsType | TaxonomyType, raw: object, path: Path) -> object:
        if not isinstance(raw, str):
            return self._mistyped(type_, raw, path)
        if raw in type_.positions:
            return type_.positions[raw] if isinstance(type_, LevelsType) else raw
        if self.problems.full:
            return INVALID
        if is_private(path):
            return self.report("PE506", path, f"expected {described(type_)}")
        said = f"`{type_.name}` has no name `{shown(raw)}`{self.problems.hint(raw, type_.members)}"
        return self.report("PE506", path, said)

    def _set(self, type_: SetType, raw: object, path: Path) -> object:
        if not isinstance(raw, list | tuple | set | frozenset):
            return self._mistyped(type_, raw, path)
        if len(raw) > self.limits.set_size:
            message = f"a set has at most {self.limits.set_size} elements"
            counted = "" if is_private(path) else f", this one has {len(raw)}"
            return self.report("PE514", path, message + counted)
        found = [self.value(type_.element, v, inside(path, i)) for i, v in enumerate(raw)]
        made = frozenset(found)
        if INVALID in made:
            return INVALID
        if len(made) < len(found) and isinstance(raw, list | tuple):
            return self._repeats(found, path)
        return _shared(made) if isinstance(type_.element, _NAMES) else made

    def _repeats(self, found: Sequence[object], path: Path) -> Invalid:
        first: dict[object, int] = {}
        for i, value in enumerate(found):
            before = first.setdefault(value, i)
            if before != i and is_private(path):
                self.report("PE511", path, "an element stands twice")
            elif before != i:
                self.report("PE511", inside(path, i), f"the same element is at [{before}]")
        return INVALID

    # ---- attributes ---------------------------------------------------------------------

    def record(self, type_: RecordType, raw: object, path: Path) -> object:
        """Read a record: what is given fits, though something may be lacking."""
        raw, made = plain(raw), record_class(type_)
        if isinstance(raw, made):
            self._carry(raw.carried_, path)
            return raw
        if isinstance(raw, Record):  # of another type: validate its values again
            self._carry(raw.carried_, path)
            raw = values.to_python(raw.record_type, raw)
        parts = self.mapping(described(type_), raw, path)
        if parts is None:
            return INVALID
        owner = "the context" if path == _CONTEXT else "the record"
        found, complete = self.attributes(type_, owner, parts, path)
        return made(*found, complete_=complete, plain_=complete)

    def attributes(
        self,
        type_: RecordType | EntityType,
        owner: str,
        raw: Mapping[object, object],
        path: Path,
    ) -> tuple[list[object], bool]:
        """Read attributes by name; `ABSENT` for those not given; whether none is lacking."""
        for name in raw:
            if name not in type_.by_name and not self.problems.full:
                self._unknown(name, type_, raw, owner, path)
        found: list[object] = []
        complete = True
        outer = self.undeclared.enter(type_, raw)
        for attribute in type_.attributes:
            if attribute.name in raw:
                value = self._attribute(attribute, raw[attribute.name], path)
                complete = complete and is_complete(attribute.type, value)
            else:
                value = ABSENT
                complete = complete and attribute.optional
            found.append(value)
        self.undeclared.outer = outer
        return found, complete

    def _attribute(self, attribute: Attribute, raw: object, path: Path) -> object:
        place = inside(path, attribute.name, private=attribute.private)
        if raw is None and attribute.optional:
            return self.report("PE505", place, "there is no null: leave it out if it is absent")
        return self.value(attribute.type, raw, place)

    def _unknown(
        self,
        name: object,
        type_: RecordType | EntityType,
        given: Mapping[object, object],
        owner: str,
        path: Path,
    ) -> None:
        others = self.undeclared.lacking_above()
        if isinstance(name, str) and self._drops(name, given[name], type_, given, others, path):
            return
        if is_private(path):
            self.report("PE504", path, f"{owner} has an attribute that is not declared")
        elif isinstance(name, str):
            hint = self.problems.hint(name, type_.by_name)
            if path == _CONTEXT and name in _BESIDE:
                hint = f"; `{name}` is given beside the context, not in it"
            said = f"{owner} has no attribute `{shown(name)}`{hint}"
            self.report("PE504", inside(path, name), said)
        else:
            self.mistyped("a name as key", name, path)

    def _drops(
        self,
        name: str,
        value: object,
        owner: EntityType | RecordType | None,
        given: Mapping[object, object],
        others: Sequence[str],
        path: Path,
    ) -> bool:
        """Whether an undeclared member is dropped, or reported as one that may be meant for another.

        *owner*: what has the attributes that it, or its *value*, may be meant for, *others*: names of other
        things; those *given* are not meant.
        """
        if self.limits.undeclared != "drop" or owner is None:
            return False
        place = path if is_private(path) else inside(path, name)
        meant = self.undeclared.meant(name, plain(value), owner, given, others)
        if meant is None:
            self.undeclared.drop(place)
        else:
            said, other = f"`{shown(name)}`", f"`{meant}`, which"
            if is_private(path):
                said, other = "a member", "one that"
            message = f"{said} is not declared here, and may be meant for {other} is not given"
            self.report("PE533", place, message)
        return True

    # ---- entities -----------------------------------------------------------------------

    def entity(
        self, raw: object, path: Path, allowed: tuple[str, ...] | None = None
    ) -> Entity | None:
        """Read an entity; *allowed*: the types that it may have here, None for any."""
        raw = plain(raw)
        if isinstance(raw, Entity):
            return self._given(raw, path, allowed)
        is_foreign = type(raw) not in _FROM_JSON
        expected = "an entity or an object of a registered class" if is_foreign else "an entity"
        parts = self.mapping(expected, raw, path)
        if parts is None:
            return None
        before = len(self.problems.items)
        self.no_more_keys(parts, _ENTITY_KEYS, path)
        type_ = self.entity_type(parts, path, allowed)
        id_ = self.entity_id(parts, path)
        if type_ is None:
            return None
        owner = f"`{type_.name}`"
        properties = parts.get("properties", {})
        given = self.mapping("an object", properties, inside(path, "properties"))
        found: list[object] = [INVALID] * len(type_.attributes)
        complete = False
        if given is not None:
            found, complete = self.attributes(type_, owner, given, inside(path, "properties"))
        if id_ is None:
            return None
        key = (type_.name, id_)
        parents = self._parents(type_, parts, path)
        line = frozenset({key}) if parents is not None and not parents else None
        if len(self.problems.items) > before:
            self.flawed.add(key)
        sure = complete and (line is not None or parents is None)
        rest = line, parents, (), complete, sure, "properties" in parts
        return entity_class(type_)(*arguments(type_, id_, found, *rest))

    def _given(self, entity: Entity, path: Path, allowed: tuple[str, ...] | None) -> Entity | None:
        """Take an entity that was built before, and all that it carries along."""
        self._carry(entity.carried_, path)
        return self._own(entity, path, allowed)

    def _carry(self, entities: Iterable[Entity], path: Path) -> None:
        place = within(path)
        for entity in entities:  # what these carry is among them
            own = self._own(entity, place, None)
            if own is not None:
                self.carried.append((own, place))

    def _own(self, entity: Entity, path: Path, allowed: tuple[str, ...] | None) -> Entity | None:
        """Return the entity as this schema has it; one of another type is validated again."""
        type_ = self._known_type(entity.type, inside(path, "type"), allowed)
        if type_ is None or entity.__class__ is entity_class(type_):
            return None if type_ is None else entity
        names = entity.entity_type.by_name
        properties = {n: entity[n] for n in names if getattr(entity, values.slot(n)) is not ABSENT}
        raw: dict[str, object] = {"type": entity.type, "id": entity.id, "properties": properties}
        if entity.parents_ is not None:
            raw["parents"] = [{"type": type_, "id": id_} for type_, id_ in sorted(entity.parents_)]
        return self.entity(raw, path)

    def entity_type(
        self, parts: Mapping[object, object], path: Path, allowed: tuple[str, ...] | None
    ) -> EntityType | None:
        """Read the type of the entity of which these are the *parts*."""
        if "type" not in parts:
            self.report("PE521", path, "`type` is missing")
            return None
        name = self.text(parts["type"], inside(path, "type"))
        return None if name is INVALID else self._known_type(name, inside(path, "type"), allowed)

    def _known_type(
        self, name: str, path: Path, allowed: tuple[str, ...] | None
    ) -> EntityType | None:
        type_ = self.schema.entities.get(name)
        names = self.schema.entities if allowed is None else allowed
        if self.problems.full:
            return None
        if is_private(path) and name not in names:
            self.report("PE502", path, f"the type is {listed(names)} here")
            return None
        if type_ is None:
            said = f"there is no entity type `{shown(name)}`{self.problems.hint(name, names)}"
            self.report("PE503", path, said)
        elif name not in names:
            self.report("PE502", path, f"the type is {listed(names)} here, not `{name}`")
            return None
        return type_

    def entity_id(self, parts: Mapping[object, object], path: Path) -> str | None:
        """Read the id of the entity of which these are the *parts*."""
        if "id" not in parts:
            self.report("PE521", path, "`id` is missing")
            return None
        id_ = self.text(parts["id"], inside(path, "id"))
        return None if id_ is INVALID else id_

    def _parents(
        self, type_: EntityType, parts: Mapping[object, object], path: Path
    ) -> Line | None:
        if "parents" not in parts:
            return None if type_.parents else frozenset()  # what can have none has none
        raw, place = plain(parts["parents"]), inside(path, "parents")
        if not isinstance(raw, list | tuple | set | frozenset):
            self.mistyped("a list of entities", raw, place)
            return None
        if len(raw) > self.limits.ancestors:
            message = f"an entity has at most {self.limits.ancestors} parents"
            self.report("PE514", place, message)
            return None
        keys: set[Key] = set()
        for i, given in enumerate(raw):
            key = self._parent(type_, given, inside(place, i))
            if key in keys:
                self.report("PE511", inside(place, i), "the same parent stands before it")
            elif key is not None:
                keys.add(key)
        return frozenset(keys)

    def _parent(self, type_: EntityType, raw: object, path: Path) -> Key | None:
        key = self._referred("a reference to an entity", plain(raw), path, None)
        if key is not None and key[0] not in type_.parents:
            allowed = f"in {listed(type_.parents)}" if type_.parents else "in nothing"
            self.report("PE523", path, f"`{type_.name}` lies {allowed}, not in `{key[0]}`")
            return None
        return key

    def _reference(self, type_: EntityRefType, raw: object, path: Path) -> object:
        key = self._referred(described(type_), raw, path, (type_.name,))
        return INVALID if key is None else key[1]

    def _referred(
        self, expected: str, raw: object, path: Path, allowed: tuple[str, ...] | None
    ) -> Key | None:
        """Read a reference: an entity, which is carried along, or its type and id."""
        if isinstance(raw, Entity):
            given = self._given(raw, path, allowed)
            if given is None:
                return None
            self.carried.append((given, path))
            return given.key_
        parts = self.mapping(expected, raw, path)
        if parts is None:
            return None
        self.no_more_keys(parts, _REFERENCE_KEYS, path)
        found, id_ = self.entity_type(parts, path, allowed), self.entity_id(parts, path)
        return None if found is None or id_ is None else (found.name, id_)

    # ---- actions ------------------------------------------------------------------------

    def action(self, raw: object, path: Path) -> ActionType | None:
        """Read the name of an action, or `{"name"}`."""
        if raw is ABSENT:
            self.report("PE521", path, "it is missing")
            return None
        raw = plain(raw)
        if isinstance(raw, dict):
            parts = self.mapping("an action", raw, path)
            assert parts is not None
            self.no_more_keys(parts, _ACTION_KEYS, path)
            if "name" not in parts:
                self.report("PE521", path, "`name` is missing")
                return None
            raw, path = parts["name"], inside(path, "name")
        name = self.text(raw, path)
        if name is INVALID or self.problems.full:
            return None
        actions = self.schema.actions
        if name not in actions:
            members = sorted(a.name for a in actions.values() if name in a.groups)
            if members:
                said = f"`{name}` is a group; name one of its actions, such as `{members[0]}`"
            else:
                said = f"there is no action `{shown(name)}`{self.problems.hint(name, actions)}"
            self.report("PE501", path, said)
        return actions.get(name)

    # ---- shapes and problems ------------------------------------------------------------

    def each(
        self, raw: object, path: Path, most: int | None = None, expected: str = "a list of entities"
    ) -> list[tuple[object, Path]] | None:
        """Return what a list has, each with its place; None after reporting that it is none, or has more than *most*."""
        given = as_list(raw, most)
        if not isinstance(given, list):
            self.mistyped(expected, given, path)
        elif most is not None and len(given) > most:
            self.report("PE514", path, f"a request brings along at most {most} entities")
        else:
            return [(x, inside(path, i, private=is_found(given, i))) for i, x in enumerate(given)]
        return None

    def mapping(self, expected: str, raw: object, path: Path) -> Mapping[object, object] | None:
        """Return *raw* if it is an object whose names each stand once."""
        raw = plain(raw)
        if not isinstance(raw, dict):
            self.mistyped(expected, raw, path)
            return None
        if isinstance(raw, Repeated):
            for name in raw.names:
                place = path if is_private(path) else inside(path, name)
                said = "a name stands" if is_private(path) else "this name stands"
                self.report("PE518", place, f"{said} twice in one object")
        return raw

    def no_more_keys(
        self, parts: Mapping[object, object], known: Sequence[str], path: Path
    ) -> None:
        """Report keys of the envelope that mean nothing."""
        for name in parts:
            if name in known or self.problems.full:
                continue
            said_below = known is _REFERENCE_KEYS and name in _ENTITY_KEYS
            if not said_below and self._drops_around(name, parts, known, path):
                continue
            if is_private(path):
                self.report("PE520", path, f"there is nothing but {listed(known)} here")
            elif isinstance(name, str):
                said = f"there is no `{shown(name)}` here{self.problems.hint(name, known)}"
                if known is _REFERENCE_KEYS and name in _ENTITY_KEYS:
                    said = f"a reference has no `{name}`: give those of the entity in `entities` or in a store"
                self.report("PE520", inside(path, name), said)
            else:
                self.mistyped("a name as key", name, path)

    def _drops_around(
        self, name: object, parts: Mapping[object, object], known: Sequence[str], path: Path
    ) -> bool:
        """Whether a key beside those *known* is dropped or reported, as `_drops` does."""
        if self.limits.undeclared != "drop":
            return False
        said = plain(parts.get("name" if known is _ACTION_KEYS else "type"))
        if not (isinstance(name, str) and isinstance(said, str)):
            return False
        if known is _ACTION_KEYS:
            action = self.schema.actions.get(said)
            context = None if action is None else action.context
            return self._drops(name, parts[name], context, {}, ("properties",), path)
        properties = plain(parts.get("properties"))
        given = properties if isinstance(properties, dict) else {}
        others = [key for key in _ENTITY_KEYS if key not in known or key not in parts]
        return self._drops(name, parts[name], self.schema.entities.get(said), given, others, path)

    def _mistyped(self, type_: Type, raw: object, path: Path) -> Invalid:
        return self.mistyped(described(type_), raw, path)

    def mistyped(self, expected: str, raw: object, path: Path) -> Invalid:
        """Report a value that is not what is wanted."""
        raw = plain(raw)
        if isinstance(raw, Refused):
            hidden = is_private(path) and raw.code == "PE519"
            return self.report(raw.code, path, "this is no number" if hidden else raw.message)
        return self.report(
            "PE505", path, f"expected {expected}, got {got(raw, private=is_private(path))}"
        )

    def report(self, code: str, path: Path, message: str) -> Invalid:
        """Report a problem."""
        self.problems.add(code, path, message)
        return INVALID


_sets: Final[WeakKeyDictionary[frozenset[object], ref[frozenset[object]]]] = WeakKeyDictionary()


def _shared(made: frozenset[object]) -> frozenset[object]:
    """Return the set of names that is equal to *made*, and the same one while anybody has it.

    There are few of them, so who decides about many requests finds them near.
    """
    found = _sets.setdefault(made, ref(made))()
    return made if found is None else found


def is_complete(type_: Type, value: object) -> bool:
    """Whether no part is lacking of a value that was read."""
    match type_:
        case RecordType():
            return isinstance(value, Record) and value.complete_
        case SetType(RecordType() | SetType()):
            return isinstance(value, frozenset) and all(
                is_complete(type_.element, element) for element in value
            )
        case _:
            return True


def from_python(type_: Type, raw: object, schema: Schema, limits: Limits) -> object:
    """Return a value from Python or JSON in canonical form; raises `InvalidRequest`."""
    reader = Reader(schema, limits, Problems(limits.problems))
    value = reader.value(type_, raw, None)
    if reader.problems.items:
        raise InvalidRequest(reader.problems.items)
    return value
