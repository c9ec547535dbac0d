"""Holds that nobody is told to declare something untrue."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from policyengine import InvalidRequest, PolicyEngine
from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.linter import lint
from policyengine.pipeline import check_sources
from tests.whole import some

POLICIES = Path(__file__).parents[2] / "policies"

CHOSEN = {
    "fields", "credential", "event", "about", "emergency", "study", "recipient", "to", "expires", "gives",
    "team", "guest", "wants", "member", "role",
}  # fmt: skip
"""What callers of the shipped sets choose themselves, all else being as it is."""


shipped = cache(PolicyEngine.load)


@pytest.mark.parametrize(
    "file", some(sorted(POLICIES.glob("*/requests/*.json")), 3), ids=lambda f: f.stem
)
def test_explanations_of_the_shipped_sets_tell_nobody_to_declare_something_else(file: Path):
    engine = shipped(file.parents[1])
    given = json.loads(file.read_text())
    given["action"] = given["action"]["name"]
    try:
        explanation = engine.explain(**given)
    except InvalidRequest:
        return
    offers = explanation.to_json("auditor")["would_allow"]
    declared = {
        change["what"].removeprefix("context.").partition(".")[0]
        for offer in offers
        for change in offer
        if change["by"] == "caller"
    }
    assert declared <= CHOSEN


WORLD = """\
package p
taxonomy Purpose { care research }
entity User
entity Doc { open: bool }
group api with { in_group: bool%(group)s }
action read in api by User on Doc with {
    asked: bool%(by)s, purposes: set<Purpose>%(by)s, amount: int%(by)s, note?: {text: string, agreed: bool}%(by)s,
    steps: set<{name: string, done: bool}>%(by)s
}
define wanted(purposes: set<Purpose>) = purposes within care
"""

RULES = [
    ("permit p: read when context.asked", {"asked"}),
    ("permit p: read when wanted(context.purposes)", {"purposes"}),
    ("permit p: read when context.in_group", {"in_group"}),
    ("permit p: read unless context.asked", {"asked"}),
    ("permit p: read when context.amount > 5", set()),
    ('permit p: read when resource.open because "{context.purposes}"', set()),
    ('permit p: read when context has note and context.note.text != ""', set()),
    ("permit p: read when context has note and context.note.agreed", {"note"}),
    ("permit p: read when some s in context.steps: s.done", {"steps"}),
    ('permit p: read when some s in context.steps: s.name == "x"', set()),
    ("permit p: read forbid f: read when context.amount < 5", {"amount"}),
    ('permit p: read forbid f: read unless context has note and context.note.text != ""', {"note"}),
    ("permit p: read advisory forbid f: read when context.amount < 5", set()),
]  # fmt: skip


def world(rules: str, by: str = "", group: str = "") -> str:
    return WORLD % {"by": by, "group": group} + rules


def found(text: str) -> list[str]:
    checked, diagnostics = check_sources({"p": Source("p", text)})
    assert checked is not None, diagnostics.items
    return [d.message for d in lint(checked, Configuration(frozenset({"unstated-changer"}))).items]


@pytest.mark.parametrize(("rules", "names"), RULES)
def test_lint_asks_who_can_change_what_may_be_declared_untruly(rules, names):
    messages = found(world(rules))
    assert len(messages) == bool(names)
    assert all(f"`{name}`" in messages[0] for name in names)
    assert found(world(rules, by=" (by caller)", group=" (by nobody)")) == []


@pytest.mark.parametrize(("rules", "names"), RULES)
def test_nobody_is_sent_for_it_before_that_is_said(rules, names):
    def changers(text: str) -> dict[str, str]:
        explanation = PolicyEngine.from_text(text).explain(
            {"type": "User", "id": "u"}, "read",
            {"type": "Doc", "id": "d", "properties": {"open": False}},
            {"asked": "unless" in rules, "purposes": ["research"], "amount": 1, "in_group": False, "steps": []},
        )  # fmt: skip
        return {
            change["what"].removeprefix("context.").partition(".")[0]: change["by"]
            for offer in explanation.to_json("auditor")["would_allow"]
            for change in offer
            if change["what"].startswith("context.")
        }

    assert all(changers(world(rules)).get(name) == "nobody" for name in names)
    stated = changers(world(rules, by=" (by caller)", group=" (by caller)"))
    assert all(stated.get(name) == "caller" for name in names)


def test_several_values_are_one_finding():
    rules = (
        "permit p: read when context.asked and context.in_group and context.purposes within care"
    )
    (message,) = found(world(rules))
    assert message == (
        "an untrue value of `in_group`, `asked`, `purposes` would allow what the rules keep back"
    )
