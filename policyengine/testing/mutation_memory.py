"""Remember from one run to the next what came of mutants.

What is remembered of a policy set is one file of JSON in the user's cache folder. It is data alone: it
is validated when it is read, and one that is damaged, too large or of another version counts as none.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from policyengine import __version__
from policyengine.diagnostics.source import NOWHERE
from policyengine.testing.mutation import Fate, Tried

_MOST_BYTES = 16_000_000
_MOST_MUTANTS = 100_000
_Mark = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Text = Annotated[str, msgspec.Meta(max_length=100_000)]


class _Fate(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    fate: Fate
    by: _Text = ""
    test: _Text = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    mutants: Annotated[dict[_Mark, _Fate], msgspec.Meta(max_length=_MOST_MUTANTS)]


def memory_file(paths: Iterable[str | os.PathLike[str]]) -> Path:
    """Return where what came of the mutants of the policy set in *paths* is remembered."""
    names = "\0".join(sorted(str(Path(path).resolve()) for path in paths))
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = given if given.is_absolute() else Path.home() / ".cache"
    name = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()
    return cache / "policyengine" / "mutation" / f"{name[:32]}.json"


def recall(file: Path) -> dict[str, Tried]:
    """Return what *file* remembers; nothing if it is not there or damaged."""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        found = msgspec.json.decode(data, type=_File)
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    if len(data) > _MOST_BYTES or found.version != __version__:
        return {}
    return {
        mark: Tried("", "", "", NOWHERE, one.fate, one.by, one.test)
        for mark, one in found.mutants.items()
    }


def remember(file: Path, tried: Mapping[str, Tried]) -> None:
    """Write what is to be remembered, all or nothing; where that cannot be, nothing."""
    mutants = {mark: _Fate(one.fate, one.by, one.test) for mark, one in tried.items()}
    data = msgspec.json.encode(_File(__version__, mutants))
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as made:
            try:
                made.write(data)
                made.close()
                Path(made.name).replace(file)
            except BaseException:
                Path(made.name).unlink(missing_ok=True)
                raise
