"""Prepare requests of three worlds that differ in kind: many operations, many tenants, references to a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from attrs import frozen

from bench.questions.answer import Scale
from bench.questions.platform import platform
from bench.questions.sharing import shared
from bench.questions.tenants import few
from policyengine import PolicyEngine

Parts: TypeAlias = tuple[Any, str, Any, Any]
"""Subject, action, resource, context."""


@frozen
class AskedWorld:
    """An engine, and requests of it: some are allowed, and some denied.

    *moments*: those for which the requests are made; None for now.
    """

    name: str
    engine: PolicyEngine
    asked: Sequence[Parts]
    moments: Sequence[datetime | None]


def kinds_of_worlds(scale: Scale) -> Iterator[AskedWorld]:
    """Give each world, whose answers were compared with the hand-written ones: `policies/x`, tenants, shared documents."""
    x = platform(scale.requests)
    x.compare_built()
    moments = [ask.now for ask in x.asks]
    yield AskedWorld("policies/x", x.engine, [ask.built for ask in x.asks], moments)
    tenants = few(scale)
    name, built = f"tenants with {tenants.rules:,} rules", tenants.built
    yield AskedWorld(name, tenants.engine, built, [None] * len(built))
    documents = shared("documents", scale.requests)
    documents.decide_all()  # which compares
    named = [(*parts, None) for parts in documents.asked]
    yield AskedWorld("shared documents of a store", documents.engine, named, [None] * len(named))
