"""Make a policy folder that works: vocabulary, rules, tests and requests to try."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from policyengine.cli.output import FINE, FailingInput, format_option, say, say_json

_PACKAGE = Path(__file__).parents[1]
_COPIED = (".policy", ".json", ".md")


@click.command(short_help="Make a policy folder with its tests, to begin with.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@click.option(
    "--like",
    type=click.Choice(["minimal", "hospital", "workspace"]),
    default="minimal",
    show_default=True,
    help="The set to begin with: a few rules, a hospital's records, or a documents service with tenants.",
)
@format_option
def command(directory: str, like: str, format: str) -> int:
    """Make a working policy folder in DIR, to be changed into your own.

    DIR is made if it is not there. Nothing that exists is overwritten.

    \b
    Examples:
      policyengine init shop
      policyengine test shop
      policyengine decide shop --request shop/request.json
      policyengine init mine --like workspace
    """
    folder = Path(directory)
    texts = dict(_texts(_starter(like)))
    # A link that leads nowhere takes a name as well.
    taken = [name for name in texts if os.path.lexists(folder / name)]
    if taken:
        raise FailingInput(f"`{folder / taken[0]}` exists already; nothing was written")
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    if format == "json":
        say_json({"written": [str(folder / name) for name in texts]})
        return FINE
    for name in texts:
        say(f"wrote {folder / name}")
    request = next(name for name in texts if name.endswith(".json"))
    say(f"\nTry it:\n  policyengine test {folder}")
    say(f"  policyengine decide {folder} --request {folder / request}")
    return FINE


def _starter(like: str) -> Path:
    """Return the folder of a set: the shipped ones are in the package, or in a checkout beside it."""
    if like == "minimal":
        return Path(str(files("policyengine.cli") / "starter"))
    inside = _PACKAGE / "policies" / like
    return inside if inside.is_dir() else _PACKAGE.parent / "policies" / like


def _texts(starter: Path) -> Iterator[tuple[str, str]]:
    """Give the files of a set with their texts, in order of their names."""
    for path in sorted(starter.rglob("*")):
        if path.suffix in _COPIED and path.is_file():
            yield path.relative_to(starter).as_posix(), path.read_text(encoding="utf-8")
