"""Find expectations that are written twice in a test."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import ExpectedRequest


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each expectation that says nothing beside an earlier one of its test.

    A table may have a row for a value that is expected of elsewhere: it is compared with its own rows alone.
    """
    earlier: dict[object, list[ExpectedRequest]] = {}
    for asked in subject.requests:
        before = earlier.setdefault((id(asked.test), _table(asked), asked.text), [])
        first = next((one for one in before if _says_as_much(one, asked)), None)
        if first is None:
            before.append(asked)
        else:
            yield warning(
                "PE457", asked.expect.span, "this is expected already, of the same request",
                "leave it out, or ask what was meant", Label(first.expect.span, "here"),
            )  # fmt: skip


def _table(asked: ExpectedRequest) -> int:
    """Return which table an expectation is a row of, 0 for none."""
    tables = (item for item in asked.test.node.items if isinstance(item, nodes.ExpectEach))
    return next(
        (id(table) for table in tables if asked.of and asked.expect.subject is table.subject), 0
    )


def _says_as_much(one: ExpectedRequest, other: ExpectedRequest) -> bool:
    """Whether all that *other* expects of their request is expected by *one*."""
    return one.expect.allow == other.expect.allow and all(
        clause in one.expect.clauses for clause in other.expect.clauses
    )


RULE = LintRule(
    Code(
        "PE457", "repeated-expectation", "An expectation that is written twice in a test.",
        "The second of them holds whenever the first does. Often it was copied, and the value that was to be changed was not.",
        WORDS + 'permit p: any when subject.status == active\ntest "active" { let app = App "a" { status: active } expect allow read by app on Post "p" expect allow read by app { status: active } on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "active" { let app = App "a" { status: active } expect allow read by app on Post "p" expect deny read by app { status: held } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
