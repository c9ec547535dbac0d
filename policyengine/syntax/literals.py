"""Read the written forms of numbers, and find what a text interpolates."""

from __future__ import annotations

from policyengine.model.limits import DIGITS


def parse_int(text: str) -> int:
    """Read a whole number; `ValueError` says what is wrong."""
    if len(text) > 1 and text[0] == "0":
        raise ValueError(f"an integer has no leading zero: `{text}`")
    if len(text) > DIGITS:
        raise ValueError(f"an integer has at most {DIGITS} digits")
    return int(text)


def closing_brace(text: str, opening: int) -> int | None:
    """Return where the brace at *opening* is closed, None if it is not."""
    depth = 0
    for i in range(opening, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return i
    return None
