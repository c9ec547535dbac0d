"""Write the filter of a database: SQL that selects the rows about which a decision would be an allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import read_request, request_options
from policyengine.cli.loading import cache_option, load_engine, paths_argument
from policyengine.cli.mappings import load_mapping, mapping_by_names, needs_sqlalchemy
from policyengine.cli.output import FINDINGS, FINE, FailingInput, format_option, say, say_json
from policyengine.cli.residual_output import what_is_left

if TYPE_CHECKING:
    from policyengine.filters.row_filter import Filter
    from policyengine.partial.residual import Residual

_DIALECTS = {"sqlite": "sqlite", "postgres": "postgresql", "duckdb": "duckdb"}


@click.command(short_help="Write a request as SQL: the rows that are allowed.")
@paths_argument
@cache_option
@click.option(
    "--request",
    "-r",
    "request",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="A request as JSON, of whose resource only the type matters; `-` reads standard input.",
)
@click.option("--subject", metavar="TYPE:ID", help="Who asks, instead of `--request`: `User:ann`.")
@click.option("--action", metavar="NAME", help="What is to be done, with `--subject`.")
@click.option(
    "--resource-type", metavar="TYPE", help="The type of the rows, if the action takes several."
)
@request_options
@click.option(
    "--dialect",
    type=click.Choice([*_DIALECTS]),
    required=True,
    help="The database that the SQL is for.",
)
@click.option(
    "--mapping",
    metavar="MODULE:NAME",
    help="The tables and columns. Without it, they are called as types and attributes are.",
)
@click.option("--unfit", is_flag=True, help="Select the rows about which nothing can be decided.")
@format_option
def command(
    paths: tuple[str, ...],
    request: str | None,
    subject: str | None,
    action: str | None,
    resource_type: str | None,
    entities: str | None,
    now: str | None,
    dialect: str,
    mapping: str | None,
    unfit: bool,
    format: str,
) -> int:
    """Write what the policies in PATH allow a subject as a SELECT of the resource's table.

    The SQL selects exactly the rows for which `decide` would say allow. A row that does not fit the policies
    (a NULL where there must be a value) is not selected, but by `--unfit`. Values are literals in the text; with
    `--format json`, they are also apart. Where a clause cannot be said exactly, the command
    names it and exits with 1.

    \b
    Examples:
      policyengine filter shop --request shop/request.json --dialect sqlite
      policyengine filter shop --subject User:ann --action edit --entities people.json --dialect postgres
      policyengine filter shop --request request.json --mapping app.tables:MAPPING --dialect duckdb
    """
    if (request is None) == (subject is None) or (subject is None) != (action is None):
        raise click.UsageError("give `--request`, or `--subject` and `--action`")
    engine = load_engine(paths, entities)
    if request is not None:
        raw = read_request(request, now)
    else:
        raw = _raw_request(subject or "", action, now)
    if resource_type is not None:
        raw.resource = {"type": resource_type}
    left = what_is_left(engine, raw, ["resource"])
    tables = (
        mapping_by_names(engine.schema) if mapping is None else load_mapping(mapping, engine.schema)
    )
    try:
        return _write(left, tables, _DIALECTS[dialect], format, unfit=unfit)
    except ModuleNotFoundError as lacking:
        raise needs_sqlalchemy(lacking) from None


def _raw_request(subject: str, action: str | None, now: str | None) -> Any:
    from policyengine.intake.raw import raw_request

    type_, colon, id_ = subject.partition(":")
    if not colon:
        raise click.UsageError(f"`--subject {subject}` is no `TYPE:ID`")
    return raw_request({"type": type_, "id": id_}, action, None, {}, now, None, None)


def _write(left: Residual, tables: Any, dialect: Any, format: str, *, unfit: bool) -> int:
    from policyengine.filters.mapping import IncompleteMapping
    from policyengine.filters.predicates import NotPushable
    from policyengine.filters.row_filter import make_filter
    from policyengine.model.errors import InvalidRequest

    try:
        made = make_filter(left, tables)
        document = _document(made, left, dialect, unfit=unfit)
    except InvalidRequest as problem:
        raise FailingInput(str(problem)) from None
    except IncompleteMapping as problem:
        raise FailingInput(f"{problem}: give `--mapping`, or more in it") from None
    except NotPushable as problem:
        if format == "json":
            rules = [*problem.rules]
            say_json({"clause": problem.clause, "rules": rules, "reason": problem.reason})
        else:
            click.echo(f"not pushed: {problem}", err=True)
        return FINDINGS
    if format == "json":
        say_json(document)
        return FINE
    if document["valid_until"] is not None:
        say(f"-- until {document['valid_until']}", code=True)
    say(f"{document['sql']};", code=True)
    return FINE


def _document(made: Filter, left: Residual, dialect: Any, *, unfit: bool) -> dict[str, Any]:
    from policyengine.filters.predicates import Constant
    from policyengine.filters.sql_text import DIALECTS, SqlText, sql_text, tables_of

    predicate = made.rows_that_do_not_fit if unfit else made.predicate
    named = tables_of(predicate, made.table)
    rows = named[made.table]
    if isinstance(predicate, Constant):
        whole = apart = SqlText("1 = 1" if predicate.value else "1 = 0")
    else:
        whole = sql_text(predicate, rows, named, dialect)
        apart = sql_text(predicate, rows, named, dialect, literals=False)
    until = None if made.valid_until is None else made.valid_until.isoformat()
    name = DIALECTS[dialect].identifier_preparer.format_table(rows)
    return {
        "table": made.table,
        "sql": f"SELECT * FROM {name} WHERE {whole.text}",  # noqa: S608 - its literals are escaped
        "where": apart.text,
        "values": [*map(_plain, apart.values)],
        "condition": left.text,
        "valid_until": until,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | None) else str(value)
