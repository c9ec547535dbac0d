"""Keep the tree of each file, so that only the files of a set that changed are parsed again."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from policyengine.cache.folder import Cache, DamagedError
from policyengine.cache.versions import versions
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax.nodes import PolicyFile
from policyengine.syntax.tree_codec import decode, encode


def keep_tree(cache: Cache, source: Source, limits: Limits, file: PolicyFile) -> None:
    """Write the tree of *source*, if it can be written."""
    data = encode(file)
    if data is not None:
        cache.write(_name_of(source, limits), b"", (data,))


def find_tree(cache: Cache, source: Source, limits: Limits) -> PolicyFile | None:
    """Return the tree of *source* if it was kept; the name of the file does not matter."""
    name = _name_of(source, limits)
    entry = cache.find(name)
    if entry is None:
        return None
    try:
        return decode(entry.piece(0), source.name)
    except (OSError, DamagedError, msgspec.MsgspecError):
        cache.warn(f"`{name}` is not as it should be")
        return None


def _name_of(source: Source, limits: Limits) -> str:
    key = msgspec.msgpack.encode((versions(), limits, source.hash))
    return f"{sha256(key).hexdigest()}.tree"
