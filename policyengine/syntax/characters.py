"""Refuse text that cannot be read safely, before the lexer sees it.

There is one linear pass for each thing that no policy may contain: characters that are invisible or
reorder the text (a reviewer would read something else than the engine), characters outside ASCII in
words (they imitate keywords and names), and brackets nested without end. Each pass is a regular
expression, so that a large hostile file costs milliseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic, error
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits

# Built from code points, so that this file does not contain what it refuses. U+200C and U+200D,
# which several scripts and emoji need inside words, are left alone.
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_INVISIBLE = [
    0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x200B, *range(0x2060, 0x2066),
    *range(0x206A, 0x2070), 0x3164, 0xFEFF, 0xFFA0, *range(0xFFF9, 0xFFFC),
]  # fmt: skip
_TAGS = 0xE0000
_CONTROL = [
    *(c for c in range(0x20) if c not in (0x09, 0x0A, 0x0D)), *range(0x7F, 0xA0), 0x2028, 0x2029,
]  # fmt: skip
_UNSAFE = re.compile(
    f"[{''.join(map(chr, (*_BIDI, *_INVISIBLE, *_CONTROL)))}\ud800-\udfff\U000e0000-\U000e0fff]"
    r"|\r(?!\n)"
)

_QUOTED = r'"(?:[^"\\\r\n]|\\[^\r\n])*"?|#[^\n]*'
_QUOTED_OR_FOREIGN = re.compile(_QUOTED + r"|[^\x00-\x7f][^\x00-/:-@\[-^`{-\x7f]*")
_QUOTED_OR_BRACKET = re.compile(_QUOTED + r"|[(){}\[\]]")

_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_LONGEST_WORD = 60
"""The number of characters of a word that a message shows."""

LOOKALIKES: Final[Mapping[str, str]] = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    **dict(zip("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u051b\u051d"
               "\u043a\u043c\u0442\u043d\u0432", "aeopcyxijshqwkmthb", strict=True)),
    **dict(zip("\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408"
               "\u0405\u0423", "ABEKMHOPCTXIJSY", strict=True)),
    **dict(zip("\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5"
               "\u03a7", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("\u03b1\u03b9\u03bd\u03bf\u03c1\u03c5\u03ba\u0131\u0261", "aivopukig", strict=True)),
    "\u00d7": "*", "\u2217": "*", "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u2026": "...",
    "\u2227": "and", "\u2228": "or", "\u00ac": "not", "\u2208": "in", "\u2286": "subset",
    "\u2192": "->", "\u2236": ":", "\u037e": ";",
}  # fmt: skip
"""The ASCII text to type instead of characters that look like ASCII."""


def check_characters(source: Source, limits: Limits) -> list[Diagnostic]:
    """Return the problems that make a text unsafe to read, at most `MOST_SHOWN`.

    The size comes first, since nothing else matters in a text that is too large.
    """
    if len(source.text) > limits.source_size:
        return [_too_large(source, limits)]
    problems = _unsafe_characters(source)
    problems += _foreign_characters(source)
    if not problems:
        problems += _nested_too_deep(source, limits)
    return problems[:MOST_SHOWN]


def _too_large(source: Source, limits: Limits) -> Diagnostic:
    return error(
        "PE106", Span(source.name, 0, 0),
        f"this file has {len(source.text):,} characters, more than {limits.source_size:,}",
        "spread it over several files",
    )  # fmt: skip


def _unsafe_characters(source: Source) -> list[Diagnostic]:
    problems = []
    for found in _UNSAFE.finditer(source.text):
        span = Span(source.name, found.start(), found.end())
        code = ord(found[0])
        help = "remove it"
        if found[0] == "\r":
            what, help = "a carriage return without a line feed", "end lines with a line feed"
        elif code == 0:
            what, help = "U+0000", "this seems to be no text file"
        elif code in _BIDI:
            what = f"{_named(found[0])}, which changes the order in which text is shown"
            help = f"remove it, or write `\\u{code:04x}` in a string"
        elif code in _INVISIBLE or code >= _TAGS:
            what = f"{_named(found[0])}, which nobody can see"
        else:
            what = f"the control character {_named(found[0])}"
        problems.append(error("PE104", span, f"a policy may not contain {what}", help))
        if len(problems) == MOST_SHOWN or code == 0:  # one NUL is enough
            break
    return problems


def _foreign_characters(source: Source) -> list[Diagnostic]:
    if source.text.isascii():
        return []
    problems = []
    for found in _QUOTED_OR_FOREIGN.finditer(source.text):
        if found[0][0] in '"#':
            continue
        start = found.start()
        while start > 0 and source.text[start - 1] in _WORD and found.end() - start < _LONGEST_WORD:
            start -= 1
        word = source.text[start : min(found.end(), start + _LONGEST_WORD)]
        if _UNSAFE.search(word):  # which is reported already
            continue
        first = next(c for c in word if not c.isascii())
        ascii_word = "".join(_lookalike(c) for c in word)
        shown = f"`{word}` contains {_named(first)}" if len(word) > 1 else _named(first)
        help = f"write `{ascii_word}`" if ascii_word.isascii() and ascii_word.strip() else ""
        if first.isspace():
            shown, help = _named(first), "write a space"
        span = Span(source.name, start, found.end())
        message = f"only strings and comments may go beyond ASCII: {shown}"
        problems.append(error("PE105", span, message, help))
        if len(problems) == MOST_SHOWN:
            break
    return problems


def _nested_too_deep(source: Source, limits: Limits) -> list[Diagnostic]:
    depth = 0
    for found in _QUOTED_OR_BRACKET.finditer(source.text):
        if found[0] in "({[":
            depth += 1
            if depth > limits.nesting:
                span = Span(source.name, found.start(), found.end())
                message = f"this bracket is nested more than {limits.nesting} levels deep"
                help = "give parts of it a name with `define` or `const`"
                return [error("PE102", span, message, help)]
        elif found[0] in ")}]":
            depth = max(0, depth - 1)
    return []


def _named(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def _lookalike(character: str) -> str:
    """Return the ASCII text that *character* looks like, or itself."""
    if character.isascii():
        return character
    if character in LOOKALIKES:
        return LOOKALIKES[character]
    plain = unicodedata.normalize("NFKD", character)
    return "".join(c for c in plain if not unicodedata.combining(c))
