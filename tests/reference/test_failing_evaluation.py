"""What should never be evaluated raises: no construct quietly means something else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from policyengine.model.sealed import altered
from policyengine.model.types import BOOL, INT, STRING
from policyengine.model.values import ABSENT
from policyengine.reference.evaluation import Env, evaluate
from policyengine.reference.interpreter import decide
from policyengine.semantics.checked import Typing
from policyengine.syntax import nodes
from tests.strategies.loading import load

VOCABULARY = """
package p
entity Team
entity User in Team { age: int, boss?: User }
action read by User on User
"""

USER = {"type": "User", "id": "u", "properties": {"age": 1}, "parents": []}


def loaded_with(rules):
    loaded = load({"p": VOCABULARY + rules})
    request = loaded.request(subject=USER, action="read", resource=USER, now="2026-01-01")
    return loaded, request


def with_subject(request, **changes):
    subject = altered(request.subject, **changes)
    entities = {**request.entities, (subject.type, subject.id): subject}
    return replace(request, subject=subject, resource=subject, entities=entities)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("permit a: any when subject.age == 1", {"v_age": ABSENT}),
        ('permit a: any when subject within Team "t"', {"line": None}),
        ('permit a: any when {subject} within Team "t"', {"line": None}),
    ],
)
def test_what_is_not_given_fails_the_rule_that_reads_it(rule, changes):
    loaded, request = loaded_with(rule)
    outcome = decide(loaded.checked, with_subject(request, **changes))
    assert outcome.cause == "error"
    assert [error.rule for error in outcome.errors] == ["access.a"]


ONE, NAME = nodes.Literal("int", 1, "1"), nodes.Name("who")
NOWHERE = nodes.Ident("nowhere")


@pytest.mark.parametrize(
    ("node", "raised"),
    [
        (ONE, TypeError),
        (nodes.EntityRef(nodes.Ident("User"), "u"), TypeError),
        (nodes.Update(NAME, nodes.SetDisplay(())), TypeError),
        (nodes.Call(NOWHERE, ()), TypeError),
        (nodes.Name("nobody"), NameError),
        (nodes.Compare("===", NAME, NAME), AssertionError),
    ],
)
def test_what_the_checker_lets_nobody_write_raises(node, raised):
    loaded, request = loaded_with("permit a: any")
    env = Env(request, loaded.checked.schema, {"who": lambda: 1})
    typing = Typing({id(node): BOOL, id(NAME): INT, id(ONE): STRING}, {})
    with pytest.raises(raised):
        evaluate(node, typing, env)


def test_advice_that_fails_although_all_is_given_is_unknown(monkeypatch):
    loaded, request = loaded_with("permit a: any advisory forbid b: any when subject.age == 1")
    monkeypatch.setattr("policyengine.reference.interpreter.gives", lambda *_: True)
    outcome = decide(loaded.checked, with_subject(request, v_age=ABSENT))
    assert [advisory.outcome for advisory in outcome.advisories] == ["unknown"]
    assert outcome.errors == ()
