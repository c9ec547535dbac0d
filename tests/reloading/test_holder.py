"""Holders: another set takes over whole or not at all, and no decision is of two sets or of two stores."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import weakref
from types import SimpleNamespace

import pytest

from policyengine import (
    InvalidPolicy,
    InvalidRequest,
    NotReloaded,
    PolicyEngine,
    PolicyHolder,
    Request,
)
from policyengine.reloading import holder as holder_module
from tests.reloading.held import (
    ANN,
    DOCUMENT,
    RULES,
    TEST,
    VOCABULARY,
    allowed,
    until,
    user,
    write,
)  # fmt: skip
from tests.reloads import reload_often

# ---- what takes over --------------------------------------------------------------------


def test_a_changed_set_takes_over_and_one_that_did_not_change_is_not_loaded(folder):
    holder = PolicyHolder(folder)
    first, when = holder.engine, holder.loaded_at
    assert holder.reload() is True
    assert holder.engine is first
    (folder / "held.policy").touch()
    assert holder.reload() is True
    assert holder.engine is first
    write(folder, RULES.replace("read, write", "write"))
    assert holder.reload() is True
    assert (allowed(first), allowed(holder.engine), holder.loaded_at > when) == (True, False, True)
    (folder / "more.policy").write_text("package held\npermit more: read", encoding="utf-8")
    assert holder.reload()
    assert allowed(holder.engine)


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (lambda f: write(f, RULES + "permit"), InvalidPolicy, "PE114"),
        (lambda f: (f / "held.policy").write_bytes(b"\xff"), InvalidPolicy, "PE1"),
        (lambda f: (f / "held.policy").unlink(), InvalidPolicy, "PE131"),
        (lambda f: f.rename(f.with_name("gone")), InvalidPolicy, "PE130"),
        (lambda f: write(f, RULES.replace("== subject", "== resource")), InvalidPolicy, "PE3"),
        (lambda f: write(f, RULES + TEST.replace("allow", "deny")), NotReloaded, "owners read"),
        (lambda f: write(f, RULES), NotReloaded, "has no tests"),
    ],
)  # fmt: skip
def test_the_last_good_set_stays(folder, spoil, error, text):
    write(folder, RULES + TEST)
    heard = []
    with PolicyHolder(folder, tests=True, on_reload=heard.append) as holder:
        first = holder.engine
        spoil(folder)
        for _ in range(2):
            assert holder.reload() is False
        assert holder.engine is first
        assert isinstance(holder.last_error, error)
        assert text in str(holder.last_error)
        assert holder.last_error.__traceback__ is holder.last_error.__context__ is None
        assert heard == [holder]  # of the second nothing is new
        other = folder / "other.policy"
        if folder.exists():
            other.write_text("package other")  # another set, as bad as the first
            assert holder.reload() is False
            assert heard.pop() is holder
            assert heard == [holder]
            other.unlink()
        folder.mkdir(exist_ok=True)
        write(folder, RULES + TEST + "# again")
        assert holder.reload() is True
        assert (holder.last_error, heard) == (None, [holder] * 2)


def test_the_first_set_must_be_good(folder):
    write(folder, RULES + "permit")
    with pytest.raises(InvalidPolicy):
        PolicyHolder(folder)
    write(folder, RULES + TEST.replace("allow", "deny"))
    with pytest.raises(NotReloaded, match=r"held\.policy, test “owners read”"):
        PolicyHolder(folder, tests=True)
    with pytest.raises(ValueError, match="`poll` is a number"):
        PolicyHolder(folder, poll=0)


def test_what_cannot_be_read_is_not_left_out(folder, monkeypatch):
    (folder / "more").mkdir()
    (folder / "more" / "forbids.policy").write_text(
        "package held\nforbid everybody: read", encoding="utf-8"
    )
    holder, scandir = PolicyHolder(folder), os.scandir

    def failing(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    (folder / "held.policy").touch()
    assert holder.reload() is False
    assert "more` cannot be read: permission denied" in str(holder.last_error)
    assert not allowed(holder.engine)


def test_a_new_folder_that_cannot_be_read_is_noticed(folder, monkeypatch):
    holder, scandir = PolicyHolder(folder), os.scandir
    before = holder._files.state()
    (folder / "more").mkdir()
    assert holder._files.state() == before

    def failing(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    assert holder._files.state() != before


def test_what_was_compiled_is_compiled_before_the_other_takes_over(folder):
    holder = PolicyHolder(folder)
    assert holder.engine.decide(user(), "read", DOCUMENT).reason
    assert allowed(holder.engine, action="write")
    write(folder, RULES + "permit more: read")
    assert holder.reload()
    program = holder.engine._program
    assert {target[0] for target in program._used} == {"read", "write"}
    assert "explainer" in program.compiled(("read", "User", "Document")).__dict__
    assert {*holder.engine._fast} == {"read", "write"}
    write(folder, RULES.replace("read, write", "read"), VOCABULARY.replace("read, write", "read"))
    assert holder.reload()
    assert {*holder.engine._fast} == {"read"}


def test_what_reads_requests_is_shared_where_it_would_be_the_same(folder):
    holder, target = PolicyHolder(folder), ("read", "User", "Document")

    def reader():
        assert allowed(holder.engine)
        return holder.engine._prepared.readers.by_target[target]

    first, old = reader(), weakref.ref(holder.engine._program)
    write(folder, RULES + "permit more: write")
    assert holder.reload()
    assert reader() is first
    gc.collect()
    assert old() is None
    write(
        folder,
        RULES + "forbid late: any when subject has born and subject.born < now",
    )
    assert holder.reload()
    assert reader() is not first, "rules read more"
    second = reader()
    write(folder, RULES, VOCABULARY.replace("suspended: bool,", "suspended: bool, kind?: string,"))
    assert holder.reload()
    assert reader() is not second
    told = {**user(), "properties": {"suspended": False, "kind": "new"}}
    assert allowed(holder.engine, told)


# ---- half-written files, and two at once ------------------------------------------------


def test_files_that_change_while_they_are_read_are_read_again(folder, monkeypatch):
    holder, load = PolicyHolder(folder), PolicyEngine.load
    late = iter([RULES + "# 1", RULES + "permit late: read"])

    def slow(*paths, **given):
        made = load(*paths, **given)
        if (text := next(late, None)) is not None:
            write(folder, text)
        return made

    monkeypatch.setattr(PolicyEngine, "load", slow)
    write(folder, RULES + "# 0")
    assert holder.reload()
    assert "late" in str(holder.engine.rules)
    late = (RULES + f"# {i}" + "!" * i for i in range(99))
    write(folder, RULES + "# another")
    assert holder.reload() is False
    assert "changed while they were read" in str(holder.last_error)


def test_of_two_reloads_at_once_the_second_finds_nothing_to_do(folder, monkeypatch):
    holder, load, loads = PolicyHolder(folder), PolicyEngine.load, []

    def slow(*paths, **given):
        loads.append(1)
        time.sleep(0.05)
        return load(*paths, **given)

    monkeypatch.setattr(PolicyEngine, "load", slow)
    write(folder, RULES + "permit more: read")
    threads = [threading.Thread(target=holder.reload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert holder.last_error is None


def test_a_folder_is_loaded_when_it_is_quiet(folder, monkeypatch):
    clock, tries = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(holder_module, "monotonic", lambda: clock.now)
    holder = PolicyHolder(folder, quiet=1.0)
    monkeypatch.setattr(holder, "reload", lambda: tries.append(clock.now))
    holder._files.tried = holder._files.state()
    for step in range(100):
        clock.now = step / 4
        if 10 <= step < 20:
            write(folder, RULES + "#" * step)
        holder._look()
        if tries and step < 50:
            holder._files.tried = holder._files.state()
    assert tries == [23 / 4]


def test_a_thread_sees_changes_and_goes_with_the_holder(folder):
    def raising(_):
        raise RuntimeError("of the hook")

    holder = PolicyHolder(folder, poll=0.01, quiet=0.01, on_reload=raising)
    [thread] = [t for t in threading.enumerate() if t.name == "policyengine reload"]
    write(folder, RULES + "permit")
    until(lambda: "PE114" in str(holder.last_error))
    write(folder, RULES + "permit more: read")  # it may be caught half-way, and is loaded again
    until(lambda: "more" in str(holder.engine.rules) and holder.last_error is None)
    holder.close()
    until(lambda: not thread.is_alive())
    assert holder.reload()
    again = PolicyHolder(folder, poll=0.01)
    [thread] = [t for t in threading.enumerate() if t.name == "policyengine reload"]
    gone = weakref.ref(again.engine)
    del again
    gc.collect()
    until(lambda: not thread.is_alive())
    gc.collect()
    assert gone() is None


def test_a_thread_watches_on_if_nobody_can_be_warned(folder):
    def failing(_):
        raise OSError("of a filter")

    logger = logging.getLogger("policyengine.holder")
    logger.addFilter(failing)
    try:
        with PolicyHolder(folder, poll=0.01, quiet=0.01) as holder:
            write(folder, RULES + "permit")
            until(lambda: "PE114" in str(holder.last_error))
            write(folder, RULES + "permit more: read")
            until(lambda: holder.last_error is None and "more" in str(holder.engine.rules))
    finally:
        logger.removeFilter(failing)


# ---- stores -----------------------------------------------------------------------------


def test_a_store_stays_through_reloads_and_changes_are_seen(folder):
    store = PolicyEngine.load(folder).store([user(), DOCUMENT | {"parents": []}])
    holder = PolicyHolder(folder, store=store)
    assert allowed(holder.engine, ANN)
    holder.change_store(put=[user(suspended=True)])
    assert not allowed(holder.engine, ANN)
    write(folder, RULES + "permit more: read")
    assert holder.reload()
    assert not allowed(holder.engine, ANN)
    holder.use_store(store)
    assert allowed(holder.engine, ANN)
    assert holder.store is store
    with pytest.raises(InvalidRequest):
        holder.change_store(remove=[("User", "none")])
    other = PolicyEngine.from_text("package other\nentity Thing").store([])
    with pytest.raises(ValueError, match="other entity types"):
        holder.use_store(other)
    with pytest.raises(ValueError, match="no store to change"):
        PolicyHolder(folder).change_store()


def test_a_set_with_other_types_needs_another_store(folder):
    def make(engine):
        return engine.store([user(), DOCUMENT | {"parents": []}])

    fixed = PolicyHolder(folder, store=make(PolicyEngine.load(folder)))
    making = PolicyHolder(folder, store=make)
    unfit = PolicyHolder(folder, store=lambda _: fixed.store)
    write(folder, RULES, VOCABULARY.replace("born?", "age?: int, born?"))
    assert not fixed.reload()
    assert "give a function that makes one" in str(fixed.last_error)
    assert not unfit.reload()
    assert "is for other entity types" in str(unfit.last_error)
    assert making.reload()
    for holder in (fixed, making, unfit):
        assert allowed(holder.engine, ANN)


def test_no_change_is_lost_to_another_or_to_a_reload(folder):
    def make(engine):
        time.sleep(0.02)
        held = people if holder is None else [holder.store["User", f"u{i}"] for i in range(40)]
        return engine.store([*held, DOCUMENT | {"parents": []}])

    people, holder = [user(f"u{i}") for i in range(40)], None
    holder = PolicyHolder(folder, store=make)

    def suspend(numbers):
        for number in numbers:
            holder.change_store(put=[user(f"u{number}", suspended=True)])
            time.sleep(0.002)

    threads = [threading.Thread(target=suspend, args=(range(i, 40, 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for version in range(4):
        write(folder, RULES + f"# {version}", VOCABULARY.replace("born", f"born{version % 2}"))
        holder.reload()
    for thread in threads:
        thread.join()
    assert all(holder.store["User", f"u{i}"].suspended for i in range(40))
    assert holder.reload()
    assert all(not allowed(holder.engine, {"type": "User", "id": f"u{i}"}) for i in range(40))


# ---- a candidate beside it --------------------------------------------------------------


def test_a_candidate_is_asked_and_counted_and_never_answers(folder, tmp_path):
    candidate, heard = tmp_path / "candidate", []
    candidate.mkdir()
    write(candidate, RULES.replace("read, write", "write") + "permit more: write", VOCABULARY)
    store = PolicyEngine.load(folder).store([user(), DOCUMENT | {"parents": []}])
    holder = PolicyHolder(
        folder, store=store, shadow=[candidate], on_difference=lambda *both: heard.append(both)
    )
    for _ in range(3):
        assert holder.decide(ANN, "read", DOCUMENT, entities=(one for one in ())).allowed
    assert holder.decide(ANN, "write", DOCUMENT).allowed
    with pytest.raises(InvalidRequest):
        holder.decide(ANN, "reed", DOCUMENT)
    assert holder.shadow.compared == 5
    assert holder.shadow.differences == {("read", "allow → deny"): 3}
    assert [(one.allowed, other.allowed) for one, other in heard] == [(True, False)] * 3
    holder.change_store(put=[user(suspended=True)])
    assert not holder.decide(ANN, "write", DOCUMENT).allowed
    assert holder.shadow.compared == 6
    write(candidate, RULES)
    assert holder.reload()
    holder.shadow.clear()
    assert not holder.decide(ANN, "read", DOCUMENT).allowed
    assert (holder.shadow.compared, holder.shadow.differences) == (1, {})


def test_a_candidate_is_asked_by_every_method(folder, tmp_path):
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    write(candidate, RULES.replace("read, write", "write") + "permit more: write", VOCABULARY)
    holder = PolicyHolder(folder, shadow=candidate)
    once = (one for one in ())
    read = Request(user(), "read", DOCUMENT, entities=once)
    assert holder.decide(read).allowed
    assert holder.require(user(), "read", DOCUMENT).allowed
    found = holder.decide_many(
        [(user(), "read", DOCUMENT, None), (1, 2), (user(), "reed", DOCUMENT, None), read]
    )
    assert [one.cause for one in found][:3] == ["permitted", "invalid_request", "invalid_request"]
    assert holder.shadow.compared == 5  # what has not the parts of a request is asked of nobody
    assert holder.shadow.differences == {("read", "allow → deny"): 4}
    decisions = holder.decide_each([(user(), "read", DOCUMENT, None)] * 2)
    first, before = next(decisions), holder.digest
    write(folder, RULES + "\npermit other: write")
    assert holder.reload()
    assert holder.digest != before == first.policy_digest == next(decisions).policy_digest


def test_a_candidate_is_in_nobodys_way(folder, tmp_path):
    candidate = tmp_path / "candidate.policy"
    holder = PolicyHolder(folder, shadow=candidate, on_difference=lambda *_: 1 / 0)
    assert holder.decide(user(), "read", DOCUMENT).allowed
    assert holder.shadow.engine is None
    assert isinstance(holder.shadow.last_error, InvalidPolicy)
    assert holder.shadow.compared == 0
    candidate.write_text("package held\nentity Thing\naction see by Thing on Thing\npermit x: see")
    assert holder.reload()
    assert holder.shadow.last_error is None
    assert holder.decide(user(), "read", DOCUMENT).allowed
    assert holder.shadow.differences == {("", "allow → refused"): 1}
    assert isinstance(holder.shadow.last_error, ZeroDivisionError)


def test_a_candidate_is_compared_about_the_same_facts(folder, monkeypatch):
    def suspend(*_):
        holder.change_store(put=[user(suspended=next(turns))])

    turns = iter([True, False] * 3)
    holder = PolicyHolder(
        folder, store=lambda engine: engine.store([user()]), shadow=folder, on_decision=suspend
    )
    assert holder.decide(
        ANN, "read", DOCUMENT
    ).allowed  # the store is changed before the candidate is asked
    assert (holder.shadow.compared, dict(holder.shadow.differences)) == (0, {})
    with_store, changing = PolicyEngine.with_store, []

    def slow(engine, store):
        if not changing:
            changing.append(threading.Thread(target=suspend))
            changing[0].start()
            changing[0].join(0.2)
        return with_store(engine, store)

    holder._files.load = lambda _: None
    monkeypatch.setattr(PolicyEngine, "with_store", slow)
    write(folder, RULES + "# another")
    holder.reload()
    changing[0].join()
    assert holder.shadow.engine._store is holder.store


def test_each_engine_is_prepared_before_it_decides(folder, tmp_path):
    candidate, loaded = tmp_path / "candidate.policy", []

    def prepare(engine):
        loaded.append(engine.digest)
        engine.register(SimpleNamespace, "User")

    write(tmp_path, "permit all_of_them: read")
    (tmp_path / "held.policy").rename(candidate)
    holder = PolicyHolder(folder, shadow=candidate, on_load=prepare)
    ann = SimpleNamespace(id="ann", suspended=False)
    for text in ("# 1", "# 2", "# 3"):
        assert holder.decide(ann, "read", DOCUMENT).allowed
        write(folder, RULES + text)
        assert holder.reload()
    assert holder.shadow.differences == {}
    assert len(loaded) == 5


# ---- under load -------------------------------------------------------------------------


def test_reloads_under_load_drop_and_mix_nothing(tmp_path):
    seen = reload_often(100, tmp_path, pause=0.001)
    assert seen.wrong == []
    assert seen.decided > 1_000
