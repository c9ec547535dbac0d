"""Recognise parts that are right in another place, and forms that parts have in other languages."""

from __future__ import annotations

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.syntax.parse_state import CLAUSES, ParseState, kind_of, span_of

_LETS = {"_LET", "_TEST"}


def misplaced_part(s: ParseState) -> Diagnostic | None:
    """Parents that do not follow the id of an entity, or the name of a rule with its package."""
    kinds = [kind_of(item) for item in s.stack]
    named = kinds[-3:] == ["name", "_DOT", "name"] and kinds[-4] in ("_OF", "_BECAUSE", "_COMMA")
    if s.terminal == "_DOT" and named:
        message = "a rule is named without its package"
        return error("PE118", s.span, message, "write `rule`, or `gate.rule`")
    if s.terminal != "_UNDER" or _LETS.isdisjoint(kinds):
        return None
    last = len(kinds) - 1
    if kinds[last] == "_RBRACE":
        last = max(i for i in range(last) if kinds[i] == "_LBRACE") - 1
    if kinds[last] == "STRING":
        help = 'write `Folder "id" under … { … }`'
        return error("PE118", s.span, "`under` comes before the attributes", help)
    entity = span_of(s.source, s.stack[last])
    if entity is None or kinds[last] not in ("NAME", "name", "variable"):
        return None
    message = f"`{s.source.text[entity.start : entity.end]}` has the parents with which it was written out"
    help = 'one with others is written out: `Folder "id" under … { … }`'
    return error("PE118", s.span, message, help)


def foreign_form(s: ParseState) -> Diagnostic | None:
    """Text that is not possible where it is, but has a meaning in other languages."""
    help = _form(s)
    return error("PE101", s.span, f"{s.found} is unexpected here", help) if help else None


def _form(s: ParseState) -> str:
    """Return what to write instead."""
    match s.terminal, s.last_word:
        case "_TIMES", "fields":
            return "write `fields all`"
        case "_DOT", _ if _last_clause(s) == "_FIELDS":
            return "a field is shown as a whole or by a mask, which goes for all parts of a record"
        case "_COMMA", "any":
            return "`any` stands alone, or before `except …`"
        case "_FOR", _ if {"_BY", "_ON"} <= s.accepts:
            return "write `by` before the type of the subject, and `on` before that of the resource"
        case "_WHEN", _ if "_WITH" in s.accepts:
            return "a context is written `with { name: value }`"
        case "_COLON", _ if "_RPAREN" in s.accepts and s.wants_operator():
            if _last_clause(s) != "_OBLIGE" and _LETS & {kind_of(item) for item in s.stack}:
                return 'an entity is written `Type "id" { name: value }`'
            return "arguments have no names, and are in the order of the parameters"
        case _, "Set" if s.text == "<":
            return "write `set<type>`"
        case _:
            return ""


def _last_clause(s: ParseState) -> str:
    """Return the terminal of the clause that is not finished; empty if there is none."""
    kinds = (kind_of(item) for item in reversed(s.stack))
    return next((kind for kind in kinds if kind in CLAUSES), "")
