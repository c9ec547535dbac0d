"""Holds that whatever a request says is shown in one line, escaped, and cut."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.model.records import record_class
from policyengine.model.request_messages import MOST_BYTES, joined, shown
from policyengine.model.shown import MOST_CHARACTERS, escaped, shown_value
from policyengine.model.types import STRING, Attribute, EntityRefType, RecordType, SetType
from policyengine.model.values import ABSENT

ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@given(ANY)
@example("\u202e\u2066\u200b\ufeff\u0085\u2028\r\n\t\0\x1b[2J\U000e0041\u3164\ufe0f\u0301")
def test_a_text_is_one_line_of_what_prints(text):
    said = escaped(text)
    assert said.isprintable()
    assert len(said.splitlines()) <= 1
    assert len(said) <= MOST_CHARACTERS
    assert unicodedata.is_normalized("NFC", said)


@given(ANY, ANY)
@example("Jos\u00e9", "Jose\u0301")
@example("a\nb", "a\\nb")
def test_different_texts_are_shown_differently_unless_they_are_cut(one, other):
    if one != other and not {escaped(one)[-1:], escaped(other)[-1:]} & {"…"}:
        assert unicodedata.normalize("NFC", escaped(one)) != unicodedata.normalize(
            "NFC", escaped(other)
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain text", "plain text"),
        ("a\nb\tc\rd", "a\\nb\\tc\\u000dd"),
        ("\u202eevil", "\\u202eevil"),
        ("\U000e0041", "\\U000e0041"),
        ("C:\\", "C:\\\\"),
        ("Jos\u00e9", "Jos\u00e9"),
        ("Jose\u0301", "Jose\\u0301"),
        ("x" * 201, "x" * 199 + "…"),
        ("\n" * 101, "\\n" * 99 + "…"),
    ],
)
def test_what_is_shown(text, said):
    assert escaped(text) == said


def test_a_name_in_a_message_cannot_end_its_backticks():
    assert shown("a`b") == "a\\u0060b"


def test_a_set_shows_ten_and_how_many_more():
    values = frozenset(f"d{n:04}" for n in range(5000))
    said = shown_value(SetType(STRING), values)
    assert said == "{" + ", ".join(f"d{n:04}" for n in range(10)) + ", and 4,990 more}"
    assert shown_value(SetType(EntityRefType("U")), frozenset({'a"\n'})) == '{U "a\\"\\n"}'


def test_a_record_does_not_show_whether_something_private_is_given():
    type_ = RecordType(
        (Attribute("a", STRING), Attribute("b", STRING, optional=True, private=True))
    )
    for private in ("secret", ABSENT):
        assert shown_value(type_, record_class(type_)("x", private)) == "{a: x, b: …}"


@given(st.lists(ANY, max_size=30))
@example(["x" * 5000])
@example(["\N{GRINNING FACE}" * 2000, "more"])
def test_a_reason_is_bounded(texts):
    assert len(joined(texts, len(texts)).encode()) <= MOST_BYTES
