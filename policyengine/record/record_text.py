"""Say in one line what a record is about, whatever it holds."""

from __future__ import annotations

from typing import Any

from policyengine.model.shown import escaped, shown_entity


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
