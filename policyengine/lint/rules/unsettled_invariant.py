"""Find invariants of which it is not known whether a request breaks them."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.invariant_search import TIME_IS_UP
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject

_WORDS = """\
package p
entity User { age: int, born: int }
entity Doc
action read by User on Doc
"""


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each invariant that is neither proved nor broken, whatever the time."""
    for finding in subject.ask.invariants(subject.now):
        if finding.answer == "not settled" and finding.why != TIME_IS_UP:
            name = finding.invariant.node.name
            yield warning(
                "PE451", name.span, f"it is not settled whether a request breaks the invariant `{name}`",
                "say in a forbid what it says, in the same words: then that is known",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE451", "unsettled-invariant", "An invariant that is neither proved nor broken.",
        "No request was found that breaks it, and none was ruled out: the rules compute what is not understood, as a product of two numbers of the request. A forbid in the words of the invariant settles it.",
        _WORDS + "permit p: read when subject.age * subject.age == 2 * subject.born * subject.born\n"
        "invariant i: never allow read when subject.age > 0\n",
        _WORDS + "permit p: read when subject.age * subject.age == 2 * subject.born * subject.born\n"
        'forbid f: read when subject.age > 0 because "too old"\n'
        "invariant i: never allow read when subject.age > 0\n",
    ),
    find,
)  # fmt: skip
