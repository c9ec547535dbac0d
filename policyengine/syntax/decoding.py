"""Decode the bytes of policy files."""

from __future__ import annotations

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Source, Span


def decode(data: bytes, name: str) -> Source | Diagnostic:
    """Decode the bytes of a file called *name*: UTF-8, with or without a byte-order mark."""
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        message = f"byte {problem.start} of this file is not UTF-8"
        help = "save it as UTF-8"
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            help = "it seems to be UTF-16; save it as UTF-8"
        return error("PE103", Span(name, 0, 0), message, help)
