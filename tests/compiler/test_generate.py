"""Generating: the functions decide as the rules say, and compute no more than they must."""

from __future__ import annotations

import ast
import keyword
import os
import traceback
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import force_setattr, replace

from policyengine.compiler import ir
from policyengine.compiler.dependencies import dependencies_of
from policyengine.compiler.emitter import (
    ROOTS,
    Emitter,
    Module,
)
from policyengine.compiler.generate import (
    generate_decision,
    generate_grounds,
    generate_rule_functions,
    generate_some_functions,
)
from policyengine.compiler.link import compile_target
from policyengine.compiler.shares import Shares, counted
from policyengine.compiler.slope import slope
from policyengine.model.types import BOOL, DATETIME, INT, SetType, TargetGates
from policyengine.reference import interpreter
from policyengine.runtime.operations import ANSWERING, EXPORTED
from tests.compiler.world import TARGET, decided, request, rules, user, world
from tests.strategies import laws
from tests.whole import some

GOLDEN = Path(__file__).parent / "golden"


def source(text: str) -> str:
    return world(text).program.source(TARGET)


# ---- what is generated ------------------------------------------------------------------


def test_golden_code():
    """`make golden` rewrites the expected code."""
    text = (GOLDEN / "rules.policy").read_text(encoding="utf-8")
    made = source(text) + "\n"
    expected = GOLDEN / "rules.py.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(made, encoding="utf-8")
    assert made == expected.read_text(encoding="utf-8")


def test_the_code_is_the_same_every_time():
    text = (GOLDEN / "rules.policy").read_text(encoding="utf-8")
    checked = world(text).checked
    first, second = (compile_target(checked, TARGET).source() for _ in range(2))
    assert first == second


HOSTILE = """
permit r: act
    when subject.name == "\\"); __import__('os').system('x') #" or subject.name like "\\\\\\"*{{"
    because "{subject.name}\\"\\"\\" + open('/etc/passwd').read()"
permit __class__: act when (some __builtins__ in subject.tags: __builtins__ == "x")
permit lambda_: act when (some len in subject.tags: some turns in subject.tags: len == turns)
"""


def test_text_of_an_author_is_only_ever_a_constant():
    tree = ast.parse(source(HOSTILE))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    variables = {"__builtins___0", "len_0", "turns_1"}
    assert names <= {
        *EXPORTED,
        *ANSWERING,
        *ROOTS,
        *functions,
        *variables,
        "request",
        "given",
        "take",
    }
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert attributes <= {*ROOTS, "id", "v_name", "v_tags", "plain_", "line"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    loaded = world(HOSTILE)
    assert loaded.program.decide(request(loaded)).allowed


def test_generated_code_sees_no_builtins_and_nothing_that_is_not_exported():
    compiled = world(HOSTILE).program.compiled(TARGET)
    seen = compiled.decide.__globals__
    assert seen["__builtins__"] == {}
    functions = {
        name
        for name in seen
        if name == "decide" or name.startswith(("fails", "value", "some_element", "every_element"))
    }
    assert set(seen) == {"__builtins__", *EXPORTED, *ANSWERING, *functions}


def test_names_are_legal_and_no_two_functions_share_one():
    text = """gate a "a" gate a_b "ab"
        gate a { permit b_c: act when subject.ok } gate a_b { permit c: act when subject.name == "x" }"""
    tree = generate_some_functions(tuple(rules(text).values())).tree
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(set(names)) == len(names) == 3
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names)


def test_a_traceback_shows_the_generated_line():
    loaded = world("permit r: act when subject.ok\n when subject.age > 30")
    broken = request(loaded)
    force_setattr(broken.subject, "v_age", "not a number")
    compiled = loaded.program.compiled(TARGET)
    with pytest.raises(TypeError) as caught:
        compiled.explainer.rules.at([0])[0].fails(*broken.roots)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.name, last.line) == ("fails_access_r", "if not subject.v_age > 30:")


def test_every_statement_has_the_line_on_which_it_is_printed():
    for text in ((GOLDEN / "rules.policy").read_text(encoding="utf-8"), HOSTILE):
        made = tuple(rules(text).values())
        names = tuple(sorted({rule.gate for rule in made}))
        gates = TargetGates(names, frozenset(names))
        deciding = generate_decision(TARGET, made, gates, dependencies_of(made)).tree
        detailing, grounds = generate_rule_functions(made).tree, generate_grounds(made, names).tree
        for tree, least in ((deciding, 5), (detailing, 10), (grounds, 5)):
            printed = ast.parse(ast.unparse(tree))
            lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)]
            again = [node.lineno for node in ast.walk(printed) if isinstance(node, ast.stmt)]
            assert lines == again
            assert len(lines) > least


def test_what_is_no_longer_used_is_shown_no_longer():
    import gc
    import linecache

    loaded = world("permit r: act when subject.age > 31")
    compiled = compile_target(loaded.checked, TARGET)
    file = compiled.decide.__code__.co_filename
    assert (
        linecache.getline(file, 1)
        == "def decide(subject, resource, context, now=0, entities=None, take=None):\n"
    )
    del compiled
    gc.collect()
    assert file not in linecache.cache


# ---- deciding no more than must be ------------------------------------------------------


class Watched:
    """A request that remembers what was read of it."""

    def __init__(self, inner: Any, read: list[str]) -> None:
        self.__dict__.update(inner=inner, read=read)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if name.startswith("v_"):
            self.read.append(name[2:])
        return Watched(value, self.read) if name in ("subject", "resource", "context") else value


def read_by(text: str, **changes: Any) -> tuple[str, list[str]]:
    """Return the cause of the decision, and the attributes that were read for it, in order."""
    loaded = world(text)
    read: list[str] = []
    asked = Watched(request(loaded, **changes), read)
    roots = (getattr(asked, root) for root in ROOTS)
    return loaded.program.compiled(TARGET).decide(*roots)._answer.cause, read


def test_the_first_forbid_ends_it():
    text = """permit r: act when subject.age > 1
        forbid a: act when subject.name == "Ada"
        forbid b: act when subject.tags == {"y"} and subject.age > 1"""
    assert read_by(text) == ("forbidden", ["age", "name"])


def test_the_first_shut_gate_ends_it_and_what_takes_least_is_tried_first():
    text = """gate a "a" gate b "b"
        gate a { permit r: act when subject.age > 1 and subject.name == "Ada" }
        gate b { permit s: act when not subject.ok }"""
    assert read_by(text) == ("not_permitted", ["ok"])


def test_one_satisfied_permit_is_enough_for_a_gate():
    text = """permit a: act when subject.age > 1 and subject.name == "Ada"
        permit b: act when subject.ok"""
    assert read_by(text) == ("permitted", ["ok"])


def test_a_rule_that_is_not_in_force_reads_nothing():
    text = """permit a: act when subject.ok until 2026-01-01
        permit b: act when subject.age > 1 from 2027-01-01"""
    assert read_by(text) == ("not_permitted", [])
    assert read_by(text, now="2025-12-31T23:59:59.999999Z") == ("permitted", ["ok"])
    assert read_by(text, now="2027-01-01") == ("permitted", ["age"])


def test_a_waiver_stands_in_for_the_conditions():
    text = """permit a: act when not subject.ok waivable
        waiver v of a for User "u1" until 2026-01-01 ticket "T" approved_by "B"
        waiver w of a for User "u1" until 2026-03-01 ticket "T" approved_by "B"
        waiver x of a for User "u2" until 2030-01-01 ticket "T" approved_by "B" """
    assert read_by(text) == ("permitted", [])
    assert read_by(text, now="2026-03-01") == ("not_permitted", ["ok"])


def test_a_waiver_changes_nothing_of_a_rule_without_conditions():
    text = """permit a: act waivable
        waiver v of a for User "u1" until 2026-01-01 ticket "T" approved_by "B" """
    assert "waived" not in decided(text)


def test_what_gives_something_is_looked_at_altogether():
    text = """field gate a "a" gate b "b"
        gate a { permit r: act when subject.ok fields id expose s: act when subject.age > 1 fields age
            permit t: act when subject.age > 99 fields name  permit u: act fields tier }
        gate b { permit v: act oblige keep(1d) permit w: act when subject.ok oblige keep(2d) }"""
    decision = world(text).program.decide(request(world(text)))
    assert decision.exposed == {"id", "age", "tier"}
    assert [str(owed) for owed in decision.obligations] == ["keep(24h)", "keep(2d)"]
    assert decided(text).count("given |= ") == 4
    assert "given = 20" in decided(text)  # a.u and b.v hold for certain
    assert "1 for a.r, 2 for a.t, 4 for a.u, 8 for a.s, 16 for b.v, 32 for b.w." in source(text)


def test_a_rule_that_holds_for_certain_and_one_that_never_can():
    text = 'permit a: act when action.limit == 3\nforbid b: act when action.name == "x"'
    assert "subject." not in decided(text)
    assert read_by(text) == ("permitted", [])


def test_a_permit_that_cannot_hold_is_left_out_and_a_forbid_that_may_fail_is_not():
    never = 'subject.age > 1 and action.name == "x"'
    assert "subject." not in decided(f"permit a: act when {never}\npermit b: act")
    assert "subject.v_age > 1 and False" in decided(f"forbid a: act when {never}\npermit b: act")
    waived = """permit a: act when subject.age > 1 and action.name == "x" waivable
        waiver v of a for User "u1" until 2030-01-01 ticket "T" approved_by "B" """
    assert read_by(waived) == ("permitted", [])


def test_rules_that_ask_one_thing_are_asked_together():
    text = """forbid a: act when subject.status == "shut down"
        forbid b: act when subject.status == active until 2020-01-01
        forbid c: act when subject.tags overlaps {"a"} forbid d: act when subject.tags overlaps {"b"}
        permit e: act when subject.tier == basic permit f: act when subject.tier == pro"""
    made = decided(text)
    assert made.count("Decision(False, forbidden") == 1  # tests in a row that deny for one cause
    assert made.count("subject.v_status") == 2  # one of them is for a time
    assert made.count("subject.v_tags") == made.count("subject.v_tier") == 1
    assert "1577836800000000 and subject.v_status == 'active'" in made
    loaded = world(text)
    for tier in ("free", "basic", "pro"):
        for tags in ([], ["a"], ["b", "c"], ["c"]):
            asked = request(loaded, subject=user(tier=tier, tags=tags))
            laws.compiled_agrees(laws.Case(None, loaded, {}, asked, 1))


# ---- sharing ----------------------------------------------------------------------------


def shared(*conditions: ir.Expr) -> list[str]:
    """Return the conditions as one function computes them one after the other."""
    shares = Shares(counted(conditions))
    for run in (shares, shares.again()):
        emitter = Emitter(Module(), "", run)
        made = [ast.unparse(emitter.emit(condition)) for condition in conditions]
    return made


A, B = (ir.Slot(ir.Root("subject"), name) for name in ("a", "b"))
SUM = ir.Binary("+", A, B)
ONE = ir.Const(INT, 1)


def test_what_comes_up_again_is_computed_once():
    assert shared(ir.Binary(">", SUM, ONE), ir.Binary("<", SUM, ONE)) == [
        "(something := (subject.v_a + subject.v_b)) > 1",
        "something < 1",
    ]


def test_what_may_not_have_been_computed_is_computed_again():
    more, less = ir.Binary(">", SUM, ONE), ir.Binary("<", SUM, ONE)
    assert shared(ir.And((A, more)), ir.Choice(B, more, less), less) == [
        "subject.v_a and subject.v_a + subject.v_b > 1",
        "subject.v_a + subject.v_b > 1 if subject.v_b else subject.v_a + subject.v_b < 1",
        "subject.v_a + subject.v_b < 1",
    ]


def test_what_is_certain_for_the_rest_of_a_conjunction_is_shared_there():
    more, less = ir.Binary(">", SUM, ONE), ir.Binary("<", SUM, ONE)
    assert shared(ir.Or((A, ir.And((more, less))))) == [
        "subject.v_a or ((something := (subject.v_a + subject.v_b)) > 1 and something < 1)"
    ]


def test_nothing_is_kept_out_of_a_loop_and_what_is_kept_is_used_in_one():
    loop = ir.Quantified("some", "x", A, ir.Binary(">", SUM, ir.Local("x")))
    assert shared(loop, loop)[1] == "something"
    assert shared(loop, ir.Not(ir.Binary("<", SUM, ONE))) == [
        "some_element(subject)",
        "not subject.v_a + subject.v_b < 1",
    ]
    assert shared(ir.Binary("<", SUM, ONE), loop) == [
        "(something := (subject.v_a + subject.v_b)) < 1",
        "some_element(subject, something)",
    ]


def test_entities_are_looked_up_once():
    text = """forbid a: act when (every o in context.others: o.ok) and subject.ok
        permit b: act when subject has boss and subject.boss.ok and subject.boss.age > 1"""
    assert "else from_subject['User', subject.v_boss])).v_ok and (subject_boss.v_age" in (
        decided(text)
    )


# ---- variables --------------------------------------------------------------------------


def emitted(node: ir.Expr, *, traced: bool = False) -> str:
    return ast.unparse(Emitter(Module(), "", traced=traced).emit(node))


X = ir.Local("x")


def let(body: ir.Expr, value: ir.Expr = SUM) -> ir.Expr:
    return ir.Let(("x",), (value,), body)


def run(node: ir.Expr, **values: Any) -> Any:
    module = Module()
    module.take(["x", "y"])
    module.function("f", "", [ast.Return(Emitter(module, "").emit(node))])
    tree = ast.fix_missing_locations(ast.Module(list(module.functions), []))
    seen: dict[str, Any] = {"__builtins__": {}, **EXPORTED, **module.objects}
    exec(compile(tree, "<test>", "exec"), seen)

    class Given:
        subject = type("Subject", (), {f"v_{name}": value for name, value in values.items()})()

    return seen["f"](Given.subject, None, None, None, None)


def test_what_is_asked_for_in_any_case_is_computed_at_once():
    body = ir.Binary("*", X, X)
    assert emitted(let(body)) == "((x := (subject.v_a + subject.v_b)), x * x)[1]"
    assert run(let(body), a=1, b=2) == 9


def test_what_may_not_be_asked_for_is_computed_when_it_is():
    body = ir.Or((A, ir.Binary("==", X, X)))
    assert "once(lambda: subject.v_a + subject.v_b)" in emitted(let(body))
    assert run(let(body), a=1, b="not a number") == 1
    assert run(let(body), a=0, b=2) is True


@pytest.mark.parametrize(
    ("body", "certain"),
    [
        (ir.Quantified("some", "y", X, X), {"x"}),
        (ir.Quantified("some", "x", A, X), set()),
        (ir.Choice(A, X, ir.Binary("+", X, B)), {"x"}),
        (ir.Choice(A, X, B), set()),
        (ir.Let(("y",), (X,), ir.Or((ir.Local("y"), A))), {"x"}),
        (ir.Let(("y",), (X,), ir.Or((A, ir.Local("y")))), set()),
        (ir.Let(("x",), (A,), X), set()),
        (ir.And((ir.Not(X), A)), {"x"}),
    ],
)
def test_what_is_certainly_asked_for(body: ir.Expr, certain: set[str]):
    assert ir.certain(body) == certain


def test_a_variable_in_what_a_loop_goes_over():
    items = let(ir.MakeSet(SetType(INT), (X, ir.Binary("+", X, ONE))))
    loop = ir.Quantified("some", "y", items, ir.Binary("==", ir.Local("y"), A))
    assert run(loop, a=2, b=0) is True
    assert run(loop, a=7, b=-8) is False


def test_variables_of_one_name_inside_one_another_are_kept_apart():
    inner = ir.Let(("x",), (ir.Binary("+", X, ONE),), ir.Binary("*", X, X))
    assert run(let(ir.Binary("+", inner, X)), a=1, b=1) == 9 + 2
    loop = ir.Quantified("every", "x", ir.MakeSet(SetType(INT), (X,)), ir.Binary("==", X, SUM))
    assert run(let(ir.And((ir.Binary("==", X, X), loop, ir.Binary("==", X, SUM)))), a=1, b=1)


def test_a_variable_in_a_loop_is_computed_anew_for_each_element():
    value = ir.Binary("+", ir.Local("y"), ONE)
    body = let(
        ir.Choice(ir.Binary(">", ir.Local("y"), A), ir.Binary("==", X, X), ir.Binary("<", X, X)),
        value,
    )
    loop = ir.Quantified("every", "y", ir.Const(SetType(INT), frozenset({2, 3})), body)
    assert run(loop, a=1) is True
    assert run(loop, a=2) is False


def nested(depth: int) -> ir.Expr:
    node: ir.Expr = ir.Binary("==", X, X)
    for _ in range(depth):
        node = ir.Not(ir.Choice(A, node, B))
    return node


@pytest.mark.parametrize("depth", [3, 30, 100])
def test_what_is_nested_deeply_is_cut_into_functions(depth: int):
    module = Module()
    module.function("f", "", [ast.Return(Emitter(module, "a rule").emit(let(nested(depth))))])
    assert len(module.functions) == 1 + depth // 7 + (depth % 7 > 5)
    assert run(let(nested(depth)), a=1, b=2) is (depth % 2 == 0)


# ---- the time ---------------------------------------------------------------------------

NOW = ir.Root("now")


def linear(factor: int) -> ir.Expr:
    return ir.Binary("*", ir.Const(INT, factor), ir.Binary("-", NOW, A))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (NOW, 1),
        (A, 0),
        (ir.Binary("-", A, NOW), -1),
        (ir.Binary("+", NOW, linear(2)), 3),
        (ir.Binary("*", NOW, ir.Const(INT, 3)), 3),
        (ir.Binary("*", A, B), 0),
        (ir.Binary("*", A, NOW), None),
        (ir.Binary("*", NOW, NOW), None),
        (ir.Binary("+", ir.Binary("*", A, NOW), ONE), None),
        (ir.Choice(B, NOW, ir.Binary("+", NOW, A)), 1),
        (ir.Choice(B, NOW, A), None),
        (ir.MakeSet(SetType(DATETIME), (A, NOW)), None),
        (ir.MakeSet(SetType(DATETIME), (A, B)), 0),
        (ir.Binary("<", NOW, A, numeric=True), 0),
        (let(ir.Binary("+", X, X), NOW), 2),
    ],
)
def test_how_much_a_value_grows(node: ir.Expr, expected: int | None):
    assert slope(node, {}) == expected


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (ir.Binary("<", A, B, numeric=True), "subject.v_a < subject.v_b"),
        (
            ir.Binary(">", NOW, A, numeric=True),
            "now > subject.v_a or turns.append(subject.v_a + 1) is not None",
        ),
        (
            ir.Binary(">", A, NOW, numeric=True),
            "now < subject.v_a and turns.append(subject.v_a) is None",
        ),
        (
            ir.Binary("<=", NOW, ir.Binary("+", A, B), numeric=True),
            "now <= (moment := (subject.v_a + subject.v_b)) and turns.append(moment + 1) is None",
        ),
        (ir.Binary("==", A, linear(2), numeric=True), None),
        (ir.Binary("<", NOW, ir.Binary("+", NOW, A), numeric=True), "now < now + subject.v_a"),
        (ir.Binary("in", NOW, A), "kept(now, turns) or now in subject.v_a"),
        (
            ir.Overlaps(ir.MakeSet(SetType(DATETIME), (NOW,)), A),
            "kept(now, turns) or not frozenset((now,)).isdisjoint(subject.v_a)",
        ),
        (
            ir.Quantified("some", "x", ir.MakeSet(SetType(DATETIME), (NOW,)), B),
            "kept(now, turns) or any((subject.v_b for x in frozenset((now,))))",
        ),
        (ir.Quantified("some", "x", A, B), "any((subject.v_b for x in subject.v_a))"),
        (ir.Operation("len", (A,)), "len(subject.v_a)"),
        (let(ir.Binary("<", ir.Binary("+", X, X), A, numeric=True), NOW), None),
    ],
)
def test_comparisons_that_may_turn_are_watched(node: ir.Expr, code: str | None):
    made = emitted(node, traced=True)
    assert made == code or (code is None and "watch(" in made and ", turns)" in made)


TIMES = """
permit a: act when now - subject.since > 30d and context.when > now
permit b: act when (every t in {subject.since, context.when}: t + 1w < now)
permit c: act when soon(subject.since + 40d, if now < 2026-02-02 then 1d else 2d)
permit d: act when now in {subject.since}
permit e: act when {at: now} == {at: subject.since} from 2026-04-01
define soon(t: datetime, d: duration) = t - now < d and (some x in {d}: x > 0h and t > now)
"""


def moments() -> Iterator[str]:
    for month in range(1, 5):
        for day in (1, 8, 9, 10, 11):
            yield f"2026-{month:02}-{day:02}"


@pytest.mark.parametrize("now", list(moments()))
def test_a_decision_holds_until_it_says(now: str):
    loaded = world(TIMES)
    laws.compiled_holds_until(laws.Case(None, loaded, {}, request(loaded, now=now), 1))


def test_a_rule_that_hangs_on_no_comparison_that_was_made_does_not_turn():
    loaded = world("permit a: act when not subject.ok and now > 2030-01-01\npermit b: act")
    assert loaded.program.decide(request(loaded)).valid_until is None
    loaded = world("permit a: act when subject.ok and now > 2030-01-01\npermit b: act")
    assert (
        str(loaded.program.decide(request(loaded)).valid_until)
        == "2030-01-01 00:00:00.000001+00:00"
    )


def test_comparisons_with_the_time_are_watched_however_deep_they_are():
    deep = "subject.age > 1 and " + "(if subject.ok then " * 20
    deep += "(some t in {context.when}: now < t)" + " else subject.ok)" * 20
    loaded = world(f"permit a: act when {deep}")
    assert "part(" in loaded.program.source(TARGET)
    assert str(loaded.program.decide(request(loaded)).valid_until) == "2026-03-01 00:00:00+00:00"


# ---- every operator ---------------------------------------------------------------------

OPERATORS = [
    'subject.name == "Ada"', "subject.age * 2 - 1 > 3", "subject.age + context.n <= 32",
    "subject.tier >= basic", 'subject.status != "shut down"', "subject.topic within science",
    "subject.topics within {physics}", "subject.topic within subject.topics",
    "subject.topics within subject.topics", "subject.topics within subject.topic",
    "subject.topic within resource.topic", "subject.topic touches subject.topics",
    "subject.topics touches {art}", "subject.topic touches {biology, art}",
    'subject within Team "top"', "subject within subject.teams",
    'context.others within Team "top"', "context.others within subject.teams",
    'context.others within {Team "x"}', "context.others within context.others",
    "subject.teams within subject.teams", "subject within resource", "subject within {}",
    "subject.home within subject.nets", 'subject.home within ip "192.168.0.0/16"',
    "subject.nets within subject.nets", 'subject.nets within ip "10.1.0.0/16"',
    'subject.name like "A*a"', 'subject.name like "*b*"', 'subject.tags overlaps {"x", "y"}',
    "subject.tags subset action.scopes", "not (subject.tags subset subject.tags)",
    "context.when - subject.since > 3w", "-subject.age < 0", "size(subject.tags) == 1",
    "subject in context.others", "subject not in context.others", "subject.boss == subject",
    "(some o in context.others: o.ok and o.age > context.n)", "subject has place",
    "(every t in subject.tags: some u in resource.tags: t == u)",
    "subject.place == {city: subject.name}", 'subject.place.city == "x"',
    "(if subject has boss then subject.boss else resource).ok", "action.limit == context.n + 1",
    "{subject.age, 3} == {30, action.limit}", "action.limit == 3 and subject.age > 40",
    "same(context.n + 1, subject.ok)", "{a: subject.age, b: {1}} == {a: 30, b: {action.limit}}", "{a: subject.age} == {a: 30}", "action has extra",
    "subject.topic within {}",
]  # fmt: skip


DEFINE = " define same(n: int, ok: bool) = if n > 3 then n == n + 0 and ok else n < n * 2 or ok"


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        (condition, effect)
        for number, condition in enumerate(OPERATORS)  # each, and the effects in turn
        for effect in some(("permit", "forbid")[:: -1 if number % 2 else 1], 2)
    ],
)
def test_each_operator_is_as_in_the_reference(condition: str, effect: str):
    guard = "subject has boss and " if condition == "subject.boss == subject" else ""
    guard = "subject has place and " if condition.startswith("subject.place") else guard
    loaded = world(
        f'permit p: any\n{effect} r: act when {guard}{condition} because "{{subject}}"{DEFINE}'
    )
    entities = [*request(loaded).entities.values()]
    for changes in (
        {},
        {"subject": user(topics=[], tags=[], nets=[], teams=[], name="b", home="10.1.0.0/24")},
        {"subject": user(boss={"type": "User", "id": "u1"}, place={"city": "Ada"}, topic="art")},
        {"context": {"n": 0, "when": "2025-01-01", "others": []}},
    ):
        asked = request(loaded, **changes)
        assert asked.entities.keys() >= {entity.key_ for entity in entities}
        laws.compiled_agrees(laws.Case(None, loaded, {}, asked, 1))
        assert interpreter.decide(loaded.checked, asked).errors == ()


def test_generated_modules_need_no_rules_at_all():
    for made, names in (
        (
            generate_decision(TARGET, (), TargetGates(("access",), None), dependencies_of(())),
            ["decide"],
        ),
        (generate_rule_functions(()), ["judge"]),
        (generate_grounds((), ()), ["grounds_of_deny", "grounds_of_allow"]),
    ):
        assert [n.name for n in made.tree.body if isinstance(n, ast.FunctionDef)] == names


def test_a_constant_keeps_its_type():
    rule = rules("permit r: act when subject.ok")["access.r"]
    one, yes = (ir.Const(SetType(t), frozenset({v})) for t, v in ((INT, 1), (BOOL, True)))
    rule = replace(rule, conditions=(ir.Binary("==", one, A), ir.Binary("==", yes, B)))
    made = generate_decision(
        TARGET, (rule,), TargetGates(("access",), None), dependencies_of((rule,))
    )
    assert sorted(map(repr, made.objects.values())) == ["frozenset({1})", "frozenset({True})"]


def test_globs_are_asked_the_quick_way_and_match_the_same():
    texts = ["".join(letters) for size in range(4) for letters in product("ab", repeat=size)]
    for size in range(1, 5):
        for pieces in product(("", "a", "ab"), repeat=size):
            emitter = Emitter(Module(), "a test")
            emitted = emitter.emit(ir.Operation("like", (ir.Root("context"), ir.Data(pieces))))
            ask = eval(f"lambda context: {ast.unparse(emitted)}", dict(EXPORTED))
            for text in texts:
                assert ask(text) == EXPORTED["like"](text, pieces), (text, pieces)
