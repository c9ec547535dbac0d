"""AuthZEN: one request, parsed or not, and batches with their defaults and semantics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from policyengine import InvalidRequest, Limits, PolicyEngine

POLICY = """\
package files
entity Clerk { standing: bool }
entity File { sealed: bool, owner?: Clerk }
obligation stamp(times: int)
action view, archive by Clerk on File with { method?: string, time?: datetime, note?: string }
action purge by Clerk on File with { method: string }
gate access "?"
gate access {
    permit reader: view when not resource.sealed
    permit good: archive when subject.standing oblige stamp(2), stamp(3)
    permit get: purge when context.method == "GET"
    forbid not_x: view, archive when resource.sealed and context has note and context.note == "x"
}
"""
ENGINE = PolicyEngine.from_text(POLICY)
CLERK = {"type": "Clerk", "id": "c-17", "properties": {"standing": True}}
FILE = {"type": "File", "id": "f-9", "properties": {"sealed": False}}
SEALED = {"type": "File", "id": "f-1", "properties": {"sealed": True}}
VIEW = {"subject": CLERK, "action": {"name": "view"}, "resource": FILE}


def asked(document: Any, **options: Any) -> Any:
    """Ask in every form; all answer alike."""
    text = json.dumps(document)
    answer = ENGINE.decide_json(text, **options)
    for form in (text.encode(), bytearray(text.encode()), document, json.loads(text)):
        assert ENGINE.decide_request(form, **options).to_bytes() == answer
    return json.loads(answer)


def problems(answer: Any) -> list[tuple[str, str]]:
    return [(problem["code"], problem["path"]) for problem in answer["context"]["problems"]]


def batch(document: Any, **options: Any) -> Any:
    """Ask a batch in every form; all answer alike."""
    text = json.dumps(document)
    evaluations = ENGINE.evaluations(text, **options)
    answer = evaluations.to_bytes()
    assert answer == msgspec.json.encode(evaluations.to_json())
    for form in (text.encode(), document):
        assert ENGINE.evaluations(form, **options).to_bytes() == answer
    return json.loads(answer)


def verdicts(answer: Any) -> list[bool]:
    return [one["decision"] for one in answer["evaluations"]]


# ---- one request ------------------------------------------------------------------------


def test_a_request_that_was_parsed_is_decided_as_its_text():
    assert asked(VIEW)["decision"] is True
    assert asked({**VIEW, "resource": SEALED})["context"]["cause"] == "not_permitted"
    assert problems(asked({"subject": CLERK})) == [("PE521", "action"), ("PE521", "resource")]
    assert ENGINE.decide_request("[1]").problems[0].code == "PE505"
    assert asked({**VIEW, "feilds": []})["context"]["ignored"] == ["feilds"]


@pytest.mark.parametrize(
    "data", [None, 3, 1.5, object(), memoryview(b"{}"), b"\xff", "{", "[]", "", b"{}", set()]
)
def test_nothing_raises_for_what_a_request_says(data):
    decision = ENGINE.decide_request(data)
    assert (decision.allowed, decision.cause, bool(decision.problems)) == (
        False,
        "invalid_request",
        True,
    )
    assert ENGINE.decide_json(data) == decision.to_bytes()
    whole = ENGINE.evaluations(data)
    assert [one.allowed for one in whole.decisions] == [False]
    assert whole.problems


def test_entities_are_given_beside_those_of_the_request():
    owned = {**FILE, "properties": {"sealed": False, "owner": {"type": "Clerk", "id": "d"}}}
    other = {"type": "Clerk", "id": "d", "properties": {"standing": True}}
    own = {"type": "Clerk", "id": "e", "properties": {"standing": True}}
    for given in ([other], iter([other]), ENGINE.store([other, CLERK, owned])):
        assert json.loads(
            ENGINE.decide_json(json.dumps({**VIEW, "resource": owned}), entities=given)
        )["decision"]
    contradicting = {**other, "properties": {"standing": False}}
    answer = asked({**VIEW, "entities": [own, contradicting]}, entities=[other])
    assert [code for code, _ in problems(answer)] == ["PE510"]
    assert verdicts(
        batch({"evaluations": [{**VIEW, "resource": owned}] * 2}, entities=[other])
    ) == [True, True]


def test_properties_of_the_action_are_parts_of_the_context():
    purge = {**VIEW, "action": {"name": "purge", "properties": {"method": "GET"}}}
    assert asked(purge)["decision"] is True
    assert asked({**purge, "context": {}})["decision"] is True
    assert asked({**VIEW, "action": {"name": "view", "properties": {}}})["decision"] is True
    archive = {"name": "archive", "properties": {"method": "GET"}}
    assert asked({**VIEW, "action": archive, "context": {"time": "2026-11-29T10:00:00Z"}})[
        "decision"
    ]
    assert problems(asked({**purge, "context": {"method": "PUT"}})) == [("PE532", "context.method")]
    for wrong in ([], "x", None, 3):
        refused = asked({**VIEW, "action": {"name": "view", "properties": wrong}})
        assert problems(refused) == [("PE505", "action.properties")]
    undeclared = asked({**VIEW, "action": {"name": "view", "properties": {"colour": "red"}}})
    assert problems(undeclared) == [("PE504", "context.colour")]
    twice = '{"name": "view", "properties": {"method": "GET", "method": "PUT"}}'
    text = json.dumps({**VIEW, "action": "?"}).replace('"?"', twice)
    assert [p.path for p in ENGINE.decide_request(text).problems] == ["action.properties"]


def test_a_batch_is_no_single_request():
    for more in ([{}], [{"action": {"name": "nonsense"}}], {}, None, 3):
        assert problems(asked({**VIEW, "evaluations": more})) == [("PE531", "evaluations")]
    assert problems(asked({"evaluations": [VIEW], "options": {}})) == [("PE531", "evaluations")]
    assert asked({**VIEW, "evaluations": []})["decision"] is True


def test_obligations_have_the_shape_of_the_profile_and_ours():
    owed = asked({**VIEW, "action": {"name": "archive"}})["context"]["obligations"]
    assert [one["id"] for one in owed] == ["1", "2"]
    for one, times in zip(owed, (2, 3), strict=True):
        ours = {"name": "stamp", "parameters": {"times": times}}
        assert one == {"id": one["id"], "type": "custom", "properties": ours, **ours}


# ---- batches ----------------------------------------------------------------------------


def test_parts_at_the_top_stand_for_those_that_requests_lack():
    answer = batch(
        {**VIEW, "evaluations": [{}, {"resource": SEALED}, {"action": {"name": "archive"}}]}
    )
    assert list(answer) == ["evaluations"]
    assert verdicts(answer) == [True, False, True]
    context = {"note": "x"}
    items = [{}, {"context": {}}, {"context": {"method": "GET"}}]
    answer = batch(
        {
            **VIEW,
            "action": {"name": "archive"},
            "resource": SEALED,
            "context": context,
            "evaluations": items,
        }
    )
    assert verdicts(answer) == [False, True, True]  # replaced whole, and not merged
    half = batch({**VIEW, "evaluations": [{"subject": {"id": "c-18"}}]})
    assert problems(half["evaluations"][0]) == [("PE521", "subject")]
    assert half["evaluations"][0]["context"]["error"]["status"] == 400


def test_a_batch_without_requests_is_one_request():
    for document in (VIEW, {**VIEW, "evaluations": []}, {**VIEW, "options": {"x": 1}}):
        answer = batch(document)
        assert answer["decision"] is True
        assert "evaluations" not in answer
    assert problems(batch({"subject": CLERK, "evaluations": []}))[0] == ("PE521", "action")
    assert ENGINE.evaluations({"subject": CLERK}).problems


BAD = {"action": {"name": "nonsense"}}
SHUT = {"resource": SEALED}


@pytest.mark.parametrize(
    ("semantic", "items", "expected"),
    [
        (None, [{}, SHUT, {}], [True, False, True]),
        ("execute_all", [{}, SHUT, BAD, {}], [True, False, False, True]),
        ("deny_on_first_deny", [{}, SHUT, {}], [True, False]),
        ("deny_on_first_deny", [{}, BAD, {}], [True, False]),
        ("deny_on_first_deny", [{}, {}], [True, True]),
        ("permit_on_first_permit", [SHUT, BAD, {}, {}], [False, False, True]),
        ("permit_on_first_permit", [SHUT, BAD], [False, False]),
    ],
)
def test_a_batch_ends_where_its_semantic_does(semantic, items, expected):
    options = (
        {} if semantic is None else {"options": {"evaluations_semantic": semantic, "other": 1}}
    )
    assert verdicts(batch({**VIEW, **options, "evaluations": items})) == expected


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"evaluations": {}}, "PE505", "evaluations"),
        ({"evaluations": None}, "PE505", "evaluations"),
        ({"evaluations": [{}, 3]}, "PE505", "evaluations[1]"),
        ({"evaluations": [{}, None]}, "PE505", "evaluations[1]"),
        ({"evaluations": [{}] * 1_001}, "PE514", "evaluations"),
        ({"evaluations": [{}], "options": []}, "PE505", "options"),
        (
            {"evaluations": [{}], "options": {"evaluations_semantic": "all"}},
            "PE505",
            "options.evaluations_semantic",
        ),
        (
            {"evaluations": [{}], "options": {"evaluations_semantic": None}},
            "PE505",
            "options.evaluations_semantic",
        ),
        (
            {"evaluations": [{}], "options": {"evaluations_semantic": ["execute_all"]}},
            "PE505",
            "options.evaluations_semantic",
        ),
        ({"evaluations": [VIEW], "subject": 3}, "PE505", "subject"),
        ({"evaluations": [VIEW], "context": None}, "PE505", "context"),
    ],
)
def test_what_is_wrong_with_a_batch_refuses_all_of_it(more, code, path):
    answer = batch({**VIEW, **more})
    assert (answer["decision"], problems(answer)) == (False, [(code, path)])
    assert "evaluations" not in answer


MALFORMED = [
    "", "[]", "{", '"x"', b"\xff", {**VIEW, "subject": "c-17"}, {**VIEW, "subject": {"id": "c-17"}},
    {**VIEW, "subject": {**CLERK, "id": 17}}, {**VIEW, "subject": {**CLERK, "properties": []}},
    {**VIEW, "context": None}, {**VIEW, "context": []}, {**VIEW, "action": {}}, {**VIEW, "action": "view"},
    {**VIEW, "action": {"name": "view", "properties": 3}}, {**VIEW, "evaluations": [{}]}, {**VIEW, "evaluations": 3},
    {"subject": CLERK, "action": {"name": "view"}}, json.dumps(VIEW)[:-1] + ', "subject": {}}', {**VIEW, "fields": "x"},
]  # fmt: skip
FITS_NO_POLICY = [
    {**VIEW, "subject": {**CLERK, "type": "Klerk"}}, {**VIEW, "action": {"name": "shred"}},
    {**VIEW, "context": {"method": 3}}, {**VIEW, "context": {"mehtod": "GET"}}, {**VIEW, "now": "2020-01-01"},
    {**VIEW, "subject": {**CLERK, "properties": {"standing": None}}}, {**VIEW, "subject": {**CLERK, "more": 1}},
    {**VIEW, "subject": {**CLERK, "properties": {"standing": [1.5]}}}, {**VIEW, "resource": {"type": "File", "id": "f-9"}},
]  # fmt: skip


def test_what_is_no_request_is_told_from_what_fits_no_policy():
    for document in MALFORMED:
        assert any(p.is_malformed for p in ENGINE.decide_request(document).problems), document
    for document in FITS_NO_POLICY:
        problems = ENGINE.decide_request(document).problems
        assert problems, document
        assert not any(p.is_malformed for p in problems), document
    for more in (
        {"evaluations": [3]},
        {"evaluations": 3},
        {"evaluations": [VIEW], "options": {"evaluations_semantic": "x"}},
    ):
        assert all(p.is_malformed for p in ENGINE.evaluations(more).problems), more
    refusal = ENGINE.evaluations({"evaluations": [VIEW], "options": 3}).problems[0]
    assert refusal.message == "expected an object, got the int `3`"


def test_names_that_stand_twice_refuse_what_they_are_in():
    view = json.dumps(VIEW)[1:-1]
    whole = ENGINE.evaluations(f'{{{view}, "evaluations": [{{}}], "evaluations": []}}')
    assert [(p.code, p.path) for p in whole.problems] == [("PE518", "evaluations")]
    one = ENGINE.evaluations(f'{{"evaluations": [{{{view}, "resource": {{}}}}, {{{view}}}]}}')
    assert [one.allowed for one in one.decisions] == [False, True]
    assert [p.code for p in one.decisions[0].problems] == ["PE518"]
    semantic = '"evaluations_semantic": "execute_all"'
    text = f'{{{view}, "evaluations": [{{}}], "options": {{{semantic}, {semantic}}}}}'
    assert [p.code for p in ENGINE.evaluations(text).problems] == ["PE518"]


def test_one_moment_is_for_all_and_the_callers_own_is_refused():
    items = [{}, {"now": "2026-01-01T00:00:00Z"}]
    answer = batch({**VIEW, "evaluations": items})
    assert verdicts(answer) == [True, False]
    assert problems(answer["evaluations"][1]) == [("PE522", "now")]
    assert verdicts(batch({**VIEW, "evaluations": items}, accept_now=True)) == [True, True]
    assert verdicts(batch({**VIEW, "now": "2026-01-01", "evaluations": [{}]})) == [False]


def test_unknown_names_change_nothing_and_are_reported():
    plain = batch({**VIEW, "evaluations": [{}, SHUT]})
    odd = batch({**VIEW, "zone": 1, "evaluations": [{"trace": 2}, SHUT], "options": {"x": []}})
    assert verdicts(odd) == verdicts(plain)
    assert odd["context"] == {"ignored": ["zone"]}
    assert odd["evaluations"][0]["context"]["ignored"] == ["trace"]


def _mixed(value: Any, rng: Random, more: bool) -> Any:
    """Return a value in which members of objects are in another order and, if *more*, there are unknown ones."""
    if isinstance(value, list):
        return [_mixed(one, rng, more) for one in value]
    if not isinstance(value, dict):
        return value
    members = [(name, _mixed(one, rng, more)) for name, one in value.items()]
    if more and rng.random() < 0.7:
        unknown = rng.choice([1, None, "x", [], [{}], {"subject": {}}, True, 1.5])
        members.append((rng.choice(["trace-of-caller", "x-trace", "", "é", "$schema"]), unknown))
    rng.shuffle(members)
    return dict(members)


@pytest.mark.parametrize("more", [False, True])
def test_order_and_unknown_members_change_no_decision(more):
    """Unknown ones anywhere, for an engine that drops them; all optional attributes are given that rules read."""
    engine = PolicyEngine.from_text(POLICY, undeclared="drop" if more else "refuse")
    context = {"note": "y", "method": "GET", "time": "2026-11-29T10:00:00Z"}
    named = {"name": "archive", "properties": {"method": "GET"}}
    single = {**VIEW, "context": context}
    other = {**VIEW, "action": named, "context": {"note": "x"}, "resource": SEALED}
    options = {"evaluations_semantic": "deny_on_first_deny"}
    whole = {**single, "options": options, "evaluations": [{}, {"resource": SEALED}, {}]}
    rng = Random(5)
    for document, expected in ((single, [True]), (other, [False]), (whole, [True, False])):
        for _ in range(100):
            text = json.dumps(_mixed(document, rng, more), indent=rng.choice([None, 1]))
            found = engine.evaluations(text)
            assert [one.allowed for one in found.decisions] == expected, text
            assert not found.problems
            if document is not whole:
                assert [engine.decide_request(text).allowed] == expected, text


def test_each_test_that_the_table_names_is_there():
    page = Path("docs/authzen.md").read_text(encoding="utf-8")
    table = page.partition("## What the specification demands")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 12
    for row in rows:
        held = row.split("|")[2]
        files = re.findall(r"`(tests/[a-z_/]+\.py)`", held)
        names = re.findall(r"`(test_\w+)`", held)
        assert files or names, row
        texts = [Path(file).read_text(encoding="utf-8") for file in (__file__, *files)]
        for name in names:
            assert any(f"def {name}(" in text for text in texts), name


def test_limits_are_the_integrators():
    engine = PolicyEngine.from_text(POLICY, limits=Limits(evaluations=2))
    assert len(engine.evaluations({**VIEW, "evaluations": [{}] * 2}).decisions) == 2
    assert engine.evaluations({**VIEW, "evaluations": [{}] * 3}).problems


def test_what_requests_take_from_the_top_is_limited_for_all_together():
    # Each entity of `VIEW` is 5 values, and the action 2; an item that has a part of its own takes none.
    engine = PolicyEngine.from_text(POLICY, limits=Limits(batch_defaults=24))
    for items, fits in (
        ([{}] * 2, True),
        ([{}] * 3, False),
        ([{"subject": CLERK}] * 3, True),
        ([{"subject": CLERK}] * 4, False),
        ([VIEW] * 50, True),
    ):
        found = engine.evaluations({**VIEW, "evaluations": items})
        assert [(one.code, one.path) for one in found.problems] == [("PE514", "evaluations")] * (
            not fits
        )
        assert [one.allowed for one in found.decisions] == (
            [True] * len(items) if fits else [False]
        )


def test_a_short_batch_is_no_long_work():
    above = [{"type": "Clerk", "id": f"c{n}", "properties": {"standing": True}} for n in range(250)]
    shared: dict[str, Any] = {**VIEW, "entities": above}
    assert len(ENGINE.evaluations({**shared, "evaluations": [{}] * 300}).decisions) == 300
    found = ENGINE.evaluations({**shared, "evaluations": [{}] * 1000})
    assert [one.code for one in found.problems] == ["PE514"]
    circle: dict[str, Any] = {"type": "Clerk", "id": "c"}
    circle["properties"] = circle
    assert ENGINE.evaluations({**VIEW, "subject": circle, "evaluations": [{}]}).problems


def test_a_batch_reports_few_problems_of_what_is_wrong_with_each():
    """What is wrong at the top is wrong with all requests: a short batch would have an answer of megabytes."""
    wrong = {**CLERK, "properties": {"standing": True, **{f"x{n}": 1 for n in range(60)}}}
    found = ENGINE.evaluations({**VIEW, "subject": wrong, "evaluations": [{}] * 200})
    numbers = [len(one.problems) for one in found.decisions]
    assert numbers[:10] == [60] * 10
    assert numbers[-100:] == [1] * 100
    assert sum(numbers) < 1_500
    assert found.decisions[0].problems[:1] == found.decisions[-1].problems


def test_a_batch_suggests_names_at_the_cost_of_one_request():
    """It is one document of a stranger, however many names in it are misspelt."""
    actions = "".join(f"action action_{n:03}_do by User on Doc\n" for n in range(500))
    engine = PolicyEngine.from_text(
        f"package many entity User entity Doc\n{actions}permit everybody: any\n"
    )
    request = {"subject": {"type": "User", "id": "u"}, "resource": {"type": "Doc", "id": "d"}}
    misspelt = [{"action": {"name": f"acton_{n:03}_od"}} for n in range(200)]
    found = engine.evaluations({**request, "evaluations": misspelt})
    said = ["did you mean" in one.reason for one in found.decisions]
    assert [one.code for each in found.decisions for one in each.problems] == ["PE501"] * 200
    assert said[0]
    assert sum(said) < 20
    assert "did you mean" in engine.decide_request({**request, **misspelt[-1]}).reason


def test_a_batch_answers_as_its_requests_one_by_one():
    rng = Random(7)
    parts = {
        "subject": [CLERK, {**CLERK, "properties": {"standing": False}}, {"type": "Clerk"}, 3],
        "action": [
            {"name": "view"},
            {"name": "archive"},
            {"name": "purge", "properties": {"method": "GET"}},
            {"name": 3},
        ],
        "resource": [FILE, SEALED, {}],
        "context": [{}, {"note": "x"}, {"odd": 1}],
    }

    def some(share: float) -> dict[str, Any]:
        return {name: rng.choice(values) for name, values in parts.items() if rng.random() < share}

    tried = 0
    for _ in range(300):
        top = {name: part for name, part in some(0.6).items() if isinstance(part, dict)}
        items = [some(0.7) for _ in range(rng.randint(1, 5))]
        singles = [json.loads(ENGINE.decide_json(json.dumps({**top, **item}))) for item in items]
        answers = batch({**top, "evaluations": items})["evaluations"]
        for answer in answers:
            answer["context"].pop("error", None)
        assert answers == singles
        tried += sum(one["decision"] for one in singles)
    assert tried > 20


@pytest.mark.parametrize("given", [3, "x", {"type": "Clerk", "id": "c"}])
def test_what_is_neither_entities_nor_a_store_is_refused(given):
    decision = ENGINE.decide_request(VIEW, entities=given)
    assert [problem.path for problem in decision.problems] == ["entities"]
    (one,) = ENGINE.evaluations({"evaluations": [VIEW]}, entities=given).decisions
    assert one.problems == decision.problems


def _failing() -> Iterator[object]:
    yield CLERK
    raise RuntimeError("secret")


def test_entities_beside_a_request_are_bounded():
    for given in (repeat(CLERK), [CLERK] * (Limits().entities + 1)):
        decision = ENGINE.decide_request(VIEW, entities=given)
        assert [problem.code for problem in decision.problems] == ["PE514"]
    decision = ENGINE.decide_request(VIEW, entities=_failing())
    assert not decision.allowed
    assert "secret" not in str(decision.problems)


def test_parents_that_never_end_are_refused():
    engine = PolicyEngine.from_text(
        POLICY.replace("entity Clerk", "entity Team\nentity Clerk in Team")
    )
    with pytest.raises(InvalidRequest, match="PE514"):
        engine.entity("Clerk", "c", standing=True, parents=repeat({"type": "Team", "id": "t"}))
    with pytest.raises(InvalidRequest) as refused:
        engine.entity("Clerk", "c", standing=True, parents=_failing())
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["evaluation", "Evaluations", "evalutions", "evaluations_"])
def test_a_batch_under_a_misspelt_name_is_not_decided_as_one_request(name):
    asked = {**VIEW, name: [{"action": {"name": "nonsense"}}]}
    assert ENGINE.decide_request(VIEW).allowed
    for decision in (ENGINE.decide_request(asked), *ENGINE.evaluations(asked).decisions):
        assert not decision.allowed
        assert [(one.code, one.path) for one in decision.problems] == [("PE533", name)]
