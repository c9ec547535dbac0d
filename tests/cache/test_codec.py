"""Values as encoded data: the same again, of the same types, and of known types only."""

from __future__ import annotations

import ast
import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine import PolicyEngine
from policyengine.cache.codec import UnknownTypeError, decode, encode
from policyengine.compiler import ir
from policyengine.model.needs import Needs
from policyengine.model.records import record_class
from policyengine.model.schedules import Schedule
from policyengine.model.types import INT, Attribute, RecordType, SetType, TaxonomyType
from policyengine.model.values import ABSENT, Ip

FLOATS = st.floats(allow_nan=False).map(lambda number: number + 0.0)  # -0.0 is written as 0.0
LEAVES = st.none() | st.booleans() | st.integers() | st.text() | FLOATS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.frozensets(LEAVES)
        | st.dictionaries(LEAVES, inner)
    ),
)


def typed(value: Any) -> Any:
    """Return *value* so that what compares equal is of one type: `1` is not `True`."""
    match value:
        case dict():
            return "dict", [(typed(k), typed(v)) for k, v in value.items()]
        case frozenset():
            return "frozenset", sorted(map(repr, map(typed, value)))
        case list() | tuple():
            return type(value).__name__, [typed(part) for part in value]
        case _:
            return type(value).__name__, repr(value)


@given(VALUES)
def test_a_value_is_the_same_again(value):
    assert typed(decode(encode(value))) == typed(value)


def test_what_compares_equal_is_kept_apart():
    value = ((1,), (True,), (1.0,), frozenset({1}), frozenset({True}), Ip(4, 1, 2), (4, 1, 2))
    again = decode(encode(value))
    assert typed(again) == typed(value)
    assert type(again[5]) is Ip


def test_a_schedule_is_the_same_again():
    schedule = Schedule.parse("Mon-Fri 22:00-06:00, Sun 10:00-12:00 Europe/Berlin")
    again = decode(encode({"opening": schedule}))["opening"]
    assert (again, again.ends, hash(again)) == (schedule, schedule.ends, hash(schedule))


def test_what_is_equal_is_written_once():
    row = ("a", "row", ("of", "parts"))
    assert len(encode([row] * 1_000)) < len(encode([row])) + 4_100
    first, second = decode(encode([("a", "b"), ("a", "b")]))
    assert first is second


def test_what_the_model_knows_is_the_same_again():
    taxonomy = TaxonomyType("T", "p", (("a", None), ("b", "a")))
    type_ = RecordType((Attribute("a", INT), Attribute("b", SetType(taxonomy), optional=True)))
    record = record_class(type_)(3, ABSENT)
    value = (type_, record, record_class(type_), Ip.parse("::/0"), Needs({"a": Needs(line=True)}))
    again = decode(encode(value))
    assert again == value
    assert again[0].attributes[0].type == INT
    assert again[2] is record_class(type_)


def test_a_module_of_python_is_the_same_again():
    text = "def f(a, b=1):\n    for c in {}.get(b, ()):\n        if a.x == c:\n            return not a\n    return -b == 2"
    tree = ast.parse(text.replace("{}", "table"))
    ast.increment_lineno(tree, 3)
    again = decode(encode(tree))
    assert ast.unparse(again) == ast.unparse(tree)
    assert again.body[0].body[0].lineno == 5
    assert eval(compile(again, "f", "exec"), names := {"table": {1: (7,)}}) is None
    assert names["f"](type("A", (), {"x": 7})()) is False


def test_what_is_given_after_what_is_not_keeps_its_place():
    arguments = ast.arguments([], [], None, [], [], None, [])
    function = ast.FunctionDef("f", arguments, [ast.Return(ast.Constant(1))], [], type_comment="x")
    again = decode(encode(function))
    assert (again.returns, again.type_comment) == (None, "x")
    again = decode(encode(ast.fix_missing_locations(ast.Module([function], []))))
    assert compile(again, "again", "exec")


@pytest.mark.parametrize(
    "text", ["import os", "class A: pass", "try:\n    a\nfinally:\n    b", "with a: pass", "del a"]
)
def test_no_other_python_is_written_or_made(text):
    with pytest.raises(UnknownTypeError):
        encode(ast.parse(text))


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", len, int, ir.Root("now"), 1j])
def test_what_is_not_known_is_not_written(value):
    with pytest.raises(UnknownTypeError, match=type(value).__name__):
        encode([value])


def test_what_is_not_known_is_not_made():
    types_ = {"rule Root": ir.Root}
    data = encode(ir.Root("now"), types_)
    assert decode(data, types_) == ir.Root("now")
    with pytest.raises(KeyError):
        decode(data)


def test_constants_of_actions_that_are_records_are_made_when_they_are_read():
    text = "package p\nentity U\ngroup g by U on U having { most: {free?: int}, of: int }\n"
    text += "action a in g having { most: {free: 3}, of: 4 }\npermit x: a"
    constants = PolicyEngine.from_text(text).schema.actions["a"].constants
    kept = decode(encode(PolicyEngine.from_text(text).schema)).actions["a"].constants
    assert not isinstance(kept, dict)
    assert kept == constants
    assert (
        decode(encode(PolicyEngine.from_text(text).schema)) == PolicyEngine.from_text(text).schema
    )
    assert pickle.loads(pickle.dumps(kept)) == kept == copy.deepcopy(kept)
    assert encode(decode(encode(kept))) == encode(kept)
