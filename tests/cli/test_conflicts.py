"""List where the texts behind rules disagree."""

from __future__ import annotations

from pathlib import Path

import pytest

SHORT = """
package p
entity User { old: bool }
entity Book
action borrow by User on Book
permit anybody: borrow cites "House rules, 1"
forbid young: borrow
    when not subject.old
    because "{subject} is too young"
    cites "House rules, section 2 on those who have not come of age" against "Leaflet of 2019, which lends to everybody who can read"
"""
TESTS = """
test "the young borrow nothing" { expect deny borrow by User "a" { old: false } on Book "b" because young }
test "the old do" { expect allow borrow by User "a" { old: true } on Book "b" }
test "neither do others" {
    let a = User "a" { old: false }
    for v in bool: borrow by a { old: v } on Book "b" expect { true: allow, false: deny because young }
}
"""


@pytest.mark.parametrize("columns", [60, 120])
def test_both_texts_the_choice_and_its_tests(run, tmp_path: Path, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(tmp_path)
    Path("p.policy").write_text(SHORT + TESTS, encoding="utf-8")
    done = run("conflicts", "p.policy")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= columns
    said = " ".join(done.out.split())
    assert "counts House rules, section 2 on" in said
    assert "against Leaflet of 2019, which lends" in said
    assert "choice forbids: {subject} is too young" in said
    assert "test the young borrow nothing neither do others 1 choice between texts" in said


def test_as_json(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(SHORT + TESTS, encoding="utf-8")
    (one,) = run("conflicts", tmp_path, "--format", "json").json["conflicts"]
    assert one["rule"].endswith(".young")
    assert one["place"].endswith("p.policy:7")
    assert one["against"].startswith("Leaflet")
    assert one["tests"] == ["the young borrow nothing", "neither do others"]


def test_a_choice_without_a_test_is_a_finding_and_no_choice_is_none(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(SHORT, encoding="utf-8")
    done = run("conflicts", tmp_path)
    assert done.code == 1
    assert "test     none" in done.out
    (tmp_path / "p.policy").write_text(SHORT.partition("forbid")[0], encoding="utf-8")
    assert run("conflicts", tmp_path).out == "no rule cites one text against another\n"
    (tmp_path / "p.policy").write_text(SHORT + "permit q: lend", encoding="utf-8")
    assert run("conflicts", tmp_path).code == 2
