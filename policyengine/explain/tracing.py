"""Show how an expression came to its value: what it read, and what happened in the definitions it called.

The walk evaluates what the interpreter evaluates: of `and` and `or` the operands up to the one that
decides, of a quantifier the elements that decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from policyengine.diagnostics.source import Source
from policyengine.explain.evidence import Inside, Operand, Reading
from policyengine.model.shown import MOST_ELEMENTS, written_value
from policyengine.model.types import BOOL, SetType, TableType, Type
from policyengine.model.values import ABSENT
from policyengine.reference.evaluation import Env, attribute, evaluate, with_variable
from policyengine.reference.time_limit import in_time
from policyengine.semantics.checked import Definition, Typing, Value
from policyengine.semantics.demand import attribute_of
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children

_DEEPEST: Final = 6
"""The number of definitions and quantifiers in each other that are shown."""

_ELEMENTS_INSIDE: Final = 3
"""The number of elements that are shown of a quantifier inside another one or a definition."""


@frozen(eq=False)
class Trace:
    """The evaluation of expressions of one typing.

    *shown*: the names whose values were shown outside; *depth*: how many definitions and quantifiers are around.
    """

    sources: Mapping[str, Source]
    typing: Typing
    env: Env
    shown: frozenset[str] = frozenset()
    depth: int = 0
    _known: dict[int, Any] = field(factory=dict, init=False)

    def value(self, node: nodes.Expr) -> Any:
        """Return the value of *node*; of one that goes over a set, as it was found before."""
        if not isinstance(node, nodes.Quantified):
            return evaluate(node, self.typing, self.env)
        if id(node) not in self._known:
            self._known[id(node)] = evaluate(node, self.typing, self.env)
        return self._known[id(node)]

    def text(self, node: nodes.Node) -> str:
        """Return *node* as it was written, in one line."""
        return self.sources[node.span.file].on_one_line(node.span)

    def evaluated(self, node: nodes.Expr) -> Iterator[nodes.Expr]:
        """Give *node* and the expressions inside it that were evaluated, but for bodies of quantifiers."""
        yield node
        if isinstance(self.typing.binding_of(node), Value):
            return
        match node:
            case nodes.And(operands) | nodes.Or(operands):
                stops = isinstance(node, nodes.Or)
                for operand in operands:
                    yield from self.evaluated(operand)
                    if bool(self.value(operand)) is stops:
                        return
            case nodes.If(condition, yes, no):
                yield from self.evaluated(condition)
                yield from self.evaluated(yes if self.value(condition) else no)
            case nodes.Quantified(_, _, over, _):
                yield from self.evaluated(over)
            case nodes.Attr() | nodes.Name() | nodes.Has():
                pass
            case _:
                for child in children(node):
                    yield from self.evaluated(child)

    def readings(self, node: nodes.Expr) -> tuple[Reading, ...]:
        """Return each attribute, variable and row of a table that *node* reads, with its value, once."""
        found: dict[str, Reading] = {}
        for inner in self.evaluated(node):
            type_ = self.typing.type_of(inner)
            if isinstance(self.typing.binding_of(inner), Value) or isinstance(type_, TableType):
                continue  # a constant, or a table in a table, of which a row is read
            match inner:
                case nodes.Name(name) if name in self.shown:
                    continue
                case nodes.Has(object_, name):
                    owner = self.typing.type_of(object_)
                    value = attribute(self.value(object_), owner, name.name, self.env)
                    text = f"{self.text(object_)}.{name.name}"
                    made = Reading(text, written_part(owner, name.name, value, self.env))
                case nodes.Name() | nodes.Attr() | nodes.LookUp():
                    text = self.text(inner)
                    made = Reading(text, written(type_, self.value(inner)))
                case _:
                    continue
            found.setdefault(text, made)
        return tuple(found.values())

    def inside(self, node: nodes.Expr) -> tuple[Inside, ...]:
        """Return the definitions that *node* called, and the elements that decided in its quantifiers."""
        return tuple(self._inside(node)) if self.depth < _DEEPEST else ()

    def _inside(self, node: nodes.Expr) -> Iterator[Inside]:
        for inner in self.evaluated(node):
            called = self.typing.binding_of(inner)
            match inner:
                case nodes.Call(name, arguments) if isinstance(called, Definition):
                    given = zip(called.parameters, map(self.value, arguments), strict=True)
                    env = evolve(self.env, variables={})
                    for parameter, value in given:
                        env = with_variable(env, parameter, value)
                    names = frozenset(called.parameters)
                    body = Trace(self.sources, called.typing, env, names, self.depth + 1)
                    yield body.of(called.body, f"{name.name}: {body.text(called.body)}")
                case nodes.Quantified(_, variable, over, body_):
                    type_ = self.typing.type_of(over)
                    assert isinstance(type_, SetType)
                    shown = self.shown | {variable.name}
                    for element in self._deciding(inner, type_.element):
                        env = with_variable(self.env, variable.name, element)
                        text = f"{variable.name} = {written(type_.element, element)}"
                        trace = evolve(self, env=env, shown=shown, depth=self.depth + 1)
                        yield trace.of(body_, text)

    def _deciding(self, node: nodes.Quantified, type_: Type) -> Iterable[object]:
        """Return the elements that decided: one that is enough, else the first of all."""
        stops = node.kind == "some"
        elements = sorted(self.value(node.set), key=lambda element: written(type_, element))
        if bool(self.value(node)) is stops:  # which is known by now: else no element is enough
            for element in in_time(elements):
                env = with_variable(self.env, node.variable.name, element)
                if bool(evaluate(node.body, self.typing, env)) is stops:
                    return [element]
        return elements[: _ELEMENTS_INSIDE if self.depth else MOST_ELEMENTS]

    def of(self, body: nodes.Expr, text: str) -> Inside:
        """Return the evaluation of *body*, under a *text* that names it."""
        value = self.value(body)
        failing = self.blamed(body) if self.typing.type_of(body) == BOOL else ()
        return Inside(
            text,
            written(self.typing.type_of(body), value),
            self.readings(body),
            tuple(operand for operand in failing if operand.text != self.text(body)),
            self.inside(body),
        )

    def blamed(self, node: nodes.Expr) -> tuple[Operand, ...]:
        """Return the innermost operands that give a condition its value."""
        return tuple(
            Operand(self.text(operand), bool(self.value(operand)), self.readings(operand))
            for operand in self._blamed(node)
        )

    def _blamed(self, node: nodes.Expr) -> Iterator[nodes.Expr]:
        match node:
            case _ if isinstance(self.typing.binding_of(node), Value):
                yield node
            case nodes.And(operands) | nodes.Or(operands):
                owing, stops = bool(self.value(node)), isinstance(node, nodes.Or)
                for operand in operands:
                    if bool(self.value(operand)) is owing:
                        yield from self._blamed(operand)
                        if owing is stops:
                            return
            case nodes.Not(operand, infix=False):
                yield from self._blamed(operand)
            case nodes.If(condition, yes, no):
                yield from self._blamed(condition)
                yield from self._blamed(yes if self.value(condition) else no)
            case _:
                yield node


def written(type_: Type, value: object) -> str:
    """Return the text of a value, which may be unfit where a rule fails."""
    try:
        return written_value(type_, value)
    except Exception:  # noqa: BLE001 - a text is never worth failing for
        return "?"


def written_part(owner: Type, name: str, value: object, env: Env) -> str:
    """Return the text of an optional attribute of an entity or a record."""
    if value is ABSENT:
        return "nothing"
    found = attribute_of(owner, name, env.schema)
    return "?" if found is None else written(found.type, value)
