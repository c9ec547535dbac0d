"""Decisions and explanations in notebooks: escaped, and as the user may see them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from policyengine import PolicyEngine

ENGINE = PolicyEngine.from_text(
    """
    package notes
    entity User { name: string, pin: private int }
    entity Note { owner: User, secret: bool, opened: datetime }
    action read by User on Note
    gate access "?"
    field gate shown "?"
    gate access {
        permit own: read when resource.owner == subject because "it is yours"
        forbid secret: read when resource.secret because "{subject.name} may not, as {resource.owner} says"
        forbid pinned: read when subject.pin == 7
    }
    gate shown { permit every_one: read fields id, opened as year }
    """,
    undeclared="drop",
)


def asked(*, secret: bool, pin: int = 1, **more: Any) -> tuple[Any, str, Any]:
    name = '<script>alert(1)</script>&"'
    user = {"type": "User", "id": "ann", "properties": {"name": name, "pin": pin, **more}}
    owner = {"type": "User", "id": "ann"}
    properties = {"owner": owner, "secret": secret, "opened": "2026-01-01"}
    return user, "read", {"type": "Note", "id": "n", "properties": properties}


class Read(HTMLParser):
    """Collects the names of elements, and the text that a person reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + "|"


def test_a_decision_is_shown_as_the_user_may_see_it():
    found = Read(ENGINE.decide(*asked(secret=False, **{"<b>": 1}))._repr_html_())
    for said in ("allow", "permitted", "it is yours", "id, opened as year", '["<b>"]'):
        assert said in found.text
    denied = ENGINE.decide(*asked(secret=True))
    found = Read(denied._repr_html_())
    assert denied.reason_for("user") in found.text.replace("|", "")
    assert found.names <= {"div", "strong", "code", "span"}
    refused = ENGINE.decide_request({"subject": {"type": "User", "id": "<i>"}})
    assert "invalid_request" in Read(refused._repr_html_()).text


def test_an_explanation_is_shown_as_the_user_may_see_it():
    explained = ENGINE.explain(*asked(secret=True))
    found = Read(explained._repr_html_())
    assert found.text.replace("|", "") == "\n".join(explained.lines("user"))
    assert found.names == {"pre", "strong"}


def test_nothing_private_is_shown():
    for pin in (7, 8):
        found = ENGINE.decide(*asked(secret=False, pin=pin))._repr_html_()
        found += ENGINE.explain(*asked(secret=False, pin=pin))._repr_html_()
        assert str(pin) not in found.replace("#1a7f37", "").replace(".75", "")
