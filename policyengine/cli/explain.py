"""Explain a decision gate by gate, or a diagnostic code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import arguments, no_request, read_request, request_options
from policyengine.cli.completing import codes_or_paths
from policyengine.cli.loading import cache_option, load_engine
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

if TYPE_CHECKING:
    from policyengine.explain import Audience

_CODE = re.compile(r"PE[0-9]+|[a-z]+(-[a-z]+)*", re.IGNORECASE)
"""A code, or its name or a word of it: `shadowed-rule`."""

_FEW = 4
"""The number of names that are suggested for a word."""


@click.command(short_help="Say why a request is decided so, or what a code means.")
@click.argument(
    "paths",
    metavar="PATH...|CODE",
    nargs=-1,
    required=True,
    type=click.Path(),
    shell_complete=codes_or_paths,
)
@click.option(
    "--request",
    "-r",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The request as JSON; `-` reads standard input.",
)
@request_options
@cache_option
@click.option(
    "--audience",
    type=click.Choice(["user", "developer", "auditor"]),
    default="auditor",
    show_default=True,
    help="Show what these readers may see; only the auditor sees everything.",
)
@format_option
def command(
    paths: tuple[str, ...],
    request: str | None,
    entities: str | None,
    now: str | None,
    audience: Audience,
    format: str,
) -> int:
    """Explain why a request is decided as it is by the policies in PATH, or explain a CODE.

    For a request: the changes that would allow it if it is denied, and who can make them; then every
    gate, every rule of it that covers the request, every condition with the values that it read. The
    user who was refused, and the developer of the app, see less: nothing that is private, and nothing
    of other entities than the subject. A request that does not fit is an error, which `--format json`
    writes as `decide` does.

    For a code such as PE301, or its name: what it means, why it matters, an example and what to write instead.

    \b
    Examples:
      policyengine explain policies/x --request request.json
      policyengine explain policies/x --request request.json --audience developer
      policyengine explain PE301
      policyengine explain shadowed-rule
    """
    if request is not None:
        return _explain_request(paths, request, entities, now, audience, format)
    if len(paths) == 1 and _CODE.fullmatch(paths[0]) and not Path(paths[0]).exists():
        return _explain_code(paths[0], format)
    raise click.UsageError(
        no_request(paths) or "give a request with `--request`, or a code such as PE301",
        click.get_current_context(),
    )


def _explain_request(
    paths: tuple[str, ...],
    request: str,
    entities: str | None,
    now: str | None,
    audience: Audience,
    format: str,
) -> int:
    from policyengine.model.decision import refused
    from policyengine.model.errors import InvalidRequest

    engine = load_engine(paths, entities)
    raw = read_request(request, now)
    try:
        with working("looking for what would allow it"):
            explanation = engine.explain(**arguments(raw))
    except InvalidRequest as refusal:
        if format == "json":
            click.echo(refused(refusal, engine.digest).ignoring(raw.ignored).to_bytes().decode())
        raise not_fitting(refusal) from None
    except TimeoutError as problem:
        raise FailingInput(str(problem)) from None
    if format == "json":
        say_json(explanation.to_json(audience))
        return FINE
    for line in explanation.toned_lines(audience):
        say(line.text, TONES[line.tone])
    return FINE


def _explain_code(wanted: str, format: str) -> int:
    from policyengine.diagnostics.codes import CODES
    from policyengine.diagnostics.spell import did_you_mean
    from policyengine.lint.linter import LINT_CODES

    codes = {**CODES, **LINT_CODES}
    by_name = {code.slug: code for code in codes.values()}
    code = codes.get(wanted.upper()) or by_name.get(wanted.lower())
    if code is None:
        holding = [name for name in by_name if wanted.lower() in name.split("-")]
        own = "each finding and each error shows its own"
        if wanted.isalpha():  # perhaps a folder that is not there
            own = "a request is given with `--request`"
        help = did_you_mean(wanted, by_name) or own
        if 0 < len(holding) <= _FEW:
            help = f"did you mean {' or '.join(f'`{name}`' for name in sorted(holding))}?"
        raise FailingInput(f"there is no code `{wanted}`; {help}")
    if format == "json":
        document: dict[str, Any] = {
            "code": code.number,
            "slug": code.slug,
            "summary": code.summary,
            "explanation": code.explanation,
            "example": code.example,
            "instead": code.instead,
        }
        say_json(document)
        return FINE
    say(f"{code.number} {code.slug}", "bold")
    say(f"\n{code.summary}\n\n{code.explanation}")
    for title, text in (("This gives it:", code.example), ("Write instead:", code.instead)):
        say(f"\n{title}\n", "bold")
        say("\n".join(f"    {line}".rstrip() for line in text.splitlines()), code=True)
    return FINE
