"""Check constants and definitions, each once, after those that they refer to.

References are found in the syntax tree beforehand, so that circles are reported and long chains are
checked in order instead of by recursion.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Span
from policyengine.model.limits import Limits
from policyengine.model.types import DATETIME, Type
from policyengine.semantics import messages
from policyengine.semantics.checked import Definition, Typing, Value
from policyengine.semantics.cost import MOST_DIGITS, Cost, Costs
from policyengine.semantics.demand import demands_of, private_reads
from policyengine.semantics.follows_clock import clock_use
from policyengine.semantics.guards import NO_GUARDS
from policyengine.semantics.names import VALUE, Names, Scope, Symbol, find_cycles, way_round
from policyengine.semantics.tables import read_table
from policyengine.semantics.typing import ExpressionChecker
from policyengine.semantics.vocabulary import UNKNOWN, Vocabulary
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions


@define(eq=False)
class Definitions:
    """The constants and definitions of a set. Implements `names.ValueLookup`."""

    vocabulary: Vocabulary
    names: Names
    limits: Limits
    costs: Costs
    problems: list[Diagnostic]
    _done: dict[int, Value | Definition | None] = field(factory=dict)
    _cyclic: set[int] = field(factory=set)

    def check_all(self) -> None:
        """Check every constant and definition, also those that nothing uses."""
        symbols = {f"{s.package}.{s.name.name}": s for s in self.names.all(VALUE)}
        graph = {name: list(_references(symbol)) for name, symbol in symbols.items()}
        for cycle in find_cycles(graph):
            first = symbols[cycle[0]]
            constant = isinstance(first.declaration, nodes.ConstDecl)
            code, what = ("PE219", "constants refer to one another") if constant else (
                "PE218", "definitions call one another"
            )  # fmt: skip
            way = way_round([symbols[name] for name in cycle])
            self.problems.append(messages.cycle(code, first.name, what, way))
            self._cyclic.update(id(symbols[name]) for name in cycle)
        for symbol in map(symbols.__getitem__, innermost_first(graph)):
            if isinstance(symbol.declaration, nodes.ConstDecl):
                self.constant(symbol)
            else:
                self.definition(symbol)

    def constant(self, symbol: Symbol) -> Value:
        """Return the value of a constant; of unknown type if it has an error."""
        if id(symbol) not in self._done:
            self._done[id(symbol)] = Value(UNKNOWN, None)
            if id(symbol) not in self._cyclic:
                declaration = symbol.declaration
                assert isinstance(declaration, nodes.ConstDecl)
                type_ = self.vocabulary.resolve(declaration.type, symbol.scope, schedules=True)
                self._done[id(symbol)] = self._constant(declaration, type_, symbol.scope)
        made = self._done[id(symbol)]
        assert isinstance(made, Value)
        return made

    def _constant(self, declaration: nodes.ConstDecl, type_: Type, scope: Scope) -> Value:
        if not isinstance(declaration.type, nodes.TableOf):
            return Value(type_, self.read_constant(declaration.value, type_, scope))
        rows = None if type_ is UNKNOWN else read_table(self, declaration.value, type_, scope)
        return Value(UNKNOWN if rows is None else type_, rows)

    def definition(self, symbol: Symbol) -> Definition | None:
        """Return a definition, or None if it has an error."""
        if id(symbol) not in self._done:
            self._done[id(symbol)] = None
            if id(symbol) not in self._cyclic:
                self._done[id(symbol)] = self._check_definition(symbol)
        made = self._done[id(symbol)]
        assert not isinstance(made, Value)
        return made

    def _check_definition(self, symbol: Symbol) -> Definition | None:
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.DefineDecl)
        variables: dict[str, Type] = {"now": DATETIME}
        before = len(self.problems)
        for parameter in declaration.parameters:
            name = parameter.name
            if name.name in variables:
                self.problems.append(messages.taken(name, "something else"))
            if self.names.packages[symbol.package][VALUE].get(name.name):
                self.problems.append(messages.taken(name, "a constant or a definition"))
            variables[name.name] = self.vocabulary.resolve(
                parameter.type, symbol.scope, schedules=True
            )
        if len(self.problems) > before:
            return None
        parameters = {n: t for n, t in variables.items() if n != "now"}
        checker = ExpressionChecker(self.vocabulary, symbol.scope, self, dict(variables))
        body = declaration.body
        result = checker.infer(body, NO_GUARDS)
        self.problems += checker.problems
        if not checker.sound:
            return None
        typing = Typing(checker.types, checker.bindings)
        made = Definition(
            symbol.name.name, symbol.package, tuple(parameters), tuple(parameters.values()),
            body, typing, result, demands_of(body, typing),
            any(True for _ in private_reads(body, typing, self.vocabulary.schema)),
            clock_use(body, typing),
        )  # fmt: skip
        problem = self.over_bound(self.costs.at_least(made), body.span)  # more is a matter of calls
        if problem:
            self.problems.append(problem)
            return None
        checker.needs_of([body])
        self.problems += checker.problems
        return None if checker.problems else made

    def over_bound(self, cost: Cost, span: Span) -> Diagnostic | None:
        """Report a cost over its bound."""
        limits = self.limits
        for value, most, what, limit in (
            (cost.depth, limits.nesting, "levels of nesting, definitions included", "nesting"),
            (cost.size, limits.expression_size, "parts, definitions included", "expression_size"),
            (cost.steps, limits.expression_cost, "steps", "expression_cost"),
            (cost.longest, MOST_DIGITS, "digits", ""),
        ):
            if value > most:
                return messages.too_costly(span, value, most, what, limit)
        return None

    def read_constant(self, node: nodes.Expr, type_: Type, scope: Scope) -> object:
        """Return the canonical value of a constant expression of that type; report any other."""
        checker = ExpressionChecker(self.vocabulary, scope, self, {})
        checker.expect(node, type_)
        self.problems += checker.problems
        if checker.problems or type_ is UNKNOWN:
            return None
        match node, checker.bindings.get(id(node)):
            case _, Value(_, value):
                return value
            case nodes.Negate(operand), _:
                match checker.bindings.get(id(operand)):
                    case Value(_, int() as number):
                        return -number
        self.problems.append(messages.not_constant(node.span))
        return None


def _references(symbol: Symbol) -> Iterator[str]:
    """Give the constants and definitions that the declaration mentions, as `package.name`."""
    declaration = symbol.declaration
    assert isinstance(declaration, nodes.ConstDecl | nodes.DefineDecl)
    whole = declaration.value if isinstance(declaration, nodes.ConstDecl) else declaration.body
    parts = list(walk_expressions([whole]))
    bound = {part.variable.name for part in parts if isinstance(part, nodes.Quantified)}
    if isinstance(declaration, nodes.DefineDecl):
        bound |= {parameter.name.name for parameter in declaration.parameters}
    for node in parts:
        match node:
            case nodes.Name(name) | nodes.Attr(nodes.Name(name)) if name in bound:
                continue
            case nodes.Name(name):
                mentioned = symbol.scope.candidates(VALUE, name)
            case nodes.Call(nodes.Ident(name, None)):
                mentioned = symbol.scope.candidates(VALUE, name)
            case nodes.Call(nodes.Ident(name, package)) | nodes.Attr(
                nodes.Name(package), nodes.Ident(name)
            ):
                table = symbol.scope.names.packages.get(package or "", {}).get(VALUE, {})
                mentioned = [table[name]] if name in table else []
            case _:
                continue
        for other in mentioned:
            yield f"{other.package}.{other.name.name}"


def innermost_first(graph: dict[str, list[str]]) -> Iterator[str]:
    """Give every name after those that it refers to (circles in some order)."""
    done: set[str] = set()
    for root, references in graph.items():
        stack = [(root, iter(references))]
        on_path = {root}
        while stack and root not in done:
            name, rest = stack[-1]
            for target in rest:
                if target not in done and target not in on_path:
                    on_path.add(target)
                    stack.append((target, iter(graph[target])))
                    break
            else:
                stack.pop()
                done.add(name)
                yield name
