"""Fetch rows of SQLAlchemy: one query for each type and round."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

try:
    from sqlalchemy import ScalarResult, inspect, select
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from policyengine.model.entities import Key


class RowSource:
    """Fetches rows by the primary key in *session*, which may be asynchronous, or scoped. Their classes are registered.

    *models*: by entity type, of classes with one column as the primary key. Rows that a row refers to are
    fetched in their turn; where the session is asynchronous, and loads nothing later, they must be loaded
    already, or a `Ref`.
    """

    def __init__(self, session: Any, models: Mapping[str, type]) -> None:
        for type_, model in models.items():
            mapper: Any = inspect(model, raiseerr=False)
            if mapper is None or len(mapper.primary_key) != 1:
                raise TypeError(
                    f"`{type_}` is not of a mapped class with one column as primary key"
                )
        self._session = session
        self._models = dict(models)

    def fetch(self, keys: Sequence[Key], /) -> Iterable[Any] | Awaitable[Iterable[Any]]:
        """Return the rows of *keys* that there are, as they are in the database now."""
        session = self._session
        if isinstance(session, scoped_session | async_scoped_session):
            session = session()  # that of the thread, or the task, which asks
        types = sorted({type_ for type_, _ in keys})
        made = [self._select(getattr(session, "sync_session", session), one, keys) for one in types]
        statements = [one for one in made if one is not None]
        if isinstance(session, AsyncSession):
            return self._fetch_async(session, statements)
        return _rows(session, [session.scalars(statement) for statement in statements])

    async def _fetch_async(self, session: AsyncSession, statements: Sequence[Any]) -> list[Any]:
        found = [await session.scalars(statement) for statement in statements]
        return _rows(session.sync_session, found)

    def _select(self, session: Session, type_: str, keys: Sequence[Key]) -> Any:
        """Return the query for the rows of a type, None if there can be none."""
        model = self._models.get(type_)
        if model is None:
            return None
        column: Any
        [column] = inspect(model).primary_key
        ids = [
            made for name, id_ in keys if name == type_ and (made := _id(column, id_)) is not None
        ]
        query: Any = select(model).where(column.in_(ids))
        if session.autoflush or not session.dirty:
            query = query.execution_options(populate_existing=True)
        else:  # what was changed and not written would be lost: the query fills in the rest
            for id_ in ids:
                key: Any = inspect(model).identity_key_from_primary_key((id_,))
                row = session.identity_map.get(key)
                if row is not None:
                    session.expire(row, inspect(row).unmodified)
        return query if ids else None


def _rows(session: Session, found: Iterable[ScalarResult[Any]]) -> list[Any]:
    """Return the rows, each once: a collection that is loaded with them by a join repeats them. Those that are to be deleted are gone."""
    deleted = session.deleted
    return [row for rows in found for row in rows.unique() if row not in deleted]


def _id(column: Any, text: str) -> Any:
    """Return the value of a key whose text is *text*; None if it is written otherwise."""
    try:
        made = column.type.python_type(text)
    except Exception:  # noqa: BLE001 - whatever a type makes of a text
        return None
    return made if str(made) == text else None
