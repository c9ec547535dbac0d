"""Reads files of slips: what an author wrote, what is said of it, and what is right.

A file begins with a policy that is right. After it come slips, each begun by a line `=== title` and written
as a difference: lines after `- ` are wrong, those after `+ ` are what the message advises, and those after
two spaces are the same in both. Under a line of the wrong text stand its messages: `^` marks the place,
then comes what is wrong, and after `?` the advice.

    - permit a: read when now() > resource.due
    ^                     ^^^^^ PE126 `now` cannot be called
    ?                     write `now`
    + permit a: read when now > resource.due

A slip whose text begins with `package` stands alone, without the policy at the beginning of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

_NAME = "slip.policy"


@frozen
class Slip:
    """A slip: its lines as they are in the file, and the policy before it."""

    file: str
    line: int
    title: str
    lines: tuple[str, ...]
    before: str

    @property
    def wrong(self) -> str:
        """What the author wrote."""
        return self._beginning("-") + self._text("-")

    @property
    def right(self) -> str:
        """What it is once the advice is followed."""
        return self._beginning("+") + self._text("+")

    def _beginning(self, sign: str) -> str:
        return "" if self._text(sign).startswith("package ") else self.before

    def _text(self, sign: str) -> str:
        return "".join(line[2:] + "\n" for line in self.lines if line[:1] in (" ", sign, ""))

    def as_found(self) -> list[str]:
        """Return the lines of the slip with the messages that are given now."""
        own = self._beginning("-").count("\n")
        messages: dict[int, list[str]] = {}
        source = Source(_NAME, self.wrong)
        for diagnostic in _errors(source):
            number, lines = _shown(source, diagnostic)
            messages.setdefault(number - own, []).extend(lines)
        number, lines = 0, messages.pop(0, [])
        for line in self.lines:
            if line[:1] in ("^", "?"):
                continue
            lines.append(line)
            if line[:1] in (" ", "-", ""):
                number += 1
                lines += messages.pop(number, [])
        return lines + [line for rest in messages.values() for line in rest]

    def problems_when_right(self) -> list[str]:
        """Return the errors that are left when the advice is followed."""
        source = Source(_NAME, self.right)
        return [line for d in _errors(source) for line in _shown(source, d)[1]]


def read(path: Path) -> tuple[str, list[Slip]]:
    """Return the policy at the beginning of a file, and its slips."""
    before, *rest = _pieces(path)
    policy = "".join(before[2])
    return policy, [
        Slip(path.name, number, title, tuple(line.rstrip("\n") for line in lines), policy)
        for number, title, lines in rest
    ]


def _pieces(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    number, title, lines = 1, "", list[str]()
    for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        if line.startswith("=== "):
            yield number, title, lines
            number, title, lines = at, line[4:].strip(), []
        else:
            lines.append(line)
    yield number, title, lines


def _errors(source: Source) -> tuple[Diagnostic, ...]:
    return check_sources({source.name: source})[1].errors


def _shown(source: Source, diagnostic: Diagnostic) -> tuple[int, list[str]]:
    """Return the line of a diagnostic, and how it stands under it."""
    line, column = source.position(diagnostic.span.start)
    end_line, end = source.position(diagnostic.span.end)
    until = end if end_line == line else len(source.line(line)) + 1
    marks = "^" * max(1, until - column)
    indented = " " * column
    shown = [f"^{indented}{marks} {diagnostic.code} {diagnostic.message}"]
    if diagnostic.help:
        shown.append(f"?{indented}{diagnostic.help}")
    return line, shown


def rewritten(path: Path) -> str:
    """Return the text of a file with the messages that are given now."""
    policy, slips = read(path)
    parts = [policy]
    for slip in slips:
        parts.append(f"=== {slip.title}\n")
        parts += [f"{line}\n" for line in slip.as_found()]
    return "".join(parts)
