"""Compare two runs: `python -m bench.compare OLD.json NEW.json`, files of `bench/results/`.

Only ratios travel from one run to another, so it is ratios that are compared: how many times as long as
what was written by hand. Returns 1 if one became worse by more than noise explains.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from bench import results

NOISE = 0.15
"""By how much a ratio may differ although nothing changed."""


@frozen
class Change:
    """A ratio before and after; *factor*: more than 1 is worse."""

    name: str
    old: float
    new: float
    factor: float


def changes(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Give what both runs have, in the order of the new one."""
    before = {results.name(row): row["ratio"] for row in old if row["ratio"]}
    for row in new:
        name, ratio = results.name(row), row["ratio"]
        if name in before and ratio:
            more_is_better = row.get("least", False)
            factor = before[name] / ratio if more_is_better else ratio / before[name]
            yield Change(name, before[name], ratio, factor)


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--noise", default=NOISE, show_default=True, help="What does not count, as a share.")
@click.pass_context
def compare(context: click.Context, old: Path, new: Path, noise: float) -> None:
    """Print what became better or worse from OLD to NEW; exit with 1 if anything became worse."""
    found = list(changes(results.read(old), results.read(new)))
    if not found:
        raise click.ClickException(f"{old} and {new} have no measurement in common")
    click.echo(f"{'times as long as by hand':<72}{'old':>9}{'new':>9}{'change':>9}")
    worse = 0
    for change in found:
        told = ""
        if change.factor > 1 + noise:
            worse += 1
            told = "   worse"
        elif change.factor < 1 / (1 + noise):
            told = "   better"
        click.echo(
            f"{change.name:<72}{change.old:>9.2f}{change.new:>9.2f}{change.factor:>8.2f}×{told}"
        )
    click.echo(f"{len(found)} compared, {worse} worse by more than {noise:.0%}")
    context.exit(1 if worse else 0)


if __name__ == "__main__":
    sys.exit(compare())
