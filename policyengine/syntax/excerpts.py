"""Repeat expressions of the author in messages. The layout is loaded when there is something to say."""

from __future__ import annotations

from typing import Final

from policyengine.syntax import nodes

_SHORT: Final = 60
"""The most characters of an expression that a message repeats."""


def said(node: nodes.Expr, otherwise: str = "x") -> str:
    """Return the text of *node* on one line, or *otherwise* if it is long."""
    from policyengine.syntax.expression_layout import on_one_line

    text = on_one_line(node)
    return text if len(text) <= _SHORT else otherwise


def in_quotes(text: str, *, pattern: bool = False) -> str:
    """Return how a string with *text* is written; a pattern has escapes of its own."""
    from policyengine.syntax.expression_layout import quoted

    return quoted(text, escape_backslash=not pattern)
