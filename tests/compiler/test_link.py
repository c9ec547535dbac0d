"""Linking: a rule that means the same for several targets is lowered once."""

from __future__ import annotations

import pytest
from msgspec.structs import asdict

from policyengine.compiler import link
from policyengine.compiler.link import simplified
from policyengine.compiler.lower import lower
from policyengine.compiler.simplify import simplify_rule
from policyengine.pipeline import check_sources, read_sources
from policyengine.semantics.checked import CheckedSet
from tests.strategies.loading import load

SHARED = """
package p
entity User { old: bool }
entity Doc { open: bool, title: string }
entity Page { open: bool, words: int }
gate may "whether it may"
field gate view "what is shown"
group work having { limit: int }
action read in work by User on Doc, Page having { limit: 1 }
action edit in work by User on Doc having { limit: 2 }
gate may {
    permit seen: read, edit when subject.old
    permit told: read, edit when subject.old because "limit {action.limit}"
    permit opened: read, edit when resource.open waivable
}
gate view { permit all_of_it: read, edit fields all }
waiver w of may.opened for User "ann" on Doc "d" until 2030-01-01 ticket "T" approved_by "bob"
"""
TARGETS = (("read", "User", "Doc"), ("read", "User", "Page"), ("edit", "User", "Doc"))


def checked_set(name: str) -> CheckedSet:
    sources, _ = read_sources([f"policies/{name}"])
    checked, _ = check_sources(sources)
    assert checked is not None
    return checked


def alone(checked: CheckedSet, target, *, for_details: bool) -> list[dict[str, object]]:
    """Return the rules of a target as they are without other targets."""
    return [asdict(simplify_rule(rule)) for rule in lower(checked, target, for_details=for_details)]


@pytest.mark.parametrize("for_details", [True, False])
def test_rules_are_the_same_as_without_other_targets(for_details):
    for checked in (load({"p.policy": SHARED}).checked, checked_set("hospital")):
        for target in (
            *checked.by_target,
            *checked.by_target,
        ):  # for the second time from what is kept
            made = simplified(checked, target, for_details=for_details)
            assert [asdict(rule) for rule in made] == alone(
                checked, target, for_details=for_details
            )


def test_a_rule_is_lowered_once_where_its_names_have_the_same_types(monkeypatch):
    checked = load({"p.policy": SHARED}).checked
    lowered: list[tuple[str, ...]] = []
    lower_rule = link.lower_rule

    def noting(checked, rule, target, **options):
        lowered.append((rule.name, *target))
        return lower_rule(checked, rule, target, **options)

    monkeypatch.setattr(link, "lower_rule", noting)
    for target in TARGETS:
        simplified(checked, target)
    assert sorted(lowered) == [
        ("all_of_it", "read", "User", "Doc"),
        ("opened", "read", "User", "Doc"),
        ("opened", "read", "User", "Page"),
        ("seen", "read", "User", "Doc"),
        *(("told", *target) for target in sorted(TARGETS)),
    ]
