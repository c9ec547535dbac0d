"""Know what is present: which optional attributes a condition has asked about.

What is known to be present is a set of *paths*, like ("resource", "geo"). It flows left to right
through `and`, `or` and `if`, and never out of a quantifier or through a definition.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TypeAlias

from policyengine.syntax import nodes

Path: TypeAlias = tuple[str, ...]
Guards: TypeAlias = frozenset[Path]
"""The paths that are known to be present."""

NO_GUARDS: Guards = frozenset()


def path_of(node: nodes.Expr, variables: Container[str]) -> Path | None:
    """Return the path that *node* reads, if it is a variable or an attribute of one."""
    names: list[str] = []
    while isinstance(node, nodes.Attr):
        names.append(node.name.name)
        node = node.object
    if isinstance(node, nodes.Name) and node.name in variables:
        return (node.name, *reversed(names))
    return None


def present_if(node: nodes.Expr, variables: Container[str], *, holds: bool) -> Guards:
    """Return the paths that are present whenever *node* is true, or false if not *holds*."""
    match node:
        case nodes.Has(object_, name) if holds:
            path = path_of(object_, variables)
            return frozenset({(*path, name.name)}) if path else NO_GUARDS
        case nodes.Not(operand):
            return present_if(operand, variables, holds=not holds)
        case nodes.And(operands) | nodes.Or(operands):
            each = [present_if(operand, variables, holds=holds) for operand in operands]
            all_do = isinstance(node, nodes.And) == holds
            return frozenset().union(*each) if all_do else frozenset.intersection(*each)
        case nodes.If(condition, yes, no):
            first = present_if(condition, variables, holds=True)
            second = present_if(condition, variables, holds=False)
            return (first | present_if(yes, variables, holds=holds)) & (
                second | present_if(no, variables, holds=holds)
            )
        case _:
            return NO_GUARDS
