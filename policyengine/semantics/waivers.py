"""Check waivers: of a waivable rule, for what it may see, with a date, a ticket and an approver."""

from __future__ import annotations

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.rules import WaivedEntity
from policyengine.model.types import TargetKey
from policyengine.semantics import messages
from policyengine.semantics.checked import CheckedRule, Waiver
from policyengine.semantics.clauses import report_repeated
from policyengine.semantics.names import Scope
from policyengine.semantics.rule_checks import RuleChecker
from policyengine.syntax import nodes


def check_waiver(declaration: nodes.WaiverDecl, scope: Scope, rules: RuleChecker) -> Waiver | None:
    """Return a waiver, None after reporting what is wrong with it; *rules* are all checked."""
    before = len(rules.problems)
    report_repeated(declaration.clauses, rules.problems)
    rule_id = rules.rule_id(declaration.gate, declaration.rule)
    given = {type(clause): clause for clause in reversed(declaration.clauses)}
    named = [given[kind] for kind in (nodes.WaivedFor, nodes.WaivedOn) if kind in given]
    subject = _waived(given.get(nodes.WaivedFor), scope, rules)
    resource = _waived(given.get(nodes.WaivedOn), scope, rules)
    if not named:
        help = 'add `for App "acme"`, `on Folder "f"`, or both'
        problem = messages.waiver_lacks(declaration.name, "`for` and no `on`", help)
        rules.problems.append(problem)
    for kind, what, help in (
        (nodes.Until, "date", "add `until 2027-01-31`"),
        (nodes.Ticket, "ticket", 'add `ticket "…"`'),
        (nodes.ApprovedBy, "approver", 'add `approved_by "…"`'),
    ):
        if kind not in given:
            rules.problems.append(messages.waiver_lacks(declaration.name, what, help))
    targets: frozenset[TargetKey] = frozenset()
    if rule_id:
        written = rules.written[rule_id]
        if not any(isinstance(clause, nodes.Waivable) for clause in written.clauses):
            rules.problems.append(messages.not_waivable(declaration.rule, written))
        checked = rules.rules.get(rule_id)
        if checked is not None and len(named) == sum(w is not None for w in (subject, resource)):
            targets = _targets(checked, subject, resource, rules)
            if named and not targets and checked.typings:
                rules.problems.append(_stranger(named, checked, subject, resource, rules))
    if len(rules.problems) > before or rule_id is None:
        return None
    until, ticket, approver = given[nodes.Until], given[nodes.Ticket], given[nodes.ApprovedBy]
    assert isinstance(until, nodes.Until)
    assert isinstance(until.moment.value, int)
    assert isinstance(ticket, nodes.Ticket)
    assert isinstance(approver, nodes.ApprovedBy)
    return Waiver(
        declaration.name.name, rule_id, subject, resource, targets, until.moment.value,
        ticket.text, approver.text, declaration.span,
    )  # fmt: skip


def _waived(
    clause: nodes.WaiverClause | None, scope: Scope, rules: RuleChecker
) -> WaivedEntity | None:
    """Return the entity that a waiver names; None if it names none, or one of an unknown type."""
    match clause:
        case nodes.WaivedFor(entity, within) | nodes.WaivedOn(entity, within):
            type_ = rules.vocabulary.entity_name(entity.type, scope)
            return None if type_ is None else WaivedEntity(type_, entity.id, within)
        case _:
            return None


def _targets(
    rule: CheckedRule,
    subject: WaivedEntity | None,
    resource: WaivedEntity | None,
    rules: RuleChecker,
) -> frozenset[TargetKey]:
    """Return the targets of *rule* whose subject and resource may be those of a waiver."""

    def may_be(waived: WaivedEntity | None, type_: str) -> bool:
        if waived is None or waived.type == type_:
            return True
        return waived.within and waived.type in rules.vocabulary.ancestors(type_)

    return frozenset(t for t in rule.typings if may_be(subject, t[1]) and may_be(resource, t[2]))


def _stranger(
    named: list[nodes.WaiverClause],
    rule: CheckedRule,
    subject: WaivedEntity | None,
    resource: WaivedEntity | None,
    rules: RuleChecker,
) -> Diagnostic:
    """Return the problem of a waiver for what *rule* never sees: one of two parts, or both together."""
    parts = {"subject": subject, "resource": resource}
    if subject is not None and not _targets(rule, subject, None, rules):
        parts["resource"] = None
    elif resource is not None and not _targets(rule, None, resource, rules):
        parts["subject"] = None
    never = {part: waived for part, waived in parts.items() if waived is not None}
    wanted = nodes.WaivedOn if "resource" in never else nodes.WaivedFor
    [clause] = [clause for clause in named if isinstance(clause, wanted)]
    return messages.waived_stranger(clause.entity.span, never, rule.id)
