"""Texts are found for all answers that some text has, and for no others."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.analysis.text_automaton import (
    TextAutomaton,
    at_least,
    like_path,
    made_of,
    same_path,
    within_path,
)
from policyengine.model.path_syntax import is_path
from policyengine.model.types import PATH
from policyengine.reference.evaluation import is_like_path, is_made_of, lies_within, lower
from tests.whole import share

TEXTS = ["".join(letters) for size in range(7) for letters in product("abAx", repeat=size)]
PATHS = [
    path
    for size in range(7)
    for path in map("".join, product("/a.x", repeat=size))
    if is_path(path)
]


@st.composite
def text_questions(draw):
    pieces = st.lists(st.text("abA", max_size=2), min_size=1, max_size=3)
    some = draw(st.lists(st.tuples(pieces, st.booleans()), max_size=3))
    size = draw(st.one_of(st.just([]), st.lists(st.integers(0, 4), min_size=1, max_size=1)))
    made = [made_of(tuple(one), lowered=lowered) for one, lowered in some] + [*map(at_least, size)]
    return made, lambda text: (
        *(is_made_of(lower(text) if lowered else text, one) for one, lowered in some),
        *(len(text) >= least for least in size),
    )


@st.composite
def path_questions(draw):
    segment = st.sampled_from(["a", "*", "**", ".*", "*a", "a.a", "a*"])
    patterns = draw(st.lists(st.lists(segment, max_size=3), max_size=2))
    patterns = ["/" + "/".join(one) for one in patterns]
    known = draw(st.lists(st.sampled_from(["/", "/a", "/a/a", "/.a"]), max_size=2))
    made = [*map(like_path, patterns), *map(same_path, known), *map(within_path, known)]
    return made, lambda path: (
        *(is_like_path(path, one) for one in patterns),
        *(path == one for one in known),
        *(lies_within(path, [one], PATH, PATH, None) for one in known),
    )


def hold(automaton, answers, texts):
    kinds = dict(automaton.kinds())
    assert automaton.left
    for expected, text in kinds.items():
        assert answers(text) == expected
    assert {answers(text) for text in texts} <= kinds.keys()
    for wanted in product((False, True), repeat=len(automaton.questions)):
        found = automaton.text_with(dict(enumerate(wanted)))
        assert automaton.left
        assert (found is not None) == (wanted in kinds)
        assert found is None or answers(found) == wanted


@given(text_questions())
@settings(max_examples=share(60, 3))
def test_of_each_kind_of_text_one_is_found(questions):
    made, answers = questions
    hold(TextAutomaton(made), answers, TEXTS)


@given(path_questions())
@settings(max_examples=share(60, 3))
def test_of_each_kind_of_path_one_is_found(questions):
    made, answers = questions
    automaton = TextAutomaton(made, paths=True, other="other")
    hold(automaton, answers, PATHS)
    assert all(is_path(text) for _, text in automaton.kinds())


def test_it_is_given_up_after_so_many_steps():
    automaton = TextAutomaton([made_of(("", letter * 9, "")) for letter in "abcdef"], left=500)
    assert automaton.text_with(dict.fromkeys(range(6), True)) is None
    assert automaton.left == 0
