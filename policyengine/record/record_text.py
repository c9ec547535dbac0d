"""Make the record of a decision, and say in one line what one is about, whatever it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from policyengine.model.settings import check_class, check_done
from policyengine.model.shown import escaped, shown_entity

if TYPE_CHECKING:
    from policyengine.model.decision import Decision


def record_of(
    decision: Decision, to_log: Callable[[Decision], dict[str, Any]] | None
) -> dict[str, Any]:
    """Return the record of a decision, by *to_log* if it is given; raises `TypeError` if that makes none."""
    if to_log is None:
        return decision.to_log()
    record = to_log(decision)
    check_done("to_log", record)
    check_class(
        "to_log()", record, dict, "give the record itself, and not its text", optional=False
    )
    return record


def asked_text(record: dict[str, Any]) -> str:
    """Return who asked what by a record, which may hold anything, in one line."""
    asked = record.get("request")
    asked = asked if isinstance(asked, dict) else {}
    action = asked.get("action")
    name = text_of(action.get("name")) if isinstance(action, dict) else "?"
    return f"{_entity(asked.get('subject'))} {name} {_entity(asked.get('resource'))}"


def _entity(part: Any) -> str:
    if not isinstance(part, dict):
        return "?"
    id_ = part.get("id")
    return shown_entity(text_of(part.get("type")), id_ if isinstance(id_, str) else "…")


def text_of(value: Any) -> str:
    """Return a text of a record, that holds nothing but it, in one line."""
    return escaped(value) if isinstance(value, str) else "?"
