"""Answer reverse questions from a database: which of its entities a subject may act on, which may act on a resource.

The filter of what is left to decide selects rows in the order of their ids, and Python decides about what no database
says. A page ends after an entity that is allowed, whose id is the place where the next begins, or with the last row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol

try:
    from sqlalchemy import ColumnElement, Connection, MetaData, literal, select
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.orm import Session

from policyengine.filters.fetching import Decided
from policyengine.filters.mapping import TableMapping
from policyengine.filters.row_filter import Filter, make_filter, make_subject_filter
from policyengine.filters.sqlalchemy_printing import by_name, condition, selectable
from policyengine.filters.stored_columns import exact, stored
from policyengine.filters.stored_rows import StoredRows, kinds_of
from policyengine.partial.residual import Residual
from policyengine.reverse.page import Page, no_token, place_of, question_digest, token_of

MOST_ITEMS: Final = 10_000
"""The entities that one page may have."""

_BEYOND: Final = 1 << 63
"""The first whole number that no column holds."""

_BATCH: Final = 500
"""The rows that are selected and held at once."""


class Engine(Protocol):
    """A policy set, as `PolicyEngine` has it loaded."""

    @property
    def digest(self) -> str:
        """The name of the set."""

    @property
    def partial(self) -> Callable[..., Residual]:
        """What says what is left to decide."""


def resources(
    engine: Engine,
    mapping: TableMapping,
    database: Session | Connection,
    tables: MetaData | Mapping[str, Any],
    subject: Any,
    action: str,
    type: str | None = None,
    context: Any = None,
    *,
    now: datetime | str | None = None,
    fields: Collection[str] | None = None,
    entities: Any = None,
    limit: int = 1_000,
    token: str | None = None,
) -> Page[str]:
    """Say on which entities of a database *subject* may do *action*, by their ids: those for which `decide` allows it.

    *tables*: as for `condition`. Else as `PolicyEngine.resources`: a page has at most *limit* ids, in the order of ids,
    and a `token` if there may be more. Raises `NotPushable` for what a database cannot say exactly, if Python
    cannot decide it either, `IncompleteMapping` for what the mapping lacks, `InvalidRequest` for parts or a
    token that do not fit.
    """
    asked = {"subject": subject, "resource_type": type}
    left = engine.partial(action=action, **asked, **_given(context, now, fields, entities))
    made = make_filter(left, mapping, split=True)
    return _page(engine.digest, made, left, database, tables, fields, limit, token)


def subjects(
    engine: Engine,
    mapping: TableMapping,
    database: Session | Connection,
    tables: MetaData | Mapping[str, Any],
    action: str,
    resource: Any,
    type: str | None = None,
    context: Any = None,
    *,
    now: datetime | str | None = None,
    fields: Collection[str] | None = None,
    entities: Any = None,
    limit: int = 1_000,
    token: str | None = None,
) -> Page[str]:
    """Say which entities of a database may do *action* on *resource*, by their ids; like `resources`."""
    asked = {"resource": resource, "subject_type": type}
    left = engine.partial(action=action, **asked, **_given(context, now, fields, entities))
    made = make_subject_filter(left, mapping, split=True)
    return _page(engine.digest, made, left, database, tables, fields, limit, token)


def _given(context: Any, now: Any, fields: Any, entities: Any) -> dict[str, Any]:
    """Return the rest of what is asked: without a context, an empty one, since no database knows one."""
    context = {} if context is None else context
    return {"context": context, "now": now, "fields": fields, "entities": entities}


def _page(
    digest: str,
    made: Filter,
    left: Residual,
    database: Session | Connection,
    tables: MetaData | Mapping[str, Any],
    fields: Collection[str] | None,
    limit: int,
    token: str | None,
) -> Page[str]:
    if type(limit) is not int or not 1 <= limit <= MOST_ITEMS:
        raise ValueError(f"`limit` is a number from 1 to {MOST_ITEMS:,}")
    paths, known = made.maker.lowering.paths, left.basis.known
    other = known.subject if paths.rows == "resource" else known.resource
    assert other is not None
    question = question_digest(digest, paths.rows, *left.target, other.id, *(fields or ()))
    search = _Search(made, database, tables)
    found = search.allowed(None if token is None else place_of(question, token, of_any_size=True))
    items = tuple(islice(found, limit))
    more = len(items) == limit and next(found, None) is not None
    return Page(items, (), token_of(question, items[-1].encode()) if more else None)


class _Search:
    """Selects rows in the order of their ids, and decides about what the filter leaves."""

    def __init__(
        self,
        made: Filter,
        database: Session | Connection,
        tables: MetaData | Mapping[str, Any],
    ) -> None:
        mapping = made.maker.mapping
        connection = database.connection() if isinstance(database, Session) else database
        given = tables.tables if isinstance(tables, MetaData) else tables
        named = {name: selectable(table) for name, table in given.items()}
        dialect: Any = connection.dialect.name
        self._made, self._rows, kinds = made, named[made.table], kinds_of(mapping)
        self._stored = StoredRows(connection, named, kinds)
        column = mapping.id_of(made.maker.lowering.paths.row_type)
        self._kind = column.kind or "text"
        id_ = stored(by_name(self._rows)[column.name], self._kind, dialect)
        self._id: ColumnElement[Any] = id_
        self._order = exact(id_, dialect)
        self._where = condition(made.predicate, self._rows, named, dialect)

    def allowed(self, place: bytes | None) -> Iterator[str]:
        """Give the ids of the entities that are allowed, behind that which is the *place*."""
        after: Any = None
        if place is not None:
            after = self._id_at(place)
        while True:
            some = self._batch(after)
            if self._made.remaining is None:
                yield from (str(id_) for id_, *_ in some)
            else:
                decided = Decided(self._made, self._fresh())
                yield from (str(id_) for id_, *values in some if decided.allows(values))
            if len(some) < _BATCH:
                return
            after = some[-1][0]

    def _id_at(self, place: bytes) -> str | int:
        """Return the id that a token has; raises `InvalidRequest` for what somebody wrote who can make tokens."""
        try:
            text = place.decode()
            id_ = int(text) if self._kind == "int" else text
        except ValueError:
            raise no_token() from None
        if isinstance(id_, int) and not -_BEYOND <= id_ < _BEYOND:
            raise no_token()
        return id_

    def _fresh(self) -> StoredRows:
        """Return the same rows, of which nothing is kept."""
        return StoredRows(self._stored.connection, self._stored.tables, self._stored.kinds)

    def _batch(self, after: Any) -> Sequence[Any]:
        """Return the next rows that the filter selects, each with its id before what is stored of it."""
        columns = () if self._made.remaining is None else self._stored.columns(self._made.table)
        statement = select(self._id.label("searched"), *columns).select_from(self._rows)
        statement = statement.where(self._where).order_by(self._order).limit(_BATCH)
        if after is not None:
            statement = statement.where(self._order > literal(after, self._id.type))
        return self._stored.connection.execute(statement).all()
