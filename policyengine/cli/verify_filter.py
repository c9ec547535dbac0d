"""Compare filters with decisions on the rows of a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from policyengine.cli.loading import cache_option, load_engine, paths_argument
from policyengine.cli.mappings import json_value, load_mapping, named, needs_sqlalchemy
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    say_parts,
    working,
)
from policyengine.model.shown import escaped, plural
from policyengine.model.types import Attribute, Schema, is_private

if TYPE_CHECKING:
    from policyengine.verifying.verify_filters import Difference, Verification


_MOST_SHOWN: Final = 5
"""The texts that are not UTF-8 which are named."""

_PRIVATE: Final = "(private)"
"""The text in the place of a private value."""


@click.command(
    name="verify-filter", short_help="Compare filters with decisions on rows of a database."
)
@paths_argument
@cache_option
@click.option(
    "--mapping",
    metavar="MODULE:NAME",
    required=True,
    help="The tables and columns of entities: a dict of `EntityTable` by type.",
)
@click.option(
    "--database",
    metavar="URL",
    required=True,
    help="The database, as SQLAlchemy calls it: `postgresql+psycopg://…`, `sqlite:///shop.db`.",
)
@click.option(
    "--tables",
    metavar="MODULE:NAME",
    help="The tables of SQLAlchemy: metadata, or the base class of mapped ones. Without it, they are as the "
    "database describes them.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="How many rows are compared.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="The beginning of the draw, beside that of the database.",
)
@format_option
def command(
    paths: tuple[str, ...],
    mapping: str,
    database: str,
    tables: str | None,
    rows: int,
    seed: int,
    format: str,
) -> int:
    """Hold the filters of the policies in PATH against decisions, on rows of your database.

    Of each action, subjects and rows are drawn, and contexts are made of the values that rules mention. A row
    must be selected exactly if `decide` allows the request that it makes. The database is only read. The exit
    code is 1 if a row differs; the first of them are shown, with ids and values as they are stored.

    \b
    Examples:
      policyengine verify-filter shop --mapping app.tables:MAPPING --database sqlite:///shop.db
      policyengine verify-filter shop --mapping app:MAPPING --tables app:Base --database postgresql+psycopg:///shop --rows 100000
    """
    engine = load_engine(paths)
    made = load_mapping(mapping, engine.schema)
    try:
        from policyengine.verifying.verify_filters import UnusableDatabase, verify_filters_at
    except ModuleNotFoundError as lacking:
        raise needs_sqlalchemy(lacking) from None
    given: Any = None if tables is None else named(tables)
    given = getattr(given, "metadata", given)
    try:
        with working("comparing rows") as progress:
            found = verify_filters_at(
                engine, made, database, given, rows=rows, seed=seed, progress=progress
            )
    except (UnusableDatabase, LookupError) as problem:
        raise FailingInput(str(problem.args[0])) from None
    if not found.rows and not found.differences:
        raise FailingInput(f"no row was compared: {_why_none(found)}")
    if format == "json":
        say_json(_document(found, engine.schema))
    else:
        _show(found, engine.schema)
    return FINDINGS if found.differences else FINE


def _why_none(found: Verification) -> str:
    if found.unreadable:
        return f"not UTF-8: {escaped(min(found.unreadable))}"
    if found.not_mapped:
        return f"the mapping lacks {', '.join(sorted(found.not_mapped))}"
    if found.not_pushed:
        return str(next(iter(found.not_pushed.values())))
    return "the tables have no rows of which any question was asked"


def _document(found: Verification, schema: Schema) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "filters": found.filters,
        **{name: found.outcomes[name] for name in ("allowed", "denied", "unfit")},
        "refused": found.refused,
        "not_pushed": [
            {"clause": one.clause, "rules": [*one.rules], "reason": one.reason}
            for one in found.not_pushed.values()
        ],
        "not_mapped": sorted(found.not_mapped),
        "unreadable": sorted(found.unreadable),
        "differences": [
            {"request": _shown(one.request, schema), "filter": _by_filter(one), "decision": _decided(one),
             "condition": one.left} for one in found.differences
        ],
    }  # fmt: skip


def _show(found: Verification, schema: Schema) -> None:
    for one in found.differences:
        subject, resource = one.request["subject"], one.request["resource"]
        what = f"{_called(subject)} {one.request['action']} {_called(resource)}"
        say_parts(("differs", "bold red"), (f"  {what}", None))
        for label, text in (
            ("the filter", _by_filter(one)),
            ("decide", _decided(one)),
            ("context", str(_shown(one.request, schema)["context"])),
            ("asked", one.left),
        ):
            say_parts((f"  {label:<12}", "dim"), (text, None))
    for problem in found.not_pushed.values():
        say(f"not pushed: {problem}")
    if found.not_mapped:
        say(f"not mapped, so not asked: {', '.join(sorted(found.not_mapped))}")
    for one_text in sorted(found.unreadable)[:_MOST_SHOWN]:
        say(f"not UTF-8, so not compared: {escaped(one_text)}")
    if len(found.unreadable) > _MOST_SHOWN:
        say(f"not UTF-8, so not compared: {len(found.unreadable) - _MOST_SHOWN:,} more")
    counts = found.outcomes
    outcomes = f"{counts['allowed']:,} allowed, {counts['denied']:,} denied"
    outcomes += f", {counts['unfit']:,} do not fit"
    verdict = ("differ", "bold red") if found.differences else ("agree", "bold green")
    say_parts(
        verdict,
        (
            f"  {found.rows:,} rows, asked about by {plural(found.filters, 'filter')}: {outcomes}",
            None,
        ),
    )


def _called(entity: Any) -> str:
    return f"{entity['type']} {escaped(str(entity['id']))}"


def _by_filter(one: Difference) -> str:
    selected, left_out, unfit = one.selected
    if selected == left_out:
        return (
            "both it and its negation select the row"
            if selected
            else "neither it nor its negation selects the row"
        )
    does = "selects" if selected else "does not select"
    return f"{does} the row" + (", which does not fit" if unfit else "")


def _decided(one: Difference) -> str:
    from policyengine.model.errors import InvalidRequest

    decided = one.decided
    if isinstance(decided, InvalidRequest):
        return f"the row does not fit: {'; '.join(map(str, decided.problems))}"
    verdict = "allow" if decided.allowed else "deny"
    return f"{verdict} ({decided.cause}) by {', '.join(decided.rules) or 'no rule'}"


def _shown(request: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return a request as JSON has it, without the private values in it."""

    def values(given: Mapping[str, Any], attributes: Iterable[Attribute]) -> dict[str, Any]:
        hidden = {one.name for one in attributes if is_private(one)}
        return {k: _PRIVATE if k in hidden else json_value(v) for k, v in given.items()}

    def entity(given: Mapping[str, Any]) -> dict[str, Any]:
        of = schema.entities[given["type"]].attributes
        made: dict[str, Any] = json_value(given)
        return made | {"properties": values(given["properties"], of)}

    context = schema.actions[request["action"]].context.attributes
    return {
        **json_value(
            {**request, "subject": None, "resource": None, "context": None, "entities": None}
        ),
        "subject": entity(request["subject"]),
        "resource": entity(request["resource"]),
        "context": values(request["context"], context),
        "entities": [*map(entity, request["entities"])],
    }
