"""Read what is between the quotes of a string: escapes, and the `{expr}` of texts.

A mistake is reported with the place at which it is in the file, and left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Protocol

from policyengine.syntax.literals import closing_brace

_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")


class Report(Protocol):
    """Reports a mistake from *start* to *end* of the file."""

    def __call__(self, code: str, start: int, end: int, message: str, help: str = "") -> None: ...


def unquoted(body: str, start: int, report: Report, keep: str = "") -> str:
    """Return the text that *body*, from *start* on, is written for.

    Escapes of the characters in *keep* are kept.
    """

    def one(found: re.Match[str]) -> str:
        code, character = found[1], found[2]
        at = start + found.start()
        if code is not None:
            character = _code_point(int(code, 16), at, report)
            return f"\\{character}" if character and character in keep else character
        if character in keep:
            return found[0]
        if character in _ESCAPES:
            return _ESCAPES[character]
        star = "`\\*` for a star, " if "*" in keep else ""
        help = (
            f'an escape is {star}`\\"`, `\\\\`, `\\n`, `\\t` or `\\u` with four hexadecimal digits'
        )
        if character == "'":
            help = "write `'`: it needs no backslash"
        if character in "dwsDWSb.+?()[]|^$":
            help = "there are no regular expressions: in a pattern `*` is any text"
            if not star:
                help = "write `\\\\` for a backslash in a string"
        report("PE123", at, at + 2, f"`\\{character}` is no escape", help)
        return ""

    return _ESCAPE.sub(one, body) if "\\" in body else body


def _code_point(code: int, at: int, report: Report) -> str:
    if unicodedata.category(chr(code)) in ("Cc", "Cs") and chr(code) not in "\n\t":
        report("PE123", at, at + 6, f"U+{code:04X} may not be in a string")
        return ""
    return chr(code)


def cut_at_braces(body: str, start: int, report: Report) -> Iterator[tuple[str, int | None]]:
    """Give the parts of a text: each that is read as it is with None, each `{expr}` with its place."""
    text, i = "", 0
    while i < len(body):
        if body[i] == "\\":
            length = 6 if body[i + 1] == "u" else 2
            text += unquoted(body[i : i + length], start + i, report)
            i += length
        elif body.startswith(("{{", "}}"), i):
            text += body[i]
            i += 2
        elif body[i] == "}":
            help = "write `}}` for a brace in the text"
            report("PE124", start + i, start + i + 1, "`}` closes nothing", help)
            i += 1
        elif body[i] == "{":
            close = closing_brace(body, i)
            if close is None:
                help = "write `{{` for a brace in the text"
                report("PE124", start + i, start + i + 1, "`{` is not closed in this text", help)
                break
            if text:
                yield text, None
                text = ""
            yield body[i + 1 : close], start + i + 1
            i = close + 1
        else:
            text += body[i]
            i += 1
    if text:
        yield text, None
