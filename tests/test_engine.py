"""Embeds the engine as an integrator would: load, build, decide, explain, fulfil."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any
from unittest import mock

import pytest
from msgspec.structs import replace

from policyengine import InvalidPolicy, InvalidRequest, PolicyEngine, UnhandledObligation
from policyengine.compiler import link
from policyengine.explain import explain
from policyengine.model.sealed import altered

POLICY = """\
package docs
levels Clearance = public < internal < secret
entity Folder
entity User { clearance: Clearance, phone?: private string, boss?: User }
entity Document in Folder { owner: User, minimum: Clearance, body?: string, seen: datetime }
action read, edit by User on Document with { purpose: string, from_office?: bool }
obligation log(who: User, why: string)
gate standing "whether the user may work at all"
field gate view "what may be seen"

gate standing {
    permit cleared: any
        when subject.clearance >= resource.minimum
        waivable
        otherwise "{subject} is cleared for {subject.clearance} only"
        cites "handbook 3"
    forbid stolen: any
        when resource.owner == User "thief"
        because "{resource} was stolen"
        refer "security"
    forbid late: edit
        until 2020-01-01
    advisory forbid home: any
        unless context has from_office and context.from_office
}
gate view {
    permit owner: any
        when resource.owner == subject or (subject has boss and subject.boss == resource.owner)
        fields all
        oblige log(subject, context.purpose)
    expose fresh: read
        when now - resource.seen < 1d and not (subject has phone and subject.phone == "x")
        fields body
}
waiver ann_reads of standing.cleared for User "ann" until 2030-01-01 ticket "T" approved_by "board"
"""
NOW = "2026-11-23"
ANN = {"type": "User", "id": "ann", "properties": {"clearance": "public"}}
PLAN = {
    "type": "Document",
    "id": "plan",
    "properties": {
        "owner": {"type": "User", "id": "ann"}, "minimum": "internal", "seen": "2026-11-22T12:00:00Z",
    },
}  # fmt: skip
CONTEXT = {"purpose": "work"}


@pytest.fixture(scope="module")
def engine():
    return PolicyEngine.from_text(POLICY)


def test_plain_dicts_are_decided(engine):
    decision = engine.decide(ANN, "read", PLAN, CONTEXT, now=NOW)

    assert decision.allowed
    assert decision.waivers == ("ann_reads",)
    assert decision.exposed == {"id", "owner", "minimum", "body", "seen"}
    assert [str(o) for o in decision.obligations] == ['log(User "ann", work)']
    assert [(a.rule, a.outcome) for a in decision.advisories] == [("standing.home", "satisfied")]
    assert decision.valid_until == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert decision.policy_digest == engine.digest


def test_built_parts_decide_alike(engine):
    ann = engine.entity("User", "ann", clearance="public")
    plan = engine.entity(
        "Document", "plan", {"owner": ann}, minimum="internal",
        seen=datetime(2026, 11, 22, 12, tzinfo=UTC),
    )  # fmt: skip
    context = engine.context("read", purpose="work")

    built = engine.decide(ann, "read", plan, context, now=datetime(2026, 11, 23, tzinfo=UTC))
    plain = engine.decide(ANN, "read", PLAN, CONTEXT, now=NOW)

    assert built.outcome == plain.outcome
    assert built.reason == plain.reason


def test_a_store_gives_what_a_request_names():
    store = PolicyEngine.from_text(POLICY).store([ANN, PLAN])
    engine = PolicyEngine.from_text(POLICY, store=store)
    bare = {"type": "User", "id": "ann"}, "read", {"type": "Document", "id": "plan"}, CONTEXT
    text = json.dumps([ANN, PLAN])

    assert engine.decide(*bare, now=NOW).allowed
    assert PolicyEngine.from_text(POLICY).decide(*bare, now=NOW, entities=store).allowed
    assert len(engine.store(text)) == 2
    with pytest.raises(InvalidRequest, match="must be given"):
        PolicyEngine.from_text(POLICY).decide(*bare, now=NOW)


def test_the_store_of_one_call_stands_beside_the_entities_of_the_document(engine):
    request = {
        "subject": {"type": "User", "id": "ann"}, "action": {"name": "read"},
        "resource": {"type": "Document", "id": "plan"}, "context": CONTEXT, "entities": [PLAN],
        "now": NOW,
    }  # fmt: skip

    answer = json.loads(
        engine.decide_json(json.dumps(request), accept_now=True, entities=engine.store([ANN]))
    )

    assert answer["decision"] is True


def test_a_request_that_does_not_fit_raises_with_every_problem(engine):
    with pytest.raises(InvalidRequest) as caught:
        engine.decide({**ANN, "properties": {"clearance": 1}}, "read", PLAN, {}, now=NOW)

    assert {p.path for p in caught.value.problems} == {
        "subject.properties.clearance",
        "context.purpose",
    }


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (b"{", "JSON"),
        (b"[]", ""),
        (b'{"subject": {"type": "User", "id": "ann"}}', "action"),
        (b'{"now": "2020-01-01"}', "now"),
    ],
)
def test_json_that_is_no_request_is_refused_and_never_raises(engine, document, part):
    answer = json.loads(engine.decide_json(document))

    assert answer["decision"] is False
    assert answer["context"]["cause"] == "invalid_request"
    assert part in json.dumps(answer["context"]["problems"])


def test_unknown_keys_of_the_envelope_are_ignored_and_told(engine):
    request = {
        "subject": ANN, "action": {"name": "read"}, "resource": PLAN, "context": CONTEXT,
        "feilds": ["body"],
    }  # fmt: skip

    answer = json.loads(engine.decide_json(json.dumps(request)))

    assert answer["context"]["ignored"] == ["feilds"]
    assert answer["decision"] is True


def test_what_is_not_given_without_now_is_decided_at_the_clock(engine):
    assert engine.decide(ANN, "read", PLAN, CONTEXT).exposed == {
        "id",
        "owner",
        "minimum",
        "body",
        "seen",
    }


def test_a_policy_with_mistakes_does_not_load(tmp_path):
    with pytest.raises(InvalidPolicy, match=r"PE201.*nothing") as caught:
        PolicyEngine.from_text("package p\nentity U\naction a by U on U\npermit p: a when nothing")

    assert [d.code for d in caught.value.diagnostics.errors] == ["PE201"]
    with pytest.raises(InvalidPolicy, match="PE131"):
        PolicyEngine.load(tmp_path)


def test_a_folder_is_loaded(tmp_path):
    (tmp_path / "p.policy").write_text(POLICY)

    assert PolicyEngine.load(tmp_path).digest == PolicyEngine.from_text(POLICY).digest


def test_obligations_are_handled_or_the_set_does_not_load():
    done = []
    handlers = {"log": lambda who, why: done.append((who, why))}

    with pytest.raises(UnhandledObligation, match="log"):
        PolicyEngine.from_text(POLICY, obligations=())
    assert PolicyEngine.from_text(POLICY, obligations=["log"]).schema.obligations
    engine = PolicyEngine.from_text(POLICY, obligations=handlers)
    engine.fulfil(engine.decide(ANN, "read", PLAN, CONTEXT, now=NOW))
    assert done == [({"type": "User", "id": "ann"}, "work")]


def test_threads_share_an_engine():
    engine = PolicyEngine.from_text(POLICY)

    def decide(number):
        minimum = ("public", "secret")[number % 2]
        subject = {**ANN, "id": "bob"}
        plan = {**PLAN, "properties": {**PLAN["properties"], "minimum": minimum}}
        decision = engine.decide(subject, ("read", "edit")[number // 2 % 2], plan, CONTEXT, now=NOW)
        return decision.gates["standing"], decision.reason

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(decide, range(400)))

    assert answers == [decide(number % 4) for number in range(400)]
    assert {opened for opened, _ in answers} == {True, False}


def test_what_is_warmed_is_not_compiled_by_the_first_request(monkeypatch):
    engine = PolicyEngine.from_text(
        "package warmed\nentity U { n: int }\nentity D\nentity F\n"
        "action read by U on D, F\naction write by U on D\npermit p: any when subject.n > 3\n"
    )
    made: list[str] = []
    compile_target = link.compile_target
    monkeypatch.setattr(link, "compile_target", lambda c, t: made.append(t) or compile_target(c, t))
    engine.warm("write")
    assert made == [("write", "U", "D")]
    with pytest.raises(ValueError, match="there is no action `wriet`"):
        engine.warm("read", "wriet")
    engine.warm(reasons=True)
    assert made[1:] == [("read", "U", "D"), ("read", "U", "F")]
    user = {"type": "U", "id": "u", "properties": {"n": 3}}
    with (
        mock.patch("policyengine.compiler.target_compiler.generate_rule_functions") as telling,
        mock.patch("policyengine.compiler.target_compiler.generate_conditions") as finding,
        mock.patch("policyengine.compiler.target_compiler.generate_grounds") as grounding,
    ):
        assert engine.decide(user, "read", {"type": "F", "id": "f"}).reason
        telling.assert_not_called()
        finding.assert_not_called()
        grounding.assert_not_called()
    assert len(made) == 3


def test_explain_tells_gate_by_gate_what_decided(engine):
    subject = {"type": "User", "id": "bob", "properties": {"clearance": "public", "phone": "y"}}
    explanation = engine.explain(subject, "read", PLAN, CONTEXT, now=NOW)
    text = "\n".join(explanation.lines("auditor"))

    assert text.startswith("deny (not_permitted): ")
    assert "gate standing: shut — whether the user may work at all" in text
    assert "✗ subject.clearance >= resource.minimum" in text
    assert "subject.clearance = public" in text
    assert "cites handbook 3" in text
    assert 'subject.phone = "y"' in text
    assert "advisory forbid standing.home" in text
    assert explanation.to_json("auditor")["gates"][0]["rules"][0]["state"] == "not satisfied"
    assert json.dumps(explanation.to_json("auditor"))


def test_explain_tells_of_waivers_dates_and_conditions_not_reached(engine):
    text = "\n".join(engine.explain(ANN, "edit", PLAN, CONTEXT, now=NOW).lines("auditor"))

    assert "permit standing.cleared (text 1:12): waived" in text
    assert "waived by ann_reads" in text
    assert "forbid standing.late (text 1:21): not in force" in text
    assert "valid until 2030-01-01T00:00:00Z" in text
    denied = "\n".join(
        engine.explain({**ANN, "id": "bob"}, "read", PLAN, CONTEXT, now=NOW).lines("auditor")
    )
    assert "resource.owner == subject or" in denied


def test_explain_tells_of_a_gate_without_rules():
    engine = PolicyEngine.from_text(
        'package p\nentity U\naction a by U on U\ngate one "?"\ngate two "?"\ngate one { permit p: a }'
    )
    text = "\n".join(
        engine.explain({"type": "U", "id": "u"}, "a", {"type": "U", "id": "v"}).lines("auditor")
    )

    assert "gate two: shut — ?\n  no rule covers the request" in text


def test_explain_tells_of_a_rule_that_failed(engine):
    """Past validation nothing can be wrong; if it is all the same, it is shown and not raised."""
    request = engine._intake.validator.validate_parts(
        subject=ANN, action="read", resource=PLAN, context=CONTEXT, now=NOW
    )
    plan = altered(request.resource, v_minimum="not a level")
    bob = altered(request.subject, id="bob")  # who does not own it
    entities = {**request.entities, plan.key_: plan, bob.key_: bob}
    spoilt = replace(request, subject=bob, resource=plan, entities=entities)
    text = "\n".join(explain(engine._checked(), spoilt).lines("auditor"))

    assert "permit standing.cleared (text 1:12): failed" in text
    assert "· subject.clearance >= resource.minimum" in text


@pytest.mark.parametrize(
    "module", ["policyengine", "policyengine.engine", "policyengine.runtime.program"]
)
def test_deciding_needs_no_parser(module):
    code = f"import sys, {module}; sys.exit('lark' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_built_parts_may_carry_what_they_refer_to():
    """Nothing is read twice, and whatever does not fit together is refused all the same."""
    engine = PolicyEngine.from_text(
        "package p\nentity Team { open: bool }\nentity User { team: Team, boss?: User }\n"
        "entity Doc { owner: User, at: {team: Team} }\naction read by User on Doc with { by?: User }\n"
        "permit open: read when resource.owner.team.open and subject.team.open\n"
        "permit own: read when context has by and context.by.team == subject.team\n"
        "permit boss: read when subject has boss and subject.boss.team.open\n"
        "permit where: read when resource.at.team.open\n"
    )
    red = engine.entity("Team", "red", open=True)
    blue = engine.entity("Team", "blue", open=False)
    ann = engine.entity("User", "ann", team=red)
    bob = engine.entity("User", "bob", team=blue)
    doc = engine.entity("Doc", "d", owner=ann, at={"team": blue})
    none = engine.context("read")
    engine.decide(ann, "read", doc, none)  # plans are made by the first request

    assert engine.decide(ann, "read", doc, none).rules == ("access.open",)
    assert not engine.decide(bob, "read", doc, none).allowed
    assert engine.decide(bob, "read", doc, engine.context("read", by=bob)).allowed
    assert engine.decide(
        engine.entity("User", "cat", team=blue, boss=ann), "read", doc, none
    ).allowed
    assert engine.decide(
        bob, "read", engine.entity("Doc", "d", owner=bob, at={"team": red}), none
    ).rules == ("access.where",)  # fmt: skip
    stranger = engine.entity("Doc", "d", owner={"type": "User", "id": "ann"}, at={"team": red})
    eve = engine.entity("User", "eve", team=engine.entity("Team", "red", open=False))
    with pytest.raises(InvalidRequest, match='User "ann"'):
        engine.decide(bob, "read", stranger, none)
    with pytest.raises(InvalidRequest, match="an entity is given twice"):  # it may be private
        engine.decide(eve, "read", doc, none)
    with pytest.raises(InvalidRequest):
        engine.decide(engine.entity("User", "fay"), "read", doc, none)


def test_what_a_call_is_given_is_computed_once():
    """A parameter that is used twice, in calls inside calls, would else double the work each time."""
    calls = "twice(" * 28 + "subject.n" + ")" * 28
    engine = PolicyEngine.from_text(
        "package p\nentity U { n: bool }\naction a by U on U\n"
        "define twice(b: bool) = b == b\n"
        f"permit p: a when {calls}\n"
    )
    user = {"type": "U", "id": "u", "properties": {"n": False}}

    assert engine.decide(user, "a", user).allowed
    assert engine.explain(user, "a", user).outcome.allowed


@pytest.mark.parametrize("more", ["", " { colour?: string }"])
def test_a_long_line_of_ancestors_survives_a_changed_policy(more: str):
    text = """package p
        entity Folder in Folder{more}
        entity Item in Folder
        entity App
        action read by App on Item
        permit below: read when resource within Folder "f0"
    """
    old = PolicyEngine.from_text(text.replace("{more}", ""))
    above: list[object] = []
    for depth in range(40):  # each carries all those above it
        above = [old.entity("Folder", f"f{depth}", parents=above)]
    item = old.entity("Item", "i", parents=above)
    new = PolicyEngine.from_text(text.replace("{more}", more))
    assert new.decide(new.entity("App", "a"), "read", item).allowed
    assert new.decide(
        new.entity("App", "a"), "read", new.entity("Item", "j", parents=above)
    ).allowed


WITHIN = """
package p
entity Team
entity User in Team { level: int }
entity Doc in Team { open: bool }
action read, look by User on Doc with { why?: string }
permit staff: read when subject.level > 3 or subject within Team "staff" or resource within Team "staff"
permit seen: look when subject.level > 3
advisory permit trial: look when subject within Team "staff"
"""


def test_where_ancestors_are_asked_for_they_must_be_known_at_the_door():
    engine = PolicyEngine.from_text(WITHIN)
    team = {"type": "Team", "id": "staff"}
    store = engine.store(
        [
            {**team, "parents": []},
            {"type": "User", "id": "u", "properties": {"level": 1}, "parents": [team]},
            {"type": "Doc", "id": "d", "properties": {"open": True}, "parents": [team]},
        ]
    )
    placed, placed_doc = store["User", "u"], store["Doc", "d"]
    alone, untold = (engine.entity("User", "v", level=5, parents=p) for p in ([], None))
    low = engine.entity("User", "w", level=1, parents=[])
    doc, untold_doc = (engine.entity("Doc", "e", open=True, parents=p) for p in ([], None))
    context = engine.context("read")
    as_dict = {"type": "User", "id": "x", "properties": {"level": 5}}
    allowed: list[Any] = [
        (placed, doc), (alone, doc), (low, placed_doc), ({**as_dict, "parents": []}, doc),
        (alone, {"type": "Doc", "id": "f", "properties": {"open": True}, "parents": []}),
    ]  # fmt: skip
    refused: list[Any] = [
        (untold, doc), (alone, untold_doc), (as_dict, doc),
        (alone, {"type": "Doc", "id": "f", "properties": {"open": True}}),
    ]  # fmt: skip
    for given in (context, {}, None, context):
        for subject, resource in allowed:
            decision = engine.decide(subject, "read", resource, given)
            assert decision.allowed
            assert decision.rules == ("access.staff",)
            assert engine.bind(subject).decide("read", resource, given).allowed
        assert not engine.decide(low, "read", doc, given).allowed
        for subject, resource in refused:
            bound = engine.bind(subject)
            for ask in (partial(engine.decide, subject), bound.decide, bound.decide):
                with pytest.raises(InvalidRequest, match="PE509"):
                    ask("read", resource, given)
        bound = engine.bind(alone)
        for _ in range(2):
            assert bound.decide("read", doc, given).allowed
            with pytest.raises(InvalidRequest, match="PE509"):
                bound.decide("read", untold_doc, given)


def test_what_a_rule_on_trial_asks_of_ancestors_is_told_alike_at_the_door():
    engine = PolicyEngine.from_text(WITHIN)
    team = {"type": "Team", "id": "staff"}
    told = {"type": "User", "id": "u", "properties": {"level": 5}, "parents": [team]}
    placed = engine.store([{**team, "parents": []}, told])["User", "u"]
    doc = engine.entity("Doc", "d", open=True, parents=[])
    bare = {"type": "User", "id": "v", "properties": {"level": 5}}
    for subject, outcome in (
        (placed, "satisfied"),
        ({**bare, "parents": []}, "not_satisfied"),
        (bare, "unknown"),
        (engine.entity("User", "v", level=5, parents=[]), "not_satisfied"),
        (engine.entity("User", "v", level=5), "unknown"),
    ):
        for _ in range(3):
            for decision in (
                engine.decide(subject, "look", doc),
                engine.bind(subject).decide("look", doc),
            ):
                assert [advisory.outcome for advisory in decision.advisories] == [outcome]


def test_loading_nothing_says_what_to_give():
    with pytest.raises(InvalidPolicy, match="nothing to load: give a file or a folder"):
        PolicyEngine.load()
    with pytest.raises(InvalidPolicy, match="nothing to load: give the text of a policy file"):
        PolicyEngine.from_text()


class Person:
    """A class that no engine knows."""


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda engine: engine.warm("raed"), "read"),
        (lambda engine: engine.partial(action="raed"), "read"),
        (lambda engine: engine.register(Person, "Usre"), "User"),
        (lambda engine: engine.register(Person, "User", phnoe="x"), "phone"),
    ],
)
def test_a_misspelt_name_comes_with_the_one_that_was_meant(ask, meant):
    with pytest.raises(ValueError, match=f"; did you mean `{meant}`"):
        ask(PolicyEngine.from_text(POLICY))


def test_a_reference_is_no_description():
    engine = PolicyEngine.from_text(POLICY)
    user = {"type": "User", "id": "ann", "properties": {"clearance": "secret"}}
    with pytest.raises(InvalidRequest) as refusal:
        engine.entity("Document", "plan", owner=user)
    [problem] = refusal.value.problems
    assert str(problem) == (
        "properties.owner.properties: a reference has no `properties`: give those of the entity in"
        " `entities` or in a store [PE520]"
    )
