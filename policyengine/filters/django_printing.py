"""Print a predicate as a condition of Django, which `Model.objects.filter(…)` takes, for SQLite and PostgreSQL.

Atoms and junctions are printed plainly, so that a database may use its indexes. An atom on a NULL column is
unknown there, so that the row is not returned, which is what false does; and so is a junction of such atoms.
A negation is pushed inwards to atoms, of which it asks whether they are not true.

Django's own lookups compare text as the collation of the column does, and on SQLite without case. So each atom
has SQL of its own for each database (`filters/atom_templates.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, Final, TypeAlias, assert_never

try:
    from django.conf import settings
    from django.db import models
    from django.db.models import F, Func, OuterRef, Q, QuerySet, Value
except ImportError:
    raise ImportError("filters for Django need it: install `policyengine-dsl[django]`") from None

from policyengine.filters import atom_templates as templates
from policyengine.filters.atom_templates import Vendor
from policyengine.filters.predicates import (
    ROWS,
    Ancestor,
    And,
    Column,
    Compare,
    Constant,
    Exists,
    HasMore,
    IsLonger,
    IsOfKind,
    IsPresent,
    IsWithin,
    Kind,
    Matches,
    Not,
    NotPushable,
    OneOf,
    Or,
    Parameter,
    Predicate,
    Source,
    Term,
    both,
    either,
    negated,
    refuse_parts,
    walk,
)

Model: TypeAlias = type[Any]
"""A model of Django, which has no types."""

_FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "text": ("CharField", "TextField", "SlugField"),
    "int": (
        "AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField",
        "PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField",
    ),
    "decimal": ("DecimalField",),
    "bool": ("BooleanField",),
    "instant": ("DateTimeField",),
}  # fmt: skip
"""The fields that hold a kind, as their `get_internal_type` calls them."""

_BOUND: Final[Mapping[Kind, Any]] = {
    "text": models.TextField(),
    "int": models.BigIntegerField(),
    "decimal": models.DecimalField(max_digits=18, decimal_places=4),
    "bool": models.BooleanField(),
    "instant": models.DateTimeField(),
}
"""The fields by which values of a kind are bound."""


_DIGITS: Final = 11
"""How many digits a decimal may have before the point for 15 in all, which floats tell apart."""

_UTC: Final = (
    "it writes moments in a local time, where a change of the clock repeats an hour: `USE_TZ` must be set, and"
    " the `TIME_ZONE` of the database not be"
)
_NARROW: Final = f"it keeps decimals as floats: they may have {_DIGITS} digits before the point"


def django_condition(predicate: Predicate, rows: Model, tables: Mapping[str, Model]) -> Any:
    """Return the `Q` that selects the rows of *rows* of which *predicate* is true.

    *tables*: the models of other tables, by the names that the predicate gives them. Columns are called as in
    the database. `NotPushable` is raised for what cannot be said exactly: here, or by the query that uses the
    condition where that depends on its database.
    """
    refuse_parts(predicate, "Django")
    return Q(_Printer(tables, ((ROWS, rows),)).condition(predicate))


class _Printer:
    """What prints conditions on a row, around which there are rows outside."""

    def __init__(self, tables: Mapping[str, Model], scopes: tuple[tuple[str, Model], ...]) -> None:
        self._tables = tables
        self._scopes = scopes  # aliases and their models, inner ones first

    def condition(self, predicate: Predicate) -> Any:
        match predicate:
            case Constant(value):
                return Value(value, models.BooleanField())
            case Not(And(operands)):
                return self.condition(either(map(negated, operands)))
            case Not(Or(operands)):
                return self.condition(both(map(negated, operands)))
            case Not(operand):
                return ~self.condition(operand)
            case And(operands):
                return Q(*map(self.condition, operands))
            case Or(operands):
                return Q(*map(self.condition, operands), _connector=Q.OR)
            case Exists(table, alias, on, where):
                inner = self.inside(table, alias)
                return inner.some(both([*(Compare("==", *pair) for pair in on), where]))
            case HasMore(table, alias, on, column):
                inner = self.inside(table, alias)
                said = _each(lambda of: templates.has_more(of, inner.table, predicate))
                terms = [self.term(outer) for _, outer in on]
                return _Atom(said, *terms, needs=inner.needs(column, *(own for own, _ in on)))
            case Ancestor(table, alias, start, id, parent, where):
                inner = self.inside(table, alias)
                said = _each(lambda of: templates.on_the_way(of, inner.table, predicate))
                terms = [inner.term(id), inner.term(start)]
                return inner.some(where, _Atom(said, *terms, needs=inner.needs(id, parent)))
            case IsPresent(column):
                return _Atom(_each(lambda _: templates.PRESENT), self.term(column))
            case IsOfKind(column):
                said = _each(lambda of: templates.OF_KIND[of][column.kind])
                return _Atom(said, self.term(column), needs=self.needs(column))
            case Compare(op, left, right):
                said = _each(lambda of: templates.comparison(of, op, left, right))
                terms = [self.term(left), self.term(right)]
                return _Atom(said, *terms, needs=self.needs(left, right))
            case OneOf(column, values):
                said = _each(lambda of: templates.membership(of, column.kind, values))
                terms = [self.term(Parameter(value, column.kind)) for value in values]
                return _Atom(said, self.term(column), *terms, needs=self.needs(column))
            case Matches(column, pieces):
                said = _each(lambda of: templates.match(of, pieces))
                bound = templates.bound_by_match(pieces)
                terms = [self.term(Parameter(text, "text")) for text in bound]
                return _Atom(said, self.term(column), *terms)
            case IsLonger(column, most):
                return _Atom(_each(lambda of: templates.longer(of, most)), self.term(column))
            case IsWithin():
                raise NotPushable("within", (), "Django", "it is not asked for addresses")
            case _:
                assert_never(predicate)

    @property
    def table(self) -> str:
        """The table of the row, in the database."""
        return str(self._scopes[0][1]._meta.db_table)

    def inside(self, table: Source, alias: str) -> _Printer:
        """Return what prints conditions on a row of *table*, with the rows here around it."""
        assert isinstance(table, str), "sets in columns are refused"
        if table not in self._tables:
            raise NotPushable(table, (), "Django", "there is no model for this table")
        return _Printer(self._tables, ((alias, self._tables[table]), *self._scopes))

    def some(self, where: Predicate, *conditions: Any) -> Any:
        """Return the condition that some row here satisfies *where* and *conditions*."""
        rows = QuerySet(self._scopes[0][1])
        # Django calls a table that no condition here speaks of as one outside: it would hide that.
        rows.query.get_initial_alias()
        # SQLite's parser has a stack of 100. One by one, they are in fewer parentheses; and while the last of
        # them is parsed, the others are on it. Databases choose the order in which they ask.
        operands = where.operands if isinstance(where, And) else (where,)
        for operand in sorted(operands, key=_is_plain):
            rows = rows.filter(self.condition(operand))
        for condition in conditions:
            rows = rows.filter(condition)
        return models.Exists(rows)

    def term(self, term: Term) -> Any:
        if isinstance(term, Parameter):
            return Value(term.value, _BOUND[term.kind])
        depth, named = self.depth(term), self.field(term).attname
        for _ in range(depth):
            named = OuterRef(named)
        return named if depth else F(named)

    def depth(self, column: Column) -> int:
        """Return how far outside the row of a column is."""
        return next(at for at, (alias, _) in enumerate(self._scopes) if alias == column.alias)

    def field(self, column: Column) -> Any:
        """Return the field of a column, which holds values of its kind."""
        model = self._scopes[self.depth(column)][1]
        named = f"{model._meta.db_table}.{column.name}"
        found = [field for field in model._meta.concrete_fields if field.column == column.name]
        if not found:
            reason = f"the model {model.__name__} has no field for this column"
            raise NotPushable(named, (), "Django", reason)
        if {'"', "%"} & {*model._meta.db_table, *column.name}:
            raise NotPushable(named, (), "Django", 'it does not quote `"` and `%` in names')
        held = _held(found[0])
        if held.get_internal_type() not in _FIELDS[column.kind] or _changes_values(held):
            reason = (
                f"{type(held).__name__} is none of its fields for values of the kind {column.kind}"
            )
            raise NotPushable(named, (), "Django", reason)
        return found[0]

    def needs(self, *terms: Term) -> frozenset[str]:
        """Return what SQLite must have for conditions on *terms* to be exact."""
        fields = [_held(self.field(term)) for term in terms if isinstance(term, Column)]
        wide = any(
            field.get_internal_type() == "DecimalField" and not _is_narrow(field)
            for field in fields
        )
        return frozenset([_UTC] * any(term.kind == "instant" for term in terms) + [_NARROW] * wide)


def _is_plain(predicate: Predicate) -> bool:
    return not any(isinstance(node, Exists | Ancestor) for node in walk(predicate))


def _held(field: Any) -> Any:
    """Return the field that says what a column holds, which of a foreign key is that of the other table."""
    while field.is_relation:
        field = field.target_field
    return field


def _changes_values(field: Any) -> bool:
    """Return whether a field, which may be of an application, gives values otherwise than the database has them."""
    changed = (getattr(type(field), name) for name in ("get_db_converters", "select_format"))
    is_said_otherwise = any(not one.__module__.startswith("django.") for one in changed)
    return is_said_otherwise or hasattr(field, "from_db_value")


def _is_narrow(field: Any) -> bool:
    return field.max_digits is not None and field.max_digits - field.decimal_places <= _DIGITS


def _each(say: Callable[[Vendor], str]) -> tuple[str, str]:
    """Return a template for each database."""
    return say("sqlite"), say("postgresql")


class _Atom(Func):  # type: ignore[misc]  # Django has no types
    """An atom, in the words of the database that the query is for.

    *said*: a template for SQLite and one for PostgreSQL, which call *terms* by their numbers. *needs*: what
    SQLite must have, or say why it has not. The negation of an atom is exact.
    """

    output_field = models.BooleanField()

    def __init__(
        self,
        said: tuple[str, str],
        *terms: Any,
        needs: frozenset[str] = frozenset(),
        is_negated: bool = False,
    ) -> None:
        super().__init__(*terms)
        self._said, self._needs, self._is_negated = said, needs, is_negated

    def __invert__(self) -> _Atom:
        terms = self.get_source_expressions()
        return _Atom(self._said, *terms, needs=self._needs, is_negated=not self._is_negated)

    def as_sql(self, _: Any, connection: Any, **_context: Any) -> Any:
        target = f"Django on {connection.vendor}"
        raise NotPushable("a filter", (), target, "filters are printed for SQLite and PostgreSQL")

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, list[Any]]:
        has_utc = settings.USE_TZ and connection.timezone_name == "UTC"
        for reason in self._needs - ({_UTC} if has_utc else set()):
            raise NotPushable("a filter", (), "Django on SQLite", reason)
        return self._compiled(self._said[0], compiler)

    def as_postgresql(self, compiler: Any, _: Any, **_context: Any) -> tuple[str, list[Any]]:
        return self._compiled(self._said[1], compiler)

    def _compiled(self, template: str, compiler: Any) -> tuple[str, list[Any]]:
        parts: list[str] = []
        params: list[Any] = []
        for text, number, _, _ in Formatter().parse(template):
            parts.append(text)
            if number is not None:
                term, bound = compiler.compile(self.get_source_expressions()[int(number)])
                parts.append(term)
                params += bound
        said = "".join(parts)
        return f"({said}) IS NOT TRUE" if self._is_negated else f"({said})", params
