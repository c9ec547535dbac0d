"""Tests of paths that say nothing, and what lint says of conditions on paths."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.linter import LINT_CODES, lint
from policyengine.pipeline import check_sources

WORDS = """\
package p
entity User { roots: set<path>, on: bool }
entity Doc
action read by User on Doc with { file: path }
const top: path = path "/"
define inside(p: path, q: path) = p within q
"""
SLUGS = frozenset(
    {
        "trivial-path-test",
        "constant-condition",
        "unsatisfiable-rule",
        "superfluous-permit",
        "escaped-by-case",
    }
)


def slugs(rules: str) -> list[str]:
    checked, found = check_sources({"p.policy": Source("p.policy", WORDS + rules)})
    assert checked is not None, [problem.message for problem in found.items]
    return [LINT_CODES[d.code].slug for d in lint(checked, Configuration(SLUGS), now=0).items]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('context.file within path "/" and subject.on', ["trivial-path-test"]),
        ("context.file within top and subject.on", ["trivial-path-test"]),
        ('context.file within {path "/a", path "/"} and subject.on', ["trivial-path-test"]),
        ('context.file like path "/**" and subject.on', ["trivial-path-test"]),
        ('context.file like path "/**/**" and subject.on', ["trivial-path-test"]),
        ('(some p in subject.roots: p within path "/")', ["trivial-path-test"]),
        ('subject.roots within path "/"', []),
        ('context.file within path "/a" and subject.on', []),
        ('context.file like path "/*/**" and subject.on', []),
        ('context.file like path "/" and subject.on', []),
        ('context.file within path "/a" and context.file within path "/b"', ["unsatisfiable-rule"]),
        ('context.file == path "/a/b" and context.file not within path "/a"', ["unsatisfiable-rule"]),
        ('context.file within path "/a/b" and (context.file within path "/a" or subject.on)', ["constant-condition"]),
        ('context.file like path "/a/*" and context.file == path "/a"', ["unsatisfiable-rule"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_condition(condition: str, expected: list[str]):
    assert slugs(f"permit p: read when {condition}\n") == expected


def test_a_permit_of_a_part_is_superfluous_beside_one_of_the_whole():
    rules = 'permit p: read when context.file within path "/a"\npermit q: read when context.file within path "/a/b"\n'
    assert slugs(rules) == ["superfluous-permit"]


@pytest.mark.parametrize(
    "condition", ['within path "/admin"', 'like path "/admin/*"', '== path "/admin"']
)
def test_the_case_of_a_path_counts_whatever_asks_for_it(condition: str):
    rules = f'permit p: read when subject.on\nforbid f: read when context.file {condition} because "no"\n'
    assert slugs(rules) == []
