"""What a decision is made of: gates, forbids, fields, obligations, waivers, rules on trial, failures."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policyengine.model.sealed import altered
from policyengine.model.types import INT, STRING
from policyengine.reference.interpreter import FAILED, broken_invariants, decide
from policyengine.reference.reasons import reason
from tests.strategies.loading import load

VOCABULARY = """
package p
entity User { ok: bool, bad: bool, level: int, secret?: private string }
entity Doc { a: int, b: int, hidden: private int, note?: string }
obligation owe(amount: int)
obligation tell(whom: string)
action read, write by User on Doc with { why?: string }
"""

GATES = 'gate one "whether it is one"\ngate two "whether it is two"\n'
FIELD_GATES = 'field gate data "what may be seen"\nfield gate zone "where it may be seen"\n'


def request(action="read", fields=None, context=None, now="2026-06-01", **properties):
    given = {"ok": True, "bad": False, "level": 3, **properties}
    return {
        "subject": {"type": "User", "id": "u", "properties": given},
        "action": action,
        "resource": {"type": "Doc", "id": "d", "properties": {"a": 1, "b": 2, "hidden": 3}},
        "context": context or {},
        "now": now,
        "fields": fields,
    }


class Decided:
    """The outcome and the reason of one request to one set."""

    def __init__(self, rules, spoil=None, **parts):
        loaded = load({"p": VOCABULARY + rules})
        made = loaded.request(**request(**parts))
        if spoil is not None:
            made = spoiled(made, spoil)
        self.outcome = decide(loaded.checked, made)
        self.reason = reason(loaded.checked, made)
        self.broken = broken_invariants(loaded.checked, made, self.outcome)

    def __getattr__(self, name):
        return getattr(self.outcome, name)


class Spoilt:
    """A value that was never validated: whatever is asked of it fails."""

    def _fail(self, *_):
        raise TypeError("spoilt")

    __bool__ = __eq__ = __lt__ = __gt__ = __hash__ = __str__ = __iter__ = _fail


def spoiled(made, name):
    subject = altered(made.subject, **{f"v_{name}": Spoilt()})
    return replace(
        made, subject=subject, entities={**made.entities, (subject.type, subject.id): subject}
    )


# ---- gates ------------------------------------------------------------------------------


def test_every_gate_must_permit():
    rules = GATES + "gate one { permit a: any } gate two { permit b: any when subject.ok }"
    allowed, denied = Decided(rules), Decided(rules, ok=False)
    assert (allowed.allowed, allowed.cause) == (True, "permitted")
    assert allowed.rules == ("one.a", "two.b")
    assert allowed.gates == (("one", True), ("two", True))
    assert (denied.allowed, denied.cause) == (False, "not_permitted")
    assert denied.rules == ("two.b",)
    assert denied.gates == (("one", True), ("two", False))
    assert denied.exposed is None


def test_without_a_permit_a_gate_stays_shut():
    denied = Decided("permit a: write")
    assert (denied.cause, denied.rules) == ("not_permitted", ())
    assert denied.reason == "no rule of `access` permits `read`"


def test_a_forbid_wins_and_is_alone_in_the_rules():
    rules = GATES + "gate one { permit a: any forbid z: any forbid c: any when not subject.bad }"
    denied = Decided(rules)
    assert denied.cause == "forbidden"
    assert denied.rules == ("one.c", "one.z")
    assert denied.gates == (("one", True), ("two", False))
    assert Decided(rules).reason == "`one.c` forbids it; `one.z` forbids it"


def test_conditions_are_read_from_left_to_right_and_all_must_have_their_wanted_value():
    rules = "permit a: any when subject.ok unless subject.bad when subject.level > 2"
    assert Decided(rules).allowed
    assert not Decided(rules, ok=False).allowed
    assert not Decided(rules, bad=True).allowed
    assert not Decided(rules, level=2).allowed
    # Nothing after the first false condition is looked at.
    assert Decided(rules, ok=False, spoil="level").errors == ()


@pytest.mark.parametrize(
    ("now", "allowed"),
    [
        ("2025-12-31T23:59:59.999999Z", False), ("2026-01-01", True),
        ("2026-11-30T23:59:59.999999Z", True), ("2026-12-01", False),
    ],
)  # fmt: skip
def test_a_rule_exists_from_its_first_moment_until_before_its_last(now, allowed):
    decided = Decided("permit a: any from 2026-01-01 until 2026-12-01", now=now)
    assert decided.allowed is allowed
    assert decided.rules == (("access.a",) if allowed else ())


# ---- fields -----------------------------------------------------------------------------

EXPOSING = (
    FIELD_GATES
    + """
gate data {
    permit a: any fields a
    expose b: any when subject.ok fields b
    expose owing: any fields id oblige tell("them")
}
gate zone { permit all_of_it: any fields all }
"""
)


def test_exposed_is_the_union_of_a_gate_and_the_intersection_of_the_gates():
    decided = Decided(EXPOSING)
    assert decided.exposed == {"a", "b", "id"}
    assert decided.rules == ("data.a", "data.b", "data.owing", "zone.all_of_it")
    assert Decided(EXPOSING, ok=False).exposed == {"a", "id"}


def test_all_is_everything_but_the_private():
    rules = 'field gate data "which" gate data { permit a: any fields all }'
    assert Decided(rules).exposed == {"id", "a", "b", "note"}


def test_a_permit_without_fields_exposes_nothing():
    rules = 'field gate data "which" gate data { permit a: any }'
    assert Decided(rules).allowed
    assert Decided(rules).exposed == frozenset()


def test_an_expose_never_opens_a_gate():
    rules = 'field gate data "which" gate data { expose a: any fields all oblige tell("x") }'
    decided = Decided(rules)
    assert not decided.allowed
    assert decided.exposed == frozenset()
    assert decided.obligations == ()


def test_a_field_that_was_asked_for_must_be_exposed_by_every_field_gate():
    assert Decided(EXPOSING, fields=["a", "b"]).allowed
    denied = Decided(EXPOSING, fields=["note", "b", "hidden"], ok=False)
    assert denied.cause == "not_permitted"
    assert denied.gates == (("data", False), ("zone", False))
    assert denied.exposed == frozenset()
    assert denied.rules == ("data.a", "zone.all_of_it")
    assert denied.reason == (
        "`data` does not expose b, hidden, note; `zone` does not expose hidden"
    )


# ---- what goes with a decision ----------------------------------------------------------


def test_obligations_of_all_that_is_satisfied_go_with_an_allow_once_and_in_order():
    rules = """
    permit b: any oblige owe(2), tell("x"), owe(10)
    permit a: any when subject.ok oblige tell("x"), owe(subject.level - 1)
    permit c: any when subject.bad oblige owe(7)
    """
    owed = [(o.name, o.arguments) for o in Decided(rules).obligations]
    assert owed == [
        ("owe", (("amount", INT, 10),)),
        ("owe", (("amount", INT, 2),)),
        ("tell", (("whom", STRING, "x"),)),
    ]
    assert Decided(rules + "forbid z: any").obligations == ()


def test_referrals_of_the_determining_rules_go_with_a_deny():
    rules = """
    permit a: any when subject.ok refer "{subject.level} permits"
    permit b: any when subject.ok refer "{subject.level} permits"
    forbid c: any when subject.bad refer "another team"
    """
    assert Decided(rules).referrals == ()
    assert Decided(rules, ok=False).referrals == ("3 permits",)
    assert Decided(rules, ok=False, bad=True).referrals == ("another team",)


def test_a_rule_on_trial_is_reported_and_changes_nothing():
    rules = """
    permit a: any
    advisory forbid b: any when subject.ok
    advisory permit c: any when subject.bad oblige owe(1)
    advisory forbid d: any when subject has secret
    advisory forbid e: write
    advisory forbid f: any until 2020-01-01
    """
    decided = Decided(rules)
    assert decided.allowed
    assert [(a.rule, a.effect, a.outcome) for a in decided.advisories] == [
        ("access.b", "forbid", "satisfied"),
        ("access.c", "permit", "not_satisfied"),
        ("access.d", "forbid", "not_satisfied"),
    ]
    assert decided.rules == ("access.a",)


def test_a_rule_on_trial_that_lacks_data_or_fails_is_unknown():
    rules = """
    permit a: any
    advisory forbid b: any when resource.note == "x" unless not resource has note
    advisory forbid c: any when subject.level > 1
    """.replace('when resource.note == "x" unless not resource has note', "when resource.b == 2")
    loaded = load({"p": VOCABULARY + rules})
    parts = request()
    del parts["resource"]["properties"]["b"]
    made = loaded.request(**parts)
    advisories = decide(loaded.checked, spoiled(made, "level")).advisories
    assert [a.outcome for a in advisories] == ["unknown", "unknown"]


# ---- waivers ----------------------------------------------------------------------------

WAIVED = """
permit a: any when subject.ok waivable
waiver w of a for User "u" until 2026-07-01 ticket "T" approved_by "B"
waiver other of a for User "v" until 2026-07-01 ticket "T" approved_by "B"
waiver again of a for User "u" until 2026-08-01 ticket "T" approved_by "B"
"""


def test_a_waiver_stands_in_for_the_conditions_and_is_reported_where_it_mattered():
    assert Decided(WAIVED).waivers == ()
    waived = Decided(WAIVED, ok=False)
    assert waived.allowed
    assert waived.rules == ("access.a",)
    assert waived.waivers == ("again", "w")
    assert Decided(WAIVED, ok=False, now="2026-07-01").waivers == ("again",)
    assert not Decided(WAIVED, ok=False, now="2026-08-01").allowed


def test_a_waiver_does_not_matter_beside_a_permit_that_holds():
    decided = Decided(WAIVED + "permit b: any when subject.level == 3", ok=False)
    assert decided.rules == ("access.a", "access.b")
    assert decided.waivers == ()


def test_a_waiver_is_reported_although_another_gate_denies():
    rules = GATES + WAIVED.replace("permit a: any when subject.ok waivable", (
        "gate one { permit a: any when subject.ok waivable }"
    )).replace("of a", "of one.a")  # fmt: skip
    decided = Decided(rules, ok=False)
    assert not decided.allowed
    assert decided.waivers == ("again", "w")


def test_a_waiver_touches_no_forbid_no_date_and_no_target():
    assert not Decided(WAIVED + "forbid z: any", ok=False).allowed
    assert not Decided(WAIVED.replace("a: any", "a: write"), ok=False).allowed
    assert not Decided(WAIVED.replace("waivable", "until 2026-01-01 waivable"), ok=False).allowed


# ---- failures ---------------------------------------------------------------------------


def test_a_forbid_that_fails_denies():
    denied = Decided("permit a: any forbid b: any when subject.level > 5", spoil="level")
    assert (denied.allowed, denied.cause) == (False, "error")
    assert denied.rules == ("access.b",)
    assert denied.gates == (("access", True),)
    assert [(e.rule, e.paths, e.message) for e in denied.errors] == [
        ("access.b", ("subject.properties.level",), FAILED)
    ]
    assert denied.reason == "`access.b` failed"


def test_a_forbid_that_is_satisfied_is_named_before_one_that_failed():
    rules = "permit a: any forbid b: any when subject.level > 5 forbid c: any"
    denied = Decided(rules, spoil="level")
    assert denied.cause == "forbidden"
    assert denied.rules == ("access.b", "access.c")
    assert denied.reason == "`access.b` failed; `access.c` forbids it"


def test_a_permit_that_fails_opens_nothing():
    denied = Decided("permit a: any when subject.level > 1", spoil="level")
    assert denied.cause == "error"
    assert denied.rules == ("access.a",)
    assert denied.reason == "`access.a` failed"
    rules = "permit a: any when subject.level > 1 permit b: any when subject.bad"
    assert Decided(rules, spoil="level").reason == ('`access.a` failed; "bad" must be true of you')


def test_a_permit_that_fails_beside_one_that_holds_changes_nothing_but_is_reported():
    decided = Decided("permit a: any when subject.level > 1 permit b: any", spoil="level")
    assert decided.allowed
    assert decided.rules == ("access.b",)
    assert [e.rule for e in decided.errors] == ["access.a"]


def test_an_obligation_that_fails_makes_its_permit_unsatisfied():
    denied = Decided("permit a: any oblige owe(subject.level + 1)", spoil="level")
    assert denied.cause == "error"
    assert [e.rule for e in denied.errors] == ["access.a"]


def test_an_expose_that_fails_explains_a_missing_field_only():
    rules = 'field gate data "which" gate data { permit a: any expose b: any when %s fields a }'
    failing = rules % "subject.level > 1"
    assert Decided(failing, spoil="level").allowed
    assert Decided(failing, spoil="level", fields=["a"]).cause == "error"
    assert Decided(failing, level=0, fields=["a"]).cause == "not_permitted"
    shut = 'field gate data "which" gate data { expose b: any when subject.level > 1 fields a }'
    assert Decided(shut, spoil="level", fields=["a"]).cause == "not_permitted"


def test_a_permit_whose_waiver_stands_in_does_not_fail_with_its_conditions():
    rules = WAIVED.replace("subject.ok", "subject.level > 1")
    decided = Decided(rules, spoil="level")
    assert decided.allowed
    assert decided.errors == ()
    assert decided.waivers == ("again", "w")


# ---- reasons ----------------------------------------------------------------------------


def test_an_allow_gives_the_because_of_the_first_satisfied_permit_of_each_gate():
    rules = (
        GATES
        + """
    gate one { permit b: any because "b" permit a: any when subject.ok because "level {subject.level}" }
    gate two { permit c: any permit d: any because "d" }
    """
    )
    assert Decided(rules).reason == "level 3"
    assert Decided(rules, ok=False).reason == "b"
    assert Decided("permit a: any").reason == "every gate permits it"


def test_a_deny_gives_each_text_once():
    rules = """
    permit a: any when subject.bad otherwise "ask {subject}"
    permit b: any when subject.bad otherwise "ask {subject}"
    permit c: any when subject.ok when subject.level > 5
    """
    assert Decided(rules).reason == ('ask User "u"; your level is 3; it must be above 5')


def test_a_value_that_cannot_be_shown_is_a_question_mark():
    rules = 'permit a: any forbid b: any because "{subject.level} of {resource.a}"'
    assert Decided(rules, spoil="level").reason == "? of 1"


# ---- invariants -------------------------------------------------------------------------


def test_an_invariant_is_broken_by_an_allow_that_it_excludes():
    rules = "permit a: any when subject.ok invariant i: never allow read unless subject.level > 3"
    assert Decided(rules).broken == ("i",)
    assert Decided(rules, level=4).broken == ()
    assert Decided(rules, ok=False).broken == ()
    assert Decided(rules, action="write").broken == ()
    assert Decided(rules, spoil="level").broken == ("i",)


def test_a_trace_sees_every_expression_that_was_evaluated_and_no_other():
    loaded = load({"p": VOCABULARY + "permit a: any when subject.bad and subject.ok"})
    seen = []
    decide(
        loaded.checked,
        loaded.request(**request()),
        lambda node, value: seen.append((type(node).__name__, value)),
    )
    assert seen == [("Name", "u"), ("Attr", False)]
