"""Check expressions: names, types, and that nothing which may be absent is read unguarded.

Types flow both ways: an operand that cannot say what it is alone (a bare enumerator, `{}`, a
quoted name) takes the type of the other side. What is known to be present is in `guards.py`,
operands of comparisons are in `comparisons.py`. What is learnt of each node goes into `types` and
`bindings` (see `checked.Typing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import assert_never

from attrs import define, field

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.needs import RequestNeeds
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    BOOL,
    DURATION,
    PATH,
    PRIMITIVES,
    SCHEDULE,
    STRING,
    Attribute,
    EntityRefType,
    Enumeration,
    LevelsType,
    RecordType,
    SetType,
    TableType,
    Type,
)
from policyengine.model.zones import zone_names
from policyengine.semantics import advice, messages, name_messages, table_messages, time_messages
from policyengine.semantics.calls import check_ancestors, check_call
from policyengine.semantics.capitals import report_capitals
from policyengine.semantics.checked import Binding, Fixture, Typing, Value, Variable
from policyengine.semantics.comparisons import (
    applied,
    check_comparison,
    leave_unguarded_out,
)
from policyengine.semantics.demand import read_by
from policyengine.semantics.displays import check_entity, check_record, check_set, check_update
from policyengine.semantics.follows_clock import clock_problems
from policyengine.semantics.guards import NO_GUARDS, Guards, path_of, present_if
from policyengine.semantics.names import (
    ACTION,
    FIXTURE,
    TYPE,
    VALUE,
    FixtureLookup,
    Scope,
    Symbol,
    ValueLookup,
)
from policyengine.semantics.tables import check_look_up
from policyengine.semantics.vocabulary import UNKNOWN, Vocabulary, fits
from policyengine.syntax import nodes
from policyengine.syntax.excerpts import said
from policyengine.syntax.foreign_calls import help_of_call


@define
class ExpressionChecker:
    """Checks the expressions of one rule, definition, constant or test in one typing.

    *variables* are the names in scope and their types; the roots among them are `subject`,
    `resource`, `context`, `action` and `now`. *shared*: the fixtures, in a test; there entities
    may be written out in full.
    """

    vocabulary: Vocabulary
    scope: Scope
    values: ValueLookup
    variables: dict[str, Type]
    shared: FixtureLookup | None = None
    problems: list[Diagnostic] = field(factory=list)
    types: dict[int, Type] = field(factory=dict)
    bindings: dict[int, Binding] = field(factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing was found wrong, here or in what the expressions refer to."""
        return not self.problems and UNKNOWN not in self.types.values()

    # ---- entry points -------------------------------------------------------------------

    def condition(self, node: nodes.Expr, guards: Guards = NO_GUARDS) -> None:
        """Check that *node* is a bool."""
        found = self.infer(node, guards, BOOL)
        if found not in (BOOL, UNKNOWN):
            help = advice.for_condition(node, found)
            before = len(self.problems)
            leave_unguarded_out(self, node)
            if isinstance(node, nodes.Attr) and len(self.problems) < before:
                help = f"ask whether it is there: `{said(node.object)} has {node.name.name}`"
            self.problems.append(messages.wrong_type(node.span, "a condition", found, help))

    def expect(
        self, node: nodes.Expr, wanted: Type, guards: Guards = NO_GUARDS, *, of_path: str = ""
    ) -> None:
        """Check that *node* has exactly the type *wanted*; *of_path*: what to write if it is a path."""
        found = self.infer(node, guards, wanted)
        if not fits(found, wanted):
            help = (of_path if found == PATH else "") or advice.instead(node, found, wanted)
            self.problems.append(messages.wrong_type(node.span, messages.a(wanted), found, help))

    def infer(
        self,
        node: nodes.Expr,
        guards: Guards,
        wanted: Type | None = None,
        *,
        looked_up: bool = False,
    ) -> Type:
        """Return the type of *node* and note it; *wanted* settles what has no type of its own.

        *looked_up*: whether it may be a table.
        """
        found = self._infer(node, guards, wanted)
        if isinstance(found, TableType) and not looked_up:
            self.problems.append(
                table_messages.table_as_value(node.span, messages.written(node), found)
            )
            found = UNKNOWN
        self.types[id(node)] = found
        return found

    def needs_of(self, exprs: Iterable[nodes.Expr]) -> RequestNeeds:
        """Return what *exprs* may read.

        Report what they read of entities that they only name, and `now` where the calendar forbids it.
        """
        if not self.sound:
            return RequestNeeds()
        exprs, typing = tuple(exprs), Typing(self.types, self.bindings)
        needs, beyond = read_by(exprs, typing)
        self.problems += clock_problems(exprs, typing)
        for node, path in beyond:
            self.problems.append(messages.only_a_name(node.span, messages.written(node) + path))
        return needs

    # ---- each kind of node --------------------------------------------------------------

    def _infer(self, node: nodes.Expr, guards: Guards, wanted: Type | None) -> Type:
        match node:
            case nodes.Literal(kind, value):
                if kind == "string" and isinstance(wanted, Enumeration):
                    return self._enumerator(node, str(value), wanted)
                if isinstance(value, Schedule) and value.zone not in zone_names():
                    self.problems.append(time_messages.unknown_zone(node, value.zone, zone_names()))
                self.bindings[id(node)] = Value(PRIMITIVES[kind], value)
                return PRIMITIVES[kind]
            case nodes.Name():
                return self._name(node, wanted)
            case nodes.Attr():
                return self._attribute(node, guards)
            case nodes.SetDisplay():
                return check_set(self, node, guards, wanted)
            case nodes.RecordDisplay():
                return check_record(self, node, node.fields, guards, wanted)
            case nodes.EntityRef():
                return check_entity(self, node)
            case nodes.Update():
                return check_update(self, node, wanted)
            case nodes.Not(operand):
                self.condition(operand, guards)
                return BOOL
            case nodes.Negate(operand):
                return applied(self, node, [self.infer(operand, guards)])
            case nodes.And(operands) | nodes.Or(operands):
                for operand in operands:
                    self.condition(operand, guards)
                    guards |= present_if(operand, self.variables, holds=isinstance(node, nodes.And))
                return BOOL
            case nodes.If(condition, yes, no):
                self.condition(condition, guards)
                return self._branches(
                    node,
                    (yes, guards | present_if(condition, self.variables, holds=True)),
                    (no, guards | present_if(condition, self.variables, holds=False)),
                    wanted,
                )
            case nodes.Compare():
                check_comparison(self, node, guards)
                return BOOL
            case nodes.Has(object_, name):
                self._has(object_, name, guards)
                return BOOL
            case nodes.Like(object_, pattern, kind):
                help = f'write `{said(object_)} like path "{pattern}"`'
                self.expect(object_, PRIMITIVES[kind], guards, of_path=help)
                report_capitals(self, node)
                return BOOL
            case nodes.Arithmetic(_, left, right):
                return applied(self, node, [self.infer(left, guards), self.infer(right, guards)])
            case nodes.LookUp():
                return check_look_up(self, node, guards)
            case nodes.Call():
                return check_call(self, node, guards)
            case nodes.Ancestors():
                return check_ancestors(self, node, guards)
            case nodes.Quantified(_, variable, over, body):
                self._quantified(variable, over, body, guards)
                return BOOL
            case _:
                assert_never(node)

    def _name(self, node: nodes.Name, wanted: Type | None) -> Type:
        name = node.name
        constants = self._constants(name)
        fixtures = self._fixtures(name)
        owners = self._owners(name, wanted)
        meanings = len(owners) + len(constants) + len(fixtures) + (name in self.variables)
        if meanings > 1:
            written = [f"{owner}.{name}" for owner in owners]
            written += [f"{symbol.package}.{name}" for symbol in (*constants, *fixtures)]
            ident = nodes.Ident(name, span=node.span)
            is_variable = name in self.variables
            self.problems.append(messages.ambiguous(ident, written, is_variable=is_variable))
            return UNKNOWN
        if name in self.variables:
            self.bindings[id(node)] = Variable(name)
            return self.variables[name]
        if constants:
            return self.bind(node, self.values.constant(constants[0]))
        if fixtures:
            return self._fixture(node, fixtures[0])
        if owners:
            return self.bind(node, _member(owners[0], name))
        others = self._owners(name, None)
        if isinstance(wanted, Enumeration) and not self._known(name):
            if not others and (owners_of := self._having(name)):
                ident = nodes.Ident(name, span=node.span)
                self.problems.append(name_messages.no_name(ident, {}, (), owners_of))
                return UNKNOWN
            known = wanted.members
            self.problems.append(
                messages.other_enumerator(node.span, name, others[0].name, wanted, known)
                if others
                else messages.not_a_member(node.span, name, wanted, known)
            )
            return UNKNOWN
        if others:  # of the wrong kind altogether: let the caller say what is wanted
            return self.bind(node, _member(others[0], name))
        self._unknown_name(nodes.Ident(name, span=node.span), wanted)
        return UNKNOWN

    def _unknown_name(self, ident: nodes.Ident, wanted: Type | None) -> None:
        if ident.name in self.scope.names.packages:
            self.problems.append(messages.package_as_value(ident))
            return
        if self.shared is None and self.scope.candidates(FIXTURE, ident.name):
            self.problems.append(messages.fixture_in_rule(ident))
            return
        for kind in (VALUE, TYPE, ACTION):
            for symbol in self.scope.candidates(kind, ident.name):
                self.problems.append(
                    name_messages.no_value(ident, symbol.declaration, self.variables)
                )
                return
        shared = self.scope.known(FIXTURE) if self.shared else ()
        elsewhere = [
            symbol.package
            for symbol in self.scope.names.named(VALUE, ident.name)
            if isinstance(symbol.declaration, nodes.ConstDecl)
        ]
        known = {name: name for name in chain(self.variables, shared)}
        known |= {
            s.name.name: name_messages.as_value(s.declaration, self.variables)
            for s in self.scope.symbols(VALUE)
        }
        word = ident.name.replace("_", "").lower()
        by_type = [
            root
            for root, type_ in self.variables.items()
            if isinstance(type_, EntityRefType) and type_.name.lower() == word
        ]
        owners = self._having(ident.name)
        self.problems.append(
            name_messages.no_name(ident, known, elsewhere, owners, wanted, by_type)
        )

    def _having(self, attribute: str) -> list[str]:
        """Return the variables that have an attribute."""
        return [root for root in self.variables if self._has_attribute(root, attribute)]

    def _has_attribute(self, variable: str, name: str) -> bool:
        match self.variables[variable]:
            case EntityRefType(entity):
                return name in self.vocabulary.entities[entity].by_name
            case RecordType() as record:
                return name in record.by_name
        return False

    def _known(self, name: str) -> bool:
        return bool(self.scope.candidates(VALUE, name))

    def _constants(self, name: str) -> list[Symbol]:
        return [
            symbol
            for symbol in self.scope.candidates(VALUE, name)
            if isinstance(symbol.declaration, nodes.ConstDecl)
        ]

    def _owners(self, name: str, wanted: Type | None) -> list[Enumeration]:
        """Return the enumerations a bare *name* may belong to: the wanted one, else any in sight."""
        if isinstance(wanted, Enumeration):
            return [wanted] if name in wanted.positions else []
        if wanted is not None and wanted is not BOOL:
            return []
        return self.vocabulary.enumerations_of(name, self.scope)

    def _fixtures(self, name: str) -> list[Symbol]:
        """Return what tests share under a name; a variable of that name was reported as taken."""
        hidden = self.shared is None or name in self.variables
        return [] if hidden else self.scope.candidates(FIXTURE, name)

    def _fixture(self, node: nodes.Expr, symbol: Symbol) -> Type:
        found = self.shared.fixture(symbol) if self.shared else None
        if self.shared and not found:
            unreported = self.shared.unreported(symbol)
            self.problems += [p for p in unreported if p not in self.problems]
        return self.bind(node, found) if found else UNKNOWN

    def bind(self, node: nodes.Node, value: Value | Fixture) -> Type:
        """Note what *node* stands for, and return its type."""
        self.bindings[id(node)] = value
        return value.type

    def _enumerator(self, node: nodes.Expr, name: str, owner: Enumeration) -> Type:
        if name not in owner.positions:
            self.problems.append(messages.not_a_member(node.span, name, owner, owner.members))
            return UNKNOWN
        return self.bind(node, _member(owner, name))

    def _attribute(self, node: nodes.Attr, guards: Guards) -> Type:
        qualified = self._qualified(node)
        if qualified is not None:
            return qualified
        object_, name = node.object, node.name
        found = self.infer(object_, guards)
        attribute = self._attribute_of(object_, found, name)
        if attribute is None:
            return UNKNOWN
        if attribute.optional:
            path = path_of(node, self.variables)
            if path is None or path not in guards:
                owner = messages.written(object_)
                written = f"{owner}.{name.name}"
                self.problems.append(messages.unguarded(node.span, written, owner, name.name))
        return attribute.type

    def _qualified(self, node: nodes.Attr) -> Type | None:
        """Return the type of `Tier.basic`, `other.constant` or `other.Tier.basic`, else None."""
        match node.object:
            case nodes.Name(first) if first not in self.variables and not self._constants(first):
                ident = nodes.Ident(first, span=node.object.span)
                if self.scope.candidates(TYPE, first):
                    return self._member_of(node, ident)
                if first in self.scope.names.packages:
                    qualified = nodes.Ident(node.name.name, first, span=node.span)
                    fixtures = self.scope.names.packages[first].get(FIXTURE, {})
                    if self.shared and node.name.name in fixtures:
                        shared = self.scope.find(FIXTURE, qualified, "name", self.problems)
                        return self._fixture(node, shared) if shared else UNKNOWN
                    symbol = self.scope.find(VALUE, qualified, "name", self.problems)
                    if symbol and isinstance(symbol.declaration, nodes.ConstDecl):
                        return self.bind(node, self.values.constant(symbol))
                    if symbol:
                        self.problems.append(messages.unknown("name", qualified, ()))
                    return UNKNOWN
            case nodes.Attr(nodes.Name(package), type_) if (
                package in self.scope.names.packages and package not in self.variables
            ):
                return self._member_of(node, nodes.Ident(type_.name, package, span=type_.span))
        return None

    def _member_of(self, node: nodes.Attr, type_ident: nodes.Ident) -> Type:
        symbol = self.scope.find(TYPE, type_ident, "type", self.problems)
        owner = self.vocabulary.declared(symbol) if symbol else UNKNOWN
        if isinstance(owner, Enumeration):
            if node.name.name not in owner.positions:
                name, members = node.name, owner.members
                self.problems.append(messages.not_a_member(name.span, name.name, owner, members))
                return UNKNOWN
            return self.bind(node, _member(owner, node.name.name))
        if owner is not UNKNOWN:
            self.problems.append(messages.no_attribute(f"the type `{type_ident}`", node.name, ()))
        return UNKNOWN

    def _attribute_of(
        self, object_: nodes.Expr, type_: Type, name: nodes.Ident
    ) -> Attribute | None:
        """Return the attribute *name* of something of that type; report what has none."""
        match type_:
            case EntityRefType(entity):
                if isinstance(object_, nodes.EntityRef | nodes.Update):
                    written = messages.written(object_)
                    self.problems.append(messages.only_a_name(name.span, written))
                    return None
                if name.name == "id":
                    return Attribute("id", STRING)
                known = self.vocabulary.entities[entity].by_name
                owner = f"`{entity}`"
            case RecordType():
                known = type_.by_name
                owner = (
                    f"`{messages.written(object_)}`"
                    if path_of(object_, self.variables)
                    else "this record"
                )
            case _:
                if type_ is not UNKNOWN:
                    is_set = isinstance(type_, SetType)
                    set_ = said(object_, "S")
                    help = (
                        f"ask of its elements: `some x in {set_}: x.{name.name} …`"
                        if is_set
                        else ""
                    )
                    help = help_of_call(name.name, said(object_, "")) or help
                    if type_ == SCHEDULE:
                        help = f"write `now within {said(object_, 'S')}`"
                    if type_ == DURATION:
                        help = "a duration is compared as it is: `… > 30d`"
                    self.problems.append(
                        messages.wrong_type(object_.span, "an entity or a record", type_, help)
                    )
                return None
        if name.name not in known:
            help = self._elsewhere(object_, name.name) or self._above(object_, type_, name.name)
            self.problems.append(messages.no_attribute(owner, name, known, help))
            return None
        return known[name.name]

    def _elsewhere(self, object_: nodes.Expr, name: str) -> str:
        """Return what to write for an attribute that another variable has, or a definition."""
        for symbol in self.scope.candidates(VALUE, name):
            if isinstance(symbol.declaration, nodes.DefineDecl):
                return f"`{name}` is a definition: write `{name}({said(object_)})`"
        is_variable = isinstance(object_, nodes.Name) and object_.name in self.variables
        owners = [v for v in _ROOTS if v in self.variables and self._has_attribute(v, name)]
        if is_variable and len(owners) == 1:
            return f"write `{owners[0]}.{name}`"
        return ""

    def _above(self, object_: nodes.Expr, type_: Type, name: str) -> str:
        """Return what to write for an attribute with the name of a type that an entity lies within."""
        above = self.vocabulary.ancestors(type_.name) if isinstance(type_, EntityRefType) else ()
        meant = [one for one in above if one.lower() == name.replace("_", "").lower()]
        if not meant:
            return ""
        return (
            f"what it lies within is no attribute: write `ancestors({said(object_)}, {meant[0]})`"
        )

    def _has(self, object_: nodes.Expr, name: nodes.Ident, guards: Guards) -> None:
        self._attribute_of(object_, self.infer(object_, guards), name)

    def _branches(
        self, node: nodes.If, first: tuple[nodes.Expr, Guards], second: tuple[nodes.Expr, Guards],
        wanted: Type | None,
    ) -> Type:  # fmt: skip
        if wanted is None and self.is_indefinite(first[0]):
            first, second = second, first
        one = self.infer(*first, wanted)
        other = self.infer(*second, wanted or one)
        if not fits(other, one):
            self.problems.append(messages.unlike_branches(node, one, other))
            return UNKNOWN
        return one if other is UNKNOWN else other

    def is_indefinite(self, node: nodes.Expr) -> bool:
        """Whether *node* may need the other side to say its type."""
        match node:
            case nodes.Name(name):
                return name not in self.variables and not self._constants(name)
            case nodes.Literal(kind):
                return kind == "string"
            case nodes.SetDisplay(items):
                return all(map(self.is_indefinite, items))
            case nodes.RecordDisplay():
                return True
            case nodes.If(_, yes, no):
                return self.is_indefinite(yes) and self.is_indefinite(no)
            case _:
                return False

    def _quantified(
        self, variable: nodes.Ident, over: nodes.Expr, body: nodes.Expr, guards: Guards
    ) -> None:
        found = self.infer(over, guards)
        element: Type = UNKNOWN
        if isinstance(found, SetType):
            element = found.element
        elif found is not UNKNOWN:
            self.problems.append(messages.wrong_type(over.span, "a set", found))
        if variable.name in self.variables or self._known(variable.name):
            self.problems.append(messages.taken(variable, "something else"))
            return
        self.variables[variable.name] = element
        self.condition(body, guards)
        del self.variables[variable.name]


_ROOTS = ("context", "subject", "resource")
"""The variables that may have an attribute which another one lacks."""


def _member(owner: Enumeration, name: str) -> Value:
    return Value(owner, owner.positions[name] if isinstance(owner, LevelsType) else name)
