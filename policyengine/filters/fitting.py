"""Say which rows fit, as requests are validated: of the others nothing is decided, and none is returned.

A row is read as a request gives an entity: what rules may read must be there and of its type, within the
limits of requests; what they may follow must lead somewhere, and to rows that fit as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from msgspec import Struct, field

from policyengine.filters.mapping import (
    ClosureTable,
    EntityTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    StoredColumn,
)
from policyengine.filters.predicates import (
    TRUE,
    Column,
    Compare,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    Kind,
    Parameter,
    Predicate,
    SetColumn,
    ancestor,
    both,
    either,
    exists,
    negated,
    one_of,
)
from policyengine.filters.row_paths import Cell, Owner, RowPaths, Unsayable, cell_in, cell_of
from policyengine.model.limits import DIGITS, Limits
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
)
from policyengine.model.values import MOST_MONTHS

_BOUNDS: Final = {"int": 10**DIGITS - 1, "duration": 10**DIGITS - 1, "months": MOST_MONTHS}


class Fitting(Struct, frozen=True):
    """Makes the predicate that rows fit; raises `Unsayable`, `IncompleteMapping`.

    *split*: whether what no predicate says is left out, and is in *left_out*. *trusts*: whether what the
    database sees to is not asked.
    """

    paths: RowPaths
    limits: Limits
    split: bool
    trusts: bool = True
    left_out: list[str] = field(default_factory=list)

    def row(self, row: Owner, needs: Needs) -> Predicate:
        """Return the predicate that an entity has an id, and what is read of it."""
        return both([self._id(row), self._has(row, needs)])

    def _id(self, row: Owner) -> Predicate:
        type_ = self.paths.type_of(row)
        stored = self.paths.mapping.id_of(type_)
        return self._value(cell_of(row.alias, stored, EntityRefType(type_)), NOTHING)

    def _has(self, row: Owner, needs: Needs) -> Predicate:
        """Return the predicate that an entity has what is read of it."""
        parts = [self.parts(row, needs)]
        assert isinstance(row.type, EntityType)
        within = f"{row.type.name} in {', '.join(row.type.parents)}"
        if needs.line:
            parts.append(self._said(within, lambda: self._ways(row, needs.above)))
        for type_, part in needs.above.items():
            above = partial(self._all_above, row, type_, part)
            parts.append(self._said(within, above))
        return both(parts)

    def _said(self, clause: str, make: Callable[[], Predicate]) -> Predicate:
        """Return what is made, or nothing if no predicate says it and it may be left out."""
        try:
            return make()
        except Unsayable as problem:
            if not self.split:
                raise Unsayable(str(problem), problem.clause or clause) from None
            self.left_out.append(clause)
            return TRUE

    def _all_above(self, row: Owner, type_: str, needs: Needs) -> Predicate:
        return negated(
            self.paths.on_line(row, type_, lambda above: negated(self.row(above, needs)))
        )

    def parts(self, owner: Owner, needs: Needs) -> Predicate:
        """Return the predicate that an entity or a record has the attributes that are read."""
        return both(
            self._attribute(owner, owner.type.by_name[name], part)
            for name, part in needs.attributes.items()
        )

    def _attribute(self, owner: Owner, attribute: Attribute, needs: Needs) -> Predicate:
        clause = f"{owner.path}.{attribute.name}"
        fits = self._said(clause, lambda: self._stored(owner, attribute, needs))
        stored, _ = self.paths.part(owner, attribute.name)
        if fits == TRUE or not attribute.optional or isinstance(stored, SetTable):
            return fits
        return either([negated(self.paths.has(owner, attribute.name)), fits])

    def _stored(self, owner: Owner, attribute: Attribute, needs: Needs) -> Predicate:
        stored, type_ = self.paths.part(owner, attribute.name)
        if isinstance(stored, StoredColumn):
            return self._value(cell_in(owner, stored, type_), needs)
        if isinstance(type_, SetType):
            return self._set(owner, attribute.name, needs.elements or NOTHING)
        assert isinstance(type_, RecordType)
        return self._record(self.paths.record(owner, attribute.name), stored, needs)

    def _record(self, record: Owner, stored: object, needs: Needs) -> Predicate:
        """Return the predicate that a record is one, and has what is read of it."""
        trusted = not isinstance(stored, RecordInColumn) or self._is_trusted(stored)
        is_record = TRUE if trusted or record.within is None else IsOfKind(record.within)
        return both([is_record, self.parts(record, needs)])

    def _set(self, owner: Owner, name: str, needs: Needs) -> Predicate:
        found = self.paths.elements(owner, name)
        if isinstance(found.element, Cell):
            fits = self._value(found.element, needs)
            again = self.paths.elements(owner, name)
            assert isinstance(again.element, Cell)
            few = negated(
                HasMore(
                    again.table, again.alias, again.on, again.element.column, self.limits.set_size
                )
            )
        else:
            # An element is given as a whole, so that no two become one.
            assert isinstance(found.element.type, RecordType)
            every = whole_of(found.element.type) | needs
            few, fits = TRUE, self._record(found.element, found.stored.element, every)
        if isinstance(found.table, SetColumn):
            few = both([IsOfKind(found.table), few])
        if self._is_trusted(found.stored):
            few = TRUE
        misfit = exists(found.table, found.alias, found.on, negated(fits))
        return both([few, negated(misfit)])

    def _value(self, cell: Cell, needs: Needs) -> Predicate:
        """Return the predicate that a value is there, of its type, and leads to what is read of it."""
        column, stored = cell.column, cell.stored
        there: Predicate = TRUE
        if isinstance(cell.type, EntityRefType) and needs:
            there = self.paths.referred(cell.type.name, column, lambda row: self._has(row, needs))
        if self._is_trusted(stored):
            return TRUE if _only_exists(there) else there
        match cell.type:
            case EnumType() | LevelsType() | TaxonomyType():
                return both([IsOfKind(column), one_of(column, (stored.names or {}).values())])
            case Primitive("path" | "ip") if column.kind == "text" and not stored.checked:
                raise Unsayable(
                    f"no filter checks whether a text is a value of the type {cell.type}; a column whose database does says `checked=True`"
                )
            case Primitive("int" | "duration" | "months" as name):
                return both([IsOfKind(column), *_within(column, _BOUNDS[name])])
            case _:
                return both([self._text(cell), there])

    def _is_trusted(
        self, stored: StoredColumn | SetTable | SetInColumn | RecordInColumn | EntityTable
    ) -> bool:
        return self.trusts and stored.checked

    def _text(self, cell: Cell) -> Predicate:
        column, most = cell.column, self.limits.string_size
        unsaid = most if isinstance(cell.type, EntityRefType) else most + 1
        if column.kind != "text" or (cell.stored.longest or unsaid) <= most:
            return IsOfKind(column)
        return both([IsOfKind(column), negated(IsLonger(column, most))])

    # ---- ancestors ----------------------------------------------------------------------

    def _ways(
        self, row: Owner, above: Collection[str] = (), passed: frozenset[str] = frozenset()
    ) -> Predicate:
        """Return the predicate that all ancestors are known: every way leads to the top, and none is too long.

        Of the types *above* there may be fewer. *passed* as in `RowPaths`.
        """
        assert isinstance(row.type, EntityType)
        name = row.type.name
        if self._is_trusted(self.paths.mapping.table_of(name)):
            return TRUE
        return both(
            self._way(row, parent, self._most(name, parent, above), passed)
            for parent in row.type.parents
            if not (parent == name and parent in passed)
        )

    def _most(self, type_: str, parent: str, above: Collection[str]) -> int:
        """Return how many ancestors an entity may have on the way that begins with a parent of a type."""
        if parent not in above:
            return self.limits.ancestors
        return min(self.limits.ancestors, self.limits.ancestors_of_type - (type_ == parent))

    def _way(self, row: Owner, parent: str, most: int, passed: frozenset[str]) -> Predicate:
        """Return the predicate that the parents of a type, if there are any, are known, and all above them."""
        if parent in passed:
            raise Unsayable(f"a {parent} may lie within another by way of other types")
        assert row.id is not None
        passed |= {parent}
        kind = self.paths.mapping.id_of(parent).kind or "text"
        alias = self.paths.fresh()
        match self.paths.stored_parents(row, parent):
            case str(name):
                start = Column(row.alias, name, kind)
                return either([negated(IsPresent(start)), self._from(parent, start, most, passed)])
            case ParentTable(table, child, above):
                start = Column(alias, above, kind)
                known = self._from(parent, start, most, passed)
            case ClosureTable(table, child, above):
                start = Column(alias, above, kind)
                known = self.paths.referred(parent, start, lambda one: self._is_known(one, passed))
        on = ((Column(alias, child, row.id.kind), row.id),)
        few = self._no_more(table, child, above, row.id, kind, most)
        return both([few, negated(exists(table, alias, on, negated(known)))])

    def _is_known(self, row: Owner, passed: frozenset[str]) -> Predicate:
        """Return the predicate that an ancestor has an id, and that those above it are known."""
        return both([self._id(row), self._ways(row, (), passed)])

    def _no_more(
        self, table: str, owner: str, value: str, id_: Column, kind: Kind, most: int
    ) -> Predicate:
        alias = self.paths.fresh()
        on = ((Column(alias, owner, id_.kind), id_),)
        return negated(HasMore(table, alias, on, Column(alias, value, kind), most))

    def _from(self, type_: str, start: Column, most: int, passed: frozenset[str]) -> Predicate:
        """Return the predicate that there is a row with the id *start*, and all above it are known."""
        of = self.paths.mapping.schema.entities[type_]
        table = self.paths.mapping.table_of(type_).table
        row = self.paths.row(type_, self.paths.fresh())
        assert row.id is not None
        if type_ not in of.parents:
            return self.paths.referred(type_, start, lambda one: self._is_known(one, passed))
        match self.paths.stored_parents(row, type_):
            case str(name):
                parent = Column(row.alias, name, row.id.kind)
                top = ancestor(
                    table, row.alias, start, row.id, parent, negated(IsPresent(parent)), most
                )
                other = self.paths.row(type_, self.paths.fresh())
                assert other.id is not None
                parent = Column(other.alias, name, other.id.kind)
                unknown = negated(self._is_known(other, passed))
                lost = ancestor(table, other.alias, start, other.id, parent, unknown, most)
                return both([top, negated(lost)])
            case ClosureTable():
                return self.paths.referred(
                    type_, start, lambda one: self._is_known(one, passed - {type_})
                )
            case ParentTable():
                raise Unsayable(
                    f"a table of parents says of one {type_} what is above it, not of all: add a closure table"
                )


def _only_exists(there: Predicate) -> bool:
    """Whether nothing is asked of the row that a reference leads to."""
    return there == TRUE or (isinstance(there, Exists) and there.where == TRUE)


def _within(column: Column, most: int) -> tuple[Predicate, Predicate]:
    return (
        Compare(">=", column, Parameter(-most, "int")),
        Compare("<=", column, Parameter(most, "int")),
    )
