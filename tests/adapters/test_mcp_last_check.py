"""Hold that what an MCP server calls in the end is what was decided about, whatever happened on the way."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

pytest.importorskip("fastmcp")
from fastmcp import Client, Context, FastMCP
from fastmcp.exceptions import AuthorizationError, ToolError
from fastmcp.server.middleware import Middleware, MiddlewareContext
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.tools import Tool
from fastmcp.utilities.versions import VersionSpec
from mcp import MCPError
from pydantic import AfterValidator

from policyengine import PolicyEngine
from policyengine.adapters.mcp import Guard
from policyengine.adapters.refusal import UNDECIDED
from tests.adapters.test_mcp_bypasses import (
    ENGINE,
    FORCING,
    NOTHING,
    OPEN,
    SHUT,
    WHY,
    asked,
    called,
    coercing,
    guarded,
    server,
    wipe,
    wipe_of,
)


class Leads(Middleware):
    """Leads each call to another tool, resource or prompt."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    async def on_request(self, context: Any, call_next: Any) -> Any:
        message = context.message
        if hasattr(message, "model_copy"):
            message = message.model_copy(update=self.changes)
        return await call_next(context.copy(message=message))


def leading(made: FastMCP, *more: Middleware, **changes: Any) -> FastMCP:
    guarded(made)
    for one in (*more, Leads(**changes)):
        made.add_middleware(one)
    return made


def parent_of(*servers: FastMCP) -> FastMCP:
    made = server()
    for one in servers:
        made.mount(one, namespace="api")
    return made


@pytest.mark.parametrize("part", ["subject", "resource"])
def test_what_is_known_of_a_call_fills_no_class(part: str):
    with pytest.raises(TypeError, match=f"`{part}` is a class"):
        Guard(ENGINE, **{"subject": lambda _: None, part: dict})


def test_resources_and_prompts_that_middleware_changes_are_decided_about_again():
    for mounted in (False, True):
        inside = [server()] if mounted else []
        for uri in (
            "docs://shut",
            "docs://any/x",
            *(["docs://api/shut", "docs://api/any/x"] * mounted),
        ):
            with pytest.raises(MCPError, match="must be") as refusal:
                asked(
                    leading(parent_of(*inside), uri=uri),
                    lambda client: client.read_resource("docs://open"),
                )
            assert refusal.value.error.data["status"] == 403
        shut = leading(
            parent_of(*inside), name="api_shut" if mounted else "shut", arguments={"name": "x"}
        )
        with pytest.raises(MCPError, match="must be"):
            asked(shut, lambda client: client.get_prompt("open"))
    made = leading(server(), uri="docs://open")
    assert asked(made, lambda client: client.read_resource("docs://open"))[0].text == "open"


def test_tools_that_are_no_functions_of_the_server_are_decided_about_again():
    """Tools that are mounted, transformed or injected, to which a call is led by another middleware."""
    made = server()
    made.add_tool(Tool.from_tool(asyncio.run(made.get_tool("read")), name="shared"))
    assert called(leading(made, name="shared", arguments=SHUT), "read", OPEN) == WHY
    assert (
        called(leading(parent_of(server()), name="api_read", arguments=SHUT), "read", OPEN) == WHY
    )
    assert called(leading(parent_of(server()), name="api_drop"), "read", OPEN) == NOTHING
    assert called(leading(parent_of(server()), name="api_read"), "read", OPEN) == "read /pub/a 3"
    for name, said in (("note", WHY), ("secret", NOTHING)):
        injected = ToolInjectionMiddleware([Tool.from_function(lambda path: SECRET, name=name)])
        assert called(leading(server(), injected, name=name, arguments=SHUT), "read", OPEN) == said


@pytest.mark.parametrize("asked_by", ["version", "server"])
def test_an_injected_tool_is_decided_about_by_whom_and_when_it_is_called_first(asked_by: str):
    def read(path: Annotated[str, AfterValidator(lambda text: text.replace("/pub/..", ""))]) -> str:
        return SECRET

    made = guarded(FastMCP("files"))
    made.add_middleware(ToolInjectionMiddleware([Tool.from_function(read)]))
    more: dict[str, Any] = {"version": VersionSpec(eq="1")}
    if asked_by == "server":
        more = {"run_middleware": False}
    try:
        found = str(asyncio.run(made.call_tool("read", {"path": "/pub/../etc"}, **more)).content)
    except ToolError as refused:
        found = str(refused)
    assert SECRET not in found
    assert WHY.removeprefix("✗ ") in found


SECRET = "the secret"


@pytest.mark.parametrize("what", ["tool", "resource", "template", "prompt"])
def test_what_a_server_does_by_itself_is_asked_about(what: str):
    made = guarded(parent_of(server()))
    run = {
        "tool": lambda: made.call_tool("api_read", SHUT, run_middleware=False),
        "resource": lambda: made.read_resource("docs://shut", run_middleware=False),
        "template": lambda: made.read_resource("docs://api/any/x", run_middleware=False),
        "prompt": lambda: made.render_prompt("shut", {"name": "x"}, run_middleware=False),
    }
    with pytest.raises(Exception, match=r"must be|only what is in /pub"):
        asyncio.run(run[what]())


def test_a_tool_that_changes_while_it_is_called_is_decided_about_as_it_is_then():
    """A mounted one gains an argument between the decision and the call."""

    class Changes(Middleware):
        async def on_call_tool(self, context: Any, call_next: Any) -> Any:
            below.local_provider.remove_tool("wipe")
            below.tool(wipe_of(default=True), name="wipe")
            return await call_next(context)

    below, parent = FastMCP("files"), FastMCP("parent")
    below.tool(wipe)
    parent.mount(below)
    guarded(parent, FORCING)
    assert called(parent, "wipe", {"path": "a"}) == "wiped"
    parent.add_middleware(Changes())
    assert called(parent, "wipe", {"path": "a"}) == "✗ no force"
    assert called(parent, "wipe", {"path": "a", "force": False}) == "force False"


def test_a_tool_is_copied_again_if_something_of_it_or_of_the_copy_was_changed():
    made = guarded(FastMCP("files"), FORCING)
    made.tool(wipe)

    def copied() -> Any:
        return asyncio.run(made.get_tool("wipe"))

    async def unchecked(*_: Any) -> Any:
        return "unchecked"

    assert copied() is copied()
    for name in ("fn", "run", "_run"):
        copy = copied()
        object.__setattr__(copy, name, unchecked)
        assert called(made, "wipe", {"path": "a"}) == "wiped"
        assert copied() is not copy
    own = made.local_provider._components["tool:wipe@"]
    forced = Tool.from_function(wipe_of(default=True), name="wipe")
    own.fn, own.parameters = forced.fn, forced.parameters
    assert called(made, "wipe", {"path": "a"}) == "✗ no force"
    assert called(made, "wipe", {"path": "a", "force": False}) == "force False"


def test_a_decision_is_not_that_on_what_a_task_does_after_the_call(monkeypatch: pytest.MonkeyPatch):
    made, done = server(), list[str]()

    @made.tool
    async def note(path: str) -> str:
        async def later() -> None:
            await ended.wait()
            try:
                done.append(str(await made.call_tool("note", OPEN, run_middleware=False)))
            except ToolError as refusal:
                done.append(str(refusal))

        if not tasks:
            tasks.append(asyncio.create_task(later()))
        return "noted"

    async def ask(client: Client[Any]) -> None:
        await client.call_tool("note", OPEN)
        monkeypatch.setattr("tests.adapters.test_mcp_bypasses.caller", "bob")
        ended.set()
        await tasks[0]

    ended, tasks = asyncio.Event(), list[Any]()
    asked(guarded(made), ask)
    assert done == [WHY[2:]]


def test_what_a_subscription_is_of_is_what_is_decided_about():
    async def went_on(_: Any) -> str:
        return "went on"

    async def listened(uri: str, **more: Any) -> str:
        guard = next(one for one in made.middleware if isinstance(one, Guard))
        async with Context(fastmcp=made) as context:
            asking = MiddlewareContext(
                message={"uri": uri, **more}, method="resources/subscribe", fastmcp_context=context
            )
            return str(await guard.on_request(asking, went_on))

    made = guarded(server())
    assert asyncio.run(listened("docs://open")) == "went on"
    for more in ({}, {"ref": {"uri": "docs://open"}}):
        with pytest.raises(MCPError, match="must be"):
            asyncio.run(listened("docs://shut", **more))


def test_notifications_of_which_nothing_is_known_go_no_further():
    async def went(method: str) -> bool:
        went_on: list[Any] = []

        async def note(context: Any) -> None:
            went_on.append(context)

        guard = next(one for one in made.middleware if isinstance(one, Guard))
        await guard.on_notification(MiddlewareContext(message={}, method=method), note)
        return bool(went_on)

    made = guarded(server())
    assert asyncio.run(went("notifications/cancelled"))
    assert not asyncio.run(went("notifications/wipe"))


def test_what_extensions_tell_of_a_resource_is_decided_about():
    made = guarded(server())
    asyncio.run(made._check_resource_access("docs://open"))
    with pytest.raises(AuthorizationError, match="must be"):
        asyncio.run(made._check_resource_access("docs://shut"))


@pytest.mark.parametrize("part", ["subject", "resource"])
def test_what_fails_while_it_is_found_out_is_not_told(part: str, caplog: pytest.LogCaptureFixture):
    def fails(_: Any) -> Any:
        raise OSError("password hunter2")

    made = server()
    Guard(ENGINE, **{"subject": lambda _: {"type": "Caller", "id": "ann"}, part: fails}).install(
        made
    )
    unknown = UNDECIDED[500]
    assert called(made, "read", OPEN) == f"✗ {unknown}"
    for ask in (
        lambda client: client.list_tools(),
        lambda client: client.read_resource("docs://open"),
    ):
        with pytest.raises(MCPError) as refusal:
            asked(made, ask)
        assert (refusal.value.error.message, refusal.value.error.data["status"]) == (unknown, 500)
    assert "hunter2" in caplog.text


# ---- one spelling of a URI -----------------------------------------------------------------

FILES = """
package files
entity Caller
entity Server
action read_resource by Caller on Server with { uri: string }
permit all_of_it: read_resource
forbid secret: read_resource when context.uri startswith "file:///secret/" because "it is secret"
forbid one: read_resource when context.uri == "file:///pub/one" because "it is secret"
"""


async def _read(made: FastMCP, uri: str) -> str:
    try:
        return (await made.read_resource(uri)).contents[0].content
    except Exception as refused:  # noqa: BLE001 - whatever it is
        return str(refused)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:///pub/a", "pub/a"),
        ("file:///my%20doc", "my doc"),
        ("file:///a%2Cb%3F", "a,b?"),
        ("file:///%E2%82%AC", "\u20ac"),
        ("file:///secret/a", "it is secret"),
        ("file:///%73ecret/a", "it is secret"),
        ("file:///secret/a#x", "it is secret"),
        ("file:///secret%2Fa", "nothing is permitted here"),
        ("file:///pub/..%2Fsecret", "nothing is permitted here"),
        ("file:///pub/%2e%2e%5csecret", "nothing is permitted here"),
        ("file:///pub/../secret/a", "nothing is permitted here"),
        ("file:///pub/one", "it is secret"),
        ("file:///pub/one#x", "it is secret"),
        ("file:///pub/one?x=1", "Unknown resource"),
        ("file:///pub/one?", "Unknown resource"),
    ],
)
def test_what_a_template_reads_is_what_rules_see(uri: str, said: str):
    """Templates decode what a URI encodes, so that a rule which reads it as it was sent would miss it."""
    made = FastMCP("files")
    made.resource("file:///{path*}", name="files")(lambda path: path)
    guard = Guard(PolicyEngine.from_text(FILES), subject=lambda _: {"type": "Caller", "id": "ann"})
    guard.install(made)

    assert said in asyncio.run(_read(made, uri))


def test_what_a_template_reads_of_a_query_is_what_rules_see():
    made = FastMCP("files")
    made.resource("find://{kind}{?q}", name="find")(lambda kind, q="": f"{kind} {q}")
    text = FILES.replace('startswith "file:///secret/"', 'contains "q=a secret"')
    guard = Guard(PolicyEngine.from_text(text), subject=lambda _: {"type": "Caller", "id": "ann"})
    guard.install(made)

    assert asyncio.run(_read(made, "find://all?q=a/b%26c")) == "all a/b&c"
    for query in ("a+secret", "a%20secret", "%61%20s%65cret"):
        assert "it is secret" in asyncio.run(_read(made, f"find://all?q={query}"))


def test_a_server_without_the_last_check_does_nothing():
    made = guarded(coercing())
    assert called(made, "trim", OPEN) == "read /pub/a"
    made._transforms.clear()
    for path in ("/pub/a", "/pub/../etc"):
        assert called(made, "trim", {"path": path}) == NOTHING
