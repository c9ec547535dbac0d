"""Hold that a template of an MCP server reads what was decided about, whatever it makes of a URI."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import pytest

pytest.importorskip("fastmcp")
from fastmcp import FastMCP
from fastmcp.dependencies import Depends
from pydantic import AfterValidator

from policyengine import PolicyEngine
from policyengine.adapters.mcp import Guard
from policyengine.adapters.mcp_arguments import context_of

POLICY = """
package docs
entity Caller
entity Server
action read_resource by Caller on Server with { uri: string (by caller) }
permit all_of_it: read_resource
forbid secret: read_resource
    when context.uri in {
        "docs://number/1", "docs://path/a/b", "docs://lower/secret/x", "docs://flag/a?all=true", "docs://tags/a?tag=x"
    }
    because "it is secret"
"""
ENGINE = PolicyEngine.from_text(POLICY)
LOADED: Any = Depends(lambda: "loaded")


def number(id: int) -> str:
    return f"read {id}"


def path(id: Path) -> str:
    return f"read {id}"


def lower(id: Annotated[str, AfterValidator(str.lower)]) -> str:
    return f"read {id}"


async def flag(id: str, all: bool = False) -> str:
    return f"read {id} {all}"


def tags(id: str, tag: list[str] | None = None, found: Any = LOADED) -> str:
    return f"read {id} {tag} {found}"


TEMPLATES = {
    "docs://number/{id}": number, "docs://path/{id*}": path, "docs://lower/{id}/x": lower,
    "docs://flag/{id}{?all}": flag, "docs://tags/{id}{?tag*}": tags,
}  # fmt: skip


def read(uri: str, engine: PolicyEngine = ENGINE, *, mounted: bool = False) -> str:
    """Return what reading *uri* of a guarded server gives; the templates may be those of another one that is mounted."""
    made = FastMCP("files")
    for template, function in TEMPLATES.items():
        made.resource(template)(function)
    outer = made
    if mounted:
        outer = FastMCP("outer")
        outer.mount(made)
    Guard(engine, subject=lambda _: {"type": "Caller", "id": "ann"}).install(outer)
    try:
        return str(asyncio.run(outer.read_resource(uri)).contents[0].content)
    except Exception as refused:  # noqa: BLE001 - whatever it is
        return str(refused)


@pytest.mark.parametrize(
    ("uri", "by_function"),
    [
        ("docs://number/1", False), ("docs://number/01", True), ("docs://number/+1", True),
        ("docs://lower/SECRET/x", True), ("docs://lower/secret/x\n", False), ("docs://flag/a?all=1", True),
        ("docs://flag/a?all=true&b=1", False), ("docs://flag/a?all=true&", False), ("docs://tags/a?tag=x&tags=y", False),
    ],
)  # fmt: skip
def test_what_a_template_makes_of_a_uri_is_decided_about(uri: str, by_function: bool):
    """What a function makes of it is known of the functions of the guarded server alone."""
    assert read(uri) == "it is secret"
    if not by_function:
        assert read(uri, mounted=True) == "it is secret"


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    "uri",
    [
        "docs://path/x//y", "docs://path//x", "docs://path/x//", "docs:////path/x", "docs://path/%2E//x", "docs://path/x\\\\y",
        "docs://path/x/\\y", "docs://path/file:///x", "docs://path/a://", "docs://x//path/a"
    ],
)  # fmt: skip
def test_no_part_of_a_path_is_empty(uri: str, mounted: bool):
    """A function that opens the path finds the same file, which a rule about its folder would not see."""
    refused = uri != "docs://path/a://"
    assert (read(uri, mounted=mounted) == "nothing is permitted here") == refused
    assert read("docs://path/https://example.com/x", mounted=mounted).startswith("read ")


@pytest.mark.parametrize("mounted", [False, True])
def test_no_query_is_in_a_fragment(mounted: bool):
    """A server hands it on as a query to another one that is mounted."""
    assert read("docs://flag/a#?all=true", mounted=mounted) == "nothing is permitted here"
    assert read("docs://flag/a#all", mounted=mounted) == "read a False"


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    "uri",
    [
        "docs://number/2", "docs://path/a/b c", "docs://path/a&b=c", "docs://path/a%26b%3Dc", "docs://path/a+b", "docs://path/100%25",
        "docs://path/100%", "docs://path/xy:z@a,(1)", "docs://lower/%c3%a9/x", "docs://lower/%3Fa/x", "docs://flag/a",
        "docs://flag/a?all=false", "docs://tags/a?tag=y&tag=z", "docs://tags/a?tag=", "docs://tags/a?tag=b=c", "docs://tags/a?tag=b+c%2Bd",
    ],
)  # fmt: skip
def test_a_template_reads_what_is_permitted_by_its_uri_alone(uri: str, mounted: bool):
    context = ENGINE.schema.actions["read_resource"].context
    seen = context_of("read_resource", {"uri": uri}, context)
    assert seen is not None
    permit = f"permit one: read_resource when context.uri == {json.dumps(seen['uri'], ensure_ascii=False)}"
    only = PolicyEngine.from_text(POLICY.replace("permit all_of_it: read_resource", permit))
    assert read(uri, only, mounted=mounted).startswith("read ")
    assert not read(f"{uri}?q=1" if "?" not in uri else f"{uri}&q=1", only).startswith("read ")
