"""Hold that rules see what a function of an MCP server receives, by whatever names and however it is written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("fastmcp")
from fastmcp import FastMCP
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    field_serializer,
    field_validator,
)

from policyengine import PolicyEngine
from policyengine.adapters.mcp_arguments import received
from policyengine.adapters.mcp_vocabulary import action_of, vocabulary
from tests.adapters.test_mcp_bypasses import called, guarded


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    path: str | None = Field(None, validation_alias="p")


class Choice(BaseModel):
    path: str | None = Field(None, validation_alias=AliasChoices("p", "file"))


class Deep(BaseModel):
    path: str | None = Field(None, validation_alias=AliasChoices(AliasPath("file", 0), "p"))


class LeftOut(BaseModel):
    p: str | None = Field(None, exclude=True)

    @field_validator("p")
    @classmethod
    def shortened(cls, text: str) -> str:
        return text.replace("/pub/..", "")


class Hiding(LeftOut):
    p: str | None = None

    @field_serializer("p")
    def hidden(self, _: str) -> str:
        return "/pub"


@dataclass
class Plain:
    p: str | None = None


class Within(BaseModel):
    named: Named


WAYS: list[tuple[Any, dict[str, Any], bool]] = [
    (Named, {"p": "/pub/a"}, True), (Named, {"p": "/etc"}, False), (Named, {"path": "/etc"}, False),
    (Choice, {"p": "/pub/a"}, True), (Choice, {"file": "/etc"}, False),
    (Deep, {"p": "/pub/a"}, True), (Deep, {"file": ["/etc"]}, False),
    (LeftOut, {"p": "/pub/a"}, True), (LeftOut, {"p": "/pub/../etc"}, False),
    (Hiding, {"p": "/pub/a"}, True), (Hiding, {"p": "/pub/../etc"}, False),
    (Plain, {"p": "/pub/a"}, True), (Plain, {"p": "/etc"}, False),
]  # fmt: skip


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_a_part_of_an_argument_is_decided_about_by_any_of_its_names(way: int):
    kind, given, is_allowed = WAYS[way]
    made = FastMCP("files")

    def read(asked: Any) -> str:
        return f"read {getattr(asked, 'path', getattr(asked, 'p', None))}"

    read.__annotations__ = {"asked": kind, "return": str}
    tool = made.tool(read)
    assert tool is not None
    rules = f"""
    permit public: {action_of("read")}
        when context.asked not has p or context.asked.p startswith "/pub"
        otherwise "only what is in /pub"
    """
    guarded(made, PolicyEngine.from_text(vocabulary(asyncio.run(made.list_tools())) + rules))
    found = called(made, "read", {"asked": given})
    assert found == ("read /pub/a" if is_allowed else "✗ only what is in /pub")


def test_what_is_received_is_said_by_the_names_of_the_schema():
    listed = RootModel[list[Within]]([Within(named=Named(p="a"))])
    assert received({"all": listed, "key": SecretStr("s")}) == {
        "all": [{"named": {"p": "a"}}],
        "key": "s",
    }
    assert received((Plain("x"), {1}, 2.5, object)) == [{"p": "x"}, [1], 2.5, str(object)]
