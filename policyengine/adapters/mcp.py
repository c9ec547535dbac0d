"""Enforce decisions about MCP servers of FastMCP: tools, resources and prompts are refused unless policies declare them.

A call is decided about as the client sent it, before other middleware may answer it, and again if something else is called in
the end, or if nobody asked (`mcp_last_check.py`). Lists show what is not refused whatever the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Unpack

from policyengine.adapters.enforcement import Decides, EnforcementPoint, Options
from policyengine.adapters.mcp_vocabulary import action_of
from policyengine.adapters.refusal import Refusal, failed
from policyengine.bound import BoundSubject
from policyengine.model.errors import InvalidRequest

try:
    from fastmcp import FastMCP
    from fastmcp.exceptions import AuthorizationError, FastMCPError
    from fastmcp.tools.base import ToolResult
    from mcp import MCPError
    from mcp_types import CallToolRequestParams
except ImportError:
    raise ImportError("this needs FastMCP: install `policyengine-dsl[mcp]`") from None

from policyengine.adapters.mcp_arguments import (
    FREE,
    GET,
    READ,
    asked_beside,
    context_of,
    error_of,
    given_by,
    naming_arguments,
)  # fmt: skip
from policyengine.adapters.mcp_last_check import LastCheck, decided
from policyengine.adapters.mcp_routes import DeclaringMiddleware


class Guard(EnforcementPoint, DeclaringMiddleware):
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
        self.expect(subject=subject, resource=resource)
        self._subject, self._resource = subject, resource
        self._last, self._is_installed = LastCheck(self), False

    def install(self, server: FastMCP) -> None:
        """Guard *server*, and what is mounted on it, when its tools are renamed as they are to be."""
        if self._is_installed:
            raise RuntimeError("it is installed already; another server has a guard of its own")
        self._is_installed = True
        server.middleware.insert(0, self)
        self._last.install(server)

    async def __call__(self, context: Any, call_next: Any) -> Any:
        """Go on to the method for what is asked; to that for calls at once, since most is a call."""
        if isinstance(context.message, CallToolRequestParams):
            return await self.on_call_tool(context, call_next)
        return await super().__call__(context, call_next)

    async def on_call_tool(self, context: Any, call_next: Any) -> Any:
        """Decide about a call; a refusal is a result that the model can read."""
        message, server = context.message, context.fastmcp_context
        given, known = await self._last.arguments(server.fastmcp, message)
        try:
            asked = await self.enforced(server, action_of(message.name), known)
        except Refusal as refusal:
            return ToolResult(refusal.problem["detail"], refusal.problem, is_error=True)
        if given != message.arguments:
            context = context.copy(message=message.model_copy(update={"arguments": given}))
        return await self._passing(asked, call_next, context)

    async def on_read_resource(self, context: Any, call_next: Any) -> Any:
        """Decide about reading a resource, by its URI."""
        return await self._passed(context, call_next, READ, {"uri": str(context.message.uri)})

    async def on_get_prompt(self, context: Any, call_next: Any) -> Any:
        """Decide about getting a prompt, by its name."""
        return await self._passed(context, call_next, GET, {"name": context.message.name})

    async def on_request(self, context: Any, call_next: Any) -> Any:
        """Decide about what completions and subscriptions are of, and refuse methods of which nothing is known."""
        method = context.method
        if method in FREE:
            return await call_next(context)
        asked = asked_beside(method, context.message)
        if asked is None:
            raise error_of(self.undeclared(f"the method {method[:200]!r}"))
        return await self._passed(context, call_next, *asked)

    async def on_notification(self, context: Any, call_next: Any) -> None:
        """Pass on what is about the session, and nothing else."""
        if context.method in FREE:
            await call_next(context)
        else:
            self.undeclared(f"the notification {context.method[:200]!r}")

    async def check_resource_access(self, context: Any) -> None:
        """Decide about what an extension reports of a resource that it does not read."""
        try:
            await self.enforced(context.fastmcp_context, READ, {"uri": str(context.message.uri)})
        except Refusal as refusal:
            raise AuthorizationError(refusal.problem["detail"]) from refusal

    async def _passed(self, context: Any, call_next: Any, action: str, *given: Any) -> Any:
        try:
            asked = [await self.enforced(context.fastmcp_context, action, one) for one in given]
        except Refusal as refusal:
            raise error_of(refusal) from refusal
        return await self._passing(asked[0], call_next, context)

    async def _passing(self, asked: tuple[str, Any], call_next: Any, context: Any) -> Any:
        token = decided.set(known := [self, *asked])
        try:
            return await call_next(context)
        finally:
            decided.reset(token)
            known.clear()  # for tasks that outlive the call

    async def enforced(self, context: Any, action: str, given: Any) -> tuple[str, Any]:
        """Return what was decided about, and allowed; raise `Refusal` for everything else."""
        if not self._last.is_in_force(context.fastmcp):
            raise self.undeclared("a middleware before the guard, or a lost check; it")
        seen = self.seen(action, given or {})
        subject, resource = await self._parts(context)
        try:
            await self.enforce_async(subject, action, resource, seen)
        except Refusal as refusal:
            raise naming_arguments(refusal) from None
        return action, seen

    async def _parts(self, context: Any, *, may_be_bound: bool = True) -> tuple[Any, Any]:
        """Return who calls, and what actions are on."""
        try:
            subject = await given_by(self._subject, context)
            if isinstance(subject, BoundSubject) and not may_be_bound:
                subject = subject.unbound()
            if self._resource is None:
                return subject, {"type": "Server", "id": context.fastmcp.name}
            return subject, await given_by(self._resource, context)
        except (Refusal, FastMCPError, MCPError):
            raise
        except Exception as problem:  # noqa: BLE001 - which a client would be shown
            raise failed(problem, self._type) from None

    def seen(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context that arguments are: those that the action declares."""
        declared = self._engine.schema.actions.get(action)
        seen = None if declared is None else context_of(action, given, declared.context)
        if seen is None:
            what = "a URI that hides its path" if declared else f"the action `{action[:200]}`"
            raise self.undeclared(what)
        return seen

    async def on_list_tools(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the tools that are not refused whatever the arguments."""
        return await self._listed(context, call_next, lambda one: (action_of(one.name), None))

    async def on_list_resources(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the resources that may be read."""
        return await self._listed(context, call_next, lambda one: (READ, {"uri": str(one.uri)}))

    async def on_list_resource_templates(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the templates if some resource may be read."""
        return await self._listed(context, call_next, lambda _: (READ, None))

    async def on_list_prompts(self, context: Any, call_next: Any) -> Sequence[Any]:
        """List the prompts that may be got."""
        return await self._listed(context, call_next, lambda one: (GET, {"name": one.name}))

    async def _listed(self, context: Any, call_next: Any, request_of: Any) -> list[Any]:
        items = await call_next(context)
        try:
            subject, resource = await self._parts(context.fastmcp_context, may_be_bound=False)
        except Refusal as refusal:
            raise error_of(refusal) from refusal
        return [one for one in items if self._may(subject, resource, *request_of(one))]

    def _may(self, subject: Any, resource: Any, action: str, given: dict[str, Any] | None) -> bool:
        is_known = subject is not None and resource is not None  # else it would be left open
        if not is_known or action not in self._engine.schema.actions:
            return False
        with suppress(InvalidRequest, Refusal):
            known = None if given is None else self.seen(action, given)
            asked = {"subject": subject, "resource": resource, "context": known}
            return not self._engine.partial(action=action, **asked).never
        return False
