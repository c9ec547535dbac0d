"""Hold that a handler of Litestar that is replaced while it is served, or of which the guards are, is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar import WebSocket, asgi, get, websocket
from litestar.handlers import HTTPRouteHandler

from tests.adapters.test_litestar_bypasses import SECRET, Ask, answer, ask, listen, made


async def open_one() -> str:
    return "public"


async def answering(*_: Any) -> None:
    pass


async def answers_itself(scope: Any, receive: Any, send: Any) -> None:
    await answer(send)


async def answers_websocket(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(SECRET)
    await socket.close()


class OfOwn(HTTPRouteHandler):
    """A handler the objects of which may have attributes of their own."""


async def secret() -> str:
    return SECRET


def of_another(handler: Any) -> Any:
    """Return the route of a handler in a service without a guard."""
    return made([handler], guarded=False).app.routes[0]


SWAPS: dict[str, tuple[Any, Callable[[Any], object], Ask]] = {
    "the guards of a handler": (get("/s")(secret), lambda route: route.route_handlers[0].resolve_guards().clear(), ask("/s")),
    "the handler of a method": (
        get("/s")(open_one),
        lambda route: route.route_handler_map.update(of_another(get("/s")(secret)).route_handler_map),
        ask("/s"),
    ),
    "how a handler asks": (
        OfOwn("/s", http_method="GET")(secret),
        lambda route: setattr(route.route_handlers[0], "authorize_connection", answering),
        ask("/s"),
    ),
    "which guards a handler has": (
        OfOwn("/s", http_method="GET")(secret),
        lambda route: setattr(route.route_handlers[0], "resolve_guards", list),
        ask("/s"),
    ),
    "the handler of a websocket": (
        websocket("/s")(answers_websocket),
        lambda route: route.route_handler.resolve_guards().clear(),
        listen("/s"),
    ),
    "the handler of an application": (
        asgi("/s", copy_scope=True)(answers_itself),
        lambda route: setattr(route, "route_handler", of_another(asgi("/s", copy_scope=True)(answers_itself)).route_handler),
        ask("/s"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("what", SWAPS)
def test_what_is_replaced_when_it_is_served_is_refused(what: str, again: bool):
    handler, swap, asked = SWAPS[what]

    def found(*, guarded: bool) -> str:
        client = made([handler], guarded=guarded)
        (route,) = client.app.routes
        swap(route)
        if again:
            client.app.register(get("/another")(open_one))
        return asked(client)

    assert SECRET in found(guarded=False)
    refused = found(guarded=True)
    assert SECRET not in refused
    assert "nothing is permitted here" in refused
