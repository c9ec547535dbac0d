"""Say what is left to decide of a request of which parts are unknown (`decide --unknowns`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from policyengine.cli.asking import arguments
from policyengine.cli.output import FailingInput, not_fitting, say_parts

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.intake.raw import RawRequest
    from policyengine.partial.residual import Residual

_PARTS = ("subject", "resource", "context")


def what_is_left(engine: PolicyEngine, raw: RawRequest, unknowns: Sequence[str]) -> Residual:
    """Return what is left of a request of which *unknowns* are not known.

    Raises `FailingInput` if it does not fit, or a path is none.
    """
    from policyengine.model.errors import InvalidRequest

    parts: dict[str, Any] = arguments(raw)
    types: dict[str, Any] = {}
    for name in _PARTS:
        if name in unknowns:
            given, parts[name] = parts[name], None
            if name != "context" and isinstance(given, dict):
                types[f"{name}_type"] = given.get("type")
        elif name == "context" and parts[name] is None:
            parts[name] = {}
    action = parts["action"]
    parts["action"] = action.get("name") if isinstance(action, dict) else action
    try:
        return engine.partial(**parts, **types, unknowns=[u for u in unknowns if u not in _PARTS])
    except InvalidRequest as refusal:
        raise not_fitting(refusal) from None
    except ValueError as problem:
        raise FailingInput(str(problem)) from None


def show_residual(title: str, left: Residual) -> None:
    """Write what is left for a person; empty parts are left out."""
    verdict = ("depends", "bold yellow")
    if left.always or left.never:
        verdict = ("allow", "bold green") if left.always else ("deny", "bold red")
    said = "  whatever the rest is" if left.always or left.never else ""
    say_parts(verdict, (said + (f"  {title}" if title else ""), None))
    for label, text in _lines(left):
        say_parts((f"  {label:<12}", "dim"), (text, None))


def _lines(left: Residual) -> Iterator[tuple[str, str]]:
    document = left.to_dict()
    if not (left.always or left.never):
        yield "allowed if", document["condition"]
        yield "reads", ", ".join(document["reads"])
    always: list[str] = []
    sometimes: list[tuple[str, str]] = []
    for shown in ("exposed", "masks"):
        for name, condition in (document[shown] or {}).items():
            if condition == "true":
                always.append(name)
            else:
                sometimes.append((name, condition))
    if always:
        yield "shows", ", ".join(always)
    for condition in dict.fromkeys(condition for _, condition in sometimes):
        names = ", ".join(name for name, of in sometimes if of == condition)
        yield "shows", f"{names} if {condition}"
    for owed in document["obligations"]:
        given = ", ".join(f"{name}: {text}" for name, text in owed["arguments"].items())
        when = "" if owed["condition"] == "true" else f" if {owed['condition']}"
        yield f"after {owed['after']}", f"{owed['id']}({given}){when}"
    if document["valid_until"] is not None:
        yield "valid until", document["valid_until"]
