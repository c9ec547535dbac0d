"""Count the rules of the shipped sets that are asked of each database, by each printing of filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final

from msgspec.structs import replace

from policyengine.filters.django_printing import django_condition
from policyengine.filters.lowering import Lowering
from policyengine.filters.mapping import TableMapping
from policyengine.filters.predicates import Kind, NotPushable, Predicate
from policyengine.filters.row_paths import RowPaths, Unsayable
from policyengine.filters.sql_text import sql_text, tables_of
from policyengine.filters.sqlalchemy_types import ExactDecimal, Instant
from policyengine.filters.stored_columns import Dialect
from policyengine.model.valid_request import ValidRequest
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts
from policyengine.partial.residual import Residual
from tests.filters.django_models import connections, field_of, model_of
from tests.filters.generated_filters import Field
from tests.filters.mapped_worlds import mapping_of
from tests.strategies.partial import left_of
from tests.strategies.real_sets import loaded, requests

Print = Callable[[Predicate, str], object]
"""Prints a predicate of the rows of a table; raises `NotPushable`."""

_KINDS: Final[Mapping[str, Kind]] = {
    "Text": "text", "BigInteger": "int", "Boolean": "bool", ExactDecimal.__name__: "decimal",
    Instant.__name__: "instant",
}  # fmt: skip


def _sql(dialect: Dialect) -> Print:
    def printed(predicate: Predicate, rows: str) -> object:
        tables = tables_of(predicate, rows)
        return sql_text(predicate, tables[rows], tables, dialect)

    return printed


def _django(predicate: Predicate, rows: str) -> object:
    """Print for SQLite."""
    made = {}
    for name, table in tables_of(predicate, rows).items():
        fields = [Field(c.name, _KINDS[type(c.type).__name__]) for c in table.c]
        named = {f"f{at}": field_of(field, None) for at, field in enumerate(fields)}
        made[name] = model_of(name, {"key": field_of(Field("key", "int"), None), **named})
    query = made[rows].objects.filter(django_condition(predicate, made[rows], made)).query
    return query.get_compiler(connection=connections["default"]).as_sql()


PRINTINGS: Final[Mapping[str, Print]] = {
    "SQL of SQLite": _sql("sqlite"), "SQL of PostgreSQL": _sql("postgresql"), "SQL of DuckDB": _sql("duckdb"),
    "conditions of Django on SQLite": _django,
}  # fmt: skip
LOWERED: Final = "predicates"
SECURITY: Final = "row-level security"


def not_pushed(name: str, most: int) -> dict[str, dict[str, str]]:
    """Return by printing which rules are not pushed, and why, of as many requests of a set; a part of a rule is enough."""
    rng = Random(0)
    mapping = mapping_of(loaded(name).checked.schema, rng, 0, sets=["table"])
    found: dict[str, dict[str, str]] = {of: {} for of in (LOWERED, *PRINTINGS, SECURITY)}
    seen = set[tuple[str, str]]()
    for request in rng.sample(requests(name), min(most, len(requests(name)))):
        for rule, predicate in _lowered(_residual(name, request), mapping):
            if isinstance(predicate, str):
                for of in found.keys() - {SECURITY}:
                    found[of][rule] = predicate
            elif (rule, repr(predicate)) not in seen:
                seen.add((rule, repr(predicate)))  # which shows no values
                table = mapping.table_of(request.resource.type).table
                for of, printed in PRINTINGS.items():
                    try:
                        printed(predicate, table)
                    except NotPushable as problem:
                        found[of][rule] = problem.reason
        for rule, predicate in _lowered(_residual(name, request, who=False), mapping):
            if isinstance(predicate, str):
                found[SECURITY][rule] = predicate
    return found


def _residual(name: str, request: ValidRequest, *, who: bool = True) -> Residual:
    """Return what is left of a request without a resource, or without a subject and at no time."""
    subject = request.subject if who else None
    known = KnownParts(subject, None, request.context, entities=request.entities)
    left = left_of(loaded(name).checked, request, known)
    basis = left.basis if who else replace(left.basis, known=replace(left.basis.known, now=None))
    return replace(left, basis=basis)


def _lowered(left: Residual, mapping: TableMapping) -> Iterator[tuple[str, Predicate | str]]:
    """Give the predicates of rules of which something is left, or why there is none."""
    for one in left.basis.left:
        paths = RowPaths(mapping, left.target, 1_000)
        types = ExpressionTypes(mapping.schema, left.target)
        lowering = Lowering(paths, types, Evaluator(left.basis.known))
        try:
            yield one.rule.id, lowering.condition(one.condition)
        except Unsayable as problem:
            yield one.rule.id, str(problem)


def report(name: str, most: int) -> Iterator[str]:
    """Give a line for each printing of the rules of a set, and one for each rule that is not pushed."""
    rules = len(loaded(name).checked.rules)
    for printing, reasons in not_pushed(name, most).items():
        yield f"{name}: {rules - len(reasons)} of {rules} rules are pushed as {printing}"
        yield from (f"    {rule}: {reason}" for rule, reason in sorted(reasons.items()))
