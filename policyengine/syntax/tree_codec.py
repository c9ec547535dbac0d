"""Write syntax trees as data, and read them again: for a cache, or from one process to another.

The data does not have the file's name: of each span, only the begin and the end are written.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from policyengine.diagnostics.source import Span
from policyengine.syntax.nodes import PolicyFile


def encode(file: PolicyFile) -> bytes | None:
    """Return *file* as data; None if a number in it is too large (that of an IPv6 network is)."""
    try:
        return _encoder.encode(file)
    except OverflowError:
        return None


def decode(data: bytes, name: str) -> PolicyFile:
    """Return the tree of the file called *name*; raises `msgspec.MsgspecError` if it is damaged."""

    def span(_: type[Any], place: Any) -> Span:
        return Span(name, *place)

    return msgspec.msgpack.Decoder(PolicyFile, dec_hook=span).decode(data)


def _place(span: Any) -> tuple[int, int]:  # everything else is a struct, a string or a number
    return span.start, span.end


# A decoder keeps what it learns of a class on the class, half learned too: two threads that make the first
# decoder at once end the process. A module is imported by one.
_first: Final = msgspec.msgpack.Decoder(PolicyFile)
_encoder = msgspec.msgpack.Encoder(enc_hook=_place)
