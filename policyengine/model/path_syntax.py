"""Read paths and patterns of paths: the texts of which every path has exactly one.

Servers read `..`, `//`, `%2e`, `;` and the like in different ways, so none of these is in a path. What is
left is a list of segments whose text says the same to everybody: two paths are equal when their texts are,
and the canonical value of a path is its text.
"""

from __future__ import annotations

import re
from typing import Final

MOST_CHARACTERS: Final = 4_096
"""Code points of a path or a pattern."""

MOST_SEGMENTS: Final = 256
"""Segments of a path or a pattern."""

_SEGMENT: Final = r"[^/\x00-\x1f\x7f-\x9f%\\?#;*\ud800-\udfff]++(?<![. ])"
_PATH: Final = re.compile(rf"/|(?:/{_SEGMENT})++")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

_FORBIDDEN: Final = {
    "%": "a path has no `%`: it is decoded before",
    "\\": "a path has no backslash: its segments have `/` between them",
    "?": "a path has no `?`: the query is cut off before",
    "#": "a path has no `#`: what follows it is cut off before",
    ";": "a path has no `;`, which servers read in different ways",
    "*": "a path has no `*`: only a pattern has, after `like path`",
}


def is_path(text: str) -> bool:
    """Whether *text* is a path."""
    short = len(text) <= MOST_CHARACTERS and text.count("/") <= MOST_SEGMENTS
    return short and _PATH.fullmatch(text) is not None


def parse_path(text: str) -> str:
    """Return *text* if it is a path; `ValueError` says what is wrong."""
    if not is_path(text):
        raise ValueError(_wrong(text))
    return text


def parse_pattern(text: str) -> str:
    """Return *text* if it is a pattern of paths; `ValueError` says what is wrong."""
    if any("**" in segment != "**" for segment in text.split("/")):
        raise ValueError("`**` stands for whole segments, so nothing is beside it in its segment")
    parse_path(text.replace("*", "x"))
    return text


def segments_of(path: str) -> list[str]:
    """Return the segments of a path or a pattern; the root has none."""
    return path[1:].split("/") if len(path) > 1 else []


def _wrong(text: str) -> str:
    """Return what is wrong with a text that is no path."""
    forbidden = [problem for character, problem in _FORBIDDEN.items() if character in text]
    if not text.startswith("/"):
        return "a path begins with `/`"
    if len(text) > MOST_CHARACTERS:
        return f"a path has at most {MOST_CHARACTERS:,} characters"
    if text.count("/") > MOST_SEGMENTS:
        return f"a path has at most {MOST_SEGMENTS} segments"
    if forbidden:
        return forbidden[0]
    if _CONTROL.search(text):
        return "a path has no control character"
    if _SURROGATE.search(text):
        return "a path has no half of a surrogate pair"
    if text.endswith("/"):
        return "a path does not end with `/`"
    if "//" in text:
        return "a path has no empty segment, so no `//`"
    if any(segment in (".", "..") for segment in text.split("/")):
        return "a path has no `.` and no `..`: it says where it leads"
    return "no segment of a path ends with a dot or a space"
