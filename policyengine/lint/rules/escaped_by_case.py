"""Find prohibitions on strings that another case of letters escapes."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.text_comparisons import TextComparison, text_comparisons


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each string that a forbid, or a permit with `not`, compares with letters as they come."""
    for rule in subject.checked.rules:
        for found in text_comparisons(rule):
            if found.wanted is (rule.effect == "forbid") and _counts_case(found):
                yield warning(
                    "PE432", found.node.span,
                    f"`{rule.id}` is escaped by writing a letter large or small",
                    "compare `lower(…)`, with a constant in small letters",
                )  # fmt: skip


def _counts_case(found: TextComparison) -> bool:
    node, part = found.node, found.part
    text = part.constant if part else getattr(node, "pattern", "")
    has_letter = isinstance(text, str) and any(one.isascii() and one.isalpha() for one in text)
    return has_letter and found.text.lowered is None and not found.text.is_written


RULE = LintRule(
    Code(
        "PE432", "escaped-by-case", "A forbid on a string that another case of letters escapes.",
        "Strings compare letter by letter, and `A` is not `a`: a forbid of names that end with `.exe` does not forbid `.EXE`. Where case means something, say so with `# lint: ignore[escaped-by-case]` and why.",
        WORDS + 'entity File { name: string }\naction open by App on File\npermit o: open when subject.status == active\nforbid programs: open when resource.name endswith ".exe" because "a program"\npermit q: read when subject.status == active\n',
        WORDS + 'entity File { name: string }\naction open by App on File\npermit o: open when subject.status == active\nforbid programs: open when lower(resource.name) endswith ".exe" because "a program"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
