"""Go from the row that is filtered to where a value is: along references, records, sets and ancestors.

What is found is given to a function *then*, which makes the predicate of it; this is put inside the
question whether the rows on the way exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from policyengine.compiler import ir
from policyengine.filters.mapping import (
    ClosureTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
    StoredParents,
    TableMapping,
    columns_of,
    part_of,
)
from policyengine.filters.predicates import (
    CLOCK,
    CONTEXT,
    ROWS,
    SUBJECT,
    TRUE,
    Column,
    IsPresent,
    Later,
    Part,
    Predicate,
    SetColumn,
    Source,
    ancestor,
    either,
    exists,
)
from policyengine.model.schedules import DAY
from policyengine.model.types import (
    DATETIME,
    EntityRefType,
    EntityType,
    RecordType,
    SetType,
    Type,
)


class Unsayable(Exception):  # noqa: N818 - it says what is so
    """Raised for what no predicate says; the text is the reason, *clause* what cannot be said, if that is known."""

    def __init__(self, reason: str, clause: str = "") -> None:
        self.clause = clause
        super().__init__(reason)


class Cell(Struct, frozen=True):
    """A column of some row, and what it holds."""

    column: Column
    stored: StoredColumn
    type: Type


class Owner(Struct, frozen=True):
    """An entity, which is a row, or a record in a row: where its parts are.

    *id*: the column with the id of the entity, or of that whose record it is; None of an element. *within*: the
    document of JSON that has the parts at its keys, if they are not in columns.
    """

    alias: str
    type: EntityType | RecordType
    parts: Mapping[str, Stored]
    path: str
    id: Column | None
    within: Column | None = None


class Elements(Struct, frozen=True):
    """The rows that are the elements of a set: of *table*, those that are equal in *on*."""

    stored: SetTable | SetInColumn
    table: Source
    alias: str
    on: tuple[tuple[Column, Column], ...]
    element: Cell | Owner


Rows: TypeAlias = Literal["resource", "subject"]
"""The part of a request that rows are."""

Then: TypeAlias = Callable[[Owner], Predicate]

_NO_COLUMN: Final = "it is computed of a column"


class RowPaths(Struct):
    """Finds columns and rows. *most*: ancestors of one entity. *bound*: what variables stand for.

    *parts*: by alias, the parts of requests that are in one row, in place of rows of tables. *rows*: whether those that
    are filtered are resources, or subjects.
    """

    mapping: TableMapping
    target: tuple[str, str, str]
    most: int
    bound: dict[str, Cell | Owner] = field(default_factory=dict)
    parts: dict[str, Owner] = field(default_factory=dict)
    aliases: int = 0
    rows: Rows = "resource"

    # ---- rows and cells -----------------------------------------------------------------

    def row(self, type_: str, alias: str = ROWS) -> Owner:
        """Return the row of an entity of that type, called *alias*."""
        if alias in self.parts:
            return self.parts[alias]
        table, of = self.mapping.table_of(type_), self.mapping.schema.entities[type_]
        return Owner(alias, of, table.attributes, type_, self._id(type_, alias))

    @property
    def row_type(self) -> str:
        """The entity type of the rows that are filtered."""
        return self.target[2 if self.rows == "resource" else 1]

    def entity(self, node: ir.Expr, then: Then) -> Predicate:
        """Go to the row of an entity."""
        match node:
            case ir.Root(name) if name == self.rows:
                return then(self.row(self.row_type))
            case ir.Root("subject"):  # which is not known, else its values are there
                return then(self.row(self.target[1], SUBJECT))
            case ir.Entity(type_, ir.Local(name)) if isinstance(self.bound.get(name), Owner):
                found = self.bound[name]
                assert isinstance(found, Owner)
                return then(found)
            case ir.Entity(type_, id_):
                return self.cell(id_, lambda cell: self.referred(type_, cell.column, then))
            case _:
                raise Unsayable(f"the {_word(node)} is not known")

    def referred(self, type_: str, reference: Column, then: Then) -> Predicate:
        """Go to the row whose id is in the column *reference*."""
        row = self.row(type_, self.fresh())
        assert row.id is not None
        return exists(
            self.mapping.table_of(type_).table, row.alias, ((row.id, reference),), then(row)
        )

    def owner(self, node: ir.Expr, then: Then) -> Predicate:
        """Go to the entity or the record that *node* stands for."""
        match node:
            case ir.Slot(of, name):
                return self.owner(of, lambda owner: then(self.record(owner, name)))
            case ir.Local(name) if isinstance(found := self.bound.get(name), Owner):
                return then(found)
            case ir.Root("context") if CONTEXT in self.parts:
                return then(self.parts[CONTEXT])
            case _:
                return self.entity(node, then)

    def record(self, owner: Owner, name: str) -> Owner:
        """Return a record that is a part of an entity or of a record."""
        stored, type_ = self.part(owner, name)
        if not isinstance(type_, RecordType):
            raise Unsayable(_NO_COLUMN)
        path = f"{owner.path}.{name}"
        if isinstance(stored, RecordInColumn):
            within = column_of(owner, stored)
            return Owner(owner.alias, type_, stored.parts, path, owner.id, within)
        assert isinstance(stored, Mapping)
        return Owner(owner.alias, type_, stored, path, owner.id)

    def part(
        self, owner: Owner, name: str
    ) -> tuple[StoredColumn | SetTable | SetInColumn | RecordInColumn | Mapping[str, Stored], Type]:
        """Return where a part of an entity or a record is, and its type."""
        return part_of(owner.parts, name, owner.path), owner.type.by_name[name].type

    def cell(self, node: ir.Expr, then: Callable[[Cell], Predicate]) -> Predicate:
        """Go to the column that *node* stands for."""
        match node:
            case ir.Local(name) if isinstance(found := self.bound.get(name), Cell):
                return then(found)
            case ir.Local(name) if isinstance(found := self.bound.get(name), Owner):
                return then(self._id_cell(found))
            case ir.Id(object_):
                return self.entity(object_, lambda row: then(self._id_cell(row)))
            case ir.Root("now"):
                return then(Cell(NOW, StoredColumn("now", kind="instant"), DATETIME))
            case ir.Slot(object_, name):
                return self.owner(object_, lambda owner: then(self._cell(owner, name)))
            case _:
                raise Unsayable(_NO_COLUMN)

    def _cell(self, owner: Owner, name: str) -> Cell:
        stored, type_ = self.part(owner, name)
        if not isinstance(stored, StoredColumn):
            raise Unsayable(_NO_COLUMN)
        return cell_in(owner, stored, type_)

    def _id_cell(self, row: Owner) -> Cell:
        if row.id is None or not isinstance(row.type, EntityType):
            raise Unsayable("records are compared part by part")
        return Cell(row.id, self.mapping.id_of(row.type.name), EntityRefType(row.type.name))

    def _id(self, type_: str, alias: str) -> Column:
        return cell_of(alias, self.mapping.id_of(type_), EntityRefType(type_)).column

    # ---- whether a value is there -------------------------------------------------------

    def present(self, slot: ir.Slot) -> Predicate:
        """Return the predicate that a slot holds something."""
        return self.owner(slot.object, lambda owner: self.has(owner, slot.name))

    def has(self, owner: Owner, name: str) -> Predicate:
        """Return the predicate that a part is there.

        A set in a table always is, and a record that must be; another record is if one of its columns is.
        """
        stored, _ = self.part(owner, name)
        match stored:
            case StoredColumn() | SetInColumn() | RecordInColumn():
                return IsPresent(column_of(owner, stored))
            case SetTable():
                return TRUE
            case _ if not owner.type.by_name[name].optional:
                return TRUE
            case _:
                return either(IsPresent(column_of(owner, one)) for one in columns_of(stored))

    # ---- sets ---------------------------------------------------------------------------

    def elements(self, owner: Owner, name: str) -> Elements:
        """Return the rows of the elements of a set."""
        stored, type_ = self.part(owner, name)
        assert isinstance(type_, SetType)
        alias = self.fresh()
        if isinstance(stored, SetInColumn):
            source = column_of(owner, stored)
            assert isinstance(source, SetColumn)
            one = self._element(alias, stored.element, type_.element, f"{owner.path}.{name}")
            return Elements(stored, source, alias, (), one)
        if not isinstance(stored, SetTable) or owner.id is None:
            raise Unsayable("this is no set in a table")
        on = ((Column(alias, stored.owner, owner.id.kind), owner.id),)
        element = self._element(alias, stored.element, type_.element, f"{owner.path}.{name}")
        return Elements(stored, stored.table, alias, on, element)

    @staticmethod
    def _element(alias: str, stored: Stored, type_: Type, path: str) -> Cell | Owner:
        """Return the element that is in a row."""
        if isinstance(stored, StoredColumn):
            return cell_of(alias, stored, type_)
        assert isinstance(type_, RecordType)
        if isinstance(stored, RecordInColumn):
            within = Column(alias, stored.name, "json")
            return Owner(alias, type_, stored.parts, path, None, within)
        assert isinstance(stored, Mapping)
        return Owner(alias, type_, stored, path, None)

    def some_element(
        self, slot: ir.Slot, body: Callable[[ir.Expr, Cell | Owner], Predicate]
    ) -> Predicate:
        """Return the predicate that some element of a set satisfies *body*, which gets it as a variable."""

        def some(owner: Owner) -> Predicate:
            found = self.elements(owner, slot.name)
            where = body(self.variable(found.element), found.element)
            return exists(found.table, found.alias, found.on, where)

        return self.owner(slot.object, some)

    def variable(self, value: Cell | Owner) -> ir.Local:
        """Return a new variable that stands for *value*."""
        name = f"#{len(self.bound)}"
        self.bound[name] = value
        return ir.Local(name)

    # ---- ancestors ----------------------------------------------------------------------

    def on_line(self, row: Owner, type_: str, then: Then) -> Predicate:
        """Return the predicate that an entity, or one that it lies within, is of that type and satisfies *then*."""
        itself = [then(row)] if self.type_of(row) == type_ else []
        return either([*itself, *self._above(row, type_, then, frozenset())])

    def _above(
        self, row: Owner, type_: str, then: Then, passed: frozenset[str]
    ) -> Iterator[Predicate]:
        """Give a predicate for each type of parents: that there is such an ancestor on that way.

        *passed*: the types of ancestors that the way has gone through, each with all above it of its own type.
        """
        assert isinstance(row.type, EntityType)
        for parent in row.type.parents:
            if type_ != parent and type_ not in self._types_above(parent):
                continue
            if parent in passed:
                if parent == row.type.name:
                    continue
                raise Unsayable(f"a {parent} may lie within another by way of a {row.type.name}")

            def asked(above: Owner, parent: str = parent) -> Predicate:
                itself = [then(above)] if parent == type_ else []
                return either([*itself, *self._above(above, type_, then, passed | {parent})])

            yield self.parents(row, parent, asked)

    def parents(self, row: Owner, parent: str, then: Then) -> Predicate:
        """Return the predicate that an ancestor satisfies *then*: a parent of that type, or one above it of the same type."""
        assert row.id is not None
        stored = self.stored_parents(row, parent)
        start_kind = self._id(parent, "").kind
        match stored:
            case str():
                return self._from(parent, Column(row.alias, stored, start_kind), then)
            case ParentTable(table, child, above):
                alias = self.fresh()
                on = ((Column(alias, child, row.id.kind), row.id),)
                return exists(
                    table, alias, on, self._from(parent, Column(alias, above, start_kind), then)
                )
            case ClosureTable(table, below, above):
                alias = self.fresh()
                on = ((Column(alias, below, row.id.kind), row.id),)
                return exists(
                    table,
                    alias,
                    on,
                    self.referred(parent, Column(alias, above, start_kind), then),
                )

    def _from(self, type_: str, start: Column, then: Then) -> Predicate:
        """Return the predicate that the row with the id *start*, or one above it of its type, satisfies *then*."""
        of = self.mapping.schema.entities[type_]
        if type_ not in of.parents:
            return self.referred(type_, start, then)
        row = self.row(type_, self.fresh())
        assert row.id is not None
        match self.stored_parents(row, type_):
            case str(name):
                parent = Column(row.alias, name, row.id.kind)
                table = self.mapping.table_of(type_).table
                return ancestor(table, row.alias, start, row.id, parent, then(row), self.most)
            case ClosureTable():
                return self.referred(
                    type_,
                    start,
                    lambda one: either([then(one), self.parents(one, type_, then)]),
                )
            case ParentTable():
                raise Unsayable(
                    f"a table of parents says of one {type_} what is above it, not of all: add a closure table"
                )

    def stored_parents(self, row: Owner, parent: str) -> StoredParents:
        """Return where the parents of a type are; raises `IncompleteMapping`."""
        return self.mapping.parents_of(self.type_of(row), parent)

    def _types_above(self, type_: str) -> set[str]:
        """Return the types of which an ancestor of an entity of that type may be."""
        found: set[str] = set()
        waiting = [type_]
        while waiting:
            for parent in self.mapping.schema.entities[waiting.pop()].parents:
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found

    @staticmethod
    def type_of(row: Owner) -> str:
        """Return the name of the type of an entity."""
        assert isinstance(row.type, EntityType)
        return row.type.name

    def fresh(self) -> str:
        """Return a new alias."""
        self.aliases += 1
        return f"r{self.aliases}"


def cell_of(alias: str, stored: StoredColumn, type_: Type) -> Cell:
    """Return the cell of a row."""
    assert stored.kind is not None
    return Cell(Column(alias, stored.name, stored.kind), stored, type_)


def cell_in(owner: Owner, stored: StoredColumn, type_: Type) -> Cell:
    """Return the cell of a part of an entity or of a record."""
    return Cell(column_of(owner, stored), stored, type_)


def column_of(owner: Owner, stored: StoredColumn | SetInColumn | RecordInColumn) -> Column:
    """Return the column, or the place in a document of JSON, where a part of an entity or of a record is."""
    kind = "json" if isinstance(stored, RecordInColumn) else stored.kind
    assert kind is not None
    alias, within = owner.alias, owner.within
    if within is None:
        if isinstance(stored, SetInColumn):
            return SetColumn(alias, stored.name, kind, stored.json)
        return Column(alias, stored.name, kind)
    if kind not in _IN_JSON:
        raise Unsayable(
            f"JSON has no values of the kind {kind}: map the record to a column for each part",
            f"{owner.path}.{stored.name}",
        )
    keys = within.path if isinstance(within, Part) else ()
    if isinstance(stored, SetInColumn):
        return SetColumn(alias, within.name, kind, json=True, path=(*keys, stored.name))
    return Part(alias, within.name, kind, (*keys, stored.name))


_IN_JSON: Final = ("text", "int", "bool", "json")


NOW: Final = Column(CLOCK, "now", "instant")


def later(column: Column, months: tuple[int, ...], microseconds: int) -> Column:
    """Return the moment so much later than that of a column."""
    if not months and not microseconds:
        return column
    if sum(map(abs, months)) > _MOST_MONTHS or abs(microseconds) > _MOST_MICROSECONDS:
        raise Unsayable("databases do not know times that are thousands of years away")
    return Later(column.alias, column.name, column.kind, months, microseconds)


_MOST_MONTHS: Final = 2_000 * 12
_MOST_MICROSECONDS: Final = 2_000 * 366 * DAY


def _word(node: ir.Expr) -> str:
    return node.name if isinstance(node, ir.Root) else "entity"
