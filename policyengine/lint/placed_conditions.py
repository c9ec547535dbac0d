"""Find the conditions of a rule where they are asked: in what definition, whether they must hold, beside what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from attrs import evolve, frozen

from policyengine.analysis.paths import Path, path_of
from policyengine.model.types import EntityRefType, Schema
from policyengine.semantics.checked import CheckedRule, Definition, Lower, Typing, Value
from policyengine.semantics.demand import attribute_of
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children


@frozen
class Placed:
    """An expression where it is: with its typing, and the arguments of the definition that it is in.

    *elements*: the sets whose elements the variables around it are.
    """

    expr: nodes.Expr
    typing: Typing
    arguments: Mapping[str, Placed] = {}
    elements: Mapping[str, Placed] = {}

    def at(self, expr: nodes.Expr) -> Placed:
        """Return a part of it; of a parameter, the argument."""
        if isinstance(expr, nodes.Name) and expr.name in self.arguments:
            return self.arguments[expr.name]
        return evolve(self, expr=expr)

    @property
    def binding(self) -> object:
        """The binding of the expression: a constant, a function, a definition."""
        return self.typing.binding_of(self.expr)

    @property
    def constant(self) -> object:
        """The value of a constant, None for anything else."""
        return self.binding.value if isinstance(self.binding, Value) else None

    @property
    def constants(self) -> tuple[object, ...]:
        """The values that it can have: of a constant one, of a variable the elements of a constant set."""
        match self.expr:
            case nodes.Name(name) if name in self.elements:
                over = self.elements[name].constant
                return tuple(over) if isinstance(over, frozenset) else ()
        return () if self.constant is None else (self.constant,)

    @property
    def is_written(self) -> bool:
        """Whether the policy gives the value, written out or as what an action has."""
        path = path_of(self.expr)
        return self.constant is not None or (path is not None and path[0] == "action")

    @property
    def path(self) -> Path | None:
        """The path of the request that it is, through parameters; None if it is something else."""
        match self.expr:
            case nodes.Name(name) if name in self.arguments:
                return self.arguments[name].path
            case nodes.Name(name) if name in self.elements:
                over = self.elements[name].path
                return None if over is None else (*over, "*")
            case nodes.Name(name):
                return (name,)
            case nodes.Attr(object_, name):
                before = self.at(object_).path
                return None if before is None else (*before, name.name)
        return None

    @property
    def lowered(self) -> Placed | None:
        """The text that is lowered, if the expression lowers one."""
        if isinstance(self.expr, nodes.Call) and isinstance(self.binding, Lower):
            return self.at(self.expr.arguments[0])
        return self.definition.lowered if self.definition else None

    @property
    def definition(self) -> Placed | None:
        """The body of the definition that is called, if one is."""
        match self.expr, self.binding:
            case nodes.Call(_, arguments), Definition() as called:
                given = dict(zip(called.parameters, map(self.at, arguments), strict=True))
                return Placed(called.body, called.typing, given)
        return None

    def is_chosen(self, schema: Schema) -> bool:
        """Whether the caller chooses the value, or an entity or record that it is of."""
        match self.expr:
            case nodes.Attr(object_, name):
                attribute = attribute_of(self.typing.type_of(object_), name.name, schema)
                of_them = attribute is not None and attribute.by in ("caller", "person")
                return of_them or self.at(object_).is_chosen(schema)
        source = self._source
        return source is not None and source.is_chosen(schema)

    def is_declared(self, schema: Schema) -> bool:
        """Whether a request declares the value: it is not stored with an entity, nor found out by the platform."""
        match self.expr:
            case nodes.Attr(object_, name):
                owner = self.typing.type_of(object_)
                attribute = attribute_of(owner, name.name, schema)
                if isinstance(owner, EntityRefType):
                    return attribute is not None and attribute.by == "caller"
                if self.at(object_).path == ("context",):
                    return attribute is not None and attribute.by != "platform"
                return self.at(object_).is_declared(schema)
        source = self._source
        return source is not None and source.is_declared(schema)

    @property
    def _source(self) -> Placed | None:
        """What a variable, a parameter or `lower` takes its value from."""
        match self.expr:
            case nodes.Name(name):
                return self.arguments.get(name) or self.elements.get(name)
        return self.lowered


Condition: TypeAlias = tuple[Placed, bool]
"""A condition, and whether it must hold."""


@frozen
class Asked:
    """An expression in a condition, not made of others by `and`, `or` or `not`.

    *wanted*: whether it must hold for the rule to be satisfied, if no other alternative is. *given*: the
    conditions that hold beside it.
    """

    placed: Placed
    wanted: bool
    given: tuple[Condition, ...]


def asked_in(rule: CheckedRule) -> Iterator[Asked]:
    """Give the expressions in the conditions of *rule*, and in the definitions that it uses."""
    typing = next(iter(rule.typings.values()))
    yield from _together([(Placed(c.expr, typing), c.wanted) for c in rule.conjuncts], ())


def _together(conditions: Iterable[Condition], given: tuple[Condition, ...]) -> Iterator[Asked]:
    """Give those in conditions that all hold."""
    conditions = tuple(conditions)
    for condition in conditions:
        others = tuple(other for other in conditions if other is not condition)
        yield from _in(condition, given + others)


def _in(condition: Condition, given: tuple[Condition, ...]) -> Iterator[Asked]:
    placed, wanted = condition
    match placed.expr:
        case nodes.Not(operand):
            yield from _in((placed.at(operand), not wanted), given)
        case nodes.And(operands) | nodes.Or(operands):
            parts = [(placed.at(operand), wanted) for operand in operands]
            if isinstance(placed.expr, nodes.And) is wanted:
                yield from _together(parts, given)
            else:
                for part in parts:
                    yield from _in(part, given)
        case _ if placed.definition:
            yield from _in((placed.definition, wanted), given)
        case nodes.Quantified(_, variable, over, body):
            yield Asked(placed, wanted, given)
            yield from _in((placed.at(over), wanted), given)
            elements = {**placed.elements, variable.name: placed.at(over)}
            yield from _in((evolve(placed, expr=body, elements=elements), wanted), given)
        case expr:
            yield Asked(placed, wanted, given)
            for child in children(expr):
                yield from _in((placed.at(child), wanted), given)
