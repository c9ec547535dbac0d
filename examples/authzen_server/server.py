"""A decision point that speaks AuthZEN 1.0: one evaluation, batches of them, and metadata.

`PDP_KEY=secret uvicorn --app-dir examples/authzen_server server:app`, behind what ends TLS; callers send
`Authorization: Bearer secret`. `docs/authzen.md` says what requests and answers look like.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hmac import compare_digest
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# -- decisions
from policyengine import PolicyHolder, Problem

# -- the application

IDENTIFIER = os.environ.get(
    "PDP_IDENTIFIER", "https://pdp.example.org"
)  # never from the Host header
KEY = os.environ["PDP_KEY"].encode()
LONGEST = 1_000_000


async def body_of(request: Request) -> bytes:
    """Return the body of a caller that is known, which must be JSON of a bounded size."""
    given = request.headers.get("authorization", "").encode()
    if not compare_digest(given, b"Bearer " + KEY):
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise HTTPException(400, "a request is application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            raise HTTPException(400, "the request is too long")
    return body


async def named(request: Request, answer: RequestResponseEndpoint) -> Response:
    """Give each answer, that to a mistake as well, the name that the caller gave to the request."""
    response = await answer(request)
    name = request.headers.get("x-request-id")
    if name is not None:
        response.headers["X-Request-ID"] = name
    return response


def answered(answer: bytes, status: int) -> Response:
    """Return an answer, which no cache keeps."""
    headers = {"Cache-Control": "no-store"}
    return Response(answer, status, headers, media_type="application/json")


# -- decisions

policies = PolicyHolder(Path(__file__).parent, tests=True, poll=2.0)


def status_of(problems: Iterable[Problem]) -> int:
    """Return 400 for what is no request; one that is denied is answered with 200."""
    return 400 if any(problem.is_malformed for problem in problems) else 200


async def evaluation(request: Request) -> Response:
    """Decide one request."""
    decision = policies.engine.decide_request(await body_of(request))
    return answered(decision.to_bytes(), status_of(decision.problems))


async def evaluations(request: Request) -> Response:
    """Decide a batch, of one policy set and for one moment."""
    found = policies.engine.evaluations(await body_of(request))
    return answered(found.to_bytes(), status_of(found.problems))


# -- the application


async def metadata(_: Request) -> Response:
    """Say what is served, and where."""
    served = {
        "policy_decision_point": IDENTIFIER,
        "access_evaluation_endpoint": f"{IDENTIFIER}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{IDENTIFIER}/access/v1/evaluations",
    }
    return JSONResponse(served, headers={"Cache-Control": "max-age=3600"})


app = Starlette(
    routes=[
        Route("/access/v1/evaluation", evaluation, methods=["POST"]),
        Route("/access/v1/evaluations", evaluations, methods=["POST"]),
        Route("/.well-known/authzen-configuration", metadata),
    ],
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=named)],
)
