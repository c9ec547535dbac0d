"""Print and run statements of Django, where models are authorized.

Wherever a governed table is in a FROM, the query of its visible rows is printed in its place, under the same
alias: `FROM (SELECT … FROM doc WHERE …) doc`. So nothing depends on how a query came to the table: as its
model, by a join, a subquery, a manager, or the collector of a deletion. INSERT, UPDATE and DELETE ask for the
rows that they write (`authorized_writes.py`).
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.db import DatabaseError, DataError
from django.db.models.expressions import Col, RawSQL
from django.db.models.sql.datastructures import BaseTable, Join

from policyengine.filters.django_texts import text_in
from policyengine.filters.governing import AccessRefused
from policyengine.filters.model_authorization import Authorization, Key, current

_COLUMN: Final = re.compile(r'"([^"%]+)"\."[^"%]+"')


class Printed(str):
    """A statement that may be run with its parameters."""

    __slots__ = ("authorization", "params")
    authorization: Authorization
    params: Key


class GovernedCompiler:
    """What a compiler of Django does otherwise where models are authorized."""

    reads_in_place = True
    """Whether what is visible of the statement's own table is printed in its place."""

    query: Any
    connection: Any
    using: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        authorization = current()
        assert authorization is not None
        self.authorization = authorization
        self._runs = False

    @property
    def _plain(self) -> Any:
        """The compiler as Django has it."""
        return super()

    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Run the statement."""
        self.authorization.renew()
        self._runs = True
        try:
            return self._plain.execute_sql(*args, **kwargs)
        except DatabaseError as problem:
            problem.args = (_without_values(problem),)
            raise
        finally:
            self._runs = False

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Print the statement, and if it is to be run, so that it may be."""
        demand, query = self.authorization.demand, self.query
        if query.explain_info is not None:
            demand("explain", "a plan says what is in rows that are hidden")
        names_columns = all(self._names_column(*one) for one in query.extra.values())
        if not names_columns or query.extra_tables or query.extra_order_by:
            demand("text", "`extra()` is in a query")
        made = self._plain.as_sql(*args, **kwargs)
        if not self._runs:
            return made
        if isinstance(made, list):
            return [self._printed(*one) for one in made]
        return self._printed(*made)

    def _printed(self, text: str, params: Any) -> tuple[str, Key]:
        made = Printed(text)
        made.authorization, made.params = self.authorization, tuple(params)
        return (made, made.params) if text else (text, made.params)

    def compile(self, node: Any) -> Any:
        """Print a part of the statement."""
        if isinstance(node, BaseTable | Join):
            return self._table(node)
        self._check(node)
        for part in getattr(node, "get_source_expressions", tuple)():
            self._check(part)  # which Django prints itself here and there
        return self._plain.compile(node)

    def _check(self, node: Any) -> None:
        """Refuse a column that may be hidden, and what is text."""
        if node is None or (isinstance(node, RawSQL) and self._names_column(node.sql, node.params)):
            return
        if isinstance(node, Col) and self.authorization.hides(node.target):
            name = f"{node.target.model.__name__}.{node.target.name}"
            raise AccessRefused(f"`{name}` may be hidden: `fields=` asks for it")
        text = text_in(node, self.connection)
        if text is not None:
            self.authorization.demand("text", f"{text} is in a query")

    def _names_column(self, text: str, params: Any) -> bool:
        """Return whether a text is a column of a table in this query, as Django itself gives some."""
        found = _COLUMN.fullmatch(text)
        if found is None or params or not self.reads_in_place:
            return False
        return bool(self.query.alias_refcount.get(found[1]))

    def _table(self, node: Any) -> tuple[str, list[Any]]:
        """Print a table in a FROM."""
        text, params = self._plain.compile(node)
        if type(node) not in (BaseTable, Join):
            self.authorization.demand("text", f"a {type(node).__name__} is in a query")
            return text, params
        name = node.table_name
        if not self.authorization.governed.governs(name):
            self.authorization.governed.check_named(name)
            return text, params
        visible, bound = self.authorization.visible(name, self.connection)
        quoted = self.quote_name_unless_alias  # type: ignore[attr-defined]  # Django's
        before = f"{node.join_type} " if node.join_type else ""
        plain = f"{before}{quoted(name)}" + (
            "" if node.table_alias == name else f" {node.table_alias}"
        )
        if not text.startswith(plain):
            raise RuntimeError("Django prints tables in another way than it did")
        alias = quoted(node.table_alias)
        return f"{before}({visible}) {alias}{text[len(plain) :]}", [*bound, *params]

    def get_group_by(self, *args: Any) -> Any:
        """Leave out columns that may be hidden where the key is among them: they follow from it."""
        columns = self.query.group_by
        if isinstance(columns, tuple):
            keyed = {
                one.alias for one in columns if isinstance(one, Col) and one.target.primary_key
            }
            for alias, join in self.query.alias_map.items():  # and of rows above, in inheritance
                relation = getattr(getattr(join, "join_field", None), "remote_field", None)
                if join.parent_alias in keyed and getattr(relation, "parent_link", False):
                    keyed.add(alias)
            hides = self.authorization.hides
            self.query.group_by = tuple(
                one
                for one in columns
                if not (isinstance(one, Col) and one.alias in keyed and hides(one.target))
            )
        return self._plain.get_group_by(*args)

    def collapse_group_by(self, expressions: Any, _having: Any) -> Any:
        """Group by all columns: those of a query do not follow from its key, as those of a table do."""
        return expressions

    def get_default_columns(self, select_mask: Any, *args: Any, **kwargs: Any) -> Any:
        """Leave out columns that may be hidden, unless the query names fields."""
        columns = self._plain.get_default_columns(select_mask, *args, **kwargs)
        if select_mask and not self.query.deferred_loading[1]:
            return columns
        hides = self.authorization.hides
        return [one for one in columns if one.target.primary_key or not hides(one.target)]


def _without_values(problem: DatabaseError) -> str:
    """Return what the database says, without values of rows, which may be hidden: details and what does not fit."""
    if isinstance(problem, DataError):
        return "a value does not fit what is computed with it"
    return str(problem).partition("\n")[0]
