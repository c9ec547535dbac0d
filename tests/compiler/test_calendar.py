"""Rules with schedules and months are looked up by their equalities, and decide as the reference does."""

from __future__ import annotations

import ast
from random import Random

import pytest

from policyengine.compiler.link import compile_target
from policyengine.reference import interpreter
from tests.strategies import laws
from tests.strategies.loading import load
from tests.strategies.turning import LAST, make_request
from tests.whole import share

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
    for _ in range(share(15, 3)):
        given = make_request(rng)
        laws.compiled_agrees(laws.Case(None, loaded, given, loaded.request(**given), 1))


DEFINED = """
define twice(t: datetime, a: schedule) = t within a or t + 1h within opening
define moved(t: datetime, d: duration) = t - d
define chosen(ok: bool) = if ok then opening else schedule "Sat-Sun 22:00-02:30 America/New_York"
define later(u: User, m: months) = u.at + m
permit a: read when twice(now - 1h, schedule "02:15-02:45 Australia/Lord_Howe")
permit b: read when not twice(moved(moved(now, 1h), subject.waits), chosen(now < 2025-06-01 or subject.ok))
permit c: read when (if now within opening then later(subject, 1mo) else later(resource, -resource.kept)) < now
permit d: read when some s in {subject, resource}: now < s.at + 1y and now within opening
forbid e: read when now within chosen(subject.ok) and now - subject.at < 30d and later(subject, subject.kept) != now
permit f: read when subject.at within chosen(now < resource.at) and subject.at + 1mo - 1mo == subject.at
"""


def test_definitions_choices_and_quantifiers_turn_when_the_reference_says():
    loaded = load({"p": WORDS + DEFINED})
    rng = Random(2)
    for _ in range(share(150, 4)):
        request = loaded.request(**make_request(rng))
        laws.compiled_agrees(laws.Case(None, loaded, {}, request, 1))
        until = interpreter.valid_until(loaded.checked, request)
        decision = loaded.program.decide(request)
        assert decision._until() == until
        if until is None or until <= LAST:  # else it is cut to the last moment that can be said
            laws.compiled_holds_until(laws.Case(None, loaded, {}, request, 1))
