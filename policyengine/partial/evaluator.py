"""Evaluate an expression as far as a request is known, and leave the rest.

What is known takes its place, and the expression is simplified from the bottom up, as the compiler
does it. A quantifier over a known set is written out for each of its elements, if they are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.simplify import FALSE, STEPS, TRUE, replaced, simplify
from policyengine.concurrency import cached_property
from policyengine.model.types import (
    DATETIME,
    STRING,
    EntityRefType,
    LevelsType,
    SetType,
    TableType,
)
from policyengine.model.values import ABSENT, text_of
from policyengine.partial.junctions import junction, negation
from policyengine.partial.known_parts import KnownParts
from policyengine.runtime.operations import EXPORTED

_MOST_WRITTEN_OUT: Final = 64
"""The elements of a known set for which a quantifier is written out."""

_LINE: Final = SetType(STRING)
"""The type that a known line is given: only operations on lines see its value."""


_SHORT: Final = 30
"""Parts of an expression that may be written in several places."""

_WITHIN: Final = frozenset(["terms_within", "paths_within", "ips_within", "ip_within", "touches"])
"""The operations that hold of no set without elements, on either side."""

_SIGNS: Final = frozenset(["+", "-", "*"])

_MIRRORED: Final[Mapping[str, ir.Relation]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
"""The operators with their sides changed; of sets, `<=` is none of them."""


_OF_ITSELF: Final = {"==": True, "!=": False, "<": False, "<=": True, ">": False, ">=": True}
"""What a comparison of a value with itself is."""


class Evaluator(Struct, frozen=True, eq=False, dict=True):
    """Evaluates expressions as far as *known* says.

    What is private decides, and is not in what is left: a condition that it does not decide keeps the path.
    """

    known: KnownParts
    _private: list[ir.Slot] = field(default_factory=list)

    @cached_property
    def public(self) -> Evaluator:
        """The evaluator for which what is private is not known."""
        return Evaluator(replace(self.known, without_private=True))

    def evaluate(self, node: ir.Expr) -> ir.Expr:
        """Return *node* with what is known in its place, simplified."""
        match node:
            case ir.Or(operands) if (whole := with_touches(operands)) != operands:
                return self.evaluate(ir.Or(whole))
            case ir.And(operands) | ir.Or(operands):
                return junction(type(node), self._in_order(node, operands))
            case ir.Not(operand):
                return negation(self.evaluate(operand))
            case ir.Choice(condition, yes, no):
                asked = self.evaluate(condition)
                if isinstance(asked, ir.Const):
                    return self.evaluate(yes if asked.value else no)
                return ir.Choice(asked, self.evaluate(yes), self.evaluate(no))
            case ir.Let(names, values, body) if short := _short_within(node):
                rest = {n: v for n, v in zip(names, values, strict=True) if n not in short}
                made = replaced(body, short)
                return self.evaluate(
                    ir.Let(tuple(rest), tuple(rest.values()), made) if rest else made
                )
            case ir.Let():
                made = simplify(ir.rebuilt(node, self.evaluate))
                return made if isinstance(made, ir.Let) else self.evaluate(made)
            case ir.Quantified():
                return self._quantified(node)
            case ir.Entity(type_, id_):
                made = self.evaluate(id_)
                if isinstance(made, ir.Const) and not self._knows(type_, made.value):
                    return node  # of what is not known, the path says more than the id
                return ir.Entity(type_, made)
            case ir.Operation("entity_within" | "entities_within"):
                return self._within(node)
            case ir.Slot() | ir.Line():
                made = _simplified(self._step(ir.rebuilt(node, self.evaluate)))
                return node if _is_of_a_constant(made) else made
            case _:
                return _simplified(self._step(ir.rebuilt(node, self.evaluate)))

    def _in_order(self, node: ir.And | ir.Or, operands: Sequence[ir.Expr]) -> tuple[ir.Expr, ...]:
        """Evaluate operands up to the first that decides: those after it may not be evaluated."""
        deciding = FALSE if isinstance(node, ir.And) else TRUE
        left: list[ir.Expr] = []
        for operand in operands:
            made = self.operand(operand)
            left.append(made)
            if made == deciding:
                break
        return tuple(left)

    def operand(self, node: ir.Expr) -> ir.Expr:
        """Return what is left of an operand of a junction."""
        before = len(self._private)
        made = self.evaluate(node)
        reads_private = len(self._private) > before
        del self._private[before:]
        if made in (TRUE, FALSE):
            return made
        if reads_private:
            return self._guarded(self.public.evaluate(node))
        return made if isinstance(made, ir.And | ir.Or) else self._guarded(made)

    def _guarded(self, node: ir.Expr) -> ir.Expr:
        """Say before a condition that what it reads is present, where that was known and so left out."""
        asked = [
            ir.Present(part)
            for part in ir.walk(node)
            if isinstance(part, ir.Slot)
            and (found := self.known.slot_at(part)) is not None
            and found[0].optional
            and found[1] is not ABSENT  # else the condition itself says so
        ]
        return junction(ir.And, (*reversed(asked), node)) if asked else node

    def _knows(self, type_: str, id_: object) -> bool:
        return self.known.entity(type_, str(id_)) is not None

    def _quantified(self, node: ir.Quantified) -> ir.Expr:
        over = self.evaluate(node.over)
        elements = _elements(over)
        if elements is not None and len(elements) <= _MOST_WRITTEN_OUT:
            bodies = [replaced(node.body, {node.local: element}) for element in elements]
            of = ir.And if node.kind == "every" else ir.Or
            made = self.evaluate(of(tuple(bodies)))
            if not any(map(_is_of_a_constant, ir.walk(made))):
                return made
        body = self.evaluate(node.body)
        if body == (FALSE if node.kind == "some" else TRUE):  # of whatever elements
            return body
        over = node.over if elements is not None else over
        return _simplified(ir.Quantified(node.kind, node.local, over, body))

    def _step(self, node: ir.Expr) -> ir.Expr:
        """Put what is known in the place of *node*, whose parts were evaluated."""
        known = self.known
        match node:
            case ir.AllIn(left, right) | ir.Overlaps(left, right) if _is_empty(left, right):
                return FALSE
            case ir.Operation(name, (left, right, *_)) if name in _WITHIN and _is_empty(
                left, right
            ):
                return FALSE
            case ir.Binary("<=", left, _) if _is_empty(left):
                return TRUE
            case ir.Root("now") if known.now is not None:
                return ir.Const(DATETIME, known.now)
            case ir.Id(object_) if (entity := known.entity_at(object_)) is not None:
                return ir.Const(EntityRefType(entity.type), entity.id)
            case ir.Line(object_) if (entity := known.entity_at(object_)) is not None:
                return node if entity.line is None else ir.Const(_LINE, entity.line)
            case ir.Slot():
                found = known.slot_at(node)
                if found is None:
                    return node
                attribute, value = found
                if known.is_private(node):
                    self._private.append(node)
                return ir.Absent() if value is ABSENT else ir.Const(attribute.type, value)
            case ir.Entry(ir.Above(taxonomy) | ir.Below(taxonomy) as table, ir.Const(_, str(term))):
                side = taxonomy.above if isinstance(table, ir.Above) else taxonomy.below
                return ir.Const(SetType(taxonomy), frozenset(side[term]))
            case ir.Operation(
                "lies_in" | "lies_in_one" as name,
                (ir.Const(_, frozenset() as line), ir.Data(str(of)), among),
            ):
                ids = ir.Const(SetType(EntityRefType(of)), _on_line(line, of))
                return ir.Binary("in", among, ids) if name == "lies_in" else ir.Overlaps(among, ids)
            case ir.Binary(op, left, right) if left == right and op in _OF_ITSELF:
                return TRUE if _OF_ITSELF[op] else FALSE
            case ir.Binary("in" | "not in" as op, left, ir.MakeSet(_, items)) if left in items:
                return TRUE if op == "in" else FALSE
            case ir.Binary(op, ir.Const() as left, right) if op in _MIRRORED:
                if not isinstance(right, ir.Const) and not isinstance(left.type, SetType):
                    return self._step(replace(node, op=_MIRRORED[op], left=right, right=left))
            case ir.Binary(op, ir.Entry(ir.Rows(TableType() as type_), term), ir.Const()):
                return node if op in _SIGNS else _by_key(node, type_, term)
            case ir.Overlaps(ir.Const() as left, right) if not isinstance(right, ir.Const):
                return ir.Overlaps(right, left)
            case ir.Operation("ancestors", (ir.Const(_, frozenset() as line), ir.Data(str(of)))):
                return ir.Const(SetType(EntityRefType(of)), _on_line(line, of))
        return node

    def _within(self, node: ir.Operation) -> ir.Expr:
        """Decide whether known entities are within others, if their ancestors are known as well."""
        made = ir.rebuilt(node, self.evaluate)
        assert isinstance(made, ir.Operation)
        inner, those, outer, among, entities = made.arguments
        if _is_empty(those, among):
            return FALSE
        if not isinstance(those, ir.Const):
            return self._each_within(node) or made
        assert isinstance(inner, ir.Data)
        assert isinstance(outer, ir.Data)
        ids = those.value if isinstance(those.value, frozenset) else (those.value,)
        lines = [self.known.entity(str(inner.value), str(id_)) for id_ in ids]
        if any(entity is None or entity.line is None for entity in lines):
            return replace(made, arguments=(inner, node.arguments[1], outer, among, entities))
        if not isinstance(among, ir.Const):
            of = EntityRefType(str(outer.value))
            found = [
                ir.Const(SetType(of), _on_line(entity.line or frozenset(), of.name))
                for entity in lines
                if entity is not None
            ]
            overlapping = [self._overlapping(among, ids_) for ids_ in found]
            return junction(ir.And, overlapping) if overlapping else FALSE
        known = self.known.entities
        holds = EXPORTED[node.name](inner.value, those.value, outer.value, among.value, known)
        return TRUE if holds else FALSE

    def _each_within(self, node: ir.Operation) -> ir.Expr | None:
        """Decide whether the known ones of some entities are within others, apart from the rest; None if none is known.

        Their names say nothing of what they are within.
        """
        inner, those, *more = node.arguments
        if not isinstance(those, ir.MakeSet):
            return None
        known = tuple(one for one in those.items if isinstance(self.evaluate(one), ir.Const))
        rest = tuple(one for one in those.items if one not in known)
        if not (known and rest):
            return None
        parts = (ir.MakeSet(those.type, items) for items in (known, rest))
        asked = (replace(node, arguments=(inner, part, *more)) for part in parts)
        return junction(ir.And, [*map(self._within, asked)])

    @staticmethod
    def _overlapping(among: ir.Expr, ids: ir.Const) -> ir.Expr:
        match among:
            case ir.MakeSet(_, (only,)):
                return ir.Binary("in", only, ids)
            case _:
                return ir.Overlaps(among, ids)


def with_touches(operands: tuple[ir.Expr, ...]) -> tuple[ir.Expr, ...]:
    """Return operands of `or` of which those that are halves of `left touches right` are that.

    One half cannot be said in the language.
    """
    made = list(operands)
    for half in operands:
        match half:
            case ir.Overlaps(ir.Entry(ir.Below(taxonomy) as below, left), right):
                above = ir.Above(taxonomy)
                other = ir.Overlaps(ir.Entry(above, left), right)
                if other in made:
                    term = ir.MakeSet(SetType(taxonomy), (left,))
                    made[made.index(other)] = ir.Operation("touches", (term, right, above, below))
                    made = [one for one in made if one not in (half, other)]
    return tuple(made)


def _short_within(node: ir.Let) -> dict[str, ir.Expr]:
    """Return what variables stand for of which *node* asks whether it is within entities, if that is short.

    Of known entities alone it may not be said in the language: the text has what they are the value of.
    """
    asked = {
        part.arguments[1].name
        for part in ir.walk(node.body)
        if isinstance(part, ir.Operation)
        and part.name in ("entity_within", "entities_within")
        and isinstance(part.arguments[1], ir.Local)
    }
    given = zip(node.names, node.values, strict=True)
    return {
        name: value
        for name, value in given
        if name in asked and len([*islice(ir.walk(value), _SHORT + 1)]) <= _SHORT
    }


def _is_empty(*sets: ir.Expr) -> bool:
    """Whether one of *sets* is known to have no element."""
    return any(isinstance(one, ir.Const) and one.value == frozenset() for one in sets)


def _is_of_a_constant(node: ir.Expr) -> bool:
    """Whether *node* reads something of an entity that is named: no text of a policy can."""
    return isinstance(node, ir.Slot | ir.Line) and (
        isinstance(node.object, ir.Entity) and isinstance(node.object.id, ir.Const)
    )


def _simplified(node: ir.Expr) -> ir.Expr:
    """Return *node*, whose parts are simplified, simplified."""
    for step in STEPS.get(type(node), ()):
        node = step(node)
    return node


def _by_key(node: ir.Binary, table: TableType, term: ir.Expr) -> ir.Expr:
    """Return a comparison of what a row has as the question for which keys it is true."""
    if isinstance(table.value, TableType):
        return node
    keys: Iterable[object] = table.key.members
    if isinstance(table.key, LevelsType):
        keys = range(len(table.key.members))
    consts = [ir.Const(table.key, key) for key in keys]
    true = [c.value for c in consts if _simplified(replace(node, left=_row(node.left, c))) == TRUE]
    return ir.Binary("in", term, ir.Const(SetType(table.key), frozenset(true)))


def _row(entry: ir.Expr, key: ir.Const) -> ir.Expr:
    assert isinstance(entry, ir.Entry)
    return _simplified(replace(entry, term=key))


def _elements(node: ir.Expr) -> list[ir.Expr] | None:
    """Return the elements of a set that is known, or written with its elements; None for any other."""
    match node:
        case ir.MakeSet(_, items):
            return list(items)
        case ir.Const(SetType(element), frozenset() as values):
            ordered = sorted(values, key=lambda value: text_of(element, value))
            return [ir.Const(element, value) for value in ordered]
        case _:
            return None


def _on_line(line: frozenset[Any], type_: str) -> frozenset[object]:
    """Return the ids of the entities of a type on a line."""
    return frozenset([id_ for of, id_ in line if of == type_])
