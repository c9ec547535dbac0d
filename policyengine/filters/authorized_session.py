"""Let a session of SQLAlchemy read and write only the rows that its caller may read and write.

Each statement of the session passes `Authorization.execute`, which adds what is visible (`visible_rows.py`) and the
conditions of UPDATE and DELETE. What a flush writes passes `AuthorizedFlush`. A statement that reaches the database
in no such way is refused by `Authorization.unapproved`, and runs on no connection of the session.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

try:
    from sqlalchemy import (
        ColumnElement,
        Delete,
        Select,
        Table,
        TextClause,
        Update,
        event,
        inspect,
        select,
    )
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from sqlalchemy.engine import Connection
from sqlalchemy.orm import FromStatement, Session
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.lambdas import LambdaElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, SelectBase

from policyengine.filters.authorization import Authorization
from policyengine.filters.authorized_flush import (
    AuthorizedFlush,
    begin_to_write,
    demand,
    demand_stays,
)
from policyengine.filters.governed_tables import GovernedTables, RowsOf, Rules
from policyengine.filters.governing import AccessRefused, Bound, Verb
from policyengine.filters.mapped_tables import MappedTables, SubjectRules
from policyengine.filters.visible_rows import (
    NotReached,
    Waiver,
    carried,
    check_namesake,
    check_printing,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import ORMExecuteState, UOWTransaction

_S = TypeVar("_S")
"""A `Session`, or an `AsyncSession`, whose module cannot be imported without greenlet."""

_SAVEPOINTS = SavepointClause | RollbackToSavepointClause | ReleaseSavepointClause
_CHECKED = (SelectBase, UpdateBase, FromStatement, TextClause, FunctionElement, LambdaElement)
"""The statements that are printed as this module expects it."""
_MOST_CHANGED = 10_000


def authorized(
    session: _S,
    bound: Bound,
    governed: MappedTables,
    *,
    context: Any = None,
    entities: Any = None,
    fields: Mapping[type, Collection[str]] | None = None,
    waive: Iterable[Waiver] = (),
) -> _S:
    """Return *session*, which from now on reads and writes only what the rules allow the subject of *bound*.

    *context*, *entities*: as in `PolicyEngine.decide`. *fields*: of classes, those that are read; of others that
    may be hidden, columns are not read. *waive*: as in `authorize`.
    """

    def dialect(entity: type) -> str:
        sync: Any = getattr(session, "sync_session", session)
        return str(sync.get_bind(mapper=inspect(entity)).dialect.name)

    known = {} if context is None else context
    for entity in fields or {}:
        if entity not in governed.verbs:
            raise ValueError(f"`{entity.__name__}` is not governed, and hides no fields")
    rules = SubjectRules(
        bound, governed, dialect, context=known, entities=entities, fields=fields or {}
    )
    return authorize(session, rules, governed, waive=waive)


def authorize(
    session: _S, rules: Rules, governed: GovernedTables, *, waive: Iterable[Waiver] = ()
) -> _S:
    """Return *session*, which from now on reads and writes only what *rules* allow.

    A session that holds objects is refused, since they were read without it. *waive* names what is done all
    the same, without conditions: `core` (changes by statements of Core), `text` (SQL as text), `connection` (the
    session's connection), `bulk` (inserts by statements, and bulk methods) and `held objects`.
    """
    if hasattr(session, "registry"):
        raise TypeError("a scope has many sessions: authorize the one that it gives, `scope()`")
    sync: Any = getattr(session, "sync_session", session)
    if not isinstance(sync, Session):
        raise TypeError(f"a session is authorized, and not a {type(session).__name__}")
    waived = frozenset(waive)
    if unknown := waived.difference(get_args(Waiver)):
        raise ValueError(f"nothing is waived by {', '.join(map(repr, sorted(unknown)))}")
    if isinstance(sync, _AuthorizedSession):
        raise AccessRefused("the session is authorized already")
    if "held objects" not in waived and (len(sync.identity_map) or sync.new or sync.deleted):
        raise AccessRefused("the session holds objects, which nobody decided about", "held objects")
    checks = _Checks(Authorization(rules, governed, waived))
    sync.__class__ = _authorized_class(cast("Hashable", type(sync)))
    cast("_AuthorizedSession", sync).checks = checks
    checks.listen(sync)
    return session


class _AuthorizedSession(Session):
    """A session whose statements and flushes are checked; what leads past them is refused here."""

    checks: _Checks

    def _execute_internal(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        """Run any statement of the session, and again if it reads a table that it was not expected to."""
        checks, authorization = self.checks, self.checks.authorization
        is_within = kwargs.get("_parent_execute_state") is not None
        before, checks.has_run = checks.has_run, False
        try:
            while True:
                try:
                    with authorization.operation(self):
                        found = super()._execute_internal(statement, *args, **kwargs)
                        break
                except NotReached as problem:
                    if is_within:
                        raise
                    authorization.reach(problem)
            # `_add_event` is what SQLAlchemy's own statements are executed with.
            is_asked = checks.has_run or kwargs.get("_add_event") is not None
            if not is_asked and authorization.governed.reached(statement):
                authorization.demand("held objects", "rows come from a listener that kept them")
        finally:
            checks.has_run = before or (is_within and checks.has_run)
        return found

    def _get_impl(self, *args: Any, **kwargs: Any) -> Any:  # of `get`, `merge` and `Query.get`
        with self.checks.authorization.operation(self):
            return super()._get_impl(*args, **kwargs)

    def _flush(self, *args: Any, **kwargs: Any) -> None:
        checks = self.checks
        before = checks.has_run
        with checks.authorization.operation(self):
            try:
                super()._flush(*args, **kwargs)
            finally:
                checks.flush, checks.has_run = None, before

    def connection(self, *args: Any, **kwargs: Any) -> Connection:
        said = "a connection runs statements that are not checked"
        self.checks.authorization.demand("connection", said)
        return super().connection(*args, **kwargs)

    def _bulk_save_mappings(self, mapper: Any, *args: Any, **kwargs: Any) -> None:
        """Do what all bulk methods do."""
        authorization = self.checks.authorization
        for table in inspect(mapper).tables:
            check_namesake(table, authorization.governed, authorization.demand)
            if table in authorization.governed.tables:
                authorization.demand("bulk", "bulk methods write rows that nobody decided about")
        with authorization.trusted():
            super()._bulk_save_mappings(mapper, *args, **kwargs)


@lru_cache(maxsize=16)
def _authorized_class(kind: Any) -> type[Session]:
    return type(f"Authorized{kind.__name__}", (_AuthorizedSession, kind), {})


class _Checks:
    """What is asked at the events of a session."""

    def __init__(self, authorization: Authorization) -> None:
        self.authorization = authorization
        self.flush: AuthorizedFlush | None = None
        self.has_run = False
        """Whether the database was asked for what is executed."""
        self._fetched: list[tuple[object, list[str]]] = []
        self._given: Any = None

    def listen(self, session: Session) -> None:
        """Listen to what the session does."""
        event.listen(session, "do_orm_execute", self._execute)
        event.listen(session, "before_attach", self._before_attach)
        event.listen(session, "before_flush", self._before_flush)
        event.listen(session, "after_flush", self._after_flush)
        event.listen(session, "after_flush_postexec", self._after_flush_postexec)
        event.listen(session, "after_begin", self._after_begin)
        self._given = session.bind
        transaction = session.get_nested_transaction() or session.get_transaction()
        if transaction is not None:
            for connection, *_ in transaction._connections.values():  # noqa: SLF001 - no event speaks of them
                self._after_begin(session, transaction, connection)

    # ---- statements ---------------------------------------------------------------------

    def _execute(self, state: ORMExecuteState) -> Any:
        """Add to a statement what it may read and write, or refuse it."""
        with self.authorization.operation(state.session):
            return self._authorized(state)

    def _authorized(self, state: ORMExecuteState) -> Any:
        check_printing()
        statement: Any = state.statement
        if not issubclass(type(statement), _CHECKED):
            self.authorization.demand("text", "the statement is neither a query nor a change")
            return None
        if isinstance(statement, FunctionElement):  # which SQLAlchemy would run without its options
            statement = statement.select()
        visible = self.authorization.visible(statement)
        carrying = state.statement = statement.options(visible)
        table: Any = getattr(statement, "table", None)
        if not isinstance(statement, UpdateBase):
            return None
        if isinstance(table, AliasedReturnsRows):
            self.authorization.demand("core", "an alias is changed by a statement")
        if table not in self.authorization.governed.tables:
            return None
        if not isinstance(statement, Update | Delete) or isinstance(state.parameters, list):
            self.authorization.demand(
                "bulk", "a statement writes rows whose values nobody decided about"
            )
            return None
        if not state.is_orm_statement:
            self.authorization.demand("core", f"a statement of Core changes `{table.name}`")
            return None
        assert isinstance(table, Table)
        verb: Verb = "update" if isinstance(statement, Update) else "delete"
        part = self.authorization.governed.part(table)
        may_change = self.authorization.criterion(table, verb)
        changed = carrying.where(self.authorization.criterion(table, "select"), may_change)
        if verb == "delete" and part is None:
            state.statement = changed
            return None
        key = tuple(table.primary_key)
        owned = () if part is None else self.authorization.governed.part_rows(table).key
        wanted = select(*key, *owned).where(*_conditions(statement))
        wanted = wanted.options(visible.where(table, may_change)).with_for_update(of=table)
        return self._change(state, changed, RowsOf(table, key), wanted)

    def _change(
        self, state: ORMExecuteState, statement: Update | Delete, rows: RowsOf, wanted: Select[Any]
    ) -> Any:
        """Change the rows that are *wanted*; they and their owners must be updatable afterwards as well."""
        session, authorization = state.session, self.authorization
        arguments: Any = dict(state.bind_arguments)
        connection = Session.connection(session, bind_arguments=arguments)
        with authorization.trusted():
            begin_to_write(connection)
            found = [tuple(row) for row in connection.execute(wanted, state.parameters or {})]
        keys, of_owners = (
            {row[at] for row in found} for at in (slice(len(rows.key)), slice(len(rows.key), None))
        )
        if len(keys) > _MOST_CHANGED:
            raise AccessRefused(
                f"more than {_MOST_CHANGED} rows are changed by one statement: do it in parts"
            )
        try:
            result = state.invoke_statement(statement.where(rows.having(keys)))
            part = authorization.governed.part(rows.table)
            with authorization.trusted():
                if isinstance(statement, Update):
                    if part is not None:
                        demand_stays(connection, rows, wanted, found)
                    demand(
                        connection,
                        rows,
                        keys,
                        authorization.criterion(rows.table, "update"),
                        "update",
                    )
                if part is not None:
                    owners = authorization.governed.owners(part)
                    demand(
                        connection,
                        owners,
                        of_owners,
                        authorization.criterion(owners.table, "update"),
                        "update",
                    )
        except NotReached:  # before anything was changed
            raise
        except BaseException:
            (session.get_nested_transaction() or session).rollback()
            raise
        return result

    # ---- events -------------------------------------------------------------------------

    def _before_attach(self, _session: Session, instance: object) -> None:
        state: Any = inspect(instance)
        if state.key is not None and self.authorization.governed.rows(state.mapper) is not None:
            self.authorization.demand(
                "held objects", "an object that another session read is added"
            )

    def _before_flush(self, session: Session, context: UOWTransaction, _: Any) -> None:
        self.flush = AuthorizedFlush(self.authorization, session, context)
        self.flush.decide()

    def _after_flush(self, _session: Session, _context: UOWTransaction) -> None:
        assert self.flush is not None
        self.flush.finish()
        self._fetched = list(self.flush.fetched())
        self.flush = None

    def _after_flush_postexec(self, session: Session, _context: UOWTransaction) -> None:
        for instance, names in self._fetched:
            if instance in session:
                session.expire(instance, names)
        self._fetched = []

    def _after_begin(self, _session: Session, _transaction: Any, connection: Connection) -> None:
        if event.contains(connection, "before_execute", self._before_execute):
            return
        event.listen(connection, "before_execute", self._before_execute, retval=True)
        event.listen(connection, "after_execute", self._after_execute)
        event.listen(connection, "before_cursor_execute", self._before_cursor_execute)

    def _before_execute(
        self, connection: Connection, statement: Any, many: Any, one: Any, _options: Any
    ) -> tuple[Any, Any, Any]:
        if self.flush is not None and not self.authorization.is_trusting:
            statement = self.flush.before(connection, statement, many or [one])
        return statement, many, one

    def _after_execute(
        self, _connection: Any, statement: Any, many: Any, one: Any, _options: Any, result: Any
    ) -> None:
        if self.flush is not None and not self.authorization.is_trusting:
            self.flush.after(statement, many or [one], result.rowcount)

    def _before_cursor_execute(
        self, connection: Any, _cursor: Any, _text: str, _parameters: Any, context: Any, _many: Any
    ) -> None:
        """Refuse what came to the connection past the session, unless it is that of others who use it, too."""
        self.has_run = True
        if self.authorization.is_trusting or self.flush is not None:
            return
        if connection is self._given and not self.authorization.is_in_operation:
            return
        statement = getattr(getattr(context, "compiled", None), "statement", None)
        if carried(statement) is None and not isinstance(statement, _SAVEPOINTS):
            self.authorization.demand("connection", "a statement was not run by the session")


def _conditions(statement: Update | Delete) -> list[ColumnElement[bool]]:
    return [] if statement.whereclause is None else [statement.whereclause]
