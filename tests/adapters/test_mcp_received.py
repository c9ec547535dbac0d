"""Hold that rules see what a function of an MCP server receives, by whatever names and however it is written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

pytest.importorskip("fastmcp")
from fastmcp import FastMCP
from fastmcp.dependencies import CallArgument, Depends
from pydantic import (
    AfterValidator,
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
from typing_extensions import TypedDict

from policyengine import PolicyEngine
from policyengine.adapters.mcp_received import received
from policyengine.adapters.mcp_vocabulary import action_of, vocabulary
from tests.adapters.test_mcp_bypasses import NOTHING, called, guarded


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


def shortened(path: str | None) -> str | None:
    return path and path.replace("/pub/..", "")


AfterShort = Annotated[str | None, AfterValidator(shortened)]
Short = Annotated[str | None, Field(alias="p"), AfterValidator(shortened)]


@dataclass
class Aliased:
    path: Short = None


class Typed(TypedDict, total=False):
    path: Short


class Configured(TypedDict, total=False):
    path: AfterShort


setattr(Configured, "__pydantic_config__", ConfigDict(alias_generator=lambda _: "p"))  # noqa: B010 - it is no part


class Nested(BaseModel):
    typed: dict[str, list[Typed | None]]


def load(path: Annotated[str | None, AfterValidator(shortened)] = CallArgument("p", default=None)):
    loaded.append(path)
    return path


loaded: list[str | None] = []
AS_P: Any = Field(None, alias="p")
LOADED: Any = Depends(load)


def by_an_alias(path: Short = None) -> str:
    return f"read {path}"


def by_an_alias_of_its_default(path: AfterShort = AS_P) -> str:
    return f"read {path}"


def by_swapped_names(path: Short = None, p: Annotated[str, Field(alias="path")] = "/pub") -> str:
    return f"read {path}"


def by_what_it_depends_on(found: Any = LOADED) -> str:
    return f"read {found}"


def in_a_dataclass(asked: Aliased) -> str:
    return f"read {asked.path}"


def in_a_dict(asked: Typed) -> str:
    return f"read {asked.get('path')}"


def in_dicts(asked: list[Typed]) -> str:
    return f"read {asked[0].get('path')}"


def by_two(path: Short = None, other: Annotated[str | None, Field(alias="p")] = None) -> str:
    return f"read {path}"


def in_a_configured_dict(asked: Configured) -> str:
    return f"read {asked.get('path')}"


def in_configured_dicts(asked: list[Configured]) -> str:
    return f"read {asked[0].get('path')}"


@pytest.mark.parametrize(
    "read", [by_an_alias, by_an_alias_of_its_default, by_swapped_names, by_what_it_depends_on, in_a_dataclass, in_a_dict, in_dicts, by_two,
     in_a_configured_dict, in_configured_dicts]
)  # fmt: skip
def test_what_is_made_of_an_argument_of_another_name_is_decided_about(read: Any):
    made = FastMCP("files")
    made.tool(name="read")(read)
    of = "context" if read.__name__.startswith("by") else "context.asked"
    condition = f'{of} not has p or {of}.p startswith "/pub"'
    is_list = read in (in_dicts, in_configured_dicts)
    if is_list:
        condition = 'every one in context.asked: one not has p or one.p startswith "/pub"'
    rules = f"""
    permit public: {action_of("read")}
        when {condition}
        otherwise "only what is in /pub"
    """
    guarded(made, PolicyEngine.from_text(vocabulary(asyncio.run(made.list_tools())) + rules))

    def tried(path: str) -> str:
        loaded.clear()
        part = {"p": path}
        given = part if of == "context" else {"asked": [part] if is_list else part}
        return called(made, "read", given)

    is_seen = "configured" not in read.__name__
    assert tried("/etc") == "✗ only what is in /pub"
    assert tried("/pub/a") == ("read /pub/a" if is_seen else NOTHING)
    found = tried("/pub/../etc")
    if read is by_two:  # which make two things of it
        assert found.startswith("✗ the arguments do not fit")
    else:
        assert found == ("✗ only what is in /pub" if is_seen else NOTHING)
    assert loaded == []  # what a function depends on runs after the decision as well


def test_what_is_received_is_said_by_the_names_of_the_schema():
    listed = RootModel[list[Within]]([Within(named=Named(p="a"))])
    assert received({"all": listed, "key": SecretStr("s")}) == {
        "all": [{"named": {"p": "a"}}],
        "key": "s",
    }
    typed = Nested(typed={"a": [{"p": "x"}, None]})  # type: ignore[typeddict-unknown-key]
    assert received(typed) == {"typed": {"a": [{"p": "x"}, None]}}
    assert received([{"path": "x"}], list[Typed]) == [{"p": "x"}]
    assert received((Plain("x"), {1}, 2.5, object)) == [{"p": "x"}, [1], 2.5, str(object)]
