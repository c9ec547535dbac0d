"""Check the `let`s outside tests: fixtures that all tests of a package may use.

Each is checked once, after those that it refers to, so that circles are reported and long chains are
worked off in order. One that may be a context is checked as such where it is used; what is wrong with it as
a value is reported if it is used as one, or if it is used nowhere and no type of a key would settle it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import define, field, frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Span
from policyengine.semantics import messages, table_messages
from policyengine.semantics.checked import Fixture, Typing
from policyengine.semantics.contexts import Context, certain, context_of, fixtures_named
from policyengine.semantics.definitions import Definitions, innermost_first
from policyengine.semantics.displays import fields_of, repeats
from policyengine.semantics.guards import NO_GUARDS
from policyengine.semantics.names import FIXTURE, Names, Scope, Symbol, find_cycles, way_round
from policyengine.semantics.typing import ExpressionChecker
from policyengine.semantics.vocabulary import UNKNOWN, Vocabulary
from policyengine.syntax import nodes
from policyengine.syntax.node import walk


@frozen
class FixtureUses:
    """The fixtures that were used as contexts, and the parts that these have, as copies."""

    used: frozenset[int] = frozenset()
    parts: int = 0


@define(eq=False)
class Fixtures:
    """The fixtures of a set. Implements `names.FixtureLookup`."""

    vocabulary: Vocabulary
    names: Names
    definitions: Definitions
    problems: list[Diagnostic]
    _done: dict[int, Fixture | None] = field(factory=dict)
    _entities: dict[int, dict[tuple[str, str], Fixture]] = field(factory=dict)
    _contexts: dict[int, Context] = field(factory=dict)
    _waiting: dict[int, list[Diagnostic]] = field(factory=dict)
    _used: set[int] = field(factory=set)
    _parts: int = 0
    _own: FixtureUses | None = None
    """The uses by fixtures, once all are checked."""

    def check_all(self) -> None:
        """Check every fixture, once, also those that nothing uses."""
        if self._own is None:
            self._check_all()
            self._own = FixtureUses(frozenset(self._used), self._parts)

    def _check_all(self) -> None:
        symbols = {f"{s.package}.{s.name.name}": s for s in self.names.all(FIXTURE)}
        graph = {name: list(_references(symbol)) for name, symbol in symbols.items()}
        cyclic: set[str] = set()
        for cycle in find_cycles(graph):
            what, way = "fixtures refer to one another", way_round([symbols[n] for n in cycle])
            first, scope = symbols[cycle[0]].name, symbols[cycle[0]].scope
            owners = self.vocabulary.enumerations_of(first.name, scope)
            meant = [f"{owner}.{first.name}" for owner in owners]
            help = f"if the enumerator is meant, write {messages.listed(meant)}" if meant else ""
            self.problems.append(messages.cycle("PE224", first, what, way, help))
            cyclic.update(cycle)
        most, depth = self.definitions.limits.nesting, dict.fromkeys(cyclic, 0)
        for name in innermost_first(graph):
            if name not in cyclic:
                depth[name] = 1 + max((depth[other] for other in graph[name]), default=0)
                self._done[id(symbols[name])] = self._checked(symbols[name])
                if depth[name] == most + 1:
                    at, what = symbols[name].name.span, "fixtures that refer to one another"
                    self.problems.append(messages.too_costly(at, most + 1, most, what))

    def begin_again(self) -> None:
        """Forget the uses, but not the fixtures, to check tests of a set with the same fixtures."""
        assert self._own is not None, "they were checked"
        self._used, self._parts = set(self._own.used), self._own.parts
        self._entities.clear()

    @property
    def parts(self) -> int:
        """The parts of all contexts that have a name, as often as they are used."""
        return self._parts

    def count(self, uses: FixtureUses) -> None:
        """Count uses that are known."""
        self._used |= uses.used
        self._parts += uses.parts

    @contextmanager
    def counted(self) -> Iterator[Callable[[], FixtureUses]]:
        """Let a function return what is used meanwhile."""
        used, parts = self._used, self._parts
        self._used = set()
        yield lambda: FixtureUses(frozenset(self._used), self._parts - parts)
        self._used |= used

    def all(self) -> tuple[Fixture, ...]:
        """Return every fixture, each after those that it refers to."""
        return tuple(filter(None, self._done.values()))

    def fixture(self, symbol: Symbol) -> Fixture | None:
        """Return a fixture, or None if it has an error."""
        return self._done.get(id(symbol))

    def entities(self, scope: Scope) -> Mapping[tuple[str, str], Fixture]:
        """Return the fixtures that describe an entity, by its type and id; the package's own first."""
        if id(scope) not in self._entities:
            found = self._entities[id(scope)] = {}
            for fixture in filter(None, map(self.fixture, scope.symbols(FIXTURE))):
                match fixture.value:
                    case nodes.EntityRef(type_, id_, attributes, parents) if (
                        attributes is not None or parents is not None
                    ):
                        found.setdefault((type_.name, id_), fixture)
        return self._entities[id(scope)]

    def unreported(self, symbol: Symbol) -> Sequence[Diagnostic]:
        """Return what is wrong with a fixture as a value, if it may be a context."""
        return self._waiting.get(id(symbol), ())

    def context(self, expr: nodes.Expr, scope: Scope) -> Context | None:
        """Return the context that *expr* names among the fixtures, None if it names none."""
        symbols = list(fixtures_named(expr, scope))
        if len(symbols) != 1:
            return None
        self._used.add(id(symbols[0]))
        return self._contexts.get(id(symbols[0]))

    def may_take(self, parts: int, at: Span) -> bool:
        """Whether contexts may have so many parts more, wherever they are used; report it once if not.

        Else a short text could have a long context in thousands of places.
        """
        most, before = self.definitions.limits.coverage, self._parts
        self._parts += parts
        if before <= most < self._parts:
            self.problems.append(table_messages.contexts_too_long(at, most))
        return self._parts <= most

    def report_unused(self) -> None:
        """Report what is wrong with fixtures that were used neither as a context nor as a value."""
        for key, problems in self._waiting.items():
            if key not in self._used:
                self.problems += [p for p in certain(problems) if p not in self.problems]

    def _checked(self, symbol: Symbol) -> Fixture | None:
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.Let)
        value, scope = declaration.value, symbol.scope
        context = context_of(value, scope, {}, lambda expr: self.context(expr, scope))
        checker = ExpressionChecker(self.vocabulary, scope, self.definitions, {}, shared=self)
        found = checker.infer(value, NO_GUARDS)
        if context is not None:
            self.problems += repeats(fields_of(value))  # wrong however it is used
            allowed = self.may_take(len(context), value.span)
            self._contexts[id(symbol)] = context if allowed else {}
            self._waiting[id(symbol)] = checker.problems
        else:
            self.problems += checker.problems
        if checker.problems or found is UNKNOWN:
            return None
        typing = Typing(checker.types, checker.bindings)
        return Fixture(symbol.name.name, symbol.package, declaration.value, typing, found)


def _references(symbol: Symbol) -> Iterator[str]:
    """Give the fixtures that a fixture mentions, as `package.name`."""
    assert isinstance(symbol.declaration, nodes.Let)
    for node in walk(symbol.declaration.value):
        if isinstance(node, nodes.Name | nodes.Attr):
            for other in fixtures_named(node, symbol.scope):
                yield f"{other.package}.{other.name.name}"
