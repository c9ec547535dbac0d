"""Print what each stage returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_parse_prints_the_tree(run, shop: Path):
    done = run("compile", shop / "documents.policy", "--stop-after", "parse")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[:3] == [f"{shop / 'documents.policy'}: PolicyFile", "  package: documents",
                         "  declarations:"]  # fmt: skip
    assert "    - Rule" in lines
    assert "      effect: forbid" in lines


def test_the_tree_as_json(run, shop: Path):
    done = run("compile", shop, "--stop-after", "parse", "--format", "json")
    tree = done.json[str(shop / "documents.policy")]
    assert (tree["node"], tree["package"]) == ("PolicyFile", "documents")
    assert tree["declarations"][0] == {
        "node": "LevelsDecl", "name": "Clearance", "members": ["public", "internal", "secret"],
    }  # fmt: skip


def test_what_does_not_parse_has_no_tree(run, shop: Path):
    (shop / "more.policy").write_text("package {\n")
    done = run("compile", shop, "--stop-after", "parse")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == "policyengine: there is no tree: 1 mistake"


def test_check_prints_types_and_what_is_read(run, shop: Path):
    done = run("compile", shop, "--stop-after", "check", "--action", "edit")
    assert done.out.startswith("edit by User on Document:\n  access.own:\n    effect: permit\n")
    assert "resource.owner: User" in done.out
    assert "read by User on Document" not in done.out


def test_check_as_json_has_every_target(run, shop: Path):
    done = run("compile", shop, "--stop-after", "check", "--format", "json")
    assert sorted(done.json) == [f"{a} by User on Document" for a in ("comment", "edit", "read")]
    shared = done.json["read by User on Document"]["access.shared"]
    assert shared["reads"] == ["subject.clearance", "resource.shared_with", "resource.clearance"]
    assert shared["conditions"][1]["types"]["subject.clearance"] == "Clearance"


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ('subject within Team "t"', ["subject and its ancestors"]),
        ("every u in resource.readers: u.old", ["resource.readers", "resource.readers[].old"]),
    ],
)
def test_what_is_read_of_ancestors_and_elements(
    run, tmp_path: Path, condition: str, read: list[str]
):
    file = tmp_path / "p.policy"
    file.write_text(
        "package p\nentity Team\nentity User in Team { old: bool }\n"
        "entity Doc { readers: set<User> }\naction see by User on Doc\n"
        f"permit a: see when {condition}\n"
    )
    done = run("compile", file, "--stop-after", "check", "--format", "json")
    assert done.json["see by User on Doc"]["access.a"]["reads"] == read


def test_an_unknown_action(fails, shop: Path):
    line = fails("compile", shop, "--stop-after", "check", "--action", "reed")
    assert line == "there is no action `reed`; did you mean `read`?"


LOWERED = """\
package p
taxonomy Topic { health { flu } sport }
levels Tier = free < pro
entity Team
entity User in Team { tier: Tier, topics: set<Topic>, boss?: User, old: bool }
entity Doc { owner: User, size: int }
action see by User on Doc with { topics: set<Topic> }
obligation erase(after: duration)
field gate scope "what"
define small(doc: Doc) = doc.size + 1 < 2 * 5
gate scope {
    permit a: see
        when subject.tier >= pro and context.topics within subject.topics and small(resource)
        unless subject has boss and subject.boss == resource.owner
        because "{subject} sees {resource.size}"
        otherwise "no"
        fields size
        oblige erase(24h)
    forbid b: see when some t in context.topics: t == flu refer "team"
}
"""


@pytest.fixture
def lowered(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(LOWERED)

    def lowered(stage: str) -> dict[str, Any]:
        done = run("compile", file, "--stop-after", stage, "--format", "json")
        rules: dict[str, Any] = done.json["see by User on Doc"]
        return rules

    return lowered


def test_lowered_rules_are_in_prefix_form(lowered):
    rules = lowered("lower")
    rule = rules["scope.a"]
    assert rule["conditions"][0] == "(>= subject.tier pro)"
    assert "(< (+ resource.size 1) (* 2 5))" in rule["conditions"]
    assert any("above-Topic" in condition for condition in rule["conditions"])
    assert rule["because"] == "{(id subject)} sees {resource.size}"
    assert (rule["otherwise"], rule["fields"]) == ("no", ["size"])
    assert rule["obligations"] == ["(erase 24h)"]
    assert rules["scope.b"]["refer"] == "team"
    assert rules["scope.b"]["effect"] == "forbid"


def test_simplifying_leaves_less_to_do(lowered):
    assert "(< (+ resource.size 1) 10)" in lowered("simplify")["scope.a"]["conditions"]


def test_python_is_what_is_run(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(LOWERED)
    done = run("compile", file)
    assert done.out.startswith("# see by User on Doc\n\ndef ")
    assert "\ndef decide(" in done.out
    compile(done.out, "p", "exec")
    assert run("compile", file, "--format", "json").json["see by User on Doc"] in done.out
