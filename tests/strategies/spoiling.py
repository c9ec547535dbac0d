"""Spoil values of requests, as no validated request has them: what fails may open nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random
from typing import Any

from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.lower import lower
from policyengine.compiler.simplify import simplify
from policyengine.model.records import Record
from policyengine.model.sealed import altered
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.semantics.checked import CheckedSet


class Spoilt:
    """A value that was never validated: whatever a rule asks of it fails."""

    def _fail(self, *_: object) -> Any:
        raise TypeError("spoilt")

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _fail
    __and__ = __rand__ = __or__ = __ror__ = __add__ = __radd__ = __sub__ = __rsub__ = _fail
    __mul__ = __rmul__ = __neg__ = __len__ = __iter__ = __contains__ = __getitem__ = __str__ = _fail

    def __repr__(self) -> str:
        return "Spoilt()"


def asks_quick_ones_first(checked: CheckedSet, request: ValidRequest) -> bool:
    """Whether a rule asks several conditions of elements: those that take least are asked first."""
    target = request.action, request.subject.type, request.resource.type
    conditions = chain(*(rule.conditions for rule in lower(checked, target)))
    return any(
        isinstance(part, ir.Quantified) and isinstance(part.body, ir.And)
        for part in chain(*map(ir.walk, map(simplify, conditions)))
    )


def spoils_an_ancestor(before: ValidRequest, after: ValidRequest) -> bool:
    """Whether something is spoilt that is not the only one of its type on the line of some entity."""
    spoilt = {k for k, entity in before.entities.items() if after.entities.get(k) is not entity}
    lines = [entity.line for entity in before.entities.values() if entity.line]
    return any(
        key in line and any(other[0] == key[0] and other != key for other in line)
        for key in spoilt
        for line in lines
    )


def spoilings(request: ValidRequest, rng: Random) -> Iterator[ValidRequest]:
    """Give the request with one value spoilt, for a few of its values; or an entity left out."""
    entities = dict(request.entities)
    places: list[tuple[tuple[str, str] | None, str]] = [
        (key, a.name) for key, e in entities.items() for a in e.entity_type.attributes
    ]
    places += [(None, a.name) for a in request.context.record_type.attributes]
    for key, name in rng.sample(places, min(len(places), 6)):
        owner: Any = request.context if key is None else entities[key]
        if getattr(owner, slot(name)) is ABSENT:
            continue
        spoilt = altered(owner, **{slot(name): Spoilt()})
        yield with_spoilt(request, key, spoilt)
    for key in rng.sample(list(entities), min(len(entities), 2)):
        if key not in (
            (request.subject.type, request.subject.id),
            (request.resource.type, request.resource.id),
        ):
            yield replace(request, entities={k: e for k, e in entities.items() if k != key})


def with_spoilt(request: ValidRequest, key: tuple[str, str] | None, made: Any) -> ValidRequest:
    if key is None:
        assert isinstance(made, Record)
        return replace(request, context=made)
    entities = {**request.entities, key: made}
    subject = entities[request.subject.type, request.subject.id]
    resource = entities[request.resource.type, request.resource.id]
    return replace(request, subject=subject, resource=resource, entities=entities)
