"""Recognise operators, brackets and separators of other languages."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.syntax import foreign_words
from policyengine.syntax.parse_state import CLAUSES, ParseState, keywords, kind_of, spelling


def foreign_sign(s: ParseState) -> Diagnostic | None:
    """An operator or a bracket of another language."""
    if s.terminal in ("NAME", "STRING", "$END") or s.terminal in keywords().values():
        return None
    begins = s.start
    if s.before and s.before.end == s.start and not s.last_word[-1:].isalnum():
        begins -= len(s.last_word)  # the lexer cut `**`, `<>` and `===` in two
    named = s.opened and s.opened[1] in ("expression", "attributes")
    if s.text[:1] in "=-" and s.opened and named and _ends_key(s):
        found = re.compile(r"->|=>|=").match(s.source.text, s.start)
        if found:
            span = Span(s.source.name, s.start, found.end())
            declares = "_EXPECT" not in map(kind_of, s.stack) and s.opened[1] == "attributes"
            given = "attribute its type" if declares else "key its value"
            return error("PE110", span, f"`{found[0]}` gives no {given}", "write `:`")
    unmerged = _UNMERGED.match(s.source.text, s.source.text.rfind("\n", 0, s.start) + 1)
    if unmerged and unmerged.start() <= s.start < unmerged.end():
        span = Span(s.source.name, unmerged.start(), unmerged.end())
        help = "keep one side, and leave out the lines with `<<<<<<<`, `=======` and `>>>>>>>`"
        return error("PE101", span, "a conflict of a merge is not resolved here", help)
    for start in sorted({begins, s.start}):
        for sign, help in foreign_words.SIGNS.items():
            if s.source.text.startswith(sign, start):
                return _no_sign(s, start, sign, help)
    if s.text.startswith("=") and "_ASSIGN" in s.accepts | {kind_of(i) for i in s.stack[-1:]}:
        return error("PE110", Span(s.source.name, begins, s.end), "`==` only compares", "write `=`")
    if s.text == "=" and s.last_word in ("<", ">", "!", "=") and s.before:
        span = s.before.to(s.span)
        return error("PE110", span, "a sign has no blank in it", f"write `{s.last_word}=`")
    if s.text == "=" and s.wants_operator() and _names_argument(s):
        return error("PE110", s.span, "`=` gives no argument its name", foreign_words.ARGUMENTS)
    if s.text == "=" and s.wants_operator():
        return error("PE110", s.span, "`=` does not compare", "write `==`")
    if s.text == "?" and s.wants_operator():
        asked = re.search(r"([A-Za-z_][\w.]*)\.(\w+)\Z", s.source.text[: s.start])
        chooses = re.compile(r"\?[^\r\n]*:").match(s.source.text, s.start)
        help = "write `if a then b else c`"
        if asked and not chooses:
            help = f"write `{asked[1]} has {asked[2]}`"
        return error("PE110", s.span, "there is no `?` operator", help)
    if s.text == "?" and {"_OBLIGATION", "_DEFINE"} & {kind_of(item) for item in s.stack}:
        return error("PE110", s.span, "a parameter is always given", "leave the `?` out")
    if s.text == "?" and s.last_word.isidentifier():
        help = "write it after the attribute's name: `name?: type`"
        return error("PE110", s.span, "`?` does not follow a type", help)
    if s.text == "-" and s.last_word.isidentifier() and not s.wants_operator():
        rest = re.compile(r"-\w+(?:-\w+)*").match(s.source.text, s.start)
        quoted = "_ENUM" in map(kind_of, s.stack) or "_LEVELS" in map(kind_of, s.stack)
        help = f'quote it: `"{s.last_word}{rest[0]}"`' if quoted and rest else "write `_`"
        return error("PE110", s.span, "a name has no `-`", help)
    if s.text == ",":
        return _wrong_separator(s)
    return None


def _names_argument(s: ParseState) -> bool:
    """Whether what was read last is a name where an argument of a call begins."""
    if not s.last_word.isidentifier() or not s.opened or kind_of(s.opened[0]) != "_LPAREN":
        return False
    called = s.kind(-3) in ("_primary", "name", "ref") and s.kind(-2) == "_LPAREN"
    return called or s.kind(-2) == "_COMMA"


def _ends_key(s: ParseState) -> bool:
    """Whether what was read last can be the key of a record or a table."""
    return "_COLON" in s.accepts and s.kind(-2) in ("_LBRACE", "_COMMA")


def _no_sign(s: ParseState, start: int, sign: str, help: str) -> Diagnostic | None:
    declared = _declared_names(s)
    if declared:
        if sign == declared:
            return None
        help = f"write `{declared}`" if sign in ("|", "||", "&", "&&", "/", "//", ";") else help
    if sign == "=>" and s.kind(-1) == "_ASSIGN":  # of a constant
        help = "write `->`"
    if sign in ("=>", "->") and [kind_of(i) for i in s.stack[-2:-1]] == [
        "_LPAREN"
    ]:  # `any(x => x.active)`
        help = foreign_words.FORMS["QUANTIFIER"]
    span = Span(s.source.name, start, start + len(sign))
    if sign in ("->", "=>") and s.opened and s.opened[1] == "table":
        return error("PE110", span, f"`{sign}` does not follow the value of a row", "write `:`")
    if sign == "->":
        if s.wants_operator() or start < s.start:
            help = foreign_words.SIGNS["-->"]
        if s.kind(-1) == "parameters":
            help = "leave it out: the type of a definition is that of its expression"
        return error("PE143", span, "only the type of a constant has a `->`", help)
    if sign == "|" and "_COLON" in s.accepts and "QUANTIFIER" in map(kind_of, s.stack):
        help = foreign_words.FORMS["QUANTIFIER"]
    share = re.compile(r"\d{1,2}(?=%\s*(?:[^\w\s(]|\Z|\n|and|or))").match(
        s.source.text, start - len(s.last_word)
    )
    if sign == "%" and share and s.last_word == share[0]:
        help = f"write `0.{int(share[0]):02}`"
    whole = re.compile(r"%\s+of\s+([\w.]+)").match(s.source.text, start)
    if sign == "%" and whole and s.last_word.isdigit():
        help = f"write `{whole[1]} * {int(s.last_word) / 100}`"
    if sign == "$" and s.source.text[start + 1 : start + 2].isdigit():
        help = "an amount has no sign: leave it out"
    if sign == ";" and "_COMMA" in s.accepts and (s.opened or _GOES_ON.match(s.source.text, start)):
        help = "write `,`"
    if sign == "::":
        help = _in_place_of_colons(s, span)
    if sign in ("&", "|", "&&", "||") and "_COMMA" in s.accepts and not s.wants_operator():
        help = "write `,`"
    if sign in "[]":
        if "_LBRACKET" in s.open_kinds():
            return None
        kinds = [kind_of(item) for item in s.stack]
        if sign == "]" and "_LPAREN" in s.open_kinds():
            help = "write `)`"
        if re.compile(r"\[\s*\w+\s+for\s").match(s.source.text, start):
            help = foreign_words.FORMS["QUANTIFIER"]
        if kinds[-1:] == ["_ASSIGN"]:
            of = next((k for k in reversed(kinds) if k in ("_ENUM", "_LEVELS", "_CONST")), "")
            help = foreign_words.FORMS[of] if of in ("_ENUM", "_LEVELS") else "write `{ … }`"
        return error("PE110", span, f"`{sign}` only belongs to a look-up in a table", help)
    return error("PE110", span, f"there is no `{sign}` in this language", help)


def _declared_names(s: ParseState) -> str:
    """Return the sign between the names that are declared here, empty if there is none."""
    kinds = {kind_of(item) for item in s.stack}
    return "|" if "_ENUM" in kinds else "<" if "_LEVELS" in kinds else ""


_UNMERGED = re.compile(r"(?:<{7}|\|{7}|={7}|>{7})(?=[ \r\n]|\Z)")
"""What a tool for versions writes at the begin of a line, around what two changes made of a place."""

_GOES_ON = re.compile(rf";[ \t]*(?!(?:{'|'.join(filter(None, map(spelling, CLAUSES)))})\b)\w")
"""A `;` after which a list goes on in its line."""


def _in_place_of_colons(s: ParseState, span: Span) -> str:
    """Return what to write for `Tier::basic`, `User::"ann"` or `Action::"read"`."""
    names = re.compile(r'(\w+(?:::\w+)*)::(?:"([^"\n]*)"|(\w+))?')
    start = span.start - len(s.last_word)
    found = names.match(s.source.text, start)
    if not found or found[1] == found[3]:
        return foreign_words.SIGNS["::"]
    name = found[1].rpartition("::")[2]
    if found[2] is None:
        return f"write `{name}.{found[3]}`" if found[3] else foreign_words.SIGNS["::"]
    return f"write `{found[2]}`" if name.lower() == "action" else f'write `{name} "{found[2]}"`'


def _wrong_separator(s: ParseState) -> Diagnostic | None:
    if s.opened and s.opened[1] == "taxonomy":
        return error("PE110", s.span, "terms are not separated by commas", "leave it out")
    for terminal, what, sign in (("_LEVELS", "levels", "<"), ("_ENUM", "enumerators", "|")):
        if any(kind_of(item) == terminal for item in s.stack):
            return error("PE110", s.span, f"{what} are not separated by commas", f"write `{sign}`")
    return None
