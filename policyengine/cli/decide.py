"""Decide requests: allow or deny, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import arguments, no_request, read_request, request_options
from policyengine.cli.loading import (
    cache_option,
    load_engine,
    paths_argument,
    read_entities,
)
from policyengine.cli.output import FINDINGS, FINE, format_option, say, say_parts
from policyengine.cli.residual_output import show_residual, what_is_left
from policyengine.model.shown import escaped, shown_entity, written_value

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.outcome import Obligation


@click.command(short_help="Decide requests: allow or deny, with the reason.")
@paths_argument
@cache_option
@click.option(
    "--request",
    "-r",
    "requests",
    metavar="FILE",
    multiple=True,
    type=click.Path(allow_dash=True),
    help="A request as JSON; `-` reads standard input. May be given more than once.",
)
@click.option(
    "--table",
    metavar="FILE",
    type=click.Path(),
    help="A Parquet file with a request in each row, instead of `--request`.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(),
    help="The Parquet file for the rows of `--table` with the decisions on them.",
)
@click.option(
    "--bad",
    metavar="FILE",
    type=click.Path(),
    help="The Parquet file for rows that are no request, with what is wrong. Without it: beside "
    "`--out`, with `.bad` before its suffix.",
)
@click.option(
    "--keep",
    metavar="COLUMN",
    multiple=True,
    help="A column of `--table` that is no part of requests. May be given more than once; any other such "
    "column is an error.",
)
@request_options
@click.option(
    "--unknowns",
    metavar="PATH",
    multiple=True,
    help="A part of the requests that is not known: `resource`, `context.purposes`. Says what is left "
    "to decide. May be given more than once.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if a decision is a deny.")
@format_option
def command(
    paths: tuple[str, ...],
    requests: tuple[str, ...],
    table: str | None,
    out: str | None,
    bad: str | None,
    keep: tuple[str, ...],
    entities: str | None,
    now: str | None,
    unknowns: tuple[str, ...],
    exit_code: bool,
    format: str,
) -> int:
    """Decide one or more requests by the policies in PATH.

    A request is AuthZEN's: {"subject": {"type", "id", "properties"}, "action": {"name"},
    "resource": {...}, "context": {...}}, and may ask for "fields" and bring along "entities" and
    "now". `--format json` writes AuthZEN's answer, one line for each request.

    The exit code is 0 whatever the decision, also for a request that does not fit the policies (the
    cause of that deny is `invalid_request`), unless `--exit-code` is given.

    With `--table`, each row of a Parquet file is a request, whose parts are columns: `subject.id`,
    `action`, `resource.owner`. The file of `--out` has the same rows and the columns `allowed`, `cause`,
    `rules`, `exposed`, `masks` and `valid_until`. The same command goes on with a run that was interrupted.

    With `--unknowns`, no request is decided: what is left to decide is written as a condition in the
    policy language, for whatever the unknown parts are.

    \b
    Examples:
      policyengine decide policies/x --request request.json
      policyengine decide policies/x --request request.json --now 2026-03-01
      policyengine decide policies/x --request request.json --unknowns resource
      curl -s … | policyengine decide policies/x --request - --format json
      policyengine decide policies/x --request request.json --exit-code && deploy
      policyengine decide policies/x --table requests.parquet --out decisions.parquet
    """
    if (table is None) == (not requests):
        raise click.UsageError(no_request(paths) or "give either `--request` or `--table`")
    if (table is None) != (out is None) or (table is None and (bad is not None or keep)):
        raise click.UsageError(
            "`--table` and `--out` go together; `--bad` and `--keep` are for them"
        )
    if table is not None and unknowns:
        raise click.UsageError("`--unknowns` is for `--request`")
    given = None if entities is None else read_entities(entities)
    engine = load_engine(paths, entities, given)
    if table is not None and out is not None:
        from policyengine.cli.decide_table import decide_table

        all_allowed = decide_table(
            engine, paths, table, out, bad, keep, entities, given, now, format
        )
        return FINDINGS if exit_code and not all_allowed else FINE
    if unknowns:
        for number, file in enumerate(requests):
            left = what_is_left(engine, read_request(file, now), unknowns)
            if format == "json":
                click.echo(json.dumps(left.to_dict(), ensure_ascii=False))
                continue
            if number:
                say("")
            show_residual(file if len(requests) > 1 else "", left)
        return FINE
    denied = False
    for number, file in enumerate(requests):
        answer, owed = _answer(engine, file, now)
        denied |= answer["decision"] is not True
        if format == "json":
            click.echo(json.dumps(answer, ensure_ascii=False))
            continue
        if number:
            say("")
        _show(file if len(requests) > 1 else "", answer, owed)
    return FINDINGS if exit_code and denied else FINE


def _answer(
    engine: PolicyEngine, file: str, now: str | None
) -> tuple[dict[str, Any], tuple[Obligation, ...]]:
    """Return the answer to the request in *file*, as JSON values, and what is owed."""
    from policyengine.model.request import Request

    raw = read_request(file, now)
    (decision,) = engine.decide_many([Request(**arguments(raw))])
    answer: dict[str, Any] = json.loads(decision.ignoring(raw.ignored).to_bytes())
    return answer, decision.obligations


def _show(title: str, answer: Mapping[str, Any], owed: Iterable[Obligation]) -> None:
    """Write an answer for a person; empty parts are left out."""
    allowed, context = answer["decision"], answer["context"]
    verdict = ("allow", "bold green") if allowed else ("deny", "bold red")
    say_parts(verdict, (f"  {title}" if title else "", None))
    for label, text in _lines(context, owed):
        first, *others = text.split("\n")
        say_parts((f"  {label:<12}", "dim"), (first, None))
        for line in others:
            say(" " * 14 + line)


def _lines(context: Mapping[str, Any], owed: Iterable[Obligation]) -> Iterator[tuple[str, str]]:
    """Yield the parts of an answer, each with its label."""
    yield "cause", context["cause"]
    if context["cause"] == "invalid_request":
        for problem in context["problems"]:
            path = f"{problem['path']}: " if problem["path"] else ""
            yield "problem", f"{path}{problem['message']} [{problem['code']}]"
    else:
        yield "reason", context["reason"]
        for label in ("rules", "exposed", "masks", "obligations", "referrals", "advisories", "waivers",
                      "errors", "valid_until"):  # fmt: skip
            if context[label] or (label == "exposed" and context[label] is not None):
                yield label.replace("_", " "), _part(label, context[label], owed) or "nothing"
            if label == "rules" and context["more_rules"]:
                yield "more rules", f"{context['more_rules']:,}"
    if context["ignored"]:
        yield "ignored", _flat(context["ignored"])


def _part(label: str, part: Any, owed: Iterable[Obligation]) -> str:
    """Return a part of an answer as one line, as policies write it."""
    match label:
        case "obligations":
            return ", ".join(map(_written, owed))
        case "masks":
            return ", ".join(f"{field} as {mask}" for field, mask in part.items())
        case _:
            return _flat(part)


def _written(owed: Obligation) -> str:
    """Return an obligation as policies write it, with the names of its parameters."""
    given = (f"{name}: {written_value(type_, value)}" for name, type_, value in owed.arguments)
    return f"{owed.name}({', '.join(given)})"


def _flat(value: Any) -> str:
    """Return a part of an answer as one line."""
    match value:
        case list():
            return ", ".join(map(_flat, value))
        case {"type": str(type_), "id": str(id_), **rest} if not rest:
            return shown_entity(type_, id_)
        case {"rule": rule, "effect": effect, "outcome": outcome}:
            forbids = {"satisfied": "applies", "not_satisfied": "does not apply"}
            state = forbids.get(outcome, outcome) if effect == "forbid" else outcome
            return f"{effect} {rule}: {state.replace('_', ' ')}"
        case {"rule": rule, "message": message}:
            return f"{rule} {message}"
        case dict():
            return ", ".join(f"{key}: {_flat(part)}" for key, part in value.items())
        case bool():
            return "true" if value else "false"
        case _:
            return escaped(str(value))
