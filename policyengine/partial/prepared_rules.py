"""Prepare the rules of a target for requests of which the same parts are known.

The condition of a rule is taken apart along its junctions. A part that reads nothing but what is known is a
*test*, which a generated function decides. A part that reads nothing of that is evaluated once. What reads
both is evaluated for each request (`evaluator.py`), and so is a test that fails, since something that it
reads is not known after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.compiler import ir
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.compiler.specialize import generate_tests
from policyengine.model.rules import RuleWaiver, WaivedEntity
from policyengine.model.types import DATETIME, EntityRefType, Schema, is_private
from policyengine.partial.evaluator import Evaluator, with_touches
from policyengine.partial.junctions import Junction, junction, negation
from policyengine.partial.known_parts import KnownParts, Path, overlap, path_of
from policyengine.runtime.generated import run

_NOW: Final = ir.Root("now")
_CONTEXT: Final = ir.Root("context")

_USES: Final = 2
"""The use with which tests are compiled: that takes as long as it takes to evaluate them several times."""


class Shape(Struct, frozen=True):
    """Which parts of a request are known, and which paths in them are not."""

    parts: frozenset[str]
    unknown: frozenset[Path]

    def is_known(self, node: ir.Expr) -> bool:
        """Whether *node* reads nothing but what is known, and perhaps the time."""
        return not ir.free(node) and all(map(self._may_be_in_test, ir.walk(node)))

    def _may_be_in_test(self, part: ir.Expr) -> bool:
        match part:
            case ir.Root("subject" | "resource" | "context" as name):
                return name in self.parts
            case ir.Slot():
                return not self._is_unknown(part)
            case ir.Present(ir.Slot(ir.Entity())):  # it may be known by its id alone
                return False
            case _:  # a context as a whole may lack something
                return _CONTEXT not in ir.children(part)

    def is_unknown(self, node: ir.Expr) -> bool:
        """Whether *node* reads nothing that is known."""
        return not any(
            (isinstance(part, ir.Root) and part.name in (*self.parts, "entities"))
            or (isinstance(part, ir.Entity) and isinstance(part.id, ir.Const))
            for part in ir.walk(node)
        )

    def _is_unknown(self, node: ir.Slot) -> bool:
        path = path_of(node)
        return path is not None and any(overlap(path, other) for other in self.unknown)


def shape_of(known: KnownParts) -> Shape:
    """Return the shape of what is *known*."""
    given = {"subject": known.subject, "resource": known.resource, "context": known.context}
    whole = {path[0] for path in known.unknown if len(path) == 1}
    parts = frozenset(n for n, part in given.items() if part is not None and n not in whole)
    return Shape(parts, known.unknown)


class Asked(Struct, eq=False):
    """One question: what evaluates its conditions, the tests and what they take, and what was found of the time.

    *timed*: of conditions that depend on the time alone, whether they hold, and when they may change.
    """

    evaluator: Evaluator
    tests: Mapping[ir.Expr, Callable[..., Any]]
    parts: tuple[Any, ...]
    timed: dict[ir.Expr, tuple[bool, Sequence[int]]] = field(default_factory=dict)


_Part: TypeAlias = Callable[[Asked], ir.Expr]
"""Returns what is left of a condition."""


class PreparedRules:
    """The rules of a target, those on trial aside, for requests of one shape."""

    def __init__(self, rules: Sequence[Rule], private: frozenset[str], shape: Shape) -> None:
        """Take the conditions of *rules* apart; *private*: the names of attributes that may be private."""
        self.rules = tuple([rule for rule in rules if not rule.advisory])
        self._private = private
        self._shape = shape
        self._tests: list[ir.Expr] = []
        self._compiled: Mapping[ir.Expr, Callable[..., Any]] = {}
        self._uses = 0
        self._parts = [self._part(ir.conjunction(tuple(_satisfied(rule)))) for rule in self.rules]

    def left(self, known: KnownParts, now: int) -> tuple[list[ir.Expr], Asked]:
        """Return what is left of the condition of each rule."""
        self._uses += 1
        if self._uses == _USES:
            made = generate_tests(self._tests, unsure=True)
            functions = run(made.tree, made.objects, "<tests>")
            self._compiled = {
                test: functions[name] for test, name in zip(self._tests, made.names, strict=True)
            }
        parts = known.subject, known.resource, known.context, now, known.entities
        asked = Asked(Evaluator(known), self._compiled if known.is_described else {}, parts)
        return [part(asked) for part in self._parts], asked

    def _part(self, node: ir.Expr) -> _Part:
        if isinstance(node, ir.Const):
            return lambda _: node
        is_known = self._shape.is_known(node)
        if is_known and not ir.mentions(node, "now"):
            return self._test(node)
        match node:
            case ir.And(operands):
                return self._junction(ir.And, operands)
            case ir.Or(operands):
                return self._junction(ir.Or, with_touches(operands))
            case ir.Not(ir.And() | ir.Or() as operand):
                part = self._part(operand)
                return lambda asked: negation(part(asked))
        if is_known and self._private.isdisjoint(_names_in(node)):
            return self._timed(node)
        if self._shape.is_unknown(node):
            return _always_the_same(node)
        return lambda asked: asked.evaluator.operand(node)

    def _junction(self, of: type[Junction], operands: Sequence[ir.Expr]) -> _Part:
        parts = list(map(self._part, self._with_tests_joined(of, operands)))
        deciding = FALSE if of is ir.And else TRUE

        def part(asked: Asked) -> ir.Expr:
            left: list[ir.Expr] = []
            for one in parts:
                made = one(asked)
                if made == deciding:  # those after it may not be evaluated
                    return deciding
                left.append(made)
            return junction(of, left)

        return part

    def _with_tests_joined(
        self, of: type[Junction], operands: Sequence[ir.Expr]
    ) -> Iterator[ir.Expr]:
        """Give operands, those that are tests, one after another, as one."""

        def is_test(node: ir.Expr) -> bool:
            return self._shape.is_known(node) and not ir.mentions(node, "now")

        for are_tests, some in groupby(operands, is_test):
            group = tuple(some)
            if are_tests and len(group) > 1:
                yield of(group)
            else:
                yield from group

    def _test(self, node: ir.Expr) -> _Part:
        self._tests.append(node)

        def part(asked: Asked) -> ir.Expr:
            try:
                return TRUE if asked.tests[node](*asked.parts, []) else FALSE
            except Exception:  # noqa: BLE001 - something is not known, or the test is not compiled yet
                return asked.evaluator.operand(node)

        return part

    def _timed(self, node: ir.Expr) -> _Part:
        """Note whether *node* holds now, and leave it: what it is in may be decided without it."""
        self._tests.append(node)
        opposite = negation(node)

        def part(asked: Asked) -> ir.Expr:
            turns: list[int] = []
            try:
                holds = bool(asked.tests[node](*asked.parts, turns))
            except Exception:  # noqa: BLE001 - as above
                return asked.evaluator.operand(node)
            asked.timed[node], asked.timed[opposite] = (holds, turns), (not holds, turns)
            return node

        return part


def _always_the_same(node: ir.Expr) -> _Part:
    found: list[ir.Expr] = []

    def part(asked: Asked) -> ir.Expr:
        if not found:
            found.append(asked.evaluator.operand(node))
        return found[0]

    return part


def _names_in(node: ir.Expr) -> frozenset[str]:
    return frozenset([part.name for part in ir.walk(node) if isinstance(part, ir.Slot)])


def private_names(schema: Schema) -> frozenset[str]:
    """Return the names of the attributes that are private, or hold what is, wherever they are."""
    holders = [entity.attributes for entity in schema.entities.values()]
    holders += [action.context.attributes for action in schema.actions.values()]
    return frozenset([one.name for attributes in holders for one in attributes if is_private(one)])


def _satisfied(rule: Rule) -> Iterator[ir.Expr]:
    """Give what must hold for *rule* to be satisfied: its dates, and its conditions or a waiver."""
    if rule.valid_from is not None:
        yield ir.Binary("<=", ir.Const(DATETIME, rule.valid_from), _NOW, numeric=True)
    if rule.valid_until is not None:
        yield ir.Binary("<", _NOW, ir.Const(DATETIME, rule.valid_until), numeric=True)
    if rule.waivers and rule.conditions:
        yield ir.Or((*map(_waived, rule.waivers), ir.conjunction(rule.conditions)))
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
    return ir.conjunction(conditions)


def _is_meant(root: ir.Root, waived: WaivedEntity) -> ir.Expr:
    id_ = ir.Const(EntityRefType(waived.type), waived.id)
    if waived.within:
        return ir.Operation("lies_in", (ir.Line(root), ir.Data(waived.type), id_))
    return ir.Binary("==", ir.Id(root), id_)
