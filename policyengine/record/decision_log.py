"""Write decisions to a log of JSON lines: each before it is given, or as fast as it goes.

Decisions of many threads that wait for the disk at the same time are written together, and wait once.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, RLock, Thread, get_ident
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self, TypeAlias
from weakref import WeakSet, finalize

from policyengine.concurrency import in_forked_child
from policyengine.model.errors import NotRecorded
from policyengine.model.settings import check_called, check_count, check_paths
from policyengine.model.values import moment_text
from policyengine.record.log_folder import LogFolder
from policyengine.record.log_lines import LONGEST_LINE, encoded
from policyengine.record.record_text import record_of

if TYPE_CHECKING:
    from policyengine.model.decision import Decision

LogMode: TypeAlias = Literal["durable", "fast"]
ToLog: TypeAlias = "Callable[[Decision], dict[str, Any]]"

_SMALLEST: Final = 1_000
_MARGIN: Final = 100
"""Bytes of a line beside its content."""
_GROUP: Final = 1_000
"""Decisions that are written together at most, of those that are given together."""
_PAUSE: Final = 0.05
"""Seconds after which a fast log tries again what it could not write."""


class DecisionLog:
    """A log of decisions in the folder *path*, for `PolicyEngine.with_record`; threads may share one.

    *mode*: `durable`, where a decision is given when its record is on the disk, else not at all; or `fast`,
    where a thread writes what is in a queue of at most *queue* records: what does not fit is lost, counted
    (`lost`), and a line of the log says how many. *size*: bytes after which another file is begun. *to_log*
    makes the records, by default `Decision.to_log`.

    Raises `OSError` if the folder cannot be written, `BlockingIOError` if it is written by another log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: LogMode = "durable",
        *,
        size: int = 64_000_000,
        queue: int = 10_000,
        to_log: ToLog | None = None,
    ) -> None:
        if mode not in ("durable", "fast"):
            raise ValueError(f"a log is `durable` or `fast`, and not {mode!r}")
        check_paths([path])
        if not os.fspath(path):  # a setting that was forgotten, and not the current folder
            raise ValueError("a log needs the path of its folder, and this one is empty")
        check_count("size", size, _SMALLEST)
        check_count("queue", queue)
        check_called("to_log", to_log)
        self._path, self._mode, self._most, self._to_log = Path(path), mode, queue, to_log
        self._folder = LogFolder(self._path, size)
        # A signal may raise in any call of a Python function, so the lock is taken by itself:
        # `Condition.__enter__` is one.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._waiting: deque[_Entry] = deque()
        self._is_writing = self._is_closed = False
        self._writer: int | None = None
        self._is_elsewhere = False
        self._lost = self._lost_unsaid = 0
        self._last_error: Exception | None = None
        self._thread: Thread | None = None
        if mode == "fast":
            self._thread = Thread(target=self._write_on, name="policyengine log", daemon=True)
            self._thread.start()
        _open_logs.add(self)
        finalize(
            self, self._folder.close
        ).atexit = False  # which would be before what waits is written

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a log is neither copied nor pickled, for one process writes it: make one where it is used,"
            " in a folder of its own"
        )

    def __repr__(self) -> str:
        return f"<{self._mode} log of decisions in {str(self._path)!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lost(self) -> int:
        """The decisions that were given without a record; never any of a `durable` log."""
        return self._lost

    @property
    def last_error(self) -> Exception | None:
        """The reason why the last write failed; None if it did not."""
        return self._last_error

    @property
    def waits(self) -> bool:
        """Whether decisions wait for the disk."""
        return self._mode == "durable"

    def __call__(self, decision: Decision) -> None:
        """Record a decision. Raises `NotRecorded` if it is not on record and the log is `durable`, or not open."""
        self.together((decision,))

    def together(self, decisions: Sequence[Decision]) -> None:
        """Record decisions that are given at once: they wait for the disk once."""
        if self._is_elsewhere:
            raise NotRecorded(
                "this log was opened before the process was forked: open one of another folder in each process"
            )
        for at in range(0, len(decisions), _GROUP):
            entries = [*map(self._entry, decisions[at : at + _GROUP])]
            if self._mode == "durable":
                self._write_through(entries)
            else:
                self._queue(entries)

    def _entry(self, decision: Decision) -> _Entry:
        entry = _Entry(encoded({"record": record_of(decision, self._to_log)}))
        if len(entry.line) > LONGEST_LINE - _MARGIN:
            raise NotRecorded(f"a record has at most {LONGEST_LINE - _MARGIN:,} bytes")
        return entry

    def close(self) -> None:
        """Write what waits, and let go of the folder. Decisions that come after are not given."""
        if self._is_elsewhere:  # where a thread may have held the lock for ever
            return
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            while self._is_writing:
                self._changed.wait()
            self._folder.close()
        _open_logs.discard(self)

    # ---- durable ------------------------------------------------------------------------

    def _write_through(self, entries: Sequence[_Entry]) -> None:
        """Wait until *entries* are on the disk: the first of those that wait writes for all."""
        entry = entries[-1]  # all are in one group
        group: list[_Entry] = []
        problem: BaseException | None = NotRecorded("writing was interrupted")
        interrupted: BaseException | None = None
        try:
            with self._lock:
                self._add(entries)
                while self._is_writing and not entry.is_done:
                    self._changed.wait()
                if not entry.is_done:
                    me, group = get_ident(), list(self._waiting)
                    self._is_writing, self._writer = True, me
                    self._waiting.clear()
            if group:
                self._folder.write([one.line for one in group], sync=True)
                problem = None
        except Exception as found:
            problem = found
            if not group:
                raise
        finally:
            while group:  # no call is before `try`: a handler of signals may raise in each, and all would wait
                try:
                    self._end(group, problem)
                    group = []
                except BaseException as found:  # noqa: BLE001 - raised when all know
                    interrupted = found
        if interrupted is not None:
            raise interrupted
        if entry.problem is not None:
            raise NotRecorded(f"the decision was not recorded: {entry.problem}") from entry.problem

    def _add(self, entries: Sequence[_Entry]) -> None:
        if self._is_closed:
            raise NotRecorded("the log is closed")
        if self._writer == get_ident():  # which would wait for itself
            raise NotRecorded("this thread is just writing the record of another decision")
        self._waiting.extend(entries)

    def _end(self, group: list[_Entry], problem: BaseException | None) -> None:
        """Say to all that wait what became of their lines."""
        with self._lock:
            for one in group:
                one.problem, one.is_done = problem, True
            if self._writer == get_ident():
                self._last_error = problem if isinstance(problem, Exception) else None
                self._is_writing, self._writer = False, None
            self._changed.notify_all()

    # ---- fast ---------------------------------------------------------------------------

    def _queue(self, entries: Sequence[_Entry]) -> None:
        with self._lock:
            room = max(0, self._most - len(self._waiting))
            self._add(entries[:room])
            lost = len(entries[room:])
            self._lost += lost
            self._lost_unsaid += lost
            self._changed.notify_all()

    def _write_on(self) -> None:
        """Write what is in the queue, until the log is closed."""
        while True:
            with self._lock:
                while not (self._waiting or self._lost_unsaid or self._is_closed):
                    self._changed.wait()
                group, lost = list(self._waiting), self._lost_unsaid
                self._waiting.clear()
                self._lost_unsaid = 0
                ends = self._is_closed
            if group or lost:
                self._write_fast(group, lost, ends=ends)
            if ends:
                return

    def _write_fast(self, group: list[_Entry], lost: int, *, ends: bool) -> None:
        lines = [one.line for one in group]
        if lost:
            moment = moment_text(time_ns() // 1000)
            lines.append(encoded({"lost": {"count": lost, "time": moment}}))
        try:
            self._folder.write(lines, sync=ends)
        except Exception as problem:  # noqa: BLE001 - nobody waits who could hear of it
            if self._last_error is None:
                _warn("decisions are not recorded: %s", problem)
            with self._lock:
                self._last_error = problem
                self._lost += len(group)
                self._lost_unsaid += len(group) + lost
                if not ends:
                    self._changed.wait(_PAUSE)
        else:
            self._last_error = None


class _Entry:
    """A line that waits to be written."""

    __slots__ = ("is_done", "line", "problem")

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.is_done = False
        self.problem: BaseException | None = None


_open_logs: WeakSet[DecisionLog] = WeakSet()


def _let_go() -> None:
    """Leave to the parent of a forked process what it writes."""
    for log in list(_open_logs):
        log._is_elsewhere = True  # noqa: SLF001 - its own
        log._folder.close()  # noqa: SLF001 - its own
    _open_logs.clear()


def _close_all() -> None:
    for log in list(_open_logs):
        log.close()


in_forked_child(_let_go)
atexit.register(_close_all)


def _warn(message: str, problem: Exception) -> None:
    from logging import getLogger  # which most runs never need

    with suppress(Exception):  # of a handler, for which nothing may be lost uncounted
        getLogger("policyengine.record").warning(message, problem)
