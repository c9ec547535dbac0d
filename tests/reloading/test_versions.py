"""Sets that came late, were not read, or have a number: what is in force is what is in the files, and nothing older."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from policyengine import InvalidRequest, NotReloaded, PolicyEngine, PolicyHolder
from policyengine.intake.store import EntityStore
from policyengine.reloading import holder as holder_module
from policyengine.reloading import policy_files
from policyengine.syntax import files
from tests.reloading.held import DOCUMENT, RULES, TEST, VOCABULARY, until, user, write

OTHER_RULES = RULES.replace("read, write when", "read when")

# ---- what fails for a while -------------------------------------------------------------


def test_what_fails_for_a_while_is_tried_again(folder, monkeypatch):
    made = []

    def make(engine: PolicyEngine) -> EntityStore:
        made.append(engine)
        if 1 < len(made) < 4:
            raise OSError("the database is down")
        return engine.store([user(), DOCUMENT | {"parents": []}])

    holder = PolicyHolder(folder, store=make, poll=0.01, quiet=0.01)
    (folder / "more.policy").write_text(
        "package held\nentity Other\npermit more: read", encoding="utf-8"
    )
    monkeypatch.setattr(policy_files, "_RECENT", 0)  # the files are old soon
    until(lambda: "more" in str(holder.engine.rules) and holder.last_error is None)
    assert len(made) == 4
    holder.close()


def test_a_set_that_could_not_be_read_for_a_while_is_tried_again(folder, tmp_path, monkeypatch):
    """Where too many files are open, say: nothing of the files changes when they can be read again."""
    reads, failing = files.read_regular, threading.Event()

    def read(file, *rest):
        if failing.is_set():
            raise OSError(errno.EMFILE, "Too many open files")
        return reads(file, *rest)

    candidate, version = tmp_path / "candidate.policy", tmp_path / "version"
    candidate.write_text(VOCABULARY + RULES, encoding="utf-8")
    version.write_text("1")
    monkeypatch.setattr(files, "read_regular", read)
    monkeypatch.setattr(policy_files, "read_regular", read)
    monkeypatch.setattr(policy_files, "_RECENT", 0)  # the files are old at once
    holder = PolicyHolder(folder, shadow=candidate, version=version, poll=0.01, quiet=0)
    failing.set()
    for file in (folder / "held.policy", candidate):
        file.write_text(VOCABULARY + OTHER_RULES, encoding="utf-8")
    version.write_text("2")
    until(lambda: holder.last_error is not None and holder.shadow.last_error is not None)
    time.sleep(0.1)
    failing.clear()
    until(lambda: holder.last_error is None and holder.shadow.last_error is None)
    assert (holder.version, holder.digest) == (2, holder.shadow.engine.digest)
    failing.set()  # of what is in force as well
    os.utime(folder / "held.policy", ns=(0, 0))
    until(lambda: holder.last_error is not None)
    failing.clear()
    until(lambda: holder.last_error is None)
    assert holder.version == 2
    holder.close()


@pytest.mark.parametrize("problem", [InvalidRequest([]), NotReloaded("the keys are not there")])
def test_what_functions_of_others_refuse_for_a_while_is_tried_again(folder, monkeypatch, problem):
    """They may raise what this package raises, as `engine.store` does for facts that do not fit."""
    left = {"on_load": 0, "store": 0}

    def fail(name):
        if left[name]:
            left[name] -= 1
            raise problem

    def make(engine: PolicyEngine) -> EntityStore:
        fail("store")
        return engine.store([user()])

    monkeypatch.setattr(policy_files, "_RECENT", 0)
    holder = PolicyHolder(
        folder, store=make, on_load=lambda _: fail("on_load"), poll=0.01, quiet=0,
    )  # fmt: skip
    left.update(on_load=2, store=2)
    write(folder, OTHER_RULES, VOCABULARY.replace("born", "birth"))
    until(lambda: holder.last_error is not None)
    until(lambda: holder.last_error is None)
    assert "birth" in holder.engine.schema.entities["User"].by_name
    holder.close()


@pytest.mark.parametrize("of", ["the set", "the candidate"])
def test_what_never_passes_is_tried_more_and_more_rarely(folder, tmp_path, monkeypatch, of):
    clock, loads, refused = SimpleNamespace(now=0.0), list[float](), list[PolicyEngine]()

    def check(_: PolicyEngine) -> None:
        loads.append(clock.now)
        if refused:
            raise NotReloaded("nobody signed it")

    candidate = tmp_path / "candidate.policy"
    candidate.write_text(VOCABULARY + RULES, encoding="utf-8")
    monkeypatch.setattr(holder_module, "monotonic", lambda: clock.now)
    monkeypatch.setattr(policy_files, "_RECENT", 0)
    holder = PolicyHolder(folder, shadow=candidate, on_load=check, quiet=0)
    changed = folder / "held.policy" if of == "the set" else candidate
    changed.write_text(VOCABULARY + OTHER_RULES, encoding="utf-8")
    refused.append(holder.engine)
    loads.clear()
    for step in range(24_000):
        clock.now = step / 100
        holder._look()
    assert 10 < len(loads) < 25
    assert loads[1] - loads[0] < 0.2
    assert loads[-1] - loads[-2] < 31
    refused.clear()
    changed.write_text(VOCABULARY + OTHER_RULES + "# signed", encoding="utf-8")
    for _ in range(5):  # at once, since it is another
        clock.now += 0.01
        holder._look()
    assert holder.last_error is None
    assert holder.shadow is not None
    assert holder.shadow.last_error is None


# ---- numbers ----------------------------------------------------------------------------


def numbered(folder: Path, version: object, rules: str) -> None:
    write(folder, rules)
    (folder / "version").write_text(str(version))


def test_a_version_only_goes_up(folder: Path):
    numbered(folder, 7, RULES)
    holder = PolicyHolder(folder, version=folder / "version")
    first = holder.digest
    for version, rules in [(8, OTHER_RULES), (10, RULES), (11, OTHER_RULES)]:
        numbered(folder, version, rules)
        assert (holder.reload(), holder.version, holder.last_error) == (True, version, None)
    in_force = holder.digest
    for version in (1, 7, 10, 11, "0000010\n"):
        numbered(folder, version, RULES)
        assert (holder.reload(), holder.version, holder.digest) == (False, 11, in_force)
        assert isinstance(holder.last_error, NotReloaded)
        assert f"the version {int(version)}, and 11 is in force" in str(holder.last_error)
    (folder / "version").write_text("12\n")
    assert (holder.reload(), holder.version, holder.digest) == (True, 12, first)


def test_a_number_that_comes_before_its_set_is_not_used_up(folder: Path):
    numbered(folder, 1, RULES)
    holder = PolicyHolder(folder, version=folder / "version")
    (folder / "version").write_text("2")
    assert (holder.reload(), holder.version) == (True, 1)
    write(folder, OTHER_RULES)
    assert (holder.reload(), holder.version) == (True, 2)


def test_a_number_beside_the_set_in_force_is_not_undercut(folder: Path):
    """Set 8 was there for so short that nobody saw it, and 9 is 7 again: 8 is older than what is in force."""
    numbered(folder, 7, RULES)
    holder = PolicyHolder(folder, version=folder / "version")
    (folder / "version").write_text("9")
    assert (holder.reload(), holder.version) == (True, 7)
    in_force = holder.digest
    numbered(folder, 8, OTHER_RULES)
    assert (holder.reload(), holder.digest) == (False, in_force)
    assert "has the version 8, and the set in force had 9 as well" in str(holder.last_error)
    (folder / "version").write_text("10")
    assert (holder.reload(), holder.version) == (True, 10)


def test_a_set_that_was_refused_uses_no_number_up(folder: Path):
    numbered(folder, 1, RULES + TEST)
    holder = PolicyHolder(folder, version=folder / "version", tests=True)
    numbered(folder, 2, RULES.replace("==", "!=") + TEST)
    assert (holder.reload(), holder.version) == (False, 1)
    numbered(folder, 2, OTHER_RULES + TEST)
    assert (holder.reload(), holder.version) == (True, 2)


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "v2", "\u0662", "1 2", "9" * 19, "1" + " " * 200, "1_0", None]
)
def test_what_is_no_version_is_refused(folder: Path, text: str | None):
    numbered(folder, 1, RULES)
    file = folder / "version"
    holder = PolicyHolder(folder, version=file)
    write(folder, OTHER_RULES)
    file.unlink() if text is None else file.write_text(text)
    in_force = holder.digest
    assert (holder.reload(), holder.digest) == (False, in_force)
    assert str(holder.last_error).startswith(f"the version in `{file}`")
    with pytest.raises(NotReloaded, match="the version in"):
        PolicyHolder(folder, version=file)


def test_who_watches_sees_that_a_number_came_after_its_set(folder: Path):
    numbered(folder, 1, RULES)
    with PolicyHolder(folder, version=folder / "version", poll=0.01, quiet=0) as holder:
        write(folder, OTHER_RULES)
        until(lambda: holder.last_error is not None)
        (folder / "version").write_text("2")
        until(lambda: holder.version == 2 and holder.last_error is None)
