"""Compares the formatter and the renderer with what they gave before: `make golden` rewrites that."""

import os
from pathlib import Path

import pytest

from policyengine.diagnostics.render import render_all
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.syntax.formatter import format_source

ROOT = Path(__file__).parent


def assert_golden(path, text):
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(ROOT.glob("format/*.policy")), ids=lambda path: path.stem)
def test_formatted(path):
    formatted = format_source(Source(path.name, path.read_text(encoding="utf-8")))

    assert isinstance(formatted, str), formatted
    assert_golden(path.with_suffix(".formatted"), formatted)
    assert format_source(Source(path.name, formatted)) == formatted


@pytest.mark.parametrize("path", sorted(ROOT.glob("render/*.policy")), ids=lambda path: path.stem)
def test_rendered(path):
    source = Source(path.name, path.read_text(encoding="utf-8"))
    _, diagnostics = check_sources({source.name: source})

    assert diagnostics.items
    assert_golden(path.with_suffix(".txt"), render_all(diagnostics) + "\n")


def test_golden_files_bite(tmp_path, monkeypatch):
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    path = tmp_path / "x"
    path.write_text("before")

    with pytest.raises(AssertionError):
        assert_golden(path, "after")
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    assert_golden(path, "after")
    assert path.read_text() == "after"
