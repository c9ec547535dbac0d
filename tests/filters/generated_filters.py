"""Make tables, nasty rows and predicates over them: what every printing is held against.

All comes from one seed, so that a case of a failure can be made again (`cases(seed, limits)`). `Limits` says
what an engine can store and say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any, Final, TypeAlias

from attrs import field, frozen
from msgspec.structs import replace

from policyengine.filters.predicates import (
    ROWS,
    TRUE,
    Ancestor,
    And,
    Column,
    Compare,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    IsWithin,
    Kind,
    Matches,
    Not,
    Or,
    Parameter,
    Predicate,
    both,
    either,
    exists,
    negated,
    one_of,
)
from policyengine.model.values import Ip

PLAIN: Final[tuple[Kind, ...]] = ("text", "int", "decimal", "bool", "instant")

Rows: TypeAlias = list[dict[str, Any]]


@frozen
class Limits:
    """What is generated for an engine."""

    rows: int = 40  # of the table that is filtered
    others: int = 8  # rows of each other table, at most
    nul: bool = True  # U+0000 in texts
    loose: bool = False  # the column `loose` of each table holds values of any type
    odd_names: bool = True  # tables and columns whose names must be quoted
    ancestors: bool = True
    correlated_ancestors: bool = True  # whose *where* speaks of rows outside
    depth: int = 3
    kinds: tuple[Kind, ...] = PLAIN
    comparisons: int = 2_000_000  # of rows, which a predicate may ask for at most


@frozen
class Field:
    """A column of a table."""

    name: str
    kind: Kind
    nullable: bool = True
    set_in: str = ""  # "array" or "json": it holds a set of such elements


@frozen
class Table:
    """A table with an `id` and a `parent`, which refers to an `id` of its own rows or to none.

    *key* is a whole number by which tests name a row; predicates do not speak of it. *pointers* refer to an
    `id` of another table, or to none; ids are unique, and of one kind in all tables.
    """

    name: str
    fields: tuple[Field, ...]
    key: str = "key"
    id: str = "id"
    parent: str = "parent"
    pointers: tuple[tuple[str, str], ...] = ()  # column, table
    loose: str = ""  # the column that holds anything, of kind int or text


@frozen
class Case:
    """Tables, their rows, and a predicate of the rows of the first."""

    tables: tuple[Table, ...]
    rows: dict[str, Rows] = field(repr=False)
    predicate: Predicate
    seed: int

    @property
    def filtered(self) -> Table:
        """The table whose rows are filtered."""
        return self.tables[0]


# ---- values -----------------------------------------------------------------------------

TEXTS: Final = (
    "", "a", "b", "A", "abc", "Abc", "ABC", "abd", "ab", "a ", " a", "abc ", "a%c", "a_c", "a*c", "a?c",
    "a[c", "a]c", "[a-c]", "[^a]", "a\\c", "\\", "a'c", "'", '"', "a''c", "%", "_", "*", "?", "!", "!%", "^",
    "caf\u00e9", "cafe\u0301", "cafe", "\u00c9", "\u00e9", "\u00df", "ss", "\u1e9e", "\u0130", "i\u0307", "\u0131",
    "\U0001f600", "\U0001f601", "a\U0001f600c", "a\u200b", "\u200b", "\ud7ff", "\ue000", "\uffff", "\U0010ffff",
    "a\U0010ffff", "a\n", "a\nc", "a\r\n", "\t", "a\x01c", "\x7f", "\x85", "\u2028", "\ufeffa", "1", "01", "1.0",
    "true", "null", "NULL", "--", "a;b", ":a", "%(a)s", "%s", "{a}", "$1", "$$", "x'00'", "\\n", "\\x00", "E'",
    "aaa", "aa", "abab", "ababab",
)  # fmt: skip
WITH_NUL: Final = ("\0", "a\0b", "a\0", "\0a", "abc\0abc", "a\0\0c", "\0%", "ab\0ab")
INTS: Final = (
    0, 1, -1, 2, 3, 5, 7, 255, 2**31, -(2**31) - 1, 2**53, 2**53 + 1, 10**18, 10**18 + 1, -(10**18),
    2**62, 2**63 - 1, -(2**63) + 1, -(2**63),
)  # fmt: skip
DECIMALS: Final = tuple(
    Decimal(text)
    for text in (
        "0", "0.0001", "-0.0001", "0.1", "0.2", "0.3", "0.5", "1", "1.5", "-1.5", "1.2345", "2.5", "7", "9007199254740.9929",
        "9007199254740.9930", "99999999999999.9999", "-99999999999999.9999", "99999999999999.9998",
    )
)  # fmt: skip
_DAY: Final = datetime(2026, 11, 1, 6, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
INSTANTS: Final = (
    _DAY, _DAY + _MICROSECOND, _DAY - _MICROSECOND, _DAY + timedelta(seconds=1), _DAY + timedelta(hours=5),
    _DAY + timedelta(milliseconds=1), _DAY - timedelta(hours=1), _DAY + timedelta(days=1),
    datetime(1, 1, 1, tzinfo=UTC), datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)  # fmt: skip
IPS: Final = tuple(
    Ip.parse(text)
    for text in (
        "10.0.0.1", "10.0.0.2", "10.0.0.0/8", "10.0.0.0/24", "10.128.0.0/9", "0.0.0.0/0", "128.0.0.0/1", "255.255.255.255",
        "::1", "::", "::/0", "::/64", "::fffe:0:0/95", "2001:db8::/32", "2001:db8::1", "::a00:1", "64:ff9b::a00:1", "ffff::/16",
    )
)  # fmt: skip
ALL: Final[dict[Kind, tuple[Any, ...]]] = {
    "text": TEXTS, "int": INTS, "decimal": DECIMALS, "bool": (True, False), "instant": INSTANTS, "ip": IPS,
}  # fmt: skip
_LOOSE: Final = (None, 0, 5, 2**63 - 1, "", "abc", "5", "true", 1.5, b"abc")
_ODD: Final = (
    "order",
    "Group",
    "a b",
    'q"t',
    "it's",
    "50%",
    ":c",
    "a.b",
    "ÄÖ",
    "x\\y",
    "where",
    "%s",
)


class Values:
    """The values of one case: few of each kind, so that columns often hold the same."""

    def __init__(self, random: Random, limits: Limits) -> None:
        few = 3 + random.randrange(max(8, min(limits.rows, 600) // 10))
        texts = TEXTS + WITH_NUL * 2 * limits.nul
        made = ["".join(random.choices(texts, k=2)) for _ in range(few // 2)]
        self.of: dict[Kind, list[Any]] = {
            kind: random.sample(values, min(few, len(values))) for kind, values in ALL.items()
        }
        self.of["text"] = [*random.sample(texts, few), *made]


# ---- tables and rows --------------------------------------------------------------------


def _tables(random: Random, limits: Limits, ids: Kind) -> tuple[Table, ...]:
    odd = list(_ODD) if limits.odd_names and random.random() < 0.3 else []
    random.shuffle(odd)

    def name(plain: str) -> str:
        return odd.pop() if odd and random.random() < 0.5 else plain

    names = [name(plain) for plain in ("document", "folder", "tag")[: random.randint(1, 3)]]
    tables = []
    for table in names:
        of_kinds = [
            Field(name(f"{kind}_{number}"), kind, nullable=random.random() < 0.7)
            for kind in limits.kinds
            for number in range(random.randint(1, 2))
        ]
        pointers = tuple((f"to_{at}", other) for at, other in enumerate(names))
        loose = random.choice(("int", "text"))
        fields = [
            Field("key", "int", nullable=False), Field("id", ids, nullable=False), Field("parent", ids),
            *(Field(pointer, ids) for pointer, _ in pointers), *of_kinds,
            *([Field("loose", loose)] if limits.loose else []),
        ]  # fmt: skip
        tables.append(
            Table(table, tuple(fields), pointers=pointers, loose="loose" if limits.loose else "")
        )
    return tuple(tables)


def _ids(random: Random, kind: Kind, size: int, limits: Limits) -> list[Any]:
    if kind == "int":
        return random.sample([*INTS, *range(1000, 1000 + size)], size)
    texts = (TEXTS + WITH_NUL) if limits.nul else TEXTS
    return random.sample([*texts, *(f"id{at}" for at in range(size))], size)


def _rows(
    random: Random, tables: tuple[Table, ...], ids: Kind, values: Values, limits: Limits
) -> dict[str, Rows]:
    sizes = {table.name: random.randint(0, limits.others) for table in tables}
    sizes[tables[0].name] = limits.rows
    of_rows = {name: _ids(random, ids, size, limits) for name, size in sizes.items()}
    dangling = _ids(random, ids, 1, limits)
    rows: dict[str, Rows] = {}
    for table in tables:
        size, refers = sizes[table.name], {"parent": table.name, **dict(table.pointers)}
        columns: dict[str, Sequence[Any]] = {"key": range(size), "id": of_rows[table.name]}
        for column in table.fields[2:]:
            if column.name == table.loose:
                pool: Sequence[Any] = _LOOSE
            elif column.name in refers:  # few, so that there are long ways and cycles
                pool = of_rows[refers[column.name]][:5] + dangling
            elif column.kind == "ip":
                pool = [spelling for value in values.of["ip"] for spelling in _spellings(value)]
            else:
                pool = values.of[column.kind]
            nulls = (
                len(pool) / 4 if column.nullable and column.name != table.loose else 0
            )  # a fifth
            columns[column.name] = random.choices([*pool, None], [*[1] * len(pool), nulls], k=size)
        found = zip(*columns.values(), strict=True)
        rows[table.name] = [dict(zip(columns, row, strict=True)) for row in found]
    return rows


def _spellings(ip: Ip) -> list[str]:
    """Return how a column may hold an address or a network: one of IPv4 also as it is mapped to IPv6."""
    network, _, prefix = str(ip).partition("/")
    mapped = f"::ffff:{network}/{96 + int(prefix or 32)}"
    return [str(ip), str(ip) if ip.version == 6 else mapped]


# ---- predicates -------------------------------------------------------------------------


@frozen
class _Maker:
    """Makes predicates; *scope* has the tables of the aliases around, inner ones last."""

    random: Random
    limits: Limits
    tables: tuple[Table, ...]
    values: Values
    aliases: Iterator[str]

    def predicate(self, depth: int, scope: dict[str, Table]) -> Predicate:
        shapes: list[Callable[[int, dict[str, Table]], Predicate]] = [self._atom]
        if depth > 0:
            shapes += [self._not, self._both, self._either, self._exists]
            shapes += [self._ancestor] if self.limits.ancestors else []
        return self.random.choice(shapes)(depth - 1, scope)

    def _not(self, depth: int, scope: dict[str, Table]) -> Predicate:
        return negated(self.predicate(depth, scope))

    def _both(self, depth: int, scope: dict[str, Table]) -> Predicate:
        return both(self.predicate(depth, scope) for _ in range(self.random.randint(2, 3)))

    def _either(self, depth: int, scope: dict[str, Table]) -> Predicate:
        return either(self.predicate(depth, scope) for _ in range(self.random.randint(2, 3)))

    def _exists(self, depth: int, scope: dict[str, Table]) -> Predicate:
        table, alias = self.random.choice(self.tables), next(self.aliases)
        on = self._on(table, alias, scope)
        if self.random.random() < 0.3:
            column = self._column({alias: table})
            return HasMore(table.name, alias, on, column, self.random.choice((0, 1, 2, 3)))
        return exists(table.name, alias, on, self.predicate(depth, {**scope, alias: table}))

    def _on(
        self, table: Table, alias: str, scope: dict[str, Table]
    ) -> tuple[tuple[Column, Column], ...]:
        random, on = self.random, []
        for _ in range(random.choice((0, 1, 1, 1, 2))):
            outer = self._column(scope)
            mine = [one for one in table.fields if one.kind == outer.kind and one.name != "key"]
            named = [one for one in mine if one.name != table.loose]
            if named:
                chosen = random.choice(named)
                on.append((Column(alias, chosen.name, chosen.kind), outer))
        return tuple(on)

    def _ancestor(self, depth: int, scope: dict[str, Table]) -> Predicate:
        random = self.random
        around = random.choice(list(scope))
        column, name = random.choice(
            [("id", scope[around].name), ("parent", scope[around].name), *scope[around].pointers]
        )
        table, alias = next(one for one in self.tables if one.name == name), next(self.aliases)
        kind = table.fields[1].kind
        start, own, parent = (
            Column(of, its, kind)
            for of, its in ((around, column), (alias, "id"), (alias, "parent"))
        )
        outer = scope if self.limits.correlated_ancestors and random.random() < 0.5 else {}
        where = self.predicate(depth, {**outer, alias: table})
        most = random.choice((1, 2, 3, 1000))
        return Ancestor(table.name, alias, start, own, parent, where, most)

    def _column(
        self, scope: dict[str, Table], fits: Callable[[Field], bool] = lambda _: True
    ) -> Column:
        alias = self.random.choice(list(scope)[-2:])  # mostly of the innermost
        table = scope[alias]
        fields = [one for one in table.fields if one.name not in {"key", table.loose} and fits(one)]
        chosen = self.random.choice(fields)
        return Column(alias, chosen.name, chosen.kind)

    def _atom(self, _: int, scope: dict[str, Table]) -> Predicate:
        random = self.random
        atoms = [self._presence, self._one_of, self._compare, self._compare, self._compare_columns]
        if "text" in self.limits.kinds:
            atoms += [self._matches, self._is_longer]
        if "ip" in self.limits.kinds:
            atoms += [self._within]
        return random.choice(atoms)(scope)

    def _presence(self, scope: dict[str, Table]) -> Predicate:
        column = self._column(scope)
        loose = scope[column.alias].loose
        if loose and self.random.random() < 0.5:
            kind = next(one.kind for one in scope[column.alias].fields if one.name == loose)
            column = Column(column.alias, loose, kind)
        return self.random.choice((IsPresent, IsOfKind))(column)

    def _value(self, kind: Kind) -> Any:
        pool = self.values.of[kind] if self.random.random() < 0.9 else ALL[kind]
        return self.random.choice(pool)

    def _one_of(self, scope: dict[str, Table]) -> Predicate:
        column = self._column(scope)
        return one_of(column, {self._value(column.kind) for _ in range(self.random.randint(1, 4))})

    def _op(self, kind: Kind) -> Any:
        equal = ("==", "!=")
        return self.random.choice(
            equal if kind in {"text", "bool", "ip"} else (*equal, "<", "<=", ">", ">=")
        )

    def _compare(self, scope: dict[str, Table]) -> Predicate:
        column = self._column(scope)
        terms = [column, Parameter(self._value(column.kind), column.kind)]
        self.random.shuffle(terms)
        return Compare(self._op(column.kind), *terms)

    def _compare_columns(self, scope: dict[str, Table]) -> Predicate:
        column = self._column(scope)
        alias = self.random.choice(list(scope))
        others = [
            one
            for one in scope[alias].fields
            if one.kind == column.kind and one.name not in {"key", scope[alias].loose}
        ]
        if not others:
            return self._compare(scope)
        other = self.random.choice(others)
        return Compare(self._op(column.kind), column, Column(alias, other.name, other.kind))

    def _within(self, scope: dict[str, Table]) -> Predicate:
        inner = self._column(scope, _is_ip)
        known = Parameter(self._value("ip"), "ip")
        outer = self.random.choice((known, self._column(scope, _is_ip)))
        return self.random.choice((IsWithin(inner, outer), IsWithin(outer, inner)))

    def _is_longer(self, scope: dict[str, Table]) -> Predicate:
        return IsLonger(self._column(scope, _is_text), self.random.choice((0, 1, 2, 3, 5)))

    def _matches(self, scope: dict[str, Table]) -> Predicate:
        random = self.random
        column = self._column(scope, _is_text)
        text = self._value("text")
        cuts = sorted(random.choices(range(len(text) + 1), k=2 * random.choice((1, 1, 1, 2, 3))))
        kept = [0, *cuts, len(text)]  # each second stretch is left out
        pieces = [text[kept[at] : kept[at + 1]] for at in range(0, len(kept), 2)]
        if random.random() < 0.3:
            pieces[random.choice((0, -1))] = ""
        return Matches(column, tuple(pieces))


def _is_text(one: Field) -> bool:
    return one.kind == "text"


def _is_ip(one: Field) -> bool:
    return one.kind == "ip"


def cases(seed: int, limits: Limits) -> Iterator[Case]:
    """Give the tables and rows that *seed* gives, each time with another predicate."""
    random = Random(seed)
    values = Values(random, limits)
    ids: Kind = random.choice(("int", "text"))
    tables = _tables(random, limits, ids)
    rows = _rows(random, tables, ids, values, limits)
    aliases = (f"{random.choice(('t', 'T', 'row'))}_{number}" for number in count(1))
    maker = _Maker(random, limits, tables, values, aliases)
    while True:
        predicate = maker.predicate(limits.depth, {ROWS: tables[0]})
        if limits.rows * _comparisons(predicate, rows) <= limits.comparisons:
            yield Case(tables, rows, predicate, seed)


def case(seed: int, limits: Limits) -> Case:
    """Return the tables and rows that *seed* gives, with a predicate."""
    return next(cases(seed, limits))


_WAY: Final = 6
"""The rows on a way up are not many more."""


def _comparisons(predicate: Predicate, rows: dict[str, Rows]) -> int:
    """Return how many rows, about, are compared to tell whether *predicate* is true of one, where no index helps.

    A table without rows counts as one row: PostgreSQL may look for its rows last.
    """
    match predicate:
        case Not(operand):
            return _comparisons(operand, rows)
        case And(operands) | Or(operands):
            return sum(_comparisons(operand, rows) for operand in operands)
        case Exists(str(table), where=where):
            return max(1, len(rows[table])) * (1 + _comparisons(where, rows))
        case HasMore(str(table)):
            return len(rows[table])
        case Ancestor(str(table), where=where):
            return _WAY * (1 + len(rows[table]) + _comparisons(where, rows))
        case _:
            return 1


# ---- making a failure small -------------------------------------------------------------


def shrunk(failed: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a smaller case that fails as well: fewer rows, a part of the predicate."""
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(failed):
            if fails(smaller):
                failed, changed = smaller, True
                break
    return failed


def _smaller(of: Case) -> Iterator[Case]:
    for predicate in _parts(of.predicate):
        yield Case(of.tables, of.rows, predicate, of.seed)
    for name, rows in of.rows.items():
        size = len(rows)
        while size := size // 2:
            for at in range(0, len(rows), size):
                fewer = rows[:at] + rows[at + size :]
                yield Case(of.tables, {**of.rows, name: fewer}, of.predicate, of.seed)
        if len(rows) == 1:
            yield Case(of.tables, {**of.rows, name: []}, of.predicate, of.seed)


def _parts(predicate: Predicate) -> Iterator[Predicate]:
    """Give smaller predicates over the same aliases."""
    match predicate:
        case Not(operand):
            yield operand
            yield from map(negated, _parts(operand))
        case And(operands) | Or(operands):
            of = both if isinstance(predicate, And) else either
            yield from operands
            for at, operand in enumerate(operands):
                yield of(operands[:at] + operands[at + 1 :])
                for part in _parts(operand):
                    yield of((*operands[:at], part, *operands[at + 1 :]))
        case Exists(where=where) | Ancestor(where=where):
            yield from (
                replace(predicate, where=part) for part in [TRUE, *_parts(where)] if part != where
            )
