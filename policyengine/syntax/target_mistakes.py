"""Recognise mistakes in the actions that a rule or an invariant covers, and in the range of a gate."""

from __future__ import annotations

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.syntax.parse_state import (
    CLAUSES,
    COMPARISONS,
    DECLARATIONS,
    EFFECTS,
    ParseState,
    kind_of,
)

_OWNERS = EFFECTS | {"effect", "_INVARIANT"}
_IN_CLAUSES = CLAUSES | {terminal.lower().lstrip("_") for terminal in CLAUSES}
_IN_CONDITIONS = COMPARISONS | {"_AND", "_OR", "_NOT", "_LPAREN", "_ASSIGN"}


_JOINS = frozenset({"and", "or", "&", "|", "&&", "||", "+", "/"})
_SHOWN = "actions are listed with commas and without brackets: `permit name: read, edit`"


def foreign_target(s: ParseState) -> Diagnostic | None:
    """Actions, types or fields that are listed as in other languages; a name with a `.`."""
    if s.wants_operator() or not s.stack:
        return None
    last = s.kind(-1)
    if "_COMMA" in s.accepts and s.text in _JOINS and last in _LISTED and not s.first_on_line:
        return error("PE147", s.span, f"a list has no {s.found}", "write `,`")
    if s.last_word == "not" and s.terminal == "NAME" and s.before and last in _LISTED:
        message = "`not` is no action"
        return error("PE147", s.before, message, f"write `any except {s.text}`")
    if "ANY" in s.accepts and last == "_COLON":
        if s.text in ("*", "all", "everything", "anything"):
            return error("PE147", s.span, f"{s.found} is no action", "write `any`")
        if s.terminal == "STRING":
            name = s.text[1:-1]
            help = f"write `{name}`" if name.isidentifier() else ""
            return error("PE119", s.span, f"an action is named without quotes: {s.text}", help)
        if s.text in ("{", "[", "("):
            return error("PE147", s.span, f"{s.found} is no action", _SHOWN)
    if s.terminal == "_DOT" and last == "name" and s.kind(-2) in _DECLARING:
        return error("PE110", s.span, "a name that is declared has no `.`", "write `_`")
    return None


_LISTED = frozenset(
    {"ref", "refs", "name", "names", "NAME", "shown_field", "shown_fields", "_RPAREN"}
)
_DECLARING = EFFECTS | DECLARATIONS | {"effect", "_LET"}


def misplaced_exception(s: ParseState) -> Diagnostic | None:
    """An `except` that does not follow `any`, or what cannot follow an `except`."""
    kinds = _unfinished(s)
    if "_EXCEPT" in kinds:
        return _after_except(s)
    if s.before and kinds[-2:] in (["_COLON", "ref"], ["_FOR", "ref"]):
        help = f"write `any {s.last_word} {s.text}`"
        if s.last_word == "except":
            return error("PE145", s.before, "`except` follows `any`", help)
        if s.last_word in ("by", "on"):
            message = f"an action, a group or `any` is missing before `{s.last_word}`"
            return error("PE114", s.before, message, help)
    if s.before and s.last_word == "except" and "_FIELDS" in kinds and s.terminal == "NAME":
        return error(
            "PE145",
            s.before,
            "`except` follows `any`, not `fields`",
            "name the fields that are shown",
        )
    if s.terminal != "_EXCEPT" or not kinds:
        return None
    if kinds[-2:] in (["_FIELDS", "ALL"], ["_FIELDS", "all"]):
        return error(
            "PE145", s.span, "`except` follows `any`, not `all`", "name the fields that are shown"
        )
    if not _IN_CLAUSES.isdisjoint(kinds):
        help = "write `any except …`, and then the conditions"
        return error("PE145", s.span, "`except` comes after `any`, before the clauses", help)
    if (kinds[0] in _OWNERS and "_COLON" in kinds) or "_FOR" in kinds:
        help = "write `any except …`, or leave out of the list what is not meant"
        return error("PE145", s.span, "`except` follows `any`, not a list of actions", help)
    return None


def _after_except(s: ParseState) -> Diagnostic | None:
    match s.terminal:
        case "_BY" | "_ON":
            help = f"write `any {s.text} … except …`"
            return error("PE145", s.span, f"{s.found} comes before `except`", help)
        case "_EXCEPT":
            help = "write one, with commas: `except a, b`"
            return error("PE122", s.span, "`except` is written twice", help)
    if s.terminal in _IN_CONDITIONS:
        help = "a condition is written `unless condition`, or `when condition`"
        return error("PE145", s.span, "only actions and groups can be excepted", help)
    return None


def misplaced_range(s: ParseState) -> Diagnostic | None:
    """Something else than `for` after the question of a gate, or a condition in its range."""
    kinds = _unfinished(s)
    if kinds[:1] != ["_GATE"] or "STRING" not in kinds:
        return None
    block = "the rules of a gate are in a block of its own: `gate name { … }`"
    if s.terminal == "_LBRACE":
        return error("PE146", s.span, f"{s.found} does not follow the question of a gate", block)
    if s.terminal in CLAUSES:
        help = "write what it covers, as `any on Document`; conditions are those of its rules"
        return error("PE146", s.span, "the range of a gate has no clauses", help)
    if "_FOR" in kinds:
        return None
    match s.terminal:
        case "_BY" | "_ON" | "_EXCEPT":
            help = f"write `for any {s.text} …`"
        case "_IN" | "_OF" | "_COLON" | "_COMMA" | "ANY" if not s.first_on_line:
            help = "write `for` and the actions to which it applies"
        case _:
            return None
    return error(
        "PE146", s.span, f"the range of a gate begins with `for`, not with {s.found}", help
    )


def _unfinished(s: ParseState) -> list[str]:
    """Return the kinds of what is on the stack from the last rule, invariant or gate on."""
    kinds = [kind_of(item) for item in s.stack]
    for i in reversed(range(len(kinds))):
        if kinds[i] in _OWNERS or kinds[i] == "_GATE":
            return kinds[i:]
    return []
