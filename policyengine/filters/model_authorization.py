"""Keep what models of Django are authorized by: conditions as long as they are valid, and what is waived."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

from django.db.models import DateField, DecimalField, Exists, Field, OuterRef, Q, QuerySet
from msgspec import Struct

from policyengine.filters.django_printing import django_condition
from policyengine.filters.governed_models import MappedModels, Model, attribute_of
from policyengine.filters.governing import (
    PLAIN,
    AccessRefused,
    RowInMemory,
    SubjectRows,
    Verb,
    not_in_memory,
)
from policyengine.model.values import to_datetime
from policyengine.runtime import clock

Waiver: TypeAlias = Literal["text", "connection", "explain", "conflicts"]
"""What authorized models do only where it is waived."""

Key: TypeAlias = tuple[Any, ...]
_AT_ONCE: Final = 500


class Free:
    """What lets the statements of a context be as ever, also of models that demand an authorization."""


FREE: Final = Free()


def current() -> Authorization | None:
    """Return what authorizes the statements of this context, None if they are as ever."""
    found = _innermost()
    return found if isinstance(found, Authorization) else None


def is_free() -> bool:
    """Return whether it was said that nothing authorizes the statements of this context."""
    return _innermost() is FREE


def _innermost() -> Authorization | Free | None:
    scopes = _SCOPES.get()
    return scopes[-1].said if scopes else None


class Authorizing:
    """A scope in which an authorization holds, or in which models are free.

    It is no decorator, as context managers are that `contextlib` makes: the scope of a coroutine function
    would be left before the first of its statements. One scope may be entered in several threads and tasks.
    """

    def __init__(self, said: Authorization | Free) -> None:
        self.said = said

    def __enter__(self) -> None:
        if isinstance(self.said, Authorization) and current() is not None:
            raise AccessRefused("models are authorized here already")
        _SCOPES.set((*_SCOPES.get(), self))

    def __exit__(self, *_: object) -> None:
        scopes = _SCOPES.get()
        if self not in scopes:
            return  # of a generator that another context ends
        start = len(scopes) - 1 - scopes[::-1].index(self)
        # What a generator has entered since, and not left, holds if it authorizes, and frees nothing.
        within = (one for one in scopes[start + 1 :] if one.said is not FREE)
        _SCOPES.set((*scopes[:start], *within))


_SCOPES: Final[ContextVar[tuple[Authorizing, ...]]] = ContextVar("_SCOPES", default=())
"""The scopes of a context, the innermost last."""


class Condition(Struct, frozen=True, eq=False):
    """What holds of the rows that are allowed, valid from a moment on and until one, None for ever.

    *hidden*: names of the columns, and of tables of parts, that are not to be read.
    """

    criterion: Any
    since: datetime
    until: datetime | None
    hidden: frozenset[str]

    def __repr__(self) -> str:
        return "<Condition>"  # which has values of the subject, private ones too


class Authorization:
    """What may be done with rows of governed models."""

    def __init__(
        self, governed: MappedModels, rows: SubjectRows, waived: frozenset[Waiver]
    ) -> None:
        self.governed = governed
        self._rows = rows
        self._waived = waived
        self._conditions: dict[tuple[Model, str], Condition] = {}
        self._printed: dict[tuple[str, str], tuple[Condition, str, Key]] = {}

    def demand(self, waiver: Waiver, why: str) -> None:
        """Refuse what is not waived."""
        if waiver not in self._waived:
            raise AccessRefused(why, waiver)

    def renew(self) -> None:
        """Forget conditions that are no longer valid, or not yet again, before a statement."""
        now = to_datetime(clock.now())
        for key, made in list(self._conditions.items()):
            if now < made.since or (made.until is not None and made.until <= now):
                self._conditions.pop(key, None)

    # ---- conditions ---------------------------------------------------------------------

    def condition(self, table: str, verb: Verb) -> Condition:
        """Return the condition of the rows of a governed table for which *verb* is allowed."""
        asked = self._of_entity(table, verb)
        part = self.governed.parts.get(table)
        if part is None:
            return asked
        model = self.model(table)
        joined = {
            attribute_of(part.owner, other): OuterRef(attribute_of(model, one))
            for one, other in part.on.items()
        }
        owners = QuerySet(part.owner).order_by().filter(asked.criterion).filter(**joined)
        hidden = self._hidden(table, asked)
        return Condition(Q(Exists(owners)), asked.since, asked.until, hidden)

    def _hidden(self, table: str, asked: Condition) -> frozenset[str]:
        """Return the names of columns of a table that may be hidden; of parts, those that say what has them."""
        part = self.governed.parts.get(table)
        if part is None:
            return asked.hidden
        return frozenset(one for one, other in part.on.items() if other in asked.hidden)

    def _of_entity(self, table: str, verb: Verb) -> Condition:
        """Return the condition of the rows of a governed table, or of those that they are parts of."""
        governed, part = self.governed, self.governed.parts.get(table)
        if part is None:
            model = governed.entity(table)
            return self._asked(model, governed.action(model, verb))
        read = verb == "select"
        owned = self._of_entity(part.owner._meta.db_table, "select" if read else "update")
        if read and table in owned.hidden:
            raise AccessRefused(f"`{table}` may be hidden: `fields=` asks for it")
        return owned

    def _asked(self, model: Model, action: str) -> Condition:
        made = self._conditions.get((model, action))
        if made is None:
            governed = self.governed
            rows = self._rows.allowed(governed.types[model], action)
            criterion = django_condition(rows.predicate, model, governed.models)
            since = to_datetime(clock.now())  # a clock that was set back is before it
            made = Condition(criterion, since, rows.until, rows.hidden)
            self._conditions[model, action] = made
        return made

    def model(self, table: str) -> Model:
        """Return the model of a governed table; raises `AccessRefused` if there is none."""
        model = self.governed.models.get(table)
        if model is None:
            raise AccessRefused(f"there is no model of the table `{table}`")
        return model

    def hides(self, field: Any) -> bool:
        """Return whether the column of a field is not to be read."""
        table = field.model._meta.db_table
        if not self.governed.governs(table):
            return False
        return field.column in self._hidden(table, self._of_entity(table, "select"))

    def visible(self, table: str, connection: Any) -> tuple[str, Key]:
        """Return the query of the visible rows of a governed table, as it is printed for a connection."""
        asked = self._of_entity(table, "select")
        known = self._printed.get((connection.alias, table))
        if known is not None and known[0] is asked:
            return known[1:]
        condition = self.condition(table, "select")
        fields = self.model(table)._meta.local_concrete_fields
        names = [field.attname for field in fields if field.column not in condition.hidden]
        if not names:
            raise AccessRefused(f"all of `{table}` may be hidden: `fields=` asks for it")
        with Authorizing(FREE):
            rows = QuerySet(self.model(table)).order_by().filter(condition.criterion)
            query = rows.values_list(*names).query
            text, params = query.get_compiler(connection=connection, elide_empty=False).as_sql()
        self._printed[connection.alias, table] = asked, text, tuple(params)
        return text, tuple(params)

    # ---- rows that are written ----------------------------------------------------------

    def decide(self, model: Model, action: str, instance: Any) -> bool | None:
        """Decide about an object before its row is inserted; None if it does not say all that is asked."""
        return self._rows.decide(self.governed.types[model], action, _HeldRow(model, instance))

    def require(
        self, table: str, names: Collection[str], keys: Collection[Key], verb: Verb, using: str
    ) -> None:
        """Refuse if one of the rows, whose attributes *names* are *keys*, may not be written; and lock them."""
        if keys:
            allowed = self.condition(table, verb).criterion
            if len(self.stored(table, names, keys, names, using, allowed)) != len(set(keys)):
                raise AccessRefused(
                    f"a row of `{table}` may not be written so, or is no longer there ({verb})"
                )

    def stored(
        self,
        table: str,
        names: Collection[str],
        keys: Collection[Key],
        wanted: Collection[str],
        using: str,
        condition: Any = None,
    ) -> set[Key]:
        """Return what rows of which a condition holds have stored, whose attributes *names* are *keys*; and lock them."""
        found: set[Key] = set()
        left = iter(keys)
        with Authorizing(FREE):
            rows = QuerySet(self.model(table), using=using).order_by().select_for_update()
            rows = rows if condition is None else rows.filter(condition)
            while some := list(islice(left, _AT_ONCE)):
                found.update(rows.filter(having(names, some)).values_list(*wanted))
        return found


def having(names: Collection[str], keys: Collection[Key]) -> Any:
    """Return the condition that attributes *names* have one of *keys*."""
    if len(names) == 1:
        return Q(**{f"{next(iter(names))}__in": [key for (key,) in keys]})
    return Q(*(Q(**dict(zip(names, key, strict=True))) for key in keys), _connector=Q.OR)


class _HeldRow(RowInMemory):
    """The row of an object that is inserted, as far as the object says what will be in it."""

    def __init__(self, model: Model, instance: Any) -> None:
        self._fields = {field.column: field for field in model._meta.concrete_fields}
        self._held = vars(instance)

    def __getitem__(self, name: str) -> Any:
        field = self._fields.get(name)
        if field is None or field.attname not in self._held:
            not_in_memory()
        value = self._held[field.attname]
        if (value is None and field.primary_key) or hasattr(value, "resolve_expression"):
            not_in_memory()
        if type(field).pre_save is not Field.pre_save and (
            not isinstance(field, DateField) or field.auto_now or field.auto_now_add
        ):
            not_in_memory()  # which makes the value
        try:
            value = field.get_prep_value(value)
        except Exception:  # noqa: BLE001 - of what does not fit, which is reported when it is written
            not_in_memory()
        if not (value is None or type(value) in PLAIN) or _is_cut(field, value):
            not_in_memory()
        return value


def _is_cut(field: Any, value: Any) -> bool:
    """Return whether a database may store less of a value than there is: fewer places, or fewer characters."""
    if isinstance(value, str):
        return field.max_length is not None and len(value) > field.max_length
    if isinstance(value, Decimal) and isinstance(field, DecimalField):
        exponent = value.as_tuple().exponent
        return not isinstance(exponent, int) or -exponent > field.decimal_places
    return False
