"""Find invariants that no test comes near."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import Invariant
from policyengine.testing.requests_of_tests import ExpectedRequest


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each invariant of whose case no test asks, in a set with tests."""
    checked = subject.checked
    if not checked.tests:
        return
    for invariant in checked.invariants:
        if not any(_reaches(asked, invariant, subject) for asked in subject.requests):
            yield warning(
                "PE462", invariant.node.name.span,
                f"no test asks for what `{invariant.name}` forbids, so none would break it",
                "write a test that expects a deny where its conditions hold"
                if invariant.fields is None
                else "write a test that expects which fields are shown where its conditions hold",
                several=_SEVERAL,
            )  # fmt: skip


_SEVERAL = Several(
    "{count} invariants are of cases for which no test asks: {names}",
    "write tests in which their conditions hold, and which expect a deny or which fields are shown",
)


def _reaches(asked: ExpectedRequest, invariant: Invariant, subject: Subject) -> bool:
    """Whether the invariant would be broken if the request were allowed, and showed its fields."""
    env = Env(asked.request, subject.checked.schema)
    if env.target not in invariant.typings:
        return False
    try:
        return first_false(invariant.conjuncts, invariant.typings[env.target], env) is None
    except Exception:  # noqa: BLE001 - a request that does not give what the invariant reads
        return False


RULE = LintRule(
    Code(
        "PE462", "unreached-invariant", "An invariant whose case is in no test.",
        "Tests hold an invariant on the requests that they make. Where its conditions hold for none of them, no change of a rule makes a test fail because of it. `policyengine prove` says whether it holds for all requests.",
        WORDS + 'permit p: any when subject.status == active\ninvariant none_held: never allow read when subject.status == held\ntest "active" { expect allow read by App "a" { status: active } on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ninvariant none_held: never allow read when subject.status == held\ntest "active" { expect allow read by App "a" { status: active } on Post "p" expect deny read by App "a" { status: held } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
