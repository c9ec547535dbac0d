"""Find tests with the title of another."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.test_items import tests_in, title_span
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each test that has the title of an earlier one."""
    sources = subject.checked.sources
    first: dict[str, nodes.TestDecl] = {}
    for test in tests_in(subject.files):
        title = " ".join(test.title.split())
        other = first.setdefault(title, test)
        if other is not test:
            yield warning(
                "PE458", title_span(test, sources), "another test has this title",
                "say what is different in this one", Label(title_span(other, sources), "that one"),
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE458", "repeated-title", "A title that two tests have.",
        "A report names a test by its title: of two it does not say which one failed.",
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { expect allow read by App "a" { status: active } on Post "p" }\ntest "reading" { expect deny read by App "a" { status: held } on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { expect allow read by App "a" { status: active } on Post "p" }\ntest "reading while held" { expect deny read by App "a" { status: held } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
