"""Check `test` blocks: their entities, requests and expectations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from attrs import define

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.decision import Cause
from policyengine.model.types import EntityRefType
from policyengine.semantics import messages
from policyengine.semantics.checked import CheckedTest, Typing
from policyengine.semantics.expressions import ExpressionChecker
from policyengine.semantics.guards import NO_GUARDS
from policyengine.semantics.names import ACTION, OBLIGATION, Scope
from policyengine.semantics.rules import RuleChecker
from policyengine.semantics.vocabulary import UNKNOWN, Vocabulary
from policyengine.syntax import nodes


@define
class ExampleChecker:
    """Checks test blocks against the vocabulary and the rules that were found."""

    vocabulary: Vocabulary
    rules: RuleChecker
    problems: list[Diagnostic]

    def test(self, declaration: nodes.TestDecl, scope: Scope) -> CheckedTest | None:
        """Check one block; its names hold from where they are given to its end."""
        before = len(self.problems)
        checker = ExpressionChecker(
            self.vocabulary, scope, self.rules.definitions, {}, in_test=True, problems=self.problems
        )
        for item in declaration.items:
            match item:
                case nodes.Let(name, value):
                    found = checker.infer(value, NO_GUARDS)
                    if name.name in checker.variables:
                        self.problems.append(messages.taken(name, "something else"))
                    checker.variables[name.name] = found
                case nodes.Expect():
                    self._expect(item, checker, scope)
                case nodes.At():
                    pass  # a moment is a literal
        if len(self.problems) > before:
            return None
        return CheckedTest(declaration.title, declaration, Typing(checker.types, checker.bindings))

    def _expect(self, item: nodes.Expect, checker: ExpressionChecker, scope: Scope) -> None:
        symbol = scope.find(ACTION, item.action, "action", self.problems)
        if symbol is None or symbol.name.name not in self.vocabulary.actions:
            if symbol and isinstance(symbol.declaration, nodes.GroupDecl):
                self.problems.append(messages.group_requested(item.action))
            for expr in (item.subject, item.resource):
                checker.infer(expr, NO_GUARDS)
            return
        action = self.vocabulary.actions[symbol.name.name]
        self._entity(item.subject, action.subjects, checker)
        resource = self._entity(item.resource, action.resources, checker)
        match item.context:
            case nodes.RecordDisplay(fields):
                checker.report_repeats(fields)
                owner = f"the context of `{action.name}`"
                checker.fields(fields, action.context.by_name, owner)
            case nodes.SetDisplay(items) if items:
                found = checker.infer(item.context, NO_GUARDS)
                self.problems.append(messages.wrong_type(item.context.span, "`name: value`", found))
        if item.asking is not None:
            if not any(gate.is_field for gate in self.vocabulary.gates.values()):
                self.problems.append(messages.asking_in_vain(item.span))
            self._fields(item.asking.names, resource)
        for clause in item.clauses:
            self._expectation(clause, resource, checker, scope)

    def _entity(
        self, expr: nodes.Expr, allowed: Iterable[str], checker: ExpressionChecker
    ) -> str | None:
        found = checker.infer(expr, NO_GUARDS)
        if isinstance(found, EntityRefType) and found.name in allowed:
            return found.name
        if found is not UNKNOWN and allowed:
            wanted = " or ".join(messages.a(name) for name in allowed)
            self.problems.append(messages.wrong_type(expr.span, wanted, found))
        return None

    def _fields(self, names: Iterable[nodes.Ident], resource: str | None) -> None:
        if resource is None:
            return
        known = [*self.vocabulary.entities[resource].by_name, "id"]
        for ident in names:
            if ident.name not in known:
                self.problems.append(messages.no_field(ident, resource, known))

    def _expectation(
        self, clause: nodes.ExpectClause, resource: str | None, checker: ExpressionChecker,
        scope: Scope,
    ) -> None:  # fmt: skip
        match clause:
            case nodes.ExpectRules(rules):
                for ref in rules:
                    self.rules.rule_id(ref.gate, ref.rule)
            case nodes.ExpectFields(names):
                self._fields(names, resource)
            case nodes.ExpectObligations(calls):
                for call in calls:
                    found = scope.find(OBLIGATION, call.name, "obligation", self.problems)
                    if found is None:
                        continue
                    parameters = self.vocabulary.obligations[found.name.name].parameters
                    given = len(call.arguments)
                    if len(parameters) != given:
                        wanted = len(parameters)
                        problem = messages.argument_count(call.span, str(call.name), wanted, given)
                        self.problems.append(problem)
                    for argument, parameter in zip(call.arguments, parameters, strict=False):
                        checker.expect(argument, parameter.type)
            case nodes.ExpectCause(cause):
                if cause.name not in get_args(Cause):
                    self.problems.append(messages.unknown_cause(cause, get_args(Cause)))
            case nodes.ExpectReferrals() | nodes.ExpectReason():
                pass  # plain text
