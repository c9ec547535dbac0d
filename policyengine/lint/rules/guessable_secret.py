"""Find private strings that a caller could find out letter by letter."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.text_comparisons import Placed, text_comparisons
from policyengine.model.types import Schema
from policyengine.semantics.demand import attribute_of, private_reads
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each private string of which a part is compared with what the caller sends."""
    schema = subject.checked.schema
    for rule in subject.checked.rules:
        for found in text_comparisons(rule):
            if found.part is None:
                continue
            sides = found.text, found.part
            if any(_is_private(a, schema) and _is_sent(b, schema) for a, b in (sides, sides[::-1])):
                yield warning(
                    "PE433", found.node.span,
                    f"by `{rule.id}` a caller can find a private string letter by letter",
                    "compare the whole of it with `==`, or leave the comparison to the service",
                )  # fmt: skip


def _is_private(side: Placed, schema: Schema) -> bool:
    side = side.lowered or side
    return any(True for _ in private_reads(side.expr, side.typing, schema))


def _is_sent(side: Placed, schema: Schema) -> bool:
    """Whether the caller sends the string."""
    side = side.lowered or side
    expr = side.expr
    while isinstance(expr, nodes.Attr):
        attribute = attribute_of(side.typing.type_of(expr.object), expr.name.name, schema)
        if attribute is not None and attribute.by == "caller":
            return True
        expr = expr.object
    return False


RULE = LintRule(
    Code(
        "PE433", "guessable-secret", "A private string that a caller can find out part by part.",
        "A caller that may send any beginning, end or part learns from each answer whether it is right, and so finds the whole in a few hundred requests.",
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when context.code != "" and resource.code startswith context.code otherwise "another code"\npermit q: read when subject.status == active\n',
        WORDS + 'entity Vault { code: private string }\naction open by App on Vault with { code: string }\npermit o: open when resource.code == context.code otherwise "another code"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
