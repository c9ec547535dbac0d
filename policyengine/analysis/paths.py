"""Read attribute paths off expressions: `subject.tier` is ("subject", "tier")."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.syntax import nodes
from policyengine.syntax.nodes import Expr

Path = tuple[str, ...]


def path_of(expr: Expr) -> Path | None:
    """Return the path that *expr* is, None if it is something else."""
    match expr:
        case nodes.Name(name):
            return (name,)
        case nodes.Attr(object_, name):
            before = path_of(object_)
            return None if before is None else (*before, name.name)
    return None


def paths_in(node: object) -> Iterator[Path]:
    """Give the longest paths in *node* and below it, those that `has` asks for included."""
    stack = [node]
    while stack:
        match stack.pop():
            case nodes.Has(object_, name) if (path := path_of(object_)) is not None:
                yield (*path, name.name)
            case (nodes.Name() | nodes.Attr()) as expr if (path := path_of(expr)) is not None:
                yield path
            case tuple() as items:
                stack += items
            case nodes.Node() as one:
                stack += nodes.fields_of(one).values()
