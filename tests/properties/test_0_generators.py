"""The generators reach everything, and the laws bite: else all the rest would hold of nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from random import Random
from typing import get_args

import pytest

from policyengine.diagnostics.source import Source
from policyengine.reference import interpreter, reasons
from policyengine.syntax import nodes
from policyengine.syntax.node import walk
from policyengine.syntax.operators import OPERATORS, operator_of
from policyengine.syntax.parser import parse
from tests import fuzz, strategies
from tests.strategies import laws
from tests.strategies.loading import load
from tests.strategies.policies import make_world
from tests.strategies.requests import make_request
from tests.whole import some

WORLDS = 60


@pytest.fixture(scope="module")
def worlds():
    return [make_world(Random(seed), 1 + seed % 3) for seed in range(WORLDS)]


def test_every_construct_is_written(worlds):
    files = [
        parse(Source(name, text))[0] for world in worlds for name, text in world.sources().items()
    ]
    found = [node for file in files for node in walk(file)]
    kinds = {type(node) for node in found}
    only_in_tests = {nodes.Update, nodes.TestDecl, nodes.Let}
    wanted = {*get_args(nodes.Expr), *get_args(nodes.Clause), *get_args(nodes.Declaration)}
    assert wanted - kinds <= only_in_tests
    rows = [operator_of(node) for node in found if isinstance(node, get_args(nodes.Expr))]
    assert {(row.node, row.word) for row in rows if row} == set(OPERATORS)
    assert len({node.kind for node in found if isinstance(node, nodes.Literal)}) == 10
    assert {node.kind for node in found if isinstance(node, nodes.Like)} == {"string", "path"}
    assert any(node.exceptions for node in found if isinstance(node, nodes.Target))
    assert any(node.range for node in found if isinstance(node, nodes.GateDecl))
    imports = {(file.package.name, i.package.name) for file in files for i in file.imports}
    assert {("p", "q"), ("q", "p")} <= imports


def test_every_outcome_is_reached(worlds):
    seen = Counter()
    for world in worlds:
        loaded, rng = load(world.sources()), Random(1)
        for _ in range(10):
            request = loaded.request(**make_request(rng, world))
            outcome = interpreter.decide(loaded.checked, request)
            until = interpreter.valid_until(loaded.checked, request)
            seen[outcome.cause] += 1
            seen["timeless" if until is None else "timed"] += 1
            seen.update(f"advice is {advisory.outcome}" for advisory in outcome.advisories)
            seen.update(
                name
                for name in ("obligations", "referrals", "waivers", "exposed")
                if getattr(outcome, name)
            )
            seen["fields"] += request.fields is not None
    assert {"permitted", "not_permitted", "forbidden", "timeless", "timed", "fields"} <= set(seen)
    assert {"obligations", "referrals", "waivers", "exposed"} <= set(seen)
    assert {"advice is satisfied", "advice is not_satisfied"} <= set(seen)
    assert min(seen.values()) > 0
    assert seen["permitted"] > 0.2 * sum(
        seen[c] for c in ("permitted", "not_permitted", "forbidden")
    )


BREAKS = [
    (interpreter, "is_open", lambda case, gate: True, laws.compiled_agrees),
    (reasons, "said_by_permit", lambda verdict, env: "no", laws.compiled_agrees),
    (
        interpreter,
        "is_open",
        lambda case, gate: len(case.of("permit", gate)) == 1,
        laws.a_rule_more_only_adds,
    ),
    (
        interpreter,
        "shut_by_failure",
        lambda case, gate: False,
        laws.failures_agree_and_open_nothing,
    ),
    (interpreter, "valid_until", lambda checked, request: None, laws.reference_holds_until),
    (interpreter, "in_order", tuple, laws.compiled_agrees),
    (interpreter, "masks", lambda case: (), laws.compiled_agrees),
    (interpreter, "withholding", lambda case, gate: (), laws.compiled_agrees),
    (interpreter, "detail", lambda mask: 0 if mask is None else 1, laws.a_rule_more_only_adds),
    (reasons, "rendered", lambda template, rule, env: "?", laws.reference_is_sound),
]

SHOWN = some(BREAKS, 4)

BEGIN = {
    "is_open": 7, "said_by_permit": 7, "shut_by_failure": 21, "valid_until": 7, "in_order": 40, "withholding": 118,
    "detail": 8, "rendered": 7,
}  # fmt: skip
"""The seeds to begin at: of sets that are soon cut down; what some breaks change is seen in few sets."""


def hold_on_many(law, begin):
    for seed in range(begin, begin + 400):
        laws.hold(law, seed, requests=5)


@pytest.mark.parametrize(("module", "name", "broken", "law"), SHOWN, ids=[b[1] for b in SHOWN])
def test_a_law_bites_and_shows_a_small_counterexample(monkeypatch, module, name, broken, law):
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(laws.LawBrokenError) as caught:
        hold_on_many(law, BEGIN.get(name, 0))
    shown = str(caught.value)
    assert law.__name__ in shown
    assert "package p" in shown
    assert shown.count("permit ") + shown.count("forbid ") + shown.count("expose ") <= 5


def test_every_law_of_requests_is_fuzzed():
    modules = [module.name for module in pkgutil.iter_modules(strategies.__path__)]
    names = [name for name in modules if name != "real_sets"]  # of sets that are not generated
    found = {
        made
        for module in (importlib.import_module(f"tests.strategies.{name}") for name in names)
        for name, made in vars(module).items()
        if inspect.isfunction(made) and made.__module__ == module.__name__
        if list(inspect.signature(made).parameters) == ["case"] and not name.startswith("_")
    }
    assert found == set(fuzz.LAWS)


def test_fuzzing_goes_on_until_the_time_is_over(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "LAWS", some(fuzz.LAWS, 4))
    monkeypatch.setattr("sys.argv", ["fuzz", "--seconds", "0", "--seed", "7", "--requests", "1"])
    assert fuzz.main() == 0
    assert (
        capsys.readouterr().out == f"{len(fuzz.LAWS)} requests hold the laws; the next seed is 8\n"
    )


def test_fuzzing_stops_at_a_counterexample(monkeypatch, capsys):
    monkeypatch.setattr(interpreter, "is_open", lambda case, gate: True)
    monkeypatch.setattr(
        "sys.argv", ["fuzz", "--seconds", "60", "--seed", "7", "--law", "compiled_ag"]
    )
    assert fuzz.main() == 1
    assert "compiled_agrees is broken" in capsys.readouterr().out
