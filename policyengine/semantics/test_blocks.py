"""Check `test` blocks: their entities, requests and expectations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, get_args

from attrs import define
from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.outcome import Cause
from policyengine.model.types import (
    BOOL,
    EntityRefType,
    EnumType,
    LevelsType,
    TaxonomyType,
    Type,
)
from policyengine.semantics import field_messages, messages, table_messages
from policyengine.semantics.checked import CheckedTest, Typing, Value
from policyengine.semantics.fixtures import Fixtures
from policyengine.semantics.guards import NO_GUARDS
from policyengine.semantics.lets import Lets
from policyengine.semantics.names import ACTION, FIXTURE, OBLIGATION, Scope
from policyengine.semantics.rule_checks import RuleChecker
from policyengine.semantics.shown_fields import check_shown
from policyengine.semantics.typing import ExpressionChecker
from policyengine.semantics.vocabulary import UNKNOWN, Vocabulary
from policyengine.syntax import nodes
from policyengine.syntax.written_values import written

Asked = TypeVar("Asked", nodes.Expect, nodes.ExpectEach)


@define
class ExampleChecker:
    """Checks test blocks against the vocabulary and the rules that were found."""

    vocabulary: Vocabulary
    rules: RuleChecker
    fixtures: Fixtures
    problems: list[Diagnostic]

    def test(self, declaration: nodes.TestDecl, scope: Scope) -> CheckedTest | None:
        """Check one block; its names hold from where they are given to its end."""
        before = len(self.problems)
        checker = ExpressionChecker(
            self.vocabulary,
            scope,
            self.rules.definitions,
            {},
            shared=self.fixtures,
            problems=self.problems,
        )
        lets = Lets(self.fixtures, checker)
        items: list[nodes.TestItem] = []
        for item in declaration.items:
            match item:
                case nodes.Let(name):
                    self._free(name, checker)
                    if lets.take(item):
                        items.append(item)
                case nodes.Expect():
                    resource, asked = self._asked(item, checker, lets)
                    self._expected(item.clauses, resource, checker, scope)
                    items.append(asked)
                case nodes.ExpectEach():
                    items.append(self._expect_each(item, checker, lets))
                case nodes.At():
                    items.append(item)  # a moment is a literal
        lets.report_misused()
        if len(self.problems) > before:
            return None
        node = replace(declaration, items=tuple(items))
        typing = Typing(checker.types, checker.bindings)
        return CheckedTest(declaration.title, node, typing, self.fixtures.entities(scope))

    def _free(self, name: nodes.Ident, checker: ExpressionChecker) -> None:
        """Report a name that means something already."""
        if name.name in checker.variables:
            self.problems.append(messages.taken(name, "something else"))
        elif checker.scope.candidates(FIXTURE, name.name):
            self.problems.append(messages.taken(name, "what all tests share"))

    def _expect_each(
        self, item: nodes.ExpectEach, checker: ExpressionChecker, lets: Lets
    ) -> nodes.ExpectEach:
        """Check a table: its variable is visible in the request and in the expectations of each row."""
        name = item.variable
        scope = checker.scope
        over = self.vocabulary.resolve(item.type, scope)
        members = _members(over)
        if members is None and over is not UNKNOWN:
            wanted = "a type with few values (`bool`, an `enum`, `levels` or a `taxonomy`)"
            self.problems.append(messages.wrong_type(item.type.span, wanted, over))
        self._free(name, checker)
        outside, checker.variables = checker.variables, {**checker.variables, name.name: over}
        resource, asked = self._asked(item, checker, lets)
        for row in item.rows:
            self._expected(row.clauses, resource, checker, scope)
        checker.variables = outside
        self._table(item, over, members or {}, checker)
        return asked

    def _table(
        self, item: nodes.ExpectEach, over: Type, members: Mapping[object, str],
        checker: ExpressionChecker,
    ) -> None:  # fmt: skip
        """Check that each member is in the table once."""
        before = len(self.problems)
        first: dict[object, nodes.Ident] = {}
        for value in (value for row in item.rows for value in row.values):
            checker.expect(value, over)
            binding = checker.bindings.get(id(value))
            if isinstance(binding, Value) and binding.value in members:
                ident = nodes.Ident(members[binding.value], span=value.span)
                if first.setdefault(binding.value, ident) is not ident:
                    self.problems.append(messages.given_twice(ident, first[binding.value]))
            elif len(self.problems) == before and over is not UNKNOWN and members:
                self.problems.append(messages.not_constant(value.span))
        missing = [written(over, member) for member in members if member not in first]
        if missing and len(self.problems) == before:
            self.problems.append(messages.table_lacks(item.type.span, missing))

    def _asked(
        self, item: Asked, checker: ExpressionChecker, lets: Lets
    ) -> tuple[str | None, Asked]:
        """Check a request; return the type of its resource, and it with its context written out."""
        symbol = checker.scope.find(ACTION, item.action, "action", self.problems)
        if symbol is None or symbol.name.name not in self.vocabulary.actions:
            if symbol and isinstance(symbol.declaration, nodes.GroupDecl):
                self.problems.append(messages.group_requested(item.action))
            for expr in (item.subject, item.resource):
                checker.infer(expr, NO_GUARDS)
            return None, item
        action = self.vocabulary.actions[symbol.name.name]
        subject = self._entity(item.subject, action.subjects, checker, lets)
        resource = self._entity(item.resource, action.resources, checker, lets)
        if item.context is not None:
            item = replace(item, context=lets.written(item.context, action))
        if item.asking is not None:
            schema = self.vocabulary.schema
            if not schema.has_field_gate:
                self.problems.append(field_messages.asking_in_vain(item.span))
            elif subject is not None and resource is not None:
                target = action.name, subject, resource
                if not schema.gates_of(target).fields:
                    self.problems.append(field_messages.asking_in_vain(item.span, target))
            self._fields(item.asking.fields, resource)
        return resource, item

    def _expected(
        self, clauses: Iterable[nodes.ExpectClause], resource: str | None,
        checker: ExpressionChecker, scope: Scope,
    ) -> None:  # fmt: skip
        for clause in clauses:
            self._expectation(clause, resource, checker, scope)

    def _entity(
        self, expr: nodes.Expr, allowed: Iterable[str], checker: ExpressionChecker, lets: Lets
    ) -> str | None:
        if lets.context(expr) is not None:
            self.problems.append(table_messages.no_party(expr.span))
            return None
        # Without any type wanted, a name could be an enumerator, which is no party.
        wanted_type = next((EntityRefType(name) for name in allowed), None)
        found = checker.infer(expr, NO_GUARDS, wanted_type)
        if isinstance(found, EntityRefType) and found.name in allowed:
            return found.name
        if found is not UNKNOWN and allowed:
            wanted = " or ".join(messages.a(name) for name in allowed)
            self.problems.append(messages.wrong_type(expr.span, wanted, found))
        return None

    def _fields(self, fields: Sequence[nodes.ShownField], resource: str | None) -> None:
        if resource is not None:
            check_shown(fields, [self.vocabulary.entities[resource]], self.problems)

    def _expectation(
        self, clause: nodes.ExpectClause, resource: str | None, checker: ExpressionChecker,
        scope: Scope,
    ) -> None:  # fmt: skip
        match clause:
            case nodes.ExpectRules(rules):
                for ref in rules:
                    self.rules.rule_id(ref.gate, ref.rule)
            case nodes.ExpectFields(fields):
                self._fields(fields, resource)
            case nodes.ExpectObligations(calls):
                for call in calls:
                    found = scope.find(OBLIGATION, call.name, "obligation", self.problems)
                    if found is None:
                        continue
                    parameters = self.vocabulary.obligations[found.name.name].parameters
                    if len(parameters) != len(call.arguments):
                        wanted = [parameter.name for parameter in parameters]
                        self.problems.append(messages.argument_count(call, wanted))
                    for argument, parameter in zip(call.arguments, parameters, strict=False):
                        checker.expect(argument, parameter.type)
            case nodes.ExpectCause(cause):
                if cause.name not in get_args(Cause):
                    self.problems.append(messages.unknown_cause(cause, get_args(Cause)))
            case nodes.ExpectReferrals() | nodes.ExpectReason():
                pass  # plain text


def _members(type_: Type) -> dict[object, str] | None:
    """Return the values of a type that has few, each with its text."""
    match type_:
        case LevelsType(members=members):
            return dict(enumerate(members))
        case EnumType() | TaxonomyType():
            return {member: member for member in type_.members}
        case _ if type_ == BOOL:
            return {False: "false", True: "true"}
    return None
