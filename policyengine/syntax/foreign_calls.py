"""The functions and methods of other languages, with what to write instead."""

from __future__ import annotations

from typing import Final

_CALLS: Final = {
    "startswith hasprefix beginswith": "write `text startswith part`",
    "endswith hassuffix": "write `text endswith part`",
    "contains includes": "write `text contains part`, and of a set `x in S`",
    "containsall issupersetof": "write `part subset whole`",
    "containsany intersects overlaps": "write `a overlaps b`",
    "lower tolower tolowercase lowercase casefold": "write `lower(text)`",
    "upper toupper touppercase": "write `lower(text)`, and compare it with small letters",
    "trim strip replace substring concat join split format": "texts are compared as they come",
    "size length len count strlen": "write `size(a)`",
    "isempty empty": "write `size(a) == 0`",
    "matches match regexmatch like": 'write `text like "glob*"`',
    "isinrange inrange incidr": 'write `address within ip "10.0.0.0/8"`',
    "path": 'write `path "/public"`',
    "has hasattribute hasattr": "write `entity has attribute`",
}
_HELP_OF_CALLS: Final = {word: help for words, help in _CALLS.items() for word in words.split()}


def help_of_call(name: str) -> str:
    """Return what to write for a function or method that other languages have; empty if unknown."""
    return _HELP_OF_CALLS.get(name.lower().replace("_", ""), "")
