"""Prove invariants from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from policyengine import PolicyEngine

APART = """\
package p
entity Org
entity User { org: Org }
entity Doc { owner: User, org: Org }
action read by User on Doc
permit own: read when resource.owner == subject
invariant apart: never allow read unless subject.org == resource.org
"""
MENDED = APART.replace(
    "resource.owner == subject", "resource.owner == subject and resource.org == subject.org"
)
SQUARES = """\
package p
entity User
entity Doc { a: int, b: int }
action read by User on Doc
permit p: read when resource.a * resource.a + 1 == resource.b * resource.b and resource.b > 1
invariant i: never allow read
"""


@pytest.fixture
def policy(tmp_path: Path):
    def written(text: str) -> Path:
        file = tmp_path / "p.policy"
        file.write_text(text)
        return file

    return written


def test_a_promise_that_holds_is_proved(run, policy):
    done = run("prove", policy(MENDED))

    assert (done.code, done.err) == (0, "")
    assert done.out == "proved      apart, by gate access\n1 invariant: 1 proved\n"


def test_one_that_is_broken_is_shown_by_a_test(run, policy, tmp_path):
    file = policy(APART)
    done = run("prove", file)

    assert done.code == 1
    assert done.out.startswith("broken      apart: read by User on Doc is allowed\n    test ")
    test = done.out[done.out.index("    test") : done.out.rindex("1 invariant")]
    file.write_text(APART + test)
    assert run("test", file).code == 1
    file.write_text(MENDED + test)
    assert run("test", file).code == 0


def test_one_that_is_not_settled_is_told_from_both(run, policy):
    done = run("prove", policy(SQUARES))

    assert done.code == 3
    assert "not settled i: it depends on products of numbers of the request" in done.out
    assert done.out.endswith("1 invariant: 1 not settled\n")
    assert "--budget" not in done.out


def test_as_json(run, policy):
    done = run("prove", policy(MENDED), "--format", "json")

    assert done.json == {
        "invariants": [
            {
                "name": "apart", "answer": "proved", "rests_on": ["gate access"], "request": None,
                "test": None, "tried": 1, "why": None,
            }
        ]
    }  # fmt: skip
    (found,) = run("prove", policy(APART), "--format", "json").json["invariants"]
    assert (found["answer"], found["request"]) == ("broken", "read by User on Doc")


def test_a_promise_that_is_not_written_down(run, policy):
    file = policy(MENDED)

    done = run("prove", file, "--never-allow", "read when subject.org != resource.org")
    assert done.code == 0
    assert done.out.startswith(
        "proved      never allow read when subject.org != resource.org, by gate access\n"
    )
    done = run("prove", file, "--never-allow", "read", "--invariant", "apart")
    assert done.code == 1
    assert "broken      never allow read: read by User on Doc is allowed" in done.out
    assert "proved      apart" in done.out


def test_one_that_is_none_is_reported_as_in_a_policy(run, policy):
    done = run("prove", policy(MENDED), "--never-allow", "raed")

    assert (done.code, done.out) == (2, "")
    assert "error[PE205]: there is no action or group `raed`" in done.err
    assert "did you mean `read`?" in done.err
    assert done.err.endswith("policyengine: what is asked is no invariant of this policy set\n")
    for wrong in ("", "read }", "read permit q: read", "read unless now > 3"):
        assert run("prove", policy(MENDED), "--never-allow", wrong).code == 2
    done = run("prove", policy(MENDED), "--never-expose", "org of read")
    assert "PE357" in done.err


def test_names(fails, policy):
    assert fails("prove", policy(MENDED), "--invariant", "aparts") == (
        "there is no invariant `aparts`; did you mean `apart`?"
    )
    none = MENDED[: MENDED.index("invariant")]
    assert fails("prove", policy(none)) == (
        "the policy set has no invariants; ask for one with `--never-allow`"
    )


def test_what_is_asked_sees_every_package(run, tmp_path):
    (tmp_path / "a.policy").write_text(
        "package a\nentity User { age: int }\nentity Doc\naction read by User on Doc\n"
        "permit p: read when subject.age >= 18\n"
    )
    (tmp_path / "b.policy").write_text("package b\nimport a\nconst adult: int = 18\n")

    done = run("prove", tmp_path, "--never-allow", "read when subject.age < b.adult")
    assert (done.code, done.err) == (0, "")


def test_check_reports_what_is_broken_and_what_is_not_settled(run, policy):
    done = run("check", policy(APART))
    assert done.code == 1
    assert (
        "error[PE358]: the invariant `apart` is broken: the set allows it (read by User on Doc)"
        in done.out
    )
    assert "`policyengine prove PATH --invariant apart` writes the request as a test" in done.out
    assert done.out.endswith("1 file, 1 rule, 0 tests, 1 invariant: 1 error\n")

    done = run("check", policy(SQUARES))
    assert done.code == 0
    assert done.out.startswith("note: the invariant `i` is not settled: it depends on products")

    done = run("check", policy(MENDED), "--format", "json")
    assert [one["answer"] for one in done.json["invariants"]] == ["proved"]


def test_a_broken_promise_keeps_no_set_from_deciding(policy):
    engine = PolicyEngine.load(policy(APART))
    ann = {"type": "User", "id": "ann"}

    resource = {"type": "Doc", "id": "d", "properties": {"owner": ann}}
    assert engine.decide(subject=ann, action="read", resource=resource).allowed


def test_no_time_is_kept(run, policy):
    done = run("prove", policy(APART), "--budget", "0", "--no-cache")

    assert done.code == 3
    assert "not settled apart: the time was over before" in done.out
    assert "1 of 1 question not settled in 0 s" in done.out
