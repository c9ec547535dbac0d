"""Holds what would allow a denied request to an enumeration of all requests of a small vocabulary."""

from __future__ import annotations

import gc
from collections import Counter
from unittest import mock

from hypothesis import given

from policyengine.analysis import what_if
from policyengine.analysis.places import changed, size_of_changed
from policyengine.analysis.remedies import SearchResult, remedies, search
from policyengine.diagnostics.source import Source
from policyengine.explain import explain
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.model.values import ABSENT
from policyengine.pipeline import check_sources, compile_set
from policyengine.reference import interpreter
from policyengine.runtime.program import Program
from tests.analysis.exactness import hold_remedies
from tests.analysis.small_world import validated_requests
from tests.strategies import seeds


def test_what_is_offered_allows_and_nothing_smaller_does():
    """`make exact` compares many more."""
    requests, seen = validated_requests(), Counter()

    @given(seeds.SEEDS)
    def check(seed):
        seen.update(hold_remedies(requests, seed))

    check()
    assert all(seen[sort] for sort in ("one", "two", "none"))


NOBODY = """\
package p
entity User { born: int (by nobody), plan: int (by caller), staff: bool (by person) }
entity Plan
action see by User on Plan
permit grown: see when subject.born < 2000 or subject.plan > 1 and subject.staff
"""


def test_what_nobody_can_change_keeps_no_pair_from_being_offered():
    checked, _ = check_sources({"n": Source("n", NOBODY)})
    assert checked is not None
    program: Program = compile_set(checked)
    validator = Validator(checked.schema, program.needs, Limits())
    request = validator.validate_parts(
        subject={
            "type": "User",
            "id": "u",
            "properties": {"born": 2001, "plan": 1, "staff": False},
        },
        action="see",
        resource={"type": "Plan", "id": "p"},
        now=0,
    )
    offered = remedies(checked, request)
    assert [{(c.place.text, c.place.by) for c in remedy.changes} for remedy in offered] == [
        {("subject.plan", "caller"), ("subject.staff", "person")},
        {("subject.born", "nobody")},
    ]
    for remedy in offered:
        after = changed(request, tuple((c.place, c.after) for c in remedy.changes))
        assert program.decide(after).allowed


GROUPS = """\
package p
enum PlaceKind = a | b
entity Team
entity User in Team { card?: {colour: PlaceKind, number: int}, boss?: User, tags: set<string> }
entity Door in Team { owner: User, hosts: set<ip>, host: ip }
action enter by User on Door with { badge?: string, boss?: User }
field gate inside "?"
gate inside {
    permit team: enter by User on Door when subject within Team "red" fields id, host
    permit card: enter when subject has card and subject.card.colour == b fields id
    permit named: enter when context has badge and context.badge like "vip-*" fields id
    permit boss: enter when context has boss and context.boss == resource.owner and "x" in subject.tags fields id
    permit host: enter when resource.host within resource.hosts fields id
}
"""


def test_parents_records_references_texts_and_fields_are_places_too():
    checked, found = check_sources({"g": Source("g", GROUPS)})
    assert checked is not None, found.items
    validator = Validator(checked.schema, checked.needs, Limits())

    def offers(fields=None, **subject):
        request = validator.validate_parts(
            subject={
                "type": "User",
                "id": "u",
                "properties": {"tags": []} | subject,
                "parents": [],
            },
            action="enter",
            resource={
                "type": "Door",
                "id": "d",
                "properties": {
                    "owner": {"type": "User", "id": "ann"},
                    "host": "10.0.0.1",
                    "hosts": ["10.1.0.0/16"],
                },
            },
            fields=fields,
            now=0,
        )
        assert not interpreter.decide(checked, request).allowed
        for offer in explain(checked, request)._evidence.offers.changes:
            yield " and ".join(f"{change.text} = {change.after}" for change in offer)

    assert set(offers(card={"colour": "a", "number": 1})) == {
        "subject.card.colour = b",
        'context.badge = "vip-x"',
        'subject in = {Team "red"}',
        'resource.host = ip "10.1.0.1"',
        'resource.hosts = {ip "10.0.0.1", ip "10.1.0.0/16"}',
    }
    assert 'context.badge = "vip-x"' in set(offers())  # where there is no card, none is changed
    assert set(offers(fields=["host"], card={"colour": "b", "number": 1})) == {
        "fields = {}",
        'subject in = {Team "red"}',
    }


def test_what_is_too_much_to_try_is_given_up_and_said():
    rules = "\n".join(
        f"permit p{n}: enter when subject has card and subject.card.number == {n} and subject.tags == {{}}"
        for n in range(30)
    )
    text = (
        GROUPS.replace("field gate", "gate").split("gate inside {")[0]
        + f"gate inside {{ {rules} }}"
    )
    checked, found = check_sources({"g": Source("g", text)})
    assert checked is not None, found.items
    validator = Validator(checked.schema, checked.needs, Limits())
    user = {"card": {"colour": "a", "number": 99}, "tags": ["x"]}
    request = validator.validate_parts(
        subject={"type": "User", "id": "u", "properties": user, "parents": []},
        action="enter",
        resource={"type": "Door", "id": "d", "properties": {}},
        now=0,
    )

    found = search(checked, request)
    assert found.complete
    assert {len(remedy.changes) for remedy in found.remedies} == {2}
    for budget in (0, 100, 300):
        found = search(checked, request, budget)
        assert found == SearchResult((), gave_up=True, judged=found.judged)
    nothing = SearchResult((), gave_up=True)
    with mock.patch("policyengine.explain.offers.search", return_value=nothing):
        explanation = explain(checked, request)
    assert explanation.to_json("user")["tried_all"] is False
    assert list(explanation.lines("user"))[-2:] == [
        "no change was found that would allow it",
        "there may be others: they are too many to try all",
    ]


def test_a_written_record_may_lack_optional_parts():
    text = """\
package p
entity User { home: {city: string, zone?: {number: int}, note?: string} }
entity Doc
action read by User on Doc
permit p: read when subject.home == {city: "x"}
"""
    checked, found = check_sources({"g": Source("g", text)})
    assert checked is not None, found.items
    validator = Validator(checked.schema, checked.needs, Limits())
    home = {"city": "y", "zone": {"number": 1}}
    request = validator.validate_parts(
        subject={"type": "User", "id": "u", "properties": {"home": home}},
        action="read",
        resource={"type": "Doc", "id": "d"},
        now=0,
    )
    (remedy,) = remedies(checked, request)
    assert {(c.place.text, c.after) for c in remedy.changes} == {
        ("subject.home.city", "x"),
        ("subject.home.zone", ABSENT),
    }


def test_a_search_ends_where_one_judgement_looks_at_too_many_elements():
    text = """\
package p
entity User { groups: set<string> }
entity File { groups: set<string> }
action read by User on File
permit shared: read when some a in subject.groups: some b in resource.groups: a == b
"""
    checked, _ = check_sources({"n": Source("n", text)})
    assert checked is not None
    validator = Validator(checked.schema, checked.needs, Limits())
    mine, its = ([f"{name}{n}" for n in range(40)] for name in "ab")
    request = validator.validate_parts(
        subject={"type": "User", "id": "u", "properties": {"groups": mine}},
        action="read",
        resource={"type": "File", "id": "f", "properties": {"groups": its}},
        now=0,
    )
    found = search(checked, request, budget=1_000)
    assert found.gave_up
    assert found.judged < 100
    assert search(checked, request).remedies


def waste_of(place, request):
    """How many objects one changed request leaves to the collector of garbage."""
    gc.collect()
    changed(request, ((place, frozenset()),))
    return gc.collect()


def test_a_search_keeps_few_of_the_requests_that_it_makes(monkeypatch):
    """Who is moved takes all below along, so one request has new ancestors of many entities."""
    text = """\
package p
entity Team in Team
entity User in Team
action read by User on User
permit staff: read when subject within Team "t0" and resource within Team "x"
"""
    checked, _ = check_sources({"n": Source("n", text)})
    assert checked is not None
    validator = Validator(checked.schema, checked.needs, Limits())
    names = [{"type": "Team", "id": f"t{n}"} for n in range(8)]
    teams = [{**one, "parents": names[n + 1 : n + 2]} for n, one in enumerate(names)]
    teams.append({"type": "Team", "id": "x", "parents": []})
    people = [{"type": "User", "id": id_, "parents": names[1:2]} for id_ in "ab"]
    request = validator.validate_parts(
        subject=people[0], action="read", resource=people[1], entities=teams, now=0
    )
    expected, sizes = search(checked, request), []

    def size_of(made, before):
        sizes.append(size_of_changed(made, before))
        return sizes[-1]

    monkeypatch.setattr(what_if, "size_of_changed", size_of)
    monkeypatch.setattr(what_if, "MOST_KEPT", 300)
    near = what_if.Neighbourhood(checked, request)
    for place in near.places:
        for value in near.options(place):
            near.allows(((place, value),))
            kept = sum(size_of_changed(one, request) for one in near._requests.values())
            assert kept <= 300
    assert sum(sizes) > 1_000
    assert search(checked, request).remedies == expected.remedies
    place = next(one for one in near.places if one.kind == "parents")
    gc.disable()
    try:
        assert 0 in [waste_of(place, request) for _ in range(5)]  # threads may leave waste as well
    finally:
        gc.enable()
