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
    assert done.out.removesuffix("\n").split("\n\n") == [
        "list, read by User on Doc\n  resource.owner\n  resource.owner.admin\n  context.why?",
        "ping by User on Doc\n  nothing",
        "prune by User on Doc\n  subject.since\n  resource.title?\n  the time",
    ]


def test_one_action_as_json(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text(POLICY)
    done = run("reads", tmp_path, "--action", "prune", "--format", "json")
    assert done.json == {
        "prune by User on Doc": {
            "subject": ["subject.since"], "resource": ["resource.title?"], "context": [],
            "counts": {}, "time": True,
        }
    }  # fmt: skip


def test_what_is_counted_is_beside_the_count(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text("""package p
entity User
entity Post { author: User }
action read by User on Post with {
    reads: int (count of Post by subject per month)
    tries: int (count of read, send by subject and resource.author per 90m)
    ever: int (count of read by action.name)
    theirs: int (count of read by subject and context.reader per 15m)
    reader?: User
}
action send by User on Post
permit few: read when context.reads < 100 and context.tries < 5 and context.theirs < 3
""")
    done = run("reads", tmp_path, "--action", "read")
    assert done.out == (
        "read by User on Post\n"
        "  context.reads: the count of Post by subject per month\n"
        "  context.tries: the count of read, send by subject and resource.author per 1h30m\n"
        "  context.theirs: the count of read by subject and context.reader per 15m\n"
    )
    counts = run("reads", tmp_path, "--action", "read", "--format", "json").json
    assert counts["read by User on Post"]["counts"]["context.tries"] == {
        "text": "count of read, send by subject and resource.author per 1h30m",
        "things": ["read", "send"], "delivered": False, "by": ["subject", "resource.author"],
        "per": "1h30m",
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


def test_what_is_optional_is_marked_wherever_it_is(run, tmp_path: Path):
    (tmp_path / "p.policy").write_text("""package p
entity Ward { open?: bool }
entity Folder in Folder { locked?: bool }
entity Patient { ward?: Ward, box?: {size: int, note?: string} }
entity User
entity Note in Folder { patient?: Patient, seen: set<Patient>, posts: set<{ward: Ward, role?: string}>, folder?: Folder }
action read by User on Note
permit a: read when resource has patient and resource.patient has ward and resource.patient.ward has open
permit b: read when some p in resource.seen: p has box and p.box has note and p.box.note == "x"
permit c: read when some p in resource.posts: p has role and p.role == "x" and p.ward has open
permit d: read when some f in ancestors(resource, Folder): f has locked and f.locked
permit e: read when resource has folder and resource.folder within Folder "f"
""")
    assert run("reads", tmp_path).out.split() == [
        "read", "by", "User", "on", "Note",
        *["resource", "and", "its", "ancestors"],
        "resource.patient?", "resource.patient?.ward?", "resource.patient?.ward?.open?",
        "resource.seen", "resource.seen[].box?", "resource.seen[].box?.note?",
        "resource.posts", "resource.posts[].role?", "resource.posts[].ward", "resource.posts[].ward.open?",
        "resource.folder?", *["resource.folder?", "and", "its", "ancestors"],
        *["ancestors(resource,", "Folder)[].locked?"],
    ]  # fmt: skip
