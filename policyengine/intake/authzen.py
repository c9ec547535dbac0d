"""Read requests and write answers in the JSON of AuthZEN 1.0.

A document is taken apart here and judged by `request.py`, so that all its problems are found
together; what is wrong with a part as JSON travels inside it as a `Refused`. Top-level names that
mean nothing do no harm, and are listed so that a misspelt one is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from policyengine.intake.decode import Refused, Repeated
from policyengine.intake.json_text import decode_plain, each_name_stands_once, parse_json, refuse
from policyengine.model.decision import Decision, answer
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request_messages import shown
from policyengine.model.values import ABSENT

_NAMES: Final = ("subject", "action", "resource", "context", "fields", "now", "entities")


class Envelope(Struct, frozen=True):
    """The parts of a request as they were sent, for `request.validate` to judge.

    Of *subject*, *action* and *resource* a missing one is `ABSENT`; the others are None then.
    *ignored*: top-level names that mean nothing.
    """

    subject: Any
    action: Any
    resource: Any
    context: Any
    fields: Any
    now: Any
    entities: Any
    ignored: tuple[str, ...]


def read_document(data: bytes | str, limits: Limits, *, accept_now: bool = False) -> Envelope:
    """Take a request apart; raises `InvalidRequest` if it is no JSON object within the limits.

    A `now` is refused unless *accept_now*: it could revive what has run out.
    """
    document = parse_json(data, limits, limits.document_size)
    if not isinstance(document, dict):
        refuse("PE505", "expected an object with `subject`, `action` and `resource`")
    parts = {name: _part(document, name) for name in _NAMES}
    if not accept_now and parts["now"] is not None:
        parts["now"] = Refused("PE522", "a time of the caller's own is not accepted here")
    ignored = [shown(name) for name in document if name not in _NAMES]
    return Envelope(**parts, ignored=tuple(ignored[: limits.problems]))


def read_plain(data: bytes | str, limits: Limits, *, accept_now: bool) -> Parts | None:
    """Return the parts of a request that is JSON as it should be, and has no others.

    None if there is anything about it that must be looked at more closely: `read_document` does.
    How deep it is, the caller must see.
    """
    decoded = decode_plain(data, limits.document_size)
    if decoded is None:
        return None
    raw, document = decoded
    if type(document) is not dict:
        return None
    try:
        subject, action, resource = document["subject"], document["action"], document["resource"]
        name = action["name"]
        context = document.get("context")
        more, parts = _NO_MORE, _PARTS + (context is not None)
        if len(document) != parts:
            more = [document.get(part) for part in _MORE]
            parts += len(more) - more.count(None)
        if len(document) != parts or len(action) != 1:
            return None  # something that is null or unknown
        # There are no fewer, but for what is no object where one must be: nobody takes that.
        names = len(document) + 1 + len(subject) + len(resource) + len(context or ())
        names += len(subject.get("properties", ())) + len(resource.get("properties", ()))
    except (KeyError, TypeError, AttributeError):
        return None
    if raw.count(b":") != names and not each_name_stands_once(raw, document):
        return None
    now, fields, entities = more
    if now is not None and not (accept_now and type(now) is str):
        return None
    return subject, name, resource, context, now, fields, entities


Parts: TypeAlias = tuple[Any, Any, Any, Any, str | None, Any, Any]
"""Subject, name of the action, resource; then, None if they are not there, context, now, fields and
entities."""

_PARTS: Final = 3
"""Subject, action and resource: what every request has."""
_MORE: Final = ("now", "fields", "entities")
_NO_MORE: Final[list[Any]] = [None, None, None]


def _part(document: dict[str, object], name: str) -> object:
    if isinstance(document, Repeated) and name in document.names:
        return Refused("PE518", "this name stands twice in one object")
    if name not in document:
        return ABSENT if name in _NAMES[:3] else None
    if document[name] is None:
        return Refused("PE505", "there is no null: leave it out if there is none")
    # Two parts may be something else in Python: a number is a time there, a string an action.
    if name == "now" and not isinstance(document[name], str | Refused):
        return Refused("PE505", "expected a string such as `2026-09-01T10:00:00Z`")
    if name == "action" and isinstance(document[name], str):
        return Refused("PE505", 'expected an object {"name": …}')
    return document[name]


def answer_document(decision: Decision, ignored: Iterable[str] = ()) -> bytes:
    """Return the answer to a request that was decided."""
    return decision.to_bytes(ignored)


def refusal_document(refusal: InvalidRequest, policy: str, ignored: Iterable[str] = ()) -> bytes:
    """Return the answer to a request that does not fit: a deny that names every problem."""
    errors = [{"code": p.code, "path": p.path, "message": p.message} for p in refusal.problems]
    reason = f"the request does not fit: {'; '.join(map(str, refusal.problems))}"
    return msgspec.json.encode(
        answer(
            allowed=False,
            cause="invalid_request",
            reason=reason,
            exposed=[],
            errors=errors,
            policy=policy,
            ignored=ignored,
        )
    )
