"""Vocabularies of MCP tools: whatever a manifest says, it is a vocabulary, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyengine import PolicyEngine
from policyengine.adapters.mcp_vocabulary import action_of, attribute_of, vocabulary
from policyengine.cli.main import run
from policyengine.syntax.grammar import reserved_words
from tests.whole import share

TOOL = {
    "name": "read-file",
    "description": "reads\nentity Evil",
    "inputSchema": {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string"}, "n": {"type": "integer", "default": 3}, "deep": {"type": "boolean"},
            "mode": {"type": "string", "enum": ["r", 'w" b', "permit"]}, "ratio": {"type": "number"},
            "at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": None},
            "tags": {"type": "array", "items": {"type": "string"}}, "who": {"$ref": "#/$defs/Who"},
            "when": {"type": "string"}, "to": {"type": "string", "format": "path"}, "a b": {"type": "string"}, "any": {}, "rows": {"type": "array"},
        },
        "$defs": {"Who": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
    },
}  # fmt: skip


ACTION = (
    "action call_read_x2d_file in tools with { path: string (by caller), n: int (by caller), deep?: bool (by caller),"
    " mode?: CallReadX2dFileMode (by caller), at?: datetime (by caller), tags?: set<string> (by caller),"
    " who?: { id: string } (by caller), when?: string (by caller), to?: path (by caller), a_x20_b?: string (by caller) }"
)


def test_a_tool_is_an_action_and_its_arguments_are_the_context():
    enum, comment, action = vocabulary([TOOL]).splitlines()[6:9]
    assert enum == 'enum CallReadX2dFileMode = "r" | "w\\" b" | "permit"'
    assert comment == "# call_read_x2d_file: policies do not see ratio, any, rows"
    assert action == ACTION


def test_it_passes_check(tmp_path: Path):
    (tmp_path / "tools.policy").write_text(vocabulary([TOOL]), encoding="utf-8")
    (tmp_path / "rules.policy").write_text(
        "package tools\npermit p: tools, read_resource, get_prompt\n", encoding="utf-8"
    )
    assert run(["check", str(tmp_path)]) == 0


def test_words_of_policies_are_names_of_tools_and_arguments():
    words = sorted(
        {*reserved_words(), "id", "type", "parents", "tools", "Caller", "now", "subject"}
    )
    properties = [{word: {"type": "string"} for word in words[n::2]} for n in range(2)]
    tools = [{"name": word, "inputSchema": {"properties": properties[0]}} for word in words]
    text = vocabulary([*tools, {"name": "x", "inputSchema": {"properties": properties[1]}}])
    assert PolicyEngine.from_text(text + "permit p: tools")


def test_no_two_names_become_one():
    names = [
        "a-b",
        "a_b",
        "a_x2d_b",
        "a__b",
        "A-b",
        "_x",
        "x",
        "_",
        "__x",
        "1",
        "_x31_",
        "ä",
        "_xe4_",
        "a b",
        "a\nb",
        "🂡",
    ]
    assert len({action_of(name) for name in names}) == len(names)
    assert len({attribute_of(name) for name in names}) == len(names)
    assert all(attribute_of(name).isidentifier() and attribute_of(name).isascii() for name in names)


def refused(*tools: Any) -> str:
    try:
        vocabulary(tools)
    except ValueError as refusal:
        return str(refusal)
    return "it is taken"


def test_what_is_too_large_or_has_no_name_is_refused():
    def tool(name: Any = "x", **properties: Any) -> Any:
        return {"name": name, "inputSchema": {"properties": properties}}

    assert "two tools" in refused(tool(), tool())
    for name in ("", None, 3, "x" * 129):
        assert "the name of a tool" in refused(tool(name))
    assert "the name of an argument" in refused(tool(**{"x" * 129: {}}))
    assert "at most 100 properties" in refused(tool(**{f"p{n}": {} for n in range(101)}))
    assert "at most 1,000 tools" in refused(*(tool(f"t{n}") for n in range(1_001)))
    looped = {"$ref": "#/$defs/L"}
    wide = {"type": "object", "properties": {f"p{n}": looped for n in range(100)}}
    manifest = {"name": "x", "inputSchema": {**wide, "$defs": {"L": wide}}}
    assert "in all" in refused(manifest) or "at most 20,000" in refused(manifest)


TEXTS = st.text(max_size=6)
SCHEMAS: Any = st.recursive(
    st.one_of(
        st.none(), st.booleans(), TEXTS, st.integers(),
        st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "boolean", "number", "null", "array", 3])}),
        st.fixed_dictionaries({"enum": st.lists(TEXTS | st.integers(), max_size=3)}),
        st.just({"$ref": "#/$defs/A"}), st.just({"$ref": 3}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner | st.just({"type": "null"}), max_size=2)}),
        st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(TEXTS, inner, max_size=3) | TEXTS},
                              optional={"required": st.lists(TEXTS) | st.none(), "$defs": st.dictionaries(st.just("A"), inner)}),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=share(60, 10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.fixed_dictionaries({"name": TEXTS, "inputSchema": SCHEMAS}), max_size=3))
def test_any_manifest_is_a_vocabulary_or_refused(tools: list[Any]):
    try:
        text = vocabulary(tools)
    except ValueError:
        return
    if tools:  # an empty group is a mistake
        assert PolicyEngine.from_text(text + "permit p: tools, read_resource")
