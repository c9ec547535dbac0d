"""Find comparisons with the lowest or highest level that have one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import LevelsType
from policyengine.semantics.checked import Typing, Value
from policyengine.syntax import nodes

MIRRORED: Mapping[nodes.Comparison, nodes.Comparison] = {
    "<": ">",
    ">": "<",
    "<=": ">=",
    ">=": "<=",
}


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each comparison that is decided by the order of the levels."""
    for rule in subject.checked.rules:
        for node, types in walk_conditions(rule):
            if is_trivial(node, types):
                assert isinstance(node, nodes.Compare)
                always = "true" if "=" in node.op else "false"
                yield warning(
                    "PE422", node.span, f"this is always {always}: there is no level beyond",
                    "leave it out, or compare with another level",
                )  # fmt: skip


def is_trivial(node: nodes.Node, typing: Typing) -> bool:
    """Whether *node* compares with the first or last level so that it has one value."""
    match node:
        case nodes.Compare(op, left, right) if op in MIRRORED:
            return _beyond(op, typing.binding_of(right)) or _beyond(
                MIRRORED[op], typing.binding_of(left)
            )
    return False


def _beyond(op: nodes.Comparison, bound: object) -> bool:
    match bound:
        case Value(LevelsType(members=members), level):
            return level == (0 if op in (">=", "<") else len(members) - 1)
    return False


RULE = LintRule(
    Code(
        "PE422", "trivial-level-comparison", "A comparison with the lowest or highest level that has one answer.",
        "At least the lowest, or at most the highest, is everything; below the lowest and above the highest is nothing.",
        WORDS + "permit p: any when subject.tier >= free and subject.status == active\n",
        WORDS + "permit p: any when subject.tier >= basic and subject.status == active\n",
    ),
    find,
)  # fmt: skip
