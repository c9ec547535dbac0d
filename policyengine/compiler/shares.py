"""Compute once what one generated function needs again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from policyengine.compiler import ir


class Shares(Struct, eq=False):
    """The expressions that one function computes once.

    Emitting runs twice. The first time, everything that comes up again is kept when it is computed,
    and *used* notes which of those variables were read; the second time only those are made.
    """

    counts: Mapping[ir.Expr, int]
    used: set[int] = field(default_factory=set)
    final: bool = False
    available: dict[ir.Expr, tuple[int, str]] = field(default_factory=dict)
    _number: int = 0

    def again(self) -> Shares:
        """Return what the second run starts with."""
        return Shares(self.counts, self.used, final=True)

    def find(self, node: ir.Expr) -> str | None:
        """Return the variable that certainly has the value of *node* by now."""
        found = self.available.get(node)
        if found is None:
            return None
        self.used.add(found[0])
        return found[1]

    def keep(self, node: ir.Expr, fresh: Callable[[str], str]) -> str | None:
        """Return the variable to keep the value of *node* in, if it is worth keeping."""
        if self.counts.get(node, 0) < 2:  # noqa: PLR2004 - it does not come up again
            return None
        self._number += 1
        if self.final and self._number not in self.used:
            return None
        identifier = fresh(described(node)) if self.final else "_"
        self.available[node] = self._number, identifier
        return identifier


def counted(conditions: Iterable[ir.Expr]) -> dict[ir.Expr, int]:
    """Count how often each expression that is worth keeping comes up."""
    counts: dict[ir.Expr, int] = {}
    parts = (node for condition in conditions for node in ir.closed(condition))
    for node in filter(_worth_keeping, parts):
        counts[node] = counts.get(node, 0) + 1
    return counts


def _worth_keeping(node: ir.Expr) -> bool:
    """Whether *node* takes longer to compute than to look up a variable."""
    return not isinstance(
        node,
        ir.Const | ir.Data | ir.Absent | ir.Root | ir.Local | ir.Id | ir.Slot | ir.Line | ir.Not
        | ir.Above | ir.Below | ir.Rows | ir.Present,
    )  # fmt: skip


def described(node: ir.Expr) -> str:
    """Return a name for the value of *node*, like `resource_author`."""
    path: list[str] = []
    while isinstance(node, ir.Entity | ir.Slot | ir.Id):
        if isinstance(node, ir.Entity):
            node = node.id
        else:
            path.append("id" if isinstance(node, ir.Id) else node.name)
            node = node.object
    return "_".join([node.name, *reversed(path)]) if isinstance(node, ir.Root) else "something"
