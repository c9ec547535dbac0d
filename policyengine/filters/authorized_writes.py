"""Decide about the rows that statements of Django write, where models are authorized.

An object is decided about before it is inserted, as far as it says what will be stored. Rows that are updated
or deleted must be visible, and satisfy the condition of their action, or the statement is refused; they are
locked. What was inserted or updated must satisfy the condition as it is stored then. All of it is in a
transaction, so that what is refused leaves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from django.db import transaction
from django.db.models.constants import OnConflict
from django.db.models.sql import Query
from django.db.models.sql.compiler import (
    SQLDeleteCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
)

from policyengine.filters.authorized_statements import GovernedCompiler
from policyengine.filters.governed_models import ModelPart, attribute_of
from policyengine.filters.governing import AccessRefused, Verb
from policyengine.filters.model_authorization import Key, current, having

_MOST_CHANGED: Final = 10_000


class _Writing(GovernedCompiler):
    """A compiler of statements that write rows."""

    reads_in_place = False

    @property
    def model(self) -> Any:
        """The model of the rows."""
        return self.query.get_meta().concrete_model

    @property
    def table(self) -> str:
        """The table that is written."""
        return str(self.query.get_meta().db_table)

    @property
    def part(self) -> ModelPart | None:
        """What the rows are parts of."""
        return self.authorization.governed.parts.get(self.table)

    @property
    def key(self) -> list[str]:
        """The attributes by which rows are found."""
        return [field.attname for field in self.model._meta.pk_fields]

    @property
    def is_governed(self) -> bool:
        """Whether the rows are those of a governed table."""
        if not self.authorization.governed.governs(self.table):
            self.authorization.governed.check_named(self.table)
            return False
        if self.authorization.model(self.table) is not self.model:
            raise AccessRefused(f"`{self.model.__name__}` is another model of a governed table")
        return True

    def require(self, keys: Collection[Key], verb: Verb) -> None:
        """Refuse if one of the rows may not be written."""
        self.authorization.require(self.table, self.key, keys, verb, self.using)

    # ---- parts --------------------------------------------------------------------------

    def owned(self, part: ModelPart) -> list[str]:
        """Return the attributes of rows that say what they are parts of."""
        return [attribute_of(self.authorization.model(self.table), column) for column in part.on]

    def owner(self, part: ModelPart, values: list[Any]) -> Key:
        """Return the key of what rows are parts of, by the values that are given for it."""
        key = []
        for value, column in zip(values, part.on.values(), strict=True):
            name = attribute_of(part.owner, column)
            given = getattr(value, name) if isinstance(value, part.owner) else value
            if hasattr(given, "resolve_expression"):
                raise AccessRefused(f"the owner of rows of `{self.table}` is an expression")
            field = part.owner._meta.get_field(name)
            while field.is_relation:
                field = field.target_field
            key.append(field.to_python(given))
        return tuple(key)

    def require_owners(self, part: ModelPart, owners: set[Key], verb: Verb = "update") -> None:
        """Refuse if an owner of parts may not be updated."""
        if any(None in key for key in owners):
            raise AccessRefused(f"rows of `{self.table}` are written without an owner")
        names = [attribute_of(part.owner, column) for column in part.on.values()]
        table = part.owner._meta.db_table
        left = owners - _deleted(table, names)
        self.authorization.require(table, names, left, verb, self.using)

    # ---- rows that are there ------------------------------------------------------------

    def wanted(self, names: list[str]) -> set[Key]:
        """Return what visible rows that the statement would write have."""
        query = self.query.chain(klass=Query)
        query.get_initial_alias()
        query.clear_ordering(force=True)
        query.clear_select_clause()
        query.add_fields(names)
        found = {tuple(row[: len(names)]) for row in query.get_compiler(self.using).results_iter()}
        if len(found) > _MOST_CHANGED:
            raise AccessRefused(
                f"more than {_MOST_CHANGED} rows are written by one statement: do it in parts"
            )
        return found

    def narrow(self, keys: Collection[Key]) -> None:
        """Let the statement write rows with *keys* only."""
        self.query.add_q(having(self.key, keys))


class _Insert(_Writing):
    def execute_sql(self, returning_fields: Any = None) -> Any:
        """Insert rows, if they may be."""
        plain = super().execute_sql
        if not self.is_governed:
            return plain(returning_fields)
        self.authorization.renew()
        query, part = self.query, self.part
        conflict = query.on_conflict
        if conflict == OnConflict.UPDATE:
            self.authorization.demand("conflicts", "an insert updates rows that it finds")
            return plain(returning_fields)
        returned = list(returning_fields or ())
        for field in returned:
            if not field.primary_key and self.authorization.hides(field):
                raise AccessRefused(f"`{field.name}` may be hidden: `fields=` asks for it")
        with transaction.atomic(using=self.using):
            if part is None:
                self._decide(ignores=conflict is not None)
            else:
                owners, verb = self._owners(part)
                self.require_owners(part, owners, verb)
            keys = [] if conflict is not None else self.model._meta.pk_fields
            rows = [tuple(row) for row in plain([*returned, *keys] or None)]
            if part is None:
                self.require([row[len(returned) :] for row in rows], "insert")
                self._remember(rows, len(returned))
            else:
                self.require_owners(part, owners, verb)
        return [row[: len(returned)] for row in rows] if returned else []

    def _decide(self, *, ignores: bool) -> None:
        """Decide about objects before they are inserted."""
        governed = self.authorization.governed
        action = governed.action(governed.entity(self.table), "insert")
        self.authorization.condition(self.table, "insert")  # which is valid now
        for instance in self.query.objs:
            allowed = self.authorization.decide(self.model, action, instance)
            if allowed is False or (ignores and not allowed):
                raise AccessRefused(
                    f"`{action}` is not allowed on the `{self.model.__name__}` as it is written"
                )

    def _owners(self, part: ModelPart) -> tuple[set[Key], Verb]:
        """Return what the new rows are parts of, and what must be allowed on it.

        Of the row that Django has just inserted for an object, before those of its subclass: `insert`.
        """
        names = self.owned(part)
        owners = [
            self.owner(part, [getattr(one, name) for name in names]) for one in self.query.objs
        ]
        made = (part.owner._meta.db_table, self.authorization)
        is_new = all(
            getattr(one._state, "inserted", None) == (*made, key)  # noqa: SLF001 - documented by Django
            for one, key in zip(self.query.objs, owners, strict=True)
        )
        is_child = part.owner in self.model._meta.get_parent_list()
        return set(owners), "insert" if is_child and is_new else "update"

    def _remember(self, rows: list[Key], start: int) -> None:
        """Remember of objects which row was inserted for them."""
        for instance, row in zip(self.query.objs, rows, strict=False):
            instance._state.inserted = (self.table, self.authorization, row[start:])  # noqa: SLF001 - as above


class _Update(_Writing):
    def execute_sql(self, result_type: Any) -> Any:
        """Update rows, if they may be."""
        plain = super().execute_sql
        if not self.is_governed or not self.query.values:
            return plain(result_type)
        part = self.part
        with transaction.atomic(using=self.using):
            owned = [] if part is None else self.owned(part)
            found = self.wanted([*self.key, *owned])
            if not found:
                return 0
            keys = {row[: len(self.key)] for row in found}
            owners = {row[len(self.key) :] for row in found}
            if part is None:
                self.require(keys, "update")
            else:
                owners |= self._new_owners(part)
                self.require_owners(part, owners)
            self.narrow(keys)
            count = plain(result_type)
            if part is None:
                self.require(keys, "update")
            else:
                self._require_stays(keys, owned, owners)
                self.require_owners(part, owners)
        return count

    def _new_owners(self, part: ModelPart) -> set[Key]:
        """Return what the rows become parts of, which must be updatable before they are."""
        given = {field.column: value for field, _, value in self.query.values}
        if given.keys().isdisjoint(part.on):
            return set()
        return {self.owner(part, [given.get(column) for column in part.on])}

    def _require_stays(self, keys: Collection[Key], owned: list[str], owners: set[Key]) -> None:
        """Refuse if rows have become parts of something else than was asked for."""
        now = self.authorization.stored(self.table, self.key, keys, owned, self.using)
        if not now <= owners:
            raise AccessRefused(f"rows of `{self.table}` get other owners")


class _Delete(_Writing):
    def execute_sql(self, result_type: Any) -> Any:
        """Delete rows, if they may be."""
        plain = super().execute_sql
        if not self.is_governed:
            return plain(result_type)
        part = self.part
        with transaction.atomic(using=self.using):
            found = self.wanted([*self.key, *([] if part is None else self.owned(part))])
            if not found:
                return 0
            keys = {row[: len(self.key)] for row in found}
            owners = {row[len(self.key) :] for row in found}
            if part is None:
                self.require(keys - _deleted(self.table, self.key), "delete")
            else:
                self.require_owners(part, owners)
            self.narrow(keys)
            count = plain(result_type)
            if part is not None:
                self.require_owners(part, owners)
        return count


# ---- what a deletion takes with it ------------------------------------------------------

_DELETED: Final[ContextVar[Mapping[tuple[str, tuple[str, ...]], set[Key]]]] = ContextVar(
    "_DELETED", default=MappingProxyType({})
)
"""What rows have that are being deleted, by their tables and the names of attributes: as they are stored, whatever
objects say. It was decided about before their parts are deleted."""


def _deleted(table: str, names: list[str]) -> set[Key]:
    return _DELETED.get().get((table, tuple(names)), set())


@contextmanager
def deleting(collector: Any) -> Iterator[None]:
    """Delete what Django has collected, if all governed rows among it may be."""
    authorization = current()
    if authorization is None:
        yield
        return
    authorization.renew()
    governed, using = authorization.governed, collector.using
    collected = defaultdict[str, set[Key]](set)
    for model, instances in collector.data.items():
        meta = model._meta.concrete_model._meta
        if governed.governs(meta.db_table) and meta.db_table not in governed.parts:
            names = [field.attname for field in meta.pk_fields]
            collected[meta.db_table] |= {tuple(getattr(i, n) for n in names) for i in instances}
    with transaction.atomic(using=using):
        deleted = {}
        for table, keys in collected.items():
            model = authorization.model(table)
            names = [field.attname for field in model._meta.pk_fields]
            authorization.require(table, names, keys, "delete", using)
            named = {tuple(names)}
            for part in governed.parts.values():
                if part.owner is model:
                    named.add(tuple(attribute_of(model, column) for column in part.on.values()))
            for own in named:
                deleted[table, own] = authorization.stored(table, names, keys, own, using)
        token = _DELETED.set(deleted)
        try:
            yield
        finally:
            _DELETED.reset(token)


_KINDS: Final = (
    (SQLInsertCompiler, _Insert),
    (SQLUpdateCompiler, _Update),
    (SQLDeleteCompiler, _Delete),
)


@lru_cache(maxsize=64)
def governed_compiler(plain: Any) -> Any:
    """Return the compiler class that does what *plain* does, where models are authorized."""
    ours = next((one for kind, one in _KINDS if issubclass(plain, kind)), GovernedCompiler)
    return type(f"Governed{plain.__name__}", (ours, plain), {})
