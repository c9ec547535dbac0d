"""The fast driver gives the tree that Lark gives, with the same spans, or none."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given

from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.pipeline import read_sources
from policyengine.syntax import grammar, lalr_driver, parser
from policyengine.syntax.characters import check_characters
from policyengine.syntax.parser import parse, parse_with_recovery
from tests.seconds import seconds
from tests.strategies import seeds
from tests.strategies.policies import make_world
from tests.syntax.test_parallel import spans

POLICIES = Path(__file__).resolve().parents[2] / "policies"
LIMITS = Limits()
SOURCES, _ = read_sources([POLICIES])


def taken(source: Source, limits: Limits = LIMITS) -> bool:
    """Hold that both ways agree; return whether the quick way took the text."""
    if check_characters(source, limits):
        return False
    builder = parser._builder(source, limits)
    file = lalr_driver.build(source.text, "file", builder)
    expected, problems = parse_with_recovery(source, limits)
    assert parse(source, limits) == (expected, problems)
    if file is None or builder.problems:
        return False
    if expected is None:  # a word that is no name, which is found afterwards
        assert {problem.code for problem in problems} == {"PE121"}
        return True
    assert file == expected
    assert spans(file) == spans(expected)
    return True


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda s: Path(s.name).stem)
def test_policies_are_taken(source):
    assert taken(source)


@given(seeds.SEEDS)
def test_generated_policies_are_taken(seed):
    for name, text in make_world(Random(seed), 2).sources().items():
        assert taken(Source(name, text))


@given(seeds.SEEDS)
def test_texts_with_mistakes_are_refused_alike(seed):
    rng = Random(seed)
    text = rng.choice(list(SOURCES.values())).text
    start = rng.randrange(len(text))
    text = "package p\n" + text[start : start + 400]
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", " ", "(", "}", "in", ".", '"', "{x}"]) + text[at + 1 :]
    taken(Source("t", text))


@pytest.mark.parametrize("nested", ["not {}", "({})", "(a == {})", "size({})", "{}.a", "{} + 1"])
def test_what_is_too_deep_is_refused_alike(nested):
    limits = Limits(nesting=20)
    took = []
    for depth in range(10, 30):
        inner = "x"
        for _ in range(depth):
            inner = nested.replace("{}", inner)
        took.append(taken(Source("t", f"package p define f() = {inner}"), limits))
        text = f'package p permit a: any because "{{{inner}}}"'
        took.append(taken(Source("t", text), limits))
    assert True in took


@pytest.mark.parametrize(
    "text", ["", " ", "package", "package p", "package p #", "package p\n\n# end\n", "package p ="]
)
def test_ends_are_found_alike(text):
    assert taken(Source("t", text)) == (text.startswith("package p") and "=" not in text)


def test_without_the_tables_all_is_parsed_by_lark(monkeypatch):
    monkeypatch.setattr(lalr_driver, "_tables", lalr_driver._tables.__wrapped__)
    without = SimpleNamespace(parser=SimpleNamespace(parser=1))
    monkeypatch.setattr(lalr_driver, "tables", lambda: grammar.make_tables(without))
    source = next(iter(SOURCES.values()))
    assert not taken(source)
    assert parse(source)[0] is not None


@pytest.mark.no_cover
def test_what_stands_between_takes_time_in_proportion():
    text = "package p " + (" " * 50_000 + "#\n") * 2 + "§"
    assert (
        seconds(
            lambda: lalr_driver.build(text, "file", parser._builder(Source("t", text), Limits()))
        )
        < 1
    )
