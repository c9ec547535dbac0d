"""Give `who` and `what` their options, ask for all pages that are wanted, and write what is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from policyengine.cli.asking import context_option, now_option, utf8
from policyengine.cli.loading import cache_option, load_engine, paths_argument
from policyengine.cli.output import FINE, format_option, not_fitting, say, say_json

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision
    from policyengine.model.entities import Entity
    from policyengine.reverse.page import Page

Item: TypeAlias = "Entity | str"
"""What is found: an entity, or the name of an action."""

_MOST = 10_000
"""The items of a page where all are wanted."""

_MOST_NAMED = 10
"""The items that do not fit of which the names are written."""


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the policies, the entities that there are, a context, the time, and pages."""
    for option in (
        format_option,
        click.option(
            "--token", metavar="TOKEN", type=utf8, help="Go on after the page that had this token."
        ),
        click.option(
            "--limit",
            metavar="N",
            type=click.IntRange(1, _MOST),
            help="Find at most so many, and say with which token to go on. Without it: all.",
        ),
        now_option("Answer as of that moment (`2026-11-23`). Without it: the present."),
        context_option('The context of the requests: `{"mfa": true}`.'),
        click.option(
            "--entities",
            metavar="FILE",
            type=click.Path(allow_dash=True),
            required=True,
            help="A JSON array of the entities that there are; `-` reads standard input.",
        ),
        cache_option,
        paths_argument,
    ):
        command = option(command)
    return command


def entity_option(name: str, help: str, **more: Any) -> Callable[..., Any]:
    """Return the option *name* for an entity, which is written as `TYPE:ID`."""
    return click.option(
        f"--{name}", metavar="TYPE:ID", type=utf8, callback=_entity, help=help, **more
    )


def answer(
    paths: Sequence[str],
    entities: str,
    ask: Callable[..., Page[Any]],
    decide: Callable[[PolicyEngine, Any], Decision],
    *,
    now: str | None,
    limit: int | None,
    token: str | None,
    format: str,
) -> int:
    """Write what *ask* finds, of an engine at a moment; *decide* says what is wrong with what does not fit.

    Raises `FailingInput` if the question does not fit the policies.
    """
    from policyengine.model.errors import InvalidRequest

    engine = load_engine(paths, entities)
    moment = datetime.now(UTC) if now is None else now
    found: list[Item] = []
    unfit: list[Item] = []
    try:
        for page in _pages(lambda **of: ask(engine, now=moment, **of), limit, token):
            found += sorted(page.items, key=_name)
            unfit += sorted(page.unfit, key=_name)
            token = page.token
    except InvalidRequest as refusal:
        raise not_fitting(refusal) from None
    if format == "json":
        results, others = [*map(_as_json, found)], [*map(_as_json, unfit)]
        say_json({"results": results, "page": {"next_token": token or ""}, "unfit": others})
        return FINE
    for item in found:
        say(_name(item))
    say(f"{len(found):,} found" + (f"; for more: --token {token}" if token else ""), "dim")
    if unfit:
        _show_unfit(unfit, lambda item: decide(engine, item))
    return FINE


def _pages(
    ask: Callable[..., Page[Any]], limit: int | None, token: str | None
) -> Iterator[Page[Any]]:
    """Give the page that is asked for, or all that follow if there is no *limit*."""
    while True:
        page = ask(limit=limit or _MOST, token=token)
        yield page
        token = page.token
        if limit is not None or token is None:
            return


def _show_unfit(unfit: Sequence[Item], decide: Callable[[Item], Decision]) -> None:
    from policyengine.model.errors import InvalidRequest

    names = ", ".join(map(_name, unfit[:_MOST_NAMED])) + (", …" if unfit[_MOST_NAMED:] else "")
    say(f"{len(unfit):,} not allowed, since the request does not fit the policies: {names}")
    try:
        decide(unfit[0])
    except InvalidRequest as refusal:
        say(f"  of the first: {refusal.problems[0]}")


def _name(item: Item) -> str:
    from policyengine.model.shown import shown_entity

    return item if isinstance(item, str) else shown_entity(item.type, item.id)


def _as_json(item: Item) -> dict[str, str]:
    return {"name": item} if isinstance(item, str) else {"type": item.type, "id": item.id}


def _entity(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, str] | None:
    if value is None:
        return None
    type_, colon, id_ = value.partition(":")
    if not type_ or not colon:
        raise click.BadParameter(f"an entity is written like `User:ann`, not `{value}`")
    return {"type": type_, "id": id_}
