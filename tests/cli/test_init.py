"""Make a folder that works, and never overwrite one."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = ["documents.policy", "request.json", "tests.policy"]


def test_what_init_makes_works(run, shop: Path):
    assert sorted(path.name for path in shop.iterdir()) == FILES
    assert run("check", "--strict", shop).code == 0
    assert run("fmt", "--check", shop).code == 0
    assert run("test", shop).code == 0
    assert run("decide", shop, "--request", shop / "request.json").code == 0


def test_every_rule_has_a_test_both_ways(run, shop: Path):
    """What a beginner copies sets the standard."""
    text = (shop / "tests.policy").read_text()
    assert all(f"because {rule}" in text for rule in ("own", "shared", "suspended"))
    assert text.count("expect allow") >= 2
    assert text.count("expect deny") >= 2


@pytest.mark.parametrize("like", ["hospital", "workspace"])
def test_a_shipped_set_is_begun_with(run, tmp_path: Path, like: str):
    done = run("init", tmp_path / "mine", "--like", like)
    assert done.code == 0
    shipped = Path(__file__).parents[2] / "policies" / like
    made = {path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*.*")}
    assert made == {path.relative_to(shipped) for path in shipped.rglob("*.*")}
    assert run("check", "--strict", tmp_path / "mine").code == 0


def test_nothing_is_overwritten(fails, shop: Path):
    (shop / "request.json").unlink()
    (shop / "tests.policy").write_text("mine")
    line = fails("init", shop)
    assert line == "`shop/documents.policy` exists already; nothing was written"
    assert (shop / "tests.policy").read_text() == "mine"
    assert not (shop / "request.json").exists()


def test_other_files_may_be_there(run, tmp_path: Path):
    (tmp_path / "README.md").write_text("mine")
    done = run("init", tmp_path, "--format", "json")
    assert done.code == 0
    assert sorted(Path(name).name for name in done.json["written"]) == FILES


def test_a_file_is_no_folder(fails, shop: Path):
    assert "shop/request.json" in fails("init", shop / "request.json")
