"""Let parameters stand for strings, so that what is left for one subject serves for others.

Partial evaluation asks of two ids whether they are equal, and of few strings anything else. So what is left
is the same for two requests but for strings, if equal ones stand in the same places of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.model.records import Record
from policyengine.model.sealed import values_of
from policyengine.model.types import STRING, EntityRefType, RecordType, SetType, Type


class Parameter(Struct, frozen=True):
    """Stands for the string of that number."""

    number: int


class Strings:
    """The strings of one request, numbered as they are met, but for those that rules have *written*."""

    def __init__(self, written: AbstractSet[str]) -> None:
        self._written = written
        self._found: dict[str, Parameter] = {}

    def stand_in(self, text: str) -> str | Parameter:
        """Return what stands for *text*."""
        if text in self._written:
            return text
        return self._found.setdefault(text, Parameter(len(self._found)))

    def all(self) -> Sequence[str]:
        """Return the strings, by number."""
        return list(self._found)

    def replaced(self, node: ir.Expr) -> ir.Expr:
        """Return *node* with parameters for strings; raises `LookupError` for strings in records."""
        match node:
            case ir.Const(type_, str(text)) if _is_string(type_):
                return replace(node, value=self.stand_in(text))
            case ir.Const(SetType(element), frozenset() as texts) if _is_string(element):
                return replace(node, value=frozenset(map(self.stand_in, texts)))
            case ir.Const(type_, _) if holds_strings(type_):
                raise LookupError
            case _:
                return ir.rebuilt(node, self.replaced)


Standing: TypeAlias = Callable[[Any, Strings], Any]
"""Returns a value with what stands for the strings in it."""


def standing_for(type_: Type) -> Standing | None:
    """Return what puts parameters into values of *type_*; None if there may be strings in records."""
    if _is_string(type_):
        return lambda value, strings: strings.stand_in(value)
    if isinstance(type_, SetType) and _is_string(type_.element):
        return lambda value, strings: frozenset([strings.stand_in(one) for one in sorted(value)])
    return None if holds_strings(type_) else lambda value, _: value


def standing_for_line(line: Any, strings: Strings) -> Any:
    """Return the keys of an entity and its ancestors with what stands for the ids."""
    return frozenset([(type_, strings.stand_in(id_)) for type_, id_ in sorted(line)])


def holds_strings(type_: Type) -> bool:
    """Whether there may be strings in values of *type_*."""
    match type_:
        case RecordType(attributes):
            return any(holds_strings(attribute.type) for attribute in attributes)
        case SetType(element):
            return holds_strings(element)
        case _:
            return _is_string(type_)


def _is_string(type_: Type) -> bool:
    return type_ == STRING or isinstance(type_, EntityRefType)


def written_in(node: ir.Expr) -> frozenset[str]:
    """Return the strings in the constants and tables of *node*."""
    values: list[object] = []
    for part in ir.walk(node):
        match part:
            case ir.Const(_, value):
                values.append(value)
            case ir.Rows(_, rows):
                values.append(rows)
    return frozenset(_strings_in(values))


def _strings_in(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple | frozenset):
            yield from _strings_in(value)
        elif isinstance(value, Record):
            yield from _strings_in(values_of(value))


# ---- and back ---------------------------------------------------------------------------


Filling: TypeAlias = Callable[[Sequence[str]], ir.Expr]
"""Puts strings in the place of parameters."""


def filling(node: ir.Expr) -> Filling | None:
    """Return what puts strings into *node*, None if it has no parameters."""
    match node:
        case ir.Const(type_, Parameter(number)):
            return lambda texts: ir.Const(type_, texts[number])
        case ir.Const(type_, frozenset() as some) if any(isinstance(x, Parameter) for x in some):
            numbers = [one.number for one in some if isinstance(one, Parameter)]
            others = [one for one in some if not isinstance(one, Parameter)]
            return lambda texts: ir.Const(
                type_, frozenset([*others, *[texts[number] for number in numbers]])
            )
    fillings = {id(part): made for part in ir.children(node) if (made := filling(part))}
    if not fillings:
        return None

    def filled(texts: Sequence[str]) -> ir.Expr:
        return ir.rebuilt(node, lambda part: one(texts) if (one := get(id(part))) else part)

    get = fillings.get
    return filled
