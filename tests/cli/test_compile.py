"""Print what each stage returned."""

from __future__ import annotations

from pathlib import Path

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
