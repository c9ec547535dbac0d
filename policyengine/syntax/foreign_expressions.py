"""Recognise expressions that are written as in other languages: quantifiers, choices, sets, units of time."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.syntax import foreign_words
from policyengine.syntax.foreign_calls import UNITS
from policyengine.syntax.parse_state import ParseState, kind_of, span_of

_OWN_WORDS = ("not", "every", "some", "if")
_PRESENCE = ("exists", "defined", "has", "any")
_ATTRIBUTE = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\.([A-Za-z_][A-Za-z0-9_]*+)(?!\s*(?:\.|in\b))")
"""An attribute alone: what is looked through has `in` after it."""

_CHAIN = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\.([A-Za-z_][A-Za-z0-9_]*)\Z")


def foreign_expression(s: ParseState) -> Diagnostic | None:
    """An expression with the words or the order of another language."""
    if not s.wants_operator():
        return _set_in_parentheses(s)
    return _word_before_operand(s) or _choice(s) or _unit(s)


def optional_chain(s: ParseState) -> Diagnostic | None:
    """`a.b?.c` and `a.b!.c`"""
    sign = s.source.text[s.start : s.start + 2]
    if sign not in ("?.", "!.") or not s.last_word.isidentifier():
        return None
    chain = _CHAIN.search(s.source.text[: s.start])
    help = "write `.`"
    if chain:
        owner, name = chain.groups()
        help = f"write `{owner} has {name} and {owner}.{name}.…`"
    return error("PE110", Span(s.source.name, s.start, s.start + 2), f"there is no `{sign}`", help)


def _word_before_operand(s: ParseState) -> Diagnostic | None:
    word = s.last_word.lower()
    if s.terminal in ("", "$END") or not s.text[:1].isalnum() or s.first_on_line:
        return None
    if s.before is None or s.kind(-1) not in ("NAME", "variable"):
        return None
    if word in _OWN_WORDS and word != s.last_word:
        return error("PE110", s.before, f"there is no `{s.last_word}`", f"write `{word}`")
    if s.last_word in ("and", "or"):
        message = f"`{word}` stands between two conditions"
        return error("PE110", s.before, message, "leave it out")
    if s.text in foreign_words.OPERATORS and word not in ("there", "is"):
        return None
    of_sets = foreign_words.AFTER_CONTAINS.get(word)
    if of_sets and s.source.text[: s.before.start].rstrip().endswith(" contains"):
        return error("PE110", s.before, f"there is no operator `contains {word}`", of_sets)
    help = foreign_words.BEFORE_OPERANDS.get(word)
    if help is None:
        return None
    asked = word in _PRESENCE and _ATTRIBUTE.match(s.source.text, s.start)
    if asked:
        help = f"write `{asked[1]} has {asked[2]}`"
    return error("PE110", s.before, f"there is no `{s.last_word}` in an expression", help)


def _choice(s: ParseState) -> Diagnostic | None:
    if s.text.lower() in ("elif", "elseif", "elsif"):
        return error("PE110", s.span, f"there is no {s.found}", "write `else if`")
    if s.terminal == "_IF" and not s.wants_clause():
        help = "write `if condition then value else value`"
        return error("PE110", s.span, "`if` comes before both values", help)
    return None


def _unit(s: ParseState) -> Diagnostic | None:
    """`30 days`"""
    if s.before is None or not s.last_word.isdigit():
        return None
    short = UNITS.get(s.text.lower().rstrip("s") + "s")
    if s.text in UNITS.values():
        short = s.text
    if short is None:
        return None
    written = s.source.on_one_line(s.before.to(s.span))
    message = f"`{written}` is no number, date or duration"
    return error("PE120", s.before.to(s.span), message, f"write `{s.last_word}{short}`")


def _set_in_parentheses(s: ParseState) -> Diagnostic | None:
    """`x in (a, b)`"""
    if s.terminal != "_COMMA" or "_COMMA" in s.accepts or not s.open_brackets:
        return None
    at = s.open_brackets[-1]
    if kind_of(s.stack[at]) != "_LPAREN" or s.accepts != {"_RPAREN"}:
        return None
    place = span_of(s.source, s.stack[at])
    assert place is not None
    return error("PE110", place, "parentheses are no set", "write `{a, b}`")
