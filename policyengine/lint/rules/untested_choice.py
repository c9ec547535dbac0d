"""Find rules that choose between texts which disagree, and that no test expects."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.conflicting_texts import conflicts_of


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that cites a text against itself, or, in a set with tests, that none names."""
    for one in conflicts_of(subject.checked):
        place = one.rule.node.name.span
        if one.rule.cites.strip() == one.rule.against.strip():
            yield warning(
                "PE465", place, f"`{one.rule.id}` cites a text against itself",
                "cite the text that counts against the one that says otherwise",
            )  # fmt: skip
        elif subject.checked.tests and not one.tests:
            yield warning(
                "PE465", place,
                f"`{one.rule.id}` chooses between two texts, and no test expects it by name",
                f"write a test that expects `because {one.rule.id}`",
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE465", "untested-choice", "A choice between texts that no test names.",
        "`cites … against …` says which of two texts counts. A test that expects the rule by name shows what follows from it; without one, nobody would notice if the other text were followed. A text is not cited against itself.",
        WORDS + 'permit p: any when subject.tier == pro\nforbid f: any when subject.status == held because "held" cites "Terms, 1" against "Guide, 2"\ntest "held" { expect deny read by App "a" { tier: pro, status: held } on Post "p" }\ntest "active" { expect allow read by App "a" { tier: pro, status: active } on Post "p" }\n',
        WORDS + 'permit p: any when subject.tier == pro cites "Terms, 2"\nforbid f: any when subject.status == held because "held" cites "Terms, 1" against "Guide, 2"\ntest "held" { expect deny read by App "a" { tier: pro, status: held } on Post "p" because f }\ntest "active" { expect allow read by App "a" { tier: pro, status: active } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
