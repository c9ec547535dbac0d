"""Reads corpus files: policies with what is wrong with them written beside it.

A file is cut at lines that are `---` into chunks, each a policy set of one file. In a chunk the
comment `### PE301 "part of the message"` says that its line has that diagnostic; `###^ PE107 "…"`
says it of the line above, for lines that cannot have a comment. A chunk without such comments is
clean. Chunks are padded with empty lines, so that line numbers are those of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

EXPECTED = re.compile(r'###(\^?) *(\w+) "([^"]*)"')


@frozen
class Chunk:
    """A piece of a corpus file, as long as the file up to its end."""

    file: str
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}"


def chunks(path: Path, root: Path) -> Iterator[Chunk]:
    """Yield the chunks of one corpus file."""
    line = 1
    for text in re.split(r"^---\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        padding = "\n" * (line - 1)
        yield Chunk(path.relative_to(root).as_posix(), line, padding + text)
        line += text.count("\n") + 1


def mismatches(chunk: Chunk) -> list[str]:
    """Check a chunk; say what it should have given and did not, and what it gave besides."""
    source = Source(chunk.name, chunk.text)
    _, diagnostics = check_sources({chunk.name: source})
    found = [
        (source.position(diagnostic.span.start)[0], diagnostic.code, diagnostic.message)
        for diagnostic in diagnostics.items
    ]
    problems = []
    for line, code, part in expectations(chunk.text):
        fits = [f for f in found if f[:2] == (line, code) and part in f[2]]
        if fits:
            found.remove(fits[0])
        else:
            problems.append(f'missing  {line}: {code} "{part}"')
    return problems + [f"besides  {line}: {code} {message}" for line, code, message in found]


def expectations(text: str) -> list[tuple[int, str, str]]:
    """Return the line, the code and a part of the message of everything that is expected."""
    expected = [
        (number - len(above), code, part)
        for number, line in enumerate(text.split("\n"), 1)
        for above, code, part in EXPECTED.findall(line)
    ]
    assert len(expected) == text.count("###"), "unreadable ###"
    return expected
