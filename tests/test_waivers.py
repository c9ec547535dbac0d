"""Waivers for subjects, on resources, and within: what they are for, what they need, and when they end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policyengine import DecisionCache, InvalidRequest, PolicyEngine
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.syntax.formatter import format_source

POLICY = """
package p
entity Ward in Ward
entity Nurse in Ward { trained: bool }
entity Doctor { trained: bool }
entity Folder in Folder
entity Chart in Folder
action read by Nurse, Doctor on Chart, Folder
permit trained: any when subject.trained waivable
"""

END = 'until 2027-01-31 ticket "T" approved_by "review"'
NOW = datetime(2026, 11, 23, tzinfo=UTC)
LATER = datetime(2027, 1, 31, tzinfo=UTC)


def entity(type_: str, id_: str, *parents: tuple[str, str], **properties: Any) -> dict[str, Any]:
    above = [{"type": kind, "id": one} for kind, one in parents]
    return {"type": type_, "id": id_, "properties": properties, "parents": above}


ANN = entity("Nurse", "ann", ("Ward", "room"), trained=False)
BOB = entity("Nurse", "bob", trained=False)
DOC = entity("Doctor", "doc", trained=False)
IN = entity("Chart", "in", ("Folder", "sub"))
OUT = entity("Chart", "out")
FOLDER = entity("Folder", "study")
WORLD = [
    entity("Ward", "icu"), entity("Ward", "room", ("Ward", "icu")),
    FOLDER, entity("Folder", "sub", ("Folder", "study")),
]  # fmt: skip
PAIRS = {
    "ann in": (ANN, IN), "ann out": (ANN, OUT), "ann folder": (ANN, FOLDER), "bob in": (BOB, IN),
    "bob out": (BOB, OUT), "doc in": (DOC, IN), "doc out": (DOC, OUT), "doc folder": (DOC, FOLDER),
}  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "waived"),
    [
        ('for Nurse "bob"', {"bob in", "bob out"}),
        ('for within Ward "icu"', {"ann in", "ann out", "ann folder"}),
        ('for within Nurse "ann"', {"ann in", "ann out", "ann folder"}),
        ('on Chart "in"', {"ann in", "bob in", "doc in"}),
        ('on Folder "study"', {"ann folder", "doc folder"}),
        ('on within Folder "study"', {"ann in", "ann folder", "bob in", "doc in", "doc folder"}),
        ('for within Ward "icu" on within Folder "study"', {"ann in", "ann folder"}),
        ('on within Folder "study" for Doctor "doc"', {"doc in", "doc folder"}),
        ('for Nurse "ann" on Chart "out"', {"ann out"}),
        ('for within Ward "icu" on Chart "in"', {"ann in"}),
        ('for Nurse "nobody"', set()),
    ],
)
def test_a_waiver_is_for_whom_and_what_it_names(parts, waived):
    engine = PolicyEngine.from_text(f"{POLICY}waiver w of trained {parts} {END}")
    cache = DecisionCache(engine)
    found: set[str] = set()
    for _ in range(2):
        for name, (subject, resource) in PAIRS.items():
            bound = engine.bind(subject)
            decisions = [
                engine.decide(subject, "read", resource, entities=WORLD, now=NOW),
                cache.decide(subject, "read", resource, entities=WORLD, now=NOW),
                bound.decide("read", resource, entities=WORLD, now=NOW),
                bound.decide("read", resource, entities=WORLD, now=NOW),
            ]
            for decision in decisions:
                assert decision.allowed == (name in waived)
                assert decision.waivers == (("w",) if name in waived else ())
                assert decision.valid_until == (LATER if name in waived else None)
            assert not engine.decide(subject, "read", resource, entities=WORLD, now=LATER).allowed
            explained = engine.explain(subject, "read", resource, entities=WORLD, now=NOW)
            assert explained.outcome.waivers == decision.waivers
            found |= {name} if decision.allowed else set()
    assert found == waived


@pytest.mark.parametrize("date", ["2027-01-31", "2020-01-31"])
def test_with_within_parents_must_be_given_whatever_the_date(date):
    end = END.replace("2027-01-31", date)
    engine = PolicyEngine.from_text(f'{POLICY}waiver w of trained for within Ward "icu" {end}')
    bare = {key: part for key, part in BOB.items() if key != "parents"}
    for _ in range(2):
        assert not engine.decide(BOB, "read", OUT, now=NOW).allowed
        with pytest.raises(InvalidRequest) as refused:
            engine.decide(bare, "read", OUT, now=NOW)
        assert [(p.code, p.path) for p in refused.value.problems] == [("PE509", "subject.parents")]
        with pytest.raises(InvalidRequest):
            engine.decide({**bare, "properties": {"trained": True}}, "read", OUT, now=NOW)
    assert not engine.decide(DOC, "read", OUT, now=NOW).allowed
    assert not PolicyEngine.from_text(POLICY).decide(bare, "read", OUT, now=NOW).allowed


def test_many_waivers_of_one_rule_are_looked_up():
    many = "\n".join(
        f'waiver w{n} of trained for Nurse "n{n % 50}" on Chart "c{n}" {END}' for n in range(300)
    )
    engine = PolicyEngine.from_text(f"{POLICY}{many}")
    nurse, chart = entity("Nurse", "n7", trained=False), entity("Chart", "c107")
    decision = engine.decide(nurse, "read", chart, now=NOW)
    assert (decision.allowed, decision.waivers) == (True, ("w107",))
    assert not engine.decide(nurse, "read", entity("Chart", "c108"), now=NOW).allowed


def test_of_several_that_stand_in_for_a_rule_all_are_named():
    text = (
        POLICY
        + f"""
        waiver b of trained on Chart "in" until 2026-12-01 ticket "T" approved_by "x"
        waiver a of trained for within Ward "icu" {END}
        """
    )
    engine = PolicyEngine.from_text(text)
    decision = engine.decide(ANN, "read", IN, entities=WORLD, now=NOW)
    assert decision.waivers == ("a", "b")
    assert decision.valid_until == datetime(2026, 12, 1, tzinfo=UTC)


def test_an_advisory_rule_with_a_waiver_is_unknown_without_parents():
    text = POLICY.replace("permit trained", "permit every_one: any\nadvisory permit trained")
    engine = PolicyEngine.from_text(f'{text}waiver w of trained for within Ward "icu" {END}')
    bare = {key: part for key, part in ANN.items() if key != "parents"}
    outcomes = [
        engine.decide(bare, "read", OUT, now=NOW).advisories[0].outcome,
        engine.decide(ANN, "read", OUT, entities=WORLD, now=NOW).advisories[0].outcome,
        engine.decide(BOB, "read", OUT, entities=WORLD, now=NOW).advisories[0].outcome,
    ]
    assert outcomes == ["unknown", "satisfied", "not_satisfied"]


def test_a_waiver_for_a_type_that_is_never_with_the_other_is_refused():
    text = """package p
entity A entity B entity C entity D
action one by A on C
action two by B on D
permit p: any when false waivable
waiver w of p for A "a" on D "d" until 2027-01-31 ticket "T" approved_by "x"
"""
    _, found = check_sources({"p.policy": Source("p.policy", text)})
    [problem] = found.errors
    assert problem.code == "PE313"
    assert problem.message == "`access.p` never has an `A` as its subject and a `D` as its resource"


@pytest.mark.parametrize(
    "text",
    [
        'waiver w of p for within Ward "icu" on within Folder "f" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of g.p on Folder "f" ticket "T"',
    ],
)
def test_it_is_formatted_as_it_is_written(text):
    source = f"package p\n\n{text}\n"
    made = format_source(Source("p.policy", source))
    assert isinstance(made, str)
    assert made.split() == source.split()


@pytest.mark.parametrize(
    "text",
    [
        'waiver w of trained for Nurse until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained for "ann" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained for not within Ward "icu" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained within Ward "icu" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained for Nurse "a", Nurse "b" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained by Nurse "a" until 2027-01-31 ticket "T" approved_by "x"',
        'waiver w of trained for Nurse "a" under Ward "icu" until 2027-01-31 ticket "T" approved_by "x"',
    ],
)
def test_what_no_waiver_says(text):
    _, found = check_sources({"p.policy": Source("p.policy", POLICY + text)})
    assert [problem.code[:3] for problem in found.errors] == ["PE1"]
