"""Find terms of taxonomies that nothing mentions, above them or below."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.uses import mentioned_types, words
from policyengine.syntax import nodes

_SEVERAL = Several(
    "{count} terms are mentioned by nothing, nor what is above or below them: {names}",
    "write tests that use them, or leave them out",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each term that no rule or test names, nor a term above or below it, in a set with tests."""
    if not subject.checked.tests:
        return
    used, mentioned = words(subject.files), mentioned_types(subject.checked)
    for file in subject.files:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.TaxonomyDecl) and declaration.name.name in mentioned:
                for term in declaration.terms:
                    yield from _unused(term, used, around=False)


def _unused(term: nodes.Term, used: set[str], *, around: bool) -> Iterator[Diagnostic]:
    around = around or term.name.name in used
    for below in term.below:
        yield from _unused(below, used, around=around)
    if not around and not _below(term) & used:
        yield warning(
            "PE408", term.name.span, f"nothing mentions `{term.name}`, nor what is above or below it",
            "write a test that uses it, or leave it out", several=_SEVERAL,
        )  # fmt: skip


def _below(term: nodes.Term) -> set[str]:
    return {below.name.name for below in term.below}.union(*map(_below, term.below))


_TEST = 'test "research" { expect allow read by App "a" { uses: {research} } on Post "p" }\n'

RULE = LintRule(
    Code(
        "PE408", "unused-term", "A taxonomy term that nothing mentions.",
        "Rules name other terms of the taxonomy; neither this one nor any above or below it is in a rule or a test, so nobody knows what it does. Reported only in policy sets with tests.",
        WORDS + "permit p: any when subject.uses within research\n" + _TEST,
        WORDS + 'permit p: any when subject.uses within research\ntest "no ads" { expect deny read by App "a" { uses: {ads} } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
