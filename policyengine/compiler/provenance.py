"""Say from which part of a request rules follow to an entity, so that it is looked up in what that part carries along.

Parts that were built bring along all that rules follow to from them (`intake/part_checks.py`). Where each
does, what they bring is not put together for a decision: its function gets what each has, as
`model.valid_request.Apart`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.python_nodes import call, compare, name

FROM: Final[Mapping[str, str]] = {
    part: f"from_{part}" for part in ("subject", "resource", "context")
}
"""The variables that have what is known of the entities to which rules follow from a part."""


class Variable(Struct, frozen=True):
    """A variable in Python: how much it grows each microsecond, whether it must be called, and whether it holds the key of an entity.

    *part*: that of the request which leads to what it holds, where one does.
    """

    name: str
    slope: int | None = 0
    lazy: bool = False
    keyed: bool = False
    part: str | None = None


def part_of(
    node: ir.Expr, scope: Mapping[str, Variable], known: dict[ir.Expr, str | None]
) -> str | None:
    """Return the part of the request that leads to the entities of which *node* says ids, or keys; None if that is not known.

    The id of a part leads nowhere: a part need not carry itself along. *known*: the parts that lead to entities, which
    this adds to: it is asked at each entity of a path, and paths are long.
    """
    on_the_way: list[ir.Expr] = []
    is_owner = False  # whether *node* is, or has, what has the attribute that was asked for
    part = None
    while True:
        if isinstance(node, ir.Slot):
            node, is_owner = node.object, True
        elif isinstance(node, ir.Entity) and is_owner:
            if node in known:
                part = known[node]
                break
            on_the_way.append(node)
            node, is_owner = node.id, False
        elif isinstance(node, ir.Local):
            return scope[node.name].part  # which others may have by that name elsewhere
        else:
            match node:
                case ir.Id(ir.Entity(_, id_)):
                    node, is_owner = id_, False
                case ir.Operation("ancestors", (ir.Line(object_), _)):
                    node, is_owner = object_, True
                case _:
                    if isinstance(node, ir.Root) and is_owner and node.name in FROM:
                        part = node.name
                    break
    known.update(dict.fromkeys(on_the_way, part))
    return part


def known_in(type_: str, part: str | None, by_part: Mapping[str, str] | None) -> ast.expr | None:
    """Return where all entities of a type are known to which a *part* leads (`part_of`); None if no one place has all of them.

    *by_part*: the types of the parts, if what is known of each may be apart.
    """
    if by_part is None:
        return name("entities")
    return None if part is None or by_part.get(part) == type_ else name(FROM[part])


def all_known() -> ast.expr:
    """Return all entities that are known for a request."""
    return call("together", *map(name, ("entities", "subject", "resource")))


def with_known_by_part(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return *statements* of a function, and before them what makes the variables that they read of `FROM`."""
    named = {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    }
    if named.isdisjoint(FROM.values()):
        return list(statements)
    variables = ast.Tuple([ast.Name(one, ast.Store()) for one in FROM.values()], ast.Store())
    everywhere = ast.Tuple([name("entities") for _ in FROM], ast.Load())
    is_apart = compare(call("type", name("entities")), ast.Is(), name("tuple"))
    return [ast.Assign([variables], ast.IfExp(is_apart, name("entities"), everywhere)), *statements]
