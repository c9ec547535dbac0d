"""Say from which part of a request rules follow to an entity, so that it is looked up in what that part carries along.

Parts that were built bring along all that rules follow to from them (`intake/part_checks.py`). Where each does, what they
bring is not put together for a decision: its function gets what each has, as `model.valid_request.Apart`.
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


def part_of(node: ir.Expr, scope: Mapping[str, Variable]) -> str | None:
    """Return the part of the request that leads to the entities of which *node* says ids, or keys; None if that is not known.

    The id of a part leads nowhere: a part need not carry itself along.
    """
    match node:
        case ir.Slot(object_, _):
            return _owner(object_, scope)
        case ir.Id(ir.Entity() as entity):
            return part_of(entity.id, scope)
        case ir.Operation("ancestors", (ir.Line(object_), _)):
            return _owner(object_, scope)
        case ir.Local(identifier):
            return scope[identifier].part
        case _:
            return None


def _owner(node: ir.Expr, scope: Mapping[str, Variable]) -> str | None:
    """Return the part of the request that is or has an entity or a record, or leads to it."""
    match node:
        case ir.Root(part) if part in FROM:
            return part
        case ir.Entity(_, id_):
            return part_of(id_, scope)
        case _:
            return part_of(node, scope)


def known_in(
    type_: str, ids: ir.Expr, by_part: Mapping[str, str] | None, scope: Mapping[str, Variable]
) -> ast.expr | None:
    """Return where all entities of a type and these ids are known; None if no one place has all of them.

    *by_part*: the types of the parts, if what is known of each may be apart.
    """
    if by_part is None:
        return name("entities")
    part = part_of(ids, scope)
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
