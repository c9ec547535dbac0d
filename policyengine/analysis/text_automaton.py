"""Find texts by what is answered of them: what they are, what they are like or within, how long they are.

A question is a list of *items*: characters, and stars that stand for any text. All questions together are one
automaton, whose state is a number: a bit for each item that a text may have come to, side by side for all
questions. Texts are followed character by character, from the shortest on; characters in no question are
the same. So each state that texts lead to is found with a shortest text, and what is found is all there is
unless the steps were used up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import ascii_lowercase
from typing import Final, TypeAlias

from attrs import Factory, define, frozen

from policyengine.model.path_syntax import segments_of
from policyengine.reference.evaluation import lower

ANY: Final = "any text"
ONE: Final = "any character"
IN_SEGMENT: Final = "any text without a slash"
DEEPER: Final = "nothing, or a slash and any text"

LETTERS: Final = ("x", "y", "z", *map(chr, range(0x4E00, 0x9FA6)))
"""What texts are made of where words that people understand have characters that matter."""

MOST_STEPS: Final = 20_000
"""The number of characters that are tried before it is given up."""

_NO_END: Final = "/. "
"""What no segment of a path ends with."""

Answers: TypeAlias = tuple[bool, ...]
"""What is answered to each question."""


@frozen
class Question:
    """Whether a text is made of *items*; *lowered*: whether it is lowered before."""

    items: tuple[str, ...]
    lowered: bool = False


def made_of(pieces: Sequence[str], *, lowered: bool = False) -> Question:
    """Ask whether a text is the *pieces*, with any text between them."""
    first, *rest = pieces
    return Question((*first, *(item for piece in rest for item in (ANY, *piece))), lowered)


def at_least(size: int) -> Question:
    """Ask whether a text has so many characters."""
    return Question((*(ONE,) * size, ANY))


def same_path(path: str) -> Question:
    """Ask whether a path is another one."""
    return Question(() if path == "/" else tuple(path))


def within_path(path: str) -> Question:
    """Ask whether a path is within another one."""
    return Question((*same_path(path).items, DEEPER))


def like_path(pattern: str) -> Question:
    """Ask whether a path is like a pattern of paths."""
    items: list[str] = []
    for segment in segments_of(pattern):
        if segment == "**":
            items.append(DEEPER)
        else:
            items += ("/", *(IN_SEGMENT if one == "*" else one for one in segment))
    return Question(tuple(items))


@define(eq=False)
class TextAutomaton:
    """The automaton of some questions about texts, or about *paths*.

    *other*: what stands for characters of no question, unless it has some of them; a word only where no question
    is about sizes. *left*: the number of steps that may still be taken.
    """

    questions: Sequence[Question]
    paths: bool = False
    other: str = "x"
    left: int = MOST_STEPS
    _start: int = 0
    _literal: dict[str, int] = Factory(dict)
    _stays: int = 0
    _stays_in_segment: int = 0
    _moves: int = 0
    _gates: int = 0
    _skips: int = 0
    _below: dict[int, int] = Factory(dict)
    _spans: list[tuple[int, int, int]] = Factory(list)

    def __attrs_post_init__(self) -> None:
        at = 0
        for question in self.questions:
            at = self._lay_out(question, at)
        self._start = self._settled(self._start)

    def _lay_out(self, question: Question, at: int) -> int:
        """Give each item of a question its bits; the last is that of the end."""
        first, forever = at, 0
        self._start |= 1 << at
        for item in question.items:
            bit, forever = 1 << at, 0
            if item == ANY:
                self._skips |= bit
                forever = bit
            elif item == IN_SEGMENT:
                self._stays_in_segment |= bit
                self._skips |= bit
            elif item == ONE:
                self._moves |= bit
            elif item == DEEPER:
                at += 1
                forever = bit << 1
                self._gates |= bit
                self._skips |= forever
            elif not question.lowered:
                self._take(item, bit)
            elif item == lower(item):
                self._take(item, bit)
                self._take(item.upper() if item in ascii_lowercase else item, bit)
            self._stays |= forever
            if forever:
                self._below[forever] = forever - (1 << first)
            at += 1
        self._spans.append((1 << at, (2 << at) - (1 << first), forever))
        return at + 1

    def _take(self, character: str, bit: int) -> None:
        self._literal[character] = self._literal.get(character, 0) | bit

    # ---- following a text -----------------------------------------------------------------

    def _settled(self, state: int) -> int:
        """Add what comes after a star, which may be nothing, and leave out what a later star makes superfluous."""
        before = 0
        while state != before:
            before = state
            state |= (state & self._skips) << 1 | (state & self._gates) << 2
        forever = state & self._stays
        while forever:
            last = 1 << forever.bit_length() - 1
            below = self._below[last]
            state &= ~below
            forever &= ~(below | last)
        return state

    def _after(self, state: int, character: str) -> int:
        moved = state & (self._literal.get(character, 0) | self._moves)
        stays = state & self._stays
        if character == "/":
            moved |= state & self._gates
        else:
            stays |= state & self._stays_in_segment
        return self._settled(moved << 1 | stays)

    def _answers(self, state: int) -> Answers:
        return tuple(bool(state & end) for end, _, _ in self._spans)

    # ---- searching ------------------------------------------------------------------------

    def kinds(self) -> Iterator[tuple[Answers, str]]:
        """Give the answers that some text has to all questions, each time with a shortest one.

        These are all unless nothing is *left* then.
        """
        seen: set[Answers] = set()
        for state, text in self._reached():
            answers = self._answers(state)
            if answers not in seen:
                seen.add(answers)
                yield answers, text

    def text_with(self, answers: Mapping[int, bool]) -> str | None:
        """Return a text with these answers, by the number of the question.

        None if there is none, or if nothing is *left* and it is not known.
        """
        yes = [self._spans[number] for number, answer in answers.items() if answer]
        no = [self._spans[number] for number, answer in answers.items() if not answer]

        def is_lost(state: int) -> bool:
            impossible = any(not state & span for _, span, _ in yes)
            return impossible or any(state & forever for _, _, forever in no)

        for state, text in self._reached(is_lost):
            if all(state & end for end, _, _ in yes) and not any(state & end for end, _, _ in no):
                return text
        return None

    def _reached(self, is_lost: Callable[[int], bool] | None = None) -> Iterator[tuple[int, str]]:
        """Give each state with a shortest text that leads there, but for those that are lost."""
        words = (self.other, *LETTERS)
        other = next((word for word in words if not set(word) & self._literal.keys()), None)
        if other is None:
            self.left = 0
            return
        alphabet = [other, *sorted(self._literal)]
        if self.paths:
            alphabet = [*(one for one in alphabet if one != "/"), "/"]
        seen: set[tuple[int, bool]] = set()
        queue = deque([(self._start, "", True)])
        while queue:
            state, text, may_end = queue.popleft()
            if may_end:
                yield state, text or ("/" if self.paths else "")
            for character in alphabet:
                if self.paths and not (may_end if character == "/" else text):
                    continue
                if self.left == 0:
                    return
                self.left -= 1
                after = self._after(state, "" if character == other else character)
                ends = not self.paths or character[-1] not in _NO_END
                if (after, ends) not in seen and not (is_lost and is_lost(after)):
                    seen.add((after, ends))
                    queue.append((after, text + character, ends))
