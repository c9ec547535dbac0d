"""Decide a Parquet file of requests into another, batch by batch, on all cores.

Each batch becomes a *part*, a file that is there whole or not at all; when all are there, they become the
two files that are asked for. A run that was interrupted goes on with the parts that are missing, and with
its own `now`. Parts of another run, or of a file that has changed, are refused: `run.json` says whose they are.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from itertools import groupby
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Final, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from policyengine.diagnostics.reading import open_regular, read_regular
from policyengine.tables.decide_rows import Counts, DecidingEngine, decide_rows, with_gained
from policyengine.tables.request_columns import PROBLEM, RequestColumns, UnfitTable
from policyengine.version import __version__

BATCH: Final = 10_000
"""The rows of a part."""

Progress: TypeAlias = Callable[[int, int], None]
"""A callback that takes how many rows are decided, of how many."""


class TableJob(Struct, frozen=True):
    """The decisions on the requests in the file *table*.

    Those on requests that fit go to *out*, the other rows with their problem to *bad*. *now*: the moment of
    all requests; None if it is their own, and that of the run for those that have none. *inputs*: what else
    decides, which a run that goes on must have in common. *kept*: columns that are no parts of requests.
    """

    table: Path
    out: Path
    bad: Path
    now: str | None
    inputs: Mapping[str, str]
    kept: frozenset[str] = frozenset()
    processes: int = 1
    batch: int = BATCH

    @classmethod
    def of(
        cls,
        table: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        bad: str | os.PathLike[str] | None = None,
        now: str | None = None,
        keep: Collection[str] = (),
        inputs: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the job for these files, on as many cores as there is work for.

        *bad*: beside *out*, unless it is given. *keep*: columns that are no parts of requests.
        Raises `UnfitTable` if *table* is no Parquet file, `OSError` if it cannot be read.
        """
        file, to = Path(table), Path(out)
        if not to.name:  # of `.`, for one
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
        beside = to.with_name(f"{to.stem}.bad{to.suffix}") if bad is None else Path(bad)
        processes = max(1, min(os.cpu_count() or 1, _rows_of(file) // BATCH))
        return cls(file, to, beside, now, inputs or {}, frozenset(keep), processes)

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.out.with_name(self.out.name + ".parts")

    def run(self, engine: DecidingEngine, progress: Progress = lambda _done, _of: None) -> Counts:
        """Decide all rows that no earlier run has; raises `UnfitTable`, and `OSError` of files."""
        files = self.table, self.out, self.bad, self.parts
        if len({os.path.realpath(path) for path in files}) < len(files):
            raise UnfitTable("the table, the decisions and the bad rows must be three files")
        for path in (self.out, self.bad):
            if path.is_dir() or not path.parent.is_dir():  # not when all is decided
                number = errno.EISDIR if path.is_dir() else errno.ENOENT
                raise OSError(number, os.strerror(number), str(path))
        with open_regular(self.table) as file:
            source = _opened(file, self.table)
            columns = RequestColumns(engine.schema, source.schema_arrow, self.kept, self.now)
            moment = self._begin(source.metadata, os.fstat(file.fileno()), engine.digest)
            work = _Work(engine, columns, moment)
            parts: list[Path] = []
            done, of = 0, source.metadata.num_rows

            def missing() -> Iterator[tuple[Path, pa.RecordBatch]]:
                nonlocal done
                first = 0
                for batch in self._batches(source):
                    part = self.parts / f"{first:015}-{batch.num_rows}.parquet"
                    parts.append(part)
                    first += batch.num_rows
                    if part.exists():
                        done += batch.num_rows
                    else:
                        yield part, batch
                if first != of:
                    raise UnfitTable(f"the table has {first:,} rows, and says that it has {of:,}")

            for rows in self._decided(work, missing()):
                done += rows
                progress(done, of)
            counts = self._join(parts, source.schema_arrow)
        if counts.rows != of:
            raise UnfitTable(f"`{self.parts}` has parts of something else: remove it")
        for part in parts:  # before the note, which says whose they are
            part.unlink()
        shutil.rmtree(self.parts)
        return counts

    def _batches(self, source: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        try:
            yield from source.iter_batches(self.batch)
        except (pa.ArrowException, OSError) as problem:
            said = f"`{self.table}` cannot be read to its end: {_in_a_line(problem)}"
            raise UnfitTable(said) from None

    def _begin(self, metadata: pq.FileMetaData, status: os.stat_result, digest: str) -> str:
        """Note whose the parts are, and return the moment of the run; the one it began with if it goes on."""
        mine = {
            "table": [  # the time of the change is set by the system alone
                status.st_dev,
                status.st_ino,
                status.st_size,
                status.st_ctime_ns,
                metadata.num_rows,
            ],
            "policy": digest,
            "version": __version__,
            "now": self.now,
            **self.inputs,
            "batch": self.batch,
        }
        note = self.parts / "run.json"
        if note.exists():
            try:
                found = json.loads(read_regular(note))
                began: str = found.pop("began")
            except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
                found, began = mine | {"batch": None}, ""
            if found != mine:
                differs = next((k for k in mine if found.get(k) != mine[k]), "batch")
                said = f"`{self.parts}` has parts of a run with another {differs}"
                raise UnfitTable(f"{said}: remove it to begin again")
            return began
        self.parts.mkdir(exist_ok=True)
        others = [one for one in self.parts.iterdir() if not one.match(f".{note.name}.*")]
        if any(one.suffix == ".parquet" for one in others):
            raise UnfitTable(
                f"`{self.parts}` has parts of an unknown run: remove it to begin again"
            )
        if others:  # all of the folder is removed in the end
            raise UnfitTable(f"`{self.parts}` holds what is no part of a run: `{others[0].name}`")
        began = datetime.now(UTC).isoformat()
        _write_whole(note, lambda at: at.write_text(json.dumps({**mine, "began": began})))
        return began

    def _decided(
        self, work: _Work, missing: Iterator[tuple[Path, pa.RecordBatch]]
    ) -> Iterator[int]:
        """Write all parts that are missing; give how many rows each has."""
        if self.processes == 1:
            yield from (work.write(part, batch) for part, batch in missing)
            return
        pool = ProcessPoolExecutor(
            self.processes, get_context("spawn"), _start_worker, (pickle.dumps(work),)
        )
        running: set[Future[int]] = set()
        try:
            for part, batch in missing:
                running.add(pool.submit(_write_part, part, batch))
                if len(running) >= 2 * self.processes:  # more would wait in memory
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in ended)
            yield from (future.result() for future in running)
        finally:
            pool.shutdown(cancel_futures=True)

    def _join(self, parts: list[Path], schema: pa.Schema) -> Counts:
        """Write the two files from the parts, in the order of the table."""
        empty = with_gained(schema.empty_table(), [])
        counts = Counts()

        def write(out: Path, bad: Path) -> None:
            nonlocal counts
            fits = empty.schema.remove(empty.schema.get_field_index(PROBLEM))
            wrong = pa.schema([*schema, empty.schema.field(PROBLEM)], schema.metadata)
            with pq.ParquetWriter(out, fits) as decided, pq.ParquetWriter(bad, wrong) as others:
                for part in parts:
                    table = _part(part)
                    good, rest = _parted(table)
                    decided.write_table(_as(fits, good))
                    others.write_table(_as(wrong, rest))
                    counts += Counts.of(table)

        _write_whole(self.bad, lambda bad: _write_whole(self.out, lambda out: write(out, bad)))
        return counts


class _Work:
    """What a process needs to decide batches."""

    def __init__(self, engine: DecidingEngine, columns: RequestColumns, now: str) -> None:
        self._engine, self._columns, self._now = engine, columns, now

    def write(self, part: Path, batch: pa.RecordBatch) -> int:
        """Decide *batch*, write it, and return its size."""
        table = decide_rows(self._engine, self._columns, batch, self._now)
        _write_whole(part, lambda at: pq.write_table(table, at))
        rows: int = batch.num_rows
        return rows


_WORK: list[_Work] = []
"""The work of this process, if it is one of several."""


def _start_worker(pickled: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    _WORK[:] = [pickle.loads(pickled)]  # noqa: S301 - of that process, with nothing of an author but texts
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    Thread(target=end, daemon=True).start()


def _write_part(part: Path, batch: pa.RecordBatch) -> int:
    return _WORK[0].write(part, batch)


def _write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Have *write* make the file *path*, which is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _opened(file: Any, name: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as problem:
        said = f"`{name}` is no Parquet file, or cut short: {_in_a_line(problem)}"
        raise UnfitTable(said) from None


def _part(name: Path) -> pa.Table:
    try:
        return pq.read_table(name)
    except pa.ArrowException:
        raise UnfitTable(f"`{name}` is damaged: remove it, and run the command again") from None


def _parted(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the rows without and with a problem; by slices, since not every type can be filtered."""
    parted: tuple[list[pa.Table], list[pa.Table]] = [table.slice(0, 0)], [table.slice(0, 0)]
    at = 0
    for is_bad, run in groupby(pc.is_valid(table[PROBLEM]).to_pylist()):
        size = sum(1 for _ in run)
        parted[is_bad].append(table.slice(at, size))
        at += size
    return pa.concat_tables(parted[False]), pa.concat_tables(parted[True])


def _as(schema: pa.Schema, rows: pa.Table) -> pa.Table:
    """Return the columns of *rows* that are in *schema*."""
    return pa.Table.from_arrays(rows.select(schema.names).columns, schema=schema)


def _in_a_line(problem: Exception) -> str:
    return str(problem).split("\n")[0].rstrip(".")


def _rows_of(table: Path) -> int:
    """Return how many rows a Parquet file says that it has; raises `UnfitTable` if it is none."""
    with open_regular(table) as file:
        rows: int = _opened(file, table).metadata.num_rows
        return rows
