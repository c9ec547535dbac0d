"""What one rule reads: whether a request gives it, and what of it is broken after a failure."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policyengine.intake.store import EntityStore
from policyengine.model.gaps import fits, gives, misfits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.records import record_class
from policyengine.model.sealed import altered
from policyengine.model.types import BOOL, DATETIME, INT, IP, STRING, RecordType, SetType
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, Ip
from tests.model.world import (
    APP,
    AUTHOR,
    PLACE,
    POST,
    PURPOSE,
    SCHEMA,
    STATUS,
    TIER,
    USER,
    ask,
    changed,
)

PROTECTED = Needs({"protected": NOTHING})


def subject(**attributes: Needs) -> RequestNeeds:
    return RequestNeeds(subject=Needs(attributes))


def resource(**attributes: Needs) -> RequestNeeds:
    return RequestNeeds(resource=Needs(attributes))


@pytest.mark.parametrize(
    ("needs", "given"),
    [
        (RequestNeeds(), True),
        (subject(tier=NOTHING), True),
        (subject(contact=NOTHING), True),
        (resource(author=PROTECTED), True),
        (resource(readers=NOTHING), False),
        (resource(geo=Needs({"lat": NOTHING})), True),
        (resource(author=Needs({"apps": NOTHING})), False),
        (RequestNeeds(context=Needs({"purposes": NOTHING})), True),
        (RequestNeeds(context=Needs({"user": Needs(line=True)})), True),
        (RequestNeeds(subject=Needs(line=True)), False),
        (RequestNeeds(resource=Needs(line=True)), True),
    ],
)
def test_a_request_gives_what_a_rule_reads_or_does_not(needs, given):
    assert gives(ask(), needs) is given


def test_a_store_behind_the_request_counts():
    one = {"type": "User", "id": "u9"}
    context = {"purposes": ["ads"], "user": one}
    reads = RequestNeeds(context=Needs({"user": PROTECTED}))
    assert not gives(ask(context=context), reads)
    assert gives(ask(context=context, store=EntityStore(SCHEMA, [{**AUTHOR, "id": "u9"}])), reads)


def test_parents_that_no_rule_needs_are_worked_out_for_rules_on_trial():
    placed = {**APP, "parents": [{"type": "Team", "id": "t"}]}
    request = ask(subject=placed, entities=[AUTHOR, {"type": "Team", "id": "t"}])
    assert gives(request, RequestNeeds(subject=Needs(line=True)))


def test_what_fits_is_no_misfit():
    everything = RequestNeeds(
        Needs(dict.fromkeys(("tier", "status", "purposes", "contact"), NOTHING)),
        Needs({"author": PROTECTED, "created_at": NOTHING, "geo": Needs({"lat": NOTHING})}),
        Needs({"purposes": NOTHING, "user": PROTECTED}),
    )
    resource = changed(POST, geo={"lat": "1"})
    assert misfits(ask(resource=resource), everything) == ()


def broken(**changes: object) -> ValidRequest:
    return replace(ask(), **changes)


def test_misfits_name_what_a_broken_rule_read():
    request = ask()
    app = altered(request.subject, v_tier="pro", v_status="gone")
    reads = subject(tier=NOTHING, status=NOTHING, purposes=NOTHING, contact=NOTHING)
    assert misfits(broken(subject=app), reads) == (
        "subject.properties.status",
        "subject.properties.tier",
    )
    author = altered(request.entities["User", "u1"], v_protected=1)
    found = misfits(broken(entities={("User", "u1"): author}), resource(author=PROTECTED))
    assert found == ("resource.properties.author.properties.protected",)
    assert misfits(broken(entities={}), resource(author=PROTECTED)) == (
        "resource.properties.author",
    )


def test_misfits_never_fail_whatever_the_request_is():
    reads = RequestNeeds(
        Needs({"tier": NOTHING}, line=True), Needs({"x": NOTHING}), Needs({"purposes": NOTHING})
    )
    assert misfits(broken(subject=None, resource=5, context="x"), reads) == (
        "context",
        "resource",
        "subject",
    )
    assert misfits(ask(), reads) == ("resource.properties.x", "subject")
    assert misfits(broken(context=record_class(RecordType(()))()), reads)[0] == "context.purposes"


def test_each_entity_is_looked_at_once():
    # Everybody is everybody's reader: followed naively, this takes longer than the universe has.
    deep = NOTHING
    for _ in range(60):
        deep = Needs({"apps": NOTHING, "doctor": deep, "protected": NOTHING})
    request = ask(entities=[changed(AUTHOR, doctor={"type": "User", "id": "u1"}, apps=[])])
    assert gives(request, resource(author=deep))


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (BOOL, True, 1),
        (INT, 1, True),
        (DATETIME, 0, "1970-01-01"),
        (STRING, "", None),
        (IP, Ip.parse("::1"), "::1"),
        (STATUS, "active", "pro"),
        (TIER, 0, 3),
        (TIER, 2, "pro"),
        (TIER, 1, True),
        (PURPOSE, "ads", "Purpose"),
        (USER, "u", 5),
        (SetType(INT), frozenset({1}), frozenset({"1"})),
        (SetType(INT), frozenset(), [1]),
        (PLACE, record_class(PLACE)(1, ABSENT), record_class(PLACE)("1", ABSENT)),
        (PLACE, record_class(PLACE)(ABSENT, ABSENT), {"lat": 1}),
    ],
)
def test_canonical_values_fit_their_types(type_, good, bad):
    assert fits(type_, good)
    assert not fits(type_, bad)


def test_needs_add_up():
    one = Needs({"a": Needs({"x": NOTHING})})
    other = Needs({"a": Needs(line=True), "b": NOTHING}, elements=PROTECTED)
    both = one | other
    assert both == Needs({"a": Needs({"x": NOTHING}, line=True), "b": NOTHING}, PROTECTED)
    assert one | NOTHING == NOTHING | one == one
    assert other | one == both
    more = Needs(elements=Needs({"y": NOTHING}))
    assert (other | more).elements == Needs({"protected": NOTHING, "y": NOTHING})
    assert RequestNeeds(one) | RequestNeeds(resource=one) == RequestNeeds(one, one)
    assert not NOTHING
