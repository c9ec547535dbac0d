"""Rules that differ in constants alone: one is checked for all, and nothing comes out otherwise."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from msgspec.structs import replace

from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.semantics.checked import Binding, CheckedRule, CheckedSet, Definition
from policyengine.semantics.checker import check
from policyengine.semantics.likeness import Likeness, form_of
from policyengine.semantics.typing import ExpressionChecker
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.node import fields_of
from policyengine.syntax.parser import parse
from tests.strategies import seeds
from tests.strategies.policies import make_world

VOCABULARY = """package p
enum Status = active | "shut down"
entity User { name: string, tags: set<string>, age: int, status: Status, boss: User }
action act by User on User with { address: ip, file: path }
"""


def checked(*rules: str) -> tuple[CheckedSet | None, list[Any], int]:
    """Check rules; also return the problems, and how many rules were looked into."""
    text = VOCABULARY + "\n".join(rules)
    source = Source("p.policy", text)
    file, found = parse(source)
    assert file is not None, found
    with mock.patch.object(
        ExpressionChecker, "needs_of", autospec=True, side_effect=ExpressionChecker.needs_of
    ) as looking:
        made, problems = check([file], {source.name: source}, Limits())
    return made, problems, looking.call_count


@pytest.mark.parametrize(
    ("one", "other", "checks"),
    [
        ('subject.name == "a"', 'subject.name  ==  "longer"', 1),
        ('subject.name like "a*" and resource == User "u"', 'subject.name like "*" and resource == User "v"', 1),
        ('subject.name in {"a", "b"}', 'subject.name in {"c", "d"}', 1),
        ('subject.name in {"a", "b"}', 'subject.name in {"c", "c"}', 2),
        ('subject.name in {"a", "b"}', 'subject.name in {"c"}', 2),
        ("subject.age > 10", "subject.age > 99", 1),
        ("subject.age > 10", "subject.age > 100", 2),
        ("subject.age > 10", "subject.age >= 10", 2),
        ("subject.age > 10", "resource.age > 10", 2),
        ("subject.age > 10", "(subject.age > 10)", 1),
        ('subject.status == "shut down"', 'subject.status == "shut down"', 1),
        ('context.address within ip "10.0.0.0/8"', 'context.address within ip "::1"', 1),
        ('subject.age > 10 because "{subject.age} and 1"', 'subject.age > 11 because "{subject.age}"', 1),
        ('subject.age > 10 because "{subject.age}"', 'subject.age > 11 because "{resource.age}"', 2),
        ('context.file within path "/a"', 'context.file within path "/b/c"', 1),
        ('context.file like path "/a/*"', 'context.file like path "/**/b"', 1),
        ('context.file like path "/a/*"', 'context.file like path "/a/*/b"', 2),
        ('context.file like path "/a*"', 'subject.name like "/a*"', 2),
        ('subject.name == "a"', 'subject.name == "A"', 2),
        ("subject.age > 10 until 2027-01-01", "subject.age > 11 until 2028-01-01", 1),
    ],
)  # fmt: skip
def test_what_differs_in_constants_is_checked_once(one: str, other: str, checks: int):
    made, problems, looked = checked(f"permit a: act when {one}", f"permit b: act when {other}")
    assert made is not None, problems
    assert looked == checks


def test_a_mistake_beside_many_that_are_alike_is_reported():
    many = [f'permit p{i}: act when subject.name == "n{i}"' for i in range(9)]
    many += [f'permit l{i}: act when lower(subject.name) == "n{i}"' for i in range(3)]
    many += [f'permit k{i}: act when lower(subject.name) like "n{i}*"' for i in range(3)]
    many += [f'permit f{i}: act when lower(context.file) like path "/n{i}/*"' for i in range(3)]
    for wrong in (
        'subject.nme == "n"', "subject.name == 5", 'subject.status == "open"', 'lower(subject.name) == "N"',
        'lower(subject.name) like "N*"', 'lower(context.file) like path "/N/*"',
    ):  # fmt: skip
        made, problems, _ = checked(*many, f"permit w: act when {wrong}")
        assert made is None
        assert len(problems) == 1
    _, problems, _ = checked(*many, many[3])
    assert [problem.code for problem in problems] == ["PE203"]


def test_each_of_several_that_are_alike_has_its_own_mistake():
    wrong = [f'permit p{i}: act when subject.name == "n{i}" and subject.age' for i in range(4)]
    made, problems, _ = checked(*wrong)
    assert made is None
    assert len({problem.span.start for problem in problems}) == 4


def altered(node: Any, rng: Random) -> Any:
    """Return *node* again, with other names of rules and some other constants."""
    match node:
        case tuple():
            return tuple(altered(part, rng) for part in node)
        case nodes.Literal(kind="int", value=value) if rng.random() < 0.7:
            return replace(node, value=value - value % 10 + rng.randrange(value != value % 10, 10))
        case nodes.Literal(kind="string", value=value) if rng.random() < 0.3:
            return replace(node, value=f"{value}x")
        case nodes.EntityRef(id=id_) if rng.random() < 0.7:
            return replace(node, id=f"{id_}x")
        case nodes.Node():
            made = replace(node, **{n: altered(p, rng) for n, p in fields_of(node).items()})
            if isinstance(made, nodes.Rule):
                made = replace(made, name=replace(made.name, name=f"{made.name.name}_again"))
            return made
        case _:
            return node


def shown(binding: Binding | None) -> object:
    """Return *binding*; of a definition, which each check makes again, its name."""
    return (binding.package, binding.name) if isinstance(binding, Definition) else binding


def told(rule: CheckedRule) -> object:
    """Return everything that was established of a rule, node by node."""
    _, exprs = form_of(rule.node)
    of_nodes = [
        [(typing.types.get(id(node)), shown(typing.binding_of(node))) for node in exprs]
        for typing in rule.typings.values()
    ]
    return (
        rule.id, list(rule.typings), of_nodes, rule.needs, rule.fields, rule.conjuncts,
        rule.obligations, tuple(rule.sentences), rule.valid_from, rule.valid_until, rule.waivable,
    )  # fmt: skip


@given(seeds.SEEDS)
def test_what_is_found_is_what_each_rule_would_give_alone(seed: int):
    rng = Random(seed)
    sources = {name: Source(name, text) for name, text in make_world(rng, 2).sources().items()}
    files = [file for source in sources.values() if (file := parse(source)[0]) is not None]
    again = [
        replace(file, declarations=altered(tuple(
            d for d in file.declarations if isinstance(d, nodes.Rule | nodes.GateBlock)
        ), rng))
        for file in files
    ]  # fmt: skip
    with mock.patch.object(Likeness, "find", return_value=None):
        alone, expected = check([*files, *again], sources, Limits())
    made, problems = check([*files, *again], sources, Limits())
    assert problems == expected
    assert (made is None) == (alone is None)
    if made is not None and alone is not None:
        assert list(map(told, made.rules)) == list(map(told, alone.rules))


def test_every_expression_of_a_rule_has_a_place_in_its_form():
    text = VOCABULARY + (
        'permit r: act when (every t in subject.tags: t like "a*") and size(subject.tags) + -1 > 3'
        ' and (if subject.status == active then resource == User "u" else subject.name in {"a"})'
        ' because "{subject.name} {resource.age}"'
    )
    file, _ = parse(Source("p", text))
    rule = file.declarations[-1]
    _, exprs = form_of(rule)
    roots = [rule.clauses[0].condition, *rule.clauses[1].text.parts[::2]]
    assert {id(node) for node in walk_expressions(roots)} == {id(node) for node in exprs}
