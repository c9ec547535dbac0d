"""Find rules that differ only in constants, of which one is checked for all.

Two rules are alike if they have the same effect, target and clauses, and expressions of the same form: names,
operators, the kinds of literals, and how many digits numbers have, on which the cost depends. The
results of the checker for one then hold for the other, at the same places: types, needs and costs are the same, and
of bindings only the values of constants differ. A literal that is an enumerator is no such constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from policyengine.model.needs import RequestNeeds
from policyengine.model.schedules import Schedule
from policyengine.model.types import EntityRefType, Primitive, SetType, TargetKey, Type
from policyengine.semantics.capitals import has_capital
from policyengine.semantics.checked import Binding, Typing, Value
from policyengine.semantics.cost import Cost
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children, interpolated

Form: TypeAlias = tuple[object, ...]
"""The parts that rules with different constants have in common."""


def form_of(rule: nodes.Rule) -> tuple[Form, list[nodes.Expr]]:
    """Return the form of *rule*, and its expressions in an order that depends on the form alone."""
    target = rule.target
    form: list[object] = [rule.effect, rule.advisory]
    named = target.actions, target.subjects, target.resources, target.exceptions
    form += map(_written, named)
    stack: list[nodes.Expr] = []
    for clause in rule.clauses:
        form.append(type(clause))
        match clause:
            case nodes.When(expr) | nodes.Unless(expr):
                stack.append(expr)
            case nodes.Because(text) | nodes.Otherwise(text) | nodes.Refer(text):
                shown = list(interpolated(text))
                form.append(len(shown))
                stack += shown
            case nodes.Oblige(calls):
                form.append(tuple([(str(call.name), len(call.arguments)) for call in calls]))
                for call in calls:
                    stack += call.arguments
            case nodes.Fields(fields):
                form.append(None if fields is None else tuple([f.spelling for f in fields]))
    exprs: list[nodes.Expr] = []
    while stack:
        node = stack.pop()
        exprs.append(node)
        form += type(node), _FORMS[type(node)](node)
        stack += children(node)
    return tuple(form), exprs


def _written(names: Sequence[nodes.Ident] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(map(str, names))


def _form_of_literal(node: nodes.Literal) -> object:
    if type(node.value) is int:
        return node.kind, len(str(node.value))
    if isinstance(node.value, Schedule):  # of which the zone may be unknown
        return node.kind, node.value.zone
    if isinstance(node.value, str):
        return node.kind, has_capital(node.value)
    return node.kind


def _form_of_pattern(node: nodes.Like) -> object:
    segments = node.pattern.count("/") if node.kind == "path" else 0
    return node.kind, segments, has_capital(node.pattern)


def _form_of_set(node: nodes.SetDisplay) -> object:
    literals = {item.value for item in node.items if isinstance(item, nodes.Literal)}
    return len(node.items), len(literals)


_FORMS: Final[Mapping[type[nodes.Node], Callable[[Any], object]]] = {
    nodes.Literal: _form_of_literal,
    nodes.SetDisplay: _form_of_set,
    nodes.Name: lambda node: node.name,
    nodes.Attr: lambda node: node.name.name,
    nodes.Has: lambda node: node.name.name,
    nodes.EntityRef: lambda node: (str(node.type), node.attributes is None, node.parents is None),
    nodes.Update: id,  # which belongs into tests, and is like no other
    nodes.RecordDisplay: lambda node: tuple([f.name.name for f in node.fields]),
    nodes.And: lambda node: len(node.operands),
    nodes.Or: lambda node: len(node.operands),
    nodes.Compare: lambda node: node.op,
    nodes.Arithmetic: lambda node: node.op,
    nodes.Call: lambda node: (str(node.name), len(node.arguments)),
    nodes.Quantified: lambda node: (node.kind, node.variable.name),
    nodes.Ancestors: lambda node: str(node.type),
    nodes.Not: lambda _: None,
    nodes.Negate: lambda _: None,
    nodes.If: lambda _: None,
    nodes.Like: _form_of_pattern,
    nodes.LookUp: lambda _: None,
}


@frozen(eq=False)
class TypingForm:
    """A typing without the rule that it is of: by the number of the expression.

    *types* and *bindings* are the same for all rules that are alike; *constants* and *sets* have values of
    their own, of that type. Sets come after those inside them.
    """

    typed: tuple[int, ...]
    types: tuple[Type, ...]
    bindings: tuple[tuple[int, Binding], ...]
    constants: tuple[tuple[int, Type], ...]
    sets: tuple[tuple[int, Type], ...]

    @classmethod
    def of(cls, exprs: Sequence[nodes.Expr], typing: Typing) -> TypingForm | None:
        """Return the form of the *typing* of *exprs*; None if a constant is made of several."""
        typed = [at for at, node in enumerate(exprs) if id(node) in typing.types]
        bindings: list[tuple[int, Binding]] = []
        constants: list[tuple[int, Type]] = []
        sets: list[tuple[int, Type]] = []
        for at, node in enumerate(exprs):
            match node, typing.binding_of(node):
                case _, None:
                    pass
                case nodes.Literal() | nodes.EntityRef(), Value(
                    Primitive() | EntityRefType() as type_
                ):
                    constants.append((at, type_))
                case nodes.SetDisplay(), Value(SetType() as type_):
                    sets.insert(0, (at, type_))
                case nodes.RecordDisplay(), Value():
                    return None
                case _, binding:
                    bindings.append((at, binding))
        bound = len(bindings) + len(constants) + len(sets)
        assert (len(typed), bound) == (len(typing.types), len(typing.bindings)), "all are in exprs"
        types = tuple(typing.type_of(exprs[at]) for at in typed)
        return cls(tuple(typed), types, tuple(bindings), tuple(constants), tuple(sets))

    def typing(self, exprs: Sequence[nodes.Expr]) -> Typing:
        """Return the typing of the expressions of a rule that is alike."""
        types = dict(zip([id(exprs[at]) for at in self.typed], self.types, strict=True))
        bindings = {id(exprs[at]): binding for at, binding in self.bindings}
        for at, type_ in self.constants:
            node: Any = exprs[at]
            value = node.id if isinstance(node, nodes.EntityRef) else node.value
            bindings[id(node)] = Value(type_, value)
        for at, type_ in self.sets:
            display: Any = exprs[at]
            known: list[Any] = [bindings[id(item)] for item in display.items]
            bindings[id(display)] = Value(type_, frozenset([item.value for item in known]))
        return Typing(types, bindings)


@frozen(eq=False)
class Sound:
    """The results for a rule without problems: *fields* and *needs* as in `CheckedRule`.

    *typings* are those of its targets, by number; *covered*: how much was checked, as `Limits.coverage`
    counts it.
    """

    typings: tuple[TypingForm, ...]
    targets: Mapping[TargetKey, int]
    fields: Mapping[str, frozenset[str]] | None
    needs: Mapping[TargetKey, RequestNeeds]
    cost: Cost
    covered: int

    def typings_of(self, exprs: Sequence[nodes.Expr]) -> dict[TargetKey, Typing]:
        """Return the typings of the rule with these expressions, which is alike."""
        made = [form.typing(exprs) for form in self.typings]
        return {target: made[number] for target, number in self.targets.items()}


@frozen(eq=False)
class Likeness:
    """Remembers the results for the rules of a set, by their form."""

    _fixed: dict[Form, tuple[int, ...]] = field(factory=dict)
    _found: dict[tuple[Form, tuple[object, ...]], Sound] = field(factory=dict)

    def find(self, form: Form, exprs: Sequence[nodes.Expr]) -> Sound | None:
        """Return the results for a rule that differs only in constants, if there was one."""
        fixed = self._fixed.get(form)
        return None if fixed is None else self._found.get((form, _values(exprs, fixed)))

    def note(
        self,
        form: Form,
        exprs: Sequence[nodes.Expr],
        typings: Mapping[TargetKey, Typing],
        fields: Mapping[str, frozenset[str]] | None,
        needs: Mapping[TargetKey, RequestNeeds],
        cost: Cost,
        covered: int,
    ) -> Sound | None:
        """Note the results for a rule without problems, and return them if others may have the same."""
        distinct = list({id(typing): typing for typing in typings.values()}.values())
        forms = [TypingForm.of(exprs, typing) for typing in distinct]
        if None in forms:
            return None
        numbers = {id(typing): number for number, typing in enumerate(distinct)}
        targets = {target: numbers[id(typing)] for target, typing in typings.items()}
        fixed = self._fixed.setdefault(form, _enumerators(exprs, distinct))
        sound = Sound(tuple(filter(None, forms)), targets, fields, needs, cost, covered)
        self._found[form, _values(exprs, fixed)] = sound
        return sound


def _values(exprs: Sequence[nodes.Expr], at: Iterable[int]) -> tuple[object, ...]:
    literals: list[Any] = [exprs[number] for number in at]
    return tuple([literal.value for literal in literals])


def _enumerators(exprs: Sequence[nodes.Expr], typings: Sequence[Typing]) -> tuple[int, ...]:
    """Return which of *exprs* are literals that stand for an enumerator in one of *typings*."""
    return tuple(
        at
        for at, node in enumerate(exprs)
        if isinstance(node, nodes.Literal)
        and not all(_is_primitive(typing.binding_of(node)) for typing in typings)
    )


def _is_primitive(binding: Binding | None) -> bool:
    return isinstance(binding, Value) and isinstance(binding.type, Primitive)
