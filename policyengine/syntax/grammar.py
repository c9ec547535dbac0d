"""Find the grammar and make Lark's parser of it, once.

The grammar is in `grammar/`, beside the package in a checkout and inside it when installed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from lark import Lark

_PACKAGE = Path(__file__).resolve().parent.parent


def grammar_text() -> str:
    """Return the text of `policy.lark`."""
    for folder in (_PACKAGE / "grammar", _PACKAGE.parent / "grammar"):
        path = folder / "policy.lark"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError("grammar/policy.lark is neither in the package nor beside it")


@cache
def parser() -> Lark:
    """Return the parser; its start symbols are `file`, `rest` and `expression`.

    It keeps no state between calls, so threads may share it.
    """
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start=["file", "rest", "expression"],
        propagate_positions=True,
        maybe_placeholders=True,
    )


@cache
def reserved_words() -> frozenset[str]:
    """Return the words that may name attributes and nothing else."""
    words: set[str] = set()
    for terminal in parser().terminals:
        found = re.fullmatch(
            r"(?:\(\?:)?([a-z_|]+)\)?\(\?!\[A-Za-z0-9_\]\)", terminal.pattern.value
        )
        if found:
            words.update(found[1].split("|"))
    return frozenset(words)
