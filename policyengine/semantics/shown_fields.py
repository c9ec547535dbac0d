"""Check the fields that rules, invariants and tests name, and the masks by which they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.masks import ID, field_type, masks_of
from policyengine.model.types import EntityType, RecordType, Type
from policyengine.semantics import field_messages
from policyengine.semantics.vocabulary import UNKNOWN
from policyengine.syntax import nodes


def check_shown(
    fields: Sequence[nodes.ShownField],
    resources: Iterable[EntityType],
    problems: list[Diagnostic],
) -> None:
    """Report each field that stands twice, that a resource lacks, or that does not take its mask."""
    first: dict[str, nodes.Ident] = {}
    for shown in fields:
        name = shown.field
        if first.setdefault(name.name, name) is not name:
            problems.append(field_messages.field_twice(name, first[name.name]))
    for resource in resources:
        for shown in fields:
            type_ = field_type(resource, shown.field.name)
            if type_ is None:
                problems.append(
                    field_messages.no_field(shown.field, resource.name, [*resource.by_name, ID])
                )
            elif shown.mask and _is_known(type_) and shown.mask.name not in masks_of(type_):
                problems.append(field_messages.no_mask(shown, type_, masks_of(type_)))


def _is_known(type_: Type) -> bool:
    """Whether nothing of a type was reported where it is declared."""
    parts = type_.attributes if isinstance(type_, RecordType) else ()
    return type_ != UNKNOWN and all(_is_known(part.type) for part in parts)
