"""Ask who may do something, and what somebody may do, of the entities in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def user(id_: str, clearance: str = "internal", **more: Any) -> dict[str, Any]:
    return {"type": "User", "id": id_, "properties": {"clearance": clearance, **more}}


def document(id_: str, owner: str, *shared_with: str) -> dict[str, Any]:
    ids = {"owner": owner, "shared_with": list(shared_with)}
    refs = {
        name: [{"type": "User", "id": i} for i in of]
        if isinstance(of, list)
        else {"type": "User", "id": of}
        for name, of in ids.items()
    }
    return {"type": "Document", "id": id_, "properties": {"clearance": "internal", **refs}}


ENTITIES = [
    user("ann", suspended=False),
    user("bob", suspended=False),
    user("eve", suspended=True),
    user('odd "\n\x1b[31m', suspended=False),
    document("plan", "ann", "bob", "eve", 'odd "\n\x1b[31m'),
    document("menu", "bob", "ann"),
    {"type": "Document", "id": "half", "properties": {"owner": {"type": "User", "id": "ann"}}},
]


@pytest.fixture
def all_(shop: Path) -> Path:
    file = shop / "entities.json"
    file.write_text(json.dumps(ENTITIES), encoding="utf-8")
    return file


def test_who_and_what_name_those_that_are_allowed(run, shop: Path, all_: Path):
    done = run("who", shop, "--entities", all_, "--action", "read", "--resource", "Document:plan")
    lines = ['User "ann"', 'User "bob"', 'User "odd \\"\\n\\u001b[31m"', "3 found"]
    assert (done.code, done.err, done.out.splitlines()) == (0, "", lines)
    done = run("what", shop, "--entities", all_, "--subject", "User:ann", "--action", "edit")
    assert done.out.splitlines() == ['Document "half"', 'Document "plan"', "2 found"]
    done = run(
        "what", shop, "--entities", all_, "--subject", "User:ann", "--resource", "Document:menu"
    )
    assert done.out.splitlines() == ["comment", "read", "2 found"]
    done = run("what", shop, "--entities", all_, "--subject", "User:eve", "--action", "read")
    assert done.out.splitlines() == ["0 found"]


def test_what_does_not_fit_and_was_looked_at_is_said(run, shop: Path):
    """An attribute that only a text reads is of no condition, so the index leaves such an entity in."""
    Path("titled").mkdir()
    policy = (
        (shop / "documents.policy")
        .read_text()
        .replace("owner: User,", "owner: User, title: string,", 1)
    )
    Path("titled", "d.policy").write_text(
        policy.replace('because "{resource} is their own"', 'because "{resource.title}"')
    )
    Path("e.json").write_text(json.dumps(ENTITIES))
    asked = "what", "titled", "--entities", "e.json", "--subject", "User:ann", "--action", "read"
    done = run(*asked)
    first, second, third = done.out.splitlines()
    assert first == "0 found"
    assert second == (
        "3 not allowed, since the request does not fit the policies: "
        'Document "half", Document "menu", Document "plan"'
    )
    assert (
        third
        == "  of the first: resource.properties.title: it must be given: rules for `read` read it [PE507]"
    )
    assert [one["id"] for one in run(*asked, "--format", "json").json["unfit"]] == [
        "half",
        "menu",
        "plan",
    ]


def test_pages_go_on_by_their_tokens(run, shop: Path, all_: Path):
    asked = (
        "who",
        shop,
        "--entities",
        all_,
        "--action",
        "read",
        "--resource",
        "Document:plan",
        "--limit",
        1,
    )
    found, token = [], None
    for _ in range(4):
        more = () if token is None else ("--token", token)
        line = run(*asked, *more).out.splitlines()[-1]
        answer = run(*asked, *more, "--format", "json").json
        token = answer["page"]["next_token"]
        assert line == f"{len(answer['results'])} found" + (
            f"; for more: --token {token}" if token else ""
        )
        found += answer["results"]
        if not token:
            break
    assert sorted(one["id"] for one in found) == ["ann", "bob", 'odd "\n\x1b[31m']
    assert set(found[0]) == {"type", "id"}
    whole = run(*asked[:-2], "--format", "json").json
    assert whole["page"] == {"next_token": ""}
    assert sorted(map(str, whole["results"])) == sorted(map(str, found))
    actions = run("what", shop, "--entities", all_, "--subject", "User:ann", "--resource", "Document:menu",
                  "--format", "json")  # fmt: skip
    assert actions.json["results"] == [{"name": "comment"}, {"name": "read"}]


READ = ("--action", "read")
PLAN = ("--resource", "Document:plan")
ANN = ("--subject", "User:ann")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["who", *PLAN], "missing option '--action'"),
        (["who", *READ], "missing option '--resource'"),
        (["who", *READ, "--resource", "plan"], "an entity is written like `User:ann`, not `plan`"),
        (["who", *READ, "--resource", ":x"], "an entity is written like `User:ann`, not `:x`"),
        (["who", *READ, "--resource", "Document:"], 'resource: `Document ""` is not in the store'),
        (["who", *READ, "--resource", "Document:a:b"], 'resource: `Document "a:b"` is not in the store'),
        (["who", *READ, "--resource", "Docment:x"], "there is no entity type `Docment`; did you mean `Document`?"),
        (["who", *PLAN, "--action", "reed"], "there is no action `reed`; did you mean `read`?"),
        (["who", *PLAN, *READ, "--subject-type", "Document"], "subject.type: the type is `User` here, not `Document`"),
        (["who", *PLAN, *READ, "--context", "{"], "invalid value for '--context'"),
        (["who", *PLAN, *READ, "--context", '{"a": "\udcff"}'], "'--context': this is not UTF-8"),
        (["who", *PLAN, "--action", "\udcff"], "'--action': this is not UTF-8"),
        (["who", *READ, "--resource", "Document:\udcff"], "'--resource': this is not UTF-8"),
        (["who", *PLAN, *READ, "--context", "null"], "there is no null: leave it out"),
        (["who", *PLAN, *READ, "--context", "[]"], "context: expected an object, got a list"),
        (["who", *PLAN, *READ, "--context", '{"a": 1}'], "context.a"),
        (["who", *PLAN, *READ, "--now", "soon"], "invalid value for '--now'"),
        (["who", *PLAN, *READ, "--limit", "0"], "invalid value for '--limit'"),
        (["who", *PLAN, *READ, "--token", "x"], "token: this is no token of a page [PE560]"),
        (["who", *PLAN, *READ, "--entities", "missing"], "`missing`: no such file"),
        (["who", *PLAN, *READ, "--entities", "shop/request.json"], "expected a list of entities"),
        (["what", *ANN], "give either `--action` or `--resource`"),
        (["what", *ANN, *READ, *PLAN], "give either `--action` or `--resource`"),
        (["what", *READ], "missing option '--subject'"),
        (["what", *ANN, *PLAN, "--limit", "3"], "`--resource-type`, `--limit` and `--token` are for `--action`"),
        (["what", "--subject", "User:zoe", *READ], 'subject: `User "zoe"` is not in the store'),
        (["what", *ANN, "--resource", "Document:no"], 'resource: `Document "no"` is not in the store'),
    ],
)  # fmt: skip
def test_misuse_is_one_line(fails, shop: Path, all_: Path, arguments: list[str], line: str):
    more = [] if "--entities" in arguments else ["--entities", str(all_)]
    assert line in fails(arguments[0], shop, *arguments[1:], *more)


def test_several_things_that_do_not_fit_have_a_line_each(run, shop: Path, all_: Path):
    asked = "who", shop, "--entities", all_, "--resource", "Document:no", "--action", "read"
    done = run(*asked, "--context", '{"a": 1}')
    assert done.code == 2
    first, *others = done.err.splitlines()
    assert first == "policyengine: the request does not fit the policies:"
    assert [other.split(":")[0] for other in others] == ["  context.a", "  resource"]
    twice = run(*asked, "--context", '{"a": 1, "a": 2}').err
    assert "\n  context.a: this name stands twice in one object" in twice


def test_a_token_of_another_question_is_refused(run, fails, shop: Path, all_: Path):
    asked = "what", shop, "--entities", all_, *READ, "--limit", 1, "--subject"
    token = run(*asked, "User:bob", "--format", "json").json["page"]["next_token"]
    assert token
    assert "PE561" in fails(*asked, "User:ann", "--token", token)
