"""Threads that use a fresh engine at once get the answers that one alone gets."""

from __future__ import annotations

import ast
import copy
import gc
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from threading import Barrier
from typing import Any

import pytest

import policyengine
from policyengine import DecisionCache, PolicyEngine
from tests.every_way import (
    AUDIENCES,
    TEAM,
    USERS,
    answers,
    decisions,
    document,
    explained,
    policy,
    said,
)

THREADS = 8


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def pickled(engine: PolicyEngine) -> list[Any]:
    """Pickle every decision before it is read, and what it was made of; return what the copies say."""
    store = engine.store([TEAM])
    found = [said(pickle.loads(pickle.dumps(decision))) for decision in decisions(engine)]
    return [*found, pickle.loads(pickle.dumps(store)).by_key, copy.deepcopy(engine).digest]


def explanations(engine: PolicyEngine) -> list[Any]:
    return [[*one.lines(who)] for one in explained(engine) for who in AUDIENCES]


ASKING: list[Callable[[PolicyEngine], Any]] = [
    lambda engine: [said(decision) for decision in decisions(engine)], explanations, pickled,
]  # fmt: skip


@pytest.mark.parametrize("cached", [False, True])
def test_all_threads_get_the_same_answers(cached: bool, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "key"))
    file = tmp_path / "set.policy"
    file.write_text(policy(), encoding="utf-8")
    options: dict[str, Any] = {"cache": tmp_path / "cache"} if cached else {}
    alone = PolicyEngine.load(file, **options)
    expected = [ask(alone) for ask in ASKING]
    del alone
    gc.collect()  # and with it, what was compiled
    fresh, barrier = PolicyEngine.load(file, **options), Barrier(THREADS)

    def work(number: int) -> tuple[int, Any]:
        asking = number % len(ASKING)
        barrier.wait()
        return asking, ASKING[asking](fresh)

    with ThreadPoolExecutor(THREADS) as pool:
        for asking, found in pool.map(work, range(THREADS)):
            assert found == expected[asking]
    assert fresh._fast is fresh._intake.fast.by_action
    assert fresh._fast
    assert gc.isenabled()


def test_threads_that_load_one_set_and_let_go_of_it_get_the_same_answers():
    expected = answers(PolicyEngine.from_text(policy(9)))
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda _: answers(PolicyEngine.from_text(policy(9))), range(THREADS))
        assert all(one == expected for one in found)
    assert gc.isenabled()


def test_threads_share_a_cache_of_decisions_that_is_too_small():
    engine = PolicyEngine.from_text(policy())
    cache = DecisionCache(engine, size=2)
    expected = [said(engine.decide(user, "read", document())) for user in USERS]

    def work(number: int) -> bool:
        which = number % len(USERS)
        return said(cache.decide(USERS[which], "read", document())) == expected[which]

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(200)))
    assert len(cache) <= 2


def test_threads_may_read_the_first_trees_of_a_process_at_once():
    """A process of its own, since only the first decoder of one learns the classes, and may crash."""
    script = """
        import sys
        from threading import Barrier, Thread

        from policyengine.diagnostics.source import Source
        from policyengine.model.limits import Limits
        from policyengine.syntax import tree_codec
        from policyengine.syntax.parser import parse

        sys.setswitchinterval(1e-6)
        file, _ = parse(Source("a.policy", sys.argv[1]), Limits())
        data, found, together = tree_codec.encode(file), [], Barrier(8)

        def read():
            together.wait()
            found.append(tree_codec.decode(data, "a.policy") == file)

        threads = [Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [True] * 8
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script), policy()],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_typed_decoders_are_made_while_modules_are_imported():
    """Two threads that make the first decoder of a class at once end the process; a module is imported by one."""
    files = sorted(Path(policyengine.__file__).parent.rglob("*.py"))
    texts = ((file, file.read_text(encoding="utf-8")) for file in files)
    late = [
        file.name
        for file, text in texts
        if re.search(r"\b(?:Decoder|decode|convert)\(", text)
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and _learns_classes(call)
    ]
    assert late == ["tree_codec.py"]  # which makes the first one before


def _learns_classes(call: ast.Call) -> bool:
    """Whether it makes a decoder of a class, or decodes or converts to one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    typed = any(one.arg == "type" for one in call.keywords)
    return (
        (name == "Decoder" and bool(call.args or typed))
        or (name == "decode" and typed)
        or (name == "convert" and (typed or len(call.args) > 1))
    )
