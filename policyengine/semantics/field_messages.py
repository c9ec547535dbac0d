"""Word the diagnostics of fields, and of the masks by which they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policyengine.diagnostics.diagnostic import Diagnostic, Label, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import did_you_mean
from policyengine.model.masks import ID
from policyengine.model.request_messages import listed
from policyengine.model.types import RecordType, TargetKey, Type
from policyengine.semantics.messages import a
from policyengine.syntax import nodes


def field_twice(field: nodes.Ident, first: nodes.Ident) -> Diagnostic:
    """A field that stands twice in one list."""
    return error(
        "PE356", field.span, f"`{field.name}` stands twice", "a list has each field once",
        Label(first.span, "here before"),
    )  # fmt: skip


def no_mask(shown: nodes.ShownField, type_: Type, masks: Sequence[str]) -> Diagnostic:
    """A mask that the type of a field does not take."""
    assert shown.mask is not None
    what = "the `id`" if shown.field.name == ID else a(str(type_))
    if isinstance(type_, RecordType):
        what = "this record, by what all its parts take,"
    digits = shown.mask.name.startswith("digits")  # of which none is meant more than another
    return error(
        "PE355", shown.mask.span,
        f"`{shown.field.name}` cannot be shown as `{shown.mask.name}`",
        (not digits and did_you_mean(shown.mask.name, masks)) or f"{what} is shown as {_any_of(masks)}",
    )  # fmt: skip


def never_exposed_in_vain(span: Span) -> Diagnostic:
    """An invariant about fields in a set without a field gate."""
    return error(
        "PE357", span, "there is no field gate, so an allow shows every field",
        'declare one: `field gate view "which fields may be seen"`',
    )  # fmt: skip


def _any_of(masks: Sequence[str]) -> str:
    return " or ".join(filter(None, (listed(masks[:-1]), listed(masks[-1:]))))


def no_field(ident: nodes.Ident, resource: str, known: Iterable[str]) -> Diagnostic:
    """A field that the resource lacks."""
    return error(
        "PE314", ident.span, f"`{resource}` has no field `{ident.name}`",
        did_you_mean(ident.name, known),
    )  # fmt: skip


def asking_in_vain(span: Span, target: TargetKey | None = None) -> Diagnostic:
    """Fields asked for in a set without a field gate, or for a target to which none applies."""
    lacking = "there is no field gate"
    if target is not None:
        action, subject, resource = target
        lacking = f"no field gate applies to `{action}` by `{subject}` on `{resource}`"
    return error("PE329", span, f"{lacking}, so no fields can be asked for")
