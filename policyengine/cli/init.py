"""Make a small policy folder that works: vocabulary, rules, tests and a request to try."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import click

from policyengine.cli.output import FINE, FailingInput, format_option, say, say_json

_FILES = ("documents.policy", "tests.policy", "request.json")


@click.command(short_help="Make a small policy folder with its tests.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@format_option
def command(directory: str, format: str) -> int:
    """Make a small working policy folder in DIR, to be changed into your own.

    DIR is made if it is not there. Nothing that exists is overwritten.

    \b
    Examples:
      policyengine init shop
      policyengine test shop
      policyengine decide shop --request shop/request.json
    """
    folder = Path(directory)
    taken = [
        name for name in _FILES if os.path.lexists(folder / name)
    ]  # a link that leads nowhere, too
    if taken:
        raise FailingInput(f"`{folder / taken[0]}` exists already; nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    starter = files("policyengine.cli") / "starter"
    for name in _FILES:
        with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write((starter / name).read_text(encoding="utf-8"))
    if format == "json":
        say_json({"written": [str(folder / name) for name in _FILES]})
        return FINE
    for name in _FILES:
        say(f"wrote {folder / name}")
    say(f"\nTry it:\n  policyengine test {folder}")
    say(f"  policyengine decide {folder} --request {folder / 'request.json'}")
    return FINE
