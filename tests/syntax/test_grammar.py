import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policyengine.syntax import nodes
from policyengine.syntax.grammar import grammar_text, parser, reserved_words
from policyengine.syntax.parse_state import keywords, spelling
from policyengine.syntax.tree_builder import TreeBuilder

ROOT = Path(__file__).parents[2]
STRICT = ROOT / ".venv" / "strict"

BUILD_STRICTLY = """
from lark import Lark
from policyengine.syntax.grammar import grammar_text
Lark({text} or grammar_text(), parser="lalr", lexer="contextual", strict=True,
     start={start})
"""


def build_strictly(text="", start=("file", "rest", "expression")):
    """Build a grammar in another process: with interegular, Lark looks for colliding terminals."""
    assert (STRICT / "interegular").is_dir(), (
        "interegular is missing: pip install --target .venv/strict interegular"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{STRICT}"}
    code = BUILD_STRICTLY.format(text=repr(text), start=list(start))
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_grammar_has_no_conflicts_and_no_colliding_terminals():
    built = build_strictly()

    assert built.returncode == 0, built.stderr[-2000:]


@pytest.mark.parametrize(
    "text",
    [
        "start: A | B\nA: /ab*/\nB: /a+b/",
        'start: x | y\nx: "a"\ny: "a"',
    ],
    ids=["colliding terminals", "conflicting rules"],
)
def test_the_strict_build_bites(text):
    assert build_strictly(text, ("start",)).returncode != 0


def test_every_terminal_is_named():
    names = [terminal.name for terminal in parser().terminals]

    assert len(names) > 80
    assert [n for n in names if n.startswith("__ANON")] == []
    assert all(n in grammar_text() for n in names if not n.startswith("__IGNORE"))


def test_every_word_ends_at_a_word_boundary():
    words = re.findall(r"^(\w+)\.\d: /([a-z_]+)(.*)/$", grammar_text(), re.MULTILINE)

    assert len(words) > 60
    assert {rest for name, _, rest in words if name != "_SET"} == {"(?![A-Za-z0-9_])"}


def test_keywords_and_reserved_words_are_the_same():
    assert set(keywords()) | {"every", "some"} == reserved_words() | {"set"}
    assert spelling("_APPROVED_BY") == "approved_by"
    assert spelling("AT_LEAST") == ">="
    assert spelling("NAME") == spelling("$END") == ""


def test_every_rule_of_the_grammar_is_built():
    rules = {str(rule.origin.name) for rule in parser().rules}
    in_tree = {r for r in rules if not r.startswith("_")} - {"member"}
    methods = {name.rstrip("_") for name in vars(TreeBuilder)}

    assert in_tree - methods == set()


def test_every_node_has_a_span():
    classes = [c for c in vars(nodes).values() if isinstance(c, type) and issubclass(c, nodes.Node)]

    assert len(classes) > 50
    assert all(hasattr(c, "span") for c in classes)


def test_the_reserved_words_are_those_of_the_document():
    page = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
    listed = page.partition("They are `")[2].partition("`. Words that mean something")[0]
    assert re.split(r"`,\s+`", listed) == sorted(reserved_words())
