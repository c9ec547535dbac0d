"""Hold a request as it came in, before anything of it is trusted."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from policyengine.intake.store import EntityStore


class RawRequest(Struct):
    """The parts of a request in any form: built entities and contexts, dicts, or JSON that was read.

    Of *subject*, *action* and *resource* a missing one is `ABSENT`; of the others, it is None.
    *now*: None for now. *entities*: others that are referred to. *store*: one that takes the place
    of the engine's. *ignored*: names of a JSON document that mean nothing.
    """

    subject: Any
    action: Any
    resource: Any
    context: Any = None
    now: Any = None
    fields: Any = None
    entities: Any = None
    store: EntityStore | None = None
    ignored: tuple[str, ...] = ()


def raw_request(
    subject: Any,
    action: Any,
    resource: Any,
    context: Any = None,
    now: Any = None,
    fields: Any = None,
    entities: Any = None,
) -> RawRequest:
    """Return the request of these parts; a store may be given as *entities*."""
    if issubclass(type(entities), EntityStore):  # what it says it is may be another thing
        return RawRequest(subject, action, resource, context, now, fields, None, entities)
    return RawRequest(subject, action, resource, context, now, fields, entities)
