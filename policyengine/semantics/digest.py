"""Compute the digest of a policy set: a name of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from policyengine.diagnostics.source import Source
from policyengine.model import zones

LANGUAGE_VERSION = f"1, time zones {zones.VERSION}"
"""Part of every digest: the same text may mean something else in another version."""


def digest(sources: Iterable[Source]) -> str:
    """Return the digest of a policy set: the order and the names of files do not count."""
    whole = "\n".join(
        [f"policyengine language {LANGUAGE_VERSION}", *sorted(s.hash for s in sources)]
    )
    return f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"
