"""Check tables: that each name of a table's key has one row, and what is looked up in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic
from policyengine.model.types import TableType, TaxonomyType, Type
from policyengine.semantics import messages, table_messages
from policyengine.semantics.checked import Value
from policyengine.semantics.guards import Guards
from policyengine.semantics.inference import Inference
from policyengine.semantics.names import Scope
from policyengine.semantics.vocabulary import UNKNOWN
from policyengine.syntax import nodes


class ConstantReader(Protocol):
    """Reads the constants of a set (`Definitions`)."""

    problems: list[Diagnostic]

    def read_constant(self, node: nodes.Expr, type_: Type, scope: Scope) -> object:
        """Return the canonical value of a constant expression of that type; report any other."""


_FOR_THE_REST = frozenset({"_", "default", "else", "other", "others", "otherwise", "rest"})
"""Rows for the rest, in other languages."""


def read_table(reader: ConstantReader, node: nodes.Expr, type_: Type, scope: Scope) -> object:
    """Return the value of a constant, which may be a table; None after reporting a mistake."""
    if not isinstance(type_, TableType):
        return reader.read_constant(node, type_, scope)
    if not isinstance(node, nodes.RecordDisplay):
        reader.problems.append(table_messages.no_rows(node.span, type_))
        return None
    key, rows = type_.key, dict[str, object]()
    first: dict[str, nodes.Ident] = {}
    before = len(reader.problems)
    for row in node.fields:
        if len(reader.problems) >= MOST_SHOWN:  # saying what is wrong takes long
            return None
        name = row.name.name
        if name not in key.positions:
            if name.lower() in _FOR_THE_REST:
                reader.problems.append(table_messages.no_row_for_the_rest(row.name, key))
            else:
                problem = messages.not_a_member(row.name.span, name, key, key.members)
                reader.problems.append(problem)
        elif first.setdefault(name, row.name) is not row.name:
            reader.problems.append(messages.given_twice(row.name, first[name]))
        rows[name] = read_table(reader, row.value, type_.value, scope)
    needed: Iterable[str] = key.members
    if isinstance(key, TaxonomyType):
        needed = (term for term, parent in key.parents if parent is None)
    missing = [name for name in needed if name not in rows]
    # The row that has a mistake may be the missing one.
    if missing and len(reader.problems) > before:
        return None
    if missing:
        reader.problems.append(table_messages.lacks_rows(node.span, key, missing))
        return None
    if isinstance(key, TaxonomyType):
        for term, parent in key.parents:  # each comes after its parent
            rows.setdefault(term, rows[parent or term])
    values = tuple([rows[name] for name in key.members])
    return None if None in values else values


def check_look_up(checker: Inference, node: nodes.LookUp, guards: Guards) -> Type:
    """Return the type of a row, which may be a table itself; note its value if the key is constant."""
    table = checker.infer(node.table, guards, looked_up=True)
    if not isinstance(table, TableType):
        if table is not UNKNOWN:
            checker.problems.append(table_messages.no_table(node, table))
        return UNKNOWN
    checker.expect(node.key, table.key, guards)
    rows, name = (checker.bindings.get(id(part)) for part in (node.table, node.key))
    if isinstance(rows, Value) and isinstance(name, Value) and name.type == table.key:
        return checker.bind(node, Value(table.value, table.row(rows.value, name.value)))
    return table.value
