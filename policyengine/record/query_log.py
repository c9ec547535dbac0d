"""Find records in a log: those that satisfy every condition, in the order in which they were written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from policyengine.diagnostics.reading import open_regular
from policyengine.record.log_lines import LogEntries, log_entries, read_lines
from policyengine.record.verify_log import moment_of


class Conditions(Struct, frozen=True):
    """What records must have; None or nothing where any will do.

    *subject*, *resource*: a type, or a type and an id as `User:ann`. *since* is the first moment, *until* the
    first that is too late, in microseconds since 1970.
    """

    subject: str | None = None
    action: str | None = None
    resource: str | None = None
    rule: str | None = None
    allowed: bool | None = None
    ids: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    def holds_for(self, record: dict[str, Any]) -> bool:
        """Whether a record satisfies all of them."""
        asked = _object(record.get("request"))
        action = _object(asked.get("action")).get("name")
        if self.ids and record.get("id") not in self.ids:
            return False
        if self.allowed is not None and record.get("decision") is not self.allowed:
            return False
        if self.action is not None and self.action != action:
            return False
        for named in ("subject", "resource"):
            if not _is_named(asked.get(named), getattr(self, named)):
                return False
        rules = record.get("rules")
        if self.rule is not None and not (isinstance(rules, list) and self.rule in rules):
            return False
        return self._is_in_time(record)

    def is_other(self, named: str, record: dict[str, Any]) -> bool:
        """Whether the subject or the resource of a record, as *named*, is of another type."""
        type_ = getattr(self, named).partition(":")[0]
        return not _is_named(_object(record.get("request")).get(named), type_)

    def _is_in_time(self, record: dict[str, Any]) -> bool:
        if self.since is None and self.until is None:
            return True
        moment = moment_of(record)
        if moment is None or (self.since is not None and moment < self.since):
            return False
        return self.until is None or moment < self.until


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_named(entity: object, wanted: str | None) -> bool:
    """Whether an entity of a record is of the type that is wanted, or the one that is."""
    if wanted is None:
        return True
    type_, separator, id_ = wanted.partition(":")
    found = _object(entity)
    return found.get("type") == type_ and (not separator or found.get("id") == id_)


class Reading(Struct):
    """How a log was read. *unreadable*: lines that are none of a log; where no chain was checked, others may lie.

    *no_files*: what has the name of a file of a log and is none.

    *unseen*: `subject` and `resource` where the type that is wanted is that of no record.
    """

    records: int = 0
    unreadable: int = 0
    no_files: tuple[Path, ...] = ()
    unseen: tuple[str, ...] = ()


def read_records(
    paths: list[Path], reading: Reading, conditions: Conditions | None = None
) -> Iterator[dict[str, Any]]:
    """Give the records of logs, each a folder or a file, one after another: those for which the *conditions* hold.

    Nothing is verified: see `verify_log`. Raises `OSError` if a log cannot be read, or has no file.
    """
    wanted = conditions or Conditions()
    unseen = [name for name in ("subject", "resource") if getattr(wanted, name) is not None]
    for path in paths:
        entries = log_entries(path)
        if entries == LogEntries(()):
            raise FileNotFoundError(errno.ENOENT, "there is no file of a log here", str(path))
        reading.no_files += entries.others
        for file in entries.files:
            with open_regular(file) as opened:
                for line in read_lines(opened):
                    content = line.content() if line.is_whole else None
                    if content is None or line.hash is None:
                        reading.unreadable += 1
                        continue
                    record = content.get("record")
                    if isinstance(record, dict):
                        reading.records += 1
                        unseen = unseen and [one for one in unseen if wanted.is_other(one, record)]
                        if wanted.holds_for(record):
                            yield record
    reading.unseen = (*unseen,)
