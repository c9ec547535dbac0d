"""Recognise parts that are right in another place, and forms that parts have in other languages."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Source, Span
from policyengine.syntax import foreign_words
from policyengine.syntax.parse_state import CLAUSES, ParseState, kind_of, span_of

_LETS = {"_LET", "_TEST"}


def misplaced_part(s: ParseState) -> Diagnostic | None:
    """Parents that do not follow the id of an entity, or the name of a rule with its package."""
    kinds = [kind_of(item) for item in s.stack]
    named = kinds[-3:] == ["name", "_DOT", "name"] and kinds[-4] in ("_OF", "_BECAUSE", "_COMMA")
    if s.terminal == "_DOT" and named:
        message = "a rule is named without its package"
        return error("PE118", s.span, message, "write `rule`, or `gate.rule`")
    if (
        kinds[-1:] == ["name"]
        and kinds[-2:-1] == ["_UNDER"]
        and s.terminal != "STRING"
        and s.before
    ):
        return _parent_by_name(s, s.before)
    if s.terminal != "_UNDER" or _LETS.isdisjoint(kinds):
        return None
    last = len(kinds) - 1
    if kinds[last] == "_RBRACE":
        last = max(i for i in range(last) if kinds[i] == "_LBRACE") - 1
    if kinds[last] == "STRING":
        type_, id_ = (span_of(s.source, one) for one in s.stack[last - 1 : last + 1])
        written = (
            'Folder "id"' if type_ is None or id_ is None else s.source.text[type_.start : id_.end]
        )
        help = f"write `{written} under … {{ … }}`"
        return error("PE118", s.span, "`under` comes before the attributes", help)
    entity = span_of(s.source, s.stack[last])
    if entity is None or kinds[last] not in ("NAME", "name", "variable"):
        return None
    message = f"`{s.source.text[entity.start : entity.end]}` has the parents with which it was written out"
    help = 'one with others is written out: `Folder "id" under … { … }`'
    return error("PE118", s.span, message, help)


def _parent_by_name(s: ParseState, name: Span) -> Diagnostic | None:
    """`under icu`, where a `let` has that name."""
    word = re.escape(s.source.at(name))
    let = re.search(rf'\blet\s+{word}\s*=\s*(\w+\s*"[^"\n]*")', s.source.text)
    if let is None:
        return None
    message = "a parent is named by its type and its id, not by a `let`"
    return error("PE114", name, message, f"write `under {let[1]}`")


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
            whole = "a field is shown as a whole or by a mask, which goes for all parts of a record"
            return f"{whole}: write `{s.last_word}`"
        case "_DOT", name if s.kind(-2) == "_HAS":
            owner = re.search(r"([\w.]+)\s+(?:not\s+)?has\s+\w+\s*\Z", s.source.text[: s.start])
            part = re.compile(r"\.\s*(\w+)").match(s.source.text, s.start)
            if owner is None or part is None:
                return "`has` is asked of one attribute after the other"
            return f"write `{owner[1]} has {name} and {owner[1]}.{name} has {part[1]}`"
        case "_LBRACE", _ if s.wants_clause():
            return "clauses follow without braces: `permit name: actions when condition`"
        case "_FOR", _ if "_BY" in s.accepts and not _LETS & {kind_of(item) for item in s.stack}:
            return "write `by` before the type of the subject, and `on` before that of the resource"
        case (("PLUS" | "_TIMES" | "MINUS" | "_COMMA"), word) if (
            word[-1:] == '"' and s.wants_clause()
        ):
            return "a text is one string, and shows values with `{…}`"
        case "_COLON", _ if (
            s.opened and s.opened[0] == "{" and "operator" in map(kind_of, s.stack[-3:])
        ):
            return "no set is computed: ask `some x in set: condition`"
        case "_COLON", _ if s.piece:
            return "a value is shown as it is: leave the rest out"
        case "_AS", _ if "_IMPORT" in s.accepts:
            return f"a package has one name: write `{s.last_word}.name`"
        case "_FROM", _ if "_IMPORT" in s.accepts or "_ENTITY" in s.accepts:
            imported = re.compile(r"from\s+([\w.]+)\s+import").match(s.source.text, s.start)
            return f"write `import {imported[1]}`" if imported else ""
        case "_COMMA", "any":
            return "`any` stands alone, or before `except …`"
        case "_FOR", _ if {"_BY", "_ON"} <= s.accepts:
            return "write `by` before the type of the subject, and `on` before that of the resource"
        case "_WHEN", _ if "_WITH" in s.accepts:
            return "a context is written `with { name: value }`"
        case "_COLON", _ if "_RPAREN" in s.accepts and s.wants_operator():
            if _last_clause(s) != "_OBLIGE" and _LETS & {kind_of(item) for item in s.stack}:
                return 'an entity is written `Type "id" { name: value }`'
            return foreign_words.ARGUMENTS
        case _, "Set" if s.text == "<":
            return "write `set<type>`"
        case _:
            return ""


def closed_early(source: Source, until: int) -> Span | None:
    """Return the first `}` before *until* that is indented more than the block that it closes."""
    opened: list[int] = []
    for found in _QUOTED_OR_BRACE.finditer(source.text, 0, until):
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened:
            own, opening = found.start(), opened.pop()
            line = source.text.rfind("\n", 0, own) + 1
            alone = not source.text[line:own].strip()
            if alone and _indentation(source, own) > _indentation(source, opening):
                return Span(source.name, found.start(), found.end())
    return None


_QUOTED_OR_BRACE = re.compile(r'"(?:[^"\\\r\n]|\\[^\r\n])*"?|#[^\n]*|[{}]')


def _indentation(source: Source, at: int) -> int:
    """Return the number of blanks before the line of *at*."""
    line = source.line(source.position(at)[0])
    return len(line) - len(line.lstrip())


def _last_clause(s: ParseState) -> str:
    """Return the terminal of the clause that is not finished; empty if there is none."""
    kinds = (kind_of(item) for item in reversed(s.stack))
    return next((kind for kind in kinds if kind in CLAUSES), "")
