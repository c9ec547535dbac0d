"""Keep what is left for requests that differ in strings alone, and put the strings of another into it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.partial.left_to_decide import LeftToDecide
from policyengine.partial.parameters import Filling, Strings, filling
from policyengine.runtime.bounded_cache import BoundedCache

MOST_TEMPLATES: Final = 4_096
"""So many templates are kept for an engine; one has as many nodes as what is left."""


class Settled(Struct, frozen=True, eq=False):
    """What is left at a moment, and the conditions of the time that it depends on."""

    left: LeftToDecide
    timed: tuple[ir.Expr, ...]


class Template(Struct, frozen=True, eq=False):
    """What is left, with parameters for strings; what puts these into the expressions that have some."""

    settled: Settled
    fillings: Mapping[ir.Expr, Filling]

    def filled(self, texts: Sequence[str]) -> Settled:
        """Return what is left for the request with these strings."""
        if not self.fillings:
            return self.settled
        get = self.fillings.get

        def change(node: ir.Expr) -> ir.Expr:
            fill = get(node)
            return node if fill is None else fill(texts)

        return Settled(self.settled.left.changed(change), self.settled.timed)


Templates: TypeAlias = BoundedCache[Hashable, Template]
"""Templates by what is asked, and all that was read for it."""


def template_of(settled: Settled, strings: Strings) -> Template | None:
    """Return the template of what is left for the request with *strings*; None if there are others in it."""
    fillings: dict[ir.Expr, Filling] = {}
    number = len(strings.all())

    def change(node: ir.Expr) -> ir.Expr:
        made = strings.replaced(node)
        fill = filling(made)
        if fill is not None:
            fillings[made] = fill
        return made

    try:
        left = settled.left.changed(change)
    except LookupError:
        return None
    return (
        Template(Settled(left, settled.timed), fillings) if len(strings.all()) == number else None
    )
