"""Print what a service must fetch before it asks."""

from __future__ import annotations

from pathlib import Path

POLICY = """
package p
entity User { admin: bool, since: datetime }
entity Doc { owner: User, readers: set<User>, title?: string, size: int }
action read, list by User on Doc with { why?: string }
action ping by User on Doc
action prune by User on Doc
permit read_own: read, list when resource.owner == subject or resource.owner.admin
permit read_why: read, list when context has why and context.why == "audit"
permit prune_old: prune when now - subject.since > 30d and resource has title
    because "{resource.title}"
permit ping_all: ping
advisory forbid large: read when resource.size > 9
"""


def test_it_prints_what_is_read_once_for_actions_that_are_alike(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(POLICY)
    done = run("reads", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\n\n") == [
        "list, read by User on Doc\n  resource.owner\n  resource.owner.admin\n  context.why?",
        "ping by User on Doc\n  nothing",
        "prune by User on Doc\n  subject.since\n  resource.title?\n  the time",
        "",
    ]


def test_one_action_as_json(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(POLICY)
    done = run("reads", tmp_path, "--action", "prune", "--format", "json")
    assert done.json == {
        "prune by User on Doc": {
            "subject": ["subject.since"], "resource": ["resource.title?"], "context": [],
            "time": True,
        }
    }  # fmt: skip


def test_an_action_that_is_not_there(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(POLICY)
    done = run("reads", tmp_path, "--action", "rad")
    assert (done.code, done.out) == (2, "")
    assert done.err == "policyengine: there is no action `rad`; did you mean `read`?\n"


def test_a_set_with_mistakes_is_said_to_have_them(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(POLICY + "permit x: nothing")
    done = run("reads", tmp_path)
    assert done.code == 2
    assert "PE2" in done.err
