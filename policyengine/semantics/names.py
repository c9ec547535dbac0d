"""Collect the declarations of the files, and resolve names in a file.

Each package has a table for every kind of thing that can be declared. A file sees its own package
and those that it imports; a name that two of them declare must be qualified. Entities, actions,
groups, gates and obligations go over the wire, so theirs are unique over the whole set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from attrs import Factory, define, field, frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import PRIMITIVES
from policyengine.semantics import messages
from policyengine.semantics.checked import Definition, Fixture, Value
from policyengine.syntax import nodes
from policyengine.syntax.operators import BUILT_IN

TypeDecl: TypeAlias = nodes.EnumDecl | nodes.LevelsDecl | nodes.TaxonomyDecl | nodes.EntityDecl
Declared: TypeAlias = (
    TypeDecl | nodes.GroupDecl | nodes.ActionDecl | nodes.ObligationDecl | nodes.GateDecl
    | nodes.ConstDecl | nodes.DefineDecl | nodes.WaiverDecl | nodes.InvariantDecl
    | nodes.Let
)  # fmt: skip

TYPE, ACTION, OBLIGATION, GATE, VALUE = "type", "action", "obligation", "gate", "value"
WAIVER, INVARIANT, FIXTURE = "waiver", "invariant", "fixture"
"""The kinds: each has names of its own. Groups are of kind `action`; constants and definitions
of kind `value`."""


@frozen(eq=False)
class Symbol:
    """One declared name: its declaration, its package and the scope of its file."""

    kind: str
    name: nodes.Ident
    package: str
    declaration: Declared
    scope: Scope

    @property
    def on_the_wire(self) -> bool:
        """Whether requests and answers use the name."""
        return self.kind in (ACTION, OBLIGATION, GATE) or isinstance(
            self.declaration, nodes.EntityDecl
        )


_MEANT: Mapping[str, type] = {
    "entity type": nodes.EntityDecl, "action": nodes.ActionDecl, "name": nodes.ConstDecl,
    "definition": nodes.DefineDecl,
}  # fmt: skip
"""The declarations that are meant where not all of a kind are."""


class ValueLookup(Protocol):
    """Finds constants and definitions by their symbols, checking each when it is first used."""

    def constant(self, symbol: Symbol) -> Value:
        """Return the value of a constant."""

    def definition(self, symbol: Symbol) -> Definition | None:
        """Return a definition, or None if it has an error."""


class FixtureLookup(Protocol):
    """Finds fixtures by their symbols, checking each when it is first used."""

    def fixture(self, symbol: Symbol) -> Fixture | None:
        """Return a fixture, or None if it has an error."""

    def unreported(self, symbol: Symbol) -> Sequence[Diagnostic]:
        """Return what is wrong with a fixture as a value, if it may be a context."""


Table: TypeAlias = dict[str, dict[str, Symbol]]
"""kind → name → symbol, of one package."""


@define(eq=False)
class Names:
    """All names of a policy set."""

    packages: dict[str, Table] = field(factory=dict)
    scopes: list[Scope] = field(factory=list)
    problems: list[Diagnostic] = field(factory=list)

    def all(self, kind: str) -> Iterator[Symbol]:
        """Give every symbol of *kind*, package by package."""
        for table in self.packages.values():
            yield from table.get(kind, {}).values()

    def named(self, kind: str, name: str) -> Iterator[Symbol]:
        """Give the symbols of *kind* that are called *name*, in whatever package."""
        for table in self.packages.values():
            if name in table.get(kind, {}):
                yield table[kind][name]


@define(eq=False)
class Scope:
    """The names visible in one file: those of its own package and its imports."""

    names: Names
    file: nodes.PolicyFile
    package: str
    visible: list[str] = Factory(list)

    def candidates(self, kind: str, name: str) -> list[Symbol]:
        """Return the symbols that the bare *name* may mean here."""
        tables = (self.names.packages[p].get(kind, {}) for p in self.visible)
        return [table[name] for table in tables if name in table]

    def known(self, kind: str) -> Iterator[str]:
        """Give the names of *kind* that may be written here without a package."""
        for package in self.visible:
            yield from self.names.packages[package].get(kind, {})

    def symbols(self, kind: str) -> Iterator[Symbol]:
        """Give the symbols of *kind* that are visible here."""
        for package in self.visible:
            yield from self.names.packages[package].get(kind, {}).values()

    def find(
        self, kind: str, ident: nodes.Ident, what: str, report: list[Diagnostic]
    ) -> Symbol | None:
        """Return the one symbol that *ident* means here; report it as an unknown *what* if none."""
        package, packages = ident.package, self.names.packages
        meant = _MEANT.get(what, object)
        if package is not None:
            table = packages.get(package, {}).get(kind, {})
            candidates = [table[ident.name]] if ident.name in table else []
            known = iter(table.values())
            if package not in self.visible:
                candidates = [s for s in candidates if isinstance(s.declaration, meant)]
                if candidates or package not in packages:
                    alone = bool(
                        self.candidates(kind, package) and self.candidates(kind, ident.name)
                    )
                    report.append(messages.unknown_package(ident, packages, alone=alone))
                    return None
        else:
            candidates, known = self.candidates(kind, ident.name), self.symbols(kind)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            report.append(
                messages.ambiguous(ident, [f"{s.package}.{ident.name}" for s in candidates])
            )
            return None
        names = [s.name.name for s in known if isinstance(s.declaration, meant)]
        if package is None:
            names += sorted({"definition": BUILT_IN, "type": PRIMITIVES}.get(what, ()))
        elsewhere = [
            symbol.package
            for symbol in self.names.named(kind, ident.name)
            if isinstance(symbol.declaration, meant)
        ]
        report.append(messages.unknown(what, ident, names, elsewhere))
        return None


def collect(files: Iterable[nodes.PolicyFile]) -> Names:
    """Enter the declarations of all *files*; report names given twice and bad imports."""
    names = Names()
    files = list(files)
    for file in files:
        names.packages.setdefault(file.package.name, {})
        names.scopes.append(Scope(names, file, file.package.name))
    wire: dict[tuple[str, str], Symbol] = {}
    for scope in names.scopes:
        for kind, ident, declaration in _declared(scope.file):
            if kind == TYPE and ident.name in PRIMITIVES:
                names.problems.append(messages.taken(ident, "a type of the language"))
            symbol = Symbol(kind, ident, scope.package, declaration, scope)
            if isinstance(declaration, nodes.DefineDecl) and ident.name in BUILT_IN:
                names.problems.append(messages.built_in(ident))
            table = names.packages[scope.package].setdefault(kind, {})
            first = table.get(ident.name)
            if first is None and symbol.on_the_wire:
                first = wire.setdefault((kind, ident.name), symbol)
                first = None if first is symbol else first
            if first is not None:
                names.problems.append(messages.given_twice(ident, first.name))
                continue
            table[ident.name] = symbol
    _resolve_imports(names)
    return names


def _declared(file: nodes.PolicyFile) -> Iterator[tuple[str, nodes.Ident, Declared]]:
    for declaration in file.declarations:
        match declaration:
            case nodes.EnumDecl() | nodes.LevelsDecl() | nodes.TaxonomyDecl() | nodes.EntityDecl():
                yield TYPE, declaration.name, declaration
            case nodes.GroupDecl():
                yield ACTION, declaration.name, declaration
            case nodes.ActionDecl():
                for name in declaration.names:
                    yield ACTION, name, declaration
            case nodes.ObligationDecl():
                yield OBLIGATION, declaration.name, declaration
            case nodes.GateDecl():
                yield GATE, declaration.name, declaration
            case nodes.ConstDecl() | nodes.DefineDecl():
                yield VALUE, declaration.name, declaration
            case nodes.WaiverDecl():
                yield WAIVER, declaration.name, declaration
            case nodes.InvariantDecl():
                yield INVARIANT, declaration.name, declaration
            case nodes.Let():
                yield FIXTURE, declaration.name, declaration
            case nodes.GateBlock() | nodes.Rule() | nodes.TestDecl():
                pass  # rules are named within their gate, tests have titles


def _resolve_imports(names: Names) -> None:
    """Enter what each file sees. Packages may import one another in a circle."""
    for scope in names.scopes:
        scope.visible.append(scope.package)
        for statement in scope.file.imports:
            ident = statement.package
            if ident.name == scope.package:
                names.problems.append(messages.self_import(ident))
            elif ident.name not in names.packages:
                names.problems.append(messages.unknown_package(ident, names.packages))
            elif ident.name not in scope.visible:
                scope.visible.append(ident.name)


def way_round(circle: Sequence[Symbol]) -> list[str]:
    """Return the names of what refers to itself in a circle, with packages if there are several."""
    if len({symbol.package for symbol in circle}) == 1:
        return [symbol.name.name for symbol in circle]
    return [f"{symbol.package}.{symbol.name.name}" for symbol in circle]


def find_cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the cycles of *graph*, each once; found depth first, without recursion."""
    cycles: list[list[str]] = []
    done: set[str] = set()
    for root in graph:
        if root in done:
            continue
        path: list[str] = [root]
        branches = [iter(graph[root])]
        while path:
            for target in branches[-1]:
                if target in path:
                    cycles.append(path[path.index(target) :])
                elif target not in done and target in graph:
                    path.append(target)
                    branches.append(iter(graph[target]))
                    break
            else:
                done.add(path.pop())
                branches.pop()
    return cycles
