"""What generated code calls: each operation against its plainest definition."""

from __future__ import annotations

import operator
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.model.types import STRING, TaxonomyType
from policyengine.model.values import ABSENT, Ip
from policyengine.reference import evaluation
from policyengine.runtime import calendar_operations, operations
from policyengine.runtime.operations import (
    Once,
    entities_within,
    entity_within,
    ip_within,
    ips_within,
    kept,
    like,
    lower,
    present,
    terms_within,
    touches,
    watch,
)
from tests.calls import calls

TOPICS = TaxonomyType("Topic", "p", (("a", None), ("b", "a"), ("c", "b"), ("d", "a"), ("e", None)))
TERMS = st.sampled_from(TOPICS.members)
SETS = st.frozensets(TERMS, max_size=3)


@given(st.text("ab*", max_size=8), st.lists(st.text("ab", max_size=3), min_size=1, max_size=5))
def test_a_glob_is_what_the_same_regular_expression_matches(text: str, pieces: list[str]):
    expected = re.fullmatch(".*".join(map(re.escape, pieces)), text, re.DOTALL)
    assert like(text, tuple(pieces)) is (expected is not None)


def test_lower_changes_the_letters_from_a_to_z_and_nothing_else():
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    letters = {ord(one): one.lower() for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    assert lower(every) == evaluation.lower(every) == every.translate(letters)
    assert lower("AZ az") == evaluation.lower("AZ az") == "az az"


@given(st.text("aA\u0130\u00df", max_size=4), st.text("aA\u0130", max_size=3))
def test_parts_of_texts_are_what_the_reference_says(text: str, part: str):
    for name in ("startswith", "endswith", "contains"):
        found = evaluation.compare(name, text, part, STRING, STRING, None)
        assert operations.EXPORTED[name](text, part) is found


@pytest.mark.parametrize(
    ("text", "pieces"), [("a", ("", *["a"] * 50, "b")), ("ab", ("", *["ba"] * 100, "bb", ""))]
)
def test_each_piece_of_a_glob_is_searched_once_however_long_the_text(text, pieces):
    short, long = (calls(lambda times=times: like(text * times, pieces)) for times in (200, 50_000))
    assert not like(text * 50_000, pieces)
    assert short == long <= 2 * len(pieces) + 10


def lies_within(term: str, other: str) -> bool:
    above = dict(TOPICS.parents)
    while term != other and above[term] is not None:
        term = above[term] or ""
    return term == other


@given(SETS, SETS)
def test_terms_within_and_touching_others(terms: frozenset[str], others: frozenset[str]):
    assert terms_within(terms, others, TOPICS.above) is (
        terms != frozenset() and all(any(lies_within(t, o) for o in others) for t in terms)
    )
    assert touches(terms, others, TOPICS.above, TOPICS.below) is any(
        lies_within(t, o) or lies_within(o, t) for t in terms for o in others
    )


class Known:
    def __init__(self, *line: str) -> None:
        self.line = frozenset(("T", id_) for id_ in line)


ENTITIES = {("U", "u"): Known("t", "top"), ("U", "v"): Known("top")}


def test_entities_within_others():
    assert entity_within("U", "u", "T", {"x", "t"}, ENTITIES)
    assert not entity_within("U", "v", "T", {"x", "t"}, ENTITIES)
    assert entities_within("U", frozenset({"u", "v"}), "T", frozenset({"top"}), ENTITIES)
    assert not entities_within("U", frozenset({"u", "v"}), "T", frozenset({"t"}), ENTITIES)
    assert not entities_within("U", frozenset(), "T", frozenset({"t"}), ENTITIES)


def test_addresses_within_networks():
    host, net, wide = (Ip.parse(text) for text in ("10.0.0.1", "10.0.0.0/8", "0.0.0.0/0"))
    assert ip_within(host, {Ip.parse("::/0"), net})
    assert not ip_within(wide, {net})
    assert ips_within(frozenset({host, net}), frozenset({net}))
    assert not ips_within(frozenset({host, wide}), frozenset({net}))
    assert not ips_within(frozenset(), frozenset({net}))


# ---- the time ---------------------------------------------------------------------------


OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip


@given(
    st.integers(-50, 50), st.integers(-50, 50), st.integers(-5, 5).filter(bool),
    st.sampled_from([*OPERATORS]),
)  # fmt: skip
def test_a_comparison_turns_when_it_says(left: int, right: int, slope: int, op: str):
    turns: list[int] = []
    assert watch(left, right, slope, op, 1000, turns) == left - right

    def holds(moment: int) -> bool:
        return bool(OPERATORS[op](left + slope * (moment - 1000), right))

    until = min(turns, default=1200)
    assert until > 1000
    assert {holds(moment) for moment in range(1000, until)} == {holds(1000)}
    assert not turns or holds(until) != holds(1000)


def test_what_grows_in_an_unknown_way_may_turn_at_once():
    turns: list[int] = []
    assert watch(5, 3, None, "<", 1000, turns) == 2
    assert not kept(2000, turns)
    assert turns == [1001, 2001]


# ---- the rest ---------------------------------------------------------------------------


def test_what_is_absent_is_not_present():
    assert present("") == ""
    with pytest.raises(LookupError):
        present(ABSENT)


def test_a_value_is_computed_once_and_only_if_it_is_asked_for():
    asked: list[int] = []
    value = Once(lambda: asked.append(1) or len(asked))
    assert asked == []
    assert (value(), value(), asked) == (1, 1, [1])


def test_only_what_is_harmless_is_exported():
    functions = {name: value for name, value in operations.EXPORTED.items() if callable(value)}
    rooms = {operations.__name__, calendar_operations.__name__}
    ours = {n for n, f in functions.items() if getattr(f, "__module__", "") in rooms}
    of_strings = {"startswith", "endswith", "contains"}
    assert functions.keys() - ours - of_strings == {
        "frozenset",
        "len",
        "any",
        "all",
        "bisect_right",
        "together",
    }
