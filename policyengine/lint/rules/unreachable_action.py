"""Find actions that no permit of some gate allows."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each action with a gate of which no permit can hold for it."""
    permits: dict[tuple[str, str], list[CheckedRule]] = {}
    for rule in subject.checked.rules:
        if rule.effect == "permit" and not rule.advisory:
            for action in {action for action, _, _ in rule.typings}:
                permits.setdefault((action, rule.gate), []).append(rule)
    for file in subject.files:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.ActionDecl):
                for name in declaration.names:
                    if name.name in subject.checked.schema.actions:
                        yield from _shut(subject, name, permits)


def _shut(
    subject: Subject, name: nodes.Ident, permits: dict[tuple[str, str], list[CheckedRule]]
) -> Iterator[Diagnostic]:
    schema = subject.checked.schema
    for gate in sorted(g for g, type_ in schema.gates.items() if type_.is_asked_for(name.name)):
        some = permits.get((name.name, gate), [])
        # Permits that hold for no action at all are findings of their own.
        # The checker reports an action without a permit.
        reported = all(subject.ask.never_holds(rule) for rule in some)
        if not reported and not any(_can_hold(subject, rule, name.name) for rule in some):
            yield warning(
                "PE406", name.span, f"no permit of gate `{gate}` can hold for `{name}`",
                "every request for it is denied: permit it there, or leave it out",
                several=Several(
                    f"no permit of gate `{gate}` can hold for {{count}} actions: {{names}}",
                    "every request for them is denied: permit them there, or leave them out",
                ),
            )  # fmt: skip


def _can_hold(subject: Subject, rule: CheckedRule, action: str) -> bool:
    targets = [target for target in rule.typings if target[0] == action]
    return rule.waivable or not subject.ask.never_holds(rule, targets)


RULE = LintRule(
    Code(
        "PE406", "unreachable-action", "An action that no permit of some gate reaches.",
        "Every request for it is denied, whatever the other gates say: its permits have conditions that never hold for this action. If it has no permit at all, `check` says so (PE311).",
        WORDS + 'action write by App on Post\npermit p: any when action.name == "read" and not resource.hidden\n',
        WORDS + 'action write by App on Post\npermit p: any when action.name == "read" or not resource.hidden\n',
    ),
    find,
)  # fmt: skip
