"""Hold that a function which only returns what would do something counts as one that failed: asynchronous, or a generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policyengine import NotRecorded, PolicyEngine, PolicyHolder

POLICY = """\
package notes
entity User { name: string }
entity Note
action read by User on Note
obligation log(what: string)
permit all_: read oblige log("read")
"""
USER = {"type": "User", "id": "u", "properties": {"name": "ann"}}
NOTE = {"type": "Note", "id": "n"}


async def later(*_: Any, **__: Any) -> None:
    raise AssertionError


def in_steps(*_: Any, **__: Any) -> Any:
    yield later


async def in_steps_later(*_: Any, **__: Any) -> Any:
    yield later


class Together:
    def __init__(self, does: Callable[..., object]) -> None:
        self.together = does

    def __call__(self, _: Any) -> None: ...


pytestmark = pytest.mark.parametrize(
    "undone", [later, in_steps, in_steps_later, lambda *_, **__: later()], ids=["a", "b", "c", "d"]
)


def test_no_decision_is_given_that_is_still_to_be_recorded(undone: Any):
    engine = PolicyEngine.from_text(POLICY)
    with pytest.raises(NotRecorded, match="`on_decision` is asynchronous"):
        engine.with_record(undone).decide(USER, "read", NOTE)
    several = engine.with_record(Together(undone))
    with pytest.raises(NotRecorded, match=r"`on_decision\.together` is asynchronous"):
        several.decide_many([(USER, "read", NOTE, None)] * 2)


def test_what_is_still_to_be_done_fulfils_no_obligation(undone: Any):
    engine = PolicyEngine.from_text(POLICY, obligations={"log": undone})
    with pytest.raises(TypeError, match="`obligations\\['log'\\]` is asynchronous"):
        engine.fulfil(engine.decide(USER, "read", NOTE))


def test_no_set_takes_over_that_is_still_to_be_checked(undone: Any, tmp_path: Path):
    file = tmp_path / "notes.policy"
    file.write_text(POLICY)
    for name in ("on_load", "store"):
        with pytest.raises(TypeError, match=f"`{name}` is asynchronous"):
            PolicyHolder(file, **{name: undone})
    checks: list[Any] = [lambda _: None, undone]

    def check(engine: PolicyEngine) -> object:
        found: object = checks.pop(0)(engine)
        return found

    holder = PolicyHolder(file, on_load=check)
    file.write_text(POLICY.replace("read oblige", 'read when subject.name == "ann" oblige'))
    before = holder.digest
    assert not holder.reload()
    assert holder.digest == before
    assert "`on_load` is asynchronous" in str(holder.last_error)


def test_what_is_told_of_a_reload_says_that_it_does_nothing(undone: Any, tmp_path: Path):
    file, other = tmp_path / "notes.policy", tmp_path / "other.policy"
    file.write_text(POLICY)
    other.write_text(
        POLICY.replace("permit all_: read", 'permit all_: read when subject.name == "bob"')
    )
    holder = PolicyHolder(file, on_reload=undone, shadow=other, on_difference=undone)
    assert holder.decide(USER, "read", NOTE).allowed
    assert holder.shadow is not None
    assert "`on_difference` is asynchronous" in str(holder.shadow.last_error)
    file.write_text(POLICY + "\n")
    file.write_text(other.read_text())
    with pytest.raises(TypeError, match="`on_reload` is asynchronous"):
        holder.reload()
