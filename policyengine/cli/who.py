"""Say who may do something: the subjects among given entities that are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import utf8
from policyengine.cli.completing import actions
from policyengine.cli.searching import answer, entity_option, search_options

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision
    from policyengine.model.entities import Entity
    from policyengine.reverse.page import Page


@click.command(short_help="Say who may do an action on a resource.")
@click.option(
    "--action", metavar="NAME", type=utf8, required=True, shell_complete=actions, help="The action."
)
@entity_option("resource", "The resource, which is one of the entities.", required=True)
@click.option(
    "--subject-type", metavar="TYPE", type=utf8, help="The type of subjects, if there are several."
)
@search_options
def command(
    paths: tuple[str, ...],
    action: str,
    resource: dict[str, str],
    subject_type: str | None,
    entities: str,
    context: Any,
    now: str | None,
    limit: int | None,
    token: str | None,
    format: str,
) -> int:
    """Say which subjects may do an action on a resource by the policies in PATH, of the entities in a file.

    Those are named for which `decide` allows the request. They are found by what is left to decide and an
    index, not by trying all. `--format json` writes results as AuthZEN's search does.

    \b
    Examples:
      policyengine who shop --entities all.json --action read --resource Document:plan
      policyengine who shop --entities all.json --action read --resource Document:plan --format json
    """

    def ask(engine: PolicyEngine, **page: Any) -> Page[Entity]:
        return engine.subjects(action, resource, subject_type, context, **page)

    def decide(engine: PolicyEngine, subject: Entity) -> Decision:
        return engine.decide(subject, action, resource, context, now=now)

    return answer(paths, entities, ask, decide, now=now, limit=limit, token=token, format=format)
