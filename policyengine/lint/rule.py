"""Describe a rule of the linter: its entry in the catalogue, and what finds breaches of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.semantics.checked import CheckedSet
from policyengine.syntax.nodes import PolicyFile


@frozen
class Subject:
    """What is linted: a policy set without errors, as it is at the moment *now* (microseconds)."""

    checked: CheckedSet
    files: tuple[PolicyFile, ...]
    now: int


@frozen
class LintRule:
    """One rule of the linter.

    The example of its *code* breaks it, and what to write instead does not; tests hold both.
    """

    code: Code
    find: Callable[[Subject], Iterable[Diagnostic]]
