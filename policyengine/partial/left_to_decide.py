"""Work out what is left to decide of a request of which a part is known.

Each rule is evaluated as far as the request is known; what is left of all of them is put together as
decisions are: no forbid, and a permit in every gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lowered import Duty, Part, Rule
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.model.masks import field_and_mask, shows
from policyengine.model.types import TargetGates
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.junctions import junction, negation
from policyengine.partial.prepared_rules import Asked, PreparedRules


class Owed(Struct, frozen=True):
    """An obligation that is owed where *condition* holds, and the request is decided as *allowed* says."""

    duty: Duty
    condition: ir.Expr
    allowed: bool

    def changed(self, change: Callable[[ir.Expr], ir.Expr]) -> Owed:
        """Return the same with every expression changed."""
        arguments = tuple(
            [(name, Part(part.type, change(part.expr))) for name, part in self.duty.arguments]
        )
        return Owed(Duty(self.duty.name, arguments), change(self.condition), self.allowed)


class Left(Struct, frozen=True, eq=False):
    """What is left of a rule: the condition under which it is satisfied, which is not false."""

    rule: Rule
    condition: ir.Expr


class LeftToDecide(Struct, frozen=True, eq=False):
    """What is left to decide about a target, once parts of a request are known.

    *condition*: under which the rest is allowed. *shown*: the conditions under which each field, as it is
    spelled, is shown if it is allowed; None without a field gate. *owed*: obligations. *rules*: what is left
    of each that may be satisfied.
    """

    condition: ir.Expr
    shown: Mapping[str, ir.Expr] | None
    owed: tuple[Owed, ...]
    rules: tuple[Left, ...]

    def changed(self, change: Callable[[ir.Expr], ir.Expr]) -> LeftToDecide:
        """Return the same with every expression changed."""
        shown = None if self.shown is None else {s: change(c) for s, c in self.shown.items()}
        return LeftToDecide(
            change(self.condition),
            shown,
            tuple([owed.changed(change) for owed in self.owed]),
            tuple([Left(one.rule, change(one.condition)) for one in self.rules]),
        )


def left_to_decide(
    rules: PreparedRules, asked: Asked, fields: Sequence[str] | None
) -> LeftToDecide:
    """Return what is left of the decision by *rules* for what is *asked*.

    *fields*: those that are asked for, as they are spelled; None if none are.
    """
    gates, conditions = rules.gates, rules.left(asked)
    both = zip(rules.rules, conditions, strict=True)
    left = [Left(rule, condition) for rule, condition in both if condition != FALSE]
    exposure = _Exposure(left, gates)
    shown = None if gates.fields is None else _shown(left, gates, exposure, fields or ())
    parts = [allowed_if(left, gates)]
    parts += [exposure.of(field) for field in fields or () if gates.fields is not None]
    owed = tuple(_owed(left, asked.evaluator.public))
    return LeftToDecide(junction(ir.And, parts), shown, owed, tuple(left))


def allowed_if(left: Sequence[Left], gates: TargetGates) -> ir.Expr:
    """Return the condition under which what is left of rules allows: no forbid, and a permit in every gate."""
    parts = [negation(one.condition) for one in left if one.rule.effect == "forbid"]
    parts += [
        junction(ir.Or, (one.condition for one in _of(left, "permit", gate)))
        for gate in gates.names
    ]
    return junction(ir.And, parts)


def _owed(left: Iterable[Left], evaluator: Evaluator) -> Iterator[Owed]:
    for one in left:
        for duty in one.rule.duties:
            arguments = tuple(
                (name, Part(part.type, evaluator.evaluate(part.expr)))
                for name, part in duty.arguments
            )
            allowed = one.rule.effect != "forbid"
            yield Owed(Duty(duty.name, arguments), one.condition, allowed)


def _of(left: Iterable[Left], effect: str, gate: str) -> Iterator[Left]:
    return (one for one in left if one.rule.effect == effect and one.rule.gate == gate)


def _shown(
    left: Sequence[Left], gates: TargetGates, exposure: _Exposure, asked: Sequence[str]
) -> dict[str, ir.Expr]:
    """Return the condition of each spelling that some rule gives, those that are never shown aside.

    Fields that are *asked* for are shown as they are asked for, wherever the request is allowed.
    """
    names = {field_and_mask(spelling)[0] for spelling in asked}
    given = [one.rule.fields or () for one in left if one.rule.gate in (gates.fields or ())]
    others = (s for s in frozenset[str]().union(*given) if field_and_mask(s)[0] not in names)
    conditions = {spelling: exposure.of(spelling) for spelling in sorted(others)}
    shown = {spelling: made for spelling, made in conditions.items() if made != FALSE}
    return shown | dict.fromkeys(asked, TRUE)


class _Exposure:
    """The conditions under which fields are shown, by what is left of rules: those that the same rules show have one."""

    def __init__(self, left: Sequence[Left], gates: TargetGates) -> None:
        self._by_gate = [
            [
                (one.condition, dict(map(field_and_mask, one.rule.fields or ())))
                for one in left
                if one.rule.gate == gate and one.rule.effect != "forbid"
            ]
            for gate in sorted(gates.fields or ())
        ]
        self._made: dict[tuple[tuple[int, ...], ...], ir.Expr] = {}

    def of(self, spelling: str) -> ir.Expr:
        """Return the condition under which every field gate shows a field so, or in more detail."""
        shown_by = tuple(
            [
                tuple([n for n, (_, fields) in enumerate(rules) if shows(fields, spelling)])
                for rules in self._by_gate
            ]
        )
        made = self._made.get(shown_by)
        if made is None:
            each = [
                junction(ir.Or, [rules[number][0] for number in numbers])
                for rules, numbers in zip(self._by_gate, shown_by, strict=True)
            ]
            made = self._made[shown_by] = junction(ir.And, each)
        return made
