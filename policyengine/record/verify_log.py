"""Check that a log is as it was written: no line changed, removed, added or moved.

What a crash leaves is reported as that: an end of a file that is no whole line, after which the next file goes on with
the hash of the last whole one. A log whose last lines were removed is shorter, and else right: keep the hash of its
last line elsewhere, and ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from policyengine.diagnostics.reading import open_regular
from policyengine.model.shown import escaped
from policyengine.model.values import parse_datetime
from policyengine.record.log_lines import START, Line, is_log_file, log_entries, read_lines

_BACKWARDS: Final = 5_000_000
"""Microseconds that the time of a record may be before that of an earlier one: several threads write together."""


_MOST_LOST: Final = 10**15


NO_FILE: Final = "it has the name of a file of the log and is none, so it was not read"


class Fault(Struct, frozen=True):
    """Something of a log that is not as it was written. *line*: 0 if it is no line; *file*: empty if it is in none."""

    file: str
    line: int
    message: str


class Verified(Struct):
    """What was found in a log. *first*: the hash before it; *last*: that of its last line.

    *cut*: ends of files that a crash cut; *lost*: decisions without a record, as a `fast` log says; *set_back*: how
    often the clock was set back. *faults*: what is not as it was written, the first of each file.
    """

    files: int = 0
    records: int = 0
    first: str = START
    last: str = START
    cut: list[Fault] = field(default_factory=list)
    lost: int = 0
    set_back: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_as_written(self) -> bool:
        """Whether nothing was changed."""
        return not self.faults


def verify_log(path: Path, expected: Iterable[str] = ()) -> Verified:
    """Check the log in a folder, or one file of it. *expected*: hashes of lines that must be in it.

    Raises `OSError` if it cannot be read.
    """
    found = Verified()
    check = _Check(found, {*expected})
    entries = log_entries(path)
    for file in entries.files:
        found.files += 1
        with open_regular(file) as opened:
            check.file(file.name, read_lines(opened))
    for other in entries.others:
        found.faults.append(Fault(other.name, 0, NO_FILE))
    for missing in sorted(check.expected):
        found.faults.append(Fault("", 0, f"no line has the hash {escaped(missing)}"))
    return found


class _Check:
    """Checks the files of a log, one after another."""

    def __init__(self, found: Verified, expected: set[str]) -> None:
        self.expected = expected
        self._found = found
        self._latest: int | None = None
        self._begins = True
        self._has_first = False

    def file(self, name: str, lines: Iterator[Line]) -> None:
        """Check the lines of one file."""
        found, faults, is_empty = self._found, 0, True
        self._has_first = self._has_first or (is_log_file(name) and int(name[:-6]) == 1)
        for line in lines:
            content, is_empty = line.content() or {}, False
            if not line.is_whole:
                if content and not line.follows(found.last):  # no cut leaves another object
                    found.faults.append(Fault(name, line.number, _FAULTS[0]))
                found.cut.append(Fault(name, line.number, "the line was cut"))
                return
            if self._begins:
                self._begins = False
                found.first = found.last = _before(content)
                if self._has_first and found.first != START:
                    faults += 1
                    found.faults.append(Fault(name, line.number, _FAULTS[2]))
            if not line.follows(found.last):
                faults += 1
                if faults == 1:
                    found.faults.append(Fault(name, line.number, _FAULTS[line.number == 1]))
            found.last = line.hash or found.last
            self.expected.discard(found.last)
            self._content(content)
        if is_empty:  # a file has its first line as soon as it is made
            found.cut.append(Fault(name, 1, "the line was cut"))

    def _content(self, content: dict[str, Any]) -> None:
        record, lost = content.get("record"), content.get("lost")
        count = lost.get("count") if isinstance(lost, dict) else None
        if type(count) is int and 0 < count < _MOST_LOST:
            self._found.lost += count
        if isinstance(record, dict):
            self._found.records += 1
            moment = moment_of(record)
            if moment is not None:
                if self._latest is not None and self._latest - moment > _BACKWARDS:
                    self._found.set_back += 1
                    self._latest = moment
                self._latest = max(moment, self._latest or moment)


_FAULTS: Final = (
    "the line is not as it was written, or what was before it is missing",
    "the file does not go on where the one before it ends",
    "the file goes on after lines that are not there, and no file was before it",
)


def _before(content: dict[str, Any]) -> str:
    """Return the hash before the first line of a log, of which earlier files may be gone."""
    log = content.get("log")
    before = log.get("before") if isinstance(log, dict) else None
    return before if isinstance(before, str) else START


def moment_of(record: dict[str, Any]) -> int | None:
    """Return the time of a record in microseconds since 1970, if it has one."""
    time = record.get("time")
    try:
        return parse_datetime(time) if isinstance(time, str) else None
    except ValueError:
        return None
