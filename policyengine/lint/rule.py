"""Describe a lint rule: its entry in the catalogue, and the function that finds breaches of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from policyengine.analysis.questions import Questions
from policyengine.concurrency import cached_property
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax.nodes import PolicyFile
from policyengine.testing.requests_of_tests import ExpectedRequest, requests_of


@frozen(slots=False)
class Subject:
    """A policy set without errors that is linted at the moment *now* (microseconds).

    *ask*: answers about all requests, with one budget for all lint rules.
    """

    checked: CheckedSet
    files: tuple[PolicyFile, ...]
    now: int
    ask: Questions

    @cached_property
    def requests(self) -> tuple[ExpectedRequest, ...]:
        """The requests of the tests, with what is expected of each."""
        return tuple(requests_of(self.checked, now=self.now))

    def beside(self, rule: CheckedRule) -> Iterator[CheckedRule]:
        """Give the rules that share a target with *rule*, itself included, each once."""
        given: set[int] = set()
        for target in rule.typings:
            for other in self.checked.rules_for(target):
                if id(other) not in given:
                    given.add(id(other))
                    yield other


@frozen
class LintRule:
    """One lint rule.

    The example of its *code* breaks it, and what to write instead does not; tests hold both.
    """

    code: Code
    find: Callable[[Subject], Iterable[Diagnostic]]
