"""Commands keep what they compiled, unless they are told not to."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of entries, which is not there yet."""
    monkeypatch.setenv("POLICYENGINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "key"))
    return tmp_path / "cache"


@pytest.mark.parametrize("command", ["decide", "explain"])
def test_the_second_run_answers_as_the_first(run, shop, kept, command):
    first, second = (run(command, shop, "--request", shop / "request.json") for _ in range(2))
    assert (first.code, first.err) == (0, "")
    assert first == second
    assert len(list(kept.glob("*.set"))) == 1


def test_no_cache_keeps_nothing(run, shop, kept):
    done = run("decide", shop, "--request", shop / "request.json", "--no-cache")
    assert done.code == 0
    assert not kept.exists()


def test_a_set_with_a_mistake_is_told_as_ever(run, shop, kept):
    (shop / "more.policy").write_text("package {")
    done = run("decide", shop, "--request", shop / "request.json")
    assert done.code == 2
    assert "error[PE1" in done.err
    assert done.err.endswith("policyengine: the policy set has 1 error, so it cannot be used\n")
    assert not list(kept.glob("*.set"))
