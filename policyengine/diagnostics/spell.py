"""Find the name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of *names* that looks most like *word*, or None if none is near."""
    by_folded = {name.casefold(): name for name in sorted(names, reverse=True)}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the help line ``did you mean `x`?``, or the empty string."""
    near = nearest(word, names)
    return f"did you mean `{near}`?" if near else ""
