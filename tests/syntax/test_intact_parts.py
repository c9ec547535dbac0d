"""Says the mistakes of names and types beside those of syntax, and nothing that only follows from them."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

WORDS = 'package p\nentity User { active: bool }\naction view by User on User\ngate g "q"\n'


def _found(*texts: str) -> list[tuple[str, str]]:
    sources = {f"{i}.policy": Source(f"{i}.policy", text) for i, text in enumerate(texts)}
    checked, diagnostics = check_sources(sources)
    assert checked is None
    return [(d.code, sources[d.span.file].at(d.span)) for d in diagnostics.items]


BROKEN, WRONG = ("PE117", "whn"), ("PE201", "subjct")


@pytest.mark.parametrize(
    "rules",
    [
        "gate g {\n    permit a: view whn true\n    permit b: view when subjct.active\n}\n",
        "gate g {\n    permit b: view\n        when subjct.active\n    permit a: view whn true }\n",
        'gate g { permit a: view whn true }\ngate g { permit b: view when subjct.active because "}}" }\n',
        "gate g {\n    permit a: view whn true # {\n    forbid b: view when subjct.active\n}\n",
        "gate g {\r\n    permit a: view whn true\r\n    forbid b: view when subjct.active\r\n}\r\n",
    ],
)
def test_a_mistake_of_syntax_hides_no_unknown_name(rules: str):
    assert sorted(_found(WORDS + rules)) == [BROKEN, WRONG]


@pytest.mark.parametrize("first", ["permt a: view when true", "permt a: view\n    because true"])
def test_nor_does_a_word_that_begins_no_rule(first: str):
    rules = f"gate g {{ forbid b: view when subjct.active }}\n{first}\n"
    assert sorted(_found(WORDS + rules)) == [("PE117", "permt"), WRONG]


def test_a_constant_whose_word_is_wrong_is_not_left_out():
    """Names may depend on it."""
    assert _found(WORDS + "cnst a: int = 3\ngate g { forbid b: view when a == subjct }\n") == [
        ("PE117", "cnst")
    ]


def test_nor_does_one_in_another_file():
    broken = "package p\ngate g { permit a: view whn true }"
    wrong = "package p\ngate g { permit b: view when subjct.active }"
    assert sorted(_found(WORDS, broken, wrong)) == [BROKEN, WRONG]


@pytest.mark.parametrize(
    "after",
    [
        'test "t" { expect deny view by User "u" on User "v" because a }',
        'waiver w of a for User "u" until 2100-01-01 ticket "t" approved_by "x"',
        'let ann = User "ann"\n',
    ],
)
def test_what_names_a_rule_with_a_mistake_is_not_wrong(after: str):
    assert _found(f"{WORDS}gate g {{ permit a: view whn true }}\n{after}") == [BROKEN]


@pytest.mark.parametrize(
    "broken",
    [
        "entity Team { active bool }",
        "action edit by User onn User",
        "const most: int = = 3",
        "define old() = now >> 2026-01-01",
        'gate other "q" fr view',
    ],
)
def test_without_a_declaration_names_are_not_reported(broken: str):
    use = "gate other { permit c: edit by Team when old() and most == 3 }"
    codes = [code for code, _ in _found(f"{WORDS}{broken}\n{use}\n")]
    assert len(codes) == 1
    assert codes[0] < "PE200"
