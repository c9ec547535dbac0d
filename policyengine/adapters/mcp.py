"""Enforce decisions about MCP servers of FastMCP: tools, resources and prompts are refused unless policies declare them.

A call is decided about as the client sent it, before any other middleware may answer it. What a function of the server itself
receives in the end, after its arguments were read and other middleware may have changed them, is decided about again if that
is something else, or if nobody asked. Lists show what is not refused whatever the arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, Unpack

from policyengine.adapters.enforcement import Decides, EnforcementPoint, Options
from policyengine.adapters.mcp_vocabulary import action_of
from policyengine.adapters.refusal import Refusal
from policyengine.model.errors import InvalidRequest

try:
    from fastmcp import FastMCP
    from fastmcp.server.middleware import Middleware
    from fastmcp.tools.base import ToolResult
    from mcp import MCPError
    from mcp_types import CallToolRequestParams
except ImportError:
    raise ImportError("this needs FastMCP: install `policyengine-dsl[mcp]`") from None

from policyengine.adapters.mcp_arguments import (
    LastCheck,
    decided,
    given_by,
    naming_arguments,
    seen_of,
)

T = TypeVar("T")

_READ, _GET = "read_resource", "get_prompt"
_FORBIDDEN: Final = -32001
_FREE: Final = frozenset({
    "initialize", "server/discover", "ping", "logging/setLevel", "tools/list", "tools/call", "resources/list",
    "resources/templates/list", "resources/read", "prompts/list", "prompts/get",
})  # fmt: skip
"""Methods that are answered without a question, or have one of their own."""


class Guard(EnforcementPoint, Middleware):
    """Lets calls of a server pass that *decider* allows.

    *subject* gives who calls, from the context of FastMCP; it may be asynchronous. *resource* is what actions are on, or gives it:
    unless it is given, the server, by its name. A tool is the action `action_of` its name; `read_resource` and `get_prompt`
    are for resources and prompts. The rest is as in `EnforcementPoint`.
    """

    def __init__(
        self, decider: Decides, *, subject: Callable[[Any], object], resource: object = None,
        **options: Unpack[Options],
    ) -> None:  # fmt: skip
        super().__init__(decider, **options)
        self._subject, self._resource = subject, resource
        self._last = LastCheck(self)
        self._is_installed = False

    def install(self, server: FastMCP) -> None:
        """Guard *server*, and what is mounted on it, when its tools are renamed as they are to be."""
        if self._is_installed:
            raise RuntimeError(
                "the guard is installed already; another server has a guard of its own"
            )
        self._is_installed = True
        server.middleware.insert(0, self)
        server.add_transform(self._last)

    async def __call__(self, context: Any, call_next: Any) -> Any:
        """Go on to the method for what is asked; to that for calls at once, since most is a call."""
        if isinstance(context.message, CallToolRequestParams):
            return await self.on_call_tool(context, call_next)
        return await super().__call__(context, call_next)

    # ---- calls ---------------------------------------------------------------------------

    async def on_call_tool(self, context: Any, call_next: Any) -> Any:
        """Decide about a call; a refusal is a result that the model can read."""
        message, server = context.message, context.fastmcp_context
        given, known, is_noted = await self._last.arguments(server.fastmcp, message)
        try:
            asked = await self.enforced(server, action_of(message.name), known)
        except Refusal as refusal:
            return ToolResult(refusal.problem["detail"], refusal.problem, is_error=True)
        if given != message.arguments:
            context = context.copy(message=message.model_copy(update={"arguments": given}))
        return await self._passing((*asked, is_noted), call_next, context)

    async def on_read_resource(self, context: Any, call_next: Any) -> Any:
        """Decide about reading a resource, by its URI."""
        return await self._passed(context, call_next, _READ, {"uri": str(context.message.uri)})

    async def on_get_prompt(self, context: Any, call_next: Any) -> Any:
        """Decide about getting a prompt, by its name."""
        return await self._passed(context, call_next, _GET, {"name": context.message.name})

    async def on_request(self, context: Any, call_next: Any) -> Any:
        """Decide about what completions and subscriptions are of, and refuse methods of which nothing is known."""
        method, message = context.method, context.message
        if method in _FREE:
            return await call_next(context)
        get = message.get if isinstance(message, Mapping) else functools.partial(getattr, message)
        ref = get("ref", None) or {}
        if not isinstance(ref, Mapping):
            ref = ref.model_dump()
        if method == "completion/complete" and ref.get("type") == "ref/prompt":
            return await self._passed(context, call_next, _GET, {"name": ref.get("name")})
        if method in ("completion/complete", "resources/subscribe", "resources/unsubscribe"):
            uri = ref.get("uri") or get("uri", None)
            return await self._passed(context, call_next, _READ, {"uri": str(uri)})
        raise _error(self.undeclared(f"the method `{method}`"))

    async def _passed(self, context: Any, call_next: Any, action: str, given: Any) -> Any:
        try:
            asked = await self.enforced(context.fastmcp_context, action, given)
        except Refusal as refusal:
            raise _error(refusal) from refusal
        return await self._passing((*asked, False), call_next, context)

    async def _passing(self, asked: tuple[str, Any, bool], call_next: Any, context: Any) -> Any:
        token = decided.set((self, *asked))
        try:
            return await call_next(context)
        finally:
            decided.reset(token)

    async def enforced(self, context: Any, action: str, given: Any) -> tuple[str, Any]:
        """Return what was decided about, and allowed; raise `Refusal` for everything else."""
        if context.fastmcp.middleware[:1] != [self]:
            raise self.undeclared("a middleware before the guard; it")
        seen = self.seen(action, given or {})
        subject = await given_by(self._subject, context)
        try:
            await self.enforce_async(subject, action, await self._on(context), seen)
        except Refusal as refusal:
            raise naming_arguments(refusal) from None
        return action, seen

    async def _on(self, context: Any) -> Any:
        if self._resource is None:
            return {"type": "Server", "id": context.fastmcp.name}
        return await given_by(self._resource, context)

    def seen(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context that arguments are: those that the action declares."""
        declared = self._engine.schema.actions.get(action)
        if declared is None:
            raise self.undeclared(f"the action `{action[:200]}`")
        found: dict[str, Any] = seen_of(given, declared.context)
        return found

    # ---- lists ---------------------------------------------------------------------------

    async def on_list_tools(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the tools that are not refused whatever the arguments."""
        found = await call_next(context)
        return await self._listed(context, found, lambda one: (action_of(one.name), None))

    async def on_list_resources(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the resources that may be read."""
        found = await call_next(context)
        return await self._listed(context, found, lambda one: (_READ, {"uri": str(one.uri)}))

    async def on_list_resource_templates(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the templates if some resource may be read."""
        return await self._listed(context, await call_next(context), lambda _: (_READ, None))

    async def on_list_prompts(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the prompts that may be got."""
        found = await call_next(context)
        return await self._listed(context, found, lambda one: (_GET, {"name": one.name}))

    async def _listed(self, context: Any, items: Iterable[T], request_of: Any) -> list[T]:
        subject = await given_by(self._subject, context.fastmcp_context)
        resource = await self._on(context.fastmcp_context)
        subject = getattr(subject, "subject", subject)  # of one that is bound
        if subject is None or resource is None:  # which would be unknown, and not nobody
            return []
        return [one for one in items if self._may(subject, resource, *request_of(one))]

    def _may(self, subject: Any, resource: Any, action: str, given: dict[str, Any] | None) -> bool:
        engine = self._engine
        if action not in engine.schema.actions:
            return False
        known = None if given is None else self.seen(action, given)
        try:
            left = engine.partial(action=action, subject=subject, resource=resource, context=known)
        except InvalidRequest:
            return False
        return not left.never


def _error(refusal: Refusal) -> MCPError:
    return MCPError(_FORBIDDEN, refusal.problem["detail"], refusal.problem)
