"""Show decisions and explanations in notebooks, as little HTML: all text is escaped, and colours suit light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

_COLOURS: Final[Mapping[bool, str]] = {True: "#1a7f37", False: "#b42318"}

_HEADINGS: Final = ("allow", "deny", "title")


def verdict_html(
    verdict: str, cause: str, rows: Iterable[tuple[str, str]], *, allowed: bool
) -> str:
    """Return the HTML of a verdict, with a *cause* beside it and rows of a name and a text below."""
    colour = _COLOURS[allowed]
    badge = (
        f'<strong style="background:{colour};color:#fff;border-radius:.25em;padding:.1em .5em">'
        f"{escape(verdict)}</strong> <code>{escape(cause)}</code>"
    )
    listed = "".join(
        f'<div><span style="opacity:.75">{escape(name)}{": " if name else ""}</span>{escape(text)}</div>'
        for name, text in rows
    )
    style = f"border-left:.25em solid {colour};padding:.1em .75em;text-align:left;line-height:1.5"
    return f'<div style="{style}"><div>{badge}</div>{listed}</div>'


def lines_html(lines: Iterable[tuple[str, str]], *, allowed: bool) -> str:
    """Return the HTML of lines of text, each with its tone, of which headings are bold."""
    marked = "\n".join(
        f"<strong>{escape(text)}</strong>" if tone in _HEADINGS else escape(text)
        for text, tone in lines
    )
    style = f"border-left:.25em solid {_COLOURS[allowed]};padding:.1em .75em;white-space:pre-wrap;text-align:left"
    return f'<pre style="{style}">{marked}</pre>'
