"""What governs rows, whatever reads and writes them: the actions of verbs, and what is allowed to a subject.

Sessions of SQLAlchemy (`authorized_session.py`) and models of Django (`authorized_models.py`) rest on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NoReturn, Protocol, TypeAlias

from msgspec import Struct

from policyengine.compiler.simplify import TRUE
from policyengine.filters.mapping import (
    ClosureTable,
    EntityTable,
    ParentTable,
    SetTable,
    Stored,
    TableMapping,
    columns_of,
)
from policyengine.filters.predicates import Predicate
from policyengine.filters.row_filter import make_filter
from policyengine.filters.row_requests import Row, RowReader
from policyengine.model.errors import InvalidRequest, PolicyError
from policyengine.model.needs import NOTHING
from policyengine.model.request_messages import meant
from policyengine.partial.residual import Residual

Verb: TypeAlias = Literal["select", "insert", "update", "delete"]


class Verbs(Struct, frozen=True):
    """The actions by which rows of an entity are read and written; a verb without an action is refused."""

    select: str | None = None
    insert: str | None = None
    update: str | None = None
    delete: str | None = None


class AccessRefused(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A statement or change that is not run for its caller; *waiver*: what would waive it, or None."""

    def __init__(self, text: str, waiver: str | None = None) -> None:
        super().__init__(text if waiver is None else f'{text}; `waive=["{waiver}"]` allows it')
        self.waiver = waiver


class Bound(Protocol):
    """A subject under a policy set, as `PolicyEngine.bind` gives it."""

    @property
    def valid_until(self) -> datetime | None:
        """The moment from which it must be bound again."""

    def partial(
        self,
        action: str,
        context: Any,
        *,
        resource_type: str,
        fields: Collection[str] | None,
        entities: Any,
    ) -> Residual:
        """Return what is left to decide about resources of a type."""


# ---- what is governed -------------------------------------------------------------------


def folded(name: str) -> str:
    """Return a name as databases may read it: in any case, and PostgreSQL no more than 63 bytes of it."""
    return name.lower().encode()[:63].decode(errors="ignore")


def type_of_table(mapping: TableMapping, table: str, class_: str) -> str:
    """Return the entity type whose rows are in *table*, of a class; raises `ValueError` if it is not one."""
    found = [type_ for type_, of in mapping.tables.items() if of.table == table]
    if not found:
        raise ValueError(f"the mapping has no table `{table}`, of `{class_}`")
    if len(found) > 1:
        raise ValueError(f"`{table}` is the table of several types: its rows are of one")
    return found[0]


def check_actions(mapping: TableMapping, type_: str, verbs: Verbs) -> None:
    """Raise `ValueError` for a verb that is an action on no resource of the type."""
    for action in (verbs.select, verbs.insert, verbs.update, verbs.delete):
        if action is None:
            continue
        known = mapping.schema.actions.get(action)
        if known is None or type_ not in known.resources:
            actions = [
                name for name, one in mapping.schema.actions.items() if type_ in one.resources
            ]
            raise ValueError(f"there is no action `{action}` on {type_}{meant(action, actions)}")


def part_tables(of: EntityTable) -> Iterator[tuple[str, str]]:
    """Give the tables of parts of an entity, each with its column that names the entity."""
    for stored in of.attributes.values():
        yield from set_tables(stored)
    for parents in of.parents.values():
        if isinstance(parents, ParentTable):
            yield parents.table, parents.child
        elif isinstance(parents, ClosureTable):
            yield parents.table, parents.below


def set_tables(stored: Stored) -> Iterator[tuple[str, str]]:
    """Give the tables of the sets in a value, each with its column that names the entity."""
    if isinstance(stored, SetTable):
        yield stored.table, stored.owner
    elif isinstance(stored, Mapping):
        for part in stored.values():
            yield from set_tables(part)


# ---- what is allowed --------------------------------------------------------------------


class AllowedRows(Struct, frozen=True, eq=False):
    """The rows of a table on which an action is allowed, valid until a moment, None for ever.

    *hidden*: names of the columns, and of tables of parts, that are not to be read.
    """

    predicate: Predicate
    until: datetime | None
    hidden: frozenset[str]


class SubjectRows:
    """What is allowed to a bound subject in a context.

    *verbs*, *fields*: by entity type; fields are read only of rows which expose them.
    """

    def __init__(
        self,
        bound: Bound,
        mapping: TableMapping,
        verbs: Mapping[str, Verbs],
        *,
        context: Any,
        entities: Any,
        fields: Mapping[str, Collection[str]],
    ) -> None:
        if not (callable(getattr(bound, "partial", None)) and hasattr(bound, "valid_until")):
            # Else each statement would be refused by an error of another kind, the first one late.
            given = type(bound).__name__
            raise TypeError(f"a subject is bound, `engine.bind(subject)`, and not a `{given}`")
        self._bound, self._mapping, self._verbs = bound, mapping, verbs
        self._context, self._entities, self._fields = context, entities, fields
        self._left: dict[tuple[str, str], Residual] = {}

    def allowed(self, type_: str, action: str) -> AllowedRows:
        """Return the rows of a type on which the action is allowed."""
        is_read = action == self._verbs[type_].select
        fields = self._fields.get(type_) if is_read else None
        left = self._left[type_, action] = self._partial(type_, action, fields)
        made = make_filter(left, self._mapping)
        moments = [made.valid_until, self._bound.valid_until]
        hidden = frozenset(self._hidden(left)) if is_read else frozenset[str]()
        if hidden and fields:
            # Rows that expose the fields are some of those that are allowed, and show what all of these show.
            all_rows = self._partial(type_, action, None)
            hidden &= frozenset(self._hidden(all_rows))
            moments.append(all_rows.valid_until)
        until = min((one for one in moments if one is not None), default=None)
        return AllowedRows(made.predicate, until, hidden)

    def _partial(self, type_: str, action: str, fields: Collection[str] | None) -> Residual:
        return self._bound.partial(
            action,
            self._context,
            resource_type=type_,
            fields=fields,
            entities=self._entities,
        )

    def _hidden(self, left: Residual) -> Iterator[str]:
        """Give the names of columns and tables that hold what some rows do not expose."""
        if left.exposed is None:
            return
        of = self._mapping.table_of(left.target[2])
        shown = {name for name, when in left.exposed.items() if when == TRUE}
        for name, stored in of.attributes.items():
            if name not in shown:
                yield from (column.name for column in columns_of(stored))
                yield from (table for table, _ in set_tables(stored))
        if "id" not in shown:
            yield self._mapping.id_of(left.target[2]).name

    def decide(self, type_: str, action: str, row: Row) -> bool | None:
        """Decide about a row before it is written; None if it does not say all that is asked.

        The row raises `NotInMemory` for what it does not say.
        """
        if (type_, action) not in self._left:
            self.allowed(type_, action)
        left = self._left[type_, action]
        needs = NOTHING
        for rule in left.basis.rules:
            needs |= NOTHING if rule.advisory else rule.needs.resource
        reader = RowReader(self._mapping, not_in_memory)
        try:
            key = reader.read(type_, row, needs)
            decision = left.decide(resource=reader.entities()[key])
        except (NotInMemory, InvalidRequest):
            return None
        return decision.allowed


class NotInMemory(Exception):  # noqa: N818 - it says what is so
    """Raised for a value that is not known before it is written."""


def not_in_memory(*_: object) -> NoReturn:
    """Raise `NotInMemory`."""
    raise NotInMemory


PLAIN: Final = (str, int, bool, Decimal, datetime)
"""The classes of values that are stored as they are."""


class RowInMemory(Mapping[str, Any]):
    """The row that an object stands for, of which columns are asked by their names and never listed."""

    def __iter__(self) -> NoReturn:
        raise NotImplementedError  # not asked: it may not be known which columns will be written

    def __len__(self) -> NoReturn:
        raise NotImplementedError  # not asked, as above
