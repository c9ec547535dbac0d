"""What is parsed quickly is parsed as the strict parser does, and has no name twice."""

from __future__ import annotations

import json
from unittest import mock

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.intake import json_text
from policyengine.intake.foreign import Refused, Repeated
from policyengine.intake.json_text import decode_plain, each_name_stands_once, parse_json
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits

LIMITS = Limits()


def plain_json(data, size):
    """Return the document if it is JSON in which clearly no name is repeated; else None."""
    decoded = decode_plain(data, size, msgspec.json.decode)
    return decoded[1] if decoded is not None and each_name_stands_once(*decoded) else None


ODD = [
    b'\xef\xbb\xbf{"a":1}', b'{"a":"\x01"}', b'{"a":"\n"}', b'{"a":"\xff"}', b'{"a":"\\ud800"}',
    b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b'{"a":"\xf4\x90\x80\x80"}', b'{"a":00}',
    b'{"a":1} x', b'{"a":1}\x00', b'{"a":1,}', b'{"a":"\\x"}', b'\x0c{"a":1}', b'{"a":\xa01}',
    b'{"\\ud800":1}', b'{"a" :1,"a":2}', b'{"a":1, "a" :2}', b'{"a":1,"a"\t:2}', b'{"a":1,"a":1}',
    b'{"a":":", "a" :2}', b'{"a":[{"b":1,"b":2}]}', b'{"a":[1,{"b":1,"b":2}]}',
    b'{"a":1,"a":"\\u003a"}', b'{"a":1,"a":"\\u003A"}', b'{"\\u003a":1,"b":{"a":1,"a":2}}', b"", b'"', b"{",
]  # fmt: skip

FINE = [
    b'{"a":"\x7f"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":-0}', b'{"a":"\\u0000"}', b'{"a":":"}',
    b'{"a":":" , "b":1}', b'{"a":"10:00","b":{"c":"x:y"}}', b'{"a":true}\r\n', b'{"a":[{"b":1}]}',
    b'{"a":"\\u003c\\n"}', b'{"a" : 1, "b:":{"c":[{"d":"x:y"}, 2, {"d":1}]}}',
]  # fmt: skip


@pytest.mark.parametrize("data", ODD)
def test_what_is_odd_is_left_to_the_strict_parser(data):
    assert plain_json(data, 1000) is None


@pytest.mark.parametrize("data", FINE)
def test_what_is_decoded_quickly_is_parsed_to_the_same(data):
    assert plain_json(data, 1000) == parse_json(data, LIMITS, 1000) is not None


def test_a_string_that_is_no_text_is_left_to_the_strict_parser():
    assert plain_json('{"a":"\ud800"}', 1000) is None


PIECES = st.sampled_from(
    ["{", "}", "[", "]", '"a"', '"b"', '"a":', '"b" :', ":", ",", " ", "\n", '"', "\\", '":"', '"\\""',
     '"x:y"', "1", "-0", "1.5", "1e3", "9" * 30, "9" * 19, "-" + "9" * 19, "null", "true", "NaN", '{"a":1}', '[{"b":2}]', "\x00"],
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join) | st.recursive(
    st.sampled_from(["1", '"x"', '":"', '"\\":"', '"10:00"']),
    lambda inner: st.lists(
        st.tuples(st.sampled_from(['"a"', '"b"']), st.sampled_from([":", " :", ": "]), inner), max_size=3
    ).map(lambda parts: "{" + ",".join(map("".join, parts)) + "}")
    | st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]"),
    max_leaves=8,
))  # fmt: skip
def test_any_text_is_parsed_to_the_same_or_left(text):
    answer, strict = answer_to(text), strict_answer_to(text)
    assert answer == strict
    assert repr(answer) == repr(strict)
    made = plain_json(text, 1000)
    if made is not None:
        expected = parse_json(text, LIMITS, None)
        assert not _has_mark(expected, Repeated)
        if not _has_mark(expected, Refused):  # numbers that readers refuse
            assert made == expected
            assert json.dumps(made) == json.dumps(expected)


def answer_to(data):
    """Return what is read of a text, or what is said of it."""
    try:
        return parse_json(data, LIMITS, 1000)
    except InvalidRequest as refusal:
        return refusal.problems


def strict_answer_to(data):
    with mock.patch.object(json_text, "_without_marks", return_value=None):
        return answer_to(data)


MARKED = [
    b"[1.0]", b"[1e3]", b"[-1E400]", b"[NaN]", b"[" + b"9" * 19 + b"]", b"[" + b"9" * 20 + b"]", b"[-" + b"9" * 18 + b"]",
    b"[-" + b"9" * 19 + b"]", b"[" + b"9" * 400 + b"]", b'["' + b"9" * 30 + b'"]', b"[" * 40 + b"]" * 40,
    b'["[", "]", "\\"[", [' + b"[" * 40 + b'"]"' + b"]" * 41 + b"]", b'["]",' * 40 + b'1,"["]' * 40,
]  # fmt: skip


@pytest.mark.parametrize("data", [*ODD, *FINE, *MARKED])
def test_a_text_gets_the_answer_of_the_strict_parser(data):
    answer, expected = answer_to(data), strict_answer_to(data)
    assert answer == expected
    assert repr(answer) == repr(expected)


NESTED = st.recursive(
    st.sampled_from(["1", '"["', '"]"', '"}{"', '"\\\\"', '"\\"]"', '"]]]]"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | inner.map(lambda part: f'{{"]":{part}}}')
    ),
    max_leaves=12,
)


@given(NESTED)
@example('[["\\"]",1,[1],[1]]]')
@example('[[["]]]]",[1]]]]')
def test_the_depth_of_a_text_does_not_depend_on_brackets_in_strings(text):
    limits = Limits(document_depth=3)
    if _depth(json.loads(text)) <= limits.document_depth:
        assert parse_json(text, limits, None) == json.loads(text)
    else:
        with pytest.raises(InvalidRequest, match="PE517"):
            parse_json(text, limits, None)


def _depth(value):
    if not isinstance(value, list | dict):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, parts), default=0)


def _has_mark(value, mark):
    if isinstance(value, mark):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_mark(part, mark) for part in parts)


def test_a_text_that_is_no_json_is_refused_with_a_place():
    with pytest.raises(InvalidRequest, match="line 1"):
        parse_json(b"{", LIMITS, 1000)
