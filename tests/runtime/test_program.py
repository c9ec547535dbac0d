"""Programs: compiled once, safe between threads, and shut when anything fails."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from msgspec.structs import replace

from policyengine.compiler.link import compile_target, link
from policyengine.model.outcome import Obligation
from policyengine.model.sealed import altered
from policyengine.model.types import DURATION, INT, STRING
from policyengine.reference import interpreter
from policyengine.runtime.compiled_rule import Judges
from policyengine.runtime.details import Details, Explainer
from policyengine.runtime.directory import Rules
from policyengine.runtime.program import Program
from tests.compiler.world import TARGET, request, world

DAY = 86_400_000_000


# ---- keeping what was compiled ----------------------------------------------------------


def counting(text: str) -> tuple[Program, list[Any]]:
    """Return a program and the list of what it compiled."""
    checked, compiled = world(text).checked, []

    def compile_(target: Any) -> Any:
        compiled.append(target)
        return compile_target(checked, target)

    return Program(checked.digest, checked.schema, checked.needs, compile_), compiled


def test_a_target_is_compiled_when_it_is_first_needed_and_once():
    program, compiled = counting("permit a: act when subject.age > 41")
    assert compiled == []
    assert program.compiled(TARGET) is program.compiled(TARGET)
    assert compiled == [TARGET]


def test_what_was_compiled_is_shown_without_its_tables():
    rules = "".join(f"permit a{i}: act when subject.age == {i}\n" for i in range(100))
    program, _ = counting(rules)
    shown = repr(program.compiled(TARGET))
    assert "act" in shown
    assert "module" not in shown


def test_a_set_that_is_loaded_again_finds_its_functions_made():
    text = "permit a: act when subject.age > 42"
    first, _ = counting(text)
    made = first.compiled(TARGET)
    again, compiled = counting(text)
    assert again.compiled(TARGET) is made
    assert compiled == []
    other, compiled = counting("permit a: act when subject.age > 43")
    assert other.compiled(TARGET) is not made
    assert compiled == [TARGET]


def test_what_was_compiled_goes_with_the_last_set_that_uses_it():
    text = "permit a: act when subject.age > 44"
    first, _ = counting(text)
    made = weakref.ref(first.compiled(TARGET))
    again, _ = counting(text)
    assert again.compiled(TARGET) is made()
    del first
    gc.collect()
    assert again.compiled(TARGET) is made()
    del again
    gc.collect()
    assert made() is None


def test_threads_get_one_answer():
    loaded = world("permit a: act when subject.age > 29 oblige tell(subject.name)")
    asked, barrier = request(loaded), Barrier(8)
    program = link(loaded.checked)
    expected = interpreter.decide(loaded.checked, asked)

    def ask(_: int) -> bool:
        barrier.wait()
        return all(program.decide(asked).outcome == expected for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_needs_are_those_of_the_set():
    loaded = world("permit a: act when subject.age > 29")
    assert link(loaded.checked).needs(TARGET) == loaded.checked.needs(TARGET)
    assert link(loaded.checked).digest == loaded.checked.digest


def test_deciding_with_a_compiled_program_needs_no_compiler():
    code = "import policyengine.runtime.program, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in run.stdout.split() if name.startswith("policyengine.")}
    assert rooms == {"concurrency", "model", "runtime", "version"}
    assert "lark" not in run.stdout.split()


# ---- what an allow gives ----------------------------------------------------------------

GIVING = """
field gate a "a" field gate b "b" gate c "c"
gate a { permit p: act when subject.ok fields id, age, name oblige keep(2d), keep(1d)
         expose q: act when subject.age > 20 fields tier oblige tell(subject.name) }
gate b { permit r: act fields age, tier, tags oblige keep(1d), tell("Ada") }
gate c { permit s: act oblige tell("Bob"), mix(1, subject.name) }
obligation mix(a: int, b: string)
"""


def test_fields_and_obligations_come_together():
    loaded = world(GIVING)
    for _ in range(2):  # what rules give together is kept
        decision = loaded.program.decide(request(loaded))
        assert decision.exposed == {"age", "tier"}
        assert decision.obligations == (
            Obligation("keep", (("span", DURATION, DAY),)),
            Obligation("keep", (("span", DURATION, 2 * DAY),)),
            Obligation("mix", (("a", INT, 1), ("b", STRING, "Ada"))),
            Obligation("tell", (("who", STRING, "Ada"),)),
            Obligation("tell", (("who", STRING, "Bob"),)),
        )
        assert decision.outcome == interpreter.decide(loaded.checked, request(loaded))


def test_what_rules_give_together_is_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("policyengine.runtime.compiled_target._MOST_ANSWERS", 0)
    loaded = world(GIVING + "# kept\n")
    assert loaded.program.decide(request(loaded)).exposed == {"age", "tier"}
    assert loaded.program.compiled(TARGET).answers == {}


def test_fields_that_are_asked_for_must_be_exposed_by_every_gate():
    loaded = world(GIVING)
    allowed = loaded.program.decide(request(loaded, fields=["age", "tier"]))
    assert (allowed.allowed, allowed.exposed) == (True, {"age", "tier"})
    denied = loaded.program.decide(request(loaded, fields=["name", "id"]))
    assert (denied.allowed, denied.cause, denied.exposed) == (False, "not_permitted", frozenset())
    assert denied.gates == {"a": True, "b": False, "c": True}
    assert denied.reason == "`b` does not expose id, name"


# ---- failing ----------------------------------------------------------------------------


def failing(loaded: Any, name: str = "v_age") -> Any:
    """Return a request of which an attribute of the subject is no value at all."""
    asked = request(loaded)
    return replace(asked, subject=altered(asked.subject, **{name: object()}))


@pytest.mark.parametrize(
    ("rules", "allowed", "cause", "rule"),
    [
        ("permit a: act when subject.age > 3", False, "error", "access.a"),
        ("permit p: act\nforbid a: act when subject.age > 3", False, "error", "access.a"),
        ("permit p: act\npermit a: act when subject.age > 3", True, "permitted", "access.a"),
        (
            'permit a: act oblige tell(if subject.age > 3 then subject.name else "x")',
            False,
            "error",
            "access.a",
        ),
        (
            (
                "permit a: act when subject.age > 3 waivable\n"
                'waiver w of a for User "u1" until 2030-01-01 ticket "T" approved_by "B"'
            ),
            True,
            "permitted",
            None,
        ),
    ],
)
def test_what_fails_opens_nothing(rules: str, allowed: bool, cause: str, rule: str | None):
    loaded = world(rules)
    asked = failing(loaded)
    decision = loaded.program.decide(asked)
    assert (decision.allowed, decision.cause) == (allowed, cause)
    assert [error.rule for error in decision.errors] == ([rule] if rule else [])
    for error in decision.errors:
        assert error.paths == ("subject.properties.age",)
        assert error.message == "failed while it was evaluated"
        assert f"`{error.rule}` failed" in decision.reason or allowed


def test_a_rule_that_failed_may_do_otherwise_at_once():
    loaded = world("permit a: act when now - subject.since > 3d")
    asked = failing(loaded, "v_since")
    until = loaded.program.decide(asked)._until()
    assert until == asked.now + 1


def test_a_value_that_cannot_be_shown_is_a_question_mark():
    loaded = world('permit a: act because "{subject} is {subject.age}"')
    asked = replace(request(loaded), subject=altered(request(loaded).subject, v_tier=None))
    loaded = world('forbid a: any because "{subject}: {subject.tier}"')
    assert loaded.program.decide(asked).reason == 'User "u1": ?'


def test_a_rule_on_trial_that_fails_or_lacks_something_is_unknown():
    loaded = world(
        """permit a: act advisory forbid b: act when subject.age > 3
        advisory permit c: act when resource.name == "x"
        advisory permit d: act when subject.ok"""
    )
    decision = loaded.program.decide(failing(loaded))
    outcomes = [(advisory.rule, advisory.outcome) for advisory in decision.advisories]
    assert decision.errors == ()
    assert outcomes == [
        ("access.b", "unknown"),
        ("access.c", "not_satisfied"),
        ("access.d", "satisfied"),
    ]


def test_a_rule_on_trial_that_raises_is_unknown():
    loaded = world("permit a: act advisory forbid b: act when subject.age > 4")
    decision = loaded.program.decide(request(loaded))

    def broken(*_: object) -> int:
        raise ZeroDivisionError

    kept = decision._worked_out().details
    rules = Rules.of([replace(rule, fails=broken) for rule in kept.explainer.rules])
    judges = Judges(broken, lambda: (broken, broken))
    details = Details(
        Explainer(kept.explainer.action, rules, kept.explainer.gates, judges), kept.request
    )
    assert [advisory.outcome for advisory in details.outcome().advisories] == ["unknown"]
    assert [error.rule for error in details.outcome().errors] == ["access.a"]
