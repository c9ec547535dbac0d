"""Repeat an action whenever a policy file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import click

from policyengine.cli.output import FailingInput, complain, say

_PAUSE = 0.3
"""The seconds between two checks of the files: checking a hundred takes a millisecond."""

_State: TypeAlias = dict[str, tuple[int, int]]
"""The time of the last change and the size, of each file."""


def watch(paths: Iterable[str], act: Callable[[], int]) -> int:
    """Call *act*, and again after each change of the policies in *paths*, until interrupted.

    Input that fails is reported, and watched further. Returns the last result of *act*.
    """
    code = 0
    paths = list(paths)
    try:
        while True:
            before = _state(paths)
            click.clear()  # does nothing where there is no terminal
            try:
                code = act()
            except FailingInput as problem:
                complain(*problem.args)
                code = 2
            say("\nwaiting for a change; Ctrl-C ends it", "dim")
            while _state(paths) == before:
                time.sleep(_PAUSE)
    except KeyboardInterrupt:
        return code


def _state(paths: Iterable[str]) -> _State:
    from policyengine.syntax.files import policy_files

    found: _State = {}
    for path in paths:
        for file in policy_files(path) if Path(path).is_dir() else [path]:
            try:
                stat = Path(file).stat()
            except OSError:
                continue  # it is gone, which is a change
            found[file] = stat.st_mtime_ns, stat.st_size
    return found
