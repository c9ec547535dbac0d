"""Hold filters against decisions, row by row, on the rows of a database.

Of each action, subjects and rows of the resource are drawn, and contexts are made of what rules mention. A row
must be selected by its filter exactly if `decide` allows the request that it makes, and be counted as one
that does not fit exactly if that request is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Protocol

try:
    import sqlalchemy
except ModuleNotFoundError:
    wanted = "this needs SQLAlchemy: install `policyengine-dsl[sqlalchemy]`"
    raise ModuleNotFoundError(wanted, name="sqlalchemy") from None
from msgspec import Struct, field
from sqlalchemy import Connection, Engine, FromClause, MetaData, select

from policyengine.filters.mapping import IncompleteMapping, TableMapping
from policyengine.filters.predicates import NotPushable, negated
from policyengine.filters.row_filter import Filter, make_filter
from policyengine.filters.row_requests import RowReader, Unfit
from policyengine.filters.sqlalchemy_printing import condition
from policyengine.filters.stored_rows import NotUtf8, StoredRows, kinds_of, text_of_sqlite
from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import Schema, TargetKey
from policyengine.partial.residual import Residual
from policyengine.verifying.drawn_values import DrawnValues, mentioned_in

_OF_A_FILTER: Final = 200
"""The rows of which one filter is asked."""

_MOST_SHOWN: Final = 5
"""The differences after which no more are looked for."""

_SUBJECTS: Final = 100
_ROWS: Final = 5_000
"""The rows that are drawn of a type: as subjects, as resources."""

_TRIES: Final = 20
"""The questions of a target that may lead to nothing, in a row."""


class VerifiedEngine(Protocol):
    """What is needed of a `PolicyEngine`."""

    @property
    def schema(self) -> Schema: ...

    @property
    def partial(self) -> Callable[..., Residual]: ...

    @property
    def decide(self) -> Callable[..., Decision]: ...


class Difference(Struct, frozen=True):
    """A row of which a filter says something else than `decide` does of the request that it makes.

    *selected*: by the filter, its negation, and the filter of rows that do not fit. *decided*: the decision, or
    why the request was refused. *left*: the condition of which the filter was made.
    """

    request: Mapping[str, Any]
    selected: tuple[bool, bool, bool]
    decided: Decision | InvalidRequest
    left: str


class Verification(Struct):
    """What was found: how many *rows* of how many *filters* were compared, and where they differ.

    *not_pushed*: clauses that no filter says, by text, with the reason. *not_mapped*: what the mapping lacks.
    *refused*: how often subject and context were no part of a request that fits. *unreadable*: the texts of SQLite
    that are not UTF-8, of rows that were not compared.
    """

    rows: int = 0
    filters: int = 0
    refused: int = 0
    not_pushed: dict[str, NotPushable] = field(default_factory=dict)
    not_mapped: set[str] = field(default_factory=set)
    outcomes: Counter[Literal["allowed", "denied", "unfit"]] = field(default_factory=Counter)
    unreadable: set[str] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)


def verify_filters(
    engine: VerifiedEngine,
    mapping: TableMapping,
    database: Engine,
    tables: MetaData | Mapping[str, Any] | None = None,
    *,
    rows: int = 10_000,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Verification:
    """Compare filters with decisions on so many *rows* of a database, which is only read.

    *tables*: those of SQLAlchemy by name, or their metadata; without it, they are as the database describes
    them. Raises `LookupError` for a table or a column that there is not, and the errors of SQLAlchemy.
    """
    kinds = kinds_of(mapping)
    with _reading(database) as connection:
        if tables is None:
            tables = MetaData()
            tables.reflect(connection, only=lambda name, _: name in kinds, resolve_fks=False)
        named: Mapping[str, Any] = tables.tables if isinstance(tables, MetaData) else tables
        selectables = {name: _selectable(named, name, columns) for name, columns in kinds.items()}
        stored = StoredRows(connection, selectables, kinds)
        random = Random(seed)  # noqa: S311 - it draws samples
        asking = _Asking(engine, mapping, stored, random, datetime.now(UTC))
        for found in asking.ask():
            progress(min(found.rows, rows), rows)
            if found.rows >= rows or len(found.differences) >= _MOST_SHOWN:
                break
        return asking.found


class UnusableDatabase(ValueError):  # noqa: N818 - it is named after what the database is
    """A database cannot be asked; the text says why, in a line."""


def verify_filters_at(
    engine: VerifiedEngine, mapping: TableMapping, url: str, *given: Any, **options: Any
) -> Verification:
    """Do the same on the database at *url*, as SQLAlchemy writes it; raises `UnusableDatabase` and `LookupError`."""
    try:
        at = _url(url)
        if at.get_backend_name() == "sqlite" and at.database and not Path(at.database).is_file():
            raise UnusableDatabase(f"there is no file `{at.database}`")  # which SQLite would make
        return verify_filters(engine, mapping, sqlalchemy.create_engine(at), *given, **options)
    except ImportError as lacking:
        said = f"the database needs a driver: {lacking}"
        if lacking.name == "psycopg":
            said += "; install `policyengine-dsl[postgres]`"
        raise UnusableDatabase(said) from None
    except sqlalchemy.exc.SQLAlchemyError as problem:
        raise UnusableDatabase(str(problem).split("\n")[0]) from None


def _url(text: str) -> sqlalchemy.URL:
    """Return the URL that *text* is; a problem does not repeat it, since it may hold a password."""
    try:
        return sqlalchemy.make_url(text)
    except sqlalchemy.exc.ArgumentError:
        said = "the database is no URL, as `sqlite:///FILE` or `postgresql+psycopg://HOST/NAME`"
        raise UnusableDatabase(said) from None


def _selectable(named: Mapping[str, Any], name: str, columns: Mapping[str, object]) -> FromClause:
    found = named.get(name)
    if found is None:
        raise LookupError(f"there is no table `{name}`, which the mapping names")
    table: FromClause = (
        found if isinstance(found, FromClause) else sqlalchemy.inspect(found).selectable
    )
    lacking = [column for column in columns if column not in {one.name for one in table.c}]
    if lacking:
        raise LookupError(f"table `{name}` has no column `{lacking[0]}`, which the mapping names")
    return table


@contextmanager
def _reading(database: Engine) -> Iterator[Connection]:
    """Give a connection that sees the database as it is now, whatever others write meanwhile."""
    if database.dialect.name == "postgresql":
        database = database.execution_options(isolation_level="REPEATABLE READ")
    with database.connect() as connection:
        if database.dialect.name != "sqlite":
            yield connection
        else:
            of_sqlite: Any = connection.connection.driver_connection
            connection.exec_driver_sql("BEGIN")
            before, of_sqlite.text_factory = of_sqlite.text_factory, text_of_sqlite
            try:
                yield connection
            finally:
                of_sqlite.text_factory = before
        connection.rollback()


class _Asking:
    """Asks questions of rows that are drawn; *found* is what came of it."""

    def __init__(
        self,
        engine: VerifiedEngine,
        mapping: TableMapping,
        stored: StoredRows,
        random: Random,
        now: datetime,
    ) -> None:
        self._engine, self._mapping, self._stored = engine, mapping, stored
        self._random, self._now = random, now
        self.found = Verification()
        self._drawn: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self._about: dict[TargetKey, tuple[RequestNeeds, DrawnValues]] = {}

    def ask(self) -> Iterator[Verification]:
        """Ask of every target in turn, and give what was found so far; those that lead to nothing are left out."""
        fruitless: Counter[TargetKey] = Counter()
        targets = [*self._targets()]
        while targets:
            for target in targets:
                before = self.found.rows
                self._question(target)
                fruitless[target] = fruitless[target] + 1 if self.found.rows == before else 0
                yield self.found
            targets = [target for target in targets if fruitless[target] < _TRIES]

    def _targets(self) -> Iterator[TargetKey]:
        mapped = self._mapping.tables
        for name, action in self._engine.schema.actions.items():
            for subject, resource in product(action.subjects, action.resources):
                self.found.not_mapped |= {subject, resource} - set(mapped)
                if subject in mapped and resource in mapped:
                    yield name, subject, resource

    def _question(self, target: TargetKey) -> None:
        """Ask a subject that is drawn, in a context that is drawn, of rows that are drawn."""
        action, subject_type, resource_type = target
        subjects, rows = self._rows(subject_type, _SUBJECTS), self._rows(resource_type, _ROWS)
        if not subjects or not rows:
            return
        needs, values = self._known(target)
        subject = self._random.choice(subjects)
        context = values.record(self._engine.schema.actions[action].context.attributes)
        asked = _Asked(self._mapping, self._stored, target, needs, subject, context, self._now)
        try:
            left = self._engine.partial(**asked.request(None), resource_type=resource_type)
            made = make_filter(left, self._mapping)
            selects = self._selections(made)
        except InvalidRequest:
            self.found.refused += 1
            self.found.unreadable |= {*_unreadable(asked.request(None))}
        except IncompleteMapping as problem:
            self.found.not_mapped.add(problem.path)
        except NotPushable as problem:
            self.found.not_pushed.setdefault(problem.clause, problem)
        else:
            some = self._random.sample(rows, min(_OF_A_FILTER, len(rows)))
            self._compare(asked, left, some, selects)

    def _compare(
        self, asked: _Asked, left: Residual, rows: list[dict[str, Any]], selects: list[Any]
    ) -> None:
        self.found.filters += 1
        id_ = self._mapping.id_of(left.target[2]).name
        ids = [row[id_] for row in rows]
        column = self._stored.tables[self._mapping.table_of(left.target[2]).table].c[id_]
        chosen = [
            {*self._stored.connection.scalars(select(column).where(column.in_(ids), one))}
            for one in selects
        ]
        for row in rows:
            request = asked.request(row)
            unreadable = {*_unreadable(request)}
            if unreadable:
                self.found.unreadable |= unreadable
                continue
            decided: Decision | InvalidRequest
            try:
                decided = self._engine.decide(**request)
                allowed, unfit = decided.allowed, False
            except InvalidRequest as refusal:
                decided, allowed, unfit = refusal, False, True
            selected = row[id_] in chosen[0], row[id_] in chosen[1], row[id_] in chosen[2]
            if selected != (allowed, not allowed, unfit):
                self.found.differences.append(Difference(request, selected, decided, left.text))
            self.found.rows += 1
            self.found.outcomes["unfit" if unfit else "allowed" if allowed else "denied"] += 1

    def _selections(self, made: Filter) -> list[Any]:
        """Return the conditions of a filter, of its negation, and of rows that do not fit."""
        tables, dialect = self._stored.tables, self._stored.connection.dialect.name
        predicates = made.predicate, negated(made.predicate), made.rows_that_do_not_fit
        rows = tables[made.table]
        return [condition(one, rows, tables, dialect) for one in predicates]  # type: ignore[arg-type]  # it refuses others

    def _rows(self, type_: str, number: int) -> list[dict[str, Any]]:
        """Return rows of a type that were drawn, each of which has an id of its own."""
        table, id_ = self._mapping.table_of(type_).table, self._mapping.id_of(type_)
        if (type_, number) not in self._drawn:
            class_ = int if id_.kind == "int" else str
            drawn = {row[id_.name]: row for row in self._stored.draw(table, number)}
            self._drawn[type_, number] = [row for i, row in drawn.items() if type(i) is class_]
        return self._drawn[type_, number]

    def _known(self, target: TargetKey) -> tuple[RequestNeeds, DrawnValues]:
        """Return what rules of a target read, and what draws values that they may tell apart."""
        if target not in self._about:
            action, subject, resource = target
            whole = self._engine.partial(
                action=action, subject_type=subject, resource_type=resource, now=self._now
            )
            needs = RequestNeeds()
            for rule in whole.basis.rules:
                needs |= RequestNeeds() if rule.advisory else rule.needs
            drawn = DrawnValues(self._random, mentioned_in(whole.basis.rules), self._ids)
            self._about[target] = needs, drawn
        return self._about[target]

    def _ids(self, type_: str) -> list[str]:
        """Return ids of a type, of rows that were drawn."""
        if type_ not in self._mapping.tables:
            return []
        id_ = self._mapping.id_of(type_).name
        return [str(row[id_]) for row in self._rows(type_, _SUBJECTS)]


def _unreadable(request: Mapping[str, Any]) -> Iterator[str]:
    """Give the texts of a request that are not UTF-8, as `Document memo: title`."""

    def is_unreadable(value: object) -> bool:
        match value:
            case Unfit(value=stored):
                return isinstance(stored, NotUtf8)
            case Mapping():
                return any(map(is_unreadable, value.values()))
            case list():
                return any(map(is_unreadable, value))
            case _:
                return False

    for entity in (request["subject"], request.get("resource"), *request["entities"]):
        if entity is not None:
            parts = {**entity["properties"], "parents": entity.get("parents")}
            named = f"{entity['type']} {entity['id']}"
            yield from (f"{named}: {name}" for name, value in parts.items() if is_unreadable(value))


class _Asked(Struct):
    """A question of rows: who does what, in which context, when."""

    mapping: TableMapping
    stored: StoredRows
    target: TargetKey
    needs: RequestNeeds
    subject: Mapping[str, Any]
    context: Mapping[str, Any]
    now: datetime

    def request(self, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the request that a row of the resource makes; without one, what is known of it."""
        action, subject_type, resource_type = self.target
        reader = RowReader(self.mapping, self.stored.find)
        who = reader.read(subject_type, self.subject, self.needs.subject)
        of_context = self.mapping.schema.actions[action].context
        reader.follow(of_context, self.context, self.needs.context)
        what = None if row is None else reader.read(resource_type, row, self.needs.resource)
        entities = reader.entities()
        subject = entities.pop(who)
        resource = {} if what is None else {"resource": entities.pop(what, subject)}
        known = {"subject": subject, "action": action, "context": self.context, "now": self.now}
        return known | resource | {"entities": [*entities.values()]}
