"""Show when the answer to a request changes."""

from __future__ import annotations

import click

from policyengine.cli.asking import arguments, moment_option, read_request
from policyengine.cli.loading import cache_option, load_engine, paths_argument
from policyengine.cli.output import (
    FINE,
    TONES,
    FailingInput,
    format_option,
    not_fitting,
    say,
    say_json,
    working,
)


@click.command(short_help="Say when the answer to a request changes, and why.")
@paths_argument
@click.option(
    "--request",
    "-r",
    metavar="FILE",
    required=True,
    type=click.Path(allow_dash=True),
    help="The request as JSON; `-` reads standard input.",
)
@click.option(
    "--entities",
    metavar="FILE",
    type=click.Path(),
    help="A JSON array of entities that the request refers to by type and id.",
)
@moment_option("--since", "The moment from which on to look.", "2018-01-01")
@moment_option("--until", "The moment until which to look. Without it: for ever.")
@cache_option
@format_option
def command(
    paths: tuple[str, ...],
    request: str,
    entities: str | None,
    since: str,
    until: str | None,
    format: str,
) -> int:
    """Show the moments at which the answer to a request changes by the policies in PATH.

    For each: the rules that change it, and the new answer. The request stays as it is; only the time passes, so
    its own `now` is ignored. Found are the dates of rules and waivers, and when a comparison with the time turns:
    that a review is older than a year. What depends on a schedule is said with the schedule as a condition.

    \b
    Examples:
      policyengine timeline policies/x --request request.json
      policyengine timeline policies/x --request request.json --since 2023-01-01 --until 2024-01-01
      policyengine timeline policies/x --request request.json --format json
    """
    from policyengine.model.errors import InvalidRequest

    engine = load_engine(paths, entities)
    parts = arguments(read_request(request, since))
    del parts["now"]
    try:
        with working("looking for the moments"):
            found = engine.timeline(**parts, since=since, until=until)
    except InvalidRequest as refusal:
        raise not_fitting(refusal) from None
    except ValueError as problem:
        raise FailingInput(str(problem)) from None
    if format == "json":
        say_json(found.to_json())
        return FINE
    for line in found.toned_lines():
        say(line.text, TONES[line.tone])
    return FINE
