"""Read what clients of an MCP server ask for as what policies decide about."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Mapping
from types import NoneType
from typing import Any, Final
from urllib.parse import unquote

from fastmcp.resources.template import expand_uri_template
from fastmcp.utilities.versions import VersionSpec
from mcp import MCPError

from policyengine.adapters.mcp_vocabulary import attribute_of
from policyengine.adapters.refusal import Refusal
from policyengine.model.errors import Problem
from policyengine.model.types import RecordType, SetType, Type

READ: Final = "read_resource"
GET: Final = "get_prompt"
"""The actions that reading a resource and getting a prompt are."""

FREE: Final = frozenset({
    "initialize", "server/discover", "ping", "logging/setLevel", "tools/list", "tools/call", "resources/list",
    "resources/templates/list", "resources/read", "prompts/list", "prompts/get",
    "notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed",
})  # fmt: skip
"""Methods that are answered without a question, or have one of their own, and notifications about the session."""

_FORBIDDEN: Final = -32001
PLAIN: Final = frozenset({str, int, float, bool, NoneType})
"""The types of what has no parts."""
_KEPT: Final = re.compile("(%(?:25|3F|23|26|3D))", re.IGNORECASE)
_HIDDEN: Final = re.compile("%(?:2F|5C)", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[/\\]")
_DOTS: Final = {".", ".."}
_EMPTY: Final = re.compile(r"^[^/\\]*:[/\\]{4}|[^:/\\][/\\]{2}|[/\\][^/\\]*:[/\\]{3}")
"""A part without a name, which leads to the same file as a path without it, but after a scheme: a URI may hand on another one."""
_OF_ENTITIES: Final = {"PE508", "PE509", "PE510", "PE529", "PE590"}


def asked_beside(method: str, message: Any) -> tuple[Any, ...] | None:
    """Return the action of a method that FastMCP does not report to middleware, and what it is of; None if it is not known."""
    get = message.get if isinstance(message, Mapping) else functools.partial(getattr, message)
    if method in ("resources/subscribe", "resources/unsubscribe"):
        return READ, {"uri": str(get("uri", None))}
    if method != "completion/complete":
        return None
    ref = get("ref", None) or {}
    if not isinstance(ref, Mapping):
        ref = ref.model_dump()
    if ref.get("type") == "ref/prompt":
        return GET, {"name": ref.get("name")}
    uris = _filled(str(ref.get("uri")), get("argument", None), get("context", None))
    return READ, *({"uri": uri} for uri in uris)


def _filled(template: str, argument: Any, context: Any) -> list[str]:
    """Return *template*, and the URIs that what a client says makes of it: without and with the argument that is completed."""
    said, completed = (
        one if isinstance(one, Mapping) else {} if one is None else one.model_dump()
        for one in (context, argument)
    )  # fmt: skip
    known = dict(said.get("arguments") or {})
    value = completed.get("value")
    both = {**known, str(completed.get("name")): value} if value else known
    return [*dict.fromkeys([
        template, *(expand_uri_template(template, one) for one in (known, both) if one)
    ])]  # fmt: skip


def taken_by(
    properties: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return *arguments* with what a tool takes by default where nothing is given, and those of them that it has."""
    defaults = {
        name: its["default"]
        for name, its in properties.items()
        if isinstance(its, dict) and "default" in its
    }
    given = {**defaults, **arguments}
    return given, {name: one for name, one in given.items() if name in properties}


def context_of(action: str, given: Mapping[str, Any], type_: RecordType) -> dict[str, Any] | None:
    """Return the context that arguments are, with a URI in its one spelling; None if that hides what separates its parts."""
    uri = given.get("uri") if action == READ else None
    if isinstance(uri, str):
        whole, _, fragment = uri.partition("#")
        path, mark, query = whole.partition("?")
        said = _decoded(path)
        # A server that hands a URI on to another may take what is in a fragment for a query.
        hides = _HIDDEN.search(path) or _EMPTY.search(said)
        if "?" in fragment or hides or not _DOTS.isdisjoint(_SEPARATORS.split(said)):
            return None
        given = {**given, "uri": said + mark + _decoded(query.replace("+", " "))}
    return dict(seen_of(given, type_))


def _decoded(text: str) -> str:
    """Return a part of a URI with each character as itself that may stand for itself: templates decode it as well."""
    parts = _KEPT.split(text)
    return "".join(one.upper() if n % 2 else unquote(one) for n, one in enumerate(parts))


def version_of(meta: Any) -> VersionSpec | None:
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
                found[part.name] = one if type(one) in PLAIN else seen_of(one, part.type)
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


def error_of(refusal: Refusal) -> MCPError:
    """Return the error of JSON-RPC that a refusal is."""
    return MCPError(_FORBIDDEN, refusal.problem["detail"], refusal.problem)
