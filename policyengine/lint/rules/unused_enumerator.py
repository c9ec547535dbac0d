"""Find enumerators and levels that nothing mentions."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.uses import mentioned_types, words
from policyengine.syntax import nodes

_SEVERAL = Several(
    "{count} enumerators are mentioned by nothing, and rules tell their siblings apart: {names}",
    "write tests that use them, or leave them out",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each member that nothing mentions, if other members are, in a set with tests."""
    if not subject.checked.tests:
        return
    used, mentioned = words(subject.files), mentioned_types(subject.checked)
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.EnumDecl(name, members) if name.name in mentioned:
                    for member in members:
                        if member.name not in used:
                            yield warning(
                                "PE407", member.span,
                                f"nothing mentions `{member}`, and rules tell its siblings apart",
                                "write a test that uses it, or leave it out",
                                several=_SEVERAL,
                            )  # fmt: skip


_TEST = 'test "active" { expect allow read by App "a" { status: active } on Post "p" }\n'

RULE = LintRule(
    Code(
        "PE407", "unused-enumerator", "An enumerator that nothing mentions.",
        "Rules name other members of the list; this one falls wherever the rest falls, and no test says where. Reported only in policy sets with tests. Lists of which rules compare whole values only are left alone.",
        WORDS + "permit p: any when subject.status == active\n" + _TEST,
        WORDS + 'permit p: any when subject.status == active\ntest "held" { expect deny read by App "a" { status: held } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
