"""Check the `let`s of one test, and write out the contexts of its requests.

A `let` that may be a context is checked as a value as well; see `fixtures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import ActionType, Type
from policyengine.semantics import messages, table_messages
from policyengine.semantics.checked import Variable
from policyengine.semantics.contexts import Context, certain, context_of
from policyengine.semantics.displays import check_fields, fields_of, repeats
from policyengine.semantics.fixtures import Fixtures
from policyengine.semantics.guards import NO_GUARDS
from policyengine.semantics.typing import ExpressionChecker
from policyengine.semantics.vocabulary import UNKNOWN
from policyengine.syntax import nodes
from policyengine.syntax.node import walk


@define(eq=False)
class Lets:
    """The `let`s of one test so far, which *checker* checks."""

    fixtures: Fixtures
    checker: ExpressionChecker
    _contexts: dict[str, Context] = field(factory=dict)
    _waiting: dict[str, list[Diagnostic]] = field(factory=dict)
    _used: set[str] = field(factory=set)

    def take(self, let: nodes.Let) -> bool:
        """Check a `let`; return whether it has a value."""
        name, checker = let.name.name, self.checker
        context = self.context(let.value)
        if context is None:
            before = len(checker.problems)
            found = checker.infer(let.value, NO_GUARDS)
            wrong = isinstance(let.value, nodes.Compare) and len(checker.problems) > before
            checker.variables[name] = UNKNOWN if wrong else found
            return True
        checker.problems += repeats(fields_of(let.value))
        apart = self._apart(checker.variables)
        found = apart.infer(let.value, NO_GUARDS)
        allowed = self.fixtures.may_take(len(context), let.value.span)
        self._contexts[name] = context if allowed else {}
        waiting = [*apart.problems, *self._waiting_in(apart)]
        if waiting:
            self._waiting[name], found = waiting, UNKNOWN
        else:
            checker.types.update(apart.types)
            checker.bindings.update(apart.bindings)
        checker.variables[name] = found
        return not waiting

    def context(self, expr: nodes.Expr) -> Context | None:
        """Return the context that *expr* gives, None if it is none."""
        scope, variables = self.checker.scope, self.checker.variables
        return context_of(expr, scope, variables, self._named)

    def written(self, expr: nodes.Expr, action: ActionType) -> nodes.Expr:
        """Check *expr* as the context of a request; return it as a record that is written out."""
        checker, owner = self.checker, f"the context of `{action.name}`"
        match expr:
            case nodes.RecordDisplay(fields):
                checker.problems += repeats(fields)
                check_fields(checker, fields, action.context.by_name, owner)
                return expr
            case nodes.SetDisplay(items):
                if items:
                    found = checker.infer(expr, NO_GUARDS)
                    problem = messages.wrong_type(expr.span, "`name: value`", found)
                    checker.problems.append(problem)
                return expr
        checker.problems += repeats(fields_of(expr))
        context = self.context(expr)
        if context is None:
            found = checker.infer(expr, NO_GUARDS)
            if found is not UNKNOWN:
                checker.problems.append(table_messages.no_context(expr.span, found))
            return expr
        copies: list[nodes.RecordField] = []
        for given in context.values():
            if not self.fixtures.may_take(sum(1 for _ in walk(given.field)), expr.span):
                break
            copies.append(given.copied())
            apart = self._apart(given.variables, checker)
            apart.scope = given.scope
            check_fields(apart, copies[-1:], action.context.by_name, owner)
            self._report(apart.problems)
        if not copies:
            return nodes.SetDisplay((), span=expr.span)
        return nodes.RecordDisplay(tuple(copies), span=expr.span)

    def report_misused(self) -> None:
        """Report what is wrong with `let`s that were used as values, or neither so nor as a context."""
        self._report(self._waiting_in(self.checker))
        for name, problems in self._waiting.items():
            if name not in self._used:
                self._report(certain(problems))

    def _named(self, expr: nodes.Expr) -> Context | None:
        if isinstance(expr, nodes.Name) and expr.name in self.checker.variables:
            self._used.add(expr.name)
            return self._contexts.get(expr.name)
        return self.fixtures.context(expr, self.checker.scope)

    def _waiting_in(self, checker: ExpressionChecker) -> list[Diagnostic]:
        """Return what is wrong with the values that are named in what *checker* has checked."""
        bindings = checker.bindings.values()
        names = dict.fromkeys(bound.name for bound in bindings if isinstance(bound, Variable))
        return [problem for name in names for problem in self._waiting.get(name, ())]

    def _report(self, problems: Iterable[Diagnostic]) -> None:
        """Report problems, each once, however often a fixture is used."""
        known = self.checker.problems
        known += [problem for problem in problems if problem not in known]

    def _apart(
        self, variables: dict[str, Type], noting: ExpressionChecker | None = None
    ) -> ExpressionChecker:
        """Return a checker with problems of its own; what it learns, it notes in *noting*, or apart as well."""
        checker = self.checker
        made = ExpressionChecker(
            checker.vocabulary, checker.scope, checker.values, variables, self.fixtures
        )
        if noting is not None:
            made.types, made.bindings = noting.types, noting.bindings
        return made
