"""Fetch the rows of a filter that leaves something to decide in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

try:
    from sqlalchemy import ColumnElement, inspect, select
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.orm import Session

from policyengine.filters.row_filter import Filter
from policyengine.filters.row_requests import RowReader
from policyengine.filters.sqlalchemy_printing import condition
from policyengine.filters.stored_rows import StoredRows, kinds_of
from policyengine.model.entities import Entity, Key
from policyengine.model.errors import InvalidRequest
from policyengine.model.needs import NOTHING
from policyengine.model.values import to_datetime

_T = TypeVar("_T")
_LACKING: Final = {"PE507", "PE508", "PE509", "PE510", "PE529"}
"""What is the matter with requests of which something is not given, or is given twice."""


def fetch(
    session: Session,
    made: Filter,
    entity: type[_T],
    *where: ColumnElement[bool],
    order_by: Iterable[Any] = (),
    options: Iterable[Any] = (),
    batch: int = 500,
) -> Iterator[_T]:
    """Give the objects of a mapped class whose rows a filter allows, as they come from the database.

    The database selects the rows of the predicate; of what the filter leaves, each is decided in Python, as it is
    stored. *where*, *order_by*, *options*: of the statement. *batch*: how many rows are held at once. Raises
    `InvalidRequest` where an entity that was given with the subject lacks what rules read of a row.
    """
    mapper = inspect(entity)
    if getattr(mapper.local_table, "key", None) != made.table:
        raise ValueError(f"the filter is of `{made.table}`, and not of `{entity.__name__}`")
    metadata = mapper.local_table.metadata
    connection = session.connection(bind_arguments={"mapper": mapper})
    dialect: Any = connection.dialect.name
    stored = StoredRows(connection, metadata.tables, kinds_of(made.maker.mapping))
    statement = (
        select(entity, *(stored.columns(made.table) if made.remaining is not None else ()))
        .where(condition(made.predicate, entity, metadata, dialect), *where)
        .order_by(*order_by)
        .options(*options)
        .execution_options(yield_per=batch)
    )
    for some in session.execute(statement).partitions():
        decided = Decided(made, StoredRows(connection, stored.tables, stored.kinds))
        yield from (one for one, *values in some if decided.allows(values))


def _is_known(key: Key, entities: Mapping[Key, Entity]) -> bool:
    """Whether an entity is known, also if a store behind *entities* has it."""
    try:
        entities[key]
    except KeyError:
        return False
    return True


class Decided:
    """Decides about rows as they are stored."""

    def __init__(self, made: Filter, stored: StoredRows) -> None:
        self._made, self._stored = made, stored

    def allows(self, values: list[Any]) -> bool:
        """Return whether a row with these values is allowed; one that does not fit is not."""
        left = self._made.remaining
        if left is None:
            return True
        known = left.basis.known
        assert known.now is not None
        paths = self._made.maker.lowering.paths
        needs = NOTHING
        for rule in left.basis.rules:
            needs |= NOTHING if rule.advisory else getattr(rule.needs, paths.rows)
        reader = RowReader(self._made.maker.mapping, self._stored.find)
        key = reader.read(paths.row_type, self._stored.row(self._made.table, values), needs)
        found = reader.entities()
        given = {one.key_ for one in (known.subject, known.resource) if one is not None}
        given |= {its for its in found if _is_known(its, known.entities)}
        others = [one for its, one in found.items() if its != key and its not in given]
        now = to_datetime(known.now)
        try:
            asked: Any = {paths.rows: found[key]}
            return left.decide(**asked, entities=others, now=now).allowed
        except InvalidRequest as problem:
            lacks = any(one.code in _LACKING for one in problem.problems)
            if self._made.maker.fits_exactly or (lacks and not given.isdisjoint(found)):
                raise  # since it may be what was given that lacks something
            return False
