"""Write row-level security (`filter --row-level-security`), and what cannot be said in a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.mappings import named
from policyengine.cli.output import FINDINGS, FINE, FailingInput, say, say_json

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.filters.mapping import TableMapping
    from policyengine.filters.predicates import NotPushable


def write_policies(
    engine: PolicyEngine, tables: TableMapping, verbs: str, context: Any, format: str
) -> int:
    """Write the statements that make PostgreSQL keep to the policies; *verbs*: `module:name` of a dict."""
    from policyengine.filters.governing import Verbs
    from policyengine.filters.mapping import IncompleteMapping
    from policyengine.filters.predicates import NotPushable
    from policyengine.filters.row_level_security import row_level_security
    from policyengine.model.errors import InvalidRequest

    found = named(verbs)
    if not isinstance(found, Mapping) or not all(isinstance(of, Verbs) for of in found.values()):
        raise FailingInput(f"`{verbs}` is no dict of `Verbs` by entity type")
    try:
        made = row_level_security(engine, tables, found, context=context)
    except (InvalidRequest, TypeError, ValueError) as problem:
        raise FailingInput(str(problem)) from None
    except IncompleteMapping as problem:
        raise FailingInput(f"{problem}: give `--mapping`, or more in it") from None
    except NotPushable as problem:
        return say_not_pushed(problem, format)
    for type_, hidden in made.hidden.items():
        said = f"warning: policies show whole rows, and field gates may hide {', '.join(hidden)} of {type_}"
        click.echo(f"{said}: grant SELECT on the other columns only", err=True)
    if format == "json":
        say_json({"statements": made.statements, "hidden": made.hidden})
        return FINE
    for statement in ("BEGIN", *made.statements, "COMMIT"):
        say(f"{statement};", code=True)
    return FINE


def say_not_pushed(problem: NotPushable, format: str) -> int:
    """Write what a database cannot say exactly; return the exit code of that."""
    if format == "json":
        rules = [*problem.rules]
        say_json({"clause": problem.clause, "rules": rules, "reason": problem.reason})
    else:
        click.echo(f"not pushed: {problem}", err=True)
    return FINDINGS
