"""A small service that all adapters are tried with: documents, which their owners read and edit."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine import PolicyEngine

POLICY = """\
package documents
entity User { suspended: bool }
entity Document { owner: User, title: string }
action read, edit by User on Document
permit own: any when resource.owner == subject otherwise "{resource.title} belongs to {resource.owner}"
permit open: read when resource.title == "open"
forbid suspended: any when subject.suspended
"""


@dataclass
class User:
    id: str
    suspended: bool = False


@dataclass
class Document:
    id: str
    owner: User
    title: str


USERS = {name: User(name) for name in ("ann", "bob")} | {"eve": User("eve", suspended=True)}
DOCUMENTS = {
    "plan": Document("plan", USERS["ann"], "Plan"),
    "a/b": Document("a/b", USERS["ann"], "Path"),
    "open": Document("open", USERS["bob"], "open"),
    "hers": Document("hers", USERS["eve"], "Hers"),
}


def registered(engine: PolicyEngine) -> None:
    """Say how users and documents are read."""
    engine.register(User, "User")
    engine.register(Document, "Document")


ENGINE = PolicyEngine.from_text(POLICY)
registered(ENGINE)
