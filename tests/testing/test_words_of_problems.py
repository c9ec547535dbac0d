"""Says in the words of a test what its request lacks, and not in those of JSON."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources, compile_set
from policyengine.testing.runner import run_tests

WORDS = """package p
entity Ward
entity User in Ward { ok: bool }
entity Paper { owner: User }
action view by User on Paper
forbid a: view when subject within Ward "w"
permit b: view when resource.owner.ok
"""


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        (
            'User "u" on Paper "p" { owner: User "v" { ok: true } }',
            [
                (
                    'subject.parents: rules for `view` ask what `User "u"` lies within: write `User "u" {}`, or '
                    '`User "u" under … {}` if it is in something [PE509]'
                )
            ],
        ),
        (
            'User "u" {} on Paper "p" { owner: User "v" }',
            [
                (
                    'resource.owner: rules for `view` read `ok` of `User "v"`: write it out: '
                    '`User "v" { name: value }` [PE508]'
                )
            ],
        ),
        (
            'User "u" {} on Paper "p"',
            ["resource.owner: it must be given: rules for `view` read it [PE507]"],
        ),
        (
            'User "u" {} on Paper "p" { owner: User "v" {} }',
            ['User "v".ok: it must be given: rules for `view` read it [PE507]'],
        ),
    ],
)
def test_what_a_request_lacks(asked: str, notes: list[str]):
    text = f'{WORDS}test "t" {{ expect allow view by {asked} }}\n'
    checked, diagnostics = check_sources({"p.policy": Source("p.policy", text)})
    assert checked is not None, diagnostics.items
    (result,) = run_tests(checked, compile_set(checked)).results
    (problem,) = result.problems
    assert [note for _, note in problem.notes] == notes
