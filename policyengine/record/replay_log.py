"""Decide logged requests again, by the same policy set or another one, and say what differs.

A record has what the rules of its set read. Where another set reads more, or what it reads is masked, nothing is
guessed: unless the request is allowed, or denied, whatever the value is, it is not decided, and counted. An attribute
of which a record says nothing is not taken as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec import Struct

from policyengine.intake.ancestors import with_line
from policyengine.intake.raw import RawRequest
from policyengine.model.entities import Key, Line
from policyengine.model.errors import InvalidRequest
from policyengine.model.log_record import MASKED
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.types import EntityRefType, EntityType, RecordType, SetType, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.record.log_lines import LONGEST_LINE

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine

Result: TypeAlias = Literal["same", "different", "masked", "lacking", "unfit", "not kept"]
"""What became of a record: it is decided equally or differently; the set reads a value that is masked, or that is not in
the record; the request does not fit the set; or it was refused, and then its values were not kept."""

_COMPARED: Final = (
    "decision", "cause", "rules", "more_rules", "exposed", "masks", "obligations", "more_obligations",
)  # fmt: skip


class Replayed(Struct, frozen=True):
    """The result of deciding a record again. *where*: the value that is masked or lacks, or what does not fit.

    *changes*: what differs, by its name in the record: before and after.
    """

    result: Result
    where: str = ""
    changes: Mapping[str, tuple[Any, Any]] = {}

    @property
    def is_partial(self) -> bool:
        """Whether nothing but `decision` was compared, which is the same whatever *where* and the like are."""
        return bool(self.where) and self.result in ("same", "different")


def replay(engine: PolicyEngine, record: Mapping[str, Any]) -> Replayed:
    """Decide *record* again; never raises for what is in it."""
    try:
        return _replay(engine, record)
    except _NotDecidedError as found:
        return found.replayed
    except InvalidRequest as refusal:
        return Replayed("unfit", str(refusal.problems[0]) if refusal.problems else "")
    except Exception:  # noqa: BLE001 - whatever comes of a record that is none
        return Replayed("unfit", "the record has not the shape of one")


class _NotDecidedError(Exception):
    def __init__(self, result: Result, where: str) -> None:
        self.replayed = Replayed(result, where)


def _replay(engine: PolicyEngine, record: Mapping[str, Any]) -> Replayed:
    asked = record["request"]
    if asked is None or "context" not in asked:
        raise _NotDecidedError("not kept", "")
    subject, resource, action = asked["subject"], asked["resource"], asked["action"]["name"]
    target = action, subject["type"], resource["type"]
    declared = engine.schema.actions.get(action)
    if declared is None or target not in declared.targets:
        raise _NotDecidedError("unfit", f"there is no {action} by {target[1]} on {target[2]}")
    program = engine._program  # noqa: SLF001 - a replay is of its engine
    compiled = program.compiled(target)
    read = _Read(asked, engine, follows=compiled.follows)
    needs = program.needs(target)
    read.entity(subject, needs.subject, "subject")
    read.entity(resource, needs.resource, "resource")
    read.attributes(declared.context, asked["context"], needs.context, "context")
    fields = asked.get("fields")
    if MASKED in (fields or ()):
        raise _NotDecidedError("masked", "fields")
    # Rules that did not ask for the time do not say which it was: that at which they decided is meant.
    now = asked.get("now", record["time"]) if compiled.timed else None
    if read.missing:
        return _whatever_is_missing(engine, record, read, now)
    parts = _given(subject), action, _given(resource), _shown(asked["context"])
    raw = RawRequest(*parts, now, fields, [*map(_given, asked["entities"])])
    given = engine._intake.validator.given_parts(raw, target, None)  # noqa: SLF001 - as above
    entities = {**given.entities}
    for one in (subject, resource, *asked["entities"]):
        key = one["type"], _id(one)
        entities[key] = with_line(entities[key], _line(one))
    both = [entities[one["type"], _id(one)] for one in (subject, resource)]
    assert given.context is not None
    rest = given.context, given.now, given.fields, entities
    decision = program.decide(ValidRequest(both[0], action, both[1], *rest))
    found = decision.to_log(private=True, longest=LONGEST_LINE)
    changes = {
        name: (record[name], found[name])
        for name in _COMPARED
        if _without_masked(record[name], found[name])
    }
    return Replayed("different" if changes else "same", changes=changes)


def _whatever_is_missing(
    engine: PolicyEngine, record: Mapping[str, Any], read: _Read, now: str | None
) -> Replayed:
    """Compare whether a request is allowed, if that is the same whatever the values are that are missing."""
    (result, where), asked = read.missing[0], record["request"]
    entities = [asked["subject"], asked["resource"], *asked["entities"]]
    own = all(path.count(".") == 1 and path.isascii() for _, path in read.missing)
    if not own or any("ancestors" in one for one in entities):
        return Replayed(result, where)
    left = engine.partial(
        subject=_given(asked["subject"]), action=asked["action"]["name"],
        resource=_given(asked["resource"]), context=_shown(asked["context"]),
        unknowns=[path for _, path in read.missing], now=now, fields=asked.get("fields"),
        entities=[*map(_given, asked["entities"])],
    )  # fmt: skip
    if not (left.always or left.never):
        return Replayed(result, where)
    if left.always is record["decision"]:
        return Replayed("same", where)
    return Replayed("different", where, {"decision": (record["decision"], left.always)})


def _without_masked(before: Any, after: Any) -> bool:
    """Whether two values differ; values that are masked before are not compared."""
    match before, after:
        case dict(), dict() if MASKED in before:
            return False
        case dict(), dict():
            return before.keys() != after.keys() or any(
                _without_masked(before[name], after[name]) for name in before
            )
        case list(), list():
            return len(before) != len(after) or any(map(_without_masked, before, after))
        case _:
            return bool(before != after)


class _Read:
    """What a record says of the values that a set reads, and which are *missing*, by their paths.

    *follows*: whether other entities can matter; if not, a decision does not keep them.
    """

    def __init__(self, asked: Mapping[str, Any], engine: PolicyEngine, *, follows: bool) -> None:
        self._engine, self._follows = engine, follows
        parts = [asked["subject"], asked["resource"], *asked["entities"]]
        self._known: dict[Key, Any] = {(one["type"], _id(one)): one for one in reversed(parts)}
        self._is_whole = not asked["more_entities"]
        self._seen: set[tuple[Key, int]] = set()
        self.missing: list[tuple[Result, str]] = []

    def entity(self, entity: Any, needs: Needs, path: str) -> None:
        """Follow what is read of an entity."""
        mark = (entity["type"], _id(entity)), id(needs)
        if not needs or mark in self._seen:
            return
        self._seen.add(mark)
        type_ = self._engine.schema.entities[entity["type"]]
        self.attributes(type_, entity["properties"], needs, path)
        if needs.line or needs.above:
            above = entity.get("ancestors")
            if above is None:
                raise _NotDecidedError("lacking", f"{path} and its ancestors")
            if _is_masked(above):
                raise _NotDecidedError("masked", f"{path} and its ancestors")
            for name, part in needs.above.items():
                for one in (entity, *above):
                    if one["type"] == name:
                        self._key((name, _id(one)), part, f"ancestors({path}, {name})")

    def attributes(
        self, type_: EntityType | RecordType, given: Any, needs: Needs, path: str
    ) -> None:
        """Follow what is read of attributes."""
        for name, part in needs.attributes.items():
            place = f"{path}.{name}"
            if name not in given:
                self.missing.append(("lacking", place))
            elif _is_masked(given[name]):
                self.missing.append(("masked", place))
            else:
                self._value(type_.by_name[name].type, given[name], part, place)

    def _value(self, type_: Type, value: Any, needs: Needs, path: str) -> None:
        if not needs or value is None:
            return
        match type_:
            case EntityRefType(name):
                self._key((name, _id(value)), needs, path)
            case SetType(element):
                for one in value:
                    self._value(element, one, needs.elements or NOTHING, f"{path}[]")
            case RecordType():  # of which all is there that was given
                whole = {name: value.get(name) for name in type_.by_name}
                self.attributes(type_, whole, needs, path)

    def _key(self, key: Key, needs: Needs, path: str) -> None:
        if key in self._known:
            self.entity(self._known[key], needs, path)
        elif needs and self._follows:
            raise _NotDecidedError("lacking" if self._is_whole else "masked", path)


def _id(entity: Any) -> str:
    """Return the id of an entity; raises if it is masked."""
    if not isinstance(entity["id"], str):
        raise _NotDecidedError("masked", f"the id of {entity['type']}")
    return entity["id"]


def _given(entity: Any) -> dict[str, Any]:
    """Return an entity of a record as a request gives one; its ancestors are known otherwise."""
    return {
        "type": entity["type"], "id": _id(entity), "properties": _shown(entity["properties"]),
    }  # fmt: skip


def _line(entity: Any) -> Line | None:
    """Return the keys of an entity and of its ancestors, if the record has them."""
    above = entity.get("ancestors")
    if above is None or _is_masked(above):
        return None
    return frozenset((one["type"], _id(one)) for one in (entity, *above))


def _shown(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are there, and shown."""
    return {
        name: value
        for name, value in properties.items()
        if value is not None and not _is_masked(value)
    }


def _is_masked(value: Any) -> bool:
    """Whether a value is masked, or a part of it."""
    match value:
        case dict():
            return MASKED in value or any(map(_is_masked, value.values()))
        case list():
            return any(map(_is_masked, value))
        case _:
            return False
