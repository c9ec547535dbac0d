"""Make fixes that remove something: whole lines, and only where no comment may be about them."""

from __future__ import annotations

from policyengine.diagnostics.diagnostic import Edit, Fix
from policyengine.diagnostics.source import Source, Span


def leave_out(source: Source, span: Span) -> Fix | None:
    """Return the fix that removes the text of *span*, None where an author must do it.

    That is where something else is on its lines, or where a comment in it or right above may be about it.
    """
    text = source.text
    start, end = _lines(text, span)
    above = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start]
    if text[start:end].strip() != text[span.start : span.end]:
        return None
    if "#" in text[start:end] or above.lstrip().startswith("#"):
        return None
    start, end = _with_blank(text, start, end)
    return Fix("leave it out", (Edit(Span(span.file, start, end), ""),))


def leave_out_comment(source: Source, span: Span) -> Fix:
    """Return the fix that removes a comment, with its line if nothing else is on it."""
    text = source.text
    start, end = _lines(text, span)
    beside = text[start : span.start].rstrip()
    edit = Span(span.file, start + len(beside), span.end) if beside else Span(span.file, start, end)
    return Fix("leave the comment out", (Edit(edit, ""),))


def _lines(text: str, span: Span) -> tuple[int, int]:
    """Return the offsets at which the lines of *span* begin and end."""
    end = text.find("\n", span.end)
    return text.rfind("\n", 0, span.start) + 1, len(text) if end < 0 else end + 1


def _with_blank(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span with one of the blank lines around it, if there is one on both sides."""
    above = text.rfind("\n", 0, max(start - 1, 0)) + 1
    if start == 0 or text[above:start].strip():
        return start, end
    after = text.find("\n", end) + 1 or len(text)
    return (above, end) if end == len(text) else (start, end if text[end:after].strip() else after)
