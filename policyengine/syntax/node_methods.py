"""Make methods of the tree builder that only put the parts of a rule of the grammar into a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from lark import Token

from policyengine.diagnostics.source import Span


class Unquoter(Protocol):
    """A reader of the text of strings: the tree builder."""

    def unquote(self, token: Token, keep: str = "") -> str:
        """Return the text of a string; escapes of the characters in *keep* are kept."""


Method: TypeAlias = Callable[[Any, Span, list[Any]], Any]


def of_parts(class_: Callable[..., Any]) -> Method:
    """Return a method that builds a node of that class, whose parts are those of the rule."""
    return lambda _, span, children: class_(*children, span=span)


def of_list(class_: Callable[..., Any]) -> Method:
    """Return a method that builds a node of that class of the first part and the list of the others."""
    return lambda _, span, children: class_(children[0], tuple(children[1:]), span=span)


def of_text(class_: Callable[..., Any]) -> Method:
    """Return a method that builds a node of that class, which has a text."""

    def build(builder: Unquoter, span: Span, children: list[Any]) -> Any:
        return class_(builder.unquote(children[0]), span=span)

    return build
