"""Conditions on paths: how they are lowered, looked up, and decided as the reference decides."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from policyengine.compiler import ir
from policyengine.compiler.lower import lower
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.types import BOOL, PATH, SetType
from tests.strategies import laws
from tests.strategies.loading import Loaded, load
from tests.whole import share, some

VOCABULARY = """
package p
entity User { name: string, home: path, roots: set<path>, spare?: path }
entity Doc
action read by User on Doc with { file: path }
const open: set<path> = {path "/a", path "/b/c"}
define below(p: path, q: path) = p within q
define either(p: path) = lower(if p == path "/a" then path "/B" else p) within path "/b"
"""
TARGET = ("read", "User", "Doc")
FILE = ir.Slot(ir.Root("context"), "file")
ABOVE = ir.Operation("prefixes", (FILE,))
PATHS = ("/", "/a", "/a/b", "/ab", "/b", "/b/c", "/b/c/d", "/A/b", "/b/.c", "/a/b/c/b")


def path(text: str) -> ir.Const:
    return ir.Const(PATH, text)


def loaded(text: str) -> Loaded:
    return load({"p.policy": VOCABULARY + text})


def lowered(condition: str) -> ir.Expr:
    """Return the condition as it is lowered and simplified."""
    (rule,) = lower(loaded(f"permit r: read when {condition}").checked, TARGET)
    (found,) = simplify_rule(rule).conditions
    return found


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('context.file within path "/a"', ir.Binary("in", path("/a"), ABOVE)),
        ('context.file not within path "/a"', ir.Binary("not in", path("/a"), ABOVE)),
        ('context.file like path "/a/**"', ir.Binary("in", path("/a"), ABOVE)),
        ('context.file like path "/**"', ir.Binary("in", path("/"), ABOVE)),
        ('context.file like path "/a/b"', ir.Binary("==", FILE, path("/a/b"))),
        ('context.file like path "/"', ir.Binary("==", FILE, path("/"))),
        (
            "context.file within open",
            ir.Overlaps(ABOVE, ir.Const(SetType(PATH), frozenset({"/a", "/b/c"}))),
        ),
        (
            'context.file within path "/a" or context.file within path "/b/c"',
            ir.Overlaps(ABOVE, ir.Const(SetType(PATH), frozenset({"/a", "/b/c"}))),
        ),
        (
            'context.file like path "/*/b"',
            ir.Operation("path_like", (FILE, ir.Data(("*", "b")))),
        ),
        (
            'context.file like path "/a/*"',
            ir.And(
                (
                    ir.Binary("in", path("/a"), ABOVE),
                    ir.Operation("path_like", (FILE, ir.Data(("a", "*")))),
                )
            ),
        ),
        ('path "/a/b" within path "/a"', ir.Const(BOOL, True)),
        ('path "/ab" within open', ir.Const(BOOL, False)),
        ('open within path "/"', ir.Const(BOOL, True)),
        ('lower(path "/A") == path "/a"', ir.Const(BOOL, True)),
        ('path "/a/x/b" like path "/a/*/b"', ir.Const(BOOL, True)),
        ('below(path "/a/b", path "/a")', ir.Const(BOOL, True)),
    ],
)
def test_what_becomes_of_a_condition(condition: str, expected: ir.Expr):
    assert lowered(condition) == expected


CONDITIONS = (
    'context.file within path "/a"', 'context.file within path "/"', 'context.file within {path "/a", path "/b/c"}',
    'path "/a/b" within context.file', "context.file within subject.home", "context.file within subject.roots",
    "subject.roots within context.file", 'subject.roots within {path "/a", path "/b"}', "subject.roots within subject.roots",
    'subject.roots not within path "/a"', "subject.roots within {subject.home, context.file}", "context.file within {}",
    'context.file == path "/a/b"', "context.file != subject.home", "context.file in subject.roots", "context.file in open",
    'context.file like path "/*"', 'context.file like path "/**/b"', 'context.file not like path "/a/**"',
    'context.file like path "/**/c*/**"', 'context.file like path "/**/*c/**"', 'context.file like path "/**/*/**"',
    'context.file like path "/**/*c"', 'context.file like path "/**/*"', 'context.file not like path "/**/.*/**"',
    'context.file like path "/b/*c/**"', 'context.file like path "/**/.*"', 'lower(context.file) within path "/a"',
    "lower(context.file) == subject.home", "(some p in subject.roots: below(context.file, p))",
    '(every path in subject.roots: path like path "/*")', "below(subject.home, context.file)", "either(context.file)",
    '(if context.file == subject.home then context.file else subject.home) within path "/b"',
    'subject has spare and subject.spare within path "/a"', "size(subject.roots) > 1", "subject.roots overlaps open",
    "open subset subject.roots", "{context.file, subject.home} == subject.roots",
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (condition, effect)
        for number, condition in enumerate(CONDITIONS)  # each, and the effects in turn
        for effect in some(("permit", "forbid")[:: -1 if number % 2 else 1], 2)
    ],
)
def test_each_condition_is_decided_as_in_the_reference(condition: str, effect: str):
    world = loaded(
        f'permit all_of_them: read\n{effect} r: read when {condition} because "{{context.file}}"'
    )
    rng = Random(condition)
    for _ in range(share(30, 3)):
        laws.compiled_agrees(laws.Case(None, world, {}, request(world, rng), 1))


def request(world: Loaded, rng: Random, file: str | None = None) -> Any:
    properties: dict[str, object] = {
        "name": rng.choice("ab"), "home": rng.choice(PATHS), "roots": rng.sample(PATHS, rng.randint(0, 3)),
    }  # fmt: skip
    if rng.random() < 0.5:
        properties["spare"] = rng.choice(PATHS)
    return world.request(
        subject={"type": "User", "id": "u", "properties": properties},
        action="read",
        resource={"type": "Doc", "id": "d", "properties": {}},
        context={"file": file or rng.choice(PATHS)},
        now=1,
    )


MANY = {
    "within": 'context.file within path "/srv/c{i}"',
    "within one of some": 'context.file within {path "/srv/c{i}", path "/srv/d{i}"}',
    "a pattern of all below": 'context.file like path "/srv/c{i}/**"',
    "a pattern": 'context.file like path "/srv/c{i}/*/a*"',
    "beside an operator": 'context.file within path "/srv/c{i}" and subject.name like "*{i}*"',
    "beside a path": 'context.file within path "/srv/c{i}" and context.file != path "/srv/c{i}/x"',
    "behind a guard": 'subject has spare and subject.spare within path "/srv/c{i}" and subject.name != "{i}"',
    "an equality": 'context.file == path "/srv/c{i}/x"',
}  # fmt: skip


@pytest.mark.parametrize("shape", MANY)
def test_rules_that_differ_in_a_path_are_looked_up(shape: str):
    condition = MANY[shape]

    def text(count: int) -> str:
        return "\n".join(
            f"permit p{i}: read when {condition.replace('{i}', str(i))}" for i in range(count)
        )

    few, many = (
        loaded(text(count)).program.source(TARGET).partition("\n\n\n")[0] for count in (20, 80)
    )
    assert abs(len(many) - len(few)) < 40
    world, rng = loaded(text(20)), Random(1)
    files = (
        "/srv/c3",
        "/srv/c3/x",
        "/srv/c3/y/ab",
        "/srv/c19/x/a",
        "/srv/c33/x",
        "/srv",
        "/",
        "/srv/d7/x",
    )
    for _ in range(share(40, 4)):
        laws.compiled_agrees(laws.Case(None, world, {}, request(world, rng, rng.choice(files)), 1))
