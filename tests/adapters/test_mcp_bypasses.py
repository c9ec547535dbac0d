"""Try every way around the check of an MCP server; beside each, that the same way works where it is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import pytest

pytest.importorskip("fastmcp")
from fastmcp import Client, Context, FastMCP
from fastmcp.server import create_proxy
from fastmcp.server.middleware import Middleware
from fastmcp.server.middleware.caching import ResponseCachingMiddleware
from fastmcp.server.middleware.tool_injection import ToolInjectionMiddleware
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from fastmcp.tools.tool_transform import ArgTransform, ToolTransformConfig
from mcp import MCPError
from pydantic import AfterValidator, BaseModel, Field

from policyengine import PolicyEngine, PolicyHolder
from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.mcp import Guard
from policyengine.adapters.mcp_vocabulary import action_of, vocabulary
from policyengine.adapters.refusal import UNDECIDED

RULES = """
permit public: call_read, call_count, call_trim, call_when, call_note, call_api_read, call_shared, call_proxied, call_each
    when subject == Caller "ann" and context has path and context.path startswith "/pub" and (context not has n or context.n <= 5)
    otherwise "only what is in /pub, and five at most"
permit see: read_resource when subject == Caller "ann" and context.uri == "docs://open"
permit ask: get_prompt when subject == Caller "ann" and context.name == "open"
"""
NAMES = ("read", "count", "trim", "when", "note", "api_read", "shared", "proxied", "each")
SCHEMA = {"path": {"type": "string"}, "n": {"type": "integer"}}
MANIFEST = [
    {"name": name, "inputSchema": {"type": "object", "properties": SCHEMA}} for name in NAMES
]
ENGINE = PolicyEngine.from_text(vocabulary(MANIFEST) + RULES)
OPEN, SHUT = {"path": "/pub/a"}, {"path": "/etc/passwd"}

caller = "ann"


def guarded(server: FastMCP, decider: Any = ENGINE, **options: Any) -> FastMCP:
    Guard(decider, subject=lambda _: {"type": "Caller", "id": caller}, **options).install(server)
    return server


def server() -> FastMCP:
    made = FastMCP("files")

    @made.tool
    def read(path: str, n: int = 3) -> str:
        return f"read {path} {n}"

    @made.tool
    def drop(path: str) -> str:
        return "dropped"

    @made.resource("docs://open")
    def open_one() -> str:
        return "open"

    @made.resource("docs://shut")
    def shut_one() -> str:
        return "secret"

    @made.resource("docs://any/{name}")
    def any_one(name: str) -> str:
        return "secret"

    @made.prompt(name="open")
    def open_prompt() -> str:
        return "open"

    @made.prompt(name="shut")
    def shut_prompt(name: str) -> str:
        return "secret"

    return made


def asked(made: FastMCP, ask: Callable[[Client[Any]], Awaitable[Any]]) -> Any:
    async def asking() -> Any:
        async with Client(made) as client:
            return await ask(client)

    return asyncio.run(asking())


def called(made: FastMCP, name: str, arguments: dict[str, Any], **more: Any) -> str:
    """Return what a tool says; a refusal begins with a sign."""
    found = asked(
        made, lambda client: client.call_tool(name, arguments, raise_on_error=False, **more)
    )
    text = str(found.content[0].text)
    return f"✗ {text}" if found.is_error else text


WHY = "✗ only what is in /pub, and five at most"
NOTHING = "✗ nothing is permitted here"


def test_calls_are_decided_about():
    made = guarded(server())
    assert called(made, "read", OPEN) == "read /pub/a 3"
    assert called(made, "read", SHUT) == WHY
    assert called(made, "drop", OPEN) == NOTHING
    assert called(made, "no_such_tool", {}) == NOTHING
    assert called(made, "read", {}).startswith("✗")


def test_whoever_calls_is_asked_about_each_time(monkeypatch: pytest.MonkeyPatch):
    made = guarded(server())
    assert called(made, "read", OPEN) == "read /pub/a 3"
    monkeypatch.setattr("tests.adapters.test_mcp_bypasses.caller", "bob")
    assert called(made, "read", OPEN) == WHY
    assert asked(made, lambda client: client.list_tools()) == []


def test_lists_show_what_is_not_refused_whatever_the_arguments():
    made = guarded(server())
    assert [tool.name for tool in asked(made, lambda client: client.list_tools())] == ["read"]
    assert [str(one.uri) for one in asked(made, lambda client: client.list_resources())] == [
        "docs://open"
    ]
    assert [one.name for one in asked(made, lambda client: client.list_prompts())] == ["open"]
    assert len(asked(made, lambda client: client.list_resource_templates())) == 1


def test_resources_and_prompts_are_decided_about():
    made = guarded(server())
    assert asked(made, lambda client: client.read_resource("docs://open"))[0].text == "open"
    assert asked(made, lambda client: client.get_prompt("open")).messages[0].content.text == "open"
    for ask in (
        lambda client: client.read_resource("docs://shut"), lambda client: client.read_resource("docs://any/x"),
        lambda client: client.read_resource("docs://none"), lambda client: client.get_prompt("shut", {"name": "x"}),
        lambda client: client.get_prompt("none"),
    ):  # fmt: skip
        with pytest.raises(MCPError, match="must be") as refusal:
            asked(made, ask)
        assert refusal.value.error.data["status"] == 403


def test_what_policies_do_not_declare_is_refused():
    bare = PolicyEngine.from_text(
        "package t\nentity Caller\nentity Server\naction call_read by Caller on Server\npermit p: call_read"
    )
    made = guarded(server(), bare)
    assert called(made, "read", SHUT) == "read /etc/passwd 3"  # of which this policy sees nothing
    for ask in (
        lambda client: client.read_resource("docs://open"),
        lambda client: client.get_prompt("open"),
    ):
        with pytest.raises(MCPError, match="nothing is permitted here"):
            asked(made, ask)
    assert asked(made, lambda client: client.list_resources()) == []
    assert asked(made, lambda client: client.list_prompts()) == []


def test_a_refusal_says_what_would_allow_it_where_that_is_turned_on():
    made = guarded(server(), explain=ExplainBudget(seconds=5))
    found = asked(
        made,
        lambda client: client.call_tool("read", {"path": "/pub", "n": 9}, raise_on_error=False),
    )
    assert found.structured_content["detail"] == WHY[2:]
    (change,) = found.structured_content["would_allow"][0]
    assert (change["what"], change["to"], change["by"]) == ("context.n", "5", "caller")
    plain = asked(
        guarded(server()), lambda client: client.call_tool("read", SHUT, raise_on_error=False)
    )
    assert "would_allow" not in plain.structured_content


# ---- arguments ---------------------------------------------------------------------------


class Wish(BaseModel):
    path: str
    n: int = 9


def coercing() -> FastMCP:
    made = FastMCP("files")

    @made.tool
    def trim(path: Annotated[str, AfterValidator(lambda text: text.replace("/pub/..", ""))]) -> str:
        return f"read {path}"

    @made.tool
    async def count(path: str, n: Annotated[int, AfterValidator(lambda n: n * 10)] = 1) -> str:
        return f"count {n}"

    @made.tool
    def when(path: str, n: int | None = None, at: datetime | None = None) -> str:
        return f"when {n}"

    @made.tool
    def each(path: Literal["/pub", "/etc"], ctx: Context, n: float = 1) -> str:
        return f"each {path} {n}"

    return made


def test_what_a_function_receives_is_decided_about():
    made = guarded(coercing())
    assert called(made, "trim", {"path": "/pub/a"}) == "read /pub/a"
    assert called(made, "trim", {"path": "/pub/../etc"}) == WHY
    assert called(made, "count", {"path": "/pub", "n": 0}) == "count 0"
    assert called(made, "count", {"path": "/pub", "n": 1}) == WHY  # it gets 10
    assert called(made, "each", {"path": "/pub"}) == "each /pub 1.0"
    assert called(made, "each", {"path": "/etc"}) == WHY


@pytest.mark.parametrize("n", ["4", "9", 4.5, True, [4], {"n": 4}, "x"])
def test_what_is_of_another_type_is_not_made_fit(n: Any):
    made = guarded(server())
    assert called(made, "read", {**OPEN, "n": n}).startswith(
        "✗ the arguments do not fit: context.n: expected an int"
    )
    assert called(made, "read", {**OPEN, "n": 5}) == "read /pub/a 5"


def test_what_is_not_given_is_what_the_tool_takes_for_it():
    made = FastMCP("files")
    made.tool(lambda path, n=9: f"read {n}", name="read")
    made.tool(lambda path="/etc", n=1: f"count {path}", name="count")
    guarded(made)
    assert called(made, "read", OPEN) == WHY
    assert called(made, "read", {**OPEN, "n": 5}) == "read 5"
    assert called(made, "count", {}) == WHY
    assert called(made, "count", OPEN) == "count /pub/a"
    assert called(guarded(coercing()), "when", OPEN) == "when None"


def test_arguments_that_a_tool_does_not_have_are_not_seen():
    made = FastMCP("files")

    class Lenient(Tool):
        async def run(self, arguments: dict[str, Any]) -> ToolResult:
            return ToolResult(f"read {arguments['file']}")

    parameters = {"type": "object", "properties": {"file": {"type": "string"}}}
    made.add_tool(Lenient(name="read", parameters=parameters))
    made.add_tool(
        Lenient(
            name="note",
            parameters={"type": "object", "properties": {**parameters["properties"], "path": {}}},
        )
    )
    guarded(made)
    for more in ({}, {"version": "1"}):
        assert called(made, "read", {"file": "/etc", **OPEN}, **more).startswith("✗")
    assert (
        called(made, "note", {"file": "/etc", **OPEN}) == "read /etc"
    )  # whose `path` is what is permitted


def test_a_subject_may_be_bound():
    made = server()
    ann = ENGINE.bind({"type": "Caller", "id": "ann"})
    Guard(ENGINE, subject=lambda _: ann).install(made)
    assert called(made, "read", OPEN) == "read /pub/a 3"
    assert [tool.name for tool in asked(made, lambda client: client.list_tools())] == ["read"]


def test_a_list_is_of_who_calls_and_of_nobody_that_they_name():
    class Token:
        def __init__(self, subject: str) -> None:
            self.id, self.subject = "bob", {"type": "Caller", "id": subject}

    engine = PolicyEngine.from_text(vocabulary(MANIFEST) + RULES)
    engine.register(Token, "Caller")
    stale = engine.bind({"type": "Caller", "id": "ann"}, max_age=timedelta(microseconds=1))
    for caller, found in ((Token("ann"), []), (stale, None)):
        made = server()
        Guard(engine, subject=lambda _, caller=caller: caller).install(made)
        if found is None:
            with pytest.raises(MCPError, match="could not be decided"):
                asked(made, lambda client: client.list_tools())
        else:
            assert asked(made, lambda client: client.list_tools()) == found
        assert called(made, "read", OPEN).startswith("✗")


def test_arguments_under_other_names_are_not_those_that_policies_see():
    made = FastMCP("files")

    @made.tool
    def read(path: Annotated[str, Field(alias="file")] = "/etc", n: int = 1) -> str:
        return f"read {path}"

    guarded(made)
    assert called(made, "read", {"path": "/pub", "file": "/etc"}).startswith("✗")
    assert called(made, "read", {"file": "/etc"}).startswith("✗")


# ---- other ways to a tool ------------------------------------------------------------------


def test_what_is_mounted_is_asked_about_by_the_name_that_clients_see():
    parent = FastMCP("parent")
    parent.mount(server(), namespace="api")
    guarded(parent)
    assert called(parent, "api_read", OPEN) == "read /pub/a 3"
    assert called(parent, "api_read", SHUT) == WHY
    assert called(parent, "api_drop", OPEN) == NOTHING
    for name in ("read", "drop", "api_api_read", "files_read"):
        assert called(parent, name, OPEN).startswith("✗"), name
    with pytest.raises(MCPError):
        asked(parent, lambda client: client.read_resource("docs://api/shut"))


def test_a_guarded_server_is_guarded_wherever_it_is_mounted():
    for namespace in ("api", "other", None):
        parent = FastMCP("parent")
        parent.mount(guarded(server()), namespace=namespace)
        prefix = f"{namespace}_" if namespace else ""
        assert called(parent, prefix + "read", OPEN) == "read /pub/a 3"
        assert called(parent, prefix + "read", SHUT) == WHY
        assert called(parent, prefix + "drop", OPEN) == NOTHING
        assert [tool.name for tool in asked(parent, lambda client: client.list_tools())] == [
            prefix + "read"
        ]


def test_a_proxy_of_a_guarded_server_and_a_guarded_proxy():
    proxy = create_proxy(guarded(server()))
    assert called(proxy, "read", OPEN) == "read /pub/a 3"
    assert called(proxy, "read", SHUT) == WHY
    assert called(proxy, "drop", OPEN).startswith("✗")
    around = guarded(create_proxy(server()))
    assert called(around, "read", OPEN) == "read /pub/a 3"
    assert called(around, "read", SHUT) == WHY
    assert called(around, "drop", OPEN) == NOTHING


def test_a_tool_that_is_renamed_or_changed_is_asked_about_as_it_is_shown():
    made = server()
    made.add_tool(Tool.from_tool(asyncio.run(made.get_tool("drop")), name="shared"))
    hidden = Tool.from_tool(
        asyncio.run(made.get_tool("read")),
        name="note",
        transform_args={"path": ArgTransform(name="where")},
    )
    made.add_tool(hidden)
    guarded(made)
    assert called(made, "shared", OPEN) == "dropped"  # `shared` is permitted, whatever it does
    assert called(made, "shared", SHUT) == WHY
    assert called(made, "note", {"where": "/pub/a"}) == WHY  # of which the policy sees no path
    from fastmcp.server.transforms import ToolTransform

    late = guarded(server())
    late.add_transform(
        ToolTransform(
            {"drop": ToolTransformConfig(name="read"), "read": ToolTransformConfig(name="drop")}
        )
    )
    assert called(late, "read", OPEN).startswith(
        "✗"
    )  # installed too early: refused, and not mistaken
    assert called(late, "drop", OPEN).startswith("✗")


def test_tools_that_are_added_later_are_refused_unless_they_are_declared():
    made = guarded(server())
    made.tool(lambda path: "late", name="late")
    made.tool(lambda path, n=1: "counted", name="count")
    assert called(made, "late", OPEN) == NOTHING
    assert called(made, "count", SHUT) == WHY
    assert called(made, "count", OPEN) == "counted"
    made.add_middleware(
        ToolInjectionMiddleware([Tool.from_function(lambda path: "injected", name="injected")])
    )
    assert called(made, "injected", OPEN) == NOTHING
    assert "injected" not in [tool.name for tool in asked(made, lambda client: client.list_tools())]


def test_versions_of_a_tool_are_decided_about():
    made = FastMCP("files")
    made.tool(lambda path, n=1: "old", name="read", version="1")
    made.tool(lambda path, n=1: "new", name="read", version="2")
    guarded(made)
    assert called(made, "read", OPEN, version="1") == "old"
    assert called(made, "read", SHUT, version="1") == WHY


def test_no_middleware_answers_before_the_guard(monkeypatch: pytest.MonkeyPatch):
    made = FastMCP("files", middleware=[ResponseCachingMiddleware()])
    made.tool(lambda path, n=1: "secret", name="read")
    guarded(made)
    made.add_middleware(ResponseCachingMiddleware())
    assert [called(made, "read", OPEN) for _ in range(2)] == ["secret", "secret"]
    monkeypatch.setattr("tests.adapters.test_mcp_bypasses.caller", "bob")
    assert called(made, "read", OPEN) == WHY
    monkeypatch.setattr("tests.adapters.test_mcp_bypasses.caller", "ann")
    made.middleware.insert(0, Middleware())
    assert called(made, "read", OPEN) == NOTHING


def test_what_middleware_behind_the_guard_changes_is_decided_about_again():
    class Changing(Middleware):
        async def on_call_tool(self, context: Any, call_next: Any) -> Any:
            message = context.message.model_copy(update={"name": name, "arguments": arguments})
            return await call_next(context.copy(message=message))

    made = guarded(server())
    made.add_middleware(Changing())
    name, arguments = "read", SHUT
    assert called(made, "read", OPEN) == WHY
    name, arguments = "drop", OPEN
    assert called(made, "read", OPEN) == NOTHING
    name, arguments = "read", {"path": "/pub/b"}
    assert called(made, "read", OPEN) == "read /pub/b 3"


def test_tools_that_call_tools_are_no_way_around():
    made = server()

    @made.tool
    async def note(path: str, ctx: Context, n: int = 1) -> str:
        found = await ctx.fastmcp.call_tool(
            "drop" if n == 2 else "read", {"path": "/etc" if n == 3 else path}, run_middleware=n < 4
        )
        return str(found.content[0].text)

    guarded(made)
    assert called(made, "note", OPEN) == "read /pub/a 3"
    assert called(made, "note", {**OPEN, "n": 2}) == NOTHING[2:]  # what the other tool said
    assert called(made, "note", {**OPEN, "n": 3}) == WHY[2:]
    assert called(made, "note", {**OPEN, "n": 4}) == "read /pub/a 3"


def test_tools_that_search_and_call_others_are_no_way_around():
    from fastmcp.server.transforms.search import BM25SearchTransform

    text = vocabulary([*MANIFEST, {"name": "search_tools"}, {"name": "call_tool"}])
    engine = PolicyEngine.from_text(text + RULES + "permit find: call_search_tools, call_call_tool")
    made = server()
    made.add_transform(BM25SearchTransform())
    guarded(made, engine)
    assert called(made, "call_tool", {"name": "read", "arguments": OPEN}) == "read /pub/a 3"
    assert "only what is in /pub" in called(made, "call_tool", {"name": "read", "arguments": SHUT})
    assert "dropped" not in called(made, "call_tool", {"name": "drop", "arguments": OPEN})
    assert "drop" not in called(made, "search_tools", {"query": "drop path"})
    assert called(guarded(server()), "call_tool", {"name": "read", "arguments": OPEN}) == NOTHING


def test_completions_are_of_what_is_allowed():
    from mcp_types import PromptReference, ResourceTemplateReference

    made = guarded(server())

    @made.completion
    async def complete(ref: Any, argument: Any, context: Any) -> list[str]:
        return ["secret"]

    def completed(ref: Any) -> list[str]:
        found = asked(made, lambda client: client.complete(ref, {"name": "name", "value": ""}))
        return list(found.values)

    assert completed(PromptReference(type="ref/prompt", name="open")) == ["secret"]
    for ref in (
        PromptReference(type="ref/prompt", name="shut"),
        ResourceTemplateReference(type="ref/resource", uri="docs://any/{name}"),
    ):
        with pytest.raises(MCPError, match="must be"):
            completed(ref)


def test_completions_are_of_what_the_client_has_said():
    from mcp_types import ResourceTemplateReference

    rules = """
permit all_of_it: read_resource
forbid secret: read_resource when context.uri startswith "docs://secret/" because "it is secret"
"""
    made = guarded(FastMCP("files"), PolicyEngine.from_text(vocabulary(MANIFEST) + rules))

    @made.resource("docs://{folder}/{file}{?all}")
    def one_of(folder: str, file: str, all: str = "") -> str:
        return "secret"

    @made.resource("files://{path*}")
    def at(path: str) -> str:
        return "secret"

    @made.completion
    async def complete(ref: Any, argument: Any, context: Any) -> list[str]:
        return ["a name"]

    def completed(
        name: str, value: str = "", /, uri: str = "docs://{folder}/{file}{?all}", **known: str
    ) -> str:
        ref = ResourceTemplateReference(type="ref/resource", uri=uri)
        asking: Any = {"name": name, "value": value}
        try:
            found = asked(
                made, lambda client: client.complete(ref, asking, context_arguments=known or None)
            )
        except MCPError as refused:
            return str(refused)
        return str(found.values[0])

    assert completed("file") == completed("file", folder="open") == "a name"
    assert completed("file", "x", folder="secret") == "it is secret"
    assert completed("file", folder="secret", all="1") == "it is secret"
    assert completed("folder", "secret", file="x") == "it is secret"
    assert completed("folder", "open", folder="secret", file="x") == "it is secret"
    assert completed("folder", "..", file="x") == "nothing is permitted here"
    assert completed("path", "a/", uri="files://{path*}") == "a name"


def test_bad_days(tmp_path: Any):
    for broken in (lambda _: None, lambda _: 1 / 0, lambda _: {"type": "Nobody", "id": "x"}):
        made = server()
        Guard(ENGINE, subject=broken).install(made)
        with suppress(MCPError):
            assert called(made, "read", OPEN).startswith("✗")
        with suppress(MCPError):
            assert asked(made, lambda client: client.list_tools()) == []
    (tmp_path / "a.policy").write_text(vocabulary(MANIFEST) + RULES)
    with PolicyHolder(tmp_path) as holder:
        made = guarded(server(), holder)
        assert called(made, "read", SHUT) == WHY
        (tmp_path / "a.policy").write_text(vocabulary(MANIFEST) + "permit all_of_it: tools")
        assert holder.reload()
        assert called(made, "read", SHUT) == "read /etc/passwd 3"


def test_a_function_that_is_asked_for_by_itself_is_asked_about():
    made = guarded(server())

    async def run() -> Any:
        return await made.call_tool("read", SHUT, run_middleware=False)

    with pytest.raises(Exception, match="only what is in /pub"):
        asyncio.run(run())
    assert action_of("read") == "call_read"


# ---- tools that are others by now ----------------------------------------------------------

FORCING = PolicyEngine.from_text(
    vocabulary(
        [{"name": "wipe", "inputSchema": {"properties": {**SCHEMA, "force": {"type": "boolean"}}}}]
    )
    + 'permit wiping: call_wipe\nforbid forcing: call_wipe when context has force and context.force because "no force"'
)
FORCED = {"path": "a", "force": True}


def wipe_of(default: bool) -> Callable[..., str]:
    return lambda path, force=default: f"force {force}"


def wipe(path: str) -> str:
    return "wiped"


@pytest.mark.parametrize("mounted", [True, False])
def test_arguments_are_those_of_the_version_that_is_called(mounted: bool):
    for default, given in ((False, FORCED), (True, {"path": "a"})):
        made = FastMCP("files")
        made.tool(wipe_of(default), name="wipe", version="1")
        made.tool(wipe, version="2")
        parent = FastMCP("parent") if mounted else made
        if mounted:
            parent.mount(made)
        guarded(parent, FORCING)
        for _ in range(2):
            assert called(parent, "wipe", given, version="1") == "✗ no force"
            assert called(parent, "wipe", {**FORCED, "force": False}, version="1") == "force False"
            assert called(parent, "wipe", {"path": "a"}) == "wiped"


@pytest.mark.parametrize("mounted", [True, False])
def test_a_tool_that_gains_an_argument_is_decided_about_with_it(mounted: bool):
    for default, given in ((False, FORCED), (True, {"path": "a"})):
        made = FastMCP("files")
        made.tool(wipe)
        parent = FastMCP("parent") if mounted else made
        if mounted:
            parent.mount(made)
        guarded(parent, FORCING)
        assert called(parent, "wipe", {"path": "a"}) == "wiped"
        made.local_provider.remove_tool("wipe")
        made.tool(wipe_of(default), name="wipe")
        assert called(parent, "wipe", given) == "✗ no force"
        assert called(parent, "wipe", {"path": "a", "force": False}) == "force False"


@pytest.mark.parametrize("way", ["mounted", "injected"])
def test_a_function_that_another_tool_takes_the_place_of_is_not_what_is_decided_about(way: str):
    made, other = guarded(FastMCP("files"), FORCING), FastMCP("other")
    made.tool(wipe)
    assert called(made, "wipe", {"path": "a"}) == "wiped"
    other.tool(wipe_of(default=False), name="wipe")
    if way == "injected":
        tool = Tool.from_function(wipe_of(default=False), name="wipe")
        made.add_middleware(ToolInjectionMiddleware([tool]))
    else:
        made.local_provider.remove_tool("wipe")
        made.mount(other)
    assert called(made, "wipe", FORCED).startswith("✗")
    assert called(made, "wipe", FORCED) == "✗ no force"
    assert called(made, "wipe", {"path": "a"}) == "force False"


def test_a_refusal_tells_nothing_of_entities_that_arguments_refer_to():
    bare = PolicyEngine.from_text(
        "package t\nentity Caller\nentity Server\nentity Doc { level: int }\n"
        "action call_show by Caller on Server with { doc: Doc, n: int }\n"
        "permit all_low: call_show when context.doc.level < 3 and context.n == 1"
    )
    doc = {"type": "Doc", "id": "x"}
    people = [{"type": "Caller", "id": "ann"}, {"type": "Server", "id": "files"}]

    def said(engine: PolicyEngine, arguments: dict[str, Any]) -> str:
        made = FastMCP("files")
        made.tool(lambda doc, n: "shown", name="show")
        return called(guarded(made, engine), "show", arguments)

    def knowing(*docs: Any) -> PolicyEngine:
        return bare.with_store(bare.store([*people, *docs]))

    for engine in (bare, knowing(), knowing({**doc, "properties": {}})):
        for arguments in ({"doc": doc, "n": 1}, {"doc": doc, "n": "1"}, {"doc": doc}):
            assert said(engine, arguments)[2:] in UNDECIDED.values()
    engine = knowing({**doc, "properties": {"level": 1}})
    assert said(engine, {"doc": doc, "n": 1}) == "shown"
    for arguments in ({"doc": doc, "n": "1"}, {"doc": doc}):
        assert said(engine, arguments).startswith("✗ the arguments do not fit: context.n: ")
