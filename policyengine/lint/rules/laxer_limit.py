"""Find permits of one gate that differ in a limit only: the laxer one wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policyengine.analysis.questions import outlasts
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule, Conjunct, Value
from policyengine.syntax import nodes

_ORDERED = ("<", "<=", ">", ">=")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each permit with a limit that another one sets further."""
    for _, lax, expr in laxer_limits(subject.checked.rules):
        yield warning(
            "PE425", expr.span, f"`{lax.id}` permits more than this limit",
            "permits add up, so the laxer limit is the one that counts",
            Label(lax.node.name.span, "this permit goes further"),
        )  # fmt: skip


def laxer_limits(
    rules: Sequence[CheckedRule],
) -> Iterator[tuple[CheckedRule, CheckedRule, nodes.Compare]]:
    """Give permits of a gate that differ in one limit: the stricter, the laxer, the limit."""
    permits = [rule for rule in rules if rule.effect == "permit" and rule.conjuncts]
    for strict in permits:
        for lax in permits:
            if lax is strict or lax.gate != strict.gate:
                continue
            if not strict.typings.keys() <= lax.typings.keys() or not outlasts(lax, strict):
                continue
            if len(strict.conjuncts) != len(lax.conjuncts):
                continue
            pairs = list(zip(strict.conjuncts, lax.conjuncts, strict=True))
            different = [pair for pair in pairs if pair[0] != pair[1]]
            if len(different) == 1 and (limit := _stricter(*different[0], strict, lax)):
                yield strict, lax, limit


def _stricter(
    one: Conjunct, other: Conjunct, strict: CheckedRule, lax: CheckedRule
) -> nodes.Compare | None:
    """Return the comparison of *one* if *other* is the same with a limit further out."""
    match one.expr, other.expr:
        case nodes.Compare(op, left, near) as limit, nodes.Compare(same, with_, far):
            if op != same or left != with_ or op not in _ORDERED or one.wanted != other.wanted:
                return None
            values = _constant(near, strict), _constant(far, lax)
            if not all(isinstance(value, int) for value in values):
                return None
            grows = op.startswith("<") == one.wanted
            return limit if (values[0] < values[1]) == grows else None  # type: ignore[operator]  # ints
    return None


def _constant(expr: nodes.Expr, rule: CheckedRule) -> object:
    binding = next(iter(rule.typings.values())).binding_of(expr)
    return binding.value if isinstance(binding, Value) else None


RULE = LintRule(
    Code(
        "PE425", "laxer-limit", "Two permits of one gate that differ in a limit only.",
        "One satisfied permit opens a gate, so the laxer limit wins and the stricter one limits nothing.",
        WORDS + "permit p: any when subject.tier >= pro\npermit q: any when subject.tier >= basic\n",
        WORDS + "permit p: any when subject.tier >= basic\n",
    ),
    find,
)  # fmt: skip
