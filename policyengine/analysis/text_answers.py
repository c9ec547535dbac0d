"""Find out whether there are texts that answer as a search has chosen, and which.

What is asked of one text, and of those that are equal to it, is asked of one automaton. Of questions about
several texts, and of addresses, nothing is found out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from attrs import Factory, define

from policyengine.analysis.constrained_request import ConstrainedRequest
from policyengine.analysis.text_automaton import (
    Question,
    TextAutomaton,
    at_least,
    like_path,
    made_of,
    same_path,
    within_path,
)
from policyengine.analysis.unknowns import Place, UnknownText
from policyengine.model.path_syntax import is_path
from policyengine.model.types import PATH, STRING
from policyengine.reference.evaluation import lower

_LONGEST: Final = 100
"""The length up to which it matters how long a text is."""

_MOST_NAMED: Final = 60
"""How many texts may be named that a text is not."""

_STEPS: Final = 5_000
"""How many characters are tried for a text."""

FoundTexts: TypeAlias = dict[tuple[bool, frozenset[tuple[Question, bool]]], tuple[str | None, bool]]
"""For lists of answers: a text that gives them, None if none was found, and whether there is none then."""


@define(eq=False)
class _EqualTexts:
    """What was answered of texts that are equal, and the choices on which that depends."""

    paths: bool
    places: list[Place]
    asked: dict[Question, bool] = Factory(dict)
    because: set[int] = Factory(set)
    contradicted: bool = False

    def note(self, question: Question, because: Iterable[int], *, answer: bool) -> None:
        """Note an answer, which may contradict an earlier one."""
        self.because |= {*because}
        self.contradicted |= self.asked.setdefault(question, answer) != answer

    def note_lowered(self, other: _EqualTexts, because: Iterable[int]) -> None:
        """Note what is known of other texts, which are equal to these in lower case."""
        for question, answer in tuple(other.asked.items()):
            lowered = question if question.lowered else _in_lower_case(question) if answer else None
            if lowered is not None:
                self.note(lowered, (*because, *other.because), answer=answer)


def contradicting_answers(state: ConstrainedRequest, found: FoundTexts) -> set[int] | None:
    """Return the choices of answers that no text gives; None if there are texts, or it is not known.

    The texts are noted in *state*. *found*: what was found out before.
    """
    for group in _equal_texts(state):
        mark = group.paths, frozenset(group.asked.items())
        if mark not in found:
            found[mark] = _text_of(group)
        text, is_known = found[mark]
        if group.contradicted or (text is None and is_known):
            return group.because
        if text is not None:
            state.texts.update(dict.fromkeys(group.places, text))
    return None


def _text_of(group: _EqualTexts) -> tuple[str | None, bool]:
    """Return a text that gives the answers, None if none was found; and whether there is none then."""
    text, is_known = _text_with(group.asked, paths=group.paths)
    if text is not None and group.paths and not is_path(text):
        return None, False  # it is too long
    if text is None and not is_known:
        # Where there are too many answers to try together, one may contradict those that are yes.
        yes = {question: True for question, answer in group.asked.items() if answer}
        no = (question for question, answer in group.asked.items() if not answer)
        is_known = any(
            _text_with({**yes, one: False}, paths=group.paths) == (None, True) for one in no
        )
    return text, is_known


def _text_with(asked: dict[Question, bool], *, paths: bool) -> tuple[str | None, bool]:
    automaton = TextAutomaton(list(asked), paths=paths, left=_STEPS)
    text = automaton.text_with(dict(enumerate(asked.values())))
    return text, automaton.left > 0


def _equal_texts(state: ConstrainedRequest) -> Iterable[_EqualTexts]:
    """Return the texts that are equal, with all that was answered of them alone."""
    groups: dict[Place, _EqualTexts] = {}
    in_lower_case: list[tuple[_EqualTexts, _EqualTexts, frozenset[int]]] = []
    named: Counter[int] = Counter()
    answered = [
        (place[1], question, *state.known[place])
        for place, question in state.questions.items()
        if place in state.known
    ]

    def group_of(text: UnknownText) -> _EqualTexts:
        return groups.setdefault(text.place, _EqualTexts(text.type == PATH, [text.place]))

    for mark, question, answer, because in answered:
        match mark, question.texts:
            case "==", (UnknownText(made=()) as one, UnknownText(made=()) as other) if answer:
                kept, gone = group_of(one), group_of(other)
                kept.because |= because
                if kept is not gone:
                    kept.because |= gone.because
                    kept.places += gone.places
                    groups.update(dict.fromkeys(gone.places, kept))
    for mark, question, answer, because in answered:
        match mark, question.texts:
            case "==", (UnknownText() as one, UnknownText() as other):
                first, second = group_of(one), group_of(other)
                if answer and one.made and other.made:
                    in_lower_case.append((first, second, because))
                elif not answer and first is second and bool(one.made) == bool(other.made):
                    first.contradicted = True
                    first.because |= because
            case _, (UnknownText() as text, *others) if text.type in (STRING, PATH):
                asked = _question(mark, text, others)
                group = group_of(text)
                is_none = mark == "==" and not answer
                named[id(group)] += is_none
                if asked is not None and not (is_none and named[id(group)] > _MOST_NAMED):
                    group.note(asked, because, answer=answer)
    for place, text in state.lengths.items():
        least, most = state.differences.least(place), state.differences.most(place)
        if least > 0:
            size = at_least(int(min(least, _LONGEST)))
            group_of(text).note(size, state.numeric, answer=True)
        if most < _LONGEST:
            group_of(text).note(at_least(int(most) + 1), state.numeric, answer=False)
    for first, second, because in (*in_lower_case, *reversed(in_lower_case)):
        first.note_lowered(second, because)
        second.note_lowered(first, because)
    return {id(group): group for group in groups.values()}.values()


def _question(mark: object, text: UnknownText, others: Sequence[object]) -> Question | None:
    """Return what was asked of one text, None if it is something else."""
    lowered = bool(text.made)
    match mark, others:
        case ("like", tuple() as pieces), []:
            return made_of(pieces, lowered=lowered)
        case ("path", str() as pattern), []:
            return like_path(pattern)
        case "==", [str() as other]:
            return same_path(other) if text.type == PATH else made_of((other,), lowered=lowered)
        case "within", [str() as other]:
            return within_path(other)
    return None


def _in_lower_case(question: Question) -> Question | None:
    """Return what is so of a text in lower case if it is a constant; None if it may be several."""
    if any(len(item) > 1 for item in question.items):
        return None
    return made_of((lower("".join(question.items)),), lowered=True)
