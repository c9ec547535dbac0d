"""Make the schema from the declared vocabulary: types, entities, groups and actions, gates.

Types come first, since attributes refer to them; then groups and actions, each of which inherits the
subjects, resources, context and constants of every group above it; gates last. A wrong declaration is
reported and left out, and references to it are not reported again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import define, field, frozen
from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import (
    CHANGERS,
    PRIMITIVES,
    STRING,
    ActionType,
    Attribute,
    Changer,
    EntityRefType,
    EntityType,
    Enumeration,
    EnumType,
    GateType,
    LevelsType,
    ObligationType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from policyengine.semantics import messages, table_messages, target_messages, time_messages
from policyengine.semantics.checked import Value
from policyengine.semantics.counts import check_paths, count_of
from policyengine.semantics.names import (
    ACTION,
    OBLIGATION,
    TYPE,
    Names,
    Scope,
    Symbol,
    find_cycles,
    way_round,
)
from policyengine.syntax import nodes

UNKNOWN = Primitive("unknown")
"""The type of what was reported already: it fits everything, so that nothing is reported twice."""

ConstantReader = Callable[[nodes.Expr, Type, Scope], object]
"""Checks a constant expression against its type and gives its canonical value."""

DEFAULT_GATE = "access"


@frozen
class Part:
    """A context attribute or constant, with the place that declares it, and its note if it counts."""

    attribute: Attribute
    ident: nodes.Ident
    count: nodes.CountNote | None = None


@define
class Vocabulary:
    """The schema while it is made, with further tables for later stages."""

    names: Names
    problems: list[Diagnostic]
    types: dict[int, Type] = field(factory=dict)
    entities: dict[str, EntityType] = field(factory=dict)
    actions: dict[str, ActionType] = field(factory=dict)
    members: dict[str, tuple[str, ...]] = field(factory=dict)
    """The actions that each group, and each action that is used as one, covers."""
    gates: dict[str, GateType] = field(factory=dict)
    obligations: dict[str, ObligationType] = field(factory=dict)
    _sets: dict[tuple[Type, frozenset[object]], frozenset[object]] = field(factory=dict)
    _enumerations: dict[str, dict[str, list[Enumeration]]] = field(factory=dict)
    """Of each package and each name: the enumerations that have it."""

    @property
    def schema(self) -> Schema:
        """The finished schema."""
        return Schema(self.entities, self.actions, self.gates, self.obligations)

    # ---- types --------------------------------------------------------------------------

    def declared(self, symbol: Symbol) -> Type:
        """Return the type that *symbol* declares, the same object each time."""
        made = self.types.get(id(symbol.declaration))
        if made is None:
            made = self.types[id(symbol.declaration)] = self._declare(symbol)
        return made

    def constant_set(self, element: Type, members: Iterable[object]) -> Value:
        """Return a constant set, the same object for equal ones.

        Comparing two that are nested and equal would take twice as long for each level.
        """
        type_, value = SetType(element), frozenset(members)
        return Value(type_, self._sets.setdefault((type_, value), value))

    def enumerations_of(self, name: str, scope: Scope) -> list[Enumeration]:
        """Return the enumerations in sight of *scope* that have the bare *name*."""
        found: list[Enumeration] = []
        for package in scope.visible:
            if package not in self._enumerations:
                owners: dict[str, list[Enumeration]] = {}
                for symbol in self.names.packages[package].get(TYPE, {}).values():
                    type_ = self.declared(symbol)
                    if isinstance(type_, Enumeration):
                        for member in type_.members:
                            owners.setdefault(member, []).append(type_)
                self._enumerations[package] = owners
            found += self._enumerations[package].get(name, ())
        return found

    def _declare(self, symbol: Symbol) -> Type:
        match symbol.declaration:
            case nodes.EnumDecl(name, members):
                return EnumType(name.name, symbol.package, self._distinct(members))
            case nodes.LevelsDecl(name, members):
                return LevelsType(name.name, symbol.package, self._distinct(members))
            case nodes.TaxonomyDecl(name, terms):
                parents = tuple(_parents(terms))
                self._distinct([ident for ident, _ in parents])
                pairs = {ident.name: above.name if above else None for ident, above in parents}
                return TaxonomyType(name.name, symbol.package, tuple(pairs.items()))
            case nodes.EntityDecl(name):
                return EntityRefType(name.name)
            case _:
                raise AssertionError(symbol)

    def _distinct(self, idents: Iterable[nodes.Ident]) -> tuple[str, ...]:
        """Return the names, reporting each that was given before."""
        first: dict[str, nodes.Ident] = {}
        for ident in idents:
            if first.setdefault(ident.name, ident) is not ident:
                self.problems.append(messages.given_twice(ident, first[ident.name]))
        return tuple(first)

    def resolve(self, written: nodes.TypeExpr, scope: Scope, *, schedules: bool = False) -> Type:
        """Return the type that was written; `UNKNOWN` after reporting one that does not exist.

        *schedules*: whether a schedule may be there, which is no value of a request.
        """
        match written:
            case nodes.NamedType(nodes.Ident("schedule", None)) if not schedules:
                self.problems.append(time_messages.misplaced_schedule(written.span))
                return UNKNOWN
            case nodes.NamedType(ident):
                if ident.package is None and ident.name in PRIMITIVES:
                    return PRIMITIVES[ident.name]
                known = scope.find(TYPE, ident, "type", self.problems)
                return self.declared(known) if known else UNKNOWN
            case nodes.SetOf(element):
                return SetType(self.resolve(element, scope))
            case nodes.TableOf(key, value):
                names = self.resolve(key, scope)
                values = self.resolve(value, scope, schedules=schedules)
                if UNKNOWN in (names, values):
                    return UNKNOWN
                if not isinstance(names, Enumeration):
                    self.problems.append(table_messages.no_table_key(key.span, names))
                    return UNKNOWN
                return TableType(names, values)
            case nodes.RecordOf(attributes):
                return record(part.attribute for part in self.parts(attributes, scope))

    def parts(
        self,
        attributes: Sequence[nodes.AttributeDecl],
        scope: Scope,
        by: Changer | None = None,
    ) -> list[Part]:
        """Resolve declared attributes, reporting names given twice.

        *by*: the party that can change them by default; None where none may be written.
        """
        self._distinct(a.name for a in attributes)
        return [
            Part(
                self._attribute(a, scope, by),
                a.name,
                a.count,
            )
            for a in {a.name.name: a for a in reversed(attributes)}.values()
        ]

    def _attribute(
        self, declared: nodes.AttributeDecl, scope: Scope, by: Changer | None
    ) -> Attribute:
        type_ = self.resolve(declared.type, scope)
        made = Attribute(declared.name.name, type_, declared.optional, declared.private)
        note = declared.count
        if note is None:
            stated = declared.by is not None
            return replace(made, by=self._changer(declared.by, by), stated=stated)
        if by != "caller":
            self.problems.append(table_messages.misplaced_count(note))
            return made
        if type_ is UNKNOWN:
            return made
        return replace(made, count=count_of(note, declared, type_, scope, self.problems))

    def _changer(self, written: nodes.Ident | None, otherwise: Changer | None) -> Changer:
        if written is None:
            return otherwise or "platform"
        if otherwise is None:
            self.problems.append(messages.misplaced_changer(written))
        for changer in CHANGERS:
            if written.name == changer:
                return changer
        self.problems.append(messages.unknown_changer(written, CHANGERS))
        return "platform"

    # ---- entities, obligations ----------------------------------------------------------

    def add_entities(self) -> None:
        """Enter every entity type; parents may be declared later."""
        above: dict[str, list[str]] = {}
        for symbol in self.names.all(TYPE):
            if not isinstance(symbol.declaration, nodes.EntityDecl):
                self.declared(symbol)
                continue
            declaration, scope = symbol.declaration, symbol.scope
            parents = [self.entity_name(ident, scope) for ident in declaration.parents]
            parts = self.parts(declaration.attributes, scope, "platform")
            for part in parts:
                if part.ident.name == "id":
                    help = "leave it out: it is there without being declared"
                    what = "what every entity has"
                    self.problems.append(messages.taken(part.ident, what, help))
            above[symbol.name.name] = [p for p in parents if p]
            self.entities[symbol.name.name] = EntityType(
                symbol.name.name,
                tuple(dict.fromkeys(above[symbol.name.name])),
                tuple(sorted((p.attribute for p in parts), key=lambda a: a.name)),
            )

    def entity_name(self, ident: nodes.Ident, scope: Scope) -> str | None:
        """Return the name of the entity type that *ident* means; report anything else."""
        symbol = scope.find(TYPE, ident, "entity type", self.problems)
        if symbol is None:
            return None
        if not isinstance(symbol.declaration, nodes.EntityDecl):
            known = [
                n for n, s in _visible(scope, TYPE) if isinstance(s.declaration, nodes.EntityDecl)
            ]
            self.problems.append(messages.unknown("entity type", ident, known))
            return None
        return symbol.name.name

    def ancestors(self, entity: str) -> frozenset[str]:
        """Return the types that the ancestors of an entity of that type may have."""
        found: set[str] = set()
        stack = list(self.entities[entity].parents) if entity in self.entities else []
        while stack:
            name = stack.pop()
            if name not in found and name in self.entities:
                found.add(name)
                stack += self.entities[name].parents
        return frozenset(found)

    def add_obligations(self) -> None:
        """Enter every obligation."""
        for symbol in self.names.all(OBLIGATION):
            assert isinstance(symbol.declaration, nodes.ObligationDecl)
            parameters = symbol.declaration.parameters
            self._distinct(p.name for p in parameters)
            self.obligations[symbol.name.name] = ObligationType(
                symbol.name.name,
                tuple(
                    Attribute(p.name.name, self.resolve(p.type, symbol.scope)) for p in parameters
                ),
            )

    # ---- groups and actions -------------------------------------------------------------

    def add_actions(self, read_constant: ConstantReader, most: int) -> None:
        """Enter groups and actions, each with what it inherits from the groups above it.

        *most*: how many targets the set may have.
        """
        symbols = {symbol.name.name: symbol for symbol in self.names.all(ACTION)}
        direct = {name: self._groups(symbol) for name, symbol in symbols.items()}
        cyclic: set[str] = set()
        for cycle in find_cycles(direct):
            what, way = "groups contain one another", way_round([symbols[name] for name in cycle])
            self.problems.append(messages.cycle("PE217", symbols[cycle[0]].name, what, way))
            cyclic.update(cycle)
        above = {name: _closure(name, direct) for name in symbols}
        members: dict[str, list[str]] = {name: [] for name in symbols}
        for name, symbol in symbols.items():
            if isinstance(symbol.declaration, nodes.ActionDecl):
                for group in {name, *above[name]}:
                    members[group].append(name)
        self.members.update((name, tuple(covered)) for name, covered in members.items())
        own_parts: dict[int, tuple[list[Part], list[Part]]] = {}
        for symbol in symbols.values():
            declaration = symbol.declaration
            if id(declaration) not in own_parts:
                own_parts[id(declaration)] = self._own_parts(symbol)
        for name, symbol in symbols.items():
            if isinstance(symbol.declaration, nodes.ActionDecl) and name not in cyclic:
                line = [symbol, *(symbols[group] for group in sorted(above[name]))]
                parts = [own_parts[id(s.declaration)] for s in line]
                self._add_action(symbol, line, parts, direct, symbols, read_constant)
        self._bound_targets(symbols, most)

    def _bound_targets(self, symbols: Mapping[str, Symbol], most: int) -> None:
        """Report the first action with which the set has too many targets; leave all out."""
        count = 0
        for name, action in self.actions.items():
            count += len(action.subjects) * len(action.resources)
            if count > most:
                self.problems.append(
                    target_messages.too_many_targets(symbols[name].name, count, most)
                )
                nobody = {n: replace(a, subjects=()) for n, a in self.actions.items()}
                self.actions.update(nobody)
                return

    def _groups(self, symbol: Symbol) -> list[str]:
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.GroupDecl | nodes.ActionDecl)
        found = (
            symbol.scope.find(ACTION, ident, "group", self.problems) for ident in declaration.groups
        )
        return [group.name.name for group in found if group]

    def _own_parts(self, symbol: Symbol) -> tuple[list[Part], list[Part]]:
        """Return the context and the constants' types that the declaration itself adds."""
        declaration, scope = symbol.declaration, symbol.scope
        assert isinstance(declaration, nodes.GroupDecl | nodes.ActionDecl)
        context = self.parts(declaration.context, scope, "caller")
        if isinstance(declaration, nodes.ActionDecl):
            return context, []
        constants = self.parts(declaration.constants, scope)
        for part in constants:
            if part.ident.name == "name":
                self.problems.append(messages.taken(part.ident, "the action"))
        return context, constants

    def _add_action(
        self,
        symbol: Symbol,
        line: Sequence[Symbol],
        parts: Sequence[tuple[list[Part], list[Part]]],
        direct: Mapping[str, Sequence[str]],
        symbols: Mapping[str, Symbol],
        read_constant: ConstantReader,
    ) -> None:
        name = symbol.name.name
        context = self._merged(symbol, [part for own, _ in parts for part in own])
        constant_types = self._merged(symbol, [part for _, own in parts for part in own])
        lacks_both = all(
            d.subjects is None and d.resources is None
            for d in (member.declaration for member in line)
            if isinstance(d, nodes.GroupDecl | nodes.ActionDecl)
        )
        if lacks_both:
            self.problems.append(messages.no_types_at_all(symbol.name))
        subjects, resources = (
            () if lacks_both else self._entity_types(symbol, line, word, what, written)
            for word, what, written in (
                ("by", "who does", lambda d: d.subjects),
                ("on", "on what one does", lambda d: d.resources),
            )
        )
        for part in (part for own, _ in parts for part in own):
            if part.count:
                roots = {"subject": subjects, "resource": resources}
                check_paths(part.count, roots, context, self.entities, self.problems)
        self.actions[name] = ActionType(
            name,
            frozenset(s.name.name for s in line[1:]),
            subjects,
            resources,
            record(context),
            record([Attribute("name", STRING), *constant_types]),
            self._constants(symbol, constant_types, direct, symbols, read_constant),
        )

    def _merged(self, symbol: Symbol, parts: Sequence[Part]) -> list[Attribute]:
        """Return the attributes, each once; two that differ are reported."""
        first: dict[str, Part] = {}
        for part in parts:
            known = first.setdefault(part.ident.name, part)
            if known.attribute != part.attribute and UNKNOWN not in (
                known.attribute.type, part.attribute.type,
            ):  # fmt: skip
                ours, other = sorted(
                    (known.ident, part.ident), key=lambda i: i.span is not known.ident.span
                )
                self.problems.append(messages.context_disagrees(ours, symbol.name.name, other))
        return [part.attribute for part in first.values()]

    def _entity_types(
        self,
        symbol: Symbol,
        line: Sequence[Symbol],
        word: str,
        what: str,
        written: Callable[[nodes.GroupDecl | nodes.ActionDecl], tuple[nodes.Ident, ...] | None],
    ) -> tuple[str, ...]:
        """Return the types after `by` or `on`: the action's own, within those of its groups."""
        stated: list[tuple[Symbol, tuple[str, ...]]] = []
        for member in line:
            assert isinstance(member.declaration, nodes.GroupDecl | nodes.ActionDecl)
            idents = written(member.declaration)
            if idents is not None:
                names = (self.entity_name(ident, member.scope) for ident in idents)
                stated.append((member, tuple(dict.fromkeys(n for n in names if n))))
        if not stated:
            self.problems.append(messages.no_types(symbol.name, word, what))
            return ()
        narrowest = min(stated, key=lambda pair: (pair[0] is not symbol, len(pair[1])))[1]
        unlike = [s.name.name for s, types in stated if not set(narrowest) <= set(types)]
        if unlike:
            self.problems.append(messages.types_disagree(symbol.name, word, unlike))
        return narrowest

    def _constants(
        self,
        symbol: Symbol,
        types: Sequence[Attribute],
        direct: Mapping[str, Sequence[str]],
        symbols: Mapping[str, Symbol],
        read_constant: ConstantReader,
    ) -> dict[str, object]:
        """Return the values of the `having` constants: the action's own, else what it inherits."""
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.ActionDecl)
        by_name = {a.name: a for a in types}
        self._distinct(f.name for f in declaration.constants)
        values: dict[str, object] = {}
        for given in declaration.constants:
            attribute = by_name.get(given.name.name)
            if attribute is None:
                self.problems.append(
                    messages.undeclared_constant(given.name, symbol.name.name, by_name)
                )
            else:
                values[given.name.name] = read_constant(given.value, attribute.type, symbol.scope)
        for attribute in types:
            if attribute.name in values:
                continue
            inherited = _inherited(attribute.name, symbol.name.name, direct, symbols)
            if inherited is not None:
                owner, expr = inherited
                values[attribute.name] = read_constant(expr, attribute.type, owner.scope)
            elif not attribute.optional:
                what = f"the action `{symbol.name.name}`"
                self.problems.append(
                    messages.lacks_attribute(symbol.name.span, what, attribute.name)
                )
        return values


def record(attributes: Iterable[Attribute]) -> RecordType:
    """Return the record type with these attributes: their order makes no difference."""
    return RecordType(tuple(sorted(attributes, key=lambda a: a.name)))


def fits(found: Type, wanted: Type) -> bool:
    """Whether a value of type *found* may be where *wanted* is expected; `UNKNOWN` fits everywhere."""
    if UNKNOWN in (found, wanted):
        return True
    if isinstance(found, SetType) and isinstance(wanted, SetType):
        return fits(found.element, wanted.element)
    return found == wanted


def _parents(
    terms: Iterable[nodes.Term], above: nodes.Ident | None = None
) -> Iterator[tuple[nodes.Ident, nodes.Ident | None]]:
    for term in terms:
        yield term.name, above
        yield from _parents(term.below, term.name)


def _visible(scope: Scope, kind: str) -> Iterator[tuple[str, Symbol]]:
    for symbol in scope.symbols(kind):
        yield symbol.name.name, symbol


def _closure(name: str, direct: Mapping[str, Sequence[str]]) -> frozenset[str]:
    found: set[str] = set()
    stack = list(direct[name])
    while stack:
        group = stack.pop()
        if group not in found:
            found.add(group)
            stack += direct[group]
    return frozenset(found)


def _inherited(
    constant: str, name: str, direct: Mapping[str, Sequence[str]], symbols: Mapping[str, Symbol]
) -> tuple[Symbol, nodes.Expr] | None:
    """Find the nearest action above *name* that gives *constant*."""
    level, seen = list(direct[name]), {name}
    while level:
        for group in level:
            declaration = symbols[group].declaration
            if isinstance(declaration, nodes.ActionDecl):
                for given in declaration.constants:
                    if given.name.name == constant:
                        return symbols[group], given.value
        seen.update(level)
        level = [above for group in level for above in direct[group] if above not in seen]
    return None
