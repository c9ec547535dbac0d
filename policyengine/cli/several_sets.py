"""Run a command on several policy sets: with `--each`, every folder in PATH is a set of its own."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias

import click

from policyengine.cli.output import ENDING, FINE, MISUSE, FailingInput, complain, say, say_parts
from policyengine.concurrency import deaf, end_with
from policyengine.model.shown import plural

Act: TypeAlias = Callable[[tuple[str, ...]], int]
"""Runs a command on the policy set in some paths; returns its exit code."""

Done: TypeAlias = int | FailingInput
"""What became of a set: the exit code, or why it cannot be read."""

_Apart: TypeAlias = tuple[int | tuple[str, ...], str, str]
"""The same of a set that had a process of its own, and what was written."""

_ENDING: Final = (signal.SIGINT, *ENDING)


def each_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--each`."""
    return click.option(
        "--each", is_flag=True, help="Every folder in PATH is a policy set of its own; writes text."
    )(command)


def run_on_sets(
    paths: tuple[str, ...], act: Act, *, each: bool, text: bool, at_once: bool = False
) -> int:
    """Run *act* on *paths* as one set, or on each set in them, and sum up; return the highest exit code.

    *text*: whether text is written, and nothing but text. *at_once*: whether sets may be taken at the same time, on all
    cores. A set that cannot be read does not keep others from their turn.
    """
    if not each:
        return act(paths)
    if not text:
        raise click.UsageError("`--each` writes nothing but text", click.get_current_context())
    codes: dict[str, int] = {}
    folders = _sets_in(paths)
    run = _at_once if at_once and len(folders) > 1 and hasattr(os, "fork") else _one_by_one
    for folder, finish in run(act, folders):
        say_parts((f"\n{folder}" if codes else folder, "bold"))
        done = finish()
        if isinstance(done, FailingInput):
            complain(*done.args)
        codes[folder] = MISUSE if isinstance(done, FailingInput) else done
    bad = [folder for folder, code in codes.items() if code != FINE]
    fine = f"{len(codes) - len(bad)} of {plural(len(codes), 'set')} fine"
    say("")
    say(f"{fine}; not {', '.join(bad)}" if bad else fine, "bold red" if bad else "green")
    return max(codes.values())


def _done(act: Act, folder: str) -> Done:
    try:
        return act((folder,))
    except FailingInput as problem:
        return problem


def _one_by_one(act: Act, folders: Sequence[str]) -> Iterator[tuple[str, Callable[[], Done]]]:
    """Give each set with a function that runs *act* on it."""
    for folder in folders:
        yield folder, partial(_done, act, folder)


def _at_once(act: Act, folders: Sequence[str]) -> Iterator[tuple[str, Callable[[], Done]]]:
    """Run *act* in processes; give each set with a function that waits for its own, and writes what that wrote."""
    largest_first = sorted(folders, key=_size, reverse=True)  # so that none is left to do alone
    processes = min(len(folders), os.cpu_count() or 1)
    sys.stdout.flush()  # what waits there would be written by each process again
    context = get_context("fork")
    ours, theirs = context.Pipe()
    with ProcessPoolExecutor(processes, context, _begin, (act, ours, theirs)) as pool:
        running: dict[str, Future[_Apart]] = {}

        def finish(folder: str) -> Done:
            try:
                done, out, err = running[folder].result()
            except BrokenProcessPool:
                return FailingInput("a process ended before it was done; is there enough memory?")
            sys.stdout.write(out)
            sys.stderr.write(err)
            return done if isinstance(done, int) else FailingInput(*done)

        try:
            with deaf(*_ENDING):  # what is raised while a process forks is lost
                for folder in largest_first:
                    running[folder] = pool.submit(_done_apart, folder)
            for folder in folders:
                yield folder, partial(finish, folder)
        except BaseException:
            ours.close()  # what ends this process waits for none of them
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            ours.close()
            theirs.close()


def _size(folder: str) -> int:
    return sum(one.lstat().st_size for one in Path(folder).rglob("*.policy"))


_ACT: list[Act] = []
"""In a process of its own, what it runs."""


def _begin(act: Act, ours: Connection, theirs: Connection) -> None:
    _ACT[:] = [act]
    for ending in _ENDING:  # of which the first process says what it was
        signal.signal(ending, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    ours.close()  # which came along: of the first process alone
    end_with(theirs)


def _done_apart(folder: str) -> _Apart:
    """Run what this process is for on a set; return what became of it, and what was written."""
    out, err = _Kept(sys.stdout), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        done = _done(_ACT[0], folder)
    return (done if isinstance(done, int) else done.args), out.getvalue(), err.getvalue()


class _Kept(io.StringIO):
    """Keeps what is written, as it would be on *stream*: with its width and colours."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def _is_set(folder: Path) -> bool:
    """Whether there are policies below *folder*, or may be: what cannot be read is reported as that set's."""
    from policyengine.syntax.files import policy_files

    unread: list[OSError] = []
    return bool(policy_files(folder, unread.append) or unread)


def _sets_in(paths: Iterable[str]) -> Sequence[str]:
    """Return the folders in *paths* in which, or below which, there are policies."""
    found: list[str] = []
    for path in paths:
        folder = Path(path)
        if not folder.is_dir():
            raise FailingInput(f"`{path}` is no folder, and `--each` takes folders of policy sets")
        if beside := sorted(one.name for one in folder.glob("*.policy")):
            raise FailingInput(
                f"`{path}` is a policy set itself, with `{beside[0]}` in it: leave out `--each`"
            )
        inside = [
            one
            for one in sorted(folder.iterdir())
            if one.is_dir() and not one.name.startswith(".") and _is_set(one)
        ]
        if not inside:
            raise FailingInput(f"there is no policy set in a folder of `{path}`")
        found += map(os.fspath, inside)
    return found
