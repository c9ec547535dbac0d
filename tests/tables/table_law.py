"""Hold tables that a database tells apart against deciding each row: `python -m tests.tables.table_law --sets 100`.

The sets are generated, and the rows, of which some are no requests.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

import ibis
import pyarrow as pa

from policyengine.model.types import EntityRefType, Primitive, RecordType, SetType, Type
from policyengine.tables.ibis_tables import decide_table
from policyengine.tables.spark_tables import read_spark
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import all_targets, make_world
from tests.strategies.requests import IDS, some_attributes

NOW: Final = "2026-11-29T00:00:00Z"
_ROWS: Final = 60
_TYPES: Final = {
    "bool": pa.bool_(), "int": pa.int64(), "decimal": pa.decimal128(20, 4), "datetime": pa.timestamp("us", "UTC"),
}  # fmt: skip
_ODD: Final = (
    "",
    "Ann",
    "ann",
    "a\0b",
    "é",
    "e\u0301",
    "%",
    "'",
    '"',
    "\\",
    "a,b",
    "🙂",
    "x" * 100_001,
)

Put: type = Callable[[pa.Table], Any]


def in_duckdb(table: pa.Table) -> Any:
    """Put rows into a DuckDB of its own."""
    return ibis.duckdb.connect().create_table("requests", table)


def tables_agree(seed: int, put: Put = in_duckdb, rows: int = _ROWS) -> Counter[str]:
    """Decide a table of the set of a seed in both ways; return how many rows of each sort there were."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 1, 2)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return Counter()
    made = rows_of(rng, loaded.checked.schema, all_targets(world), rows)
    asked = put(made)
    checked = loaded.checked, loaded.validator.limits
    each = decide_table(loaded.engine, asked, None, NOW, None)
    found = decide_table(loaded.engine, asked, None, NOW, checked)
    expected, said = (_read(one.table).to_pylist() for one in (each, found))
    for one, other in zip(sorted(expected, key=_number), sorted(said, key=_number), strict=True):
        assert one == other, f"seed {seed}: {other} is not {one}"
    counts = found.counts
    assert counts == each.counts
    return Counter(
        allowed=counts.allowed,
        denied=counts.denied,
        bad=counts.bad,
        pushed=found.pushed,
        tables=found.pushed > 0,
    )


def _read(table: Any) -> pa.Table:
    return read_spark(table) if table.get_backend().name == "pyspark" else table.to_pyarrow()


def _number(row: dict[str, Any]) -> str:
    return str(row["resource.id"])


def rows_of(rng: Random, schema: Any, targets: Any, count: int) -> pa.Table:
    """Return rows of requests, with values that some types of entities have and others have not."""
    types: dict[str, Type | None] = {}
    asked = []
    for number in range(count):
        action, subject, resource = rng.choice(targets)
        of = schema.entities[subject], schema.entities[resource], schema.actions[action].context
        row: dict[str, Any] = {"action": action}
        for part, type_ in zip(("subject", "resource", "context"), of, strict=True):
            values = some_attributes(rng, type_.attributes)
            for attribute in type_.attributes:
                path = f"{part}.{attribute.name}"
                if types.setdefault(path, attribute.type) != attribute.type:
                    types[path] = None  # no column holds both
                elif attribute.name in values:
                    row[path] = _cell(attribute.type, values[attribute.name])
        row |= {"subject.type": subject, "resource.type": resource}
        row |= {"subject.id": rng.choice(IDS), "resource.id": f"{rng.choice(IDS)}{number}"}
        asked.append(row)
    known = {path: _arrow(type_) for path, type_ in types.items() if type_ is not None}
    known |= dict.fromkeys(("action", "subject.type", "resource.type", "subject.id"), pa.string())
    ill = rng.choice((0.0, 0.01, 0.05))
    columns = {
        path: pa.array(
            [
                _odd(rng, row.get(path), of) if rng.random() < ill else row.get(path)
                for row in asked
            ],
            of,
        )
        for path, of in known.items()
        if of is not None
    }
    columns["resource.id"] = pa.array([row["resource.id"] for row in asked])
    return pa.table(columns)


def _arrow(type_: Type) -> pa.DataType | None:
    match type_:
        case Primitive(name):
            return _TYPES.get(name, pa.string())
        case SetType(element):
            of = _arrow(element)
            return None if of is None else pa.list_(of)
        case RecordType():
            return None
        case _:
            return pa.string()


def _cell(type_: Type, value: Any) -> Any:
    match type_:
        case EntityRefType():
            return value["id"]
        case SetType(element):
            return [_cell(element, one) for one in value]
        case Primitive("decimal"):
            return Decimal(value)
        case Primitive("datetime"):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        case _:
            return value


def _odd(rng: Random, value: Any, of: pa.DataType) -> Any:
    """Return a value that may fit, and may not."""
    if pa.types.is_list(of) and isinstance(value, list) and rng.random() < 0.7:
        return rng.choice(
            (
                [*value, None],
                [*value, *value],
                value * 700,
                [*value, *(_odd(rng, None, of.value_type) for _ in range(2))],
            )
        )
    if pa.types.is_string(of) and rng.random() < 0.7:
        return rng.choice(_ODD)
    if pa.types.is_int64(of):
        return rng.choice((None, 2**63 - 1, -(2**63), 10**18, 10**18 - 1))
    if pa.types.is_decimal(of):
        return rng.choice((None, Decimal("99999999999999.9999"), Decimal(100000000000000)))
    return None


def main() -> int:
    """Hold the law on as many sets as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.tables.table_law", description=__doc__)
    parser.add_argument("--sets", type=int, default=100, help="how many policy sets")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    counts = Counter[str]()
    for seed in range(options.seed, options.seed + options.sets):
        counts += tables_agree(seed)
    for what, number in counts.most_common():
        sys.stdout.write(f"{number:>10,} {what}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
