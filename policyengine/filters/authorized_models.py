"""Let models of Django read and write only the rows that their caller may read and write.

Within `authorized_models`, each statement of a query is printed by a compiler of ours (`authorized_statements.py`),
whatever manager, queryset or object it comes from; and a cursor runs what such a compiler has printed, and
nothing else. Elsewhere, all is as ever. What is within is said by a context variable, which async tasks and the
threads of `sync_to_async` take with them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Final, cast, get_args

try:
    from django.db import connections
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.base.operations import BaseDatabaseOperations
    from django.db.models import Manager
    from django.db.models.deletion import Collector
    from django.db.models.signals import class_prepared
    from django.db.models.sql.datastructures import BaseTable, Join
except ImportError:
    raise ImportError("models of Django need it: install `policyengine-dsl[django]`") from None

from policyengine.filters.authorized_statements import Printed
from policyengine.filters.authorized_writes import deleting, governed_compiler
from policyengine.filters.governed_models import DEMANDING, MappedModels, Model, demanding
from policyengine.filters.governing import AccessRefused, Bound, SubjectRows, Verbs
from policyengine.filters.model_authorization import (
    FREE,
    Authorization,
    Authorizing,
    Waiver,
    current,
    is_free,
)

__all__ = [
    "AccessRefused", "AuthorizedManager", "MappedModels", "Verbs", "authorized_models", "unauthorized_models",
]  # fmt: skip


def authorized_models(
    bound: Bound,
    governed: MappedModels,
    *,
    context: Any = None,
    entities: Any = None,
    fields: Mapping[Model, Collection[str]] | None = None,
    waive: Iterable[Waiver] = (),
) -> AbstractContextManager[None]:
    """Return the scope in which models read and write only what the rules allow the subject of *bound*.

    *context*, *entities*: as in `PolicyEngine.decide`. *fields*: of models, those that are read; of others that
    may be hidden, columns are not read. *waive* names what is done all the same, without conditions: `text` (SQL
    as text in queries), `connection` (cursors, and `raw`), `explain`, and `conflicts` (inserts that update
    other rows).
    """
    asked = {}
    for named, names in (fields or {}).items():
        model = named._meta.concrete_model
        if model not in governed.verbs:
            raise ValueError(f"`{named.__name__}` is not governed, and hides no fields")
        asked[governed.types[model]] = names
    waived = frozenset(waive)
    if unknown := waived.difference(get_args(Waiver)):
        raise ValueError(f"nothing is waived by {', '.join(map(repr, sorted(unknown)))}")
    _check_hooks()
    rows = SubjectRows(
        bound,
        governed.mapping,
        {governed.types[model]: of for model, of in governed.verbs.items()},
        context={} if context is None else context,
        entities=entities,
        fields=asked,
    )
    return Authorizing(Authorization(governed, rows, waived))


def unauthorized_models() -> AbstractContextManager[None]:
    """Return the scope in which models are as ever: for what acts for nobody, as migrations and jobs do.

    It is not for generators, between whose steps their caller would be in it.
    """
    return Authorizing(FREE)


class AuthorizedManager(Manager):  # type: ignore[misc]  # Django has no types
    """A manager whose model is read and written within `authorized_models` only, or `unauthorized_models`.

    By all managers, joins and objects. So what is evaluated after its scope, or in another thread, is
    refused, and so is a model that a scope does not name.
    """


def _prepared(sender: Model, **_: object) -> None:
    if any(isinstance(manager, AuthorizedManager) for manager in sender._meta.managers):
        DEMANDING.add(sender._meta.concrete_model)


class_prepared.connect(_prepared)


# ---- what Django calls ------------------------------------------------------------------

_plain_compiler: Final = BaseDatabaseOperations.compiler
_plain_cursor: Final = BaseDatabaseWrapper._prepare_cursor  # noqa: SLF001 - all cursors come from it
_plain_connect: Final = BaseDatabaseWrapper.connect
_plain_delete: Final = Collector.delete


def _compiler(operations: Any, name: str) -> Any:
    plain = _plain_compiler(operations, name)
    if current() is not None:
        return governed_compiler(plain)
    return demanding_compiler(plain) if DEMANDING and not is_free() else plain


def _cursor(connection: Any, cursor: Any) -> Any:
    made = _plain_cursor(connection, cursor)
    made.__class__ = _guarded(cast("Hashable", type(made)))
    return made


def _connect(connection: Any) -> None:
    with Authorizing(FREE):  # for what sets a connection up
        _plain_connect(connection)


def _delete(collector: Any) -> Any:
    with deleting(collector):
        return _plain_delete(collector)


BaseDatabaseOperations.compiler = _compiler
BaseDatabaseWrapper._prepare_cursor = _cursor  # noqa: SLF001 - as above
BaseDatabaseWrapper.connect = _connect
Collector.delete = _delete


def _check_hooks() -> None:
    """Raise `RuntimeError` if something else has changed how statements are printed and run."""
    for connection in connections.all():
        if (
            type(connection.ops).compiler is not _compiler
            or type(connection)._prepare_cursor is not _cursor  # noqa: SLF001 - as above
            or Collector.delete is not _delete
        ):
            raise RuntimeError(
                f"the database `{connection.alias}` prints or runs statements in another way than Django's"
            )


class _DemandingCompiler:
    """A compiler of statements where nothing is authorized, which models may demand."""

    query: Any

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        meta = self.query.get_meta()
        if meta is not None:
            _check_scope(meta.db_table)
        return cast("Any", super()).as_sql(*args, **kwargs)

    def compile(self, node: Any) -> Any:
        if isinstance(node, BaseTable | Join):
            _check_scope(node.table_name)
        return cast("Any", super()).compile(node)


def _check_scope(table: str) -> None:
    model = demanding(table)
    if model is not None:
        raise AccessRefused(f"`{model.__name__}` is read and written within `authorized_models`")


@lru_cache(maxsize=64)
def demanding_compiler(plain: Any) -> Any:
    """Return the compiler class that does what *plain* does, but for models that demand a scope."""
    return type(f"Demanding{plain.__name__}", (_DemandingCompiler, plain), {})


_HARMLESS: Final = re.compile(
    r'BEGIN( DEFERRED| IMMEDIATE| EXCLUSIVE)?|(SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) "?\w+"?'
    r"""|SELECT JSON\('{"a": "b"}'\)"""
)
"""What Django runs itself: to begin and end transactions, and to see whether SQLite knows JSON."""


class _GuardedCursor:
    """A cursor that runs, where models are authorized, only what was printed for it."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        authorization = current()
        if authorization is not None:
            if type(sql) is Printed and sql.authorization is authorization and sql.params is params:
                sql = str(sql)
            elif type(sql) is not str or params or not _HARMLESS.fullmatch(sql):
                _refuse(authorization)
        return cast("Any", super()).execute(sql, params)

    def executemany(self, sql: Any, param_list: Any) -> Any:
        _refuse(current())
        return cast("Any", super()).executemany(sql, param_list)

    def callproc(self, *args: Any, **kwargs: Any) -> Any:
        _refuse(current())
        return cast("Any", super()).callproc(*args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__("copy")(*args, **kwargs)

    def copy_expert(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__("copy_expert")(*args, **kwargs)

    def copy_to(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__("copy_to")(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name not in _RESULTS:
            _refuse(current())
        return cast("Any", super()).__getattr__(name)


_RESULTS: Final = {
    "arraysize", "close", "closed", "description", "fetchall", "fetchmany", "fetchone", "itersize", "lastrowid",
    "nextset", "rowcount", "scrollable", "statusmessage",
}  # fmt: skip
"""What a cursor is asked for about a statement that it has run."""


def _refuse(authorization: Authorization | None) -> None:
    if authorization is not None:
        authorization.demand("connection", "a statement was not made by a query of models")


@lru_cache(maxsize=16)
def _guarded(kind: Any) -> Any:
    if issubclass(kind, _GuardedCursor):
        return kind
    return type(f"Guarded{kind.__name__}", (_GuardedCursor, kind), {})
