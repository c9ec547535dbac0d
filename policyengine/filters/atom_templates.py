"""Write atoms as templates of SQL for SQLite and PostgreSQL, where `{0}`, `{1}`, … stand for terms.

An atom is unknown, or false, where a column is NULL. Text is compared by code points, whatever the collation of a
column. SQLite ends a text at U+0000 in some of its functions, so that the bytes of UTF-8 are compared there, of
which only equal code points have the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from policyengine.filters.predicates import (
    Ancestor,
    Comparison,
    HasMore,
    Kind,
    Parameter,
    Scalar,
    Term,
)

Vendor: TypeAlias = Literal["sqlite", "postgresql"]
"""A database, as Django calls it."""

_SIGNS: Final[dict[Comparison, str]] = {
    "==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
PRESENT: Final = "{0} IS NOT NULL"
"""Whether a column is not NULL."""
_FALSE: Final = "1 = 0"

# The form in which Django writes moments, which is a text. `strftime` rounds fractions and passes
# days that a month lacks, unless it is to add something.
_SECONDS: Final = (
    "strftime('%%Y-%%m-%%d %%H:%%M:%%S', substr({0}, 1, 19), '+0 days') = substr({0}, 1, 19)"
)
_FRACTION: Final = f"substr({{0}}, 20) GLOB '.{'[0-9]' * 6}' AND substr({{0}}, 20) <> '.000000'"
_BLOB: Final = "CAST({0} AS BLOB)"

OF_KIND: Final[dict[Vendor, dict[Kind, str]]] = {
    "sqlite": {
        "text": "typeof({0}) = 'text'",
        "int": "typeof({0}) = 'integer'",
        "bool": "typeof({0}) = 'integer' AND {0} IN (0, 1)",
        "decimal": "typeof({0}) IN ('integer', 'real') AND round({0}, 4) = {0}",
        "instant": f"typeof({{0}}) = 'text' AND substr({{0}}, 1, 4) <> '0000' AND {_SECONDS}"
        f" AND (length({_BLOB}) = 19 OR length({_BLOB}) = 26 AND {_FRACTION})",
    },
    "postgresql": {
        "text": PRESENT,
        "int": PRESENT,
        "bool": PRESENT,
        "decimal": "abs({0}) < 100000000000000 AND {0} = trunc({0}, 4)",  # NaN is the greatest
        "instant": "{0} >= '0001-01-01 00:00:00+00' AND {0} < '10000-01-01 00:00:00+00'",
    },
}
"""Whether a column holds a value of a kind; what has no entry cannot be asked."""


def exact(vendor: Vendor, kind: Kind, term: str) -> str:
    """Return *term*, which is compared byte by byte if it is a text."""
    if kind != "text":
        return term
    if vendor == "sqlite":
        return f"{term} COLLATE BINARY"
    return (
        f'CAST({term} AS text) COLLATE "default"'  # which tells all texts apart, and indexes have
    )


def equality(vendor: Vendor, kind: Kind, left: str, right: str) -> str:
    """Return whether two terms are equal."""
    return f"{exact(vendor, kind, left)} = {exact(vendor, kind, right)}"


def comparison(vendor: Vendor, op: Comparison, left: Term, right: Term) -> str:
    """Return whether two terms, `{0}` and `{1}`, compare so."""
    for term, other in ((left, "{1}"), (right, "{0}")):
        if isinstance(term, Parameter) and not _is_stored(vendor, term.value):
            return _FALSE if op == "==" else f"{other} IS NOT NULL"
    return f"{exact(vendor, left.kind, '{0}')} {_SIGNS[op]} {exact(vendor, right.kind, '{1}')}"


def membership(vendor: Vendor, kind: Kind, values: Sequence[Scalar]) -> str:
    """Return whether `{0}` is one of *values*, which are `{1}` and so on."""
    held = [f"{{{at}}}" for at, value in enumerate(values, 1) if _is_stored(vendor, value)]
    return f"{exact(vendor, kind, '{0}')} IN ({', '.join(held)})" if held else _FALSE


def _is_stored(vendor: Vendor, value: Scalar) -> bool:
    """Whether a column can hold *value*: PostgreSQL has no text with U+0000."""
    return vendor == "sqlite" or not isinstance(value, str) or "\0" not in value


# ---- texts ------------------------------------------------------------------------------


def match(vendor: Vendor, pieces: Sequence[str]) -> str:
    """Return whether `{0}` matches *pieces*, with the terms that `bound_by_match` gives."""
    if vendor == "sqlite":
        return _sqlite_match(pieces)
    if not all(_is_stored(vendor, piece) for piece in pieces):
        return _FALSE
    return f"{exact(vendor, 'text', '{0}')} LIKE {{{len(pieces) + 1}}} ESCAPE '!'"


def bound_by_match(pieces: Sequence[str]) -> list[str]:
    """Return the values that `match` refers to: *pieces*, a pattern, and what comes after the first piece."""
    pattern = "%".join("".join(f"!{c}" if c in "!%_" else c for c in piece) for piece in pieces)
    return [*pieces, pattern, _after(pieces[0])]


def _after(prefix: str) -> str:
    """Return the least text that is greater than all that start with *prefix*; empty if there is none."""
    for at, char in reversed([*enumerate(prefix)]):
        if char != "\U0010ffff":
            return prefix[:at] + ("\ue000" if char == "\ud7ff" else chr(ord(char) + 1))
    return ""


def _sqlite_match(pieces: Sequence[str]) -> str:
    sizes = [len(piece.encode()) for piece in pieces]
    blobs = [f"CAST({{{at}}} AS BLOB)" for at in range(1, len(pieces) + 1)]
    said = [PRESENT]
    if sum(map(bool, sizes)) > 1:
        said.append(f"length({_BLOB}) >= {sum(sizes)}")
    if pieces[0]:  # between these two are all texts that start so, and no others
        said.append("{0} COLLATE BINARY >= {1}")
        said += [f"{{0}} COLLATE BINARY < {{{len(pieces) + 2}}}"] if _after(pieces[0]) else []
    if pieces[-1]:
        said.append(f"substr({_BLOB}, -{sizes[-1]}) = {blobs[-1]}")
    between = [blob for blob, size in zip(blobs[1:-1], sizes[1:-1], strict=True) if size]
    rest = f"substr({_BLOB}, {sizes[0] + 1}, length({_BLOB}) - {sizes[0] + sizes[-1]})"
    match between:
        case []:
            pass
        case [piece]:
            said.append(f"instr({rest}, {piece}) > 0")
        case _:  # each is taken where it comes first, behind the one before
            rows = " UNION ALL ".join(f"SELECT {at}, {piece}" for at, piece in enumerate(between))
            said.append(
                f'EXISTS (WITH RECURSIVE "piece!"(at, piece) AS ({rows}), "rest!"(at, rest) AS ('
                f"SELECT 0, {rest} UNION ALL"
                ' SELECT "rest!".at + 1, substr(rest, instr(rest, piece) + length(piece))'
                ' FROM "rest!" JOIN "piece!" ON "piece!".at = "rest!".at WHERE instr(rest, piece) > 0'
                f') SELECT 1 FROM "rest!" WHERE at = {len(between)})'
            )
    return " AND ".join(said)


def longer(vendor: Vendor, most: int) -> str:
    """Return whether `{0}` has more than *most* code points."""
    if vendor == "postgresql":
        return f"char_length({{0}}) > {most}"
    # `length` ends at U+0000: where there is one, the text is counted as JSON writes it. There two backslashes are
    # replaced first, so that each other begins `\u00` and two digits, or stands before one character. A recursive
    # query would do as well, but SQLite's parser has a stack of 100, which a filter of several tables needs.
    written = r"replace(json_quote({0}), '\\', 'x')"
    plain, short = (f"length(replace({written}, '{part}', ''))" for part in (r"\u00", "\\"))
    size = f"{plain} + {short} - length({written}) - 2"
    return f"CASE WHEN instr({_BLOB}, X'00') > 0 THEN {size} ELSE length({{0}}) END > {most}"


# ---- rows of other tables ---------------------------------------------------------------


def quoted(name: str) -> str:
    """Return a name as a part of a template."""
    name = name.replace('"', '""').replace("%", "%%")  # Django formats SQL by `%`
    return '"{}"'.format(name.replace("{", "{{").replace("}", "}}"))


def has_more(vendor: Vendor, table: str, more: HasMore) -> str:
    """Return whether there are more values in *table*; the columns outside are `{0}` and so on."""
    alias = quoted(f"{more.alias}!")  # which no table is called
    said = [
        equality(vendor, own.kind, f"{alias}.{quoted(own.name)}", f"{{{at}}}")
        for at, (own, _) in enumerate(more.on)
    ]
    counted = exact(vendor, more.column.kind, f"{alias}.{quoted(more.column.name)}")
    where = " AND ".join(said or ["1 = 1"])
    return f"(SELECT COUNT(DISTINCT {counted}) FROM {quoted(table)} AS {alias} WHERE {where}) > {more.most}"


def on_the_way(vendor: Vendor, table: str, ancestor: Ancestor) -> str:
    """Return whether `{0}` is the id of a row of *table* that is `{1}`, or above it.

    A row is found once, so that a cycle ends.
    """
    way, alias, kind = (
        quoted(f"{ancestor.alias}!way"),
        quoted(f"{ancestor.alias}!"),
        ancestor.id.kind,
    )
    id, parent = (f"{alias}.{quoted(each.name)}" for each in (ancestor.id, ancestor.parent))
    found = (
        f"{exact(vendor, kind, id)}, {exact(vendor, kind, parent)} FROM {quoted(table)} AS {alias}"
    )
    most = f" LIMIT {ancestor.most}"  # SQLite stops there if it is inside, PostgreSQL outside
    inside, outside = (most, "") if vendor == "sqlite" else ("", most)
    return (
        f"{exact(vendor, kind, '{0}')} IN (WITH RECURSIVE {way}(id, up) AS ("
        f"SELECT {found} WHERE {equality(vendor, kind, id, '{1}')} UNION"
        f" SELECT {found} JOIN {way} ON {equality(vendor, kind, id, f'{way}.up')}{inside})"
        f" SELECT id FROM {way}{outside})"
    )
