"""Find forbids that a request escapes by leaving out an optional attribute."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `has` without which a forbid never holds."""
    for rule in subject.checked.rules:
        if rule.effect != "forbid" or subject.ask.never_holds(rule):
            continue
        for node, _ in walk_conditions(rule):
            if isinstance(node, nodes.Has) and subject.ask.needed(rule, node):
                yield warning(
                    "PE423", node.span,
                    f"`{rule.id}` forbids nothing where `{node.name}` is absent",
                    f"add `… not has {node.name} or`, or make the attribute required",
                )  # fmt: skip


RULE = LintRule(
    Code(
        "PE423", "forbid-escaped-by-absence", "A forbid that the absence of an optional attribute escapes.",
        "A request that leaves the attribute out is not forbidden anything. Where absence should not help, forbid it as well; where it is meant, say so with `# lint: ignore[forbid-escaped-by-absence]` and why.",
        WORDS + 'permit p: any when subject.status == active\nforbid young: any when subject has age and subject.age < 16 because "under 16"\n',
        WORDS + 'permit p: any when subject.status == active\nforbid young: any when subject not has age or subject.age < 16 because "not known to be 16"\n',
    ),
    find,
)  # fmt: skip
