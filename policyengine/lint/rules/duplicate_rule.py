"""Find rules that mean the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.removal import leave_out
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_REFERENCES = (nodes.RuleRef, nodes.WaiverDecl)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each rule that holds exactly where an earlier one does."""
    named = {node.rule.name for node in walk(subject.files) if isinstance(node, _REFERENCES)}
    for rule, other in duplicates(subject):
        again = (rule.node.target, rule.node.clauses) == (other.node.target, other.node.clauses)
        beside = rule.node.span.file == other.node.span.file  # so that names mean the same
        source = subject.checked.sources[rule.node.span.file]
        yield warning(
            "PE405", rule.node.name.span, f"`{rule.id}` says the same as `{other.id}`",
            "leave one of them out", Label(other.node.name.span, "this one"),
            fix=leave_out(source, rule.node.span)
            if again and beside and rule.name not in named else None,
        )  # fmt: skip


def duplicates(subject: Subject) -> Iterator[tuple[CheckedRule, CheckedRule]]:
    """Give each rule that repeats an earlier one of its gate, with the earlier one."""
    kept: dict[object, dict[object, list[CheckedRule]]] = {}
    worded: dict[object, list[CheckedRule]] = {}
    for rule in subject.checked.rules:
        kind = (
            rule.gate, rule.effect, rule.advisory, rule.valid_from, rule.valid_until,
            frozenset(rule.typings), rule.obligations,
            None if rule.fields is None else frozenset(rule.fields.items()),
        )  # fmt: skip
        earlier, apart = kept.setdefault(kind, {}), subject.ask.apart(rule)
        in_words = worded.setdefault((kind, rule.conjuncts), [])
        unknown = earlier.get(None, [])
        near: Iterable[CheckedRule]
        if subject.ask.leaves_open():
            near = in_words  # which take no time to tell
        elif apart is None:
            near = chain(*earlier.values())
        else:
            near = (*earlier.get(apart, ()), *unknown)
        twin = next((other for other in near if subject.ask.same(rule, other)), None)
        if twin is None:
            earlier.setdefault(apart, []).append(rule)
            in_words.append(rule)
        else:
            yield rule, twin


RULE = LintRule(
    Code(
        "PE405", "duplicate-rule", "Two rules that say the same.",
        "They hold for the same requests and have the same effect. Somebody who changes one of them will wonder why nothing changes.",
        WORDS + 'forbid f: any when subject.tier == free because "not the free plan"\nforbid g: any when subject.tier < basic because "too low"\npermit p: any when subject.status == active\n',
        WORDS + 'forbid f: any when subject.tier == free because "not the free plan"\nforbid g: any when subject.status == held because "held"\npermit p: any when subject.status == active\n',
    ),
    find,
)  # fmt: skip
