"""Hold that the kept tables are those of the grammar."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from policyengine.syntax import grammar

FILE = Path(__file__).parents[2] / "grammar" / "policy.tables.json"


def test_the_tables_are_those_of_the_grammar():
    """`make golden` writes them anew."""
    made = msgspec.json.encode(grammar.make_tables(grammar.parser())) + b"\n"
    if os.environ.get("UPDATE_GOLDEN"):
        FILE.write_bytes(made)
    assert FILE.read_bytes() == made


@pytest.mark.parametrize("changed", [None, b"{", b'{"grammar": 1}'])
def test_tables_that_do_not_fit_the_grammar_are_made_anew(changed, tmp_path, monkeypatch):
    kept = grammar.tables.__wrapped__()
    copy = tmp_path / "policy.tables.json"
    copy.write_bytes(FILE.read_bytes() if changed is None else changed)
    real = grammar._file
    monkeypatch.setattr(grammar, "_file", lambda n: copy if n == copy.name else real(n))
    if changed is None:
        monkeypatch.setattr(grammar, "_hash", lambda: "another")
    made = grammar.tables.__wrapped__()
    assert made.reductions == kept.reductions
    assert (made.grammar == kept.grammar) == (changed is not None)
    copy.unlink()
    assert grammar.tables.__wrapped__().rows == kept.rows
