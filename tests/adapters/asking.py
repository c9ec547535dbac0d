"""Ask an application of ASGI without a server or a client."""

from __future__ import annotations

import json
from typing import Any


async def ask(app: Any, path: str, user: str = "", method: str = "GET") -> tuple[int, Any]:
    """Return the status and the JSON of the answer to a request without a body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope(path, user, method), receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body) if body else None


def scope(path: str, user: str = "", method: str = "GET") -> dict[str, Any]:
    """Return the scope of a request."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "state": {},
        "headers": [(b"host", b"testserver"), (b"x-user", user.encode())],
        "client": ("testclient", 1), "server": ("testserver", 80),
    }  # fmt: skip
