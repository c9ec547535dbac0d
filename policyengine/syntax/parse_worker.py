"""Parse one share of the files for another process: texts on standard input, trees on standard output.

A file with a mistake is left out; the other process parses it itself, and reports the mistake.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

import msgspec

from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax.parser import parse
from policyengine.syntax.tree_codec import encode

_decode: Final = msgspec.msgpack.Decoder(tuple[Limits, list[tuple[str, str]]]).decode


def parse_share(work: bytes) -> bytes:
    """Return the trees of the files in *work* by name."""
    limits, texts = _decode(work)
    trees: dict[str, bytes] = {}
    for name, text in texts:
        file, _ = parse(Source(name, text), limits)
        data = None if file is None else encode(file)
        if data is not None:
            trees[name] = data
    return msgspec.msgpack.encode(trees)


def main() -> None:
    """Parse the files on standard input."""
    gc.disable()
    sys.stdout.buffer.write(parse_share(sys.stdin.buffer.read()))


if __name__ == "__main__":
    main()
