"""Lower the rules of one target from syntax to `ir`: names resolved, definitions inlined.

A definition's body takes the place of its call. An argument that is no more than a constant or a path takes
the place of the parameter; any other is bound by a `Let`. Which operation a word means (`within` over terms,
entities, addresses, paths or a schedule) is decided here, from the types, and `action` is known: its constants
are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never

from attrs import evolve, frozen
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.lowered import Duty, Key, Part, Rule, Sentence, Text
from policyengine.model.path_syntax import segments_of
from policyengine.model.records import record_class
from policyengine.model.rules import RuleWaiver
from policyengine.model.types import (
    BOOL,
    INT,
    IP,
    MONTHS,
    ORDERED,
    PATH,
    SCHEDULE,
    ActionType,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, slot
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Conjunct,
    Definition,
    Inner,
    Lower,
    SentenceText,
    Size,
    Typing,
    Value,
)
from policyengine.semantics.checked import Sentence as CheckedSentence
from policyengine.semantics.keys import compared, comparisons, keys_of
from policyengine.semantics.visibility import in_place_of_hidden, times_hidden
from policyengine.syntax import nodes

Scope: TypeAlias = Mapping[str, ir.Expr]
"""What parameters and quantifiers' variables stand for."""


# ---- rules ------------------------------------------------------------------------------


def lower(checked: CheckedSet, target: TargetKey, *, for_details: bool = True) -> tuple[Rule, ...]:
    """Lower every rule that covers *target*, in the set's order; *for_details* as in `lower_rule`."""
    rules = checked.rules_for(target)
    return tuple(lower_rule(checked, rule, target, for_details=for_details) for rule in rules)


def lower_rule(
    checked: CheckedSet, rule: CheckedRule, target: TargetKey, *, for_details: bool = True
) -> Rule:
    """Lower one rule that covers *target*.

    *for_details*: with the sentences that say why a condition is false; deciding needs none, and what they
    read the conditions read as well.
    """
    typing = rule.typings[target]
    parts = _Parts(checked.schema, checked.schema.actions[target[0]], typing, for_details)
    source = checked.sources[rule.node.span.file]
    line, _ = source.position(rule.node.span.start)
    conditions = [(parts.lowered(c.expr), c.wanted) for c in rule.conjuncts]
    return Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        place=f"{source.name}:{line}",
        **_of_target(checked, rule, target),
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        conditions=tuple(expr if wanted else ir.Not(expr) for expr, wanted in conditions),
        duties=tuple(map(parts.duty, rule.obligations)),
        because=parts.text(rule.because),
        otherwise=parts.text(rule.otherwise),
        refer=parts.text(rule.refer),
        sentences=tuple(
            tuple(parts.sentences(conjunct, sentences))
            for conjunct, sentences in zip(rule.conjuncts, rule.sentences, strict=False)
        )
        if for_details
        else (),
        keys=tuple(
            Key(key.number, key.path, key.name, parts.part(key.expr), key.constants, key.shown)
            for key in (keys_of(rule, target, checked.schema) if for_details else ())
        ),
        compared=tuple(compared(rule, target).items()) if for_details else (),
        times_hidden=for_details and times_hidden(rule, target, checked.schema),
    )


def for_target(lowered: Rule, checked: CheckedSet, rule: CheckedRule, target: TargetKey) -> Rule:
    """Return a rule that was *lowered* for another target, whose expressions mean the same for *target*."""
    return replace(lowered, **_of_target(checked, rule, target))


def _of_target(checked: CheckedSet, rule: CheckedRule, target: TargetKey) -> dict[str, Any]:
    """Return the parts of a lowered rule that are no expressions, and may differ between targets."""
    return {
        "fields": None if rule.fields is None else rule.fields[target[2]],
        "waivers": tuple(
            RuleWaiver(waiver.name, waiver.subject, waiver.resource, waiver.until)
            for waiver in checked.waivers
            if waiver.rule == rule.id and target in waiver.targets
        ),
        "needs": rule.needs[target],
    }


@frozen(eq=False)
class _Parts:
    """Lowers the parts of one rule for one target, which are of *typing*; *for_details* as in `lower_rule`."""

    schema: Schema
    action: ActionType
    typing: Typing
    for_details: bool

    def lowered(self, node: nodes.Expr) -> ir.Expr:
        """Return the meaning of *node*."""
        return _Lowerer(self.schema, self.action, self.typing).lower(node)

    def part(self, node: nodes.Expr) -> Part:
        """Return *node* with its type."""
        return Part(self.typing.type_of(node), self.lowered(node))

    def text(self, template: nodes.Template | None) -> Text | None:
        """Return a text of the rule, with words in place of what is hidden."""
        if template is None:
            return None
        words = in_place_of_hidden(template, self.typing, self.schema) if self.for_details else {}
        return Text(
            tuple(
                p if isinstance(p, str) else replace(self.part(p), words=words.get(number))
                for number, p in enumerate(template.parts)
            )
        )

    def duty(self, call: nodes.Call) -> Duty:
        """Return what the rule owes."""
        parameters = self.schema.obligations[call.name.name].parameters
        arguments = zip(parameters, call.arguments, strict=True)
        return Duty(call.name.name, tuple((p.name, self.part(a)) for p, a in arguments))

    def sentences(
        self, conjunct: Conjunct, sentences: Sequence[CheckedSentence]
    ) -> Iterator[Sentence]:
        """Give what is said where *conjunct* is false, and when."""
        paths = frozenset(path for path, _ in comparisons(conjunct.expr, self.typing))
        for sentence in sentences:
            quiet = None if sentence.quiet is None else self._sentence_text(sentence.quiet)
            tests = [(self._inner(test).expr, value) for test, value in sentence.tests]
            parts = tuple(expr if value else ir.Not(expr) for expr, value in tests)
            test = Part(BOOL, ir.And(parts) if len(parts) > 1 else parts[0]) if parts else None
            yield Sentence(self._sentence_text(sentence.text), quiet, paths, test)

    def _sentence_text(self, written: SentenceText) -> Text:
        return Text(tuple(p if isinstance(p, str) else self._inner(p) for p in written))

    def _inner(self, what: Inner) -> Part:
        around = _Lowerer(self.schema, self.action, self.typing)
        return Part(*around.inside(what.calls, what.expr))


# ---- expressions ------------------------------------------------------------------------


@frozen(eq=False)
class _Lowerer:
    """Lowers expressions of one typing, in the scope of *depth* sets of variables."""

    schema: Schema
    action: ActionType
    typing: Typing
    scope: Scope = MappingProxyType({})
    depth: int = 0

    def lower(self, node: nodes.Expr) -> ir.Expr:
        """Return the meaning of *node*."""
        low, type_of = self.lower, self.typing.type_of
        binding = self.typing.binding_of(node)
        if isinstance(binding, Value):
            return ir.known(binding.type, binding.value)
        match node:
            case nodes.Name(name):
                return self._variable(name)
            case nodes.Attr(object_, name):
                return self._attribute(low(object_), type_of(object_), name.name)
            case nodes.Has(object_, name):
                read = self._attribute(low(object_), type_of(object_), name.name)
                match read:
                    case ir.Slot():
                        return ir.Present(read)
                    case _:  # an `id`, or a constant of the action
                        return ir.Const(BOOL, not isinstance(read, ir.Absent))
            case nodes.Not(operand):
                return ir.Not(low(operand))
            case nodes.And(operands):
                return ir.And(tuple([low(operand) for operand in operands]))
            case nodes.Or(operands):
                return ir.Or(tuple([low(operand) for operand in operands]))
            case nodes.If(condition, yes, no):
                return ir.Choice(low(condition), low(yes), low(no))
            case nodes.Compare(op, left, right):
                return _compare(op, low(left), low(right), type_of(left), type_of(right))
            case nodes.Like(object_, pattern, "string"):
                return ir.Operation("like", (low(object_), ir.Data(_pieces(pattern))))
            case nodes.Like(object_, pattern):
                return _like_path(low(object_), segments_of(pattern))
            case nodes.Negate(operand):
                return ir.Binary("-", ir.Const(INT, 0), low(operand))
            case nodes.Arithmetic("-", left, right) if type_of(right) == MONTHS:
                back = ir.Binary("-", ir.Const(INT, 0), low(right))
                return ir.Operation("add_months", (low(left), back))
            case nodes.Arithmetic(_, left, right) if type_of(right) == MONTHS:
                return ir.Operation("add_months", (low(left), low(right)))
            case nodes.Arithmetic(op, left, right):
                return ir.Binary(op, low(left), low(right))
            case nodes.SetDisplay(items):
                made = type_of(node)
                assert isinstance(made, SetType), "an empty record is a constant"
                return ir.MakeSet(made, tuple([low(item) for item in items]))
            case nodes.RecordDisplay(fields):
                made = type_of(node)
                assert isinstance(made, RecordType)
                given = {f.name.name: low(f.value) for f in fields}
                parts = (given.get(a.name, ir.Absent()) for a in made.attributes)
                return ir.MakeRecord(made, tuple(parts))
            case nodes.LookUp(table, key):
                rows = low(table)
                assert isinstance(rows, ir.Rows | ir.Entry)
                return ir.Entry(rows, low(key))
            case nodes.Call(_, arguments):
                return self._call(binding, arguments)
            case nodes.Ancestors(object_):
                made = type_of(node)
                assert isinstance(made, SetType)
                assert isinstance(made.element, EntityRefType)
                line = ir.Line(_owner(low(object_), type_of(object_)))
                return ir.Operation("ancestors", (line, ir.Data(made.element.name)))
            case nodes.Quantified(kind, variable, over, body):
                local = f"{variable.name}_{self.depth}"
                inner = self._inside({**self.scope, variable.name: ir.Local(local)})
                return ir.Quantified(kind, local, low(over), inner.lower(body))
            case nodes.Literal() | nodes.EntityRef() | nodes.Update():
                raise AssertionError("a literal is a constant, entities are written in tests only")
            case _:
                assert_never(node)

    def _inside(self, scope: Scope, typing: Typing | None = None) -> _Lowerer:
        return evolve(self, typing=typing or self.typing, scope=scope, depth=self.depth + 1)

    def _variable(self, name: str) -> ir.Expr:
        if name in self.scope:
            return self.scope[name]
        match name:
            case "subject" | "resource":
                return ir.Id(ir.Root(name))
            case "action":
                made = self.action.constant_types
                values = {"name": self.action.name, **self.action.constants}
                parts = (values.get(a.name, ABSENT) for a in made.attributes)
                return ir.Const(made, record_class(made)(*parts))
            case _:
                assert name in ("context", "now"), name
                return ir.Root(name)

    def _attribute(self, value: ir.Expr, type_: Type, name: str) -> ir.Expr:
        match type_, value:
            case EntityRefType(), _ if name == "id":
                return value
            case EntityRefType(entity), _:
                optional = self.schema.entities[entity].by_name[name].optional
                return ir.Slot(_owner(value, type_), name, optional)
            case RecordType(), ir.Const(_, record):
                found = getattr(record, slot(name))
                return ir.Absent() if found is ABSENT else ir.Const(type_.by_name[name].type, found)
            case _:
                assert isinstance(type_, RecordType)
                return ir.Slot(value, name, type_.by_name[name].optional)

    def _call(self, called: object, arguments: tuple[nodes.Expr, ...]) -> ir.Expr:
        if isinstance(called, Size):
            return ir.Operation("len", (self.lower(arguments[0]),))
        if isinstance(called, Lower):
            return ir.Operation("lower", (self.lower(arguments[0]),))
        assert isinstance(called, Definition)
        return self._in_body(called, arguments, lambda inner: inner.lower(called.body))

    def inside(self, calls: Sequence[nodes.Call], node: nodes.Expr) -> tuple[Type, ir.Expr]:
        """Return the type and the meaning of *node*, which is in the body that the last of *calls* calls."""
        if not calls:
            return self.typing.type_of(node), self.lower(node)
        called = self.typing.binding_of(calls[0])
        assert isinstance(called, Definition)
        types: list[Type] = []

        def lowered(inner: _Lowerer) -> ir.Expr:
            type_, expr = inner.inside(calls[1:], node)
            types.append(type_)
            return expr

        made = self._in_body(called, calls[0].arguments, lowered)
        return types[0], made

    def _in_body(
        self,
        called: Definition,
        arguments: tuple[nodes.Expr, ...],
        lowered: Callable[[_Lowerer], ir.Expr],
    ) -> ir.Expr:
        """Return what is *lowered* in the body of a definition, with the arguments bound."""
        outside = self._inside(self.scope)
        values = [outside.lower(argument) for argument in arguments]
        scope: dict[str, ir.Expr] = {}
        bound: dict[str, ir.Expr] = {}
        for parameter, value in zip(called.parameters, values, strict=True):
            if ir.is_plain(value):
                scope[parameter] = value
            else:
                local = f"{parameter}_{self.depth}"
                scope[parameter], bound[local] = ir.Local(local), value
        body = lowered(self._inside(scope, called.typing))
        return ir.Let(tuple(bound), tuple(bound.values()), body) if bound else body


# ---- comparisons ------------------------------------------------------------------------


def _compare(
    op: nodes.Comparison, left: ir.Expr, right: ir.Expr, one: Type, other: Type
) -> ir.Expr:
    match op:
        case "==" | "!=" if isinstance(left, ir.Const):
            # On one side: rules that compare with constants are put into tables, however they are written.
            return ir.Binary(op, right, left, numeric=other in ORDERED)
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            return ir.Binary(op, left, right, numeric=one in ORDERED)
        case "in":
            return ir.Binary(op, left, right)
        case "startswith" | "endswith" | "contains":
            return ir.Operation(op, (left, right))
        case "overlaps":
            return ir.Overlaps(left, right)
        case "subset":
            return ir.Binary("<=", left, right)
        case "within":
            return _within(left, right, one, other)
        case "touches":
            return _touches(left, right, one, other)
        case _:
            assert_never(op)


def _within(left: ir.Expr, right: ir.Expr, one: Type, other: Type) -> ir.Expr:
    """`left` is, or is below, `right`; a set on the left is not empty and all of it does."""
    if other == SCHEDULE:
        return ir.Operation("within_schedule", (left, right))
    element = one.element if isinstance(one, SetType) else one
    around = other.element if isinstance(other, SetType) else other
    if isinstance(element, TaxonomyType):
        return _terms_within(left, right, one, other, element)
    among = right if isinstance(other, SetType) else ir.MakeSet(SetType(other), (right,))
    if element == IP:
        name = "ips_within" if isinstance(one, SetType) else "ip_within"
        return ir.Operation(name, (left, among))
    if element == PATH:
        if isinstance(one, SetType):
            return ir.Operation("paths_within", (left, among))
        above = ir.Operation("prefixes", (left,))
        return ir.Overlaps(above, right) if among is right else ir.Binary("in", right, above)
    assert isinstance(element, EntityRefType)
    assert isinstance(around, EntityRefType)
    inner, outer = ir.Data(element.name), ir.Data(around.name)
    if isinstance(other, SetType) and isinstance(left, ir.Id) and isinstance(left.object, ir.Root):
        return ir.Operation("lies_in_one", (ir.Line(left.object), outer, among))
    if isinstance(one, SetType) or isinstance(other, SetType):
        name = "entities_within" if isinstance(one, SetType) else "entity_within"
        return ir.Operation(name, (inner, left, outer, among, ir.Root("entities")))
    return ir.Operation("lies_in", (ir.Line(_owner(left, element)), outer, right))


def _owner(value: ir.Expr, type_: Type) -> ir.Expr:
    """Return the entity of a reference."""
    assert isinstance(type_, EntityRefType)
    return value.object if isinstance(value, ir.Id) else ir.Entity(type_.name, value)


def _like_path(path: ir.Expr, segments: list[str]) -> ir.Expr:
    """`path` is a pattern of these segments; rules can be looked up by those before the first star."""
    plain = list(takewhile(lambda segment: "*" not in segment, segments))
    known = ir.Const(PATH, f"/{'/'.join(plain)}")
    if plain == segments:
        return ir.Binary("==", path, known)
    below = ir.Binary("in", known, ir.Operation("prefixes", (path,)))
    if segments[len(plain) :] == ["**"]:
        return below
    like = ir.Operation("path_like", (path, ir.Data(tuple(segments))))
    return ir.And((below, like)) if plain and ir.is_plain(path) else like


def _terms_within(
    left: ir.Expr, right: ir.Expr, one: Type, other: Type, taxonomy: TaxonomyType
) -> ir.Expr:
    among = right if isinstance(other, SetType) else ir.MakeSet(SetType(other), (right,))
    terms = _terms(right)
    if terms is not None:
        covered = frozenset().union(*(taxonomy.below[term] for term in terms))
        known = ir.Const(SetType(taxonomy), covered)
        if isinstance(one, SetType):
            return ir.AllIn(left, known)
        return ir.Binary("in", left, known)
    if isinstance(one, SetType):
        return ir.Operation("terms_within", (left, among, ir.Above(taxonomy)))
    if isinstance(other, SetType):
        return ir.Overlaps(ir.Entry(ir.Above(taxonomy), left), right)
    return ir.Binary("in", right, ir.Entry(ir.Above(taxonomy), left))


def _touches(left: ir.Expr, right: ir.Expr, one: Type, other: Type) -> ir.Expr:
    assert isinstance(other, SetType)
    taxonomy = other.element
    assert isinstance(taxonomy, TaxonomyType)
    terms = _terms(right)
    if terms is not None:
        near = (taxonomy.below[term] | taxonomy.above[term] for term in terms)
        known = ir.Const(other, frozenset().union(*near))
        return (
            ir.Overlaps(left, known) if isinstance(one, SetType) else ir.Binary("in", left, known)
        )
    if isinstance(one, SetType):
        return ir.Operation("touches", (left, right, ir.Above(taxonomy), ir.Below(taxonomy)))
    sides: tuple[ir.Above | ir.Below, ...] = (ir.Above(taxonomy), ir.Below(taxonomy))
    return ir.Or(tuple(ir.Overlaps(ir.Entry(side, left), right) for side in sides))


def _terms(node: ir.Expr) -> frozenset[str] | None:
    """Return the terms of a known term or set of terms."""
    match node:
        case ir.Const(SetType(), frozenset() as terms):
            return terms
        case ir.Const(_, str(term)):
            return frozenset({term})
        case _:
            return None


def _pieces(pattern: str) -> tuple[str, ...]:
    r"""Cut a glob at its stars; `\*` is a star and `\\` a backslash of the text."""
    pieces, characters = [""], iter(pattern)
    for character in characters:
        if character == "*":
            pieces.append("")
        else:
            pieces[-1] += next(characters, "\\") if character == "\\" else character
    return tuple(pieces)
