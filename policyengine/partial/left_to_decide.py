"""Work out what is left to decide of a request of which a part is known.

Each rule is evaluated as far as the request is known; what is left of all of them is put together as
decisions are: no forbid, and a permit in every gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lowered import Duty, Part, Rule
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.model.masks import field_and_mask, shows
from policyengine.model.rules import RuleWaiver, WaivedEntity
from policyengine.model.types import DATETIME, EntityRefType, TargetGates
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.junctions import junction, negation
from policyengine.partial.known_parts import KnownParts

_NOW = ir.Root("now")


class Owed(Struct, frozen=True):
    """An obligation that is owed where *condition* holds, and the request is decided as *allowed* says."""

    duty: Duty
    condition: ir.Expr
    allowed: bool


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


def left_to_decide(
    rules: Iterable[Rule], gates: TargetGates, known: KnownParts, fields: Sequence[str] | None
) -> LeftToDecide:
    """Return what is left of the decision by *rules*, as they are lowered and simplified, for *gates*.

    *fields*: those that are asked for, as they are spelled; None if none are.
    """
    evaluator = Evaluator(known)
    left = [
        Left(rule, made)
        for rule in rules
        if not rule.advisory
        if (made := evaluator.condition(tuple(_satisfied(rule)))) != FALSE
    ]
    parts = [negation(one.condition) for one in left if one.rule.effect == "forbid"]
    parts += [
        junction(ir.Or, (one.condition for one in _of(left, "permit", gate)))
        for gate in gates.names
    ]
    shown = None if gates.fields is None else _shown(left, gates, fields or ())
    parts += [_exposed(field, left, gates) for field in fields or () if gates.fields is not None]
    condition = junction(ir.And, parts)
    return LeftToDecide(condition, shown, tuple(_owed(left, evaluator)), tuple(left))


def _owed(left: Iterable[Left], evaluator: Evaluator) -> Iterator[Owed]:
    for one in left:
        for duty in one.rule.duties:
            arguments = tuple(
                (name, Part(part.type, evaluator.public.evaluate(part.expr)))
                for name, part in duty.arguments
            )
            allowed = one.rule.effect != "forbid"
            yield Owed(Duty(duty.name, arguments), one.condition, allowed)


def _of(left: Iterable[Left], effect: str, gate: str) -> Iterator[Left]:
    return (one for one in left if one.rule.effect == effect and one.rule.gate == gate)


def _satisfied(rule: Rule) -> Iterator[ir.Expr]:
    """Give what must hold for *rule* to be satisfied: its dates, and its conditions or a waiver."""
    if rule.valid_from is not None:
        yield ir.Binary("<=", ir.Const(DATETIME, rule.valid_from), _NOW, numeric=True)
    if rule.valid_until is not None:
        yield ir.Binary("<", _NOW, ir.Const(DATETIME, rule.valid_until), numeric=True)
    if rule.waivers and rule.conditions:
        yield ir.Or((*map(_waived, rule.waivers), ir.And(rule.conditions)))
    else:
        yield from rule.conditions


def _waived(waiver: RuleWaiver) -> ir.Expr:
    """Return the condition under which *waiver* stands in for the conditions of its rule."""
    conditions: list[ir.Expr] = [
        ir.Binary("<", _NOW, ir.Const(DATETIME, waiver.until), numeric=True)
    ]
    for part, waived in (("subject", waiver.subject), ("resource", waiver.resource)):
        if waived is not None:
            conditions.append(_is_meant(ir.Root(part), waived))
    return ir.And(tuple(conditions))


def _is_meant(root: ir.Root, waived: WaivedEntity) -> ir.Expr:
    id_ = ir.Const(EntityRefType(waived.type), waived.id)
    if waived.within:
        return ir.Operation("lies_in", (ir.Line(root), ir.Data(waived.type), id_))
    return ir.Binary("==", ir.Id(root), id_)


def _shown(left: Sequence[Left], gates: TargetGates, asked: Sequence[str]) -> dict[str, ir.Expr]:
    """Return the condition of each spelling that some rule gives, those that are never shown aside.

    Fields that are *asked* for are shown as they are asked for, wherever the request is allowed.
    """
    names = {field_and_mask(spelling)[0] for spelling in asked}
    given = [one.rule.fields or () for one in left if one.rule.gate in (gates.fields or ())]
    others = (s for s in frozenset[str]().union(*given) if field_and_mask(s)[0] not in names)
    conditions = {spelling: _exposed(spelling, left, gates) for spelling in sorted(others)}
    shown = {spelling: made for spelling, made in conditions.items() if made != FALSE}
    return shown | dict.fromkeys(asked, TRUE)


def _exposed(spelling: str, left: Sequence[Left], gates: TargetGates) -> ir.Expr:
    """Return the condition under which every field gate shows a field so, or more telling."""
    shown_by = [
        junction(
            ir.Or,
            (
                one.condition
                for one in left
                if one.rule.gate == gate and one.rule.effect != "forbid"
                if shows(dict(map(field_and_mask, one.rule.fields or ())), spelling)
            ),
        )
        for gate in sorted(gates.fields or ())
    ]
    return junction(ir.And, shown_by)
