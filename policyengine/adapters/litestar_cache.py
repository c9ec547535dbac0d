"""Keep answers in the cache of Litestar apart, so that nobody is given one that was made for another decision.

Litestar asks guards before it looks for an answer in its cache, by a key that is made of the request. An
answer may show what its decision exposes (`redact`), and a key of one resource may be that of another:
Litestar puts path and query together. So each key gets what was decided as well. A refusal has the key of
what was not decided, by which nobody who is allowed looks.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from policyengine.model.decision import Decision

_DECIDED: Final = "policyengine.decided"


def note_decided(scope: Any, decision: Decision) -> None:
    """Note one of the decisions by which a request is allowed: routers and handlers may have one each."""
    scope.setdefault(_DECIDED, []).append(decision)


def keep_apart(handler: Any) -> None:
    """Have what *handler* answers kept by its decisions as well, if it may be kept at all."""
    if isinstance(handler, HTTPRouteHandler) and not isinstance(handler.cache_key_builder, _Apart):
        handler.cache_key_builder = _Apart(handler.cache_key_builder)


class _Apart:
    """Makes keys of requests as *build* does, or else as the application has it."""

    def __init__(self, build: Callable[[Request[Any, Any, Any]], str] | None) -> None:
        self._build = build

    def __call__(self, request: Request[Any, Any, Any]) -> str:
        scope: Any = request.scope
        build = self._build or request.app.response_cache_config.key_builder
        decided = repr([_parts(one) for one in scope.get(_DECIDED, ())])
        return build(request) + sha256(decided.encode(errors="surrogatepass")).hexdigest()


def _parts(decision: Decision) -> list[object]:
    """Return what an answer may show of a decision, and of what it is."""
    exposed, asked = decision.exposed, decision.request
    shown = exposed if exposed is None else sorted(exposed)
    owed = [str(one) for one in decision.obligations]
    about = asked and (asked.action, asked.resource.type, asked.resource.id)
    return [about, shown, sorted(decision.masks.items()), owed]
