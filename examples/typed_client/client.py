"""A command that says what somebody may do with a report, in which type checkers see each name of the policy.

`python examples/typed_client/client.py ann q3 audit`. The types are written by
`policyengine stubs examples/typed_client > examples/typed_client/policy_types.py`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

# -- decisions
from policy_types import Engine, Report, User, typed

from policyengine import Decision, PolicyEngine

# -- the application

Level: TypeAlias = Literal["public", "internal", "secret"]
Purpose: TypeAlias = Literal["audit", "planning"]
PURPOSES: dict[str, Purpose] = {"audit": "audit", "planning": "planning"}


@dataclass(frozen=True)
class Person:
    """Somebody who works here, or did."""

    level: Level
    left: bool = False


@dataclass(frozen=True)
class Paper:
    """A report of somebody's."""

    author: str
    level: Level


PEOPLE = {"ann": Person("internal"), "bob": Person("public"), "eve": Person("secret", left=True)}
PAPERS = {"q3": Paper("ann", "internal"), "menu": Paper("bob", "public")}

# -- decisions


def user(name: str) -> User:
    """Return what policies read of somebody."""
    person = PEOPLE[name]
    return {
        "type": "User",
        "id": name,
        "properties": {"clearance": person.level, "left": person.left},
    }


def report(name: str) -> Report:
    """Return what policies read of a report."""
    paper = PAPERS[name]
    return {
        "type": "Report",
        "id": name,
        "properties": {"owner": {"type": "User", "id": paper.author}, "clearance": paper.level},
    }


def answers(engine: Engine, who: str, what: str, purpose: Purpose) -> dict[str, Decision]:
    """Decide about each thing that can be done with a report."""
    return {
        "read": engine.decide(user(who), "read", report(what), {"purpose": purpose}),
        "share": engine.decide(user(who), "share", report(what)),
    }


def main(who: str, what: str, purpose: str) -> None:
    """Print the answers, with what the person may know of the reasons."""
    engine = typed(PolicyEngine.load(Path(__file__).parent))
    for action, decision in answers(engine, who, what, PURPOSES[purpose]).items():
        print(f"{action}: {'yes' if decision.allowed else 'no'}, {decision.reason_for('user')}")


# -- the application

if __name__ == "__main__":
    main(*sys.argv[1:])
