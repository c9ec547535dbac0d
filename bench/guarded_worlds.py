"""Hold services about the requests of a larger world, as they are and with a guard: `services.py` has the small ones.

Each action has an application of its own, so that no route is looked for. A request says its number in the place of a
user; both services find its parts by that, and without a guard, the answer as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from bench.services import Ask, asgi, wsgi
from policyengine import PolicyEngine

Parts = tuple[Any, str, Any, Any]


def _fastapi(
    engine: PolicyEngine, action: str, asked: Sequence[Parts], allowed: Collection[int],
    loop: asyncio.AbstractEventLoop,
) -> tuple[Ask, Ask]:  # fmt: skip
    from fastapi import Depends, FastAPI, Header, HTTPException

    from policyengine.adapters.fastapi import Guard

    header = Header()

    async def subject(x_user: int = header) -> Any:
        return asked[x_user][0]

    async def resource(x_user: int = header) -> Any:
        return asked[x_user][2]

    async def context(x_user: int = header) -> Any:
        return asked[x_user][3]

    who, about, beside = Depends(subject), Depends(resource), Depends(context)
    bare, guarded = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    guard = Guard(engine, subject=subject, context=context)
    guard.install(guarded)

    async def by_hand(
        x_user: int = header, _who: Any = who, _about: Any = about, _beside: Any = beside
    ) -> str:
        if x_user not in allowed:
            raise HTTPException(403)
        return "done"

    async def act(_about: Any = about) -> str:
        return "done"

    bare.get("/documents/{id}")(by_hand)
    guarded.get("/documents/{id}", dependencies=[guard.requires(action, resource)])(act)
    return asgi(bare, loop), asgi(guarded, loop)


def _flask(
    engine: PolicyEngine, action: str, asked: Sequence[Parts], allowed: Collection[int], _loop: object
) -> tuple[Ask, Ask]:  # fmt: skip
    from flask import Flask, abort, request

    from policyengine.adapters.flask import Guard

    def number() -> int:
        return int(request.headers["x-user"])

    bare, guarded = Flask("bare"), Flask("guarded")
    guard = Guard(
        engine, subject=lambda: asked[number()][0], context=lambda: asked[number()][3]
    )  # fmt: skip
    guard.install(guarded)

    @bare.get("/documents/<id>")
    def by_hand(id: str) -> str:
        _parts = asked[number()][0], asked[number()][2], asked[number()][3]
        if number() not in allowed:
            abort(403)
        return id

    @guarded.get("/documents/<id>")
    @guard.requires(action, lambda: asked[number()][2])
    def act(id: str) -> str:
        return id

    return wsgi(bare), wsgi(guarded)


_FRAMEWORKS: Final = {"FastAPI": _fastapi, "Flask": _flask}
NAMES: Final = tuple(_FRAMEWORKS)


def services_of(
    name: str, engine: PolicyEngine, asked: Sequence[Parts], loop: asyncio.AbstractEventLoop
) -> Callable[[int], tuple[Ask, Ask]]:
    """Return what finds, of the framework *name*, the services without and with a guard for a request by its number."""
    allowed = frozenset(
        number for number, parts in enumerate(asked) if engine.decide(*parts).allowed
    )
    make = _FRAMEWORKS[name]
    actions = {parts[1] for parts in asked}
    made = {action: make(engine, action, asked, allowed, loop) for action in actions}
    return lambda number: made[asked[number][1]]
