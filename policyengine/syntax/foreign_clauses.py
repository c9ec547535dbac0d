"""Recognise clauses and heads of declarations that are written as in other languages."""

from __future__ import annotations

import re
from typing import Final

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import nearest
from policyengine.syntax import foreign_words
from policyengine.syntax.parse_state import (
    CLAUSES,
    EFFECTS,
    ParseState,
    kind_of,
    span_of,
    spelling,
)

_ROOTS: Final = ("subject", "resource", "context", "action")
_CLAUSE_WORDS: Final = "|".join(sorted(filter(None, map(spelling, CLAUSES))))
_QUOTED_OR_CLAUSE: Final = re.compile(rf'"(?:[^"\\\n]|\\.)*"|#[^\n]*|\b({_CLAUSE_WORDS})\b')
_TEXTS: Final = ("because", "otherwise", "refer", "cites")
_MASKED: Final = (
    r"(?:to|by|in|with)\s+(year|month|day)\b|(?:masked|hidden|redacted|anonymi[sz]ed|obscured)\b"
)
_HEADS: Final = ("permit", "forbid", "expose", "advisory")
_TARGET: Final = re.compile(r"\w+[ \t]*(?:,|$|(?:unless|by|on|except)\b)", re.MULTILINE)
"""The actions of an invariant, or the first of them."""

_TEXT: Final = "a text is one string, and shows values with `{…}`"


def foreign_clause(s: ParseState) -> Diagnostic | None:
    """A clause with a colon or with brackets, conditions in a list, a text of several parts."""
    if s.terminal in ("$END", "") and not s.text:
        return None
    word = last_clause_word(s)
    return (
        _entity(s)
        or _colon(s)
        or _brackets(s, word)
        or _listed(s, word)
        or _against(s)
        or _text(s, word)
        or _comma(s)
        or _with(s)
        or _waiver(s)
        or _head(s)
        or _step(s)
        or _declared(s)
    )


def last_clause_word(s: ParseState) -> str:
    """Return the word of the last clause of the rule that is not finished; empty if there is none."""
    begins = [i for i, item in enumerate(s.stack) if kind_of(item) in (*EFFECTS, "effect")]
    if not begins:
        return ""
    place = span_of(s.source, s.stack[begins[-1]])
    start = place.start if place else 0
    found = [m[1] for m in _QUOTED_OR_CLAUSE.finditer(s.source.text, start, s.start) if m[1]]
    return found[-1] if found else ""


def _colon(s: ParseState) -> Diagnostic | None:
    """`when: condition`"""
    word = s.last_word
    if s.text not in (":", "=") or not re.fullmatch(
        rf"{_CLAUSE_WORDS}|by|on|with|having|expect|at|advisory", word
    ):
        return None
    return error("PE149", s.span, f"no {s.found} follows `{word}`", "leave it out")


def _entity(s: ParseState) -> Diagnostic | None:
    """`User("ann")`, `User:ann`, `User ann` and `User 5` in a test; an entity with other values or parents."""
    qualified = re.search(r"\b(\w+)\.([A-Z]\w*)\s*\Z", s.just_before)
    if s.terminal == "STRING" and qualified and "STRING" not in s.accepts:
        help = f"write `{qualified[2]} {s.text}`"
        return error("PE149", s.span, "before an id, a type is named without its package", help)
    if s.text == ":" and s.wants_operator() and "_COLON" not in s.accepts:
        marked = re.compile(r':\s*(?:"([^"\n]*)"|(\w+))').match(s.source.text, s.start)
        if marked and s.last_word[:1].isupper():
            help = f'write `{s.last_word} "{marked[1] or marked[2]}"`'
            return error("PE119", s.span, "no `:` stands between a type and an id", help)
    kinds = {kind_of(item) for item in s.stack}
    if kinds.isdisjoint(_NAMING_ENTITIES):
        return None
    first = re.search(r'\bunder\s+(\w+\s+"[^"\n]*")\s*\Z', s.just_before)
    second = re.compile(r',?\s*(\w+\s+"[^"\n]*")').match(s.source.text, s.start)
    if first and second:
        help = f"write `under {{{first[1]}, {second[1]}}}`"
        return error("PE149", s.span, "several parents are in braces", help)
    called = re.search(r"\b([A-Z]\w*)\s*\(\s*(\"[^\"\n]*\")\s*\)\s*\Z", s.just_before)
    if called and s.terminal in ("_LBRACE", "_UNDER"):
        begins = s.start - len(s.just_before) + called.start()
        span = Span(s.source.name, begins, begins + len(called[0].rstrip()))
        message = "an entity is not called: its id follows its type"
        return error("PE119", span, message, f"write `{called[1]} {called[2]}`")
    after_type = s.last_word[:1].isupper() and ("STRING" in s.accepts or s.kind(-1) == "variable")
    rest = re.compile(r"\(\s*\"([^\"\n]*)\"\s*\)|:?\s*(\w+)").match(s.source.text, s.start)
    if rest and after_type and s.terminal in ("_LPAREN", "_COLON", "NAME", "INT"):
        id_ = rest[1] if rest[1] is not None else rest[2]
        message = f"the id of an entity is in quotes after its type, and here is {s.found}"
        return error("PE119", s.span, message, f'write `{s.last_word} "{id_}"`')
    if s.terminal == "_IN" and s.last_word[-1:] == '"' and "_ON" in s.accepts:
        return error("PE149", s.span, "an entity is not written with `in`", "write `under`")
    named = next((kind for kind in map(kind_of, reversed(s.stack)) if kind in _IN_TESTS), "")
    if s.terminal == "_WITH" and named == "_LET" and s.kind(-1) != "_LET":
        help = f"other values follow it at once: `{s.last_word} {{ … }}`"
        return error("PE149", s.span, "an entity has no `with`", help)
    if s.text == ":" and re.search(r"\bwith\s+\w+\s*\Z", s.just_before):
        help = f"write `with {{ {s.last_word}: … }}`"
        return error("PE149", s.before or s.span, "a context is in braces", help)
    if s.terminal == "_WITH" and "_ON" in s.accepts and "_WITH" not in s.accepts:
        help = f"other values follow it at once: `{s.last_word} {{ … }}`"
        return error("PE149", s.span, "`with` comes after the resource", help)
    if s.text == "(" and s.last_word == "with":
        return error("PE149", s.span, "a context has no `(`", "write `with { name: value }`")
    if s.next_character != "=" and s.text == ":" and s.accepts == {"_ASSIGN"} and "_LET" in kinds:
        return error("PE149", s.span, "a `let` has no type", "write `let name = value`")
    return None


_IN_TESTS: Final = frozenset({"_TEST", "_LET", "_EXPECT"})
_NAMING_ENTITIES: Final = _IN_TESTS | {"_WAIVER"}


def _brackets(s: ParseState, word: str) -> Diagnostic | None:
    if s.text in ("{", "[", "(") and s.last_word == "fields":
        return error("PE147", s.span, f"fields have no {s.found}", "write `fields title, author`")
    whole = re.compile(rf"\[[^\[\]\n]*\]\s*(?:\Z|\n|\}}|(?:{_CLAUSE_WORDS})\b)")
    if s.last_word in ("when", "unless") and whole.match(s.source.text, s.start):
        return error("PE149", s.span, "a condition has no `[`", "leave the brackets out")
    mask = re.compile(r"\(\s*(\w+)\s*\)").match(s.source.text, s.start)
    if s.text == "(" and word == "fields" and mask and "_AS" in s.accepts:
        help = f"write `{s.last_word} as {mask[1]}`"
        return error("PE149", s.span, "a mask is not called", help)
    shown = re.compile(_MASKED).match(s.source.text, s.start)
    if shown and word == "fields" and "_AS" in s.accepts:
        part_of = shown[1] if shown[1] in ("year", "month", "day") else "present"
        message = f"a mask follows `as`, and here is {s.found}"
        return error("PE149", s.span, message, f"write `{s.last_word} as {part_of}`")
    part = re.compile(r"\.\s*(\w+)").match(s.source.text, s.start)
    if s.text == "." and word == "fields" and s.last_word in _ROOTS and part:
        message = "a field is an attribute of the resource, and named alone"
        return error("PE149", s.span, message, f"write `{part[1]}`")
    return None


def _listed(s: ParseState, word: str) -> Diagnostic | None:
    """Conditions in a list, obligations and fields with `and`."""
    if word in ("when", "unless") and s.wants_clause() and not s.wants_expression():
        number = re.search(r"\d+(?:,\d+)*\Z", s.source.text[: s.start])
        rest = re.compile(r",(\d{3}(?:,\d{3})*(?:\.\d+)?|\d+)(?!\d)").match(s.source.text, s.start)
        if number and rest:
            written = (
                f"{number[0]}_{rest[1]}" if len(rest[1]) > len("00") else f"{number[0]}.{rest[1]}"
            )
            span = Span(s.source.name, number.start(), rest.end())
            help = f"write `{written.replace(',', '_')}`"
            return error("PE120", span, f"`{s.source.at(span)}` is no number", help)
        element = r'([\w.]+|"[^"\n]*")'
        among = re.search(rf"\b(in|within|overlaps|touches|subset)\s+{element}\s*\Z", s.just_before)
        second = re.compile(rf",\s*{element}").match(s.source.text, s.start)
        if s.text == "," and among and second:
            help = f"write `{among[1]} {{{among[2]}, {second[1]}}}`"
            return error("PE149", s.span, "a set is written in braces", help)
        if s.text == ",":
            return error("PE149", s.span, "conditions are not listed", "write `and`")
        for phrase in ("at least", "at most"):  # `at` has a meaning of its own elsewhere
            if s.reads(phrase) and not s.first_on_line:
                help = foreign_words.PHRASES[phrase]
                return error("PE110", s.span, f"there is no operator `{phrase}`", help)
        is_operand = s.text in _ROOTS or s.next_character in (".", "(")
        if s.terminal == "NAME" and s.first_on_line and is_operand:
            help = f"conditions are joined: write `and {s.text}{s.next_character}…`"
            return error("PE149", s.span, f"{s.found} begins no clause", help)
    if word in ("oblige", "fields") and s.wants_clause() and s.text in ("and", "&", "&&", "+"):
        return error("PE147", s.span, f"a list has no {s.found}", "write `,`")
    return None


def _comma(s: ParseState) -> Diagnostic | None:
    """`permit a: read, when …`, and `because of rule`."""
    comma = re.search(rf",\s*(?:{_CLAUSE_WORDS})\s*\Z", s.just_before)
    if comma and s.kind(-1) in ("ref", "refs", "name") and s.wants_clause():
        begins = s.start - len(s.just_before) + comma.start()
        span = Span(s.source.name, begins, begins + 1)
        return error("PE149", span, "no comma stands before a clause", "leave the `,` out")
    if s.before and re.search(r"\bbecause\s+of\s*\Z", s.just_before):
        return error("PE149", s.before, "no `of` follows `because`", "leave the `of` out")
    return None


def _with(s: ParseState) -> Diagnostic | None:
    """`with record("read")` and `with condition` in a rule."""
    if s.terminal != "_WITH" or not s.wants_clause() or s.wants_operator():
        return None
    owed = re.compile(r"with\s+(\w+\s*\()").match(s.source.text, s.start)
    help = f"write `oblige {owed[1]}…)`" if owed else "write `when` before a condition"
    return error("PE149", s.span, "`with` begins no clause", help)


def _waiver(s: ParseState) -> Diagnostic | None:
    """`waiver w of rule for "ann"`, `for any User`, `from 2026-01-01 to …`, an invariant with a reason."""
    kinds = [kind_of(item) for item in s.stack]
    if "_WAIVER" in kinds and s.terminal == "STRING" and s.last_word in ("for", "on", "within"):
        help = f"write its type first, as `App {s.text}`"
        return error("PE114", s.after_last, f"a type is missing before {s.text}", help)
    if "_WAIVER" in kinds and s.last_word == "any" and s.accepts == {"STRING"} and s.before:
        help = 'write one, or all within one: `for within Team "id"`'
        return error("PE149", s.before, "a waiver names its entities", help)
    if s.text in ("to", "till", "through") and kinds[-1:] == ["DATETIME"] and s.wants_clause():
        return error("PE117", s.span, f"{s.found} begins no clause", "did you mean `until`?")
    if "_INVARIANT" in kinds and s.terminal in ("_BECAUSE", "_OTHERWISE"):
        return error("PE149", s.span, "an invariant gives no reason", "write it as a comment")
    return None


def _against(s: ParseState) -> Diagnostic | None:
    """`cites "a" versus "b"`, `cites "a", against "b"`, and an `against` that follows no `cites`."""
    if s.text == "against" and s.wants_clause():
        help = 'write `cites "what counts" against "what does not"`'
        return error("PE149", s.span, "`against` is a part of `cites`, and names one text", help)
    if "_AGAINST" not in s.accepts or s.first_on_line or s.text in foreign_words.CLAUSES:
        return None
    if nearest(s.text, _CLAUSE_WORDS.split("|")):
        return None
    if re.compile(r'(,[ \t]*against|[a-z]+\.?|!=|/)[ \t]*"').match(s.source.text, s.start):
        message = f"what a source is cited against follows `against`, and here is {s.found}"
        return error("PE149", s.span, message, "write `against`")
    return None


def _text(s: ParseState, word: str) -> Diagnostic | None:
    """`because "a" "b"`, `because if …`, and a string inside `{…}` of a text."""
    if word not in _TEXTS:
        return None
    if s.last_word in _TEXTS and s.terminal in ("_IF", "_LPAREN", "_LBRACE"):
        return error(
            "PE119", s.span, f"`{s.last_word}` wants a text in quotes, found {s.found}", _TEXT
        )
    if not s.wants_clause() or s.last_word[-1:] != '"' or s.first_on_line:
        return None
    before = s.source.text[: s.start].rstrip()
    string = before[before.rfind('"', 0, -1) :]
    if string.count("{") > string.count("}"):
        message = "a string cannot be inside `{…}` of a text"
        help = "show the value itself, or write two rules, each with its text"
        return error("PE124", s.span, message, help)
    if s.before and s.before.end == s.start and s.terminal == "NAME":
        return error(
            "PE149",
            s.span,
            "the quote before this ends the text",
            'write `\\"` for a quote in a text',
        )
    if s.terminal in ("STRING", "PLUS", "_TIMES", "_COMMA") or s.text in ("%", ".", "&", "||"):
        return error("PE149", s.span, f"a text is not continued by {s.found}", _TEXT)
    return None


def _head(s: ParseState) -> Diagnostic | None:
    """Two effects, an `advisory` behind the effect, a waiver with commas, a promise in other words."""
    kinds = [kind_of(item) for item in s.stack[-2:]]
    named = kinds[-1:] == ["name"] and kinds[:1] in (["effect"], ["PERMIT"], ["FORBID"], ["EXPOSE"])
    if named and s.last_word in _HEADS and s.terminal == "NAME" and s.before:
        effect = re.search(r"(\w+)\s+\w+\s*\Z", s.source.text[: s.start])
        written = f"advisory {effect[1]}" if s.last_word == "advisory" and effect else s.last_word
        help = f"write `{written} {s.text}: …`"
        return error("PE149", s.before, f"a rule is not called `{s.last_word}`", help)
    if "_TICKET" in s.accepts and s.text == ",":
        return error("PE149", s.span, "the parts of a waiver are not listed", "leave the `,` out")
    if s.accepts == {"ALLOW", "DENY"}:
        words = {
            "permit": "allow",
            "allowed": "allow",
            "grant": "allow",
            "can": "allow",
            "forbid": "deny",
        }
        words |= {
            "denied": "deny",
            "refuse": "deny",
            "reject": "deny",
            "forbidden": "deny",
            "permitted": "allow",
        }
        if s.text in words:
            return error(
                "PE149", s.span, f"an expectation has no {s.found}", f"write `{words[s.text]}`"
            )
    if s.accepts == {"ALLOW", "EXPOSE"}:
        meant = {"permit": "allow", "grant": "allow", "show": "expose"}.get(s.text)
        if meant:
            return error("PE149", s.span, f"an invariant has no {s.found}", f"write `{meant}`")
        if _TARGET.match(s.source.text, s.start) and s.last_word == "never":
            help = f"write `never allow {s.text} …`"
            return error("PE149", s.span, f"`never` is not followed by {s.found}", help)
    in_invariant = any(kind_of(item) == "_INVARIANT" for item in s.stack)
    asks = s.terminal == "_IF" or foreign_words.CLAUSES.get(s.text.lower()) == "when"
    if asks and in_invariant and "_UNLESS" in s.accepts and not s.first_on_line:
        return error("PE117", s.span, f"{s.found} begins no clause", "did you mean `when`?")
    return None


def _step(s: ParseState) -> Diagnostic | None:
    """`allow read by …` in a test, and `fields name, born` of what is expected."""
    if "_EXPECT" in s.accepts and s.text in ("allow", "deny"):
        help = f"write `expect {s.text} …`"
        return error("PE149", s.span, f"an expectation begins with `expect`, not {s.found}", help)
    expects = s.last_word == "because" and "_EXPECT" in map(kind_of, s.stack)
    if expects and s.terminal == "STRING" and not s.text[1:-1].isidentifier():
        message = f"a rule is named here, and not the text {s.text}"
        help = f"write `reason {s.text}` for a part of the text"
        return error("PE119", s.span, message, help)
    asks = s.last_word == "by" and [kind_of(item) for item in s.stack[-2:]] == ["verdict", "ref"]
    if asks and s.before and s.accepts == {"_BY"}:
        help = "an expectation is written `expect allow action by subject on resource`"
        return error("PE114", s.before, "an action is missing before `by`", help)
    if s.accepts == {"_LBRACE"} and s.last_word in ("fields", "asking"):
        message = f"`{{` is missing after `{s.last_word}`, before {s.found}"
        return error("PE112", s.after_last, message, f"write `{s.last_word} {{…}}`")
    return None


def _declared(s: ParseState) -> Diagnostic | None:
    """`entity Desk extends Branch`, and `count of lend per subject`."""
    if s.terminal != "NAME" or s.first_on_line:
        return None
    parent = re.compile(rf"{s.text}\s+([A-Z]\w*)").match(s.source.text, s.start)
    if parent and [kind_of(item) for item in s.stack[-2:-1]] == ["_ENTITY"]:
        message = f"{s.found} does not follow the name of an entity"
        return error("PE149", s.span, message, f"write `in {parent[1]}`")
    counted = re.search(r"\(\s*count\s+of\s+\w+\s*\Z", s.source.text[: s.start])
    if counted and "_BY" in s.accepts:
        message = f"what is counted is followed by `by`, not {s.found}"
        return error("PE149", s.span, message, "write `(count of Post by subject per month)`")
    return None
