"""Read what is known at the paths of a condition: all that is left of it depends on.

What is read is hashable, and parameters stand in it for strings (`parameters.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, TypeAlias

from policyengine.compiler import ir
from policyengine.model.records import Record
from policyengine.model.values import ABSENT, slot
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts, Shape
from policyengine.partial.parameters import Strings, standing_for, standing_for_line


class Lacking(Enum):
    """Why there is no value at a path: it is not known, or what it leads through is absent."""

    UNKNOWN = "unknown"
    NOWHERE = "nowhere"


Read: TypeAlias = Callable[[KnownParts, Strings], Any]
"""Returns what is known at a path, with parameters for strings: a value, `ABSENT`, or why there is none."""

_UNKNOWN, _NOWHERE = Lacking.UNKNOWN, Lacking.NOWHERE
_COMPARING: Final = frozenset([
    "lies_in", "lies_in_one", "entity_within", "entities_within", "ancestors", "terms_within", "touches", "ip_within", "ips_within",
    "prefixes", "paths_within", "path_like", "add_months", "within_schedule", "step",
])  # fmt: skip
"""The operations that ask of a string, if of any, just whether it is another one."""


class UnboundedReadError(Exception):
    """What a condition depends on is not at some paths: it looks up entities that it finds, or all of a context."""


def reads_of(node: ir.Expr, shape: Shape, types: ExpressionTypes) -> tuple[Read, ...]:
    """Return what reads the known paths of *node*; raises `UnboundedReadError`."""
    content = looks_into_strings(node)
    paths = dict.fromkeys(_paths_in(node, shape, frozenset()))
    return tuple([_read(path, types, content=content) for path in paths])


def looks_into_strings(node: ir.Expr) -> bool:
    """Whether *node* may ask of a string more than whether it is another one."""
    return any(isinstance(p, ir.Operation) and p.name not in _COMPARING for p in ir.walk(node))


def _paths_in(node: ir.Expr, shape: Shape, found: frozenset[str]) -> Iterator[ir.Expr]:
    """Give the known paths in *node*; *found*: the variables of which something may be known."""
    match node:
        case ir.Root("context" | "entities"):
            raise UnboundedReadError
        case ir.Slot() | ir.Id() | ir.Line() if (root := _root_of(node)) is not None:
            if root in shape.parts and not shape.is_left_out(node):
                yield node
        case ir.Entity(_, id_):
            if isinstance(id_, ir.Const) or not shape.is_unknown(id_):
                raise UnboundedReadError
            if not ir.free(id_).isdisjoint(found):
                raise UnboundedReadError
            yield from _paths_in(id_, shape, found)
        case ir.Quantified(_, local, over, body):
            yield from _paths_in(over, shape, found)
            known = not shape.is_unknown(over) or not ir.free(over).isdisjoint(found)
            yield from _paths_in(body, shape, found | {local} if known else found - {local})
        case ir.Let(names, _, _):
            for part in ir.children(node):
                yield from _paths_in(part, shape, found | frozenset(names))
        case _:
            for part in ir.children(node):
                yield from _paths_in(part, shape, found)


def _root_of(node: ir.Expr) -> str | None:
    """Return the root from which attributes alone lead to *node*, None if there is none."""
    match node:
        case ir.Root(name):
            return name
        case ir.Slot(inner) | ir.Id(inner) | ir.Line(inner) | ir.Entity(_, inner):
            return _root_of(inner)
        case _:
            return None


def _read(path: ir.Expr, types: ExpressionTypes, *, content: bool) -> Read:
    """Return what reads *path*; *content*: with the strings, of which more is asked than whether they are equal."""
    at = _reading(path)
    standing = standing_for_line if isinstance(path, ir.Line) else standing_for(types.type_of(path))
    if standing is None:
        raise UnboundedReadError

    def read(known: KnownParts, strings: Strings) -> Any:
        value = at(known)
        if value is ABSENT or value is _UNKNOWN or value is _NOWHERE:
            return value
        stands = standing(value, strings)
        return (stands, value) if content else stands

    return read


def _reading(node: ir.Expr) -> Callable[[KnownParts], Any]:
    match node:
        case ir.Root("subject"):
            return lambda known: known.subject
        case ir.Root("resource"):
            return lambda known: known.resource
        case ir.Root("context"):
            return lambda known: known.context
        case ir.Entity(type_, inner):
            id_of = _reading(inner)
            return lambda known: _entity(known, type_, id_of(known))
        case ir.Id(object_):
            holder = _reading(object_)
            return lambda known: _of(holder(known), "id")
        case ir.Line(object_):
            holder = _reading(object_)
            return lambda known: _of(holder(known), "line")
        case ir.Slot(object_, name, optional):
            holder, at = _reading(object_), slot(name)
            return lambda known: _slot(holder(known), at, optional=optional)
        case _:
            raise AssertionError(f"no path: {node}")


def _entity(known: KnownParts, type_: str, id_: Any) -> Any:
    if not isinstance(id_, str):
        return _NOWHERE if id_ is ABSENT else id_
    found = known.entity(type_, id_)
    return _UNKNOWN if found is None else found


def _of(holder: Any, name: str) -> Any:
    if isinstance(holder, Lacking):
        return holder
    found = getattr(holder, name)
    return _UNKNOWN if found is None else found


def _slot(holder: Any, name: str, *, optional: bool) -> Any:
    if holder is ABSENT or isinstance(holder, Lacking):
        return _NOWHERE if holder is ABSENT else holder
    value = getattr(holder, name)
    if value is ABSENT and not (optional and (isinstance(holder, Record) or holder.described_)):
        return _UNKNOWN
    return value
