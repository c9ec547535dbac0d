"""Rules that follow from parts that bring all along look entities up part by part, and find what is found together."""

from __future__ import annotations

import pytest

from policyengine import PolicyEngine
from policyengine.model.valid_request import together
from tests.calls import calls

WORLD = """package apart
entity Team in Team { open: bool }
entity User in Team { boss?: User, mates: set<User>, notes: set<{by: User}>, ok: bool, team: Team }
action greet by User on User with { via: set<User> }
permit follows: greet when CONDITION
"""
CONDITIONS = {
    "the boss, who may be oneself": "subject has boss and subject.boss.ok",
    "the boss of the boss": "subject has boss and subject.boss has boss and subject.boss.boss.ok",
    "each of a set": "every m in subject.mates: m.ok",
    "what each of a set leads to": "some m in resource.mates: m.team.open",
    "records in a set": "some n in subject.notes: n.by.ok",
    "entities of several parts": "some u in {subject, resource}: u.team.open and u.ok",
    "references of several parts": "some t in {subject.team, resource.team}: t.open",
    "within one of a set": "subject.team within {resource.team}",
    "a set within another": "resource.mates within {subject.team}",
    "ancestors of one's type": "some t in ancestors(subject.team, Team): t.open",
    "of a set in the context": "every v in context.via: v.ok and v.team within subject.team",
}


def _users(engine):
    """Return users who know one another, and of whom one is their own boss."""
    top = engine.entity("Team", "top", open=False, parents=[])
    teams = [engine.entity("Team", id_, open=id_ == "t0", parents=[top]) for id_ in ("t0", "t1")]

    def user(id_, boss, mates, *, ok, team):
        given = {} if boss is None else {"boss": boss}
        notes = [{"by": mate} for mate in mates]
        return engine.entity(
            "User", id_, **given, mates=mates, notes=notes, ok=ok, team=team, parents=[team]
        )

    chief = user("chief", {"type": "User", "id": "chief"}, [], ok=True, team=teams[0])
    idle = user("idle", None, [], ok=False, team=teams[1])
    under = user("under", chief, [chief, idle], ok=False, team=teams[1])
    lowest = user("lowest", under, [chief], ok=True, team=teams[0])
    return chief, idle, under, lowest


@pytest.mark.parametrize("asked", CONDITIONS)
def test_what_parts_bring_along_is_looked_up_in_as_few_steps_as_it_is_given(asked):
    engine = PolicyEngine.from_text(WORLD.replace("CONDITION", CONDITIONS[asked]))
    users = _users(engine)
    contexts = [engine.context("greet", {"via": list(via)}) for via in (users[:1], users[1:3], ())]
    found, steps = set(), []
    for subject in users:
        for resource in users:
            for context in contexts:
                parts = subject, "greet", resource, context
                outcome = engine.explain(*parts).outcome  # by the interpreter
                for _ in range(3):  # the third time, they are known to bring all along
                    decision = engine.decide(*parts)
                    assert decision.allowed is outcome.allowed
                    assert decision.rules == outcome.rules
                    again = engine.decide(decision.request)
                    assert (again.allowed, again.reason) == (outcome.allowed, decision.reason)
                found.add(outcome.allowed)
                if users[0] not in (
                    subject,
                    resource,
                ):  # who is not carried along where they are their own boss
                    steps.append(calls(lambda parts=parts: engine.decide(*parts).allowed))
    assert found == {True, False}
    assert max(steps) < STEPS, "what is not seen at once takes a hundred"


STEPS = 70


def test_what_is_apart_is_put_together_with_subject_and_resource():
    engine = PolicyEngine.from_text(WORLD.replace("CONDITION", "subject.team.open"))
    chief, idle, under, _ = _users(engine)
    of_subject, of_resource = {idle.key_: idle}, {chief.key_: chief}
    found = together((of_subject, of_resource, {}), under, idle)
    assert found == {one.key_: one for one in (chief, idle, under)}
    assert together(of_subject, under, idle) is of_subject
