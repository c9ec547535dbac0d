"""Find the optional attributes that are known to be present, since a condition tested for them.

They are a set of *paths*, like ("resource", "geo"). It flows left to right
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
    """Return the path that *node* reads, if it is a variable or an attribute of one, or a row of a table.

    The key of a row is such a path as well, and stands in brackets.
    """
    names: list[str] = []
    is_row = False
    while isinstance(node, nodes.Attr | nodes.LookUp):
        if isinstance(node, nodes.Attr):
            names.append(node.name.name)
            node = node.object
        else:
            key, is_row = path_of(node.key, variables), True
            if key is None:
                return None
            names += ("]", *reversed(key), "[")
            node = node.table
    if isinstance(node, nodes.Name) and (is_row or node.name in variables):
        return (node.name, *reversed(names))
    return None


def present_if(node: nodes.Expr, variables: Container[str], *, holds: bool) -> Guards:
    """Return the paths that are present whenever *node* is true, or false if not *holds*."""
    if_true, if_false = _present(node, variables)
    return if_true if holds else if_false


def _present(node: nodes.Expr, variables: Container[str]) -> tuple[Guards, Guards]:
    """Return the paths present if *node* is true, and if it is false; each part is visited once."""
    match node:
        case nodes.Has(object_, name):
            path = path_of(object_, variables)
            return (frozenset({(*path, name.name)}) if path else NO_GUARDS), NO_GUARDS
        case nodes.Not(operand):
            if_true, if_false = _present(operand, variables)
            return if_false, if_true
        case nodes.And(operands) | nodes.Or(operands):
            trues, falses = zip(*(_present(o, variables) for o in operands), strict=True)
            if isinstance(node, nodes.And):
                return frozenset().union(*trues), frozenset.intersection(*falses)
            return frozenset.intersection(*trues), frozenset().union(*falses)
        case nodes.If(condition, yes, no):
            (first, second), yes_, no_ = (_present(n, variables) for n in (condition, yes, no))
            return (first | yes_[0]) & (second | no_[0]), (first | yes_[1]) & (second | no_[1])
        case _:
            return NO_GUARDS, NO_GUARDS
