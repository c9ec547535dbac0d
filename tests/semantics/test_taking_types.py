"""What cannot say its own type takes it from what can, on whichever side that stands."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

VOCABULARY = """
package p
enum Scope = "a.b" | c
entity User { scope: Scope, scopes: set<Scope> }
action act by User on User
const few: set<int> = {1}
const one: Scope = c
"""


@pytest.mark.parametrize(
    "condition",
    [
        '(if true then subject.scope else "a.b") == subject.scope',
        '(if true then "a.b" else subject.scope) == subject.scope',
        '(if true then "a.b" else one) == one',
        '{subject.scope, "a.b"} == subject.scopes',
        '{"a.b", subject.scope} overlaps subject.scopes',
        'size({"a.b", subject.scope}) == 2',
        'size({"a.b", one}) == 2',
        '"a.b" in {one}',
        "{} subset few",
        "not ({} overlaps few)",
        "few == {}",
    ],
)
def test_a_type_is_taken(condition):
    text = f"{VOCABULARY} permit a: any when {condition}"
    checked, found = check_sources({"p": Source("p", text)})
    assert checked is not None, found.errors
