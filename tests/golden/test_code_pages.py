"""Holds docs/codes/ to the catalogue: `make golden` writes the pages, and none may be left over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policyengine.diagnostics.codes import CODES
from policyengine.diagnostics.codes.pages import index, page
from policyengine.lint.linter import LINT_CODES

FOLDER = Path(__file__).parents[2] / "docs" / "codes"
ALL = [code for _, code in sorted({**CODES, **LINT_CODES}.items())]
PAGES = {f"{code.number}.md": page(code) for code in ALL} | {"README.md": index(ALL)}

if os.environ.get("UPDATE_GOLDEN"):
    FOLDER.mkdir(exist_ok=True)
    for name, text in PAGES.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_catalogue_says(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]


def test_no_page_is_left_over():
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)
