"""Read requests in the JSON of AuthZEN 1.0.

A document is taken apart here and validated with all other requests, so that all its problems are
found together; what is wrong with a part as JSON is a `Refused` in its place. Top-level names that
mean nothing do no harm, and are listed so that a misspelt one is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from policyengine.intake.foreign import Refused, Repeated, plain
from policyengine.intake.json_text import decode_plain, each_name_stands_once, parse_json, refuse
from policyengine.intake.raw import RawRequest
from policyengine.intake.undeclared import are_near
from policyengine.model.limits import Limits
from policyengine.model.request_messages import got, inside, path_text, shown
from policyengine.model.types import EntityRefType, EntityType, RecordType, Schema, SetType, Type
from policyengine.model.values import ABSENT

NAMES: Final = ("subject", "action", "resource", "context", "fields", "now", "entities")
_NOTHING: Final = {**dict.fromkeys(NAMES), **dict.fromkeys(NAMES[:3], ABSENT)}
"""The parts of a request that gives none: without its first ones, there is none."""
_OPENING: Final = ("context", "entities", "evaluations")
"""Names without which something may be absent that denies, or one request is decided in place of a batch."""
_MOST_COMPARED: Final = 1_000
"""Names without a meaning that are compared with those of parts; of more, anything may be meant."""


class RequestDecoder:
    """Decodes plain requests for one schema."""

    def __init__(self, schema: Schema, limits: Limits) -> None:
        self._limits = limits
        # If no request that fits the schema is too deep, the depth of a text need not be measured.
        self._is_shallow = _depth_of_requests(schema) <= limits.document_depth

    def decode_plainly(
        self,
        data: Any,
        accept_now: bool,  # noqa: FBT001 - as it was given
    ) -> tuple[Any, str, Any, Any, str | None, Any, Any] | None:
        """Return the parts of a document that has no others, and in which no name is repeated.

        They are in the order of `RawRequest`. None if there is anything about the document that must
        be looked at more closely, which `read_document` does.
        """
        if not self._is_shallow:
            return None
        decoded = decode_plain(data, self._limits.document_size, _decode)
        if decoded is None:
            return None
        raw, given = decoded
        subject, resource, context = given.subject, given.resource, given.context
        now: Any = given.now
        entities: Any = given.entities
        names = 0
        if entities is None:  # else there are more names, inside of these
            names = _NAMES_AROUND + len(subject) + len(resource)
            if context is not None:
                names += 1 + len(context)
            for part in (subject, resource):
                properties = part.get("properties")
                if type(properties) is dict:
                    names += len(properties)
        if not (accept_now or now is None) or not each_name_stands_once(raw, given, names):
            return None
        name, fields = given.action.name, given.fields
        return subject, name, resource, context, now, fields, entities


_LEFT_OUT: Final[Any] = None
_NAMES_AROUND: Final = 4
"""Names that a request has outside of its parts at least."""


class _Action(Struct, forbid_unknown_fields=True):
    name: str


class _Document(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A request in JSON that has no other parts, and no part that is null or of another kind."""

    subject: dict[str, Any]
    action: _Action
    resource: dict[str, Any]
    context: dict[str, Any] = _LEFT_OUT
    now: str = _LEFT_OUT
    fields: list[Any] = _LEFT_OUT
    entities: list[Any] = _LEFT_OUT


_decode: Final = msgspec.json.Decoder(_Document).decode


def read_document(data: Any, limits: Limits, *, accept_now: bool = False) -> RawRequest:
    """Take a request apart; raises `InvalidRequest` if it is no object, or no JSON object within the limits.

    A `now` is refused unless *accept_now*: it could revive what has run out. So is a batch: the parts at its
    top are no request of their own.
    """
    document = document_of(data, limits)
    if "evaluations" in document and not is_empty(document["evaluations"]):
        message = "a batch is decided by `evaluations`, and not as one request"
        refuse("PE531", message, "evaluations")
    return read_parts([document], limits, accept_now=accept_now)


def is_empty(raw: object) -> bool:
    """Whether something is a list without elements."""
    listed = plain(raw)
    return isinstance(listed, list) and not listed


def _said(name: object) -> str:
    return name.message if isinstance(name, Refused) else str(name)


def document_of(data: Any, limits: Limits) -> dict[Any, Any]:
    """Return the object that a document is; raises `InvalidRequest` if it is none within the limits."""
    given = plain(data)
    if isinstance(given, Refused):
        refuse(given.code, given.message)
    document = given if isinstance(given, dict) else parse_json(given, limits, limits.document_size)
    if not isinstance(document, dict):
        refuse("PE505", "expected an object with `subject`, `action` and `resource`")
    return document


def read_parts(levels: Sequence[dict[Any, Any]], limits: Limits, *, accept_now: bool) -> RawRequest:
    """Return a request of which each part is in the first of *levels* that has it; may raise `InvalidRequest`."""
    parts: dict[str, Any] = {**_NOTHING}
    for level in reversed(levels):
        parts |= {name: _part(level, name) for name in NAMES if name in level}
    if not accept_now and parts["now"] is not None:
        parts["now"] = Refused("PE522", "a time of the caller's own is not accepted here")
    parts["action"], parts["context"] = _with_properties(parts["action"], parts["context"])
    ignored = ignored_names(levels, NAMES, limits)
    return RawRequest(**parts, ignored=ignored)


def ignored_names(
    levels: Sequence[dict[Any, Any]], known: Collection[str], limits: Limits
) -> tuple[str, ...]:
    """Return the names in the first of *levels* that mean nothing, as many as problems are reported.

    Raises `InvalidRequest` if one may be meant for a part that the first lacks: what the others give in its place, or
    nothing, is not what was asked.
    """
    given, *defaults = levels
    ignored = [_said(name) for name in given if name not in known]
    lacking = [part for part in NAMES if part not in given] if defaults else _OPENING
    for part in lacking if ignored else ():
        if part in given:
            continue
        for number, name in enumerate(ignored):
            if number == _MOST_COMPARED or are_near(name, part):
                message = f"it means nothing, and may be meant for `{part}`, which is not given"
                refuse("PE533", message, path_text(inside(None, name)))
    return tuple(map(shown, ignored[: limits.problems]))


def _with_properties(action: Any, context: Any) -> tuple[Any, Any]:
    """Return the action without its properties, and the context with them."""
    named = plain(action)
    if not isinstance(named, dict) or "properties" not in named:
        return action, context
    alone = {name: part for name, part in named.items() if name != "properties"}
    given, others = plain(named["properties"]), plain(context)
    if isinstance(given, Refused):
        refuse(given.code, given.message, "action.properties")
    if not isinstance(given, dict):
        refuse("PE505", f"expected an object, got {got(given, private=True)}", "action.properties")
    for owner, names in ((named, ["properties"]), (given, given)):
        if isinstance(owner, Repeated) and not set(owner.names).isdisjoint(names):
            refuse("PE518", "a name stands twice in one object", "action.properties")
    if not given or isinstance(others, Refused):
        return alone, context
    if others is None:
        return alone, given
    if not isinstance(others, dict):
        return alone, context  # which is what is wrong
    twice = [name for name in given if type(name) is str and name in others]
    refused = {  # unless it is a name that nothing declares, and is dropped
        name: Refused("PE532", "it is in the context, and in the properties of the action as well")
        for name in twice
    }
    made = type(others)({**others, **given, **refused})
    if isinstance(others, Repeated) and isinstance(made, Repeated):
        made.names = others.names
    return alone, made


def _part(document: dict[Any, Any], name: str) -> object:
    if isinstance(document, Repeated) and name in document.names:
        return Refused("PE518", "this name stands twice in one object")
    if document[name] is None:
        return Refused("PE505", "there is no null: leave it out if there is none")
    # Two parts may be something else in Python: a number is a time there, a string an action.
    if name == "now" and not isinstance(plain(document[name]), str | Refused):
        return Refused("PE505", "expected a string such as `2026-09-01T10:00:00Z`")
    if name == "action" and isinstance(plain(document[name]), str):
        return Refused("PE505", 'expected an object {"name": …}')
    return document[name]


# ---- how deep requests are --------------------------------------------------------------

_AROUND: Final = 3
"""Levels of a request around the properties of an entity in `entities`."""
_PARENT: Final = 5
"""Levels of a request down to one of an entity's parents."""


def _depth_of_requests(schema: Schema) -> int:
    """Return how many levels of arrays and objects a request that fits *schema* has at most."""
    types: list[Type | EntityType] = [action.context for action in schema.actions.values()]
    types += schema.entities.values()
    return max(_PARENT, _AROUND + max(map(_depth, types), default=0))


def _depth(type_: Type | EntityType) -> int:
    """Return how many levels of arrays and objects a value of *type_* has as JSON."""
    match type_:
        case EntityType() | RecordType():
            return 1 + max((_depth(a.type) for a in type_.attributes), default=0)
        case SetType(element):
            return 1 + _depth(element)
        case EntityRefType():
            return 1
        case _:
            return 0
