"""Call what fulfils the obligations of a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from policyengine.model.decision import Decision
from policyengine.model.errors import UnhandledObligation
from policyengine.model.settings import check_done, shown_type

Handler: TypeAlias = Callable[..., object]
"""Fulfils an obligation; called with its parameters by name (see `PolicyEngine.fulfil`)."""


def fulfil(decision: Decision, handlers: Mapping[str, Handler]) -> None:
    """Call the handler of each obligation of *decision*, in order, with its parameters by name.

    Raises `UnhandledObligation` afterwards if some have none, and `TypeError` for one that is asynchronous.
    """
    if not hasattr(decision, "obligations"):
        raise TypeError(f"what is fulfilled is a decision, and not {shown_type(decision)}")
    lacking: dict[str, None] = {}
    for obligation in decision.obligations:
        handler = handlers.get(obligation.name)
        if handler is None:
            lacking[obligation.name] = None
            continue
        given = {"deny": not decision.allowed} if _takes_deny(handler) else {}
        done = handler(**obligation.parameters, **given)
        check_done(f"obligations[{obligation.name!r}]", done)
    if lacking:
        raise UnhandledObligation(lacking)


def _takes_deny(handler: Handler) -> bool:
    """Whether a handler asks for it whether the decision is a deny."""
    from inspect import signature  # loading and deciding need none

    try:
        return "deny" in signature(handler).parameters
    except (TypeError, ValueError):  # of a class that does not say
        return False
