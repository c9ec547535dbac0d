"""Hold that a set that is checked again after an edit is what it is when it is checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

import pytest
from attrs import asdict
from hypothesis import given, settings

from policyengine.diagnostics.source import Source
from policyengine.pipeline import EditedSet, check_sources, compile_set, read_sources
from policyengine.semantics.checked import CheckedSet, Definition, Fixture, Typing
from policyengine.syntax.node import Node, walk
from tests.strategies import seeds
from tests.whole import some

SETS = ("workspace", "hospital", "x")


def sources_of(name: str) -> dict[str, Source]:
    return read_sources([f"policies/{name}"])[0]


def edited(rng: Random, text: str) -> str:
    """Return *text* with a line left out, written twice, moved, or with a word of another one."""
    lines = text.splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at] = lines[at].replace("permit ", "forbid ").replace("allow", "deny")
        case 3:
            lines[at] = "# nothing\n" + lines[at]
        case 4:
            words = lines[other].split() or [""]
            parts = lines[at].split(" ")
            parts[rng.randrange(len(parts))] = rng.choice(words)
            lines[at] = " ".join(parts)
        case _:
            lines[at] = lines[at].replace("==", "!=").replace(" and ", " or ")
    return "".join(lines)


def meaning(checked: CheckedSet) -> object:
    """Return all of a checked set, as values that can be compared."""
    alike: dict[int, str] = {}
    rules = [
        (
            rule.id, rule.effect, rule.advisory, rule.waivable, rule.valid_from, rule.valid_until,
            rule.conjuncts, rule.because, rule.otherwise, rule.refer, rule.cites, rule.against, rule.fields, rule.obligations,
            rule.node, rule.node.span, rule.needs, tuple(rule.sentences),
            rule.like and alike.setdefault(id(rule.like), rule.id),
            {t: typed(typing, [c.expr for c in rule.conjuncts]) for t, typing in rule.typings.items()},
        )
        for rule in checked.rules
    ]  # fmt: skip
    tests = [
        (test.title, test.node, test.node.span, typed(test.typing, test.node.items))
        for test in checked.tests
    ]
    by_target = {t: [rule.id for rule in found] for t, found in checked.by_target.items()}
    invariants = [(i.name, i.conjuncts, i.fields, i.needs) for i in checked.invariants]
    fixtures = [(f.name, f.package, f.value) for f in checked.fixtures]
    waivers = [asdict(waiver) for waiver in checked.waivers]
    texts = {name: source.text for name, source in checked.sources.items()}
    return (
        rules, tests, list(by_target.items()), invariants, fixtures, waivers, checked.digest, texts,
        checked.schema, [file.span for file in checked.files], compile_set(checked).digest,
    )  # fmt: skip


def typed(typing: Typing, nodes: Iterable[Node]) -> list[tuple[object, object]]:
    found = []
    for node in walk(tuple(nodes)):
        binding = typing.binding_of(node)
        if isinstance(binding, Definition):
            binding = (binding.parameters, binding.body)
        elif isinstance(binding, Fixture):
            binding = (binding.name, binding.package, binding.value)
        found.append((typing.types.get(id(node)), binding))
    return found


def assert_same(again: EditedSet, sources: Mapping[str, Source]) -> bool:
    checked, diagnostics = again.check(sources)
    expected, problems = check_sources(sources)
    assert diagnostics.items == problems.items
    assert (checked is None) == (expected is None)
    if checked is not None and expected is not None:
        assert meaning(checked) == meaning(expected)
    return checked is not None


@pytest.mark.parametrize("name", some(SETS, 3))
def test_any_edits_one_after_the_other_are_checked_as_if_each_set_was_new(name: str):
    outcomes = set()

    @settings(max_examples=2)
    @given(seeds.SEEDS)
    def check(seed: int):
        rng, again, first = Random(seed), EditedSet(), sources_of(name)
        sources = dict(first)
        outcomes.add(assert_same(again, sources))
        for _ in range(5):
            file = rng.choice(sorted(sources))
            text = rng.choice([first[file].text, edited(rng, sources[file].text)])
            sources = {**sources, file: Source(file, text)}
            outcomes.add(assert_same(again, sources))

    check()
    assert outcomes == {False, True}
