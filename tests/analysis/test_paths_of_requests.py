"""What the analysis claims of paths is so for every path of a small tree, and all of it where it is sure."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import example, given, settings

from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.questions import Questions
from policyengine.diagnostics.source import Source
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.model.path_syntax import is_path
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from tests.strategies import seeds
from tests.whole import share

VOCABULARY = """\
package p
entity User { home: path, on: bool }
entity Doc
action read by User on Doc with { file: path }
define same(p: path, q: path) = p == q
"""
TARGET = ("read", "User", "Doc")
NAMES = ("a", "b", "ab", "new")
TREE = ["/", *("/" + "/".join(names) for n in (1, 2, 3) for names in product(NAMES, repeat=n))]

CONSTANTS = (
    'context.file == path "/a"', 'context.file != path "/a/b"', 'context.file within path "/a"',
    'context.file within path "/a/b"', 'context.file within {path "/b", path "/a/b"}', 'context.file within path "/"',
    'context.file in {path "/", path "/ab"}', 'context.file not within path "/ab"', "subject.on",
    'subject.home within path "/a"', 'subject.home == path "/"', 'path "/a/b" within context.file',
)  # fmt: skip
PATTERNS = (
    'context.file like path "/*"', 'context.file like path "/**"', 'context.file like path "/*/b"',
    'context.file like path "/**/b/*"', 'context.file like path "/a*"', 'context.file like path "/*/**"',
    'context.file like path "/"', 'context.file not like path "/a/*/**"',
)  # fmt: skip
BESIDE = (
    'context.file == path "/a"',
    'context.file in {path "/b", path "/"}',
    "subject.on",
    'subject.home != path "/b"',
)
UNSURE = (
    "context.file within subject.home", "context.file == subject.home", "same(context.file, subject.home)",
    'lower(context.file) == path "/a"',
)  # fmt: skip


def some_condition(rng: Random, atoms: tuple[str, ...], depth: int = 2) -> str:
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(atoms)
    parts = [some_condition(rng, atoms, depth - 1) for _ in range(rng.choice((1, 2, 2)))]
    return (
        f"not ({parts[0]})" if len(parts) == 1 else f"({rng.choice((' and ', ' or ')).join(parts)})"
    )


def checked_of(condition: str):
    source = Source("p.policy", f"{VOCABULARY}permit p: read when {condition}\n")
    checked, found = check_sources({"p.policy": source})
    assert checked is not None, [problem.message for problem in found.items]
    return checked


def outcomes(checked) -> set[bool]:
    """Return what comes of the rule for some path of the tree as each of the two."""
    validator, found = Validator(checked.schema, checked.needs, Limits()), set()
    for file, home, on in product(TREE, ("/", "/a", "/a/b", "/b", "/ab"), (True, False)):
        request = validator.validate_parts(
            subject={"type": "User", "id": "u", "properties": {"home": home, "on": on}},
            action="read", resource={"type": "Doc", "id": "d", "properties": {}},
            context={"file": file}, now=0,
        )  # fmt: skip
        found.add(interpreter.decide(checked, request).allowed)
        if len(found) == 2:
            break
    return found


@pytest.mark.parametrize("sort", ["constants", "a pattern"])
def test_what_is_sure_is_so_in_both_directions(sort: str):
    @settings(max_examples=share(60, 6))
    @given(seeds.SEEDS)
    def check(seed: int):
        rng = Random(seed)
        atoms = CONSTANTS if sort == "constants" else (*BESIDE, rng.choice(PATTERNS))
        condition = some_condition(rng, atoms, 3)
        checked = checked_of(condition)
        claimed = Questions(checked).never_holds(checked.rules[0])
        assert claimed == (True not in outcomes(checked)), condition

    check()


@given(seeds.SEEDS)
@settings(max_examples=share(40, 5))
@example(1)
def test_what_is_claimed_is_so(seed: int):
    rng = Random(seed)
    checked = checked_of(some_condition(rng, (*CONSTANTS, *PATTERNS, *UNSURE), 3))
    (rule,) = checked.rules
    if Questions(checked).never_holds(rule):
        assert outcomes(checked) <= {False}


@pytest.mark.parametrize(
    "condition", [*UNSURE, " and ".join(PATTERNS[2:4]), f"{PATTERNS[2]} and {CONSTANTS[2]}"]
)
def test_nothing_is_claimed_of_what_cannot_be_tried(condition: str):
    checked = checked_of(f"({condition}) and not ({condition})")
    assert not Questions(checked).never_holds(checked.rules[0])


@pytest.mark.parametrize(
    "condition",
    [
        'context.file == path "/other" or context.file within path "/else"',
        'context.file == path "/0123456789" and subject.home == path "/another"',
        f'context.file like path "/{"*" * 1}/{"a" * 4000}*"',
        f'context.file within path "{"/a" * 256}" or context.file == path "/{"b" * 4095}"',
        'context.file like path "/*other*/0123456789/**"',
        'context.file like path "' + "/*" * 256 + '"',
    ],
)  # fmt: skip
def test_paths_to_try_are_paths_and_new(condition: str):
    (rule,) = checked_of(condition).rules
    mentions = MentionedConstants.of([rule], TARGET)
    tried = mentions.paths()
    assert all(map(is_path, tried))
    assert len(tried) == len(set(tried))
    known = (
        mentions.values.get(next(t for t in mentions.values if str(t) == "path"), set())
        if mentions.values
        else set()
    )
    assert any(mentions.new_segment in path for path in tried)
    assert not any(mentions.new_segment in str(path) for path in known)
