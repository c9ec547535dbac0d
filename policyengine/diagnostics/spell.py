"""Find the name that was probably meant, at a bounded cost.

The names are rated by the number of pairs of letters that they share with the word, which is fast; only
the best few are compared in full. The cost is taken from a `Budget`, of which each answer has one: a
request with many wrong words, or a set with many names, gets fewer suggestions and takes no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from heapq import nlargest
from operator import eq
from typing import Final

from msgspec import Struct

_LONGEST: Final = 60
"""The most characters of a word for which a name is searched."""

_SIMILAR: Final = 0.7
"""The least similarity of a word and a name, of 1, in the measure of `difflib`."""

_COMPARED: Final = 5
"""The number of names that are compared in full."""

FOR_REQUEST: Final = 30_000
FOR_SET: Final = 6_000_000
"""The budget of one request, and of one policy set: about 2 ms, and less than half a second."""


class Budget(Struct):
    """The remaining budget for suggestions, in comparisons of a few letters."""

    left: int = FOR_REQUEST


_shared: ContextVar[Budget | None] = ContextVar("_shared", default=None)


@contextmanager
def shared_budget(work: int = FOR_SET) -> Iterator[None]:
    """Let all suggestions that are made meanwhile share a budget of *work*."""
    token = _shared.set(Budget(work))
    try:
        yield
    finally:
        _shared.reset(token)


def current_budget() -> Budget:
    """Return the shared budget, else that of a request."""
    return _shared.get() or Budget()


def nearest(word: str, names: Iterable[str], budget: Budget | None = None) -> str | None:
    """Return the one of *names* that looks most like *word*.

    None if none is near, or if *budget* (the shared one, else that of a request) is spent before all
    have been rated.
    """
    budget = budget or current_budget()
    wanted = word[: _LONGEST + 1].casefold()
    if len(wanted) > _LONGEST:
        return None
    marked = f"\n{wanted}\n"  # so that a pair says, too, where a word begins and ends
    pairs = [marked[i : i + 2] for i in range(len(marked) - 1)]
    shortest = len(wanted) * _SIMILAR / (2 - _SIMILAR)  # of the names that can be so similar
    longest = len(wanted) * (2 - _SIMILAR) / _SIMILAR
    rated: list[tuple[int, str, str]] = []
    for name in names:
        fits = shortest <= len(name) <= longest
        budget.left -= 1 + fits * len(pairs)
        if budget.left < 0:
            return None
        if fits:
            folded = name.casefold()
            rated.append((sum(map(f"\n{folded}\n".__contains__, pairs)), name, folded))
    return _most_similar(wanted, rated, budget)


def _most_similar(wanted: str, rated: list[tuple[int, str, str]], budget: Budget) -> str | None:
    from difflib import SequenceMatcher  # a correct word needs none

    # Of names that share as many pairs, those come first that have the same letters in place.
    least = min((shared for shared, _, _ in nlargest(_COMPARED, rated)), default=0)
    close = [one for one in rated if one[0] >= least]
    budget.left -= len(close)
    close = nlargest(_COMPARED, close, key=lambda one: sum(map(eq, wanted, one[2])))
    matcher = SequenceMatcher(b=wanted)
    best, most = None, _SIMILAR
    for _, name, folded in sorted(close, key=lambda one: one[1]):
        budget.left -= len(wanted) * len(folded)
        if budget.left < 0:
            return None
        matcher.set_seq1(folded)
        if matcher.quick_ratio() >= most:
            ratio = matcher.ratio()
            if ratio > most or (best is None and ratio == most):
                best, most = name, ratio
    return best


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the help line ``did you mean `x`?``, or the empty string."""
    near = nearest(word, names)
    return f"did you mean `{near}`?" if near else ""
