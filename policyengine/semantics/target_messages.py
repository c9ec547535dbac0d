"""Word the diagnostics of what rules and gates cover; see `messages.py`."""

from __future__ import annotations

from collections.abc import Sequence

from policyengine.diagnostics.diagnostic import Diagnostic, Several, error, warning
from policyengine.model.types import TargetKey
from policyengine.semantics.messages import FEW, listed
from policyengine.syntax import nodes


def type_for_action(ident: nodes.Ident) -> Diagnostic:
    """An entity type among actions and groups."""
    message = f"there is no action or group `{ident}`, it is an entity type"
    return error("PE205", ident.span, message, f"write `any on {ident}`, or `any by {ident}`")


def covers_too_much(rule: nodes.Ident, cost: int, most: int) -> Diagnostic:
    """A rule with which a set has too much to check."""
    return error(
        "PE332", rule.span,
        f"with `{rule.name}` the rules and gates of this set have {cost:,} parts in all the targets that they "
        f"cover, and at most {most:,} are allowed",
        "let rules cover less, or allow more with `Limits(coverage=…)`",
    )  # fmt: skip


def too_many_targets(action: nodes.Ident, count: int, most: int) -> Diagnostic:
    """An action with which a set has too many targets."""
    return error(
        "PE333", action.span,
        f"with the action `{action.name}` this set has {count:,} targets, each an action with the "
        f"types of its subject and resource, and at most {most:,} are allowed",
        "narrow `by` and `on`, or allow more with `Limits(targets=…)`",
    )  # fmt: skip


def covers_nothing(target: nodes.Target, why: str) -> Diagnostic:
    """A target that no action and types fit."""
    return error("PE310", target.span, f"this covers no action: {why}")


def out_of_range(
    ident: nodes.Ident, gate: str, outside: Sequence[str], inside: Sequence[str]
) -> Diagnostic:
    """An action, or one that a group covers, to which a gate does not apply."""
    covered = "" if list(outside) == [ident.name] else f", which `{ident}` covers"
    few = inside if len(inside) <= FEW else ()
    return error(
        "PE350", ident.span,
        f"gate `{gate}` does not apply to {listed(outside[:FEW], 'and')}{covered}",
        f"it applies to {listed(few, 'and')}" if few else "",
    )  # fmt: skip


def idle_exception(ident: nodes.Ident, *, taken_anyway: bool) -> Diagnostic:
    """An exception without which a target covers the same."""
    why = "another exception does so" if taken_anyway else "this does not cover it anyway"
    return error("PE351", ident.span, f"the exception `{ident}` takes nothing away: {why}")


def no_gate(ident: nodes.Ident, target: TargetKey, *, everywhere: bool) -> Diagnostic:
    """An action to which no gate applies: with any types, or with some."""
    _, subject, resource = target
    types = "" if everywhere else f" by `{subject}` on `{resource}`"
    return error(
        "PE352", ident.span, f"no gate applies to `{ident.name}`{types}",
        "let a gate apply to it, or declare one without `for`",
    )  # fmt: skip


def never_permitted(ident: nodes.Ident, gates: Sequence[str], *, declared: bool) -> Diagnostic:
    """An action that some gate can never permit (a warning)."""
    which = f"gate{'s' * (len(gates) > 1)} {listed(gates, 'and')}"
    help = f'permit it there, or say what the gate applies to: `gate {gates[0]} "…" for actions`'
    several = Several(
        f"no rule of {which} permits {{count}} actions, so they are always denied: {{names}}",
        help.replace("permit it", "permit them") if declared else "",
    )
    return warning(
        "PE311", ident.span, f"no rule of {which} permits `{ident.name}`, so it is always denied",
        help if declared else "", several=several,
    )  # fmt: skip
