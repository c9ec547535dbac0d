"""Run a command on several policy sets: with `--each`, every folder in PATH is a set of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from policyengine.cli.loading import plural
from policyengine.cli.output import FINE, MISUSE, FailingInput, complain, say, say_parts


def each_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--each`."""
    return click.option(
        "--each", is_flag=True, help="Every folder in PATH is a policy set of its own; writes text."
    )(command)


def run_on_sets(
    paths: tuple[str, ...], act: Callable[[tuple[str, ...]], int], *, each: bool, text: bool
) -> int:
    """Run *act* on *paths* as one set, or on each set in them, and sum up; return the highest exit code.

    *text*: whether text is written, and nothing but text. A set that cannot be read does not keep others from their turn.
    """
    if not each:
        return act(paths)
    if not text:
        raise click.UsageError("`--each` writes nothing but text", click.get_current_context())
    codes: dict[str, int] = {}
    for folder in _sets_in(paths):
        say_parts((f"\n{folder}" if codes else folder, "bold"))
        try:
            codes[folder] = act((folder,))
        except FailingInput as problem:
            complain(*problem.args)
            codes[folder] = MISUSE
    bad = [folder for folder, code in codes.items() if code != FINE]
    fine = f"{len(codes) - len(bad)} of {plural(len(codes), 'set')} fine"
    say("")
    say(f"{fine}; not {', '.join(bad)}" if bad else fine, "bold red" if bad else "green")
    return max(codes.values())


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
            if one.is_dir() and not one.name.startswith(".") and any(one.rglob("*.policy"))
        ]
        if not inside:
            raise FailingInput(f"there is no policy set in a folder of `{path}`")
        found += map(os.fspath, inside)
    return found
