"""Write the filter of a database: SQL that selects the rows about which a decision would be an allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import context_option, read_request, request_options, utf8
from policyengine.cli.loading import cache_option, load_engine, paths_argument
from policyengine.cli.mappings import json_value, load_mapping, mapping_by_names, needs_sqlalchemy
from policyengine.cli.output import FINE, FailingInput, format_option, not_fitting, say, say_json
from policyengine.cli.policies_output import say_not_pushed, write_policies
from policyengine.cli.residual_output import what_is_left

if TYPE_CHECKING:
    from policyengine.filters.mapping import TableMapping
    from policyengine.filters.row_filter import Filter
    from policyengine.model.types import Schema
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
@click.option(
    "--subject", metavar="TYPE:ID", type=utf8, help="Who asks, instead of `--request`: `User:ann`."
)
@click.option("--action", metavar="NAME", type=utf8, help="What is to be done, with `--subject`.")
@click.option(
    "--resource-type",
    metavar="TYPE",
    type=utf8,
    help="The type of the rows, if the action takes several.",
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
@click.option(
    "--row-level-security",
    "verbs",
    metavar="MODULE:NAME",
    help="Write row-level security: statements that make PostgreSQL itself keep to the policies. "
    "A dict of `Verbs` says by which actions the rows of a type are read and written.",
)
@context_option("The context of the requests, with `--subject` or `--row-level-security`.")
@click.option("--unfit", is_flag=True, help="Select the rows about which nothing can be decided.")
@click.option(
    "--all-columns",
    is_flag=True,
    help="Select all columns, though a field gate may hide some of some rows.",
)
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
    verbs: str | None,
    context: Any,
    unfit: bool,
    all_columns: bool,
    format: str,
) -> int:
    """Write what the policies in PATH allow a subject as a SELECT of the resource's table.

    The SQL selects exactly the rows for which `decide` would say allow. A row that does not fit the policies
    (a NULL where there must be a value) is not selected, but by `--unfit`. Values are literals in the text, those
    of the subject as well; with `--format json`, they are also apart. Where a field gate hides something, the
    columns are those that all these rows expose. Where a clause cannot be said exactly, the command names it and
    exits with 1.

    \b
    Examples:
      policyengine filter shop --request shop/request.json --dialect sqlite
      policyengine filter shop --subject User:ann --action edit --entities people.json --dialect postgres
      policyengine filter shop --request request.json --mapping app.tables:MAPPING --dialect duckdb
      policyengine filter shop --row-level-security app.tables:VERBS --mapping app.tables:MAPPING --dialect postgres
    """
    if verbs is not None:
        if dialect != "postgres":
            raise click.UsageError("`--row-level-security` goes with `--dialect postgres`")
        if request or subject or resource_type or now or unfit or all_columns:
            raise click.UsageError(
                "`--row-level-security` is for every subject, of all rows, and at any time"
            )
        engine = load_engine(paths, entities)
        try:
            return write_policies(engine, _tables(mapping, engine.schema), verbs, context, format)
        except ModuleNotFoundError as lacking:
            raise needs_sqlalchemy(lacking) from None
    if context and request is not None:
        raise click.UsageError("the request has its own context: `--context` goes with `--subject`")
    if (request is None) == (subject is None) or (subject is None) != (action is None):
        raise click.UsageError("give `--request`, or `--subject` and `--action`")
    engine = load_engine(paths, entities)
    if request is not None:
        raw = read_request(request, now)
    else:
        raw = _raw_request(subject or "", action, context, now)
    if resource_type is not None:
        raw.resource = {"type": resource_type}
    left = what_is_left(engine, raw, ["resource"])
    tables = _tables(mapping, engine.schema)
    try:
        return _write(left, tables, _DIALECTS[dialect], format, every=all_columns, unfit=unfit)
    except ModuleNotFoundError as lacking:
        raise needs_sqlalchemy(lacking) from None


def _tables(mapping: str | None, schema: Schema) -> TableMapping:
    return mapping_by_names(schema) if mapping is None else load_mapping(mapping, schema)


def _raw_request(subject: str, action: str | None, context: Any, now: str | None) -> Any:
    from policyengine.intake.raw import raw_request

    type_, colon, id_ = subject.partition(":")
    if not colon:
        raise click.UsageError(f"`--subject {subject}` is no `TYPE:ID`")
    return raw_request({"type": type_, "id": id_}, action, None, context, now, None, None)


def _exposed(left: Residual, tables: TableMapping, *, unfit: bool) -> list[str] | None:
    """Return the columns that all allowed rows expose; None if no field gate hides any."""
    from policyengine.compiler.simplify import TRUE
    from policyengine.filters.mapping import columns_of

    type_ = left.target[2]
    if left.exposed is None or type_ not in tables.tables:
        return None
    shown = {name for name, when in left.exposed.items() if when == TRUE and not unfit}
    stored = {"id": tables.id_of(type_), **tables.table_of(type_).attributes}
    columns = {name: [one.name for one in columns_of(part)] for name, part in stored.items()}
    hidden = {one.casefold() for name in columns.keys() - shown for one in columns[name]}
    found = [one for name in columns.keys() & shown for one in columns[name]]
    if exposed := sorted(one for one in {*found} if one.casefold() not in hidden):
        return exposed
    why = "a field gate may hide every column of a row"
    if not tables.schema.gates_of(left.target).fields:
        why = f"no field gate applies to `{left.target[0]}`, so it shows no field of any row"
    raise FailingInput(f"{why}: `--all-columns` selects them all the same")


def _write(
    left: Residual,
    tables: TableMapping,
    dialect: Any,
    format: str,
    *,
    every: bool,
    unfit: bool,
) -> int:
    from policyengine.filters.mapping import IncompleteMapping
    from policyengine.filters.predicates import NotPushable
    from policyengine.filters.row_filter import make_filter
    from policyengine.model.errors import InvalidRequest

    try:
        made = make_filter(left, tables)
        columns = None if every else _exposed(left, tables, unfit=unfit)
        document = _document(made, left, dialect, columns, unfit=unfit)
    except InvalidRequest as refusal:
        raise not_fitting(refusal) from None
    except IncompleteMapping as problem:
        raise FailingInput(f"{problem}: give `--mapping`, or more in it") from None
    except NotPushable as problem:
        return say_not_pushed(problem, format)
    if read := _private_read(left, tables.schema):
        said = f"warning: the SQL may hold values of {', '.join(read)}, which is private"
        click.echo(f"{said}: keep it as secret", err=True)
    if format == "json":
        say_json(document)
        return FINE
    if document["valid_until"] is not None:
        say(f"-- until {document['valid_until']}", code=True)
    say(f"{document['sql']};", code=True)
    return FINE


def _private_read(left: Residual, schema: Schema) -> list[str]:
    """Return the private attributes of the subject, the context and what they refer to that rules read."""
    from policyengine.model.needs import NOTHING, Needs
    from policyengine.model.types import (
        EntityRefType,
        EntityType,
        RecordType,
        SetType,
        Type,
        holds_private,
    )

    def read(path: str, type_: Type | EntityType, needs: Needs) -> Iterator[str]:
        match type_:
            case EntityRefType(name):
                yield from read(path, schema.entities[name], needs)
            case SetType(element):
                yield from read(f"{path}[]", element, needs.elements or NOTHING)
            case RecordType() | EntityType():
                for name, part in needs.attributes.items():
                    attribute, inner = type_.by_name[name], f"{path}.{name}"
                    if attribute.private or (not part and holds_private(attribute.type)):
                        yield f"`{inner}`"
                    else:
                        yield from read(inner, attribute.type, part)
                for name, part in needs.above.items():
                    yield from read(f"ancestors({path}, {name})[]", schema.entities[name], part)

    action, subject, _ = left.target
    found: dict[str, None] = {}
    for rule in left.basis.rules:
        if rule.advisory:
            continue  # no filter asks it
        found |= dict.fromkeys(read("subject", schema.entities[subject], rule.needs.subject))
        context = schema.actions[action].context
        found |= dict.fromkeys(read("context", context, rule.needs.context))
    return sorted(found)


def _document(
    made: Filter, left: Residual, dialect: Any, columns: list[str] | None, *, unfit: bool
) -> dict[str, Any]:
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
    until = (
        None if made.valid_until is None else made.valid_until.isoformat().replace("+00:00", "Z")
    )
    names = DIALECTS[dialect].identifier_preparer
    name, listed = names.format_table(rows), ", ".join(map(names.quote, columns or ())) or "*"
    return {
        "table": made.table,
        "sql": f"SELECT {listed} FROM {name} WHERE {whole.text}",  # noqa: S608 - its literals are escaped
        "where": apart.text,
        "values": json_value([*apart.values]),
        "condition": left.text,
        "valid_until": until,
    }
