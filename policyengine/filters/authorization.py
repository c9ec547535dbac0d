"""Keep what a session is authorized by: conditions as long as they are valid, and what is waived."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, select
from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.orm import Session

from policyengine.filters.governed_tables import Condition, GovernedTables, Rules
from policyengine.filters.governing import AccessRefused, Verb
from policyengine.filters.visible_rows import (
    NotReached,
    OfAllRows,
    VisibleRows,
    Waiver,
)
from policyengine.model.values import to_datetime
from policyengine.runtime import clock

_MOMENT: Final = timedelta(seconds=1)
"""Conditions that are not even valid for so long compare a column with the time."""


class Authorization:
    """What the caller of a session may do with rows of governed tables."""

    def __init__(self, rules: Rules, governed: GovernedTables, waived: frozenset[Waiver]) -> None:
        self.rules = rules
        self.governed = governed
        self._waived = waived
        self._conditions: dict[tuple[type, str], tuple[datetime, Condition]] = {}
        self._visible: dict[Table, Select[Any]] = {}
        self._also_reached: dict[Table, None] = {}
        self._operations = self._trusted = 0

    # ---- what is checked ----------------------------------------------------------------

    def demand(self, waiver: Waiver, why: str) -> None:
        """Refuse what is not waived."""
        if waiver not in self._waived:
            raise AccessRefused(why, waiver)

    @property
    def is_trusting(self) -> bool:
        """Whether statements are run that are our own, or waived."""
        return self._trusted > 0

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """Let statements run unchecked."""
        self._trusted += 1
        try:
            yield
        finally:
            self._trusted -= 1

    # ---- conditions ---------------------------------------------------------------------

    def criterion(self, table: Table, verb: Verb) -> ColumnElement[bool]:
        """Return the condition of the rows of a governed table for which *verb* is allowed."""
        return OfAllRows(self.governed.condition(self._ask, table, verb).criterion)

    def _ask(self, entity: type, action: str) -> Condition:
        made = self._conditions.get((entity, action))
        if made is None:
            condition = self.rules.condition(entity, action)
            made = to_datetime(clock.now()), condition  # a clock that was set back is before it
            self._conditions[entity, action] = made
        return made[1]

    @property
    def is_in_operation(self) -> bool:
        """Whether the session is doing something."""
        return self._operations > 0

    @contextmanager
    def operation(self, session: Session) -> Iterator[None]:
        """Do something under conditions that are valid when it begins."""
        if not self._operations:
            self._renew(session)
        self._operations += 1
        try:
            yield
        except StatementError as problem:
            problem.hide_parameters = True  # among which are values of the subject
            if isinstance(problem, DBAPIError):
                problem.args = (_without_values(problem),)
            raise
        finally:
            self._operations -= 1

    def _renew(self, session: Session) -> None:
        """Forget conditions that are no longer valid, or not yet again, and what was read under them.

        What was read under a condition that is made for each moment stays: it was read at its moment.
        """
        now = to_datetime(clock.now())
        ended = {
            key: made
            for key, (made, condition) in self._conditions.items()
            if now < made or (condition.until is not None and condition.until <= now)
        }
        if not ended:
            return
        outlived = [self._conditions.pop(key)[1].until for key in ended]
        self._visible.clear()
        if any(
            until is None or until - made >= _MOMENT
            for until, made in zip(outlived, ended.values(), strict=True)
        ):
            for held in list(session.identity_map.values()):
                if held not in session.dirty:
                    session.expire(held)

    # ---- what is visible ----------------------------------------------------------------

    def reach(self, problem: NotReached) -> None:
        """Let all statements read a table that one did not expect to read."""
        if problem.table in self._also_reached:
            raise problem
        self._visible_of(problem.table)
        self._also_reached[problem.table] = None

    def visible(self, statement: Any) -> VisibleRows:
        """Return what lets a statement read the visible rows of tables."""
        queries = {}
        for table in self.governed.reached(statement) | self._also_reached:
            with suppress(Exception):  # which is raised where the table is read
                queries[table] = self._visible_of(table)
        return VisibleRows(queries, self.governed, self._waived)

    def may_be_hidden(self, table: Table, name: str) -> bool:
        """Return whether statements do not read a column of a governed table."""
        with suppress(Exception):  # if nothing of the table is read
            return all(seen.name != name for seen in self._visible_of(table).selected_columns)
        return True

    def _visible_of(self, table: Table) -> Select[Any]:
        query = self._visible.get(table)
        if query is None:
            seen = self.governed.condition(self._ask, table, "select")
            columns = (column for column in table.c if column.name not in seen.hidden)
            query = self._visible[table] = select(*columns).where(seen.criterion)
        return query


def _without_values(problem: DBAPIError) -> str:
    """Return what the database says, without values of rows, which may be hidden: details and what does not fit."""
    said = str(problem.args[0]).partition("\n")[0]
    if isinstance(problem, DataError):
        return f"{said.partition(')')[0]}) a value does not fit what is computed with it"
    return said
