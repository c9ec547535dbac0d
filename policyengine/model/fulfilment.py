"""Call what fulfils the obligations of a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policyengine.model.decision import Decision


def fulfil(decision: Decision, handlers: Mapping[str, Callable[..., object]]) -> None:
    """Call the handler of each obligation of *decision*, in order, with its parameters by name."""
    for obligation in decision.obligations:
        handler = handlers[obligation.name]
        given = {"deny": not decision.allowed} if _takes_deny(handler) else {}
        handler(**obligation.parameters, **given)


def _takes_deny(handler: Callable[..., object]) -> bool:
    """Whether a handler asks for it whether the decision is a deny."""
    from inspect import signature  # loading and deciding need none

    try:
        return "deny" in signature(handler).parameters
    except (TypeError, ValueError):  # of a class that does not say
        return False
