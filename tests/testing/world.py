"""A small policy set with one of everything that tests are measured by."""

from __future__ import annotations

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.semantics.checked import CheckedSet

NOW = 1_770_000_000_000_000
"""2026-02-02, in microseconds: the time of tests that say none."""

WORDS = """\
package shop
levels Tier = free < basic < pro
enum Status = active | closed | "on hold"
taxonomy Purpose { research { health } sales }
entity Team
entity User in Team {
    tier: Tier, status: Status, purposes: set<Purpose>, age: int, seen: datetime, rate: decimal,
    boss?: User, away: bool,
}
entity Item { owner: User, readers: set<User>, size?: {w: int, h?: int}, text: string, from_: ip }
obligation erase(after: duration)
action read, edit by User on Item with { purposes: set<Purpose>, note?: string }
action list by User on Item
field gate scope "what may be seen"
"""


def checked_set(text: str, words: str = WORDS) -> CheckedSet:
    """Check a policy set that has no mistakes."""
    checked, diagnostics = check_sources({"shop.policy": Source("shop.policy", words + text)})
    assert checked is not None, [(d.message, d.span) for d in diagnostics.items]
    return checked


ANN = """\
    let ann = User "ann" {
        tier: pro, status: active, purposes: {research}, age: 30, seen: 2026-01-01, rate: 1.5,
        away: false,
    }
    let item = Item "i" {
        owner: ann, readers: {}, text: "a", from_: ip "10.0.0.1", size: {w: 3, h: 4},
    }
    at 2026-02-02
"""
"""The lines that a test begins with."""


def test_of(*expectations: str, title: str = "t") -> str:  # noqa: PT028 - no test
    """Return a `test` block of expectations about `ann` and `item`."""
    lines = "".join(f"    {line}\n" for line in expectations)
    return f'test "{title}" {{\n{ANN}{lines}}}\n'


test_of.__test__ = False
