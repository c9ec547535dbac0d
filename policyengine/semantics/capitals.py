"""Report constants with a capital that are compared with what `lower` gives: the comparison has one value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policyengine.semantics import messages
from policyengine.semantics.checked import Definition, Lower, Value
from policyengine.semantics.inference import Inference
from policyengine.syntax import nodes

_OF_TEXTS: Final = frozenset({"startswith", "endswith", "contains"})


def report_capitals(checker: Inference, node: nodes.Compare | nodes.Like) -> None:
    """Report the constants on one side of *node*, or its pattern, that no lowered string on the other is like."""
    match node:
        case nodes.Like(object_, pattern, kind):
            if has_capital(pattern) and _is_lowered(checker, object_):
                written = "path" if kind == "path" else "glob"
                checker.problems.append(messages.capital(node.span, pattern, written))
        case nodes.Compare(op, left, right):
            if _is_lowered(checker, left):
                _report_constants(checker, right)
            # Whether `"aB" startswith lower(x)` holds depends on `x`.
            if op not in _OF_TEXTS and _is_lowered(checker, right):
                _report_constants(checker, left)


def _is_lowered(checker: Inference, node: nodes.Expr) -> bool:
    """Whether *node* has no capital, since `lower` gives it, directly or by a definition."""
    found = False
    for part in _alternatives(node):
        binding = checker.bindings.get(id(part))
        while isinstance(binding, Definition):
            binding = binding.typing.binding_of(binding.body)
        match binding:
            case Lower():
                found = True
            case Value(_, str() as text) if not has_capital(text):
                pass
            case _:
                return False
    return found


def _report_constants(checker: Inference, node: nodes.Expr) -> None:
    """Report the constants in *node* that no lowered string is equal to."""
    for part in _alternatives(node):
        match checker.bindings.get(id(part)):
            case Value(type_, str() as text) if has_capital(text):
                checker.problems.append(messages.capital(part.span, text, str(type_)))
            case Value(_, frozenset() as texts):
                for text in sorted(t for t in texts if isinstance(t, str) and has_capital(t))[:1]:
                    checker.problems.append(messages.capital(part.span, text))


def _alternatives(node: nodes.Expr) -> Iterator[nodes.Expr]:
    """Give the values that *node* may be, or have in it: the branches of `if`, the items of a set."""
    match node:
        case nodes.SetDisplay(items):
            for item in items:
                yield from _alternatives(item)
        case nodes.If(_, yes, no):
            yield from _alternatives(yes)
            yield from _alternatives(no)
        case _:
            yield node


def has_capital(text: str) -> bool:
    """Whether *text* has a letter that `lower` changes."""
    return any("A" <= character <= "Z" for character in text)
