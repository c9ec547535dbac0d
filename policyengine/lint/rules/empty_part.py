"""Find permits that the empty string opens, since every string starts with it."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.text_comparisons import may_be_empty, text_comparisons


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each string of a request that a permit looks for, and that may be empty."""
    for rule in subject.checked.rules:
        if rule.effect == "forbid":
            continue
        for found in text_comparisons(rule):
            part = found.part
            if part is None or part.is_written or not found.wanted:
                continue
            if may_be_empty(part, found.given):
                yield warning(
                    "PE431", found.node.span,
                    f"`{rule.id}` lets every string through where the right side is empty",
                    'ask before that it is not: `… != "" and`',
                )  # fmt: skip


RULE = LintRule(
    Code(
        "PE431", "empty-part", "A permit that looks for a string which may be empty.",
        "Every string starts with, ends with and contains the empty one. A request with an empty prefix is let through, and so is an entity for which none is known.",
        WORDS + "entity File { name: string }\naction open by App on File with { prefix: string }\npermit o: open when resource.name startswith context.prefix\npermit q: read when subject.status == active\n",
        WORDS + 'entity File { name: string }\naction open by App on File with { prefix: string }\npermit o: open when context.prefix != "" and resource.name startswith context.prefix\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
