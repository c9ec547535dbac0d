"""Say results as the Markdown tables of `bench/README.md`, and put them there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from bench.contestants import CONTESTANTS

Row: TypeAlias = Mapping[str, Any]


def put_into(page: str, tables: Mapping[str, str]) -> str:
    """Return *page* with each table between the comments that carry its name."""
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n\n", f"\n\n<!-- /{name} -->"
        before, rest = page.split(start)
        page = "".join((before, start, table, end, rest.split(end)[1]))
    return page


def questions_table(rows: Iterable[Row]) -> str:
    """Return what must be reached beside what was found."""
    lines = ["| | found | bar | aim | |", "|---|---:|---:|---:|---|"]
    for row in rows:
        sign, unit = ("≥" if row["least"] else "≤"), f" {row['unit']}" if row["unit"] else ""
        lines.append(
            f"| {row['question'].partition(': ')[0]} | {row['ratio']:.2f}{unit} "
            f"| {sign} {row['bar']:g} | {sign} {row['aim']:g} "
            f"| {'' if row['is_met'] else 'not met'} |"
        )
    return "\n".join(lines)


def growth_tables(rows: Sequence[Row]) -> str:
    """Return a table for each world: microseconds of a decision at each size, load and memory."""
    return "\n\n".join(
        "\n".join(_growth_table(name, [row for row in rows if row["world"] == name]))
        for name in dict.fromkeys(row["world"] for row in rows)
    )


def _growth_table(name: str, rows: Sequence[Row]) -> Iterator[str]:
    sizes = sorted({row["size"] for row in rows})
    by_key = {(row["contestant"], row["size"]): row for row in rows}
    heads = " | ".join(f"{size:,}" for size in sizes)
    yield f"| {name}: µs of a decision | {heads} | load | memory |"
    yield f"|---{'|---:' * (len(sizes) + 2)}|"
    for who in CONTESTANTS:
        found = [by_key.get((who, size)) for size in sizes]
        timed = [row for row in found if row is not None and not row["skipped"]]
        if not timed:
            continue
        cells = " | ".join(_time(row) for row in found)
        last = timed[-1]
        at = "" if last["size"] == sizes[-1] else f" ({last['size']:,})"
        load = f"{last['load_seconds']:.2f} s{at}"
        yield f"| {who} | {cells} | {load} | {last['megabytes']:.0f} MB{at} |"


def _time(row: Row | None) -> str:
    if row is None or row["skipped"]:
        return "–"
    microseconds = row["microseconds"]
    return f"{microseconds:,.2f}" if microseconds < 10 else f"{microseconds:,.0f}"
