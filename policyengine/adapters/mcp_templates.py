"""Have what a template of an MCP server reads decided about by the URI that its parameters make, as its function receives them.

A template finds `docs://01` and `docs://1` for one number, and reads a query in which there is more than it takes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from anyio import to_thread
from fastmcp.resources.template import FunctionResourceTemplate, expand_uri_template
from pydantic import ConfigDict, validate_call

from policyengine.adapters.mcp_arguments import READ
from policyengine.adapters.mcp_received import received

Ask = Callable[[str, Mapping[str, Any]], Awaitable[None]]

_KEPT: Final = {"%26": "&", "%3D": "=", "%25": "%"}
"""What rules see as it is encoded, or not, in a URI."""

_matched: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("matched", default=None)
"""The URI that is read, and what a template found in it."""


def reads_by_itself(template: Any) -> bool:
    """Whether *template* calls a function of the server with what it finds."""
    return isinstance(template, FunctionResourceTemplate) and hasattr(template.fn, "raw_function")


def checked_function(ask: Ask, function: Any, template: str) -> Any:
    """Return *function* of a template so that it asks first about what it receives."""
    raw = function.raw_function

    @functools.wraps(raw)
    async def checked(**given: Any) -> Any:
        uri, found = _matched.get() or ("", given)
        used = {name: received(given[name]) for name in found if name in given}
        await ask(READ, {"uri": _said(template, uri, used)})
        if inspect.iscoroutinefunction(raw):
            return await raw(**given)
        read = await to_thread.run_sync(functools.partial(raw, **given))
        return await read if isinstance(read, Awaitable) else read

    return validate_call(config=ConfigDict(validate_by_name=True))(checked)


async def reading(template: Any, ask: Ask, uri: str, found: Mapping[str, Any]) -> Any:
    """Read *uri* by *template*, after it is asked about what was *found* in it; functions ask by themselves."""
    if not reads_by_itself(template):  # which hand on the query as it is
        await ask(READ, {"uri": uri})
        await ask(READ, {"uri": _said(template.uri_template, uri, found)})
    token = _matched.set((uri, found))
    try:
        return await template._read(uri, found)  # noqa: SLF001 - what servers call
    finally:
        _matched.reset(token)


def _said(template: str, uri: str, values: Mapping[str, Any]) -> str:
    """Return the URI that *values* make, which encodes as *uri* does what rules see as it is encoded."""
    texts = {name: _text(one) for name, one in values.items() if one is not None}
    made: str = expand_uri_template(template, texts)
    for code, character in _KEPT.items():
        if code not in uri.upper():
            made = made.replace(code, character)
    return made


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
