"""Describe a rule of the linter: its entry in the catalogue, and what finds breaches of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from policyengine.analysis.questions import Questions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax.nodes import PolicyFile


@frozen
class Subject:
    """What is linted: a policy set without errors, as it is at the moment *now* (microseconds).

    *ask*: what answers for all requests, for all rules of the linter together.
    """

    checked: CheckedSet
    files: tuple[PolicyFile, ...]
    now: int
    ask: Questions

    def beside(self, rule: CheckedRule) -> Iterator[CheckedRule]:
        """Give the rules that cover something that *rule* covers, itself included, each once."""
        given: set[int] = set()
        for target in rule.typings:
            for other in self.checked.rules_for(target):
                if id(other) not in given:
                    given.add(id(other))
                    yield other


@frozen
class LintRule:
    """One rule of the linter.

    The example of its *code* breaks it, and what to write instead does not; tests hold both.
    """

    code: Code
    find: Callable[[Subject], Iterable[Diagnostic]]
