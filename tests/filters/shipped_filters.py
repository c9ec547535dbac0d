"""Hold filters of the shipped sets against decisions, and say which rules are pushed: `python -m tests.filters.shipped_filters`.

The tables have the entities of a request of a set's own tests, and more rows of the type of the resource, whose
values are those of other requests, or drawn, or do not fit. A rule is pushed if all that was ever left of it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from policyengine.filters.column_values import stored_form
from policyengine.filters.lowering import Lowering
from policyengine.filters.mapping import (
    ClosureTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
)
from policyengine.filters.row_paths import RowPaths, Unsayable
from policyengine.model.entities import Entity
from policyengine.model.types import RecordType, SetType, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, Ip, slot, to_datetime, to_json
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts
from policyengine.partial.residual import Residual
from tests.filters.filter_law import ask
from tests.filters.mapped_databases import InDatabase, opened
from tests.filters.mapped_worlds import SETS_IN, Asked, Database, database_of, mapping_of
from tests.strategies.partial import left_of
from tests.strategies.real_sets import SETS, loaded, requests

_ROWS = 12
"""Rows of the type of the resource, besides those of the request."""


# ---- tables -----------------------------------------------------------------------------


@cache
def values_seen(name: str) -> Mapping[tuple[str, str], tuple[object, ...]]:
    """Return the values that attributes have in the requests of a set, by type and name."""
    seen: dict[tuple[str, str], dict[str, object]] = defaultdict(dict)
    for request in requests(name):
        for entity in request.entities.values():
            for attribute in entity.entity_type.attributes:
                value = getattr(entity, slot(attribute.name))
                seen[entity.type, attribute.name][repr(value)] = value
    return {where: tuple(values.values()) for where, values in seen.items()}


def tables_of(
    name: str, request: ValidRequest, rng: Random, ill: float, sets: Sequence[str] = SETS_IN
) -> Database:
    """Return tables with the entities of *request*, and other rows; *sets*: where sets may be."""
    schema = loaded(name).checked.schema
    mapping = mapping_of(schema, rng, 0, sets=sets)
    moments = tuple(to_datetime(request.now + by) for by in _near(rng))
    entities = {(entity.type, entity.id): entity for entity in request.entities.values()}
    ids = {of: tuple(id_ for type_, id_ in entities if type_ == of) for of in schema.entities}
    resource = request.resource
    ids[resource.type] += tuple(f"n{number}" for number in range(_ROWS))
    made = database_of(mapping, rng, ids, ill, moments)
    for of, type_ in schema.entities.items():
        for row in made.tables[mapping.table_of(of).table]:
            if (of, row["id"]) in entities:
                _put_entity(made, row, entities[of, row["id"]])
                continue
            for attribute in type_.attributes:
                values = values_seen(name).get((of, attribute.name))
                if values and rng.random() < 0.8:
                    own = getattr(resource, slot(attribute.name))
                    value = own if rng.random() < 0.6 else rng.choice(values)
                    stored = mapping.table_of(of).attributes[attribute.name]
                    put(made, row, stored, attribute.type, value)
            if rng.random() < 0.7:
                put_parents(made, row, resource)
    return made


def _near(rng: Random) -> Iterator[int]:
    day = 86_400_000_000
    for days in (0, 1, 30, 90, 180, 365, 3652, 5113, 6574, 10227):
        yield -days * day + rng.choice((0, 1, -1, day, -day))
        yield days * day // 10 + rng.choice((0, 1, -1))


def _put_entity(made: Database, row: dict[str, Any], entity: Entity) -> None:
    table = made.mapping.table_of(entity.type)
    for attribute in entity.entity_type.attributes:
        value = getattr(entity, slot(attribute.name))
        put(made, row, table.attributes[attribute.name], attribute.type, value)
    put_parents(made, row, entity)


def put(made: Database, row: dict[str, Any], stored: Stored, type_: Type, value: Any) -> None:
    """Put a canonical value into the columns and tables where it belongs."""
    match stored:
        case StoredColumn():
            row[stored.name] = None if value is ABSENT else _written(stored, type_, value)
        case SetInColumn() | RecordInColumn():
            found = None if value is ABSENT else _document(stored, type_, value)
            in_json = isinstance(stored, RecordInColumn) or stored.json
            row[stored.name] = json.dumps(found) if in_json and found is not None else found
        case SetTable(table, owner, element):
            assert isinstance(type_, SetType)
            made.tables[table] = [one for one in made.tables[table] if one[owner] != row["id"]]
            for one in () if value is ABSENT else value:
                made.tables[table].append({owner: row["id"]})
                put(made, made.tables[table][-1], element, type_.element, one)
        case Mapping():
            assert isinstance(type_, RecordType)
            for part in type_.attributes:
                inner = ABSENT if value is ABSENT else getattr(value, slot(part.name))
                put(made, row, stored[part.name], part.type, inner)


def _written(stored: StoredColumn, type_: Type, value: Any) -> Any:
    """Return a canonical value as it is in a column."""
    return str(value) if isinstance(value, Ip) else stored_form(stored, type_, value)


def _document(stored: Stored, type_: Type, value: Any) -> Any:
    """Return a canonical value as it is in an array, or in JSON."""
    match stored, type_:
        case SetInColumn(), SetType(element):
            return [_document(stored.element, element, one) for one in value]
        case RecordInColumn(parts=parts), RecordType(attributes):
            found: dict[str, Any] = {}
            for part in attributes:
                at, inner = parts[part.name], getattr(value, slot(part.name))
                assert isinstance(at, StoredColumn | SetInColumn | RecordInColumn)
                if inner is not ABSENT:
                    found[at.name] = _document(at, part.type, inner)
            return found
        case StoredColumn(), _:
            return _written(stored, type_, value)
        case _:
            raise TypeError(stored)


def put_parents(made: Database, row: dict[str, Any], entity: Entity) -> None:
    """Give a row the parents of an entity."""
    table = made.mapping.table_of(entity.type)
    for parent, stored in table.parents.items():
        ids = [id_ for of, id_ in sorted(entity.parents_ or ()) if of == parent]
        if isinstance(stored, str):
            row[stored] = ids[0] if ids else None
            continue
        match stored:
            case ParentTable(name, child, above):
                lines = ids
            case ClosureTable(name, child, above):
                lines = [
                    id_
                    for of, id_ in sorted(entity.line or ())
                    if of == parent and id_ != entity.id
                ]
        made.tables[name] = [one for one in made.tables[name] if one[child] != row["id"]]
        made.tables[name] += [{child: row["id"], above: id_} for id_ in lines]


# ---- the law ----------------------------------------------------------------------------


def filters_agree(
    name: str, seed: int, databases: Sequence[InDatabase] = (), sets: Sequence[str] = SETS_IN
) -> Counter[str]:
    """Ask of tables around one request of a set; return how many rows and filters of each sort.

    *databases*: where filters are asked, too. *sets*: where sets may be.
    """
    rng = Random(seed)
    request = rng.choice(requests(name))
    made = tables_of(name, request, rng, rng.choice((0.0, 0.01, 0.05)), sets)
    return ask(asked_of(name, request, made), made, databases)


def asked_of(name: str, request: ValidRequest, made: Database) -> Asked:
    """Return the question of *request*, without its resource."""
    checked, subject = loaded(name).checked, request.subject
    [who] = [
        row
        for row in made.tables[made.mapping.table_of(subject.type).table]
        if row["id"] == subject.id
    ]
    context = to_json(checked.schema.actions[request.action].context, request.context)
    assert isinstance(context, dict)
    target = request.action, subject.type, request.resource.type
    return Asked(
        loaded(name).engine, checked.needs(target), request.action, subject.type, who, request.resource.type,
        context, to_datetime(request.now),
    )  # fmt: skip


# ---- which rules are pushed -------------------------------------------------------------


def pushed_rules(name: str, most: int = 1_000) -> tuple[set[str], dict[str, str]]:
    """Return the ids of the rules of which something is left for a request of a set, and why some are not pushed.

    What no request leaves open depends on what is known alone, and there is nothing to push. *most*: requests.
    """
    rng, left, reasons = Random(0), set[str](), dict[str, str]()
    mapping = mapping_of(loaded(name).checked.schema, rng, 0)
    for request in rng.sample(requests(name), min(most, len(requests(name)))):
        residual = _residual(name, request)
        for one in residual.basis.left:
            left.add(one.rule.id)
            paths = RowPaths(mapping, residual.target, 1_000)
            types = ExpressionTypes(mapping.schema, residual.target)
            try:
                Lowering(paths, types, Evaluator(residual.basis.known)).condition(one.condition)
            except Unsayable as problem:
                reasons[one.rule.id] = str(problem)
    return left, reasons


def _residual(name: str, request: ValidRequest) -> Residual:
    known = KnownParts(request.subject, None, request.context, entities=request.entities)
    return left_of(loaded(name).checked, request, known)


def main() -> int:
    """Hold the law on as many requests of each set as asked; return 1 if it is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.filters.shipped_filters", description=__doc__
    )
    parser.add_argument("--requests", type=int, default=300, help="how many of each set")
    parser.add_argument("--of", type=int, default=1_000, help="requests whose rules are printed")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--in", dest="databases", nargs="*", default=(), help="sqlite, duckdb")
    options = parser.parse_args()
    from tests.filters.printed_rules import report  # which asks Django

    databases = opened(options.databases)
    sets = [of for of in SETS_IN if of != "array" or "sqlite" not in options.databases]
    for name in SETS:
        counts = Counter[str]()
        for seed in range(options.seed, options.seed + options.requests):
            try:
                counts += filters_agree(name, seed, databases, sets)
            except Exception:
                sys.stdout.write(f"{name}, seed {seed}\n")
                raise
        for line in report(name, options.of):
            sys.stdout.write(f"{line}\n")
        for what, number in counts.most_common():
            sys.stdout.write(f"{number:>10,} {what}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
