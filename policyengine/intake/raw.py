"""Hold a request as it came in, before anything of it is trusted."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from policyengine.intake.store import EntityStore
from policyengine.model.request import Request


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


def asked_request(raw: RawRequest) -> Request:
    """Return a request as it was asked."""
    entities = raw.entities if raw.store is None else raw.store
    parts = raw.subject, raw.action, raw.resource, raw.context, raw.now, raw.fields, entities
    return Request(*parts)


def raw_request(
    subject: Any,
    action: Any,
    resource: Any,
    context: Any = None,
    now: Any = None,
    fields: Any = None,
    entities: Any = None,
) -> RawRequest:
    """Return the request of these parts, as a caller gives them; a store may be given as *entities*."""
    if issubclass(type(entities), EntityStore):  # what it says it is may be another thing
        return RawRequest(subject, action, resource, context, now, fields, None, entities)
    return RawRequest(subject, action, resource, context, now, fields, entities)


def given_request(*parts: Any) -> RawRequest:
    """Return the request of these parts, or that of a `Request` which is the only one; raises `TypeError` if not."""
    request, *others = parts
    if type(request) is not Request:
        return raw_request(*parts)
    if any(part is not None for part in others):
        raise TypeError("a `Request` has all parts: give it alone, or the parts")
    return raw_request(*request.parts)
