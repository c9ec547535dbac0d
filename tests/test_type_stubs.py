"""What type checkers see of a policy set: its attributes, actions and contexts, and every misspelling of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from mypy import api

from policyengine import PolicyEngine
from policyengine.cli.main import run
from policyengine.type_stubs import type_stubs
from tests.strategies import laws, seeds

KEPT = Path(__file__).parents[1] / ".mypy_cache" / "tests"
"""Of a first run, which takes seconds; for all tests that run mypy with these options."""

OPTIONS = [
    "--strict",
    "--warn-unreachable",
    "--enable-error-code=truthy-bool",
    f"--cache-dir={KEPT}",
]

POLICY = """
package shop
enum Kind = plain | "odd one"
levels Tier = free < pro
entity Team
entity User in Team { kind: Kind, tier?: Tier, boss?: User, tags: set<string>, home: { city: string, class?: int } }
entity Action { owner: User, price: decimal, at: datetime, from: ip, friends: set<User>, class: private string }
entity None { n: int, parents: string }
action read, write by User on Action, None with { why: string, kinds?: set<Kind> }
action drop by User on Action
permit all_of_it: any
"""

RIGHT = """
from decimal import Decimal
from typing import Literal

from policyengine import PolicyEngine
from policy_types import Action_, User, typed

engine = typed(PolicyEngine.load("shop.policy"))
ann: User = {"type": "User", "id": "ann", "properties": {"kind": "odd one", "tags": {"a"}, "home": {"city": "Ur"}},
             "parents": [{"type": "Team", "id": "staff"}]}
plan: Action_ = {"type": "Action", "id": "plan", "properties": {
    "owner": {"type": "User", "id": "ann"}, "price": "1.5", "from": "10.0.0.1", "at": "2026-01-01"}}
built = engine.entity("User", "bob", {"kind": "plain"}, parents=[])
built = engine.entity("User", "bob", kind="plain", boss=built, parents=[])
kind: Literal["plain", "odd one"] = built.kind
tier: str = built["tier"]
tags: frozenset[str] = built.tags
city: str = built.home["city"]
boss: str = built.boss["id"] + built.id
other = engine.entity("Action", "plan", plan["properties"])
price: Decimal = other.price
friends: list[str] = [friend["id"] for friend in other.friends]
secret: str = other["class"]
count: int = engine.entity("None", "n", {"n": 1}).n
allowed: bool = engine.decide(ann, "read", plan, {"why": "audit", "kinds": ["plain"]}, now="2026-01-01").allowed
engine.require(built, "drop", plan, fields=["price"])
"""

WRONG = {
    'ann["properties"] = {"knid": "plain"}': "typeddict-unknown-key",
    'ann["properties"] = {"kind": "od"}': "typeddict-item",
    'engine.entity("User", "bob", {"boss": "ann"})': "call-overload",
    'engine.entity("Usr", "bob")': "call-overload",
    'engine.entity("User", "bob", knid="plain")': "call-overload",
    'engine.entity("User", "bob", kind="od")': "call-overload",
    "built.knid": "attr-defined",
    "built.kind = 'plain'": "misc",
    "wrong: int = built.tier": "assignment",
    "wrong = built['tier']": "assignment",
    "wrong = other.n": "attr-defined",
    'engine.decide(ann, "reed", plan, {"why": "x"})': "call-overload",
    'engine.decide(ann, "read", plan)': "call-overload",
    'engine.decide(ann, "read", plan, {"wy": "x"})': "call-overload",
    'engine.decide(plan, "drop", plan)': "call-overload",
    'engine.decide(ann, "drop", ann)': "call-overload",
}


def test_a_type_checker_sees_what_the_policy_says(tmp_path: Path):
    """One run of mypy is for right and wrong uses."""
    types = type_stubs(PolicyEngine.from_text(POLICY).schema)
    (tmp_path / "policy_types.py").write_text(types, encoding="utf-8")
    code = RIGHT + "".join(f"{line}\n" for line in WRONG)
    (tmp_path / "service.py").write_text(code, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nmypy_path = {tmp_path}\n", encoding="utf-8")
    options = [*OPTIONS, f"--config-file={tmp_path / 'mypy.ini'}"]
    shown, mistakes, _ = api.run(
        [*options, str(tmp_path / "policy_types.py"), str(tmp_path / "service.py")]
    )
    assert not mistakes
    first = len(RIGHT.splitlines()) + 1
    errors = re.findall(r"(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]", shown)
    expected = [("service", str(first + n), kind) for n, kind in enumerate(WRONG.values())]
    assert sorted(set(errors)) == sorted(set(expected)), shown


@given(seeds.SEEDS)
def test_whatever_the_names_are_it_is_a_module_of_python(seed: int):
    def written(case: laws.Case) -> None:
        names: dict[str, object] = {}
        exec(compile(type_stubs(case.loaded.engine.schema), "<types>", "exec"), names)
        assert callable(names["typed"])

    laws.hold(written, seed, requests=1)


def test_no_name_of_a_policy_is_one_that_it_needs_itself():
    taken = [
        "_abc",
        "_datetime",
        "_decimal",
        "_ip",
        "_t",
        "_p",
        "Engine",
        "Action",
        "typed",
        "object",
    ]
    entities = "".join(f"entity {name} {{ of?: set<{name}>, at?: datetime }}\n" for name in taken)
    policy = f"package p\n{entities}action read by {', '.join(taken)} on _t\npermit p: read\n"
    names: dict[str, object] = {}
    exec(compile(type_stubs(PolicyEngine.from_text(policy).schema), "<types>", "exec"), names)
    assert callable(names["typed"])


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "shop.policy").write_text(POLICY, encoding="utf-8")
    assert run(["stubs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == type_stubs(PolicyEngine.load(tmp_path).schema)
    (tmp_path / "shop.policy").write_text(POLICY + "permit", encoding="utf-8")
    assert run(["stubs", str(tmp_path)]) == 2


def test_what_is_read_is_of_the_type_that_is_written(tmp_path: Path):
    """Of every type, and by the names that Python or the module has itself."""
    engine = PolicyEngine.from_text("""
        package p
        enum Kind = plain | odd
        entity U {
            int: int, str: string, bool: bool, decimal: decimal, at: datetime, span: duration, months: months,
            place: ip, path: path, kind: Kind, of: set<Kind>, friends: set<U>, object?: U, property: int, line: int,
            rec: { at: datetime, many: set<{ a: decimal }> }, type: string, list: set<int>, Kind: Kind, _t: int,
            key_: int, content_: string, BuiltU: int, parents_: int,
        }
        action read by U on U
        permit p: read
    """)
    (tmp_path / "types_of_p.py").write_text(type_stubs(engine.schema), encoding="utf-8")
    options = ["--strict", "--warn-unreachable", f"--cache-dir={KEPT}", "--config-file="]
    shown, mistakes, code = api.run([*options, str(tmp_path / "types_of_p.py")])
    assert (mistakes, code) == ("", 0), shown
