"""Shows fields in part, as an integrator sees it: decisions, requests for fields, documents, invariants."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from policyengine import DecisionCache, InvalidPolicy, InvalidRequest, PolicyEngine
from policyengine.diagnostics.source import Source
from policyengine.model.masks import detail, masks_of
from policyengine.model.types import BOOL, DATETIME, DECIMAL, STRING, Attribute, RecordType, SetType
from policyengine.pipeline import check_sources, compile_set
from policyengine.reference import interpreter, reasons
from policyengine.testing.runner import run_tests
from tests.strategies.loading import load

WORDS = """\
package clinic
enum Sex = female | male
entity User { trusted: bool, why?: string, as: bool }
entity Patient {
    born: datetime, geo?: {lat: decimal, long: decimal}, doctor: User, name: string, tags: set<string>,
    sex: Sex, visit?: {at: datetime, by: User}, weight: decimal, months: int, friend?: User
}
action read by User on Patient
"""
RULES = """\
field gate view "which fields may be seen"
gate view {
    permit research: any
        fields id as pseudonym, born as year, geo as digits(1), doctor as pseudonym, tags as present,
               sex, visit as present, weight as digits(0)
    expose month: any when subject.trusted
        otherwise "{subject} is not trusted"
        fields born as month, name as pseudonym
    expose whole: any when subject.trusted and subject has why
        otherwise "say why"
        fields born, name, friend
    advisory expose trial: any when subject.as otherwise "on trial" fields born
    expose silent: any when subject.as and subject.trusted fields geo
}
"""
PATIENT = {
    "type": "Patient",
    "id": "p1",
    "properties": {
        "born": "1980-05-17",
        "doctor": {"type": "User", "id": "d1"},
        "name": "Ann",
        "tags": [],
        "sex": "female",
        "weight": "61.55",
        "months": 3,
    },
}
KEY = b"0123456789abcdef"


def user(*, trusted=False, as_=False, **more):
    return {"type": "User", "id": "u", "properties": {"trusted": trusted, "as": as_, **more}}


def engine(rules=RULES, words=WORDS):
    return PolicyEngine.from_text(words + rules)


def checked(text):
    return check_sources({"clinic.policy": Source("clinic.policy", text)})


@pytest.fixture(scope="module")
def clinic():
    return engine()


def decide(clinic, fields=None, **of_user):
    """Decide in every way, which must agree, and return the decision."""
    subject = user(**of_user)
    decision = clinic.decide(subject, "read", PATIENT, fields=fields)
    document = {"subject": subject, "action": {"name": "read"}, "resource": PATIENT}
    if fields is not None:
        document["fields"] = fields
    answered = json.loads(clinic.decide_json(json.dumps(document)))
    ways = [
        clinic.decide(clinic.entity(*flat(subject)), "read", clinic.entity(*flat(PATIENT)), fields=fields),
        clinic.bind(subject).decide("read", PATIENT, fields=fields),
        DecisionCache(clinic).decide(subject, "read", PATIENT, fields=fields),
        pickle.loads(pickle.dumps(decision)),
        copy.deepcopy(decision),
    ]  # fmt: skip
    for other in ways:
        assert other.outcome == decision.outcome
        assert other.to_json() == decision.to_json()
    assert answered == json.loads(decision.to_bytes())
    assert answered["context"]["masks"] == decision.masks
    loaded = load({"clinic": WORDS + RULES})
    request = loaded.request(
        subject=subject,
        action="read",
        resource=PATIENT,
        context={},
        now="2026-01-01",
        fields=fields,
    )
    expected = interpreter.decide(loaded.checked, request)
    assert replace(decision.outcome, advisories=()) == replace(expected, advisories=())
    assert decision.reason == reasons.reason(loaded.checked, request)
    return decision


def flat(entity):
    return entity["type"], entity["id"], entity["properties"]


RESEARCH = {
    "id": "pseudonym", "born": "year", "geo": "digits(1)", "doctor": "pseudonym", "tags": "present",
    "visit": "present", "weight": "digits(0)",
}  # fmt: skip


# ---- decisions --------------------------------------------------------------------------


def test_a_decision_says_how_fields_are_shown_that_are_not_exposed(clinic):
    decision = decide(clinic)
    assert decision.exposed == {"sex"}
    assert decision.masks == RESEARCH
    with pytest.raises(TypeError):
        decision.masks["born"] = "day"


def test_of_a_gate_the_mask_counts_that_shows_most(clinic):
    decision = decide(clinic, trusted=True)
    assert decision.masks == {**RESEARCH, "born": "month", "name": "pseudonym"}
    decision = decide(clinic, trusted=True, why="x")
    assert decision.exposed == {"sex", "born", "name", "friend"}
    assert "born" not in decision.masks
    decision = decide(clinic, trusted=True, as_=True)
    assert "geo" in decision.exposed


def test_of_several_gates_the_mask_counts_that_shows_least():
    more = 'field gate law "what the law lets be seen"\ngate law { permit p: any fields born, geo as digits(3), sex as present, months }\n'
    decision = engine(RULES + more).decide(user(trusted=True, why="x"), "read", PATIENT)
    assert decision.exposed == {"born"}
    assert decision.masks == {"geo": "digits(1)", "sex": "present"}


def test_gates_that_do_not_apply_have_no_say():
    words = WORDS.replace("action read by", "action read, list by")
    law = 'field gate law "what the law lets be seen" for list\ngate law { permit p: list fields born as present, id }\n'
    made = engine(RULES + law, words)
    assert made.decide(user(), "read", PATIENT).masks == RESEARCH
    decision = made.decide(user(), "list", PATIENT)
    assert (decision.exposed, decision.masks) == (set(), {"id": "pseudonym", "born": "present"})
    open_ = RULES.replace('be seen"', 'be seen" for list', 1)
    open_ = open_.replace(": any", ": list")
    made = engine(f'{open_}gate other "?" for read\ngate other {{ permit p: read }}\n', words)
    decision = made.decide(user(), "read", PATIENT)
    assert (decision.allowed, decision.exposed, decision.masks) == (True, set(), {})
    assert decision.redact(DOCUMENT) == {}
    with pytest.raises(InvalidRequest, match="PE527"):
        made.decide(user(), "read", PATIENT, fields=["born as year"])


def test_a_deny_and_a_set_without_field_gates_have_no_masks():
    denied = engine(RULES + "gate view { forbid f: any }").decide(user(), "read", PATIENT)
    assert (denied.allowed, denied.exposed, denied.masks) == (False, frozenset(), {})
    whole = engine("permit p: any").decide(user(), "read", PATIENT)
    assert (whole.exposed, whole.masks) == (None, {})
    assert whole.redact({"x": 1}) == {"x": 1}


# ---- asking -----------------------------------------------------------------------------


def test_what_is_asked_for_with_a_mask_is_shown_so(clinic):
    for asked in (["born as year"], ["born as present"]):
        decision = decide(clinic, asked, trusted=True, why="x")
        assert decision.allowed
        assert decision.masks["born"] == asked[0].partition(" as ")[2]
        assert "born" not in decision.exposed
        assert "name" in decision.exposed  # the others are as they were


def test_what_is_asked_for_must_be_given_in_as_much_detail(clinic):
    assert decide(clinic, ["born as year", "sex"]).allowed
    assert not decide(clinic, ["born"]).allowed
    assert not decide(clinic, ["born as day"], trusted=True).allowed
    assert not decide(clinic, ["months as present"]).allowed
    assert decide(clinic, ["sex as present"]).masks["sex"] == "present"


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        (["born as weekday"], "PE535", "fields[0]"), (["sex", "born as digits(1)"], "PE535", "fields[1]"),
        (["geo as digits(4)"], "PE535", "fields[0]"), (["sex as pseudonym"], "PE535", "fields[0]"),
        (["visit as year"], "PE535", "fields[0]"), (["born as "], "PE535", "fields[0]"),
        (["born as year as month"], "PE535", "fields[0]"), (["born as  year"], "PE535", "fields[0]"),
        (["born as Year"], "PE535", "fields[0]"), (["born AS year"], "PE526", "fields[0]"),
        (["born  as year"], "PE526", "fields[0]"), ([" as year"], "PE526", "fields[0]"),
        (["born\tas year"], "PE526", "fields[0]"), (["borne as year"], "PE526", "fields[0]"),
        (["born", "born as year"], "PE511", "fields[1]"), (["born as year", "born as year"], "PE511", "fields[1]"),
        (["born as year", "born as month"], "PE511", "fields[1]"), ([{"born": "year"}], "PE505", "fields[0]"),
        ([["born", "year"]], "PE505", "fields[0]"), ({"born": "year"}, "PE505", "fields"), ("born as year", "PE505", "fields"),
    ],
)  # fmt: skip
def test_a_mask_that_is_none_is_a_problem(clinic, fields, code, path):
    for _ in range(2):  # by full validation, and beside a fast path
        with pytest.raises(InvalidRequest) as caught:
            clinic.decide(user(trusted=True, why="x"), "read", PATIENT, fields=fields)
        assert [(p.code, p.path) for p in caught.value.problems] == [(code, path)]
        document = {
            "subject": user(), "action": {"name": "read"}, "resource": PATIENT, "fields": fields,
        }  # fmt: skip
        answer = json.loads(clinic.decide_json(json.dumps(document)))
        assert (answer["decision"], answer["context"]["masks"]) == (False, {})
        assert clinic.decide(user(), "read", PATIENT).allowed


# ---- why an expose gives nothing --------------------------------------------------------


def test_exposes_say_why_a_field_is_not_there(clinic):
    decision = decide(clinic, ["born as day"])
    assert decision.reason == "`view` does not expose born as day; say why"
    assert decision.rules == ("view.research", "view.whole")
    decision = decide(clinic, ["born as month", "name as present"])
    assert decision.reason == (
        '`view` does not expose born as month, name as present; User "u" is not trusted; say why'
    )
    assert decision.rules == ("view.month", "view.research", "view.whole")
    assert decide(clinic, ["months"]).reason == "`view` does not expose months"
    assert decide(clinic, ["months"]).rules == ("view.research",)


def test_who_asks_for_nothing_is_told_nothing(clinic):
    decision = decide(clinic)
    assert decision.allowed
    assert decision.rules == ("view.research",)


def test_a_shut_gate_says_nothing_of_exposes():
    rules = RULES.replace(
        "permit research: any", 'permit research: any when subject.as otherwise "no"'
    )
    decision = engine(rules).decide(user(), "read", PATIENT, fields=["born"])
    assert decision.reason == "no"
    assert decision.rules == ("view.research",)


def test_guards_do_not_flow_into_it():
    with pytest.raises(InvalidPolicy, match="PE302"):
        engine(RULES.replace('"say why"', '"{subject.why}"'))


def test_the_texts_of_many_exposes_are_said_as_the_reference_does():
    # So many that those which a request does not concern are never made.
    exposes = "".join(
        f'    expose e{n}: any when resource.name == "n{n}" {"otherwise" if n % 2 else "because"} "e{n}" fields born\n'
        for n in range(300)
    )
    rules = f'field gate view "?"\ngate view {{\n    permit p: any fields id\n{exposes}}}\n'
    loaded = load({"clinic": WORDS + rules})
    request = loaded.request(
        subject=user(),
        action="read",
        resource=PATIENT,
        context={},
        now="2026-01-01",
        fields=["born"],
    )
    decision = loaded.program.decide(request)
    assert decision.outcome == interpreter.decide(loaded.checked, request)
    assert decision.reason == reasons.reason(loaded.checked, request)
    assert len(decision.rules) == 151
    context = decision.to_json()["context"]
    assert (tuple(context["rules"]), context["more_rules"]) == reasons.listed(
        loaded.checked, request
    )


def test_an_explanation_offers_what_is_given(clinic):
    asked = {
        "subject": user(),
        "action": "read",
        "resource": PATIENT,
        "fields": ["born", "name", "sex"],
    }
    explained = "\n".join(clinic.explain(**asked).lines("developer"))
    assert "fields = {born as year, sex}" in explained
    assert clinic.decide(**{**asked, "fields": ["born as year", "sex"]}).allowed


# ---- documents --------------------------------------------------------------------------

DOCUMENT = {
    "id": "p1", "born": datetime(1980, 5, 17, 23, 30, tzinfo=UTC),
    "geo": {"lat": Decimal("52.5219"), "long": "-13.4133", "country": "DE"},
    "doctor": {"type": "User", "id": "d1"}, "tags": ["a"], "sex": "female", "name": "Ann",
    "visit": {"at": "2026-01-01", "by": {"type": "User", "id": "d1"}}, "weight": -0.5, "unknown": 1,
}  # fmt: skip


def test_redaction_shows_parts(clinic):
    shown = decide(clinic).redact(DOCUMENT, KEY)
    assert shown == {
        "id": shown["id"], "born": "1980",
        "geo": {"lat": Decimal("52.5"), "long": "-13.4"},
        "doctor": {"type": "User", "id": shown["doctor"]["id"]}, "tags": True, "sex": "female",
        "visit": True, "weight": 0.0,
    }  # fmt: skip
    assert list(shown) == [name for name in DOCUMENT if name in shown]
    assert len(shown["id"]) == len(shown["doctor"]["id"]) == 32
    assert shown["id"] != shown["doctor"]["id"]
    assert pickle.loads(pickle.dumps(decide(clinic))).redact(DOCUMENT, KEY) == shown


def test_a_pseudonym_is_the_same_everywhere_and_another_under_another_key(clinic):
    decision = decide(clinic)
    shown = decision.redact({"id": "x", "doctor": {"type": "User", "id": "x"}}, KEY)
    again = decision.redact({"doctor": {"type": "User", "id": "x"}}, KEY)
    assert again["doctor"] == shown["doctor"]
    assert shown["id"] != shown["doctor"]["id"]  # a user and a patient are two, whatever their ids
    other = decision.redact({"id": "x"}, bytes(16))
    assert other["id"] != shown["id"]
    built = clinic.entity("User", "x", {"trusted": True, "as": False})
    assert decision.redact({"doctor": built}, KEY)["doctor"] == shown["doctor"]
    # An id, and a reference to it, stay one.
    rules = 'field gate view "?"\ngate view { permit p: any fields id as pseudonym, friend as pseudonym }\n'
    words = "package clinic\nentity User { friend?: User }\naction read by User on User\n"
    one = {"type": "User", "id": "x"}
    decision = engine(rules, words).decide(one, "read", one)
    shown = decision.redact({"id": "x", "friend": one}, KEY)
    assert shown["friend"]["id"] == shown["id"]


def test_without_a_key_nothing_is_shown(clinic):
    decision = decide(clinic)
    for key in (None, "a text that is long enough", 16):
        with pytest.raises(TypeError, match="`doctor` is shown as a pseudonym"):
            decision.redact({"doctor": {"type": "User", "id": "d1"}, "sex": "male"}, key)
    with pytest.raises(ValueError, match="at least 16 bytes"):
        decision.redact({"id": "x"}, b"short")
    assert decision.redact({"sex": "male", "born": "1980-05-17"}) == {"sex": "male", "born": "1980"}
    denied = clinic.decide(user(), "read", PATIENT, fields=["months"])
    assert denied.redact(DOCUMENT) == {}


@pytest.mark.parametrize(
    "document",
    [
        {"born": "17 May 1980"}, {"born": None}, {"born": 1980}, {"born": datetime(1980, 5, 17)},  # noqa: DTZ001
        {"born": "1980-05-17T10:00:00"}, {"born": ["1980-05-17"]}, {"geo": 52.5}, {"geo": None}, {"geo": [1, 2]},
        {"doctor": {"type": "Patient", "id": "d1"}}, {"doctor": {"id": "d1"}}, {"doctor": 1}, {"doctor": None},
        {"doctor": {"type": "User", "id": 1}}, {"id": 1}, {"id": None}, {"tags": "a"}, {"tags": None},
        {"tags": [1]}, {"tags": {"a": 1}}, {"visit": {"at": "today"}}, {"visit": None}, {"weight": True},
        {"weight": "1e3"}, {"weight": float("nan")}, {"weight": None}, {"weight": Decimal("inf")}, {"weight": b"1"},
        {"weight": "61.55555"},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_left_out(clinic, document):
    assert decide(clinic).redact(document, KEY) == {}


def test_a_part_of_a_record_that_is_not_of_its_type_is_left_out(clinic):
    shown = decide(clinic).redact({"geo": {"lat": "north", "long": 1, "street": "x"}})
    assert shown == {"geo": {"long": 1}}


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        ("1.9999", 0, "1"), ("1.9999", 3, "1.999"), ("-1.9999", 1, "-1.9"), ("-0.05", 1, "0"), ("2", 2, "2"),
        (Decimal("1.99"), 1, Decimal("1.9")), (1.99, 1, 1.9), (7, 2, 7),
    ],
)  # fmt: skip
def test_decimals_are_cut_toward_zero(value, digits, shown):
    made = engine(
        f'field gate view "?"\ngate view {{ permit p: any fields weight as digits({digits}) }}'
    )
    redacted = made.decide(user(), "read", PATIENT).redact({"weight": value})
    assert redacted == {"weight": shown}
    assert type(redacted["weight"]) is type(shown)


@pytest.mark.parametrize(
    ("mask", "shown"),
    [("year", "2000"), ("month", "2000-01"), ("day", "2000-01-01"), ("present", True)],
)
def test_moments_are_cut_in_utc(mask, shown):
    made = engine(f'field gate view "?"\ngate view {{ permit p: any fields born as {mask} }}')
    decision = made.decide(user(), "read", PATIENT)
    assert decision.redact({"born": "1999-12-31T23:30:00-01:00"}) == {"born": shown}


# ---- masks of types ---------------------------------------------------------------------


def test_a_record_takes_what_all_its_parts_take():
    def record(*types):
        return RecordType(tuple(Attribute(f"a{n}", type_) for n, type_ in enumerate(types)))

    assert masks_of(record(DECIMAL, record(DECIMAL))) == masks_of(DECIMAL)
    assert (
        masks_of(record(DATETIME, DECIMAL)) == masks_of(record()) == masks_of(BOOL) == ("present",)
    )
    assert masks_of(SetType(STRING)) == ("present",)
    for type_ in (DATETIME, DECIMAL, STRING):
        chain = [*masks_of(type_), None]
        assert sorted(chain, key=detail) == chain
        assert len(set(map(detail, chain))) == len(chain)


@pytest.mark.parametrize(
    ("fields", "code", "help"),
    [
        ("born as digits(1)", "PE355", "a `datetime` is shown as `present`, `year`, `month` or `day`"),
        ("born as yaer", "PE355", "did you mean `year`?"),
        ("geo as digits(4)", "PE355", ""),
        ("weight as digits(4)", "PE355", "a `decimal` is shown as `present`, `digits(0)`, "),
        ("sex as pseudonym", "PE355", "a `Sex` is shown as `present`"),
        ("tags as pseudonym", "PE355", "is shown as `present`"),
        ("visit as year", "PE355", "is shown as `present`"),
        ("id as year", "PE355", "the `id` is shown as `present` or `pseudonym`"),
        ("name as year(1)", "PE355", ""),
        ("weight as digits", "PE355", ""),
        ("borne as year", "PE314", "did you mean `born`?"),
        ("born, born as year", "PE356", "a list has each field once"),
        ("sex, sex", "PE356", "a list has each field once"),
        ("all as year", "PE101", ""), ("born as", "PE114", ""), ("born as as", "PE355", ""), ("as year", "PE112", ""),
        ("born as year(x)", "PE101", ""), ("born as digits()", "PE101", ""), ("born as digits(1", "PE108", ""),
        ("born as digits(-1)", "PE101", ""), ("born(year)", "PE149", "write `born as year`"), ("born as 1", "PE114", ""),
        ('born as "year"', "PE119", ""), ("born: year", "PE101", ""), ("born as year month", "PE112", "write `,`"),
    ],
)  # fmt: skip
def test_a_mask_that_is_wrong_is_said(fields, code, help):
    text = f'{WORDS}field gate view "?"\ngate view {{\n    permit p: any fields {fields}\n}}\n'
    problems = checked(text)[1].errors
    assert [p.code for p in problems] == [code], problems
    assert help in problems[0].help
    assert text[problems[0].span.start :].startswith(
        text[problems[0].span.start : problems[0].span.end]
    )
    assert problems[0].span.start > text.index("permit")


@pytest.mark.parametrize(
    ("expectation", "code"),
    [
        ("expect allow read by u on p asking {born as weekday}", "PE355"),
        ("expect allow read by u on p asking {born, born as year}", "PE356"),
        ("expect allow read by u on p asking {borne as year}", "PE314"),
        ("expect allow read by u on p fields {born as digits(1)}", "PE355"),
        ("expect allow read by u on p fields {sex as present, sex}", "PE356"),
        ("expect allow read by u on p fields {born as}", "PE114"),
        ("expect allow read by u on p fields born as year", "PE112"),
        ("for sex in Sex: read by u on p expect { female, male: allow fields {born as yaer} }", "PE355"),
    ],
)  # fmt: skip
def test_a_mask_that_is_wrong_in_a_test_is_said(expectation, code):
    text = f'{WORDS}{RULES}test "t" {{\n    let u = User "u"\n    let p = Patient "p"\n    {expectation}\n}}\n'
    problems = checked(text)[1].errors
    assert [p.code for p in problems] == [code], problems
    assert problems[0].span.start > text.index("expect")


@pytest.mark.parametrize(
    "rules",
    [
        'gate plain "?"\ngate plain { permit p: any fields born as year }',
        'field gate view "?"\ngate view { forbid p: any fields born as year }',
        'field gate view "?"\ngate view { forbid p: any otherwise "x" }',
        'field gate view "?"\ngate view { expose p: any fields born as year waivable }',
    ],
)  # fmt: skip
def test_a_clause_that_has_no_meaning_there_is_said(rules):
    assert [p.code for p in checked(WORDS + rules)[1].errors] == ["PE315"]


def test_an_expose_that_is_not_in_force_says_nothing():
    rules = RULES.replace('otherwise "say why"', 'otherwise "say why" from 2030-01-01')
    made = engine(rules)
    later = made.decide(user(), "read", PATIENT, now="2030-01-01", fields=["born"])
    assert later.reason == "`view` does not expose born; say why"
    decision = made.decide(user(), "read", PATIENT, now="2029-12-31", fields=["born"])
    assert decision.reason == "`view` does not expose born"
    assert decision.valid_until == datetime(2030, 1, 1, tzinfo=UTC)


def test_as_is_a_reserved_word_that_may_name_attributes():
    engine('field gate view "?"\ngate view { permit p: any when subject.as fields id }')
    words = "package clinic\nentity User { as: datetime }\naction read by User on User\n"
    engine('field gate view "?"\ngate view { permit p: any fields as as year, id }', words)
    with pytest.raises(InvalidPolicy, match="PE121"):
        engine("define as(x: int) = x > 1\npermit p: any when as(3)")
    # The names of masks are not reserved.
    words = "package clinic\nentity year { digits: decimal }\nentity month\naction present by month on year\n"
    engine(
        'field gate day "?"\ngate day { permit pseudonym: present fields digits as digits(1) }',
        words,
    )


# ---- never expose -----------------------------------------------------------------------

TEST = """
test "t" {
    let p = Patient "p" {
        born: 1980-05-17, doctor: User "d", name: "n", tags: {}, sex: male, weight: 1.0, months: 1,
        geo: {lat: 1.0, long: 1.0}
    }
    let u = User "u" { trusted: false, as: false }
    expect allow read by u on p
    expect allow read by u { trusted: true, why: "" } on p
    expect allow read by u { trusted: true, as: true } on p
    expect allow read by u { trusted: true, why: "" } on p asking {born as year}
}
"""


@pytest.mark.parametrize(
    ("promise", "broken"),
    [
        ("months", 0), ("born as year", 2), ("born as month", 1), ("born as day", 1), ("born", 4), ("born as present", 4),
        ("geo as digits(1)", 1), ("geo as digits(0)", 4), ("geo as digits(3)", 1), ("name", 3), ("name as pseudonym", 2),
        ("months, geo as digits(1)", 1), ("friend", 2), ("id", 4), ("id as pseudonym", 0),
    ],
)  # fmt: skip
def test_a_promise_about_fields_is_held_on_every_allow(promise, broken):
    text = f"{WORDS}{RULES}invariant i: never expose {promise} of any\n{TEST}"
    made, problems = checked(text)
    assert made is not None, problems
    run = run_tests(made, compile_set(made), now=0)
    found = [p for result in run.results for p in result.problems]
    assert len(found) == broken, found
    for problem in found:
        assert problem.kind == "failed"
        assert problem.message == f"this shows {promise}, and the invariant `i` says never"


@pytest.mark.parametrize(
    ("promise", "rules", "code"),
    [
        ("never expose born of any", "permit p: any", "PE357"), ("never expose borne of any", RULES, "PE314"),
        ("never expose born as digits(1) of any", RULES, "PE355"), ("never expose born, born as year of any", RULES, "PE356"),
        ("never expose born of write", RULES, "PE205"), ("never expose born", RULES, "PE112"),
        ("never expose of any", RULES, "PE101"), ("never expose", RULES, "PE114"), ("never expose any", RULES, "PE112"),
        ("never permit born of any", RULES, "PE149"), ("never expose born on any", RULES, "PE101"),
        ("never expose all of any", RULES, "PE314"), ("never expose {born} of any", RULES, "PE114"),
        ("expose born of any", RULES, "PE112"),
    ],
)  # fmt: skip
def test_a_promise_that_is_wrong_is_said(promise, rules, code):
    text = f"{WORDS}{rules}\ninvariant i: {promise}\n"
    problems = checked(text)[1].errors
    assert [p.code for p in problems] == [code], problems
    assert problems[0].span.end <= len(text)


@pytest.mark.parametrize("type_", ["date", "{day: date}", "{day: {hour: date}, at: datetime}"])
def test_nothing_is_said_of_the_masks_of_a_type_that_is_wrong_itself(type_):
    text = (
        f'package p\nentity User {{ born: {type_} }}\naction see by User on User\nfield gate view "?"\n'
        "gate view { permit p: any fields born as year }\n"
    )
    assert [p.code for p in checked(text)[1].errors] == ["PE202"]


@pytest.mark.parametrize(
    ("gate", "help"),
    [
        ('gate view "?"\ngate view { permit p: see fields born }', 'declare it as `field gate view "…"`'),
        ("permit p: see fields born", "declare a gate for them"),
    ],
)  # fmt: skip
def test_of_fields_in_another_gate_the_help_names_it(gate, help):
    text = f"package p\nentity User {{ born: datetime }}\naction see by User on User\n{gate}\n"
    (problem,) = checked(text)[1].errors
    assert problem.code == "PE315"
    assert problem.help.startswith(help)
