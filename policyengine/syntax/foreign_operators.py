"""Recognise operators that are words of other languages, of one word or several, and misspelt ones."""

from __future__ import annotations

import re
from typing import Final

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.spell import nearest
from policyengine.syntax import foreign_words
from policyengine.syntax.parse_state import INFIX, ROOTS, ParseState

_NEGATABLE: Final = tuple(row.word for row in INFIX if row.negatable)
_IS_OWN: Final = re.compile(
    rf"is(\s+not)?(?:\s+an?)?\s+({'|'.join(_NEGATABLE)})\b(?:\s+of\b)?", re.IGNORECASE
)
"""`is` before an operator of this language: `is not within`, `is a subset of`."""

_PHRASES: Final = {
    first: [phrase for phrase in foreign_words.PHRASES if phrase.split()[0] == first]
    for first in {phrase.split()[0] for phrase in foreign_words.PHRASES}
}
"""The phrases by their first word, each list in the order in which they are tried."""

_IS_TYPE: Final = re.compile(r"is\s+(?:not\s+)?[A-Z]\w*\b(?!\s*\")")


def foreign_operator(s: ParseState) -> Diagnostic | None:
    """A word that is an operator elsewhere, or a misspelt one."""
    if not (s.wants_operator() or s.wants_negated()) or (s.wants_clause() and s.first_on_line):
        return None
    said = _phrase(s)
    if said is not None:
        return said
    if s.last_word.replace("_", "").isdigit() and not s.first_on_line:
        return error("PE113", s.span, "a number has no unit", f"leave {s.found} out")
    if s.text in foreign_words.OPERATORS and s.terminal in ("NAME", "_UNDER"):
        help = foreign_words.OPERATORS[s.text]
        return error("PE110", s.span, f"there is no operator {s.found}", help)
    if s.terminal != "NAME":
        return None
    if s.last_word in ("lower", "size", "ancestors"):
        help = f"write `{s.last_word}(…)`"
        return error("PE112", s.after_last, f"`(` is missing after `{s.last_word}`", help)
    if s.text in ROOTS:
        return None
    words = sorted({word for row in INFIX for word in row.word.split() if word.isalpha()})
    swapped = [word for word in words if sorted(word) == sorted(s.text.lower())]
    meant = swapped[0] if swapped else nearest(s.text, words)
    if meant:
        return error("PE110", s.span, f"there is no operator {s.found}", f"did you mean `{meant}`?")
    return None


def _phrase(s: ParseState) -> Diagnostic | None:
    """An operator of several words: `is not null`, `is at least`, `is not within`."""
    if s.terminal not in ("NAME", "_NOT", "_AT"):
        return None
    phrases = _PHRASES.get(s.text.lower(), ())
    for phrase in phrases:
        if phrase in ("is a", "is not"):
            continue  # nearly all phrases begin so: they come last
        if s.reads(phrase, any_case=True):
            return _no_operator(s, _as_written(s, phrase), foreign_words.PHRASES[phrase])
    if s.text.lower() != "is":
        return None
    own = _IS_OWN.match(s.source.text, s.start)
    if own:
        word = f"not {own[2].lower()}" if own[1] else own[2].lower()
        return _no_operator(s, " ".join(own[0].split()), f"write `{word}`")
    if _IS_TYPE.match(s.source.text, s.start):
        return _no_operator(s, "is", foreign_words.OPERATORS["isa"])
    for phrase in ("is a", "is not"):
        if phrase in phrases and s.reads(phrase, any_case=True):
            return _no_operator(s, _as_written(s, phrase), foreign_words.PHRASES[phrase])
    return None


def _as_written(s: ParseState, phrase: str) -> str:
    """Return the words of *phrase* as the author wrote them: `is None`."""
    words = re.compile(r"\s+".join([r"\w+"] * len(phrase.split()))).match(s.source.text, s.start)
    return " ".join(words[0].split()) if words else phrase


def _no_operator(s: ParseState, phrase: str, help: str) -> Diagnostic:
    operand = re.search(r"([\w.]+)\.(\w+)\s*\Z", s.source.text[: s.start])
    owner, name = operand.groups() if operand else ("x", "a")
    written = help.format(owner=owner, name=name)
    return error("PE110", s.span, f"there is no operator `{phrase}`", written)
