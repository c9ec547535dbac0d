"""A small policy set in files, which tests of holders change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from policyengine import PolicyEngine

VOCABULARY = """
package held
entity Team
entity User in Team { suspended: bool, born?: datetime }
entity Document { owner: User }
action read, write by User on Document
"""
RULES = """
permit own: read, write when resource.owner == subject because "it is their own"
forbid suspended: any when subject.suspended
"""
TEST = """
test "owners read" {
    let ann = User "ann" { suspended: false }
    expect allow read by ann on Document "d" { owner: ann }
}
"""
DOCUMENT = {"type": "Document", "id": "d", "properties": {"owner": {"type": "User", "id": "ann"}}}
ANN = {"type": "User", "id": "ann"}


def user(id_: str = "ann", *, suspended: bool = False):
    return {**ANN, "id": id_, "properties": {"suspended": suspended}, "parents": []}


def write(folder: Path, rules: str, vocabulary: str = VOCABULARY) -> None:
    (folder / "held.policy").write_text(vocabulary + rules, encoding="utf-8")


def allowed(engine: PolicyEngine, who=None, action: str = "read") -> bool:
    return engine.decide(who or user(), action, DOCUMENT).allowed


def until(what: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.005)
