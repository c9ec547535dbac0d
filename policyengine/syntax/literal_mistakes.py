"""Recognise mistakes in what is written out: strings, numbers, dates, durations and months."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.model.limits import DIGITS
from policyengine.syntax.foreign_calls import UNITS
from policyengine.syntax.parse_state import ParseState, kind_of

_DURATION = "a duration is written in whole `w`, `d`, `h`, `m`, `s`, `ms` or `us`, as `1d12h`"
_MONTHS = "months are like `18y`, `6mo`, `1y6mo`; a duration is added by itself: `x + 1mo + 1d`"
_BETWEEN = "write `low <= x and x <= high`"
_TIMES = {"k": 1_000, "mio": 1_000_000, "bn": 1_000_000_000}
_SIZES = {"b": 0, "kb": 3, "mb": 6, "gb": 9, "tb": 12, "kib": 3, "mib": 6, "gib": 9, "g": 9}
_MEASURE = re.compile(
    r"\d+(kg|[mk]?g|lbs?|oz|[kcm]m|mi|ft|p[xt]|eur|usd|gbp|chf|pct|percent|points?|(?:user|item|page|post)s?)",
    re.IGNORECASE,
)
_MOST_DAYS, _MOST_MONTHS = 31, 12
_CAPITALS = re.compile(r"(?:\d+(?:w|d|h|m|s|ms|us))+|\d+y(?:\d+mo)?|\d+mo")
_FOREIGN_DATE = re.compile(
    r"(?<![\w.])(?:\d{4}([./])\d{1,2}\1\d{1,2}|\d{1,2}([./])\d{1,2}\2\d{4})(?![\w.])"
)
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?Z?(?!\w)")
_MOMENT = re.compile(
    r"(?<![\w.])(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)([ \t]*[Zz]|[ \t]*[+-][ \t]*\d\d:\d\d)(?![\w:])"
)
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
        return error("PE119", s.span, "a date is written without quotes", f"write `{s.text[1:-1]}`")
    if s.before and _TIME.match(s.source.text, s.start):
        day = re.search(r"\d{4}-\d\d-\d\d\s*\Z", s.source.text[: s.start])
        time = _TIME.match(s.source.text, s.start)
        if day and time:
            span = Span(s.source.name, day.start(), time.end())
            help = f"write `{day[0].strip()}T{int(time[1]):02}:{time[2]}:{time[3] or '00'}Z`"
            return error("PE120", span, f"`{s.source.at(span)}` is no datetime", help)
    month = re.compile(r"\d{4}-\d{2}(?![-\w])").match(s.source.text, s.start)
    if month and s.accepts == {"DATETIME"}:
        span = Span(s.source.name, s.start, month.end())
        return error("PE120", span, f"`{month[0]}` is no date", f"write `{month[0]}-01`")
    moment = _moment_nearby(s)
    if moment is not None:
        return moment
    of_day = _TIME.match(s.source.text, s.start - len(s.last_word))
    if s.text == ":" and of_day and s.last_word.isdigit():
        span = Span(s.source.name, of_day.start(), of_day.end())
        help = 'a time of day is in a schedule: `now within schedule "09:00-18:00 Europe/Berlin"`'
        return error("PE120", span, f"`{of_day[0]}` is no value", help)
    return _foreign_date(s) or _dotted(s) or _cut_fraction(s) or _no_value(s)


def _moment_nearby(s: ParseState) -> Diagnostic | None:
    """`2026-01-01T10:00:00z`, `2026-01-01t10:00Z` and `2026-01-01T10:00 +01:00`."""
    if s.text[:1] not in "0123456789:+-tTzZ":
        return None
    line = s.source.text.rfind("\n", 0, s.start) + 1
    for found in _MOMENT.finditer(s.source.text, line):
        if not found.start() <= s.start < found.end():
            continue
        right = f"{found[1]}T{found[2]}{''.join(found[3].split()).upper()}"
        if right != found[0]:
            span = Span(s.source.name, found.start(), found.end())
            return error("PE120", span, f"`{found[0]}` is no datetime", f"write `{right}`")
    return None


def _foreign_date(s: ParseState) -> Diagnostic | None:
    """`01/02/2026`, `1.2.2026`"""
    if s.text[:1] not in "/.0123456789" or "DATETIME" not in s.accepts | {"DATETIME"}:
        return None
    line = s.source.text.rfind("\n", 0, s.start) + 1
    for found in _FOREIGN_DATE.finditer(s.source.text, line):
        if found.start() > s.end:
            break
        if found.end() < s.start:
            continue
        numbers = [int(number) for number in re.findall(r"\d+", found[0])]
        year_first = numbers[0] > _MOST_DAYS
        year, *days = numbers if year_first else (numbers[2], *numbers[:2])
        orders = [days] if year_first else [days[::-1], days]
        dates = [f"`{year:04}-{m:02}-{d:02}`" for m, d in orders if m <= _MOST_MONTHS]
        if not dates:
            continue
        help = "write " + " or ".join(dict.fromkeys(dates))
        span = Span(s.source.name, found.start(), found.end())
        return error("PE120", span, f"`{found[0]}` is no date", help)
    return None


def _dotted(s: ParseState) -> Diagnostic | None:
    dotted = re.search(r"\d+\.\d+\.[0-9.]*\Z", s.source.text[max(0, s.start - 60) : s.end])
    if not dotted:
        return None
    is_address = re.fullmatch(r"\d+\.\d+\.\d+\.\d+", dotted[0])
    prefix = re.compile(r"/\d+").match(s.source.text, s.end)
    end = prefix.end() if prefix and is_address else s.end
    span = Span(s.source.name, s.end - len(dotted[0]), end)
    written = s.source.at(span)
    help = f'write `ip "{written}"`' if is_address else ""
    return error("PE120", span, f"`{written}` is no number", help)


def _cut_fraction(s: ParseState) -> Diagnostic | None:
    """`5.`, `.5`, `1.5h`"""
    before = s.source.text[max(0, s.start - 20) : s.start]
    fraction = re.search(r"(\d+)\.\Z", before)
    if fraction and not s.text[:1].isdigit():
        span = Span(s.source.name, s.start - len(fraction[0]), s.start)
        if s.text == ".":
            span = Span(s.source.name, span.start, s.end)
            return error("PE110", span, "there is no `..` in this language", _BETWEEN)
        return error("PE120", span, f"`{fraction[0]}` is no number", f"write `{fraction[1]}.0`")
    whole = re.search(r"(\d+)\.\s+\Z", before)
    if whole:
        span = Span(
            s.source.name, s.start - len(whole[0]), s.start - len(whole[0]) + len(whole[1]) + 1
        )
        return error("PE120", span, f"`{whole[1]}.` is no number", f"write `{whole[1]}.0`")
    if s.terminal == "_DOT" and s.wants_expression():
        digits = re.compile(r"\.(\d+)").match(s.source.text, s.start)
        if digits:
            span = Span(s.source.name, s.start, digits.end())
            return error("PE120", span, f"`{digits[0]}` is no number", f"write `0{digits[0]}`")
    if fraction and s.text[:1].isdigit():
        span = Span(s.source.name, s.start - len(fraction[0]), s.end)
        message = f"`{fraction[0]}{s.text}` is no number, date or duration"
        help = {"DURATION": _DURATION, "MONTHS": _MONTHS}.get(s.terminal or "", "")
        return error("PE120", span, message, _in_smaller_units(fraction[1], s.text) or help)
    return None


def _in_smaller_units(whole: str, rest: str) -> str:
    """Return what to write for `1.5d`; empty if it is no whole number of the next smaller unit."""
    number = re.fullmatch(r"(\d{1,3})([wdhm])", rest)
    if not number or len(whole) > len("10000"):
        return ""
    smaller, times = _SMALLER[number[2]]
    tenths = 10 ** len(number[1])
    count = int(whole + number[1]) * times
    return "" if count % tenths else f"write `{count // tenths}{smaller}`"


_SMALLER = {"w": ("d", 7), "d": ("h", 24), "h": ("m", 60), "m": ("s", 60)}


def _no_value(s: ParseState) -> Diagnostic | None:
    if s.terminal or not s.text[:1].isdigit():
        return None
    named = s.accepts & {"NAME", "IDENT"} and not s.wants_expression()
    if named and re.fullmatch(r"\w+", s.text):
        kinds = {kind_of(item) for item in s.stack}
        quoted = kinds & {"_ENUM", "_LEVELS"} and "STRING" in s.accepts
        help = f'quote it: `"{s.text}"`' if quoted else f"write `_{s.text}`"
        return error(
            "PE120", s.span, f"{s.found} is no name: names begin with a letter or `_`", help
        )
    return error("PE120", s.span, f"{s.found} is no number, date or duration", _instead(s.text))


def _instead(text: str) -> str:
    """Return what to write for a word that begins with a digit."""
    if re.fullmatch(r"\d[\d_]*", text):
        return f"write `{text.replace('_', '')}`"
    if _CAPITALS.fullmatch(text.lower()) and not re.search(r"M(?![oOsS])", text):
        return f"write `{text.lower()}`"  # `M` may be minutes, months or millions
    number = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    if number:
        digits, unit = int(number[1]), number[2].lower()
        short = UNITS.get(unit if unit.endswith("s") else f"{unit}s")
        if short:
            return f"write `{digits}{short}`"
        if number[2] == "M":
            return f"write `{digits}mo` for months, or `{digits * 1_000_000:_}`"
        times = _TIMES.get(unit)
        if times:
            return f"write `{digits * times:_}`"
        if unit in _SIZES:
            return f"a number has no unit: write `{digits}`, or `{digits * 10 ** _SIZES[unit]:_}`"
    power = re.fullmatch(r"(\d)[eE](\d{1,2})", text)
    if power and int(power[2]) < DIGITS:
        return f"write `{int(power[1]) * 10 ** int(power[2]):_}`"
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,12}|0[bB][01]{1,48}|0[oO][0-7]{1,16}", text):
        return f"write `{int(text, 0)}`"
    if re.search(r"\d(?:[yY]|[mM]o|M)", text) and re.fullmatch(
        r"(?:\d+(?:\.\d+)?[A-Za-z]+)+", text
    ):
        return _MONTHS
    if number and _MEASURE.fullmatch(text):
        return f"a number has no unit: write `{int(number[1])}`"
    if re.fullmatch(r"\d+(\.\d+)?[A-Za-z]{1,7}", text):
        return _DURATION
    return "names begin with a letter" if re.fullmatch(r"\d+[A-Za-z_]{4,}\w*", text) else ""
