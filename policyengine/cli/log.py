"""Ask a log of decisions: whether it is as it was written, what it holds, and what would be decided now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import moment_option, utf8
from policyengine.cli.groups import NamedCommands
from policyengine.cli.loading import cache_option, paths_argument
from policyengine.cli.output import FINDINGS, FINE, complain, format_option, say, say_json
from policyengine.model.shown import escaped, plural
from policyengine.record.record_text import asked_text, text_of

if TYPE_CHECKING:
    from policyengine.record.query_log import Conditions, Reading
    from policyengine.record.replay_log import Replayed

CUT = 3
"""The exit code for a log of which a crash cut a line, and which is right otherwise."""


@click.group(
    cls=NamedCommands,
    short_help="Verify a log of decisions, search it, or decide it again.",
    invoke_without_command=True,
)
@click.pass_context
def command(ctx: click.Context) -> int:
    """Ask a log of decisions, which a `DecisionLog` wrote: a folder, or one of its files.

    \b
    Examples:
      policyengine log verify decisions
      policyengine log query decisions --subject User:ann --denied
      policyengine log replay decisions policies/x --format json
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return FINE


_logs = click.argument("logs", metavar="LOG...", nargs=-1, required=True, type=click.Path())


# ---- verify -----------------------------------------------------------------------------


@command.command(short_help="Check that a log is as it was written.")
@click.argument("log", metavar="LOG", type=click.Path())
@click.option(
    "--expect", metavar="HASH", multiple=True, help="A hash that some line of the log must have."
)
@format_option
def verify(log: str, expect: tuple[str, ...], format: str) -> int:
    """Check that no line of LOG was changed, removed, added or moved.

    A file whose end a crash cut is reported as that, and not as changed. A log whose last lines were removed is
    shorter, and right: keep the hash that this prints elsewhere, and give it later with --expect.

    \b
    Exit codes:
      0  the log is as it was written
      1  it is not
      2  it cannot be read
      3  the end of a file was cut, by a crash or by somebody (--expect knows); else as it was written

    \b
    Examples:
      policyengine log verify decisions
      policyengine log verify decisions --format json
    """
    from errno import ENOENT

    from msgspec import to_builtins

    from policyengine.record.log_lines import START
    from policyengine.record.verify_log import verify_log

    found = verify_log(Path(log), expect)
    if not (found.files or any(fault.file for fault in found.faults)):
        raise FileNotFoundError(ENOENT, "there is no file of a log here", log)
    code = FINDINGS if found.faults else CUT if found.cut else FINE
    if format == "json":
        say_json({"as_written": not found.faults, **to_builtins(found)})
        return code
    for fault in found.faults:
        say(f"{_place(fault.file, fault.line)}{fault.message}", "bad")
    for cut in found.cut:
        say(f"{_place(cut.file, cut.line)}a crash cut the line")
    if found.first != START:
        say(f"it goes on after the hash {escaped(found.first)}: what was before is not here")
    if found.lost:
        say(f"{plural(found.lost, 'decision')} without a record, as the log says")
    if found.set_back:
        say(f"the clock was set back {plural(found.set_back, 'time')}")
    said = "not as it was written" if found.faults else "as it was written"
    say(
        f"{plural(found.records, 'record')} in {plural(found.files, 'file')}: {said}",
        "bad" if found.faults else "good",
    )
    say(f"the hash of the last line is {found.last}")
    return code


def _place(file: str, line: int) -> str:
    if not file:
        return ""
    return f"{escaped(file)}:{line}: " if line else f"{escaped(file)}: "


# ---- query ------------------------------------------------------------------------------


def _conditions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose records, its parameters of `_chosen`."""
    for option in (
        click.option("--id", "ids", metavar="ID", multiple=True, type=utf8, help="One decision."),
        moment_option("--until", "Before that moment."),
        moment_option("--since", "At that moment, or after it."),
        click.option("--denied", is_flag=True, help="Denies alone."),
        click.option("--allowed", is_flag=True, help="Allows alone."),
        click.option("--rule", metavar="ID", type=utf8, help="A determining rule, `gate.rule`."),
        click.option("--resource", metavar="TYPE[:ID]", type=utf8, help="Of that resource."),
        click.option("--action", metavar="NAME", type=utf8, help="Of that action."),
        click.option("--subject", metavar="TYPE[:ID]", type=utf8, help="Of that subject."),
    ):
        command = option(command)
    return command


def _chosen(given: dict[str, Any]) -> Conditions:
    from policyengine.model.values import parse_datetime
    from policyengine.record.query_log import Conditions

    allowed, denied = given.pop("allowed"), given.pop("denied")
    if allowed and denied:
        raise click.UsageError("no decision is both --allowed and --denied")
    if given["rule"] is not None and "." not in given["rule"]:
        raise click.UsageError(f"a rule is written with its gate, `gate.{given['rule']}`")
    for name in ("since", "until"):
        moment = given.pop(name)
        given[name] = None if moment is None else parse_datetime(moment)
    return Conditions(**given, allowed=None if allowed is denied else allowed)


@command.command(short_help="Find decisions in a log.")
@_logs
@_conditions
@format_option
def query(logs: tuple[str, ...], format: str, **given: Any) -> int:
    """Find the decisions in LOG that satisfy all conditions; `--format json` writes the whole record of each.

    Nothing is verified: `policyengine log verify` does that.

    \b
    Examples:
      policyengine log query decisions --subject User:ann --action read
      policyengine log query decisions --denied --since 2026-11-01 --format json
    """
    from policyengine.record.query_log import Reading

    reading, found = Reading(), 0
    for record in _records(logs, reading, _chosen(given)):
        found += 1
        if format == "json":
            say_json(record)
        else:
            _show(record)
    if format != "json":
        say(f"{found:,} of {plural(reading.records, 'record')}")
    return _read_whole(reading, given)


def _records(
    logs: tuple[str, ...], reading: Reading, conditions: Conditions
) -> Iterator[dict[str, Any]]:
    from policyengine.record.query_log import read_records

    return read_records([*map(Path, logs)], reading, conditions)


def _read_whole(reading: Reading, given: dict[str, Any]) -> int:
    """Say what was not found at all and how many lines could not be read, and return the exit code."""
    for name in reading.unseen if reading.records else ():
        type_, separator, _ = given[name].partition(":")
        written = "" if separator else f"; one {name} is written `TYPE:ID`"
        complain(f"no record has a {name} of the type `{escaped(type_)}`{written}")
    for other in reading.no_files:
        complain(f"`{escaped(str(other))}` has the name of a file of a log and is none")
    if reading.unreadable:
        complain(
            f"{plural(reading.unreadable, 'line')} could not be read:"
            " `policyengine log verify` says where and why"
        )
    return FINDINGS if reading.unreadable or reading.no_files else FINE


def _show(record: dict[str, Any]) -> None:
    allowed = record.get("decision") is True
    said = ", ".join(_texts(record.get("rules"))) or text_of(record.get("cause"))
    say(
        f"{text_of(record.get('time'))} {'allow' if allowed else 'deny'} {asked_text(record)}: {said}"
    )
    say(f"  id {text_of(record.get('id'))}")


def _texts(values: Any) -> list[str]:
    return [*map(text_of, values)] if isinstance(values, list) else []


# ---- replay -----------------------------------------------------------------------------

_COUNTED = {
    "same": "decided as before",
    "different": "decided otherwise",
    "masked": "not decided: a value that is read is masked",
    "lacking": "not decided: a value that is read is not in the record",
    "unfit": "not decided: the request does not fit these policies",
    "not kept": "not decided: the request was refused, or not kept",
}


@command.command(short_help="Decide logged requests again, by these or other policies.")
@click.argument("log", metavar="LOG", type=click.Path())
@paths_argument
@_conditions
@cache_option
@format_option
def replay(log: str, paths: tuple[str, ...], format: str, **given: Any) -> int:
    """Decide the requests in LOG again by the policies in PATH, and list what differs.

    Nothing is guessed: a request of which a value is masked, or was not read when it was logged, is counted and
    not decided, unless it is allowed, or denied, whatever that value is. The time is that of the request; if
    its rules did not ask for it, that of its record.

    \b
    Exit codes:
      0  all that was decided is decided as before
      1  something is not
      2  the log or the policies cannot be read

    \b
    Examples:
      policyengine log replay decisions policies/x
      policyengine log replay decisions policies/x --since 2026-11-01 --format json
    """
    from policyengine.cli.loading import load_engine
    from policyengine.record.query_log import Reading
    from policyengine.record.replay_log import replay as decide_again

    conditions = _chosen(given)
    engine, reading, counts = load_engine(paths), Reading(), Counter[str]()
    for record in _records((log,), reading, conditions):
        found = decide_again(engine, record)
        counts[found.result] += 1
        if format == "json":
            if found.result != "same":
                say_json({"id": record.get("id"), **_as_json(found)})
        elif found.result == "different":
            _show_difference(record, found)
    if format == "json":
        say_json(
            {
                "policy": engine.digest,
                "counts": {name.replace(" ", "_"): counts[name] for name in _COUNTED},
            }
        )
    else:
        for name, said in _COUNTED.items():
            if counts[name] or name == "same":
                say(f"{counts[name]:,} {said}", "bad" if name == "different" else None)
    code = _read_whole(reading, given)
    return FINDINGS if counts["different"] else code


def _as_json(found: Replayed) -> dict[str, Any]:
    changes = {name: {"before": was, "now": now} for name, (was, now) in found.changes.items()}
    return {"result": found.result.replace(" ", "_"), "where": found.where, "changes": changes}


def _show_difference(record: dict[str, Any], found: Replayed) -> None:
    say(f"{text_of(record.get('time'))} {asked_text(record)}")
    for name, (was, now) in found.changes.items():
        if name == "decision":
            more = f", whatever {escaped(found.where)} is" if found.is_partial else ""
            say(f"  {_decided(was)} → {_decided(now)}{more}", "bad")
        elif name in ("cause", "rules"):
            say(f"  {name}: {_listed(was)} → {_listed(now)}")
        else:
            say(f"  {name.replace('_', ' ')}: others")
    say(f"  id {text_of(record.get('id'))}")


def _decided(allowed: Any) -> str:
    return "allow" if allowed is True else "deny"


def _listed(value: Any) -> str:
    return ", ".join(_texts(value)) or "none" if isinstance(value, list) else text_of(value)
