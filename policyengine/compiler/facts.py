"""Leave out of a decision function what is known already where it is asked.

A test that did not return made something certain, and so did what stands before in an `and` or an `or`. Nothing is
left out but what was computed before, so what could fail has failed by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.simplify import FALSE, TRUE

_CONTRARY: Final[Mapping[ir.Relation | ir.Sign, ir.Relation]] = {
    "!=": "==", ">=": "<", ">": "<=", "not in": "in",
}  # fmt: skip
"""Of each relation that is known as the contrary of another, that one."""


class Facts(Struct, eq=False):
    """What is known to be true or false at one place of a function."""

    _known: dict[ir.Expr, bool] = field(default_factory=dict)
    _order: list[ir.Expr] = field(default_factory=list)

    def assume(self, node: ir.Expr, *, holds: bool) -> None:
        """Note that *node*, which was computed, came out so."""
        match node:
            case ir.Const():
                return
            case ir.Not(operand):
                self.assume(operand, holds=not holds)
            case ir.And(operands) if holds:
                self._assume_all(operands, holds=True)
            case ir.Or(operands) if not holds:
                self._assume_all(operands, holds=False)
            case ir.Binary(op) if op in _CONTRARY:
                self.assume(replace(node, op=_CONTRARY[op]), holds=not holds)
            case ir.Binary("==", left, right):
                self._note(node, holds=holds)
                self._note(replace(node, left=right, right=left), holds=holds)
            case _:
                self._note(node, holds=holds)

    def _assume_all(self, nodes: Sequence[ir.Expr], *, holds: bool) -> None:
        for node in nodes:
            self.assume(node, holds=holds)

    def _note(self, node: ir.Expr, *, holds: bool) -> None:
        if node not in self._known:
            self._known[node] = holds
            self._order.append(node)

    @contextmanager
    def only_here(self) -> Iterator[None]:
        """Forget afterwards what is assumed meanwhile."""
        before = len(self._order)
        yield
        for node in self._order[before:]:
            del self._known[node]
        del self._order[before:]

    def left_of(self, node: ir.Expr) -> ir.Expr:
        """Return what is left to ask of *node*."""
        match node:
            case ir.Not(operand):
                left = self.left_of(operand)
                if left in (TRUE, FALSE):
                    return FALSE if left == TRUE else TRUE
                return ir.Not(left)
            case ir.And(operands):
                return ir.conjunction(self.left_of_all(operands, holds=True))
            case ir.Or(operands):
                asked = self.left_of_all(operands, holds=False)
                return asked[0] if len(asked) == 1 else ir.Or(asked) if asked else FALSE
            case ir.Binary(op) if op in _CONTRARY:
                found = self._known.get(replace(node, op=_CONTRARY[op]))
                return node if found is None else FALSE if found else TRUE
            case _:
                found = self._known.get(node)
                return node if found is None else TRUE if found else FALSE

    def left_of_all(self, nodes: Sequence[ir.Expr], *, holds: bool) -> tuple[ir.Expr, ...]:
        """Return what is left to ask of *nodes*, each of which is asked if those before hold, or do not."""
        left: list[ir.Expr] = []
        surely, ends = (TRUE, FALSE) if holds else (FALSE, TRUE)
        with self.only_here():
            for node in nodes:
                asked = self.left_of(node)
                if asked != surely:
                    left.append(asked)
                if asked == ends:
                    break
                self.assume(asked, holds=holds)
        return tuple(left)
