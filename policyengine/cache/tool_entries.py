"""Name the entries in which tools remember what they found out about a policy set, and the version of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Final

from policyengine.semantics.digest import LANGUAGE_VERSION
from policyengine.version import __version__

TOOLS_VERSION: Final = f"{__version__}, language {LANGUAGE_VERSION}"
"""The version under which findings are remembered: those of another may mean something else."""


def entry_name(paths: Iterable[str | os.PathLike[str]], what: str) -> str:
    """Return the name of the entry that has *what* of the policy set in *paths*."""
    names = "\0".join(sorted(os.path.realpath(path) for path in paths))
    return f"{hashlib.sha256(names.encode(errors='surrogateescape')).hexdigest()}.{what}"
