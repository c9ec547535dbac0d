"""What mypy says of code that uses the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

from policyengine import PolicyEngine
from tests.test_type_stubs import OPTIONS


def reported(code: str, folder: Path) -> list[str]:
    """Return the kinds of mistakes that mypy reports of *code*, told what the documentation says."""
    file = folder / "service.py"
    file.write_text(code, encoding="utf-8")
    here = ["--config-file=", "--no-error-summary"]
    shown, mistakes, _ = api.run([*OPTIONS, *here, str(file)])
    assert not mistakes
    return [line.rpartition("[")[2].rstrip("]") for line in shown.splitlines() if "error:" in line]


ASKING = {
    "if decision.allowed:": ["assignment"],
    "if decision:": ["truthy-bool", "assignment"],
    "if not decision:": ["truthy-bool", "assignment"],
    "while decision and decision.allowed:": ["truthy-bool", "assignment"],
}

ASK = """
def ask_{number}(decision: Decision) -> int:
    {asking}
        return 1
    x: int = "not an int"
    return x
"""


SEARCHING = """
from policyengine import Entity, Page, PolicyEngine

def ask(engine: PolicyEngine, ann: Entity) -> list[str]:
    page: Page[Entity] = engine.resources(ann, "read", "Document", {"mfa": True}, limit=10)
    actions: Page[str] = engine.actions(ann, page.items[0])
    wrong: Page[str] = engine.subjects("read", page.items[0], "User", token=page.token)
    for one in page:
        pass
    if page:
        return []
    return [found.id for found in page.items] + list(actions.items)
"""


def test_decisions_and_pages_taken_for_a_bool_are_reported_and_what_follows_is_checked(
    tmp_path: Path,
):
    """One run of mypy is for both."""
    asked = (ASK.format(number=n, asking=asking) for n, asking in enumerate(ASKING))
    code = "from policyengine import Decision\n" + "".join(asked) + SEARCHING
    kinds = [kind for kinds in ASKING.values() for kind in kinds]
    assert reported(code, tmp_path) == [*kinds, "assignment", "attr-defined", "truthy-bool"]


def test_a_decision_that_is_taken_for_a_bool_says_what_to_ask():
    engine = PolicyEngine.from_text(
        "package a\nentity U\nentity D\naction r by U on D\npermit p: r\n"
    )
    decision = engine.decide({"type": "U", "id": "u"}, "r", {"type": "D", "id": "d"})
    with pytest.raises(TypeError, match=r"ask `decision\.allowed`"):
        bool(decision)
