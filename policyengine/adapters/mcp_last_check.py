"""Hold what an MCP server calls in the end against what was decided about."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol

from anyio import to_thread
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_context, without_injected_parameters
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.server.transforms import Transform
from fastmcp.tools import FunctionTool

from policyengine.adapters.mcp_arguments import GET, READ, error_of, taken_by, version_of
from policyengine.adapters.mcp_received import lacks, parameters_of, received_by
from policyengine.adapters.mcp_routes import checked_routes
from policyengine.adapters.mcp_templates import checked_function, reading, reads_by_itself
from policyengine.adapters.mcp_vocabulary import action_of
from policyengine.adapters.refusal import Refusal

_MOST_TOOLS: Final = 1_000

decided: ContextVar[list[Any] | None] = ContextVar("decided", default=None)
"""What was decided about in this call, and allowed: by which guard, its action and its context; empty once the call has ended."""


class Enforces(Protocol):
    """What a guard of a server does."""

    def seen(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context that arguments are."""

    async def enforced(self, context: Any, action: str, given: Mapping[str, Any]) -> object:
        """Decide about a call, and raise `Refusal` unless it is allowed."""

    def undeclared(self, what: str, *, log: bool = True) -> Refusal:
        """Return the refusal of something of which nothing is known."""


class LastCheck(Transform):
    """Has what a server calls in the end called with what was decided about, or after that is decided about.

    A function is held against what it receives; what else a tool is, a resource and a prompt, against what it
    is asked for.
    """

    def __init__(self, guard: Enforces) -> None:
        self._guard = guard
        # Functions of the server itself, by tool, checked as they were when they were last asked for.
        self._kept: dict[str, FunctionTool] = {}
        self._checked = functools.lru_cache(maxsize=_MOST_TOOLS)(self._make)
        self._reading = functools.lru_cache(maxsize=_MOST_TOOLS)(
            functools.partial(checked_function, self._ask)
        )

    async def get_tool(self, name: str, call_next: Any, *, version: Any = None) -> Any:
        """Return the tool, of which each call is checked."""
        tool = self._checked_tool(name, await call_next(name, version=version))
        if isinstance(tool, FunctionTool) and version is None:
            self._keep(name, tool)
        else:
            self._kept.pop(name, None)
        return tool

    async def get_resource(self, uri: str, call_next: Any, *, version: Any = None) -> Any:
        """Return the resource, of which each reading is checked."""
        resource = await call_next(uri, version=version)
        return self._asking(resource, ["_read"], lambda *_: (READ, {"uri": uri}))

    async def get_resource_template(self, uri: str, call_next: Any, *, version: Any = None) -> Any:
        """Return the template, of which each reading is checked; none for a query that it does not take."""
        template = await call_next(uri, version=version)
        if template is None or ("?" in uri and "?" not in template.uri_template):
            return None
        checked = template
        if reads_by_itself(template):
            function = self._reading(template.fn, template.uri_template)
            checked = template.model_copy(update={"fn": function})
        copied = checked.model_copy()
        object.__setattr__(copied, "_read", functools.partial(reading, checked, self._ask))
        return copied

    async def get_prompt(self, name: str, call_next: Any, *, version: Any = None) -> Any:
        """Return the prompt, which is checked each time that it is got."""
        prompt = await call_next(name, version=version)
        return self._asking(prompt, ["_render", "render"], lambda *_: (GET, {"name": name}))

    def _checked_tool(self, name: str, tool: Any) -> Any:
        if isinstance(tool, FunctionTool):
            names = tuple(tool.parameters.get("properties", ()))
            where = "thread" if tool.run_in_thread else "loop"
            checked = self._checked(tool.name, tool.fn, names, where)
            kept = self._kept.get(name)
            if kept is not None and _is_copy(kept, tool, checked):
                return kept
            return tool.model_copy(update={"fn": checked})

        def asked_by(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            return action_of(name), taken_by(tool.parameters.get("properties", {}), arguments)[1]

        return self._asking(tool, ["_run", "run"], asked_by)

    def _asking(self, component: Any, methods: Sequence[str], asked_by: Callable[..., Any]) -> Any:
        """Return a copy of *component*, of which these *methods* ask about what *asked_by* gives of what they are called with."""
        if component is None:
            return None
        copied = component.model_copy()
        for method in methods:
            asking = functools.partial(self._asked, getattr(component, method), asked_by)
            object.__setattr__(copied, method, asking)  # since models take nothing else
        return copied

    async def _asked(
        self, do: Callable[..., Awaitable[Any]], asked_by: Callable[..., Any], *args: Any
    ) -> Any:
        await self._ask(*asked_by(*args))
        return await do(*args)

    async def _ask(self, action: str, given: Mapping[str, Any]) -> None:
        """Decide about a call unless that is what was decided about."""
        known = decided.get() or []
        try:
            if known != [self._guard, action, self._guard.seen(action, given)]:
                if known[:2] == [self._guard, action] and lacks(given, known[2]):
                    raise self._guard.undeclared(f"what `{action}` receives by another name")
                await self._guard.enforced(get_context(), action, given)
        except Refusal as refusal:
            if action in (READ, GET):
                raise error_of(refusal) from refusal
            raise ToolError(refusal.problem["detail"]) from refusal

    def install(self, server: Any) -> None:
        """Check what *server* calls in the end, also tools that middleware injects, and what it serves beside MCP, whenever that is added."""
        server.add_transform(self)
        found_by = server._get_injected_tool  # noqa: SLF001 - no public name gives them
        vars(server)["_get_injected_tool"] = functools.partial(self._injected, found_by)
        routes = server._get_additional_http_routes  # noqa: SLF001 - the same
        checked = checked_routes(routes, self._guard.undeclared)
        vars(server)["_get_additional_http_routes"] = checked

    def is_in_force(self, server: Any) -> bool:
        """Whether *server* asks the guard before all else, and this at last."""
        found_by = getattr(vars(server).get("_get_injected_tool"), "func", None)
        is_asked = server.middleware[:1] == [self._guard] and self in server.transforms
        return is_asked and found_by == self._injected

    async def arguments(self, server: Any, message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a tool is called with, and what of that is decided about.

        It may be another tool once it is called: the last check finds that.
        """
        tool = None if message.meta or self._is_bypassed(server) else self._kept.get(message.name)
        if tool is None:
            tool = await server.get_tool(message.name, version=version_of(message.meta))
        properties = {} if tool is None else tool.parameters.get("properties", {})
        return taken_by(properties, message.arguments or {})

    def _is_bypassed(self, server: Any) -> bool:
        """Whether *server* may have other tools than `get_tool` returns."""
        is_injecting = any(isinstance(one, ToolInjectionMiddleware) for one in server.middleware)
        return is_injecting or server.transforms[-1:] != [self]

    def _injected(self, found_by: Callable[[str], Any], name: str) -> Any:
        tool = found_by(name)
        return None if tool is None else self._checked_tool(name, tool)

    def _keep(self, name: str, tool: FunctionTool) -> None:
        if len(self._kept) >= _MOST_TOOLS and name not in self._kept:
            self._kept.clear()
        self._kept[name] = tool

    def _make(
        self, tool: str, function: Callable[..., Any], names: Sequence[str], where: str
    ) -> Any:
        # What the function depends on is found after the check, and may have arguments of its own.
        called = without_injected_parameters(function, run_in_thread=where == "thread")
        action, signature = action_of(tool), inspect.signature(called)
        parameters = parameters_of(called, names)
        in_thread = where == "thread" and not inspect.iscoroutinefunction(called)

        @functools.wraps(called)
        async def checked(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs).arguments if args else kwargs
            given = received_by(parameters, bound)
            await self._ask(action, given)
            if in_thread:
                return await to_thread.run_sync(functools.partial(called, *args, **kwargs))
            found = called(*args, **kwargs)
            return await found if isinstance(found, Awaitable) else found

        return checked


def _is_copy(kept: FunctionTool, tool: FunctionTool, checked: Callable[..., Any]) -> bool:
    """Whether nothing of *tool* was changed since *kept* was made of it, which takes longer, and nothing of that."""
    return (
        type(kept) is type(tool)
        and vars(kept) == {**vars(tool), "fn": checked}
        and kept.__pydantic_private__ == tool.__pydantic_private__
    )
