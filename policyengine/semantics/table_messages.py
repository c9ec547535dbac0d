"""Word the diagnostics of tables, of what numbers count, and of contexts of tests; see `messages.py`."""

from __future__ import annotations

from collections.abc import Sequence

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import did_you_mean
from policyengine.model.types import (
    BOOL,
    EntityRefType,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from policyengine.semantics.messages import FEW, a, listed
from policyengine.syntax import nodes
from policyengine.syntax.excerpts import said
from policyengine.syntax.written_values import as_name


def no_table_key(span: Span, found: Type) -> Diagnostic:
    """A table over a type without a list of names."""
    help = "for a `bool` write `if … then … else …`" if found == BOOL else ""
    message = f"a table has a row for each name of an enum, levels or a taxonomy, not of {a(found)}"
    return error("PE345", span, message, help)


def no_rows(span: Span, type_: TableType) -> Diagnostic:
    """A table that is not written as rows."""
    example = as_name(type_.key.members[0]) if type_.key.members else "name"
    return error(
        "PE346", span, f"a table of type `{type_}` is written row by row",
        f"write `{{ {example}: …, … }}`",
    )  # fmt: skip


def no_row_for_the_rest(ident: nodes.Ident, key: Type) -> Diagnostic:
    """A row that is meant for all names without one."""
    message = f"`{ident.name}` is no name of `{key}`, and no row stands for the rest"
    return error("PE221", ident.span, message, "write a row for each name")


def lacks_rows(span: Span, key: Type, missing: Sequence[str]) -> Diagnostic:
    """A table without a row for each name."""
    missing = [as_name(name) for name in missing]
    more = f" and {len(missing) - FEW:,} more" if len(missing) > FEW else ""
    named = (", ".join(f"`{n}`" for n in missing[:FEW]) + more) if more else listed(missing, "and")
    below = "; a term without a row has that of its parent" if isinstance(key, TaxonomyType) else ""
    return error(
        "PE346", span, f"the table lacks a row for {named}", f"add `{missing[0]}: …`{below}"
    )


def table_as_value(span: Span, written: str, type_: TableType) -> Diagnostic:
    """A table where a value is wanted."""
    help = f"write `{written}[…]` with {a(type_.key)} in the brackets"
    return error("PE347", span, "a table is no value: only its rows can be read", help)


def no_table(node: nodes.LookUp, found: Type) -> Diagnostic:
    """Brackets after something that is no table."""
    written, help = said(node.table), ""
    match found, node.key:
        case SetType(), _:
            help = f"elements have no position: write `x in {written}`, or `some x in {written}: condition`"
        case ((EntityRefType() | RecordType()), nodes.Literal("string", str() as name)) if (
            name.isidentifier()
        ):
            help = f"write `{written}.{name}`"
        case _:
            help = f"leave the brackets out: `{written}`"
    message = f"only in a table can be looked up, and this is {a(found)}"
    return error("PE348", node.table.span, message, help)


def misplaced_count(note: nodes.CountNote) -> Diagnostic:
    """A count of something that is no attribute of a context."""
    return error(
        "PE229", note.span, "only an attribute of a context counts something",
        "declare it in the `with` of an action or a group",
    )  # fmt: skip


def uncountable(declared: nodes.AttributeDecl, type_: Type) -> Diagnostic:
    """A count that is no int, or may be absent."""
    what = "may be absent" if declared.optional else f"is {a(type_)}"
    help = f"write `{declared.name}: int (count of …)`"
    return error("PE230", declared.name.span, f"a count is an `int`, and this {what}", help)


def not_counted_by(span: Span, what: str) -> Diagnostic:
    """A part of a request by which nothing can be counted."""
    help = "write `subject`, `resource`, `action.name`, an attribute that they always have, or one of the context"
    return error("PE231", span, f"nothing can be counted by {what}", help)


def no_window(span: Span, word: str, known: Sequence[str]) -> Diagnostic:
    """A time over which nothing can be counted."""
    help = (
        did_you_mean(word, known)
        or "write `day`, `month`, `year` or a duration, or leave `per` out"
    )
    return error("PE231", span, f"nothing can be counted per `{word}`", help)


def counted_twice(ident: nodes.Ident) -> Diagnostic:
    """A count of what is both an entity type and an action."""
    help = f"an entity type and an action are called `{ident.name}`; give one of them another name"
    return error("PE204", ident.span, f"`{ident.name}` could mean two things here", help)


def no_context(span: Span, found: Type) -> Diagnostic:
    """Something after `with` that is no context."""
    help = "write `with { name: value, … }`, or name a `let` that gives that"
    message = f"a context is wanted after `with`, and this is {a(found)}"
    return error("PE349", span, message, help)


def contexts_too_long(span: Span, most: int) -> Diagnostic:
    """Contexts that are used so often that what they give is too much."""
    message = f"the contexts that have names give more than {most:,} parts wherever they are used"
    help = "give fewer keys a name, or allow more with `Limits(coverage=…)`"
    return error("PE308", span, message, help)


def no_party(span: Span) -> Diagnostic:
    """A context where an entity is wanted."""
    message = "an entity is wanted here, and this is a context"
    return error("PE349", span, message, "a context is written after `with`")
