"""Lower the rules of one target from syntax to `ir`: names resolved, definitions inlined.

A definition's parameters are replaced by what they are called with; quantifiers' variables get names
of their own each time, so that inlining cannot confuse them. Which operation a word of the language
means (`within` over terms, entities or addresses) is decided here, from the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import assert_never

from attrs import frozen

from policyengine.compiler import ir
from policyengine.model.records import record_class
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    ActionType,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, slot
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Definition,
    Size,
    TargetKey,
    Typing,
    Value,
)
from policyengine.syntax import nodes

_ORDERED = (INT, DECIMAL, DATETIME, DURATION)


@frozen
class Part:
    """Something that is computed for a text or an obligation, and its type."""

    type: Type
    expr: ir.Expr


@frozen
class Text:
    """A text for a person: literal strings and computed parts, in order."""

    parts: tuple[str | Part, ...]


@frozen
class Duty:
    """An obligation: its name, and (parameter, computed argument) each."""

    name: str
    arguments: tuple[tuple[str, Part], ...]


@frozen
class Rule:
    """A rule of one target. The conditions hold when all are true, in order."""

    id: str
    gate: str
    effect: str
    advisory: bool
    place: str
    valid_from: int | None
    valid_until: int | None
    conditions: tuple[ir.Expr, ...]
    fields: frozenset[str] | None
    duties: tuple[Duty, ...]
    because: Text | None
    otherwise: Text | None
    refer: Text | None
    sentences: tuple[Text, ...]
    source: CheckedRule


def lower(checked: CheckedSet, target: TargetKey) -> tuple[Rule, ...]:
    """Lower every rule that covers *target*, in the set's order."""
    return tuple(_lower_rule(checked, rule, target) for rule in checked.rules_for(target))


def _lower_rule(checked: CheckedSet, rule: CheckedRule, target: TargetKey) -> Rule:
    lowerer = _Lowerer(checked.schema, target)
    typing = rule.typings[target]

    def text(template: nodes.Template | None) -> Text | None:
        if template is None:
            return None
        return Text(tuple(p if isinstance(p, str) else part(p) for p in template.parts))

    def part(node: nodes.Expr) -> Part:
        return Part(typing.type_of(node), lowerer.lower(node, typing, {}))

    def duty(call: nodes.Call) -> Duty:
        parameters = checked.schema.obligations[call.name.name].parameters
        arguments = zip(parameters, call.arguments, strict=True)
        return Duty(call.name.name, tuple((p.name, part(a)) for p, a in arguments))

    conditions = ((lowerer.lower(c.expr, typing, {}), c.wanted) for c in rule.conjuncts)
    source = checked.sources[rule.node.span.file]
    line, _ = source.position(rule.node.span.start)
    return Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        place=f"{source.name}:{line}",
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        conditions=tuple(expr if wanted else ir.Not(expr) for expr, wanted in conditions),
        fields=None if rule.fields is None else rule.fields[target[2]],
        duties=tuple(duty(call) for call in rule.obligations),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        sentences=tuple(t for t in map(text, rule.sentences) if t is not None),
        source=rule,
    )


class _Lowerer:
    """Lowers the expressions of one rule; keeps the names of its local variables apart."""

    def __init__(self, schema: Schema, target: TargetKey) -> None:
        self._schema = schema
        self._action: ActionType = schema.actions[target[0]]
        self._numbers = count(1)

    def lower(self, node: nodes.Expr, typing: Typing, scope: Mapping[str, ir.Expr]) -> ir.Expr:
        """Return the meaning of *node*; *scope* has what parameters and variables stand for."""

        def low(part: nodes.Expr) -> ir.Expr:
            return self.lower(part, typing, scope)

        binding = typing.binding_of(node)
        if isinstance(binding, Value):
            return ir.Const(binding.type, binding.value)
        match node:
            case nodes.Name(name):
                return self._variable(name, scope)
            case nodes.Attr(object_, name):
                return self._attribute(low(object_), typing.type_of(object_), name.name)
            case nodes.Has(object_, name):
                read = self._attribute(low(object_), typing.type_of(object_), name.name)
                if isinstance(read, ir.Slot):
                    return ir.Present(read)
                return ir.Const(BOOL, not (isinstance(read, ir.Const) and read.value is ABSENT))
            case nodes.Not(operand):
                return ir.Not(low(operand))
            case nodes.And(operands):
                return ir.And(tuple(map(low, operands)))
            case nodes.Or(operands):
                return ir.Or(tuple(map(low, operands)))
            case nodes.If(condition, yes, no):
                return ir.Choice(low(condition), low(yes), low(no))
            case nodes.Compare(op, left, right):
                types = typing.type_of(left), typing.type_of(right)
                return _compare(op, low(left), low(right), *types)
            case nodes.Like(object_, pattern):
                return ir.Operation("like", (low(object_), ir.Const(BOOL, _pieces(pattern))))
            case nodes.Negate(operand):
                return ir.Binary("-", ir.Const(INT, 0), low(operand))
            case nodes.Arithmetic(op, left, right):
                return ir.Binary(op, low(left), low(right))
            case nodes.SetDisplay(items):
                return ir.MakeSet(tuple(map(low, items)))
            case nodes.RecordDisplay(fields):
                made = typing.type_of(node)
                assert isinstance(made, RecordType)
                given = {f.name.name: low(f.value) for f in fields}
                absent = ir.Const(BOOL, ABSENT)
                return ir.MakeRecord(
                    made, tuple(given.get(a.name, absent) for a in made.attributes)
                )
            case nodes.Call(_, arguments):
                values = [low(argument) for argument in arguments]
                if isinstance(binding, Size):
                    return ir.Operation("len", tuple(values))
                assert isinstance(binding, Definition)
                inner = dict(zip(binding.parameters, values, strict=True))
                return self.lower(binding.body, binding.typing, inner)
            case nodes.Quantified(kind, variable, over, body):
                local = f"each_{variable.name}_{next(self._numbers)}"
                inner_scope = {**scope, variable.name: ir.Local(local)}
                return ir.Quantified(kind, local, low(over), self.lower(body, typing, inner_scope))
            case nodes.Literal() | nodes.EntityRef() | nodes.Update():
                raise AssertionError("a literal is a constant, entities are written in tests only")
            case _:
                assert_never(node)

    def _variable(self, name: str, scope: Mapping[str, ir.Expr]) -> ir.Expr:
        if name in scope:
            return scope[name]
        match name:
            case "subject" | "resource":
                return ir.Id(ir.Root(name))
            case "action":
                made = self._action.constant_types
                values = {"name": self._action.name, **self._action.constants}
                parts = (values.get(a.name, ABSENT) for a in made.attributes)
                return ir.Const(made, record_class(made)(*parts))
            case _:
                return ir.Root(name)

    def _attribute(self, value: ir.Expr, type_: Type, name: str) -> ir.Expr:
        match type_:
            case EntityRefType(entity):
                if name == "id":
                    return value
                owner = value.object if isinstance(value, ir.Id) else ir.Entity(entity, value)
                return ir.Slot(owner, name, self._schema.entities[entity].by_name[name].optional)
            case RecordType():
                attribute = type_.by_name[name]
                if isinstance(value, ir.Const):  # an absent one is read behind its guard only
                    known = value.value
                    part = known if known is ABSENT else getattr(known, slot(name))
                    return ir.Const(attribute.type, part)
                return ir.Slot(value, name, attribute.optional)
            case _:
                raise AssertionError(type_)


def _compare(op: str, left: ir.Expr, right: ir.Expr, one: Type, other: Type) -> ir.Expr:
    match op:
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            return ir.Binary(op, left, right, timed=one in _ORDERED)
        case "in" | "not in":
            return ir.Binary(op, left, right)
        case "overlaps":
            return ir.Operation("overlaps", (left, right))
        case "subset":
            return ir.Binary("<=", left, right)
        case "within":
            return _within(left, right, one, other)
        case "touches":
            return _touches(left, right, one, other)
        case _:
            raise AssertionError(op)


def _within(left: ir.Expr, right: ir.Expr, one: Type, other: Type) -> ir.Expr:
    """`left` is, or lies below, `right`; a set on the left is not empty and all of it does."""
    several = isinstance(one, SetType)
    element = one.element if isinstance(one, SetType) else one
    among = right if isinstance(other, SetType) else ir.MakeSet((right,))
    match element:
        case TaxonomyType():
            if isinstance(right, ir.Const) and right.value is not ABSENT:
                chosen = right.value if isinstance(right.value, frozenset) else {right.value}
                below = frozenset().union(*(element.below[str(term)] for term in chosen))
                covered = ir.Const(SetType(element), below)
                if several:
                    return ir.Operation("terms_below", (left, covered))
                return ir.Binary("in", left, covered)
            name = "terms_within" if several else "term_within"
            return ir.Operation(name, (left, among, ir.Above(element)))
        case EntityRefType(inner):
            around = other.element if isinstance(other, SetType) else other
            assert isinstance(around, EntityRefType)
            outer = ir.Const(BOOL, around.name)
            if several:
                arguments = (ir.Const(BOOL, inner), left, outer, among, ir.Root("entities"))
                return ir.Operation("entities_within", arguments)
            owner = left.object if isinstance(left, ir.Id) else ir.Entity(inner, left)
            return ir.Operation("entity_within", (ir.Line(owner), outer, among))
        case _:
            assert element == IP
            return ir.Operation("ips_within" if several else "ip_within", (left, among))


def _touches(left: ir.Expr, right: ir.Expr, one: Type, other: Type) -> ir.Expr:
    assert isinstance(other, SetType)
    taxonomy = other.element
    assert isinstance(taxonomy, TaxonomyType)
    several = isinstance(one, SetType)
    if isinstance(right, ir.Const) and isinstance(right.value, frozenset):
        near = (taxonomy.below[term] | taxonomy.above[term] for term in right.value)
        touched = ir.Const(other, frozenset().union(*near))
        if several:
            return ir.Operation("overlaps", (left, touched))
        return ir.Binary("in", left, touched)
    among = left if several else ir.MakeSet((left,))
    return ir.Operation("touches", (among, right, ir.Above(taxonomy)))


def _pieces(pattern: str) -> tuple[str, ...]:
    r"""Cut a glob at its stars; `\*` is a star and `\\` a backslash of the text."""
    pieces, i = [""], 0
    while i < len(pattern):
        if pattern[i] == "*":
            pieces.append("")
        else:
            i += pattern[i] == "\\"
            pieces[-1] += pattern[i]
        i += 1
    return tuple(pieces)
