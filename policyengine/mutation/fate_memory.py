"""Remember the fates of mutants from one run to the next, in the user's cache.

A policy set has one entry, written whole or not at all, which counts only if it was written with our
key (`cache/`). It is data only, in JSON, and is validated and bounded all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec

from policyengine.cache.folder import Cache
from policyengine.cache.tool_entries import TOOLS_VERSION, entry_name
from policyengine.diagnostics.source import NOWHERE
from policyengine.mutation.fates import Fate, Tried

_MOST_BYTES = 16_000_000
_MOST_MUTANTS = 100_000
_Mark = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Text = Annotated[str, msgspec.Meta(max_length=100_000)]


class _Fate(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    fate: Fate
    by: _Text = ""
    test: _Text = ""
    why: _Text = ""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    mutants: Annotated[dict[_Mark, _Fate], msgspec.Meta(max_length=_MOST_MUTANTS)]


_decode: Final = msgspec.json.Decoder(_Entry).decode


def recall(cache: Cache | None, paths: Iterable[str | os.PathLike[str]]) -> dict[str, Tried]:
    """Return the fates of the mutants of the policy set in *paths*; none if the entry is damaged."""
    entry = cache.find(entry_name(paths, "mutants")) if cache else None
    if entry is None or len(entry.about) > _MOST_BYTES:
        return {}
    try:
        found = _decode(entry.about)
    except msgspec.DecodeError:
        return {}
    if found.version != TOOLS_VERSION:
        return {}
    return {
        mark: Tried("", "", "", NOWHERE, one.fate, one.by, one.test, one.why)
        for mark, one in found.mutants.items()
    }


def remember(
    cache: Cache | None, paths: Iterable[str | os.PathLike[str]], tried: Mapping[str, Tried]
) -> None:
    """Keep the fates of the mutants of the policy set in *paths*, if there is a cache."""
    if cache:
        mutants = {mark: _Fate(one.fate, one.by, one.test, one.why) for mark, one in tried.items()}
        cache.write(
            entry_name(paths, "mutants"), msgspec.json.encode(_Entry(TOOLS_VERSION, mutants))
        )
        cache.tidy()
