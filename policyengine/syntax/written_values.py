"""Write values as policies do: strings in quotes, `ip "10.0.0.1"`, names that are no identifiers in quotes."""

from __future__ import annotations

import re
from typing import Final

from policyengine.model.limits import DIGITS
from policyengine.model.types import (
    DATETIME,
    DURATION,
    INT,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import (
    ABSENT,
    can_be_given,
    from_datetime,
    slot,
    text_of,
    to_datetime,
)
from policyengine.syntax.expression_layout import quoted
from policyengine.syntax.grammar import reserved_words

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def written(type_: Type, value: object) -> str:
    """Return the text of a constant in a rule: of a number that no rule may write, how it is computed."""
    match type_:
        case Primitive() if isinstance(value, int) and not can_be_given(type_, value):
            return f"({_computed(type_, value)})"
        case EntityRefType(name):
            return f"{name} {quoted(str(value))}"
        case SetType(element):
            assert isinstance(value, frozenset)
            return "{" + ", ".join(sorted(written(element, one) for one in value)) + "}"
        case RecordType(attributes):
            given = ((a, getattr(value, slot(a.name))) for a in attributes)
            texts = (f"{a.name}: {written(a.type, v)}" for a, v in given if v is not ABSENT)
            return "{" + ", ".join(texts) + "}"
        case EnumType() | TaxonomyType() | LevelsType():
            return as_name(text_of(type_, value))
        case Primitive("string"):
            return quoted(str(value))
        case Primitive("decimal"):
            text = text_of(type_, value)
            return text if "." in text else f"{text}.0"
        case Primitive("ip" | "path" | "schedule" as word):
            return f"{word} {quoted(text_of(type_, value))}"
        case _:
            return text_of(type_, value)


def _computed(type_: Primitive, value: int) -> str:
    """Return an expression of numbers that a rule may write, whose value is one that none may."""
    if type_ == DATETIME:
        last = from_datetime(to_datetime(value))
        return f"{written(DATETIME, last)} + {written(DURATION, value - last)}"
    times, rest = divmod(value, _PART)
    product = f"{written(INT, times)} * {written(type_, _PART)}"
    return f"{product} + {written(type_, rest)}" if rest else product


_PART: Final = 10 ** (DIGITS - 1)


def as_name(text: str) -> str:
    """Return how policies write a name of an enum, levels or a taxonomy: in quotes unless it is a word that is free."""
    plain = _NAME.fullmatch(text) and text not in reserved_words()
    return text if plain else quoted(text)
