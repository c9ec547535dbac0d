"""Hold what a function of an MCP server receives against what was decided about."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol

from anyio import to_thread
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_context
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.server.transforms import Transform
from fastmcp.tools import FunctionTool
from fastmcp.utilities.versions import VersionSpec
from pydantic_core import to_jsonable_python

from policyengine.adapters.mcp_vocabulary import action_of, attribute_of
from policyengine.adapters.refusal import Refusal
from policyengine.model.errors import Problem
from policyengine.model.types import RecordType, SetType, Type

_MOST_TOOLS = 1_000
_OF_ENTITIES: Final = {"PE508", "PE509", "PE510", "PE529", "PE590"}

decided: ContextVar[tuple[Any, ...] | None] = ContextVar("decided", default=None)
"""The request that was decided about in this call, and allowed: by which guard, its action and its context.

For a tool also whether its arguments are what was noted of a function of the server.
"""


class Enforces(Protocol):
    """What a guard of a server does."""

    def seen(self, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context that arguments are."""

    async def enforced(self, context: Any, action: str, given: Mapping[str, Any]) -> object:
        """Decide about a call, and raise `Refusal` unless it is allowed."""


class LastCheck(Transform):
    """Has each function of a server called with what was decided about, or after what it receives is decided about."""

    def __init__(self, guard: Enforces) -> None:
        self._guard = guard
        # The arguments of functions of the server itself, by tool, as it was when it was last asked for.
        self._noted: dict[str, dict[str, Any]] = {}
        self._checked = functools.lru_cache(maxsize=_MOST_TOOLS)(self._make)

    async def get_tool(self, name: str, call_next: Any, *, version: Any = None) -> Any:
        """Return the tool, of which the function is checked."""
        tool = await call_next(name, version=version)
        if not isinstance(tool, FunctionTool):
            self._noted.pop(name, None)
            guard, action, _, is_noted = decided.get() or (None,) * 4
            if guard is self._guard and is_noted and action == action_of(name):
                raise ToolError("the tool is another one now: call it again")
            return tool
        if version is None:
            self._note(name, tool)
        names = tuple(tool.parameters.get("properties", ()))
        where = "thread" if tool.run_in_thread else "loop"
        return tool.model_copy(update={"fn": self._checked(tool.name, tool.fn, names, where)})

    async def arguments(
        self, server: Any, message: Any
    ) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """Return what a tool is called with, what of that is decided about, and whether that is by what was noted.

        The first has what the tool takes by default where nothing is given, the second no names that the tool lacks.
        What was noted may be of another tool by now: `get_tool` or the check of the function finds that.
        """
        noted = None if message.meta or self._is_bypassed(server) else self._noted.get(message.name)
        if noted is None:
            tool = await server.get_tool(message.name, version=_version_of(message.meta))
            properties = {} if tool is None else tool.parameters.get("properties", {})
        else:
            properties = noted
        defaults = {
            name: its["default"]
            for name, its in properties.items()
            if isinstance(its, dict) and "default" in its
        }
        given = {**defaults, **(message.arguments or {})}
        known = {name: one for name, one in given.items() if name in properties}
        return given, known, noted is not None

    def _is_bypassed(self, server: Any) -> bool:
        """Whether *server* may have other tools than `get_tool` returns."""
        return server.transforms[-1:] != [self] or any(
            isinstance(one, ToolInjectionMiddleware) for one in server.middleware
        )

    def _note(self, name: str, tool: FunctionTool) -> None:
        if len(self._noted) >= _MOST_TOOLS and name not in self._noted:
            self._noted.clear()
        self._noted[name] = tool.parameters.get("properties", {})

    def _make(
        self, tool: str, function: Callable[..., Any], names: Sequence[str], where: str
    ) -> Any:
        action, signature = action_of(tool), inspect.signature(function)
        in_thread = where == "thread" and not inspect.iscoroutinefunction(function)

        @functools.wraps(function)
        async def checked(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs).arguments if args else kwargs
            given = {
                name: to_jsonable_python(bound[name], fallback=str)
                for name in names
                if name in bound
            }
            try:
                if (decided.get() or ())[:3] != (
                    self._guard,
                    action,
                    self._guard.seen(action, given),
                ):
                    await self._guard.enforced(get_context(), action, given)
            except Refusal as refusal:
                raise ToolError(refusal.problem["detail"]) from refusal
            if in_thread:
                return await to_thread.run_sync(functools.partial(function, *args, **kwargs))
            found = function(*args, **kwargs)
            return await found if isinstance(found, Awaitable) else found

        return checked


def _version_of(meta: Any) -> VersionSpec | None:
    """Return the version of a tool that a call asks for."""
    asked = meta and meta.get("fastmcp", {}).get("version")
    if not asked:
        return None
    return VersionSpec(**asked) if isinstance(asked, Mapping) else VersionSpec(eq=asked)


async def given_by(source: Any, context: Any) -> Any:
    """Return *source*, or what it gives of the context of a call."""
    found = source(context) if callable(source) else source
    return await found if isinstance(found, Awaitable) else found


def seen_of(given: Any, type_: Type) -> Any:
    """Return what a policy sees of an argument: names that policies can have, no null, and each text and number of a set once."""
    if isinstance(type_, RecordType) and isinstance(given, Mapping):
        found = {}
        for name, one in given.items():
            part = type_.by_name.get(name) if "_x" not in name else None  # the same name, of most
            part = part or type_.by_name.get(attribute_of(str(name)))
            if part is not None and one is not None:
                found[part.name] = seen_of(one, part.type)
        return found
    if isinstance(type_, SetType) and isinstance(given, list):
        made = [seen_of(one, type_.element) for one in given]
        if all(isinstance(one, str | int) for one in made):
            return [one for _, one in dict.fromkeys((type(one), one) for one in made)]
        return made
    return given


def naming_arguments(refusal: Refusal) -> Refusal:
    """Return the refusal that says which arguments do not fit, if nothing else is wrong."""
    problems = getattr(refusal.__cause__, "problems", ())
    if problems and all(map(_is_of_arguments, problems)):
        detail = "the arguments do not fit: " + "; ".join(map(str, problems))
        refusal.problem |= {"status": 400, "title": "Bad Request", "detail": detail}
    return refusal


def _is_of_arguments(problem: Problem) -> bool:
    """Whether *problem* is about arguments themselves, and not about what is known of an entity that one refers to."""
    path = problem.path
    is_given = path.startswith("context") and ".properties" not in path
    return is_given and problem.code not in _OF_ENTITIES
