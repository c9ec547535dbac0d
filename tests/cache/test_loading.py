"""Loading with a cache: always the right decision, and at most a warning."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from policyengine import InvalidPolicy, Limits, PolicyEngine, UnhandledObligation
from policyengine.cache import program_cache, versions
from policyengine.runtime import compiled_target
from policyengine.syntax.parser import parse
from tests.whole import share

APP = {"type": "App", "id": "a", "properties": {"tier": "pro", "home": "10.1.0.0/16", "name": "A"}}
DOC = {"type": "Doc", "id": "d", "properties": {"open": True}}


@pytest.fixture(autouse=True)
def compiled_again(key):
    """What an earlier engine compiled is forgotten before each load and after each test."""
    compiled_target._kept.clear()
    yield
    compiled_target._kept.clear()


def load(*paths: Path, **options) -> PolicyEngine:
    compiled_target._kept.clear()
    return PolicyEngine.load(*paths, **options)


def answers(engine: PolicyEngine) -> list[object]:
    """Return everything that the engine says of a few requests, in every way to ask."""
    far = {**APP, "properties": {**APP["properties"], "home": "11.0.0.0/8"}}
    said: list[object] = [engine.digest, engine.schema]
    for subject, action, resource, n in (
        (APP, "read", DOC, 1),
        (far, "write", DOC, 1),
        (far, "read", {**DOC, "properties": {"open": False}}, 10**17),
        (APP, "write", DOC, 2),
        (APP, "idle", DOC, 2),  # which no rule covers
    ):
        decision = engine.decide(subject, action, resource, {"n": n}, now="2026-01-01")
        said += [decision.to_json(), decision.valid_until, decision.gates]
        for _ in range(2):
            bound = engine.bind(subject)
            said.append(bound.decide(action, resource, {"n": n}).to_json())
        explained = engine.explain(subject, action, resource, {"n": n}, now="2026-01-01")
        said.append(list(explained.lines("auditor")))
    return said


@pytest.fixture
def right(policy):
    return answers(load(policy))


def entry(folder: Path) -> Path:
    [found] = folder.glob("*.set")
    return found


@pytest.fixture(params=[1, 100], ids=["modules kept", "rules kept"])
def many(request, monkeypatch):
    monkeypatch.setattr(program_cache, "MANY", request.param)


@pytest.mark.usefixtures("many")
def test_a_set_that_was_kept_answers_alike(policy, folder, right, caplog):
    assert answers(load(policy, cache=folder)) == right
    with mock.patch("policyengine.pipeline.check_sources") as check:
        engine = load(policy, cache=folder)
        assert engine.decide(APP, "read", DOC, {"n": 1}).allowed
        assert engine.decide(APP, "read", DOC, {"n": 1}).reason == "every gate permits it"
        check.assert_not_called()
    assert answers(load(policy, cache=folder)) == right
    assert caplog.messages == []


def test_what_is_asked_for_is_kept_and_nothing_else(policy, folder, monkeypatch):
    monkeypatch.setattr(program_cache, "MANY", 1)
    with mock.patch("policyengine.compiler.link.simplified") as lowering:
        load(policy, cache=folder)  # which compiles nothing
        lowering.assert_not_called()
    for action in ("read", "read", "write"):
        before = len(list(folder.glob("*.module")))
        load(policy, cache=folder).decide(APP, action, DOC, {"n": 1})
    assert (before, len(list(folder.glob("*.module")))) == (1, 2)
    assert load(policy, cache=folder).decide(APP, "write", DOC, {"n": 1}).reason
    assert load(policy, cache=folder).decide(APP, "read", DOC, {"n": 1}).reason
    assert len(list(folder.glob("*.rules"))) == 2
    with mock.patch("policyengine.pipeline.check_sources") as check:
        engine = load(policy, cache=folder)
        assert engine.decide(APP, "read", DOC, {"n": 1}).reason
        assert engine.decide(APP, "write", DOC, {"n": 1}).allowed is not None
        check.assert_not_called()


def test_nothing_is_kept_unless_somebody_wants_it(policy, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(policy)
    assert not (tmp_path / "xdg").exists()
    load(policy, cache=True)
    assert len(list((tmp_path / "xdg" / "policyengine").glob("*.set"))) == 1


def test_a_text_that_changed_is_another_set(policy, folder):
    load(policy, cache=folder)
    policy.write_text(policy.read_text().replace("is far", "is afar"))
    engine = load(policy, cache=folder)
    assert len(list(folder.glob("*.set"))) == 2
    assert engine.digest == load(policy).digest


def test_other_limits_are_other_sets(policy, folder):
    load(policy, cache=folder)
    with pytest.raises(InvalidPolicy):
        load(policy, cache=folder, limits=Limits(nesting=1))


def test_a_set_with_a_mistake_is_reported_and_not_kept(policy, folder):
    policy.write_text("package p\npermit")
    for _ in range(2):
        with pytest.raises(InvalidPolicy, match="PE1"):
            load(policy, cache=folder)
    with pytest.raises(InvalidPolicy, match="PE130"):
        load(policy.parent / "nothing", cache=folder)
    assert not folder.exists()


def test_obligations_of_a_kept_set_are_checked(policy, folder):
    for _ in range(2):
        with pytest.raises(UnhandledObligation, match="keep"):
            load(policy, cache=folder, obligations=[])
        load(policy, cache=folder, obligations=["keep"])


@pytest.mark.parametrize("what", ["__version__", "LANGUAGE_VERSION", "_FORMAT"])
def test_another_version_finds_nothing(policy, folder, monkeypatch, caplog, right, what):
    load(policy, cache=folder)
    versions.versions.cache_clear()
    monkeypatch.setattr(versions, what, "another")
    try:
        assert answers(load(policy, cache=folder)) == right
    finally:
        versions.versions.cache_clear()
    assert len(list(folder.glob("*.set"))) == 2
    assert caplog.messages == []


@pytest.mark.usefixtures("many")
def test_whatever_becomes_of_the_entry_the_answers_are_right(policy, folder, right, caplog):
    assert answers(load(policy, cache=folder)) == right
    rng, paths = Random(7), [path for path in sorted(folder.iterdir()) if path.suffix != ".tree"]
    assert {path.suffix for path in paths} >= {".set", ".rules"}
    for number in range(share(4, 2) * len(paths)):
        path = paths[number % len(paths)]
        spoilt = bytearray(whole := path.read_bytes())
        if number % 3:
            at = rng.randrange(len(spoilt))
            spoilt[at] ^= 1 << rng.randrange(8)
        else:
            del spoilt[rng.randrange(len(spoilt)) :]
        path.write_bytes(spoilt)
        caplog.clear()
        assert answers(load(policy, cache=folder)) == right
        assert len(caplog.messages) == 1
        assert path.read_bytes() == whole  # it was written again


@pytest.mark.usefixtures("many")
def test_an_entry_that_goes_while_it_is_used_is_made_up_for(policy, folder, right, caplog):
    load(policy, cache=folder)
    engine = load(policy, cache=folder)
    shutil.rmtree(folder)
    policy.write_text("package other")  # nothing is read from there any more
    assert answers(engine) == right
    assert caplog.messages == []


def test_what_we_cannot_read_though_we_wrote_it_is_made_again(policy, folder, right, caplog):
    load(policy, cache=folder)
    with mock.patch.object(program_cache, "decode", side_effect=ValueError):
        assert answers(load(policy, cache=folder)) == right
    assert caplog.messages[0].endswith("is not as it should be")


def test_a_set_of_which_something_cannot_be_written_is_not_kept(policy, folder, right, caplog):
    with mock.patch.object(
        program_cache, "encode", side_effect=program_cache.UnknownTypeError("Thing")
    ):
        assert answers(load(policy, cache=folder)) == right
    assert "Thing" in caplog.text
    assert not list(folder.glob("*.set"))


def test_another_key_finds_nothing_it_trusts(policy, folder, right, caplog, monkeypatch, tmp_path):
    load(policy, cache=folder)
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "another"))
    assert answers(load(policy, cache=folder)) == right
    assert "was not written with this key" in caplog.text
    caplog.clear()
    assert answers(load(policy, cache=folder)) == right  # it was written again
    assert caplog.messages == []


def test_without_a_key_there_is_no_cache(policy, folder, right, caplog, key):
    load(policy, cache=folder)
    key.chmod(0o644)
    with mock.patch("policyengine.cache.folder.Cache.find") as find:
        assert answers(load(policy, cache=folder)) == right
        find.assert_not_called()
    assert "mode 0600" in caplog.text


def test_a_folder_that_cannot_be_written_is_a_warning(policy, folder, right, caplog):
    folder.write_text("no folder at all")
    assert answers(load(policy, cache=folder)) == right
    assert len(caplog.messages) == 1


def test_processes_may_load_at_once(policy, folder, right):
    code = (
        "import sys; from policyengine import PolicyEngine\n"
        "print(PolicyEngine.load(sys.argv[1], cache=sys.argv[2]).digest)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(policy), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    assert [process.communicate() for process in running] == [(f"{right[0]}\n", "")] * 3
    assert answers(load(policy, cache=folder)) == right
    assert len(list(folder.glob("*.set"))) == 1


# ---- files ------------------------------------------------------------------------------


def test_only_files_that_changed_are_parsed_again(policy, folder, caplog):
    other = policy.parent / "other.policy"
    other.write_text("package q import p\nconst few: int = 3\n")
    load(policy, other, cache=folder)
    assert len(list(folder.glob("*.tree"))) == 2
    other.write_text("package q import p\nconst few: int = 4\n")
    with mock.patch("policyengine.syntax.parallel.parse", wraps=parse) as parsing:
        engine = load(policy, other, cache=folder)
        assert [call.args[0].name for call in parsing.call_args_list] == [str(other)]
    assert engine.digest == load(policy, other).digest
    with mock.patch("policyengine.syntax.parallel.parse", wraps=parse) as parsing:
        moved = other.rename(other.with_name("moved.policy"))
        explained = load(policy, moved, cache=folder).explain(APP, "read", DOC, {"n": 1})
        parsing.assert_not_called()
    assert list(explained.lines("auditor"))
    assert caplog.messages == []


def test_a_tree_that_is_damaged_is_parsed_again(policy, folder, right, caplog):
    load(policy, cache=folder)
    entry(folder).unlink()
    [tree] = folder.glob("*.tree")
    whole = tree.read_bytes()
    tree.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert answers(load(policy, cache=folder)) == right
    [message] = caplog.messages
    assert message.endswith(".tree` is not as it should be")


def test_a_file_with_a_number_too_large_to_keep_is_parsed_each_time(policy, folder, caplog):
    policy.write_text(policy.read_text() + 'const anywhere: ip = ip "::/0"\n')
    expected = answers(load(policy))
    for _ in range(2):
        assert answers(load(policy, cache=folder)) == expected
        assert not list(folder.glob("*.tree"))
    assert caplog.messages == []
