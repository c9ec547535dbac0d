"""Find fixtures and moments of a test that nothing in it uses."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve
from msgspec.structs import replace

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.removal import leave_out
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.test_items import expects_nothing, names_in, tests_in
from policyengine.semantics.checked import CheckedTest
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import requests_of


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `let` of a test without which its requests would be the same, and each `at` after them.

    A `let` that nothing names may describe an entity, or change it, for all that are in it or refer to it.
    """
    written = {test.span: test for test in tests_in(subject.files)}  # contexts by their names
    for test in subject.checked.tests:
        items = test.node.items
        if expects_nothing(test.node):
            continue
        for at, item in enumerate(items):
            if isinstance(item, nodes.At) and not _has_expectation(items[at + 1 :]):
                yield warning(
                    "PE459", item.span, "nothing is expected at this moment",
                    "`at` comes before the expectations that it is for",
                )  # fmt: skip
            later = (
                one for one in written[test.node.span].items if one.span.start > item.span.start
            )
            if not isinstance(item, nodes.Let) or item.name.name in names_in(tuple(later)):
                continue
            without = items[:at] + items[at + 1 :]
            if _requests(test, items, subject) == _requests(test, without, subject):
                source = subject.checked.sources[item.span.file]
                yield warning(
                    "PE459", item.name.span, f"nothing in this test uses `{item.name}`", "leave it out",
                    fix=leave_out(source, item.span),
                )  # fmt: skip


def _has_expectation(items: tuple[nodes.TestItem, ...]) -> bool:
    """Whether something is expected before another moment is given."""
    for item in items:
        if not isinstance(item, nodes.Let):
            return not isinstance(item, nodes.At)
    return False


def _requests(test: CheckedTest, items: tuple[nodes.TestItem, ...], subject: Subject) -> list[str]:
    """Return the requests of a test with other items."""
    node = replace(test.node, items=items)
    checked = evolve(subject.checked, tests=(evolve(test, node=node),))
    return [asked.text for asked in requests_of(checked, now=subject.now)]


RULE = LintRule(
    Code(
        "PE459", "unused-fixture", "A `let` or an `at` of a test that nothing in the test uses.",
        "A reader looks for what depends on it. Often another name was written where this one was meant, or `at` behind the expectation that it is for.",
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { let app = App "a" { status: active } let other = App "b" { status: active } expect allow read by app on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { let app = App "a" { status: active } let other = App "b" { status: active } expect allow read by app on Post "p" expect allow read by other on Post "p" }\n',
    ),
    find,
)  # fmt: skip
