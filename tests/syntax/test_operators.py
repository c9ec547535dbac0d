"""Every operator has a row, and everything that must follow the rows does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from policyengine.syntax import foreign_words, nodes
from policyengine.syntax.expressions import _CHILDREN
from policyengine.syntax.grammar import parser, reserved_words
from policyengine.syntax.operators import OPERATORS
from policyengine.syntax.parse_state import COMPARISONS, INFIX, keywords, spelling

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "language.md").read_text(encoding="utf-8")
ROWS = list(OPERATORS.values())


def words(node: type[nodes.Node]) -> set[str]:
    return {row.word for row in ROWS if row.node is node}


@pytest.mark.parametrize(
    ("node", "choice"),
    [
        (nodes.Compare, nodes.Comparison),
        (nodes.Arithmetic, nodes.Sign),
        (nodes.Quantified, nodes.Quantifier),
    ],
)
def test_each_word_that_a_node_may_have_has_a_row(node, choice):
    assert words(node) == set(get_args(choice))


def test_the_grammar_knows_the_comparisons_that_have_rows():
    rules = (rule for rule in parser().rules if rule.origin.name == "operator")
    written = {" ".join(spelling(str(t.name)) for t in rule.expansion) for rule in rules}

    negated = {f"not {row.word}" for row in ROWS if row.node is nodes.Compare and row.negatable}
    assert written == words(nodes.Compare) | negated


def test_every_word_of_an_operator_is_reserved():
    parts = {part for row in ROWS for part in row.word.split() if part.isalpha()}

    assert parts - {"size", "lower", "ancestors"} <= reserved_words()


def test_the_page_lists_the_words_that_not_may_stand_before():
    [negation] = re.findall(r"^\| `a not in b` .*", PAGE, re.MULTILINE)
    listed = {"in", *re.findall(r"`not (\w+)`", negation)}

    assert listed == {row.word for row in ROWS if row.negatable}


def test_every_comparison_lists_what_it_takes_and_says_it():
    for row in ROWS:
        assert row.takes, row
        if row.node is nodes.Compare:
            assert row.types, row
            assert not row.must.endswith("hold"), row
        if isinstance(row.types, Mapping):
            assert row.types, row


def test_both_polarities_read_differently():
    assert [row for row in ROWS if row.must == row.must_not] == []


def test_what_other_languages_write_is_no_operator_here():
    known = {part for row in ROWS for part in row.word.split()}

    assert known & set(foreign_words.OPERATORS) == set()


def test_syntax_errors_know_what_stands_after_an_operand():
    accepted = {spelling(t) for t in COMPARISONS}

    assert accepted == {"not", *(row.word for row in ROWS if row.compares)}
    assert {row.word for row in ROWS} - {row.word for row in INFIX} == {
        "not", "if", "every", "some", "size", "lower", "ancestors",
    }  # fmt: skip
    assert {"within", "like", "has"} <= set(keywords())


def test_what_is_inside_each_expression_is_known():
    assert set(_CHILDREN) == set(get_args(nodes.Expr))


def section(title: str) -> str:
    """Return a section of the page, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def described(text: str) -> list[str]:
    """Return what is written in the first column of the table in *text*."""
    cells = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    return [form for cell in cells for form in re.findall(r"`([^`]+)`", cell)]


def test_the_language_page_describes_each_operator():
    forms = described(section("6. Operators"))

    others = ["now", 'App "a1"', "table[key]", "a not in b"]
    assert sorted(forms) == sorted([*(row.form for row in ROWS), *others])
    assert forms == list(dict.fromkeys(forms))


def test_the_page_on_the_analysis_lists_the_operators_that_it_does_not_understand():
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    listed = re.search(r"operators that the analysis does not understand: (.*);", page)
    forms = [row.form for row in ROWS if not row.understood]

    assert listed
    assert listed[1] == (", ".join(f"`{form}`" for form in forms) or "none")
