"""Policy files are found and named as people expect: in order, without what is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from policyengine.model.limits import Limits
from policyengine.syntax.files import policy_files, read

NAMES = [
    "b.policy", "a-z.policy", "a/z.policy", "a/b/c.policy", "a.policy/inner.policy", "Z.policy",
    ".hidden.policy", ".venv/a.policy", "a/.git/b.policy", "a/policy", "a/x.policy.md", "b.policies",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("package p\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_are_found_in_the_order_of_their_folders(folder):
    found = ["Z.policy", "a/b/c.policy", "a/z.policy", "a-z.policy", "a.policy/inner.policy", "b.policy"]  # fmt: skip
    assert policy_files(".") == found
    assert policy_files(folder) == [str(folder / name) for name in found]
    # as `pathlib` has them
    files = [f for f in sorted(Path().rglob("*.policy")) if not f.is_dir()]
    assert [str(f) for f in files if not any(p.startswith(".") for p in f.parts)] == found


@pytest.mark.parametrize("path", ["a", "./a", "a/", "./a/", Path("a")])
def test_files_are_named_as_people_write_them(folder, path):
    sources, problems = read([path, "./b.policy"], Limits())
    assert list(sources) == ["a/b/c.policy", "a/z.policy", "b.policy"]
    assert problems == []


def test_links_to_files_are_followed_and_links_to_folders_are_refused(folder):
    """A forbid may be in the folder, so it is not left out without a word."""
    (folder / "a" / "link").symlink_to(folder)
    (folder / "a" / "one.policy").symlink_to(folder / "b.policy")
    (folder / "a" / "gone.policy").symlink_to(folder / "nowhere")
    (folder / "a" / "two.policy").symlink_to(folder / "a", target_is_directory=True)
    sources, problems = read(["a"], Limits())
    assert list(sources) == ["a/b/c.policy", "a/one.policy", "a/z.policy"]
    assert [(p.code, p.span.file) for p in problems] == [
        ("PE130", "a/link"), ("PE130", "a/two.policy"), ("PE130", "a/gone.policy"),
    ]  # fmt: skip
    assert "it is a link to a folder: give that folder" in problems[0].message
    (folder / "b").symlink_to(folder / "a", target_is_directory=True)
    assert [p.span.file for p in read(["b"], Limits())[1]][-1] == "b/gone.policy"


@pytest.mark.parametrize(("path", "code"), [("nowhere", "PE130"), (".venv/b", "PE131")])
def test_a_path_that_is_of_no_use_is_a_problem(folder, path, code):
    (folder / ".venv" / "b").mkdir()
    sources, problems = read([path], Limits())
    assert not sources
    assert [p.code for p in problems] == [code]
