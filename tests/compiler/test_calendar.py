"""Rules with schedules and months are looked up by their equalities, and decide as the reference does."""

from __future__ import annotations

import ast
from random import Random

import pytest

from policyengine.compiler.link import compile_target
from tests.strategies import laws
from tests.strategies.loading import load
from tests.strategies.turning import make_request

WORDS = """\
package p
entity User { at: datetime, kept: months, waits: duration, ok: bool }
action read by User on User
const opening: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
"""


@pytest.mark.parametrize(
    ("condition", "call"),
    [
        ("subject.waits == {i}h and now within opening", "within_schedule"),
        ("now within opening and subject.waits == {i}h", "within_schedule"),
        (
            'subject.waits == {i}h and now within schedule "0{i}:00-17:00 Europe/Berlin"',
            "within_schedule",
        ),
        ("subject.waits == {i}h and subject.at + {i}mo <= now", "add_months"),
        ("subject.at + 1y <= now and resource.waits in {{i}h, 2h}", "add_months"),
    ],
)
def test_an_equality_beside_the_calendar_is_looked_up(condition, call):
    rules = "\n".join(
        f"permit p{n}: read when {condition.replace('{i}', str(n % 9 + 1))} and subject.kept != {n}mo"
        for n in range(40)
    )
    loaded = load({"p": WORDS + rules})
    module = ast.parse(compile_target(loaded.checked, ("read", "User", "User")).source())
    decide = next(node for node in module.body if isinstance(node, ast.FunctionDef))
    assert ast.unparse(module).count(f"{call}(") > 0
    assert ast.unparse(decide).count(f"{call}(") <= 1
    rng = Random(1)
    for _ in range(15):
        given = make_request(rng)
        laws.compiled_agrees(laws.Case(None, loaded, given, loaded.request(**given), 1))
