"""Find private strings that a caller could find out letter by letter."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.placed import Placed
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.text_comparisons import text_comparisons
from policyengine.model.types import Schema
from policyengine.semantics.demand import private_reads


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each private string of which a part is compared with what the caller sends."""
    schema = subject.checked.schema
    for rule in subject.checked.rules:
        for found in text_comparisons(rule):
            if found.part is None:
                continue
            sides = found.text, found.part
            if any(_is_private(a, schema) and b.is_sent(schema) for a, b in (sides, sides[::-1])):
                yield warning(
                    "PE433", found.node.span,
                    f"by `{rule.id}` a caller can find a private string letter by letter",
                    "compare the whole of it with `==`, or leave the comparison to the service",
                )  # fmt: skip


def _is_private(side: Placed, schema: Schema) -> bool:
    side = side.lowered or side
    return any(True for _ in private_reads(side.expr, side.typing, schema))


RULE = LintRule(
    Code(
        "PE433", "guessable-secret", "A private string that a caller can find out part by part.",
        "A caller that may send any beginning, end or part learns from each answer whether it is right, and so finds the whole in a few hundred requests.",
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when context.code != "" and resource.code startswith context.code otherwise "another code"\npermit q: read when subject.status == active\n',
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when resource.code == context.code otherwise "another code"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
