"""Read rows as the entities that requests give: the other side of a filter, by which it is checked.

Of an entity that is given which rules may read, as `model.needs` says; what they may follow is looked up. A
value that is no value of its type is given as something that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.filters.column_values import stored_form
from policyengine.filters.mapping import (
    ClosureTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
    TableMapping,
    columns_of,
    is_utf8,
    part_of,
)
from policyengine.filters.predicates import Kind
from policyengine.model.entities import Key
from policyengine.model.needs import NOTHING, Needs, whole_of
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import parse_ip

Row: TypeAlias = Mapping[str, Any]
Find: TypeAlias = Callable[[str, str, Any], Iterable[Row]]
"""Gives the rows of a table whose column of a name equals a value."""

_LINE: Final = Needs(line=True)

_CLASSES: Final[Mapping[Kind, type]] = {
    "text": str, "int": int, "decimal": Decimal, "bool": bool, "instant": datetime,
    "ip": str,
}  # fmt: skip


class RowReader(Struct):
    """Reads entities from rows, and those that rules may follow from them."""

    mapping: TableMapping
    find: Find
    _rows: dict[Key, Row] = field(default_factory=dict)
    _needs: dict[Key, Needs] = field(default_factory=dict)

    def read(self, type_: str, row: Row, needs: Needs) -> Key:
        """Take an entity in, and those that *needs* lead to; return its key."""
        key = self._key(type_, row[self.mapping.id_of(type_).name])
        before = self._needs.get(key)
        merged = needs if before is None else before | needs
        if merged == before:
            return key
        self._rows.setdefault(key, row)
        self._needs[key] = merged
        of = self.mapping.schema.entities[type_]
        table = self.mapping.table_of(type_)
        for name, part in needs.attributes.items():
            type_of = of.by_name[name].type
            self.follow(
                type_of, self._value(table.attributes, of.by_name[name], part, row, key), part
            )
        if needs.line:
            for parent, above in self._parents(key):
                found = self._row(parent, above)
                if found is not None:
                    self.read(parent, found, Needs(line=True, above=needs.above))
        if type_ in needs.above:
            self.read(type_, row, needs.above[type_])
        return key

    def follow(self, type_: Type, value: Any, needs: Needs) -> None:
        """Take in what a value refers to, as far as *needs* lead to it."""
        match type_:
            case EntityRefType(name) if needs and isinstance(value, dict):
                row = self._row(name, value["id"])
                if row is not None:
                    self.read(name, row, needs)
            case RecordType() if isinstance(value, dict):
                for name, part in needs.attributes.items():
                    self.follow(type_.by_name[name].type, value.get(name), part)
            case SetType(element) if isinstance(value, list):
                for one in value:
                    self.follow(element, one, needs.elements or NOTHING)

    def entities(self) -> dict[Key, dict[str, Any]]:
        """Return the entities that were taken in, as requests give them."""
        return {key: self._entity(key) for key in self._needs}

    def _entity(self, key: Key) -> dict[str, Any]:
        type_, id_ = key
        of, needs = self.mapping.schema.entities[type_], self._needs[key]
        stored = self.mapping.table_of(type_).attributes
        given = {
            name: value
            for name, part in needs.attributes.items()
            if (value := self._value(stored, of.by_name[name], part, self._rows[key], key))
            is not None
        }
        made: dict[str, Any] = {"type": type_, "id": id_, "properties": given}
        if needs.line:
            made["parents"] = [{"type": t, "id": i} for t, i in self._parents(key)]
        return made

    # ---- values -------------------------------------------------------------------------

    def _value(
        self, parts: Mapping[str, Stored], attribute: Attribute, needs: Needs, row: Row, key: Key
    ) -> Any:
        """Return what a request gives for a part; None if it is not there."""
        type_ = attribute.type
        match part_of(parts, attribute.name, key[0]):
            case StoredColumn() as column:
                value = row[column.name]
                return None if value is None else _given(column, type_, value)
            case SetInColumn() as column:
                assert isinstance(type_, SetType)
                found = _stored_in(row, column.name, in_json=column.json)
                return self._given_set(column, type_.element, found, key)
            case RecordInColumn(name) as column:
                return self._given_record(column, type_, needs, _stored_in(row, name), key)
            case SetTable(table, owner, element):
                assert isinstance(type_, SetType)
                id_ = self._rows[key][self.mapping.id_of(key[0]).name]
                found = [
                    self._element(element, type_.element, one, key)
                    for one in self.find(table, owner, id_)
                ]
                return [one for at, one in enumerate(found) if one not in found[:at]]
            case inner:
                assert isinstance(type_, RecordType)
                if attribute.optional and _is_absent(row, inner):
                    return None
                made = {
                    part: self._value(inner, type_.by_name[part], n, row, key)
                    for part, n in needs.attributes.items()
                }
                return {part: value for part, value in made.items() if value is not None}

    def _given_set(self, column: SetInColumn, type_: Type, value: Any, key: Key) -> Any:
        """Return what a request gives for the set in a column."""
        if not isinstance(value, list):
            return None if value is None else _unfit(value)
        one, found = column.element, []
        for each in value:
            row: Row = JsonObject({one.name: each}) if column.json else {one.name: each}
            given = self._element(one, type_, row, key)
            if given not in found:
                found.append(given)
        return found

    def _given_record(
        self, column: RecordInColumn, type_: Type, needs: Needs, value: Any, key: Key
    ) -> Any:
        """Return what a request gives for the record in a column."""
        assert isinstance(type_, RecordType)
        if not isinstance(value, JsonObject):
            return None if value is None else _unfit(value)
        return {
            name: given
            for name, part in needs.attributes.items()
            if (given := self._value(column.parts, type_.by_name[name], part, value, key))
            is not None
        }

    def _element(self, stored: Stored, type_: Type, row: Row, key: Key) -> Any:
        if isinstance(stored, StoredColumn):
            value = row[stored.name]
            return None if value is None else _given(stored, type_, value)
        assert isinstance(type_, RecordType)
        if isinstance(stored, RecordInColumn):
            found = _stored_in(row, stored.name)
            return _whole(type_, self._given_record(stored, type_, whole_of(type_), found, key))
        assert isinstance(stored, Mapping)
        made = {
            a.name: self._element(stored[a.name], a.type, row, key)
            for a in type_.attributes
            if not (a.optional and _is_absent(row, stored[a.name]))
        }
        return _whole(type_, made)

    # ---- ids and parents ----------------------------------------------------------------

    def _key(self, type_: str, value: Any) -> Key:
        """Return the key of an entity by what a column has for its id."""
        made = _given(self.mapping.id_of(type_), EntityRefType(type_), value)
        return (type_, made["id"] if isinstance(made, dict) else made)  # type: ignore[return-value]  # it is refused

    def _row(self, type_: str, id_: Any) -> Row | None:
        """Return the row of an entity, as it was taken in or as it is found."""
        column = self.mapping.id_of(type_)
        if not isinstance(id_, str) or not is_utf8(id_):
            return None  # it is no id
        value = stored_form(column, EntityRefType(type_), id_)
        return next(iter(self.find(self.mapping.table_of(type_).table, column.name, value)), None)

    def _parents(self, key: Key) -> Iterator[Key]:
        """Give the keys of the parents; of a closure table, of all ancestors in it."""
        type_, _ = key
        row, id_ = self._rows[key], self._rows[key][self.mapping.id_of(type_).name]
        of: EntityType = self.mapping.schema.entities[type_]
        seen: set[Key] = set()
        for parent in of.parents:
            match self.mapping.parents_of(type_, parent):
                case str(name):
                    values = [row[name]] if row[name] is not None else []
                case ParentTable(table, child, above):
                    values = [one[above] for one in self.find(table, child, id_)]
                case ClosureTable(table, below, above):
                    values = [one[above] for one in self.find(table, below, id_)]
                    values = [v for v in values if (parent, v) != (type_, id_)]
            for value in values:
                found = self._key(parent, value)
                if found not in seen:
                    seen.add(found)
                    yield found


def _is_absent(row: Row, stored: Stored) -> bool:
    """Whether all columns of a value are NULL."""
    return all(row[column.name] is None for column in columns_of(stored))


def _given(column: StoredColumn, type_: Type, value: Any) -> object:
    """Return what a request gives for the value of a column, which is not NULL."""
    assert column.kind is not None
    class_ = _CLASSES[column.kind]
    if type(value) is not class_:
        return _unfit(value)
    match type_:
        case EnumType() | LevelsType() | TaxonomyType():
            names = [name for name, stored in (column.names or {}).items() if stored == value]
            return names[0] if names else _unfit(value)
        case EntityRefType(name):
            return {"type": name, "id": str(value)}
        case Primitive("duration") if isinstance(value, int):
            return timedelta(microseconds=value)
        case Primitive("months"):
            return f"{value}mo"
        case Primitive("ip") if isinstance(value, str):
            return _in_one_form(value)
        case _:
            return value


def _in_one_form(address: str) -> str:
    """Return a text of an address such that equal ones are one in a set."""
    try:
        return str(parse_ip(address))
    except ValueError:  # which does not fit
        return address


def _whole(type_: Type, value: Any) -> Any:
    """Return an element with all that must be in it, so that no two become one: what is not there does not fit."""
    if not isinstance(type_, RecordType) or not isinstance(value, dict):
        return value
    parts = ((a, value.get(a.name)) for a in type_.attributes)
    return {
        a.name: _unfit(None) if part is None else _whole(a.type, part)
        for a, part in parts
        if part is not None or not a.optional
    }


# ---- JSON -------------------------------------------------------------------------------


class JsonObject(dict[str, Any]):
    """An object of JSON, as a row: what is not there is NULL."""

    def __missing__(self, key: str) -> None:
        return None


def _object(pairs: list[tuple[str, Any]]) -> JsonObject | tuple[Any, ...]:
    made = JsonObject(pairs)
    return made if len(made) == len(pairs) else tuple(pairs)


def _number(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _LONGEST else Decimal(digits)


_LONGEST: Final = 20
"""The characters of whole numbers of 64 bits, at most."""


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _stored_in(row: Row, name: str, *, in_json: bool = True) -> Any:
    """Return what is in a column or at a key; of a text of JSON, what it says."""
    value = row[name]
    if isinstance(row, JsonObject) or not in_json or not isinstance(value, str):
        return value
    if r"\u0000" in value.replace(r"\\", ""):
        return _unfit(value)
    try:
        return json.loads(
            value, object_pairs_hook=_object, parse_int=_number, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        return _unfit(value)


class Unfit(Struct, frozen=True):
    """A value of a column that is none of its type: it is given so, and does not fit."""

    value: object

    def __repr__(self) -> str:
        return repr(self.value)


def _unfit(value: object) -> Unfit:
    """Return a value that does not fit, of a class that is called as that of the value: refusals name it."""
    return _class_of_unfit("NULL" if value is None else type(value).__name__)(value)


@lru_cache(maxsize=64)
def _class_of_unfit(name: str) -> type[Unfit]:
    return type(name, (Unfit,), {})
