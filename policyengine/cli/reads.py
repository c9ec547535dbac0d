"""Print the data that a service must fetch for a request: all that the rules may read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import utf8
from policyengine.cli.completing import actions
from policyengine.cli.loading import cache_option, load_checked, paths_argument
from policyengine.cli.output import FINE, format_option, say, say_json, width
from policyengine.diagnostics.wrapping import fitted
from policyengine.model.types import EntityRefType, SetType
from policyengine.semantics.demand import attribute_of

if TYPE_CHECKING:
    from policyengine.model.needs import Needs
    from policyengine.model.types import Schema, TargetKey, Type
    from policyengine.semantics.checked import CheckedSet

_WIDTH = 100
"""The columns of a line where nothing says how many there are."""

_ROOTS = ("subject", "resource", "context")


@click.command(short_help="Print what must be fetched before a request is asked.")
@paths_argument
@cache_option
@click.option(
    "--action", metavar="NAME", type=utf8, shell_complete=actions, help="Only for this action."
)
@format_option
def command(paths: tuple[str, ...], action: str | None, format: str) -> int:
    """Print what the rules of the policy set in PATH may read of a request.

    A service must fetch these data before it asks: conditions, reasons and obligations read nothing
    else. Actions for which the same is read are listed together. Optional parts are marked with `?`;
    leave them out where there are none. What a number of the context counts is beside it.

    \b
    Examples:
      policyengine reads policies/x
      policyengine reads policies/x --action search_all
      policyengine reads policies/x --format json
    """
    from policyengine.cli.compile import targets

    checked = load_checked(paths)
    plans = {target: _plan(checked, target) for target in targets(checked, action)}
    if format == "json":
        say_json({_name(target): plan for target, plan in plans.items()})
        return FINE
    room = width() or _WIDTH
    same: dict[str, list[TargetKey]] = {}
    for target, plan in plans.items():
        same.setdefault(repr((target[1:], plan)), []).append(target)
    for number, group in enumerate(same.values()):
        if number:
            say("")
        _, subject, resource = group[0]
        heading = f"{', '.join(target[0] for target in group)} by {subject} on {resource}"
        say(fitted(heading, room))
        plan = plans[group[0]]
        for root in _ROOTS:
            for path in plan[root]:
                count = plan["counts"].get(path)
                text = f"{path}: the {count['text']}" if count else path
                say(fitted(f"  {text}", room))
        if plan["time"]:
            say("  the time")
        if not (plan["time"] or any(plan[root] for root in _ROOTS)):
            say("  nothing")
    return FINE


def _name(target: TargetKey) -> str:
    return " ".join((target[0], "by", target[1], "on", target[2]))


def _plan(checked: CheckedSet, target: TargetKey) -> dict[str, Any]:
    """Return the paths that are read below each root, the counts among them, and whether the time matters."""
    from msgspec.structs import asdict

    from policyengine.compiler.dependencies import dependencies_of
    from policyengine.compiler.lower import lower

    action, subject, resource = target
    needs, schema = checked.needs(target), checked.schema
    types: dict[str, Type] = {
        "subject": EntityRefType(subject),
        "resource": EntityRefType(resource),
        "context": schema.actions[action].context,
    }
    plan: dict[str, Any] = {
        root: list(marked(getattr(needs, root), type_, root, schema))
        for root, type_ in types.items()
    }
    plan["counts"] = {
        f"context.{part.name}": {"text": str(part.count), **asdict(part.count)}
        for part in schema.actions[action].context.attributes
        if part.count and f"context.{part.name}" in plan["context"]
    }
    counting = tuple(rule for rule in lower(checked, target) if not rule.advisory)
    plan["time"] = dependencies_of(counting).timed
    return plan


def marked(needs: Needs, type_: Type, text: str, schema: Schema) -> Iterator[str]:
    """Give the paths below *text* that are needed of a value of the type, optional parts with `?`."""
    if needs.line:
        yield f"{text} and its ancestors"
    for name, part in needs.attributes.items():
        attribute = attribute_of(type_, name, schema)
        assert attribute is not None
        path = f"{text}.{name}{'?' if attribute.optional else ''}"
        yield path
        yield from marked(part, attribute.type, path, schema)
    if needs.elements is not None:
        assert isinstance(type_, SetType)
        yield from marked(needs.elements, type_.element, f"{text}[]", schema)
    for above, part in needs.above.items():
        yield from marked(part, EntityRefType(above), f"ancestors({text}, {above})[]", schema)
