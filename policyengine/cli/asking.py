"""Read requests and their options from the command line, for `decide` and `explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.loading import read_file
from policyengine.cli.output import FailingInput
from policyengine.model.shown import escaped

if TYPE_CHECKING:
    from policyengine.intake.raw import RawRequest


def utf8(text: str) -> str:
    """Return a text of the command line, whose bytes must be UTF-8: Python reads others as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("this is not UTF-8") from None
    return text


def now_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--now`."""
    return moment_option("--now", help)


def moment_option(
    name: str, help: str, default: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return an option that is a moment."""
    shown = default is not None
    return click.option(
        name, metavar="MOMENT", callback=_moment, help=help, default=default, show_default=shown
    )


def context_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--context`."""
    return click.option("--context", metavar="JSON", type=utf8, callback=_context, help=help)


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--entities` and `--now`."""
    for option in (
        now_option(
            "Answer as of that moment (`2026-11-23`, `2026-11-23T10:00:00Z`), whatever the "
            "request says. Without it: the request's `now`, or the present.",
        ),
        click.option(
            "--entities",
            metavar="FILE",
            type=click.Path(),
            help="A JSON array of entities that the requests refer to by type and id.",
        ),
    ):
        command = option(command)
    return command


def read_request(file: str, now: str | None) -> RawRequest:
    """Read a request; `-` is standard input.

    Raises `FailingInput` if it is no request at all: not JSON, or not an object.
    """
    from policyengine.intake.authzen import read_document
    from policyengine.model.errors import InvalidRequest
    from policyengine.model.limits import Limits

    try:
        data = read_file(file, Limits().document_size)
        raw = read_document(data, Limits(), accept_now=True)
    except InvalidRequest as refusal:
        raise FailingInput(f"`{file}`: {refusal}") from None
    if now is not None:
        raw.now = now
    return raw


def no_request(paths: Iterable[str]) -> str:
    """Return what to say where no request is given, if one of the paths of policies is one; else an empty text."""
    given = next((path for path in paths if path.endswith(".json")), None)
    if given is None:
        return ""
    shown = escaped(given)
    return f"`{shown}` is no policy: give a request with `--request {shown}`"


def arguments(raw: RawRequest) -> dict[str, Any]:
    """Return the parts of a request as arguments of `PolicyEngine.decide` and `explain`."""
    names = "subject", "action", "resource", "context", "now", "fields", "entities"
    return {name: getattr(raw, name) for name in names}


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from policyengine.model.values import parse_datetime

    if value is not None:
        try:
            parse_datetime(value)
        except ValueError as problem:
            raise click.BadParameter(str(problem)) from None
    return value


def _context(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    from policyengine.intake.json_text import parse_json
    from policyengine.model.errors import InvalidRequest
    from policyengine.model.limits import Limits

    if value is None:
        return {}
    try:
        read = parse_json(value, Limits(), Limits().document_size)
    except InvalidRequest as refusal:
        raise click.BadParameter(str(refusal)) from None
    if read is None:
        raise click.BadParameter("there is no null: leave it out if there is no context")
    return read
