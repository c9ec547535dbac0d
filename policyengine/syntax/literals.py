"""Read the written forms of numbers, and find the expressions in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from policyengine.model import values
from policyengine.model.limits import DIGITS

_GROUPS = re.compile(r"\d{1,3}(?:_\d{3})*(?:\.\d*)?")


def parse_int(text: str) -> int:
    """Read a whole number; `ValueError` says what is wrong."""
    text = _ungrouped(text)
    if len(text) > 1 and text[0] == "0":
        raise ValueError(f"an integer has no leading zero: `{text}`")
    if len(text) > DIGITS:
        raise ValueError(f"an integer has at most {DIGITS} digits")
    return int(text)


def parse_decimal(text: str) -> int:
    """Read a number with a fraction, in ten-thousandths; `ValueError` says what is wrong."""
    return values.parse_decimal(_ungrouped(text))


def _ungrouped(text: str) -> str:
    """Return a number without the `_` between its groups of digits."""
    if "_" in text and not _GROUPS.fullmatch(text):
        raise ValueError("a `_` in a number stands before each three digits of its whole part")
    return text.replace("_", "")


NUMBERS: Final[Mapping[str, Callable[[str], int]]] = {
    "INT": parse_int, "DECIMAL": parse_decimal, "DATETIME": values.parse_datetime,
    "DURATION": values.parse_duration, "MONTHS": values.parse_months,
}  # fmt: skip
"""What reads the terminals whose values are whole numbers."""


def closing_brace(text: str, opening: int) -> int | None:
    """Return the offset of the brace that closes the one at *opening*, None if there is none."""
    depth = 0
    for i in range(opening, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return i
    return None
