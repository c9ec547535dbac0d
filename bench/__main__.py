"""Measure decisions: `python -m bench COMMAND`; each writes what it found to `bench/results/`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from bench import growth as racing
from bench import memory, results, worlds
from bench import parts as decision_parts
from bench import questions as asking
from bench import reading as reading_apart
from bench import spread as spread_apart
from bench.contestants import CONTESTANTS
from bench.questions.answer import QUICK
from bench.timing import ROUNDS, Measured

README = Path(__file__).with_name("README.md")


@click.group()
def main() -> None:
    """Measure how long decisions take, beside functions written by hand and other engines."""


_into = click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), default=results.FOLDER,
    help="The folder that results are written to.",
)  # fmt: skip


def _sizes(_: click.Context, __: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part.replace("_", "")) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("sizes are numbers, with commas between them") from None


@main.command()
@click.option("--rounds", default=ROUNDS, show_default=True)
def parts(rounds: int) -> None:
    """Take a decision of the small world apart: what each part takes."""
    click.echo(f"{'':<40}{'µs':>8}{'× by hand':>12}")
    for name, found in decision_parts.measure(asking.Scale().requests, rounds).items():
        click.echo(f"{name:<40}{found.microseconds:>8.3f}{found.ratio:>12.2f}")


@main.command()
@click.option("--rounds", default=ROUNDS, show_default=True)
def reading(rounds: int) -> None:
    """Take the reading of dicts and of JSON apart: what each part and each step takes."""
    requests = asking.Scale().requests
    whole = reading_apart.measure_platform(requests, rounds)
    _tell_apart(*reading_apart.measure(requests, rounds), whole)


@main.command()
@click.option("--rounds", default=ROUNDS, show_default=True)
def spread(rounds: int) -> None:
    """Take apart why decisions among many tenants cost more: the rules, or the memory that is visited."""
    _tell_apart(*spread_apart.measure(asking.Scale().requests, rounds))


def _tell_apart(*tables: Mapping[str, Measured]) -> None:
    for found in tables:
        click.echo(f"{'':<44}{'µs':>8}{'× first':>12}")
        for name, measured in found.items():
            click.echo(f"{name:<44}{measured.microseconds:>8.3f}{measured.ratio:>12.2f}")


@main.command()
@click.option("--only", multiple=True, type=click.Choice(asking.NAMES), help="Only this question.")
@click.option("--quick", is_flag=True, help="Smaller worlds: a minute, not many.")
@_into
def questions(only: Sequence[str], quick: bool, into: Path) -> None:
    """Answer what must be reached; every figure is of this run."""
    scale = QUICK if quick else asking.Scale()
    run = results.run_facts(sys.argv[1:])
    click.echo(f"{'what must be reached':<76}{'found':>8}{'bar':>9}{'aim':>9}")
    for name in only or asking.NAMES:
        try:
            for answer in asking.find(name)(scale):
                _tell(answer)
                if not quick:
                    results.add(into / "questions.json", [answer.to_json()], run)
        except asking.DisagreementError as problem:
            raise click.ClickException(f"they disagree: {problem}") from None


def _tell(answer: asking.Answer) -> None:
    sign = "≥" if answer.least else "≤"
    click.echo(
        f"  {answer.question:<74}{answer.ratio:>8.2f}{f'{sign} {answer.bar:g}':>9}"
        f"{f'{sign} {answer.aim:g}':>9}{'' if answer.is_met else '   not met'}"
    )


@main.command()
@click.option(
    "--world", multiple=True, type=click.Choice(worlds.NAMES), help="Only this world; repeatable."
)
@click.option(
    "--sizes", default="10,100,1000,10000,100000", callback=_sizes, help="Numbers of rules."
)
@click.option(
    "--contestant", multiple=True, type=click.Choice(tuple(CONTESTANTS)),
    help="Only this one, beside by hand; repeatable.",
)  # fmt: skip
@click.option("--rounds", default=racing.ROUNDS, show_default=True)
@click.option(
    "--patience", default=racing.PATIENCE, show_default=True,
    help="Seconds: who would load longer, as it did at the size before, is left out.",
)  # fmt: skip
@_into
def growth(
    world: Sequence[str],
    sizes: Sequence[int],
    contestant: Sequence[str],
    rounds: int,
    patience: float,
    into: Path,
) -> None:
    """Race all contestants in worlds of more and more rules."""
    run = results.run_facts(sys.argv[1:])
    who = contestant or tuple(CONTESTANTS)
    disagree = 0
    click.echo(
        f"{'':<48}{'µs':>10}{'× by hand':>12}{'load s':>9}{'first s':>9}{'MB':>7}{'checked':>9}"
    )
    for name in world or worlds.NAMES:
        of_world = (27,) if name == "apps" else sizes
        for row in racing.race(name, of_world, who, rounds=rounds, patience=patience):
            where = f"{row.world}, {row.size:,}: {row.contestant}"
            if row.skipped:
                click.echo(f"{where:<48}  {row.skipped}")
                disagree += row.skipped == racing.DISAGREES
            else:
                click.echo(
                    f"{where:<48}{row.microseconds:>10.2f}{row.ratio:>12.2f}"
                    f"{row.load_seconds:>9.2f}{row.first_seconds:>9.2f}{row.megabytes:>7.0f}"
                    f"{row.checked:>9,}"
                )
            results.add(into / "growth.json", [row.to_json()], run)
    if disagree:
        raise click.ClickException(f"{disagree} answered otherwise than by hand")


@main.command()
def cache() -> None:
    """Time what a remembered decision costs, beside deciding."""
    from bench.cached import measure

    click.echo(f"{'µs':<42}{'the engine':>12}{'a hit':>10}")
    for asked, decided, remembered in measure():
        click.echo(f"{asked:<42}{decided:>12.2f}{remembered:>10.2f}")


@main.command("memory")
@click.option("--reloads", default=100, show_default=True, type=click.IntRange(min=memory.THIRD))
@click.option("--rules", default=1_000, show_default=True)
def reloading(reloads: int, rules: int) -> None:
    """Load changed policies again and again; fails if memory is not given back."""
    found: list[float] = []
    for number, megabytes in enumerate(memory.reload(reloads, rules), 1):
        found.append(megabytes)
        if number in {1, memory.THIRD, reloads} or number % 10 == 0:
            click.echo(f"{f'after load {number}':<20}{megabytes:>8.0f} MB")
    ratio = found[-1] / found[memory.THIRD - 1]
    click.echo(f"{'last over third':<20}{ratio:>8.2f}    (at most {memory.BAR})")
    if ratio > memory.BAR:
        raise click.ClickException("memory is not given back")


@main.command()
@_into
def plot(into: Path) -> None:
    """Draw the time of a decision against the number of rules."""
    from bench.plot import draw

    for file in draw(results.read(into / "growth.json"), into):
        click.echo(file)


@main.command()
@click.option("--write", is_flag=True, help="Put them into bench/README.md.")
@_into
def table(write: bool, into: Path) -> None:
    """Print the results as the tables of bench/README.md."""
    from bench.tables import growth_tables, put_into, questions_table

    tables = {
        "questions": questions_table(results.read(into / "questions.json")),
        "growth": growth_tables(results.read(into / "growth.json")),
    }
    for text in tables.values():
        click.echo(text)
    if write:
        README.write_text(put_into(README.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
