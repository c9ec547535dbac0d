"""Show values to people: in one line, escaped as policies write strings, and no longer than is read.

All text of a request passes through here before it is in a reason, an explanation, a problem, a log or
a page, so that it can neither look like text of the engine nor fill the screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import nsmallest
from typing import Any, Final, assert_never
from unicodedata import combining, is_normalized

from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, PRIMITIVE_TEXT, slot, text_of

MOST_CHARACTERS: Final = 200
"""Most characters of one text that are shown, the escapes counted."""

MOST_ELEMENTS: Final = 10
"""Most elements of one set that are shown."""

_SHORT: Final = {"\n": "\\n", "\t": "\\t", "\\": "\\\\"}
_BASIC: Final = 0xFFFF
"""The last code point that has four hexadecimal digits."""

# Characters that `str.isprintable` lets pass although they show nothing, by code point so that this
# file does not contain them.
_BLANK: Final = [
    0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164,
    *range(0xFE00, 0xFE10), 0xFFA0, *range(0xE0100, 0xE01F0),
]  # fmt: skip
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a word begins in a name of several."""

_INVISIBLE: Final = re.compile(f"[{''.join(map(chr, _BLANK))}]")


def escaped(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return *text* in one line and at most *most* characters, with `…` where it was cut.

    What does not print is escaped: `\n`, `\u202e`. So is all that is not ASCII where characters are
    written decomposed, since such a text looks like another one.
    """
    if len(text) <= most and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    cut = text[: most + 1]
    alike = not is_normalized("NFC", cut) or combining(cut[0]) > 0
    pieces = [_piece(character, alike=alike) for character in cut]
    if sum(map(len, pieces)) <= most:
        return "".join(pieces)
    room, kept = most - 1, []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _piece(character: str, *, alike: bool) -> str:
    if character in _SHORT:
        return _SHORT[character]
    hides = not character.isprintable() or _INVISIBLE.match(character) is not None
    if not hides and (character.isascii() or not alike):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _BASIC else f"\\U{code:08x}"


def shown_entity(type_: str, id_: str) -> str:
    """Return `App "a1"` as policies write it."""
    return f"{type_} {_quoted(id_)}"


def shown_value(type_: Type, value: object) -> str:
    """Return the text of a canonical value; private attributes as `…`."""
    match type_:
        case Primitive("bool"):
            return "true" if value else "false"
        case Primitive("string"):
            return escaped(str(value))
        case EntityRefType(name):
            return shown_entity(name, str(value))
        case SetType(element):
            assert isinstance(value, frozenset)
            return shown_set([shown_value(element, one) for one in value])
        case RecordType(attributes):
            return "{" + ", ".join(shown_attributes(attributes, value)) + "}"
        case _:
            return escaped(text_of(type_, value))


def shower(type_: Type) -> Callable[[Any], str]:
    """Return what shows canonical values of *type_* as `shown_value` does, made once for many values."""
    match type_:
        case Primitive("string") | EnumType() | TaxonomyType():
            return escaped
        case EntityRefType(name):
            return partial(shown_entity, name)
        case LevelsType(members=members):
            return [escaped(member) for member in members].__getitem__
        case SetType(element):
            show = shower(element)
            return lambda value: shown_set([*map(show, value)])
        case Primitive("bool") | RecordType() | TableType():
            return partial(shown_value, type_)
        case Primitive("int" | "decimal" | "datetime" | "duration" | "months" | "ip" as name):
            return PRIMITIVE_TEXT[name]  # short, of digits, letters and signs
        case Primitive(name):
            text = PRIMITIVE_TEXT[name]
            return lambda value: escaped(text(value))
        case _:
            assert_never(type_)


def shown_attributes(
    attributes: Iterable[Attribute],
    owner: object,
    shown: Callable[[Type, object], str] = shown_value,
) -> Iterator[str]:
    """Give the text of each attribute; of a private one `…`, whether or not it is given."""
    for attribute in attributes:
        value = getattr(owner, slot(attribute.name))
        if attribute.private:
            yield f"{attribute.name}: …"
        elif value is not ABSENT:
            yield f"{attribute.name}: {shown(attribute.type, value)}"


def written_value(type_: Type, value: object) -> str:
    """Return the text of a canonical value as policies write it: strings in quotes, `ip "10.0.0.1"`."""
    match type_:
        case Primitive("string"):
            return _quoted(str(value))
        case Primitive("decimal"):
            text = text_of(type_, value)
            return text if "." in text else f"{text}.0"
        case Primitive("ip" | "path" as name):
            return f"{name} {_quoted(text_of(type_, value))}"
        case SetType(element):
            assert isinstance(value, frozenset)
            return shown_set([written_value(element, one) for one in value])
        case RecordType(attributes):
            return "{" + ", ".join(shown_attributes(attributes, value, written_value)) + "}"
        case EnumType() | TaxonomyType() | LevelsType():
            member = text_of(type_, value)
            return member if member.isidentifier() else _quoted(member)
        case _:
            return shown_value(type_, value)


def _quoted(text: str) -> str:
    if (
        len(text) <= MOST_CHARACTERS and text.isascii() and text.isprintable()
        and "\\" not in text and '"' not in text
    ):  # fmt: skip
        return f'"{text}"'
    shown = escaped(text)
    return f'"{shown}"' if '"' not in shown else '"' + shown.replace('"', '\\"') + '"'


def in_words(name: str) -> str:
    """Return the words of a declared name: `reviewed_at` and `DirectMessage` as "reviewed at", "direct message"."""
    words = _CAPITAL.sub(" ", name.rpartition(".")[2].replace("_", " ")).split()
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)


def shown_set(shown: Sequence[str]) -> str:
    """Return a set of which the elements are *shown* so: the first of them, and how many more."""
    if len(shown) == 1:
        return f"{{{shown[0]}}}"
    if len(shown) <= MOST_ELEMENTS:
        return "{" + ", ".join(sorted(shown)) + "}"
    first = [*nsmallest(MOST_ELEMENTS, shown), f"and {len(shown) - MOST_ELEMENTS:,} more"]
    return "{" + ", ".join(first) + "}"


def plural(count: int, word: str) -> str:
    """Return `1 file` or `2,000 files`."""
    return f"{count:,} {word}{'s' * (count != 1)}"
