"""Say what a subject may do: the resources among given entities, or the actions, that are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import utf8
from policyengine.cli.completing import actions
from policyengine.cli.searching import answer, entity_option, search_options

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision
    from policyengine.reverse.page import Page


@click.command(short_help="Say on what a subject may do an action, or what it may do there.")
@entity_option("subject", "The subject, which is one of the entities.", required=True)
@click.option(
    "--action", metavar="NAME", type=utf8, shell_complete=actions, help="Find resources for it."
)
@entity_option("resource", "Find actions on it, which is one of the entities.")
@click.option(
    "--resource-type",
    metavar="TYPE",
    type=utf8,
    help="The type of resources, if there are several.",
)
@search_options
def command(
    paths: tuple[str, ...],
    subject: dict[str, str],
    action: str | None,
    resource: dict[str, str] | None,
    resource_type: str | None,
    entities: str,
    context: Any,
    now: str | None,
    limit: int | None,
    token: str | None,
    format: str,
) -> int:
    """Say on which resources a subject may do an action by the policies in PATH, or which actions on a resource.

    The resources are those of the entities in a file for which `decide` allows the request. They are
    found by what is left to decide and an index, not by trying all. `--format json` writes results as AuthZEN's
    search does.

    \b
    Examples:
      policyengine what shop --entities all.json --subject User:ann --action read
      policyengine what shop --entities all.json --subject User:ann --resource Document:plan
    """
    if (action is None) == (resource is None):
        raise click.UsageError("give either `--action` or `--resource`")
    if resource is not None and (resource_type or limit or token):
        raise click.UsageError("`--resource-type`, `--limit` and `--token` are for `--action`")

    def ask(engine: PolicyEngine, *, now: Any, **page: Any) -> Page[Any]:
        if resource is not None:
            return engine.actions(subject, resource, context, now=now)
        return engine.resources(subject, str(action), resource_type, context, now=now, **page)

    def decide(engine: PolicyEngine, item: Any) -> Decision:
        if resource is not None:
            return engine.decide(subject, item, resource, context, now=now)
        return engine.decide(subject, str(action), item, context, now=now)

    return answer(paths, entities, ask, decide, now=now, limit=limit, token=token, format=format)
