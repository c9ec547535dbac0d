"""Find permits of one gate that differ in one limit only: the laxer one wins."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.questions import same_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule, Value
from policyengine.syntax import nodes

_ORDERED: tuple[nodes.Comparison, ...] = ("<", "<=", ">", ">=")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each permit with a limit that another one sets further."""
    for _, lax, expr in laxer_limits(subject):
        yield warning(
            "PE425", expr.span, f"`{lax.id}` permits more than this limit",
            "permits add up, so the laxer limit is the one that counts",
            Label(lax.node.name.span, "this permit goes further"),
        )  # fmt: skip


def laxer_limits(
    subject: Subject,
) -> Iterator[tuple[CheckedRule, CheckedRule, nodes.Compare]]:
    """Give pairs of permits that differ in one limit: the stricter, the laxer, the limit."""
    by_kind: dict[object, list[tuple[CheckedRule, nodes.Compare, int]]] = {}
    for rule in subject.checked.rules:
        if rule.effect == "permit":
            for kind, limit, reach in _limits(rule):
                by_kind.setdefault(kind, []).append((rule, limit, reach))
    for rules in by_kind.values():
        for strict, limit, near in rules:
            for lax, _, far in rules:
                if (
                    near < far
                    and strict.typings.keys() <= lax.typings.keys()
                    and lax.outlasts(strict)
                    and same_conditions(strict, lax, but=limit)
                ):
                    yield strict, lax, limit


def _limits(rule: CheckedRule) -> Iterator[tuple[object, nodes.Compare, int]]:
    """Give each limit of a rule: a key that rules share if only it differs, and how lax it is."""
    binding_of = next(iter(rule.typings.values())).binding_of
    for at, (expr, wanted) in enumerate((c.expr, c.wanted) for c in rule.conjuncts):
        match expr:
            case nodes.Compare(op, left, right) if op in _ORDERED:
                bound = binding_of(right)
                if isinstance(bound, Value) and isinstance(bound.value, int):
                    others = (*rule.conjuncts[:at], *rule.conjuncts[at + 1 :])
                    is_upper = op.startswith("<") == wanted
                    reach = bound.value if is_upper else -bound.value
                    yield (rule.gate, at, op, left, wanted, others), expr, reach


RULE = LintRule(
    Code(
        "PE425", "laxer-limit", "Two permits of one gate that differ in a limit only.",
        "One satisfied permit opens a gate, so the laxer limit wins and the stricter one limits nothing.",
        WORDS + "permit p: any when subject.tier >= pro\npermit q: any when subject.tier >= basic\n",
        WORDS + "permit p: any when subject.tier >= basic\n",
    ),
    find,
)  # fmt: skip
