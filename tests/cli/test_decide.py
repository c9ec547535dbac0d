"""Ask for decisions, and for why they are so."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from policyengine.cli.decide import _flat


@pytest.fixture
def request_(shop: Path) -> dict[str, Any]:
    """The request that `init` makes: bob, cleared for public, reads what ann shares with him."""
    document: dict[str, Any] = json.loads((shop / "request.json").read_bytes())
    return document


def saved(document: object, name: str = "r.json") -> str:
    Path(name).write_text(json.dumps(document), encoding="utf-8")
    return name


def allowed(request_: dict[str, Any]) -> dict[str, Any]:
    request_["subject"]["properties"]["clearance"] = "secret"
    return request_


def test_a_deny_says_why(run, shop: Path):
    done = run("decide", shop, "--request", shop / "request.json")
    assert (done.code, done.err) == (0, "")
    first, *rest = done.out.splitlines()
    assert first == "deny"
    assert rest[0].split() == ["cause", "not_permitted"]
    assert "cleared for public" in rest[1]
    assert rest[2].split(maxsplit=1) == ["rules", "access.own, access.shared"]


def test_an_allow_says_why(run, shop: Path, request_):
    done = run("decide", shop, "--request", saved(allowed(request_)))
    assert done.out.splitlines()[0] == "allow"
    assert "is shared with" in done.out


def test_the_answer_as_json_is_that_of_the_engine(run, shop: Path, request_):
    from policyengine import PolicyEngine

    done = run("decide", shop, "-r", saved(request_), "--format", "json")
    assert done.json == json.loads(PolicyEngine.load(shop).decide_json(json.dumps(request_)))
    assert done.out.count("\n") == 1


def test_the_exit_code_tells_only_if_asked(run, shop: Path, request_):
    deny, allow = saved(request_), saved(allowed(request_), "allow.json")
    assert run("decide", shop, "-r", deny).code == 0
    assert run("decide", shop, "-r", deny, "--exit-code").code == 1
    assert run("decide", shop, "-r", allow, "--exit-code").code == 0
    assert run("decide", shop, "-r", allow, "-r", deny, "-r", allow, "--exit-code").code == 1


def test_several_requests_are_told_apart(run, shop: Path, request_):
    deny, allow = saved(request_), saved(allowed(request_), "allow.json")
    done = run("decide", shop, "-r", deny, "-r", allow)
    assert [line for line in done.out.splitlines() if not line.startswith(" ")] == [
        "deny  r.json", "", "allow  allow.json",
    ]  # fmt: skip
    lines = run("decide", shop, "-r", deny, "-r", allow, "--format", "json").out.splitlines()
    assert [json.loads(line)["decision"] for line in lines] == [False, True]


def test_standard_input_is_a_request(run, shop: Path, request_, monkeypatch):
    data = io.TextIOWrapper(io.BytesIO(json.dumps(request_).encode()))
    monkeypatch.setattr(sys, "stdin", data)
    assert run("decide", shop, "-r", "-").out.startswith("deny\n")


def test_a_request_that_does_not_fit_is_a_deny_with_every_problem(run, shop: Path, request_):
    request_["subject"]["properties"] = {"clearance": "private"}
    request_["feilds"] = ["id"]
    done = run("decide", shop, "-r", saved(request_), "--exit-code")
    assert done.code == 1
    assert "invalid_request" in done.out
    assert "problem     subject.properties.clearance: " in done.out
    assert done.out.splitlines()[-1].split() == ["ignored", "feilds"]
    done = run("decide", shop, "-r", saved(request_), "--format", "json")
    assert (done.code, done.json["decision"]) == (0, False)
    assert done.json["context"]["cause"] == "invalid_request"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b"[" * 10_000 + b"]" * 10_000]
)
@pytest.mark.parametrize("command", ["decide", "explain"])
def test_what_is_no_request_is_misuse(fails, shop: Path, data: bytes, command: str):
    Path("r.json").write_bytes(data)
    if data == b'{"a": NaN}':
        return
    assert fails(command, shop, "-r", "r.json").startswith("`r.json`: ")


def test_a_request_that_is_not_there_is_misuse(fails, shop: Path):
    assert fails("decide", shop, "-r", "gone.json") == "`gone.json`: no such file or directory"
    assert fails("explain", shop, "-r", "gone.json") == "`gone.json`: no such file or directory"
    assert fails("decide", shop, "-r", ".") == "`.`: is a directory"


def test_a_policy_set_with_mistakes_decides_nothing(run, shop: Path):
    with (shop / "documents.policy").open("a") as file:
        file.write("permit x: raed\n")
    done = run("decide", shop, "-r", shop / "request.json", "--exit-code")
    assert (done.code, done.out) == (2, "")
    assert "PE205" in done.err
    last = done.err.splitlines()[-1]
    assert last == "policyengine: the policy set has 1 error, so it cannot be used"


TIMED = """\
package p
entity User
entity Doc { owner: User }
action read by User on Doc
permit later: read from 2026-01-01 when resource.owner == subject
"""


@pytest.fixture
def timed() -> Path:
    Path("p.policy").write_text(TIMED)
    return Path("p.policy")


REQUEST = {
    "subject": {"type": "User", "id": "u"},
    "action": {"name": "read"},
    "resource": {"type": "Doc", "id": "d"},
}
OWNED = [{"type": "Doc", "id": "d", "properties": {"owner": {"type": "User", "id": "u"}}}]


def test_the_time_comes_from_the_option_or_the_request(run, timed: Path):
    early = saved({**REQUEST, "entities": OWNED, "now": "2025-06-01"})
    assert run("decide", timed, "-r", early).out.startswith("deny\n")
    assert run("decide", timed, "-r", early, "--now", "2026-01-01").out.startswith("allow\n")
    explained = run("explain", timed, "-r", early, "--now", "2026-01-01", "--format", "json")
    assert explained.json["decision"] is True


def test_a_time_that_is_none_is_misuse(fails, timed: Path):
    line = fails("decide", timed, "-r", "r.json", "--now", "tomorrow")
    assert line.startswith("invalid value for '--now': a datetime is written like")


def test_entities_come_from_a_file(run, fails, timed: Path):
    known = [*OWNED, {"type": "User", "id": "u"}]
    bare, store = saved({**REQUEST, "now": "2026-06-01"}), saved(known, "store.json")
    assert "invalid_request" in run("decide", timed, "-r", bare).out
    assert run("decide", timed, "-r", bare, "--entities", store).out.startswith("allow\n")
    assert run("explain", timed, "-r", bare, "--entities", store).out.startswith("allow ")
    wrong = saved([{"type": "Dock", "id": "d"}], "wrong.json")
    assert fails("decide", timed, "-r", bare, "--entities", wrong).startswith("`wrong.json`: ")


def test_everything_of_an_answer_is_shown(run):
    Path("p.policy").write_text(
        "package p\nentity User { old: bool }\nentity Doc { text: string }\n"
        "action read by User on Doc\nobligation erase(after: duration, loudly: bool, what: Doc)\n"
        'field gate scope "what"\n'
        "gate scope {\n"
        "permit some_of_it: read when subject.old fields text, id as pseudonym oblige erase(2h, true, resource) waivable\n"
        "advisory forbid trial: read when subject.old\n"
        'forbid late: read from 2030-01-01 refer "people"\n'
        "}\n"
        'waiver ann of scope.some_of_it for User "ann" until 2027-01-01 ticket "T" approved_by "B"\n'
    )
    request = {
        "subject": {"type": "User", "id": "ann", "properties": {"old": False}},
        "action": {"name": "read"},
        "resource": {"type": "Doc", "id": "d", "properties": {"text": "x"}},
    }
    file = saved(request)
    shown = dict(
        line.split(maxsplit=1)
        for line in run("decide", ".", "-r", file, "--now", "2026-01-01").out.splitlines()[1:]
    )
    assert shown["exposed"] == "text"
    assert shown["masks"] == "id as pseudonym"
    assert shown["obligations"] == 'erase(after: 2h, loudly: true, what: Doc "d")'
    assert shown["advisories"] == "forbid scope.trial: does not apply"
    assert shown["waivers"] == "ann"
    assert shown["valid"] == "until 2027-01-01T00:00:00Z"
    denied = run("decide", ".", "-r", file, "--now", "2030-01-01").out
    assert "exposed     nothing\n" in denied
    assert "referrals   people\n" in denied


def test_a_rule_that_failed_is_shown():
    """No checked rule fails, so the answer is made up."""
    context = {"rule": "scope.own", "paths": ["subject.properties.old"], "message": "failed"}
    assert _flat([context]) == "scope.own failed"


# ---- explain ----------------------------------------------------------------------------


def test_an_explanation_has_the_values_that_decided(run, shop: Path):
    done = run("explain", shop, "-r", shop / "request.json")
    assert done.code == 0
    assert done.out.startswith("deny (not_permitted): ")
    assert "subject.clearance = public" in done.out
    assert "✗ subject.clearance >= resource.clearance" in done.out


def test_an_explanation_as_json(run, shop: Path):
    done = run("explain", shop, "-r", shop / "request.json", "--format", "json")
    assert (done.json["decision"], done.json["cause"]) == (False, "not_permitted")
    assert [rule["rule"] for rule in done.json["gates"][0]["rules"]] == [
        "access.own", "access.shared", "access.suspended",
    ]  # fmt: skip


def test_a_request_that_does_not_fit_cannot_be_explained(fails, shop: Path, request_):
    del request_["subject"]["properties"]["suspended"]
    line = fails("explain", shop, "-r", saved(request_))
    assert line.startswith("the request does not fit the policies: subject.properties.suspended")


def test_an_explanation_that_takes_too_long_is_an_error_of_one_line(fails, monkeypatch, tmp_path):
    monkeypatch.setattr("policyengine.explain.MOST_EXPLAINED", 1)
    monkeypatch.chdir(tmp_path)
    Path("many.policy").write_text(
        "package many entity User { has: set<int> } entity File"
        " action read by User on File permit small: read when every h in subject.has: h > 0"
    )
    user = {"type": "User", "id": "u", "properties": {"has": [1, 2]}}
    asked = {"subject": user, "action": {"name": "read"}, "resource": {"type": "File", "id": "f"}}
    assert "takes too long" in fails("explain", "many.policy", "-r", saved(asked))


def test_a_code_is_explained(run):
    done = run("explain", "pe205")
    assert done.code == 0
    assert done.out.startswith("PE205 unknown-action\n")
    assert "Write instead:" in done.out
    assert run("explain", "PE205", "--format", "json").json["slug"] == "unknown-action"


def test_an_unknown_code(fails):
    said = "there is no code `PE000`; each finding and each error shows its own"
    assert fails("explain", "PE000") == said
    said = "there is no code `shadowed`; did you mean `shadowed-name` or `shadowed-rule`?"
    assert fails("explain", "shadowed") == said
    said = "there is no code `shop`; a request is given with `--request`"
    assert fails("explain", "shop") == said
    said = "there is no code `shadowd-rule`; did you mean `shadowed-rule`?"
    assert fails("explain", "shadowd-rule") == said


@pytest.mark.parametrize("command", ["decide", "explain"])
def test_a_request_among_the_policies(fails, shop: Path, command: str):
    said = fails(command, shop, "request.json")
    assert said.startswith(
        "`request.json` is no policy: give a request with `--request request.json`"
    )


def test_neither_request_nor_code(fails, shop: Path):
    assert fails("explain", shop).startswith("give a request with `--request`, or a code")


def test_what_is_left_of_unknown_parts(run, shop: Path, request_):
    done = run("decide", shop, "-r", saved(request_), "--unknowns", "resource", "--format", "json")
    assert done.code == 0
    assert done.json["decision"] is None
    assert 'resource.owner == User "bob"' in done.json["condition"]
    assert "resource.owner" in done.json["reads"]
    said = run("decide", shop, "-r", saved(request_), "--unknowns", "resource")
    assert said.out.splitlines()[0] == "depends"
    assert "allowed if" in said.out


NOTES = """\
package notes

obligation tell(whom: User)

entity User { staff: bool }
entity Note { owner: User, title: string, place: string, made: datetime }
action read by User on Note

gate entry "who may read"
field gate view "what is shown"

gate entry {
    permit of_staff: read
        when subject.staff
         and now < 2027-01-01
        oblige tell(resource.owner)
}

gate view {
    permit titles: read
        fields title, made as year

    expose places: read
        when subject == resource.owner
        fields place
}
"""


def test_what_is_left_is_said_with_what_it_shows_what_is_owed_and_until_when(run):
    Path("notes.policy").write_text(NOTES)
    asked = {
        "subject": {"type": "User", "id": "ann", "properties": {"staff": True}},
        "action": {"name": "read"},
        "resource": {"type": "Note", "id": "n"},
        "now": "2026-11-01",
    }
    done = run("decide", "notes.policy", "-r", saved(asked), "--unknowns", "resource")
    assert done.out.splitlines() == [
        "allow  whatever the rest is",
        "  shows       title, made as year",
        '  shows       place if resource.owner == User "ann"',
        "  after allow tell(whom: resource.owner)",
        "  valid until 2027-01-01T00:00:00Z",
    ]
    asked["subject"]["properties"]["staff"] = False
    done = run("decide", "notes.policy", "-r", saved(asked), "--unknowns", "resource")
    assert done.out.splitlines() == ["deny  whatever the rest is"]


def test_what_is_unknown_must_be_there(run, shop: Path, request_):
    done = run("decide", shop, "-r", saved(request_), "--unknowns", "resource.color")
    assert done.code == 2
    assert "there is no `resource.color`" in done.err
    done = run("decide", shop, "-r", saved(request_), "--unknowns", "owner")
    assert done.code == 2
    assert "there is no `owner` in a request for `" in done.err
    assert "; did you mean `resource.owner`?" in done.err


def test_what_is_known_must_fit(run, shop: Path, request_):
    request_["subject"]["id"] = 3
    done = run("decide", shop, "-r", saved(request_), "--unknowns", "resource")
    assert done.code == 2
    assert "subject.id" in done.err


def test_a_request_that_does_not_fit_is_explained_as_json_as_it_is_decided(
    run, shop: Path, request_
):
    del request_["subject"]["properties"]["suspended"]
    explained = run("explain", shop, "-r", saved(request_), "--format", "json")
    decided = run("decide", shop, "-r", saved(request_), "--format", "json")
    assert explained.code == 2
    assert explained.json == decided.json
    assert explained.json["context"]["problems"][0]["path"] == "subject.properties.suspended"
