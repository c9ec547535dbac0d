"""Recognise types that are written as in other languages: lists, maps, optional types, choices, values."""

from __future__ import annotations

import re

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.model.types import PRIMITIVES
from policyengine.syntax.parse_state import ParseState, kind_of

_MAPS = frozenset({"map", "dict", "hashmap", "record", "object", "mapping"})
_LISTS = frozenset({"set", "list", "array", "seq", "collection", "vec", "tuple"})
_OPTIONAL = "`?` after the name says that an attribute may be absent: `name?: type`"
_CHOICE = (
    "declare the values by themselves: `enum Status = draft | open`, and write `status: Status`"
)
_OPTIONALS = ("optional", "option", "maybe", "nullable")
_TYPE = r"\w+(?:<\w+>)?"
_NULLS = frozenset({"null", "none", "nil", "undefined"})
_GENERIC = re.compile(r"(\w+)\s*[<\[({]\s*([\w.]+)\s*(?:[,:]\s*([\w.]+)\s*)?(?:[>\])}]|\Z)")
_DECLARES_TYPE = ("_CONST", "_DEFINE", "_OBLIGATION")
_PARTIES = ("caller", "person", "platform", "nobody")


def foreign_type(s: ParseState) -> Diagnostic | None:
    """The type of an attribute, a parameter or a constant as another language writes it."""
    if not _in_type(s):
        return None
    beside = _beside_type(s)
    if beside:
        return beside
    if s.text[:1] in ("<", "[", "(", "{", ")"):
        return _generic(s)
    set_of = re.compile(r"\bset\s+(?:of\s+)?(\w+)").match(s.source.text, _last_set(s))
    if set_of and s.start <= set_of.end() + 1 and not set_of[1].isspace():
        span = Span(s.source.name, set_of.start(), set_of.end())
        return error("PE148", span, f"`{set_of[0]}` is no type", f"write `set<{_type(set_of[1])}>`")
    if s.terminal == "STRING" and s.text[1:-1] in PRIMITIVES:
        return error("PE119", s.span, "a type has no quotes", f"write `{s.text[1:-1]}`")
    if s.terminal == "STRING" and s.last_word == ":":
        return error("PE148", s.span, f"{s.found} is a value, and a type is wanted here", _CHOICE)
    if s.text[:1] == "|":
        other = re.compile(r"\|\s*(\w*)").match(s.source.text, s.start)
        help = _OPTIONAL if other and other[1].lower() in _NULLS else _CHOICE
        if other and other[1][:1].isupper() and s.last_word[:1].isupper():
            help = "write an attribute for each type, and ask `x == a or x within b`"
        return error("PE148", s.span, "a type has no `|`", help)
    if s.text[:1] == "=" and s.opened and "_COLON" not in s.accepts:
        help = "leave it out: a request gives every attribute that is read"
        if "attributes" not in s.owners():
            help = "leave it out: every call gives it"
            return error("PE148", s.span, "a parameter has no value of its own", help)
        return error("PE148", s.span, "an attribute has no value of its own", help)
    changer = re.compile(rf"by\s+({'|'.join(_PARTIES)})\b").match(s.source.text, s.start)
    message = "the party that can change it is in parentheses"
    if changer and s.terminal == "_BY":
        return error("PE149", s.span, message, f"write `({changer[0]})`")
    in_attributes = s.opened is not None and s.opened[1] == "attributes"
    if s.last_word == "by" and s.before and in_attributes and s.text in _PARTIES:
        return error("PE149", s.before, message, f"write `(by {s.text})`")
    return None


def _beside_type(s: ParseState) -> Diagnostic | None:
    """`mail: string private`, `private mail: string`, and `mail: optional string`."""
    if "_COLON" not in s.accepts or s.before is None:
        return None
    before = s.just_before
    behind = re.search(rf"(\w+\??)\s*:\s*({_TYPE})\s+private\s*\Z", before)
    if behind:
        help = f"write `{behind[1]}: private {behind[2]}`"
        return error("PE149", s.before, "`private` comes before the type", help)
    ahead = re.compile(rf"(\w+\??)\s*:\s*({_TYPE})").match(s.source.text, s.start)
    if ahead and s.last_word == "private":
        help = f"write `{ahead[1]}: private {ahead[2]}`"
        return error("PE149", s.before, "`private` comes before the type, after the name", help)
    marked = re.search(rf"(\w+)\s*:\s*((\w+)\s+({_TYPE}))\s*\Z", before)
    if marked and marked[3].lower() in (*_OPTIONALS, "required"):
        begins = s.start - len(before) + marked.start(2)
        span = Span(s.source.name, begins, begins + len(marked[2]))
        sign = "" if marked[3].lower() == "required" else "?"
        help = f"write `{marked[1]}{sign}: {marked[4]}`"
        return error("PE148", span, f"`{marked[2]}` is no type", help)
    return None


def _last_set(s: ParseState) -> int:
    """Return where the last `set` before the text found begins, the end of the text if there is none."""
    line = s.source.text.rfind("\n", 0, s.start) + 1
    at = s.source.text.rfind("set", line, s.start)
    return at if at >= 0 else len(s.source.text)


def _in_type(s: ParseState) -> bool:
    if "attributes" in s.owners():
        return True
    kinds = [kind_of(item) for item in s.stack]
    begun = max((i for i, kind in enumerate(kinds) if kind in _DECLARES_TYPE), default=-1)
    return begun >= 0 and "_ASSIGN" not in kinds[begun:] and "_COLON" in kinds[begun:]


def _type(word: str) -> str:
    """Return a type of the language as it is written there, others as they are."""
    return word.lower() if word.lower() in PRIMITIVES else word


def _generic(s: ParseState) -> Diagnostic | None:
    line = s.source.text.rfind("\n", 0, s.start) + 1
    for found in _GENERIC.finditer(s.source.text, line):
        if not found.start() < s.start <= found.end() + 1:
            continue
        word, first, second = found[1], _type(found[2]), found[3] and _type(found[3])
        span = Span(s.source.name, found.start(), found.end())
        message = f"`{found[0]}` is no type"
        if second and "_CONST" in map(kind_of, s.stack):
            return error("PE148", span, message, f"write `{first} -> {second}`")
        if second and word.lower() in _MAPS:
            return error("PE148", span, message, f"write `set<{{key: {first}, value: {second}}}>`")
        if word.lower() in _OPTIONALS:
            return error("PE148", span, message, _OPTIONAL)
        if second is None and ("<" in found[0] or word.lower() in _LISTS):
            return error("PE148", span, message, f"write `set<{first}>`")
    array = re.compile(r"\[\s*([\w.]*)\s*\]").match(s.source.text, s.start)
    if array and (array[1] or s.last_word.isidentifier()):
        begins = s.start if array[1] else s.start - len(s.last_word)
        span = Span(s.source.name, begins, array.end())
        help = f"write `set<{_type(array[1] or s.last_word)}>`"
        return error("PE148", span, f"`{s.source.at(span)}` is no type", help)
    return None
