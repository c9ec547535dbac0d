"""Collect the rules that choose between texts which disagree (`cites "…" against "…"`), and the tests that name them."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes


@frozen
class TextConflict:
    """A rule that follows one text against another, and the titles of the tests that expect it by name."""

    rule: CheckedRule
    tests: tuple[str, ...]


def conflicts_of(checked: CheckedSet) -> tuple[TextConflict, ...]:
    """Return the rules of a set that follow one text against another."""
    chosen = [rule for rule in checked.rules if rule.against]
    tests: dict[str, dict[str, None]] = {rule.id: {} for rule in chosen}
    for test in checked.tests if chosen else ():
        for ref in _expected_rules(test.node):
            for rule in chosen:
                # Where no gate is written, the name is that of one rule.
                if ref.rule.name == rule.name and (not ref.gate or ref.gate.name == rule.gate):
                    tests[rule.id][test.title] = None
    return tuple(TextConflict(rule, tuple(tests[rule.id])) for rule in chosen)


def _expected_rules(test: nodes.TestDecl) -> Iterator[nodes.RuleRef]:
    for item in test.items:
        parts = item.rows if isinstance(item, nodes.ExpectEach) else [item]
        for part in parts:
            if isinstance(part, nodes.Expect | nodes.Row):
                for clause in part.clauses:
                    if isinstance(clause, nodes.ExpectRules):
                        yield from clause.rules
