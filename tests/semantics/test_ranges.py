"""Gates that apply to some actions only, and `any except`: what is covered, and what is refused."""

from __future__ import annotations

import pytest

from policyengine import InvalidRequest
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from tests.strategies.loading import load

VOCABULARY = """\
package p
entity User { paid: bool }
entity Doc { owner: User, closed: bool }
entity Invoice { owner: User }
group looking by User on Doc, Invoice
action read, edit, reopen by User on Doc
action see, list in looking
action pay by User on Invoice
group nothing by User on Doc
"""
TWO = """
gate docs "may they" for any on Doc
gate money "is it paid" for pay, looking on Invoice
"""
OPEN = """
gate docs { permit all_docs: any }
gate money { permit all_invoices: any }
"""


def found(text):
    _, problems = check_sources({"p": Source("p", VOCABULARY + text)})
    return problems


def errors(text):
    source = VOCABULARY + text
    return [(e.code, source[e.span.start : e.span.end]) for e in found(text).errors]


def covered(text, rule="access.r"):
    loaded = load({"p": VOCABULARY + text})
    (one,) = (r for r in loaded.checked.rules if r.id == rule)
    return {f"{action} {resource}" for action, _, resource in one.typings}


EVERYTHING = {
    "read Doc", "edit Doc", "reopen Doc", "see Doc", "see Invoice", "list Doc", "list Invoice",
    "pay Invoice",
}  # fmt: skip
ON_DOCS = {target for target in EVERYTHING if target.endswith("Doc")}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("any except pay", EVERYTHING - {"pay Invoice"}),
        ("any except looking", EVERYTHING - {t for t in EVERYTHING if t[:3] in ("see", "lis")}),
        ("any on Doc except reopen, looking", {"read Doc", "edit Doc"}),
        ("any by User on Invoice except see", {"list Invoice", "pay Invoice"}),
        ("any on Invoice, Doc except p.see, p.list, pay", {"read Doc", "edit Doc", "reopen Doc"}),
    ],
)
def test_an_exception_leaves_out_actions_and_the_members_of_groups(target, expected):
    assert covered(f"permit r: {target}") == expected


def test_actions_that_are_declared_later_are_covered():
    assert "shred Doc" in covered("permit r: any except pay\naction shred by User on Doc")


@pytest.mark.parametrize(
    ("rule", "gate", "expected"),
    [
        ("permit r: any", "docs", ON_DOCS),
        ("permit r: any", "money", {"pay Invoice", "see Invoice", "list Invoice"}),
        ("permit r: looking", "docs", {"see Doc", "list Doc"}),
        ("forbid r: see, pay", "money", {"see Invoice", "pay Invoice"}),
        ("forbid r: any except looking", "money", {"pay Invoice"}),
        ("forbid r: any on Invoice, Doc except see", "docs", ON_DOCS - {"see Doc"}),
    ],
)
def test_in_a_gate_everything_is_what_it_applies_to(rule, gate, expected):
    assert covered(f"{TWO}{OPEN}gate {gate} {{ {rule} }}", f"{gate}.r") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("permit r: any except raed", [("PE205", "raed")]),
        ("permit r: any except other.read", [("PE207", "other.read")]),
        ("permit r: Doc", [("PE205", "Doc")]),
        ("permit r: any except Doc", [("PE205", "Doc")]),
        ('gate g "?" for Doc', [("PE205", "Doc")]),
        ("permit r: any on Doc except pay", [("PE351", "pay")]),
        ("permit r: any except nothing", [("PE351", "nothing")]),
        ("permit r: any except read, read", [("PE351", "read")]),
        ("permit r: any except see, looking", [("PE351", "see")]),
        ("permit r: any except looking, see", [("PE351", "see")]),
        ("permit r: any on Invoice except looking, pay",
         [("PE310", "any on Invoice except looking, pay")]),
        ("permit r: any\ninvariant i: never allow any on Doc except pay", [("PE351", "pay")]),
        ("permit r: any on Dok", [("PE202", "Dok")]),
        ('gate g "?" for raed', [("PE205", "raed")]),
        ('gate g "?" for any on Dok', [("PE202", "Dok")]),
        ('gate g "?" for any on User', [("PE310", "any on User")]),
        ('gate g "?" for nothing', [("PE310", "nothing")]),
        ('gate g "?" for any except nothing', [("PE351", "nothing")]),
        ('gate g "?" for any on Doc', [("PE352", "see"), ("PE352", "list"), ("PE352", "pay")]),
        (TWO + "gate docs { permit r: pay }", [("PE350", "pay")]),
        (TWO + "gate docs { permit r: read, pay }", [("PE350", "pay")]),
        (TWO + "gate docs { forbid r: pay }", [("PE350", "pay")]),
        (TWO + "action shred in looking on Doc\ngate money { permit r: looking }",
         [("PE350", "looking")]),
        (TWO + "gate docs { permit r: any except pay }", [("PE351", "pay")]),
        (TWO + "gate docs { permit r: looking on Invoice }", [("PE310", "looking on Invoice")]),
        (TWO + "gate money { permit r: any except pay, looking }",
         [("PE310", "any except pay, looking")]),
    ],
)  # fmt: skip
def test_what_covers_nothing_or_changes_nothing_is_refused(text, expected):
    assert errors(text) == expected


def test_messages_say_what_is_wrong_and_what_to_write():
    ungated = found(
        'gate g "?" for any on Doc\ngate h "?" for pay\ngate g { permit r: any }'
    ).errors
    assert [e.message for e in ungated] == [
        "no gate applies to `see` by `User` on `Invoice`",
        "no gate applies to `list` by `User` on `Invoice`",
    ]
    assert ungated[0].help == "let a gate apply to it, or declare one without `for`"
    (outside,) = found(
        TWO + "action shred in looking on Doc\ngate money { forbid r: looking }"
    ).errors
    assert outside.message == "gate `money` does not apply to `shred`, which `looking` covers"
    assert outside.help == "it applies to `list`, `pay` and `see`"
    (typed,) = found('gate g "?" for Doc').errors
    assert typed.help == "write `any on Doc`, or `any by Doc`"


def test_only_gates_that_apply_are_missed():
    warned = [(w.code, w.message) for w in found(TWO + "gate docs { permit r: read }").items]
    assert warned == [
        ("PE311", "no rule of gate `docs` permits 2 actions, so they are always denied: `edit`, `reopen`"),
        ("PE311", "no rule of gates `docs` and `money` permits 2 actions, so they are always denied: `see`, `list`"),
        ("PE311", "no rule of gate `money` permits `pay`, so it is always denied"),
    ]  # fmt: skip


# ---- decisions --------------------------------------------------------------------------

USER = {"type": "User", "id": "u", "properties": {"paid": False}}
DOC = {
    "type": "Doc",
    "id": "d",
    "properties": {"owner": {"type": "User", "id": "u"}, "closed": True},
}
INVOICE = {"type": "Invoice", "id": "i", "properties": {"owner": {"type": "User", "id": "u"}}}
RULES = """
gate docs { permit own: any when resource.owner == subject }
gate money { permit paid: any when subject.paid otherwise "it is not paid" }
"""


def decided(text, action, resource, **parts):
    """Decide by the engine, and hold that the reference interpreter agrees."""
    loaded = load({"p": VOCABULARY + text})
    decision = loaded.engine.decide(USER, action, resource, **parts)
    request = loaded.request(subject=USER, action=action, resource=resource, **parts)
    outcome = interpreter.decide(loaded.checked, request)
    assert (decision.allowed, decision.cause, decision.exposed) == (
        outcome.allowed, outcome.cause, outcome.exposed
    )  # fmt: skip
    assert dict(decision.gates) == dict(outcome.gates)
    assert list(decision.rules) == list(outcome.rules)
    return decision


def test_only_gates_that_apply_are_asked():
    assert decided(TWO + RULES, "read", DOC).gates == {"docs": True}
    assert decided(TWO + RULES, "see", DOC).allowed
    shut = decided(TWO + RULES, "see", INVOICE)
    assert (shut.allowed, shut.gates, shut.reason) == (False, {"money": False}, "it is not paid")
    both = 'gate all_of_it "?"\n' + TWO + RULES + "gate all_of_it { permit anybody: any }"
    assert decided(both, "pay", INVOICE).gates == {"all_of_it": True, "money": False}


def test_a_forbid_counts_where_its_gate_applies():
    forbid = "gate docs { forbid closed: any except reopen }"
    assert decided(TWO + RULES + forbid, "reopen", DOC).allowed
    assert decided(TWO + RULES + forbid, "see", DOC).rules == ("docs.closed",)
    paid = {"type": "User", "id": "u", "properties": {"paid": True}}
    loaded = load({"p": VOCABULARY + TWO + RULES + forbid})
    assert loaded.engine.decide(paid, "see", INVOICE).allowed


FIELDS = TWO + 'field gate view "which fields" for any on Invoice\n' + RULES
FIELDS += "gate view { permit some_fields: any fields owner }\n"


def test_where_no_field_gate_applies_nothing_is_exposed():
    decision = decided(FIELDS, "read", DOC)
    assert decision.allowed
    assert decision.exposed == frozenset()
    assert decision.redact({"id": "d", "closed": True}) == {}
    plain = decided(TWO + RULES, "read", DOC)
    assert plain.exposed is None


@pytest.mark.parametrize("fields", [["closed"], []])
def test_asking_for_fields_where_no_field_gate_applies_is_no_request(fields):
    loaded = load({"p": VOCABULARY + FIELDS})
    with pytest.raises(InvalidRequest) as caught:
        loaded.request(subject=USER, action="read", resource=DOC, fields=fields)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("PE527", "fields")
    assert "no field gate applies to `read` by `User` on `Doc`" in problem.message
    for _ in range(3):  # at first in full, then by the fast path
        with pytest.raises(InvalidRequest):
            loaded.engine.decide(USER, "read", DOC, fields=fields)
        assert loaded.engine.decide(USER, "read", DOC).allowed
    assert decided(FIELDS, "pay", INVOICE, fields=["owner"]).gates == {"money": False, "view": True}


def test_a_test_that_asks_for_fields_where_no_field_gate_applies_is_refused():
    asking = 'test "t" { expect allow read by User "u" on Doc "d" asking {closed} }'
    assert [code for code, _ in errors(FIELDS + asking)] == ["PE329"]


def test_an_invariant_on_any_action_means_every_one():
    loaded = load({"p": VOCABULARY + TWO + OPEN + "invariant i: never allow any except pay"})
    (invariant,) = loaded.checked.invariants
    assert {f"{a} {r}" for a, _, r in invariant.typings} == EVERYTHING - {"pay Invoice"}


def test_a_waiver_matters_for_the_gates_that_apply():
    waiver = (
        "gate money { permit plan: pay when subject.paid and not subject.paid waivable }\n"
        'waiver w of money.plan for User "u" until 2100-01-01 ticket "T" approved_by "x"'
    )
    decision = decided(TWO + RULES + waiver, "pay", INVOICE)
    assert (decision.allowed, decision.waivers) == (True, ("w",))


def test_an_explanation_shows_the_gates_that_apply():
    loaded = load({"p": VOCABULARY + TWO + RULES})
    shown = loaded.engine.explain(USER, "see", INVOICE).to_json("auditor")
    assert [gate["gate"] for gate in shown["gates"]] == ["money"]


def test_the_ranges_of_all_gates_together_are_bounded():
    many = "".join(f'gate g{n} "?" for any on Doc\n' for n in range(30))
    source = {"p": Source("p", VOCABULARY + many)}
    _, problems = check_sources(source, Limits(coverage=100))
    found = [(e.code, source["p"].text[e.span.start : e.span.end]) for e in problems.errors]
    assert found == [("PE332", "g20")]  # of five targets each
