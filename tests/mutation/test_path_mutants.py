"""Slips with paths: what tests are asked to notice, and tests that are written to notice it."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.mutation.mutants import mutants_of
from policyengine.pipeline import check_sources
from policyengine.syntax.formatter import format_file

WORDS = """\
package p
entity User
entity Doc
action read by User on Doc with { file: path }
const open: set<path> = {path "/a", path "/b/c"}
"""


def checked(rules: str):
    made, found = check_sources({"p.policy": Source("p.policy", WORDS + rules)})
    assert made is not None, [problem.message for problem in found.items]
    return made


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            'context.file within path "/a/b"',
            {("parent-path", "`/a/b` becomes `/a`")},
        ),
        ('context.file == path "/a"', {("parent-path", "`/a` becomes `/`")}),
        ('context.file == path "/"', set()),
        (
            'context.file like path "/a/*/**/b*"',
            {
                ("other-star", "`*` becomes `**` in the pattern"),
                ("other-star", "`**` becomes `*` in the pattern"),
            },
        ),
        (
            "context.file within open",
            {
                ("parent-path", "`/a` becomes `/`"),
                ("parent-path", "`/b/c` becomes `/b`"),
                ("narrow-set", '`path "/a"` is left out of the set'),
                ("narrow-set", '`path "/b/c"` is left out of the set'),
            },
        ),
    ],
)  # fmt: skip
def test_what_is_changed(condition: str, expected: set[tuple[str, str]]):
    found = {(m.kind, m.what) for m in mutants_of(checked(f"permit r: read when {condition}"))}
    rest = {"drop-rule", "swap-effect", "drop-condition", "negate"}
    assert {(kind, what) for kind, what in found if kind not in rest} == expected


def test_a_changed_rule_is_written_and_checks():
    set_ = checked(
        'permit r: read when context.file like path "/a/*" and context.file != path "/a/b/c"'
    )
    (file,) = set_.files
    for mutant in mutants_of(set_):
        if mutant.rule is not None:
            declarations = (*file.declarations[:-1], mutant.rule)
            text = format_file(type(file)(file.package, file.imports, declarations, span=file.span))
            made, found = check_sources({"p.policy": Source("p.policy", text)})
            assert made is not None, (text, [problem.message for problem in found.items])
