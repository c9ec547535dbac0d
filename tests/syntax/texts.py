"""Makes policy texts from the golden files of the formatter: pieced together, strewn with comments
and blank lines, or broken."""

import re
from pathlib import Path

from hypothesis import strategies as st

from policyengine.diagnostics.source import Source
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.parser import parse

_TOKEN = re.compile(
    r'"(?:[^"\\\r\n]|\\[^\r\n])*"|#[^\n]*|\d{4}-\d\d-\d\d[0-9T:Z.]*|\d+\.\d+|set<|\w+|->|[<>=!]=|\s+|.'
)


def _declarations():
    for path in sorted((Path(__file__).parents[1] / "golden" / "format").glob("*.policy")):
        source = Source(path.name, path.read_text(encoding="utf-8"))
        file, _ = parse(source)
        assert file is not None
        for declaration in file.declarations:
            yield source.text[declaration.span.start : declaration.span.end]


DECLARATIONS = list(_declarations())


def tokens(text):
    return [t for t in _TOKEN.findall(text) if not t.startswith("#")]


plain = st.lists(st.sampled_from(DECLARATIONS), max_size=3).map(
    lambda declarations: "\n".join(["package x", *declarations, ""])
)
"""Texts that parse."""


@st.composite
def strewn(draw):
    """Draw a text that parses, and the same with comments and blanks between its words."""
    text = draw(plain)
    words = tokens(text)
    rate = draw(st.sampled_from([0.01, 0.1, 0.4]))
    random = draw(st.randoms(use_true_random=False))
    pieces = []
    for i, word in enumerate(words):
        pieces.append(word)
        if word.strip() and random.random() < rate:
            comments = [f" # c{i}\n", f"\n# o{i}\n", f"\n\n  # o{i}\n\n", f"\n# o{i}\n\t# p{i}  \n"]
            pieces.append(random.choice([*comments, "\n", "\n\n\n", "  ", "\r\n"]))
    return text, "".join(pieces)


_SOUP = [
    *sorted(reserved_words()), *"{}()[]:,.<>=?+-*|!/;&'\"#@", "==", "<=", "x", "App", '"a"', "1", "1.5",
    "2026-01-01", "1d", "0x", "\n", "\n", "\n", "é", '"{', '}"', "\\",
]  # fmt: skip

soup = st.lists(st.sampled_from(_SOUP), max_size=40).map(" ".join)
"""Words of the language in any order."""


@st.composite
def broken(draw):
    """Draw a text that parsed before some of its words were lost, doubled or exchanged."""
    words = tokens(draw(plain))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(words) - 1))
        words[at : at + 1] = draw(
            st.sampled_from([[], [words[at]] * 2, [words[at], " "], ["\n"], [" x "]])
            | st.sampled_from(_SOUP).map(lambda word: [f" {word} "])
        )
        if not words:
            break
    return "".join(words)
