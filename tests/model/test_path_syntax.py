"""Paths have one spelling each; patterns, and what lies within what."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given

from policyengine.model.path_syntax import is_path, parse_path, parse_pattern, segments_of
from policyengine.model.types import PATH, SetType
from policyengine.reference.evaluation import is_like_path
from policyengine.runtime import operations
from policyengine.runtime.operations import path_like, paths_within, prefixes
from tests.strategies.paths import ANY_TEXT, PATHS, PATTERNS, RIGHT, WRONG


@pytest.mark.parametrize("text", RIGHT, ids=lambda text: text[:20])
def test_a_path_is_its_text(text):
    assert parse_path(text) == text
    assert f"/{'/'.join(segments_of(text))}" == text


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_has_another_spelling_is_no_path(text):
    with pytest.raises(ValueError, match=r"path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "begins with `/`"),
        ("/a/", "does not end with `/`"),
        ("/a//b", "no empty segment"),
        ("/a/../b", "no `.` and no `..`"),
        ("/a./b", "ends with a dot or a space"),
        ("/a%2fb", "no `%`: it is decoded before"),
        ("/a;b", "no `;`"),
        ("/a\x00", "no control character"),
        ("/a*", "only a pattern has"),
        ("/a" * 300, "at most 256 segments"),
        ("/" + "a" * 5_000, "at most 4,096 characters"),
    ],
)
def test_it_is_said_what_is_wrong(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_path(text)


@given(ANY_TEXT)
def test_a_path_is_what_the_rules_say(text):
    def is_segment(segment: str) -> bool:
        wrong = any(c in "%\\?#;*" or unicodedata.category(c) in ("Cc", "Cs") for c in segment)
        return segment != "" and segment[-1] not in ". " and not wrong

    first, *segments = text.split("/")
    assert is_path(text) == (
        first == "" and (text == "/" or (bool(segments) and all(map(is_segment, segments))))
    )


@pytest.mark.parametrize(
    "text",
    [
        "/a/**b",
        "/***",
        "/a**/b",
        "/x/*.",
        "/* /a",
        "*",
        "**",
        "",
        "/*/",
        "/a//*",
        "/*%",
        "/a\\*",
        "/*/../b",
        "/*" * 257,
    ],
)
def test_what_is_no_pattern(text):
    with pytest.raises(ValueError, match=r"path|segment"):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("/", {"/"}, {"/a"}),
        ("/*", {"/a", "/.a"}, {"/", "/a/b"}),
        ("/**", {"/", "/a", "/a/b/c"}, set()),
        ("/users/*/profile", {"/users/u/profile"}, {"/users/profile", "/users/a/b/profile", "/users/u/profile/x", "/Users/u/profile"}),
        ("/a/**", {"/a", "/a/b", "/a/b/c"}, {"/", "/ab", "/b/a"}),
        ("/**/c", {"/c", "/a/c", "/a/b/c"}, {"/", "/c/a", "/ac"}),
        ("/a/**/c", {"/a/c", "/a/b/c", "/a/c/c"}, {"/a", "/c", "/a/c/b"}),
        ("/*.png", {"/a.png", "/.png"}, {"/a.png/b", "/apng", "/b/a.png"}),
        ("/**/b/**/b", {"/b/b", "/a/b/a/b", "/b/b/b"}, {"/b", "/a/b", "/b/b/a"}),
        ("/a*b", {"/ab", "/axb", "/abab"}, {"/aba", "/a/b"}),
        ("/**/*", {"/a", "/a/b"}, {"/"}),
        ("/*/**/*", {"/a/b", "/a/b/c"}, {"/a"}),
    ],
)  # fmt: skip
def test_a_pattern_is_matched_by_whole_segments(pattern, matches, others):
    parts = tuple(segments_of(parse_pattern(pattern)))
    for path in matches | others:
        assert path_like(path, parts) == is_like_path(path, pattern) == (path in matches), path


@given(PATHS, PATTERNS)
def test_patterns_match_as_in_the_reference(path, pattern):
    assert path_like(path, tuple(segments_of(pattern))) == is_like_path(path, pattern)


@given(PATHS, PATTERNS)
def test_patterns_match_as_regular_expressions_would(path, pattern):
    written = "".join(
        "(?:/[^/]+)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*")
        for part in segments_of(pattern)
    )
    assert is_like_path(path, pattern) == bool(re.fullmatch(written, path if path != "/" else ""))


@given(PATHS, PATHS)
def test_what_is_within_begins_with_the_same_segments(path, other):
    inside = segments_of(path)[: len(segments_of(other))] == segments_of(other)
    assert (other in prefixes(path)) == inside == is_like_path(path, f"{other.rstrip('/')}/**")
    assert paths_within({path}, {other}) == inside
    assert not paths_within(set(), {other})


def test_prefixes_are_the_root_and_all_that_is_above():
    assert prefixes("/") == {"/"}
    assert prefixes("/a/b") == {"/", "/a", "/a/b"}
    assert len(prefixes("/a" * 256)) == 257


def test_a_pattern_takes_as_many_comparisons_as_segments_times_segments(monkeypatch):
    asked = 0

    def like(segment: str, pieces: tuple[str, ...]) -> bool:
        nonlocal asked
        asked += 1
        return operations_like(segment, pieces)

    operations_like = operations.like
    monkeypatch.setattr(operations, "like", like)
    for pattern in ("/**/*a*/**/*a*/**/b", "/**" + "/*a*" * 128 + "/b/**/*b", "/**/*b*" * 128):
        assert not path_like("/a" * 256, tuple(segments_of(pattern)))
    assert 0 < asked < 256 * 256 * 3


def test_a_path_is_a_type():
    assert str(SetType(PATH)) == "set<path>"
