"""Find how values follow the clock: what months may be added to, and what may be within a schedule.

The calendar moves in leaps, so it cannot be said when `now + 1mo < x` turns: months are added to values
that do not read `now`. Before a schedule a value may also be `now` itself, or `now` and a duration. What
a definition wants of its parameters is worked out once and wanted of the arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from attrs import Factory, define

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import MONTHS, SCHEDULE
from policyengine.semantics import time_messages
from policyengine.semantics.checked import ClockUse, Definition, Reads, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expression_layout import on_one_line
from policyengine.syntax.expressions import children

Wanted: TypeAlias = Literal["fixed", "steady"]
"""Of a value: that it does not read `now`; or that it is `now` and a duration if it does."""

_NOTHING = Reads()
_NOW = nodes.Name("now")
_PARTS = frozenset({"subject", "resource", "context", "action"})


def clock_use(body: nodes.Expr, typing: Typing) -> ClockUse:
    """Return how the value of a definition follows the clock, and what it wants of its parameters."""
    finder = _Finder(typing)
    value = finder.reads(body)
    return ClockUse(value, finder.fixed, finder.steady)


def clock_problems(exprs: Iterable[nodes.Expr], typing: Typing) -> list[Diagnostic]:
    """Return what in *exprs* reads `now` where it may not."""
    finder = _Finder(typing)
    for expr in exprs:
        finder.reads(expr)
    return finder.problems


@define
class _Finder:
    """Collects what is wanted of parameters, and reports `now` where it is not allowed."""

    typing: Typing
    fixed: set[str] = Factory(set)
    steady: set[str] = Factory(set)
    problems: list[Diagnostic] = Factory(list)
    _bound: dict[str, Reads] = Factory(dict)
    _instead: dict[int, str] = Factory(dict)
    """By the id of a sum in a comparison: what to write instead of the comparison."""

    def reads(self, node: nodes.Expr) -> Reads:
        """Return what the value of *node* reads."""
        binding = self.typing.binding_of(node)
        if isinstance(binding, Value):
            return _NOTHING
        match node:
            case nodes.Name(name):
                if name in self._bound:
                    return self._bound[name]
                return _NOTHING if name in _PARTS else Reads(frozenset({name}))
            case nodes.Arithmetic(_, left, right) if self.typing.type_of(right) == MONTHS:
                one, other = self.reads(left), self.reads(right)
                instead = self._instead.get(id(node), "")
                self._want(one, "fixed", time_messages.months_on_clock(node.span, instead=instead))
                return Reads(other=one.all | other.all)
            case nodes.Arithmetic("+" | "-", left, right):
                one, other = self.reads(left), self.reads(right)
                return Reads(one.steady, one.other | other.all)
            case nodes.Compare(_, left, right) if self.typing.type_of(right) == SCHEDULE:
                one, other = self.reads(left), self.reads(right)
                self._want(one, "steady", time_messages.schedule_on_clock(left.span))
                return Reads(other=one.all | other.all)
            case nodes.Call(name, arguments) if isinstance(binding, Definition):
                return self._call(str(name), binding, arguments)
            case nodes.Quantified(_, variable, over, body):
                among = self.reads(over).all
                self._bound[variable.name] = Reads(other=among)
                inside = self.reads(body).all
                del self._bound[variable.name]
                return Reads(other=among | inside)
            case _:
                if isinstance(node, nodes.Compare):
                    self._note_other_side(node)
                parts = (self.reads(child).all for child in children(node))
                return Reads(other=frozenset().union(*parts))

    def _note_other_side(self, comparison: nodes.Compare) -> None:
        """Keep what to write instead of `now - 6mo < x`: the months are added to the other side."""
        left, right = comparison.left, comparison.right
        for months, other in ((left, right), (right, left)):
            if (
                isinstance(months, nodes.Arithmetic)
                and months.left == _NOW
                and isinstance(other, nodes.Attr | nodes.Literal)
            ):
                moved = nodes.Arithmetic("-" if months.op == "+" else "+", other, months.right)
                sides = (_NOW, moved) if months is left else (moved, _NOW)
                self._instead[id(months)] = on_one_line(nodes.Compare(comparison.op, *sides))

    def _call(self, name: str, definition: Definition, arguments: tuple[nodes.Expr, ...]) -> Reads:
        use = definition.clock
        given: dict[str, Reads] = {"now": Reads(frozenset({"now"}))}
        for parameter, argument in zip(definition.parameters, arguments, strict=True):
            given[parameter] = reads = self.reads(argument)
            if parameter in use.fixed:
                self._want(reads, "fixed", time_messages.months_on_clock(argument.span, name))
            elif parameter in use.steady:
                problem = time_messages.schedule_on_clock(argument.span, name)
                self._want(reads, "steady", problem)
        steady = [given[known] for known in use.value.steady]
        other = [given[known].all for known in use.value.other]
        return Reads(
            frozenset().union(*(reads.steady for reads in steady)),
            frozenset().union(*other, *(reads.other for reads in steady)),
        )

    def _want(self, reads: Reads, wanted: Wanted, problem: Diagnostic) -> None:
        """Report a value that reads `now` as it may not; want the same of parameters that it reads."""
        strict = reads.all if wanted == "fixed" else reads.other
        if "now" in strict:
            self.problems.append(problem)
        self.fixed |= strict - {"now"}
        self.steady |= reads.all - strict - {"now"}
