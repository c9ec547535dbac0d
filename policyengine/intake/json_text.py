"""Parse JSON from strangers, strictly and within limits.

Names that stand twice in an object, fractions, NaN and overlong integers become marks that the
reader reports with their path when it comes to them. The depth is measured on the text of what
parsed: strings are cut out, and then the innermost brackets removed as often as brackets may nest;
if any are left, it was too deep. That takes time in proportion to the size, and no recursion.

Most documents have nothing of the kind, and those are parsed at the speed of C. That no name stands twice is
known by writing the document again: of names that stand twice one is lost, and its colon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import msgspec

from policyengine.intake.foreign import Refused, object_of, plain
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.limits import DIGITS, Limits
from policyengine.model.request_messages import got

T = TypeVar("T")


def parse_json(data: bytes | str, limits: Limits, size: int | None) -> object:
    """Return the document; raises `InvalidRequest`. *size*: most bytes, None for any number."""
    given = plain(data)
    if isinstance(given, bytearray | memoryview):
        given = bytes(given)
    if not isinstance(given, str | bytes):
        refuse(
            "PE516", f"a document is text, bytes or an object, and not {got(given, private=False)}"
        )
    if size is not None and len(given) > size:
        refuse("PE514", f"a document has at most {size} bytes")
    try:
        text, raw = (given, given.encode()) if isinstance(given, str) else (given.decode(), given)
    except UnicodeError:
        refuse("PE515", "the document is not text in UTF-8")
    text = text.removeprefix(_BYTE_ORDER_MARK)
    if size is not None and len(raw) > size:
        refuse("PE514", f"a document has at most {size} bytes")
    too_deep = f"a document has at most {limits.document_depth} levels of arrays and objects"
    document = _without_marks(raw)
    if document is None:
        try:
            document = _DECODER.decode(text)
        except json.JSONDecodeError as problem:
            where = f"line {problem.lineno}, column {problem.colno}"
            refuse("PE516", f"the document is not JSON: {problem.msg.lower()} ({where})")
        except RecursionError:
            refuse("PE517", too_deep)
    if _deeper(raw, limits.document_depth):
        refuse("PE517", too_deep)
    return document


def _without_marks(raw: bytes) -> object:
    """Return the document in which nothing must be marked; None if that is not seen at once."""
    digits = raw.translate(_ONE_DIGIT)
    if any(long in digits for long in _LONG_INTS):
        return None
    decoded = decode_plain(raw, len(raw), _decode_without_floats)
    return decoded[1] if decoded is not None and each_name_stands_once(*decoded) else None


def _refuse_float(digits: str) -> NoReturn:
    raise ValueError(digits)


_ONE_DIGIT: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_INTS: Final = (b"0" * (DIGITS + 2), b"-" + b"0" * (DIGITS + 1))
"""Of which `_int` makes marks; they may be in strings."""
_decode_without_floats: Final = msgspec.json.Decoder(float_hook=_refuse_float).decode


def decode_plain(
    data: bytes | str, size: int, decode: Callable[[bytes], T]
) -> tuple[bytes, T] | None:
    """Return the text in UTF-8 and what *decode* makes of it, which reads JSON; names may stand twice in objects.

    How deep it is, the caller must see. None if it is no such text.
    """
    try:
        raw = data.encode() if type(data) is str else data
        if type(raw) is not bytes:
            return None
        return (raw, decode(raw)) if len(raw) <= size else None
    except (UnicodeError, msgspec.DecodeError, RecursionError):
        return None


def each_name_stands_once(raw: bytes, document: object, names: int = 0) -> bool:
    """Whether no name stands twice in an object of the text; may be False although none does.

    *names*: how many there are in the *document*, or fewer.
    """
    colons = raw.count(b":")
    if colons == names:
        return True
    # A colon follows each name, and all others are in strings, which are the same when they are written again.
    if b"\\" in raw and any(colon in raw for colon in _ESCAPED_COLONS):
        return False
    return colons == _encode(document).count(b":")


_ESCAPED_COLONS: Final = (rb"\u003a", rb"\u003A")
_encode: Final = msgspec.json.Encoder().encode


def refuse(code: str, message: str, path: str = "") -> NoReturn:
    """Refuse the document as a whole, for what is at *path*."""
    raise InvalidRequest((Problem(code, path, message),))


_BYTE_ORDER_MARK: Final = "\ufeff"
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ONE_SORT: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def _deeper(raw: bytes, depth: int) -> bool:
    """Whether brackets nest deeper than *depth* in a text that is JSON."""
    if raw.count(b"[") + raw.count(b"{") <= depth:
        return False
    outside = _STRING.sub(b"", raw) if b"\\" in raw else b"".join(raw.split(b'"')[::2])
    brackets = outside.translate(_ONE_SORT, delete=_NO_BRACKETS)
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


# ---- what is no value here --------------------------------------------------------------


def _int(digits: str) -> int | Refused:
    if len(digits) > DIGITS + 1:  # a sign may stand before them; what is left the reader judges
        return Refused("PE512", f"an int has at most {DIGITS} digits")
    return int(digits)


_FRACTION: Final = Refused(
    "PE519", 'numbers are whole here, without fraction or exponent; a decimal is a string ("1.50")'
)


def _constant(name: str) -> Refused:
    return Refused("PE519", f"`{name}` is no number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=object_of,
    parse_int=_int,
    parse_float=lambda _: _FRACTION,
    parse_constant=_constant,
)
