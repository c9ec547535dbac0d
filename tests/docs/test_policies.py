"""Run every policy on the pages of docs/: whole sets pass their tests, parts add to the page's tour, and a
block marked with a code is refused with that code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import frozen

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources, compile_set
from policyengine.syntax.formatter import format_source
from policyengine.testing.runner import run_tests

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    DOCS / "language.md",
    DOCS / "recipes.md",
    DOCS / "texts.md",
    DOCS / "before-and-after.md",
    *sorted((DOCS / "coming-from").glob("*.md")),
]
BLOCK = re.compile(r"^```policy ?(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PACKAGE = re.compile(r"^package \w+", re.MULTILINE)


@frozen
class Block:
    """A policy on a page; *mark*: what follows the word `policy`."""

    page: str
    number: int
    mark: str
    text: str
    tour: str

    @property
    def texts(self) -> list[str]:
        """The files that the block is written as."""
        texts = re.split(r"^# ---- \w+\.policy\n", self.text, flags=re.MULTILINE)
        return [text for text in texts if text.strip()]

    @property
    def sources(self) -> dict[str, Source]:
        """The block, with the page's tour unless it is a whole set."""
        texts = self.texts
        if self.mark not in ("", "tour"):
            package = PACKAGE.search(self.tour)
            assert package is not None
            texts = [self.tour, f"{package[0]}\n{self.text}"]
        return {f"{n}.policy": Source(f"{n}.policy", text) for n, text in enumerate(texts)}


def _blocks(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    tour = next((text for mark, text in found if mark == "tour"), "")
    name = page.relative_to(DOCS).with_suffix("").as_posix()
    return [Block(name, number, mark, text, tour) for number, (mark, text) in enumerate(found)]


BLOCKS = [block for page in PAGES for block in _blocks(page)]


def _ids(block: Block) -> str:
    return f"{block.page}-{block.number}{block.mark}"


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.mark.startswith("PE")], ids=_ids)
def test_examples_check_clean_and_pass(block: Block) -> None:
    checked, diagnostics = check_sources(block.sources)

    assert diagnostics.items == ()
    assert checked is not None
    run = run_tests(checked, compile_set(checked))
    assert [result for result in run.results if result.status != "passed"] == []


@pytest.mark.parametrize("block", BLOCKS, ids=_ids)
def test_examples_are_formatted(block: Block) -> None:
    for text in block.texts:
        head = "" if PACKAGE.search(text) else "package p\n\n"
        formatted = format_source(Source("p", head + text))
        if isinstance(formatted, str):  # a mistake of syntax is an example of one
            assert formatted == head + text
        else:
            assert {problem.code for problem in formatted} == {block.mark}


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mark.startswith("PE")], ids=_ids)
def test_refused_examples_give_their_code(block: Block) -> None:
    _, diagnostics = check_sources(block.sources)

    assert {d.code for d in diagnostics.errors} == {block.mark}


def test_the_reference_has_examples_of_each_sort() -> None:
    marks = [block.mark for block in BLOCKS if block.page == "language"]

    assert {"tour", "", "part"} <= set(marks)
    assert len([mark for mark in marks if mark.startswith("PE")]) >= 4


def test_every_recipe_is_a_whole_set_with_a_test() -> None:
    recipes = [block for block in BLOCKS if block.page == "recipes"]

    assert len(recipes) >= 12
    assert all(block.mark == "" and "\ntest " in block.text for block in recipes)
