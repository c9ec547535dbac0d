"""Define what all nodes of the syntax tree have: a span, equality, and their parts by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct

from policyengine.diagnostics.source import NOWHERE, Span


class Node(
    Struct, frozen=True, eq=False, gc=False, kw_only=True, array_like=True, tag=True, tag_field="is"
):
    """A construct of the language, with its place in a file.

    Nodes are structs of msgspec, which are made in a fifth of the time that other classes take, and
    are written to a cache and read from it without Python code.
    """

    ASIDE: ClassVar[frozenset[str]] = frozenset({"span"})
    """Fields that do not count when nodes are compared."""

    span: Span = NOWHERE

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(other, name) == part for name, part in fields_of(self).items())

    def __ne__(self, other: object) -> bool:  # a struct's own does not call `__eq__`
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), *fields_of(self).values()))

    def __repr__(self) -> str:
        parts = (f"{name}={part!r}" for name, part in fields_of(self).items())
        return f"{type(self).__name__}({', '.join(parts)})"


def fields_of(node: Node) -> dict[str, Any]:
    """Return the parts of *node* by name, without those that do not count."""
    aside = node.ASIDE
    return {name: getattr(node, name) for name in node.__struct_fields__ if name not in aside}


class Ident(Node, frozen=True):
    """A name where it is declared or referred to; *package* when written `package.name`."""

    name: str
    package: str | None = None

    def __str__(self) -> str:
        return f"{self.package}.{self.name}" if self.package else self.name


def walk(value: object) -> Iterator[Node]:
    """Give the nodes in *value*, a node or a tuple, each before those that are inside it."""
    stack = [value]
    while stack:
        match stack.pop():
            case tuple() as items:
                stack += reversed(items)
            case Node() as node:
                yield node
                stack += reversed(fields_of(node).values())
