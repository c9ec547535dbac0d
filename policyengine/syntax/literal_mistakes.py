"""Recognise mistakes in what is written out: strings, numbers, dates, durations and months."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.syntax.parse_state import ParseState

_DURATION = "a duration is written in whole `w`, `d`, `h`, `m`, `s`, `ms` or `us`, as `1d12h`"
_MONTHS = "months are like `18y`, `6mo`, `1y6mo`; a duration is added by itself: `x + 1mo + 1d`"
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)([\w:.]*)")


def unclosed_string(s: ParseState) -> Diagnostic | None:
    """A quote that is not closed on its line."""
    if s.terminal or not s.text.startswith('"'):
        return None
    end = s.source.text.find("\n", s.start)
    line = s.source.text[s.start : end if end >= 0 else None].rstrip()
    return error(
        "PE107", Span(s.source.name, s.start, s.start + len(line)),
        "this string is not closed on its line",
        'close it with `"`; a backslash before the quote makes it part of the text'
        if line.endswith('"') and len(line) > 1 else 'close it with `"`',
    )  # fmt: skip


def bad_number(s: ParseState) -> Diagnostic | None:
    """A word that begins with a digit and is no value; a date that is not written as one."""
    date = _DATE.match(s.source.text, s.start)
    if date and "DATETIME" in s.accepts and s.terminal != "DATETIME":
        span = Span(s.source.name, s.start, date.end())
        help = f"write `{date[1]}-{int(date[2]):02}-{int(date[3]):02}`"
        if date[4]:
            help = "a moment is written `2026-09-01T10:00:00Z`"
        return error("PE120", span, f"`{date[0]}` is no date", help)
    if s.terminal == "STRING" and s.accepts == {"DATETIME"}:
        return error("PE119", s.span, "a date is written without quotes")
    dotted = re.search(r"\d+\.\d+\.[0-9.]*\Z", s.source.text[max(0, s.start - 60) : s.end])
    if dotted:
        is_address = re.fullmatch(r"\d+\.\d+\.\d+\.\d+", dotted[0])
        help = f'write `ip "{dotted[0]}"`' if is_address else ""
        span = Span(s.source.name, s.end - len(dotted[0]), s.end)
        return error("PE120", span, f"`{dotted[0]}` is no number", help)
    fraction = re.search(r"\d+\.\Z", s.source.text[max(0, s.start - 20) : s.start])
    if fraction and s.text[:1].isdigit():
        span = Span(s.source.name, s.start - len(fraction[0]), s.end)
        message = f"`{fraction[0]}{s.text}` is no number, date or duration"
        help = {"DURATION": _DURATION, "MONTHS": _MONTHS}.get(s.terminal or "", "")
        return error("PE120", span, message, help)
    if s.terminal or not s.text[:1].isdigit():
        return None
    help = "names begin with a letter" if re.fullmatch(r"\d+[A-Za-z_]{4,}\w*", s.text) else ""
    if re.fullmatch(r"\d+(\.\d+)?[A-Za-z]{1,7}", s.text):
        help = _DURATION
    if re.fullmatch(r"(?:\d+(?:\.\d+)?[A-Za-z]+)+", s.text) and re.search(
        r"\d(?:[yY]|[mM]o|M)", s.text
    ):
        help = _MONTHS
    if re.fullmatch(r"\d[\d_]*", s.text):
        help = f"write `{s.text.replace('_', '')}`"
    return error("PE120", s.span, f"{s.found} is no number, date or duration", help)
