"""Find what a context fixture gives: a record that a test names after `with`.

What its keys mean depends on the action that is asked for, so they are checked where the fixture is used, each
time as a copy: as if they were written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import frozen
from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import Type
from policyengine.semantics.names import FIXTURE, Scope, Symbol
from policyengine.syntax import nodes


@frozen
class Given:
    """A key of a context fixture, with the names that its value sees."""

    field: nodes.RecordField
    scope: Scope
    variables: dict[str, Type]

    def copied(self) -> nodes.RecordField:
        """Return the key with its value, as nodes of their own."""
        return nodes.RecordField(self.field.name, _copied(self.field.value), span=self.field.span)


Context: TypeAlias = Mapping[str, Given]
"""The keys of a context by name."""

Named: TypeAlias = Callable[[nodes.Expr], Context | None]
"""Returns the context fixture that an expression names, None if it names none."""


def context_of(
    expr: nodes.Expr, scope: Scope, variables: dict[str, Type], named: Named
) -> Context | None:
    """Return the context that *expr* gives, None if it is none.

    A key that is overridden is replaced as a whole.
    """
    match expr:
        case nodes.RecordDisplay(fields):
            return {f.name.name: Given(f, scope, variables) for f in fields}
        case nodes.SetDisplay(()):
            return {}
        case nodes.Update(object_, changes):
            before, more = named(object_), context_of(changes, scope, variables, named)
            return None if before is None or more is None else {**before, **more}
        case _:
            return named(expr)


def fixtures_named(expr: nodes.Expr, scope: Scope) -> Iterator[Symbol]:
    """Give the fixtures that *expr* may name."""
    match expr:
        case nodes.Name(name):
            yield from scope.candidates(FIXTURE, name)
        case nodes.Attr(nodes.Name(package), nodes.Ident(name)) if package in scope.visible:
            known = scope.names.packages[package].get(FIXTURE, {})
            if name in known:
                yield known[name]


def certain(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return what is wrong with a context wherever it is used, by what is wrong with it as a value.

    The types of its keys may settle which enumerator is meant and what `{}` holds, and one that changes another
    is no value at all.
    """
    return [problem for problem in problems if problem.code not in ("PE204", "PE305", "PE317")]


def _copied(value: Any) -> Any:
    match value:
        case nodes.Node():
            return replace(value, **{n: _copied(p) for n, p in nodes.fields_of(value).items()})
        case tuple() if type(value) is tuple:  # an address is one, too
            return tuple([_copied(part) for part in value])
        case _:
            return value
