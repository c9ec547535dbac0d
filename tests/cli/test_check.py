"""Check policy sets from the command line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from policyengine.cli import watching

WORDS = "package p\nentity User { age: int }\nentity Doc\naction read by User on Doc\n"


def test_a_set_without_mistakes(run, shop: Path):
    done = run("check", shop)
    assert (done.code, done.err) == (0, "")
    assert done.out == "2 files, 3 rules, 2 tests: no mistakes\n"


def test_files_are_one_set(run, shop: Path):
    done = run("check", shop / "tests.policy", shop / "documents.policy")
    assert (done.code, done.out) == (0, "2 files, 3 rules, 2 tests: no mistakes\n")
    assert run("check", shop / "tests.policy").code == 1


def test_standard_input_is_a_path(run, shop: Path, monkeypatch):
    def given(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    given((shop / "documents.policy").read_bytes())
    assert run("check", "-").out == "1 file, 3 rules, 0 tests: no mistakes\n"
    given((shop / "documents.policy").read_bytes())
    assert run("check", shop / "tests.policy", "-").out.startswith("2 files, 3 rules, 2 tests")
    given(b"package p\nentity {\n")
    done = run("check", "-")
    assert (done.code, "standard input:2:" in done.out) == (1, True)
    given(b"\xff")
    done = run("lint", "-")
    assert (done.code, "PE103" in done.out) == (1, True)
    given(b"")
    assert run("check", "-", "missing").code == 2


def test_every_mistake_is_shown_with_its_place(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(WORDS + "permit a: raed\npermit b: read when subject.agee > 1\n")
    done = run("check", file)
    assert done.code == 1
    assert f"{file}:5:11" in done.out
    assert f"{file}:6:" in done.out
    assert "did you mean `age`?" in done.out
    assert done.out.endswith("1 file: 2 errors\n")


def test_lint_looks_at_the_moment_that_it_is_given(run, fails, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(
        WORDS + 'permit a: read when subject.age > 1 waivable because "grown up" cites "1"\n'
        'waiver w of a for User "u" until 2027-01-31 ticket "T" approved_by "legal"\n'
    )
    select = ("--select", "expired-waiver")
    assert run("lint", file, *select, "--now", "2027-01-30").code == 0
    found = run("lint", file, *select, "--now", "2027-01-31")
    assert (found.code, "`w` ran out on 2027-01-31" in found.out) == (1, True)
    assert "months go from 01 to 12" in fails("lint", file, "--now", "2027-31-01")


def test_mistakes_as_json(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(WORDS + "permit a: raed\n")
    done = run("check", file, "--format", "json")
    assert done.code == 1
    assert (done.json["errors"], done.json["warnings"], done.json["left_out"]) == (1, 0, 0)
    (found,) = done.json["diagnostics"]
    assert (found["code"], found["severity"]) == ("PE205", "error")
    assert found["help"] == "did you mean `read`?"
    assert found["labels"][0] == {
        "file": str(file), "line": 5, "column": 11, "end_line": 5, "end_column": 15, "start": 83, "end": 87, "text": "",
    }  # fmt: skip


def test_no_mistakes_as_json(run, shop: Path):
    done = run("check", shop, "--format", "json")
    assert (done.code, done.json["diagnostics"]) == (0, [])


def test_a_warning_fails_only_if_strict(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(WORDS + "action edit by User on Doc\npermit a: read\n")
    done = run("check", file)
    assert (done.code, done.out.splitlines()[-1]) == (0, "1 file, 1 rule, 0 tests: 1 warning")
    assert run("check", "--strict", file).code == 1


def test_more_than_a_hundred_mistakes_are_counted(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_text(WORDS + "".join(f"permit p{i}: raed\n" for i in range(120)))
    assert run("check", file).out.endswith("1 file: 100 errors, 20 more not shown\n")


def test_a_file_that_is_no_text_is_a_finding(run, tmp_path: Path):
    file = tmp_path / "p.policy"
    file.write_bytes(b"\xff\xfe\x00binary")
    done = run("check", file, "--format", "json")
    assert (done.code, done.json["errors"]) == (1, 1)
    assert run("check", file).out.endswith("1 file: 1 error\n")


def test_it_checks_again_after_each_edit(run, tmp_path: Path, monkeypatch):
    file = tmp_path / "a.policy"
    words = "package p\nentity User\nentity Doc\naction read by User on Doc\n"
    file.write_text(words + "permit a: read\n")
    steps = iter(["permit a: raed\n", "permit a: read\npermit b: read\n"])

    def sleep(_: float) -> None:
        try:
            file.write_text(words + next(steps))
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(watching.time, "sleep", sleep)
    done = run("check", file, "--watch")
    assert done.code == 0
    first, second, third = done.out.split("waiting for a change")[:3]
    assert "1 file, 1 rule, 0 tests: no mistakes" in first
    assert "PE204" in second or "error" in second
    assert "1 file, 2 rules, 0 tests: no mistakes" in third
