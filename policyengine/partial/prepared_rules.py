"""Prepare the rules of a target for requests of which the same parts are known.

The condition of a rule is taken apart along its junctions. A part that reads nothing but what is known is a
*test*, which a generated function decides. A part that reads nothing of that is evaluated once. What reads
both is evaluated for each request (`evaluator.py`), and so is a test that fails, since something that it
reads is not known after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, groupby
from typing import Any, Final

from msgspec import Struct, field

from policyengine.compiler import ir
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.compiler.specialize import generate_tests
from policyengine.model.rules import RuleWaiver, WaivedEntity
from policyengine.model.types import DATETIME, EntityRefType, Schema, is_private
from policyengine.partial.evaluator import Evaluator, with_touches
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.junctions import Junction, junction, negation
from policyengine.partial.known_parts import KnownParts, Shape
from policyengine.partial.known_paths import Read, UnboundedReadError, reads_of
from policyengine.partial.parameters import Strings, written_in
from policyengine.runtime.generated import run

_NO_TURNS: Final = ()
"""For tests that read no time, which add none."""

_NOW: Final = ir.Root("now")

_USES: Final = 2
"""The use with which tests are compiled: that takes as long as it takes to evaluate them several times."""


class Asked(Struct, eq=False):
    """One question: what is known, the tests and what they take, and what was found.

    *timed*: of conditions that depend on the time alone, whether they hold, and when they may change.
    *strings*, *seen*: all that was read, with parameters for strings.
    """

    evaluator: Evaluator
    tests: Sequence[Callable[..., Any]]
    parts: tuple[Any, ...]
    strings: Strings
    timed: dict[ir.Expr, tuple[bool, Sequence[int]]] = field(default_factory=dict)
    seen: list[Any] = field(default_factory=list)


class _Part(Struct, frozen=True):
    """A part of a condition: what is *left* of it, and whether it *holds*, None if that is open.

    What `holds` has seen is what `left` depends on.
    """

    left: Callable[[Asked], ir.Expr]
    holds: Callable[[Asked], bool | None]


class PreparedRules:
    """The rules of a target, those on trial aside, for requests of one shape."""

    def __init__(self, rules: Sequence[Rule], types: ExpressionTypes, shape: Shape) -> None:
        """Take the conditions of *rules* apart; *types*: of their target."""
        self.rules = tuple([rule for rule in rules if not rule.advisory])
        self.gates = types.schema.gates_of(types.target)
        self._types = types
        self._private = _private_names(types.schema)
        self._shape = shape
        self._tests: list[ir.Expr] = []
        self._compiled: Sequence[Callable[..., Any]] = ()
        self._uses = 0
        conditions = [ir.conjunction(tuple(_satisfied(rule))) for rule in self.rules]
        self._parts = [self._part(condition) for condition in conditions]
        arguments = [[p.expr for d in rule.duties for _, p in d.arguments] for rule in self.rules]
        self._arguments = [list(map(self._reading, some)) for some in arguments]
        self._written = frozenset[str]().union(*map(written_in, chain(conditions, *arguments)))

    def ask(self, known: KnownParts, now: int) -> Asked:
        """Ask what is left where so much is *known*; the tests are generated when it is asked again."""
        self._uses += 1
        if self._uses == _USES:
            made = generate_tests(self._tests, unsure=True)
            functions = run(made.tree, made.objects, "<tests>")
            self._compiled = [functions[name] for name in made.names]
        parts = known.subject, known.resource, known.context, now, known.entities, _NO_TURNS
        tests = self._compiled if known.is_described else ()
        return Asked(Evaluator(known), tests, parts, Strings(self._written))

    def seen(self, asked: Asked) -> tuple[Any, ...] | None:
        """Return all that what is left depends on, with parameters for strings; None if it is unbounded."""
        if self._uses < _USES or not asked.evaluator.known.is_described:
            return None
        try:
            for part, arguments in zip(self._parts, self._arguments, strict=True):
                if part.holds(asked) is not False:
                    for see in arguments:
                        see(asked)
        except UnboundedReadError:
            return None
        return tuple(asked.seen)

    def left(self, asked: Asked) -> list[ir.Expr]:
        """Return what is left of the condition of each rule."""
        return [part.left(asked) for part in self._parts]

    def _part(self, node: ir.Expr) -> _Part:
        if isinstance(node, ir.Const):
            return _Part(lambda _: node, lambda _: node == TRUE)
        if self._is_test(node):
            return self._test(node)
        match node:
            case ir.And(operands):
                return self._junction(ir.And, operands)
            case ir.Or(operands):
                return self._junction(ir.Or, with_touches(operands))
            case ir.Not(ir.And() | ir.Or() as operand):
                return _negated(self._part(operand))
        if self._shape.is_known(node) and self._private.isdisjoint(_names_in(node)):
            return self._timed(node)
        if self._shape.is_unknown(node):
            return _always_the_same(node)
        return _Part(lambda asked: asked.evaluator.operand(node), self._reading(node))

    def _junction(self, of: type[Junction], operands: Sequence[ir.Expr]) -> _Part:
        parts = list(map(self._part, self._with_tests_joined(of, operands)))
        neutral = of is ir.And
        deciding = FALSE if neutral else TRUE

        def left(asked: Asked) -> ir.Expr:
            found: list[ir.Expr] = []
            for part in parts:
                made = part.left(asked)
                if made == deciding:  # those after it may not be evaluated
                    return deciding
                found.append(made)
            return junction(of, found)

        def holds(asked: Asked) -> bool | None:
            result: bool | None = neutral
            for part in parts:
                one = part.holds(asked)
                if one is (not neutral):
                    return one
                if one is None:
                    result = None
            return result

        return _Part(left, holds)

    def _with_tests_joined(
        self, of: type[Junction], operands: Sequence[ir.Expr]
    ) -> Iterator[ir.Expr]:
        """Give operands, those that are tests, one after another, as one."""
        for are_tests, some in groupby(operands, self._is_test):
            group = tuple(some)
            if are_tests and len(group) > 1:
                yield of(group)
            else:
                yield from group

    def _is_test(self, node: ir.Expr) -> bool:
        return self._shape.is_known(node) and not ir.mentions(node, "now")

    def _test(self, node: ir.Expr) -> _Part:
        number, read = len(self._tests), self._reading(node)
        self._tests.append(node)

        def left(asked: Asked) -> ir.Expr:
            try:
                return TRUE if asked.tests[number](*asked.parts) else FALSE
            except Exception:  # noqa: BLE001 - something is not known, or the test is not compiled yet
                return asked.evaluator.operand(node)

        def holds(asked: Asked) -> bool | None:
            try:
                result = bool(asked.tests[number](*asked.parts))
            except Exception:  # noqa: BLE001 - as above
                return read(asked)
            asked.seen.append(result)
            return result

        return _Part(left, holds)

    def _timed(self, node: ir.Expr) -> _Part:
        """Note whether *node* holds now, and leave it: what it is in may be decided without it."""
        number, opposite, read = len(self._tests), negation(node), self._reading(node)
        self._tests.append(node)

        def left(asked: Asked) -> ir.Expr:
            if node in asked.timed or ask(asked):
                return node
            return asked.evaluator.operand(node)

        def ask(asked: Asked) -> bool:
            turns: list[int] = []
            try:
                result = bool(asked.tests[number](*asked.parts[:-1], turns))
            except Exception:  # noqa: BLE001 - as above
                return False
            asked.timed[node], asked.timed[opposite] = (result, turns), (not result, turns)
            return True

        def holds(asked: Asked) -> bool | None:
            if ask(asked):
                asked.seen.append(asked.timed[node][0])
                return None
            return read(asked)

        return _Part(left, holds)

    def _reading(self, node: ir.Expr) -> Callable[[Asked], None]:
        """Return what notes what *node* depends on."""

        @cache
        def reads() -> Sequence[Read] | None:
            try:
                return reads_of(node, self._shape, self._types)
            except UnboundedReadError:
                return None

        def read(asked: Asked) -> None:
            found = reads()
            if found is None:
                raise UnboundedReadError
            known, strings = asked.evaluator.known, asked.strings
            asked.seen.append(None)  # which no test gives
            asked.seen += [one(known, strings) for one in found]

        return read


def _negated(part: _Part) -> _Part:
    def holds(asked: Asked) -> bool | None:
        result = part.holds(asked)
        return None if result is None else not result

    return _Part(lambda asked: negation(part.left(asked)), holds)


def _always_the_same(node: ir.Expr) -> _Part:
    found: list[ir.Expr] = []

    def left(asked: Asked) -> ir.Expr:
        if not found:
            found.append(asked.evaluator.operand(node))
        return found[0]

    def holds(asked: Asked) -> bool | None:
        made = left(asked)
        return made == TRUE if made in (TRUE, FALSE) else None

    return _Part(left, holds)


def _names_in(node: ir.Expr) -> frozenset[str]:
    return frozenset([part.name for part in ir.walk(node) if isinstance(part, ir.Slot)])


def _private_names(schema: Schema) -> frozenset[str]:
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
