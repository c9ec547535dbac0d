"""Map a schema to tables, fill these with rows, and hold filters of them against decisions, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from attrs import field, frozen

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.mapping import (
    ClosureTable,
    EntityTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
    StoredParents,
    TableMapping,
    map_tables,
)
from policyengine.filters.predicates import NotPushable, negated
from policyengine.filters.row_filter import Filter, make_filter
from policyengine.filters.row_requests import RowReader
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import (
    DATETIME,
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import parse_duration, parse_months
from tests.filters.interpreter import holds
from tests.strategies.requests import some_value
from tests.strategies.vocabulary import IDS

Rows = list[dict[str, Any]]
NUMBERS = (1, 2, 3, 4)
"""The ids of entities whose ids are numbers."""


SETS_IN = "table", "json", "array"
"""Where sets may be."""

# ---- mappings ---------------------------------------------------------------------------


def mapping_of(
    schema: Schema,
    rng: Random,
    numbers: float = 0.3,
    *,
    checked: bool = False,
    sets: Sequence[str] = SETS_IN,
) -> TableMapping:
    """Return a mapping of all entity types: columns and tables are named after what they hold.

    *numbers*: how often the ids of a type are numbers. *checked*: whether all rows are said to fit. *sets*: where they
    may be; if in all places, as in PostgreSQL, addresses may be in columns that have a type for them.
    """
    ids = {name: rng.random() < numbers for name in schema.entities}
    tables = {
        name: EntityTable(
            f"t_{name}",
            StoredColumn("id", kind="int") if ids[name] else "id",
            {a.name: _stored(rng, a, f"a_{a.name}", f"t_{name}", sets) for a in type_.attributes},
            {parent: _parents(rng, name, parent) for parent in type_.parents},
            checked,
        )
        for name, type_ in schema.entities.items()
    }
    return map_tables(schema, tables)


def _stored(
    rng: Random, attribute: Attribute, name: str, table: str, sets: Sequence[str]
) -> Stored:
    match attribute.type:
        case SetType(element):
            inner = _stored(rng, Attribute("", element), "element", "", sets)
            where = rng.choice(sets)
            if isinstance(inner, str):
                inner = StoredColumn(inner)
            in_json = element not in (Primitive("decimal"), DATETIME)
            if isinstance(inner, StoredColumn) and (
                where == "array" or (where == "json" and in_json and inner.kind != "ip")
            ):
                kind, names = inner.kind, inner.names
                return SetInColumn(name, where == "json", kind, names, checked=inner.checked)
            if where == "json" and isinstance(element, RecordType) and _in_json(element):
                return SetInColumn(name, json=True, parts=_parts(rng, element))
            return SetTable(f"{table}_{name}", "owner", inner)
        case RecordType(attributes) if (
            "json" in sets and rng.random() < 0.5 and _in_json(attribute.type)
        ):
            return RecordInColumn(name, _parts(rng, attribute.type))
        case RecordType(attributes):
            return {a.name: _stored(rng, a, f"{name}_{a.name}", table, sets) for a in attributes}
        case Primitive("ip") if len(sets) == len(SETS_IN) and rng.random() < 0.5:
            return StoredColumn(name, kind="ip")
        case Primitive("path" | "ip"):
            return StoredColumn(name, checked=True)
        case EnumType() | TaxonomyType() | LevelsType() if rng.random() < 0.3:
            numbers = {member: 10 - at for at, member in enumerate(attribute.type.members)}
            return StoredColumn(name, names=numbers)
        case LevelsType() if rng.random() < 0.5:
            return StoredColumn(name, kind="text")
        case _:
            return name


def _in_json(type_: Type) -> bool:
    """Whether JSON holds values of a type."""
    match type_:
        case RecordType(attributes):
            return all(_in_json(part.type) for part in attributes)
        case SetType(element):
            return _in_json(element)
        case _:
            return type_ not in (Primitive("decimal"), DATETIME)


def _parts(rng: Random, type_: RecordType) -> dict[str, Stored]:
    """Return where some parts of a record in JSON are; the others have the keys of their names."""
    forms = {a.name: _stored(rng, a, f"{a.name}'~/\"", "", ("json",)) for a in type_.attributes}
    return {name: of for name, of in forms.items() if not isinstance(of, str | SetTable | Mapping)}


def _parents(rng: Random, child: str, parent: str) -> StoredParents:
    name = f"in_{parent}"
    forms: tuple[StoredParents, ...] = (name, name)
    if child == parent:
        forms = (name, name, ClosureTable(f"t_{child}_{name}", "below", "above"))
    else:
        forms = (name, name, ParentTable(f"t_{child}_{name}", "child", "parent"))
    return rng.choice(forms)


# ---- rows -------------------------------------------------------------------------------


@frozen
class Database:
    """Rows by table. *ids*: of entities, by type. *ill*: how often a value is none that fits."""

    mapping: TableMapping
    rng: Random
    ids: Mapping[str, tuple[Any, ...]]
    ill: float = 0.02
    tables: dict[str, Rows] = field(factory=dict)
    moments: tuple[datetime, ...] = ()

    def find(self, table: str, column: str, value: object) -> Iterator[dict[str, Any]]:
        """Give the rows of a table whose column has a value."""
        return (
            row
            for row in self.tables[table]
            if row[column] == value and type(row[column]) is type(value)
        )


def some_ids(mapping: TableMapping, rows: int) -> dict[str, tuple[Any, ...]]:
    """Return so many ids of each type; those that generated policies name are among them."""
    others = range(5, 1 + rows)
    return {
        name: (*NUMBERS, *others)
        if mapping.id_of(name).kind == "int"
        else (*IDS, *(f"y{at}" for at in others))
        for name in mapping.tables
    }


def database_of(
    mapping: TableMapping,
    rng: Random,
    ids: Mapping[str, tuple[Any, ...]],
    ill: float = 0.02,
    moments: tuple[datetime, ...] = (),
) -> Database:
    """Return a database with a row for each of *ids*."""
    made = Database(mapping, rng, ids, ill, {}, moments)
    for name, type_ in mapping.schema.entities.items():
        table = mapping.table_of(name)
        made.tables.setdefault(table.table, [])
        for stored in table.attributes.values():
            _add_tables(made, stored)
        for parents in table.parents.values():
            if not isinstance(parents, str):
                made.tables.setdefault(parents.table, [])
        for id_ in ids[name]:
            row: dict[str, Any] = {"id": id_}
            for attribute in type_.attributes:
                _fill(made, row, table.attributes[attribute.name], attribute, id_)
            made.tables[table.table].append(row)
        _fill_parents(made, type_, table)
    return made


def _add_tables(made: Database, stored: Stored) -> None:
    match stored:
        case SetTable(table, _, _):
            made.tables.setdefault(table, [])
        case Mapping():
            for part in stored.values():
                _add_tables(made, part)


def _fill(
    made: Database, row: dict[str, Any], stored: Stored, attribute: Attribute, id_: Any
) -> None:
    rng, type_ = made.rng, attribute.type
    absent = attribute.optional and rng.random() < 0.4
    match stored:
        case StoredColumn():
            row[stored.name] = None if absent else _value(made, stored, type_)
        case SetInColumn() | RecordInColumn():
            given = None if absent else _document(made, stored, type_)
            in_json = isinstance(stored, RecordInColumn) or stored.json
            row[stored.name] = given if given is None or not in_json else _written(made, given)
        case SetTable(table, owner, element):
            assert isinstance(type_, SetType)
            for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
                one = {owner: id_}
                _fill(made, one, element, Attribute("", type_.element), id_)
                made.tables[table].append(one)
        case Mapping():
            assert isinstance(type_, RecordType)
            for part in type_.attributes:
                optional = Attribute(part.name, part.type, optional=True) if absent else part
                _fill(made, row, stored[part.name], optional, id_)
                if absent and isinstance(stored[part.name], StoredColumn):
                    row[stored[part.name].name] = None


def _document(made: Database, stored: Stored, type_: Type) -> Any:
    """Return what is in a column or in JSON: a set, a record, or a value; now and then what is none."""
    rng = made.rng
    in_json = not isinstance(stored, SetInColumn) or stored.json
    if not isinstance(stored, StoredColumn) and rng.random() < made.ill and not _is_checked(stored):
        wrong = ({"a": 1}, {}, None, "x", 7, [None], [[]], [1.0], [1, "x", True], [{}])
        return rng.choice(wrong) if in_json else None
    match stored, type_:
        case SetInColumn(), SetType(element):
            count = rng.choice((0, 0, 1, 1, 2, 3))
            return [_document(made, stored.element, element) for _ in range(count)]
        case RecordInColumn(parts=parts), RecordType(attributes):
            found: dict[str, Any] = {}
            for part in attributes:
                at = parts[part.name]
                assert isinstance(at, StoredColumn | SetInColumn | RecordInColumn)
                absent = part.optional and rng.random() < 0.4
                if not absent or rng.random() < 0.5:
                    found[at.name] = None if absent else _document(made, at, part.type)
            return found
        case StoredColumn(), _:
            return _value(made, stored, type_)
        case _:
            raise TypeError(stored)


def _is_checked(stored: Stored) -> bool:
    """Whether the database sees to it that a set or a record fits, or to any of its parts."""
    match stored:
        case SetInColumn(parts=parts) | RecordInColumn(parts=parts):
            return stored.checked or any(map(_is_checked, parts.values()))
        case _:
            return isinstance(stored, StoredColumn) and stored.checked


def _written(made: Database, given: Any) -> str:
    """Return a text of JSON, in which now and then a key is written by codes, or twice."""
    text = json.dumps(given, ensure_ascii=made.rng.random() < 0.5)
    if made.rng.random() < 0.2 and '{"' in text:
        at = text.index('{"') + 2
        text = (
            f"{text[:at]}\\u{ord(text[at]):04x}{text[at + 1 :]}" if text[at] not in '\\"' else text
        )
    if made.rng.random() < made.ill and '{"' in text:
        text = text.replace('{"', '{"a_0": 1, "a_0": 1, "', 1)
    return text


def _value(made: Database, column: StoredColumn, type_: Type) -> Any:
    """Return a value of a column, now and then one that does not fit."""
    rng = made.rng
    if rng.random() < made.ill and not column.checked:
        wrong = {"int": 10**18, "text": "?" * 9, "bool": None, "decimal": None, "instant": None}
        wrong["ip"] = "10.0.0.1/8"
        return rng.choice((None, wrong[column.kind or "text"]))
    match type_:
        case EntityRefType(name):
            lost = (99 if column.kind == "int" else "??",) if made.ill else ()
            return rng.choice((*made.ids[name] * 9, *lost) or ("??",))
        case EnumType() | LevelsType() | TaxonomyType():
            return (column.names or {})[rng.choice(type_.members)]
        case Primitive("datetime") if made.moments and rng.random() < 0.7:
            return rng.choice(made.moments)
    given = some_value(rng, type_)
    match type_:
        case Primitive("decimal"):
            return Decimal(given)
        case Primitive("datetime"):
            moment = datetime.fromisoformat(given)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        case Primitive("duration"):
            return parse_duration(given)
        case Primitive("months"):
            return parse_months(given)
        case _:
            return given


def _fill_parents(made: Database, type_: EntityType, table: EntityTable) -> None:
    rng, mapping, rows = made.rng, made.mapping, made.tables[table.table]
    ids = [row["id"] for row in rows]
    for parent, stored in table.parents.items():
        own = parent == type_.name
        above: dict[Any, Any] = {}
        for at, row in enumerate(rows):
            among = ids[:at] if own and rng.random() > made.ill else made.ids[parent]
            above[row["id"]] = rng.choice((None, *among))
            if rng.random() < made.ill:
                above[row["id"]] = 99 if mapping.id_of(parent).kind == "int" else "??"
        match stored:
            case str(name):
                for row in rows:
                    row[name] = above[row["id"]]
            case ParentTable(name, child, over):
                for id_ in ids:
                    for _ in range(rng.choice((0, 1, 1, 2))):
                        one = rng.choice((*made.ids[parent], above[id_]))
                        if one is not None or made.ill:
                            made.tables[name].append({child: id_, over: one})
            case ClosureTable(name, below, over):
                order = {id_: at for at, id_ in enumerate(ids)}
                for id_ in ids:
                    at = above[id_]
                    line: list[Any] = []
                    while at in order and order[at] < order[id_] and at not in line:
                        line.append(at)
                        at = above[at] if order.get(above[at], at) != at else None
                    made.tables[name] += [{below: id_, over: one} for one in line]
                    if rng.random() < 0.3:
                        made.tables[name].append({below: id_, over: id_})


# ---- the law ----------------------------------------------------------------------------


@frozen
class Asked:
    """Who does what, and when; parts of a request without the resource."""

    engine: PolicyEngine
    needs: RequestNeeds
    action: str
    subject_type: str
    subject: dict[str, Any]
    resource_type: str
    context: dict[str, Any]
    now: datetime


def parts_of(asked: Asked, made: Database, resource: dict[str, Any] | None) -> dict[str, Any]:
    """Return the request, as rows give it; without a resource the known parts."""
    reader = RowReader(made.mapping, made.find)
    subject = reader.read(asked.subject_type, asked.subject, asked.needs.subject)
    context = made.mapping.schema.actions[asked.action].context
    reader.follow(context, asked.context, asked.needs.context)
    of = (
        None
        if resource is None
        else reader.read(asked.resource_type, resource, asked.needs.resource)
    )
    entities = reader.entities()
    parts = {
        "subject": entities.pop(subject), "action": asked.action, "context": asked.context,
        "now": asked.now,
    }  # fmt: skip
    if of is not None:
        parts["resource"] = entities.get(of) or parts["subject"]
    return parts | {"entities": list(entities.values())}


def filter_of(asked: Asked, made: Database, *, split: bool = False) -> Filter:
    """Return the filter of what is asked; raises `InvalidRequest` if the known parts do not fit."""
    left = asked.engine.partial(**parts_of(asked, made, None), resource_type=asked.resource_type)
    return make_filter(left, made.mapping, split=split)


def check(asked: Asked, made: Database, filter_: Filter) -> tuple[int, int, int]:
    """Hold a filter against decisions; return how many rows are allowed, denied, and do not fit."""
    counts = [0, 0, 0]
    try:
        unfit = filter_.rows_that_do_not_fit
    except NotPushable:  # the database sees to it
        unfit = negated(filter_.fits)
    for row in made.tables[filter_.table]:
        parts = parts_of(asked, made, row)
        try:
            allowed, fits = asked.engine.decide(**parts).allowed, True
        except InvalidRequest as problem:
            allowed, fits, said = False, False, problem
        found = holds(filter_.predicate, row, made.tables)
        assert holds(negated(filter_.predicate), row, made.tables) != found
        if filter_.remaining is None:
            detail = (row, parts, filter_.predicate) if len(str(filter_.predicate)) < 2_000 else row
            assert holds(filter_.fits, row, made.tables) == fits, (detail, "" if fits else said)
            assert holds(unfit, row, made.tables) != fits, detail
            assert found == allowed, detail
        else:
            assert found or not allowed, (row, parts, filter_.predicate)
        counts[2 if not fits else not allowed] += 1
    return counts[0], counts[1], counts[2]
