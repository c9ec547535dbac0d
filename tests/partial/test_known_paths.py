"""What is left is kept for other strings only where nothing looks into strings, as far as is known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from policyengine.compiler import ir
from policyengine.compiler.lower import lower
from policyengine.diagnostics.source import Source
from policyengine.model.types import STRING
from policyengine.partial.known_paths import looks_into_strings
from policyengine.pipeline import check_sources
from policyengine.syntax.operators import OPERATORS
from tests.partial.test_condition_text import AS_IT_WAS, OTHERWISE, SET

_OF_CODE_POINTS = {"size"} | {
    row.word
    for row in OPERATORS.values()
    if isinstance(row.types, Mapping) and any(STRING in operands for operands in row.types)
}
"""The words for what looks into strings."""


def lowered(condition: str) -> ir.Expr:
    checked, found = check_sources({"p": Source("p", SET.replace("RULE", condition))})
    assert checked is not None, found.items
    (rule,) = lower(checked, ("read", "User", "User"))
    return ir.And(rule.conditions)


@pytest.mark.parametrize("condition", [*AS_IT_WAS, *OTHERWISE])
def test_operations_that_look_into_strings_are_known(condition: str):
    words = _OF_CODE_POINTS & {*condition.replace("(", " ").split()}
    of_paths = " like path " in condition
    assert looks_into_strings(lowered(condition)) is (bool(words) and not of_paths)


def test_an_operation_of_which_nothing_is_known_may_look_into_strings():
    name = ir.Slot(ir.Root("subject"), "name")
    assert looks_into_strings(ir.Not(ir.Operation("rhymes", (name, ir.Const(STRING, "ann")))))
