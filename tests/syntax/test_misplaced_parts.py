"""Says what is advised where a part is in the wrong place, or has the form of another language."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.syntax.parse_state import keywords
from policyengine.syntax.parser import parse


def _rule(text: str) -> str:
    return f"gate g {{ permit a: {text} }}"


def _test(text: str) -> str:
    return f'test "t" {{ {text} }}'


@pytest.mark.parametrize(
    ("text", "help"),
    [
        (_test('let a = F "a" under plans {}'), 'named by type and id: `under Folder "plans"`'),
        (_test('let a = F "a" { b: 1 } under F "b"'), 'write `F "a" under … { … }`'),
        (_test('expect deny read by ann on plan under F "b"'), "one with others is written out"),
        (_test('let m = Member("m", card: guest)'), 'an entity is written `Type "id" {'),
        (_test("expect deny read by ann on plan oblige pay(a: 1)"), "arguments have no names"),
        (_test("expect deny read by ann on plan when { a: 1 }"), "`with { name: value }`"),
        (_test("expect deny read by ann on plan because p.g.r"), "`rule`, or `gate.rule`"),
        (_test("expect deny read by ann on plan soon"), "an expectation begins with"),
        (_rule("read for User on Document"), "write `by` before the type of the subject"),
        (_rule("any, except read"), "`any` stands alone, or before `except …`"),
        (_rule("any fields all except title"), "name the fields that are shown"),
        (_rule("any fields *"), "write `fields all`"),
        (_rule("any fields place.lat as digits(1)"), "a mask, which goes for all parts"),
        (_rule("any oblige pay(amount: 1.0)"), "arguments have no names"),
        (_rule("any when now between a and b"), "`low <= x and x < high`"),
        (_rule("any when x + 18 years <= now"), "write `18y`"),
        ("entity Loan { a: Set<string> }", "write `set<string>`"),
    ],
)
def test_what_is_advised(text: str, help: str):
    _, problems = parse(Source("f", f"package p\n{text}\n"))
    assert help in problems[0].help


def test_whatever_word_comes_first_is_answered():
    begins = "", "package ", "package p ", "package p entity A { ", "package p permit a: b when "
    for begin in begins:
        for word in (*keywords(), ".", "{", "(", "=>", '"a"'):
            for behind in ("", ".", "{", "=", '"a"', "name"):
                file, problems = parse(Source("t", f"{begin}{word} {behind}"))
                assert problems or file is not None
