"""Parsing on several cores gives what parsing on one gives."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.pipeline import parse_sources, read_sources
from policyengine.syntax import parallel, parse_worker
from policyengine.syntax.parser import parse
from policyengine.syntax.tree_codec import decode, encode

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@pytest.fixture
def sources() -> dict[str, Source]:
    found, _ = read_sources(
        [POLICIES / "x" / name for name in ("entities.policy", "vocabulary.policy")]
    )
    found["v6"] = Source("v6", 'package a const anywhere: ip = ip "::/0"')  # which cannot be sent
    found["wrong"] = Source("wrong", "package {")
    return found


def spans(node: object) -> list[object]:
    """Return the span of every node, outermost first."""
    if isinstance(node, tuple):
        return [span for part in node for span in spans(part)]
    if not hasattr(node, "span"):
        return []
    inside = [getattr(node, name) for name in node.__struct_fields__]
    return [node.span, *(span for part in inside for span in spans(part))]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORTH", 1)
    monkeypatch.setenv("POLICYENGINE_JOBS", "3")


@pytest.mark.usefixtures("many")
def test_several_processes_give_what_one_does(sources, monkeypatch):
    told = []
    files, problems = parse_sources(sources, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (4, 4)
    assert [p.code for p in problems] == [p.code for p in parse(sources["wrong"])[1]]
    expected = [parse(source)[0] for source in sources.values() if source.name != "wrong"]
    assert files == expected
    assert [spans(file) for file in files] == [spans(file) for file in expected]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.Popen(["/nowhere/at/all"]),
        lambda: subprocess.Popen(
            [sys.executable, "-c", "raise SystemExit(1)"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ),
    ],
)  # fmt: skip
def test_what_no_process_parses_is_parsed_here(sources, monkeypatch, start):
    monkeypatch.setattr(parallel, "_start", start)
    files, _ = parse_sources(sources)
    assert len(files) == 3


@pytest.mark.parametrize(("jobs", "most"), [("1", 1), ("2", 2), ("99", 4), ("", 4)])
def test_a_process_is_started_where_it_is_worth_it(sources, monkeypatch, jobs, most):
    monkeypatch.setenv("POLICYENGINE_JOBS", jobs)
    assert len(parallel._shares(list(sources.values()))) == 1
    monkeypatch.setattr(parallel, "WORTH", 1)
    assert len(parallel._shares(list(sources.values()))) <= most
    assert sum(map(len, parallel._shares(list(sources.values())))) == 4


def test_a_share_is_parsed_with_the_limits_that_are_sent(sources, monkeypatch):
    texts = [(source.name, source.text) for source in sources.values()]

    def parsed(limits: Limits) -> set[str]:
        answer = parse_worker.parse_share(msgspec.msgpack.encode((limits, texts)))
        return set(msgspec.msgpack.decode(answer))

    assert len(parsed(Limits())) == 2
    assert parsed(Limits(source_size=10)) == set()
    stdin, stdout = io.BytesIO(msgspec.msgpack.encode((Limits(), []))), io.BytesIO()
    monkeypatch.setattr(parse_worker.sys, "stdin", io.TextIOWrapper(stdin))
    monkeypatch.setattr(parse_worker.sys, "stdout", io.TextIOWrapper(stdout))
    monkeypatch.setattr(parse_worker.gc, "disable", lambda: None)
    parse_worker.main()
    assert msgspec.msgpack.decode(stdout.getvalue()) == {}


@pytest.mark.parametrize("folder", sorted(POLICIES.iterdir()), ids=lambda folder: folder.name)
def test_a_tree_has_the_name_that_it_is_read_under(folder):
    sources, _ = read_sources([folder])
    for source in sources.values():
        file, _ = parse(source)
        encoded = encode(file)
        if encoded is None:
            assert re.search(r"ip \".*:", source.text), source.name  # its address has too many bits
            continue
        again = decode(encoded, "another")
        assert again == file
        assert {span.file for span in spans(again)} == {"another"}
