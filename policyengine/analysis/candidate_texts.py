"""Make texts that rules tell apart: out of the beginnings, middles and ends that patterns ask for.

Kinds of texts of which none is made so are found by the automaton of all that is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice, product
from typing import Final

from attrs import frozen

from policyengine.analysis.text_automaton import (
    Question,
    TextAutomaton,
    at_least,
    like_path,
    made_of,
    same_path,
    within_path,
)
from policyengine.model.path_syntax import is_path
from policyengine.reference.evaluation import is_made_of, lower

_MOST_MADE: Final = 600
"""The number of texts that are made, of which those are kept that rules tell apart."""

_LONGEST: Final = 300
"""The size up to which texts are made as long as rules ask."""

_MOST_ITEMS: Final = 20_000
"""The items of all questions of an automaton: texts of a request may be long, and any number of a rule may be a size."""

FILLER: Final = "x"


@frozen
class AskedOfTexts:
    """What rules ask of texts: whether they are *known* ones, or of *patterns*, and of which *sizes*.

    *lowered*: whether they ask it in lower case as well.
    """

    known: Sequence[str]
    patterns: Sequence[tuple[str, ...]]
    sizes: Sequence[int]
    lowered: bool

    def texts(self) -> tuple[list[str], bool]:
        """Return texts that are not known, each of another kind, and whether there is one of every kind."""
        kinds: dict[object, str] = {}
        for text in islice(self._made(), _MOST_MADE):
            if text not in self.known:
                kinds.setdefault(self._kind(text), text)
        every = len(kinds) == self._kinds
        if not every:
            asked, all_ = _few([*self._questions, *map(at_least, self._countable)])
            automaton = TextAutomaton(asked)
            for _, text in automaton.kinds():
                if text not in self.known:
                    kinds.setdefault(self._kind(text), text)
            every = automaton.left > 0 and all_ and len(self._countable) == len(self.sizes)
        return list(kinds.values()), every

    @property
    def _countable(self) -> Sequence[int]:
        """The sizes that are not too large for an automaton."""
        return [size for size in self.sizes if size < _MOST_ITEMS]

    @property
    def _questions(self) -> list[Question]:
        """What is asked beside sizes, and whether a text is a known one."""
        asked = [made_of(pieces) for pieces in (*self.patterns, *((one,) for one in self.known))]
        if self.lowered:
            asked += [made_of(pieces, lowered=True) for pieces in self.patterns]
            small = {lower(text) for text in self.known}
            asked += [made_of((text,), lowered=True) for text in sorted(small)]
        return asked

    @property
    def _kinds(self) -> int:
        """How many kinds there are at most."""
        cases = 2 if self.lowered else 1
        in_lower_case = len({lower(text) for text in self.known}) + 1 if self.lowered else 1
        return (len(self.sizes) + 1) * in_lower_case << len(self.patterns) * cases

    def _kind(self, text: str) -> object:
        small = lower(text)
        sizes = sum(len(text) >= size for size in self.sizes)
        plain = [is_made_of(text, pieces) for pieces in self.patterns]
        lowered = [is_made_of(small, pieces) for pieces in self.patterns] if self.lowered else []
        return (*plain, *lowered, sizes, small if self.lowered and small in self.known else "")

    def _made(self) -> Iterator[str]:
        """Give texts, those that people may understand first."""
        yield from self._shaped()
        for text in self._shaped():
            for size in self.sizes:
                lacking = size - len(text)
                if 0 < lacking <= _LONGEST:
                    at = max(
                        (len(first) for first in self._firsts if text.startswith(first)), default=0
                    )
                    yield text[:at] + FILLER * lacking + text[at:]
                    yield text[:at] + FILLER * (lacking - 1) + text[at:]

    def _shaped(self) -> Iterator[str]:
        if self.lowered:
            yield from (text.upper() for text in self.known)
        middles = ["", *self._cased({"".join(pieces[1:-1]) for pieces in self.patterns})]
        lasts = ["", *self._cased({pieces[-1] for pieces in self.patterns})]
        firsts = ["", *self._firsts]
        for first, middle, last in product(firsts, middles, lasts):
            yield from _joined(first, middle, last)
        if all(self.sizes):
            yield ""

    @property
    def _firsts(self) -> list[str]:
        return self._cased({pieces[0] for pieces in self.patterns})

    def _cased(self, parts: Iterable[str]) -> list[str]:
        found = [part for part in sorted(parts) if part]
        return [*found, *(part.upper() for part in found if self.lowered and part.upper() != part)]


def _joined(first: str, middle: str, last: str) -> Iterator[str]:
    """Give texts of three parts, with nothing between them, something, or parts that overlap."""
    for between in ("", FILLER):
        yield between.join(part for part in (first, middle, last, "") if part) + (
            between if not last else ""
        )
    whole = first if middle in first else first + middle
    common = max(n for n in range(len(last) + 1) if whole.endswith(last[:n]))
    yield whole + last[common:]


def _few(questions: Iterable[Question]) -> tuple[list[Question], bool]:
    """Return the shortest of *questions*, as many as an automaton can be asked, and whether these are all."""
    shortest = sorted(questions, key=lambda question: len(question.items))
    together = accumulate(len(question.items) for question in shortest)
    few = [one for one, items in zip(shortest, together, strict=True) if items <= _MOST_ITEMS]
    return few, len(few) == len(shortest)


@frozen
class AskedOfPaths:
    """What rules ask of paths: whether they are *known* ones or within them, or like *patterns*."""

    known: Sequence[str]
    patterns: Sequence[str]
    new_segment: str

    def paths(self) -> tuple[list[str], bool]:
        """Return paths, each of another kind, and whether there is one of every kind."""
        tests = (
            map(like_path, self.patterns),
            map(same_path, self.known),
            map(within_path, self.known),
        )
        asked, all_ = _few(chain(*tests))
        automaton = TextAutomaton(asked, paths=True, other=self.new_segment)
        made = [path for _, path in automaton.kinds()]
        found = list(filter(is_path, made))
        return found, automaton.left > 0 and all_ and len(found) == len(made)
