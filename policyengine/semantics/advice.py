"""Say which operator was meant where one does not apply to the types of its operands."""

from __future__ import annotations

from policyengine.model.types import DATETIME, MONTHS, PATH, STRING, SetType, Type


def meant(word: str, *types: Type) -> str:
    """Return what to write in place of an operator that does not apply to *types*; empty if nothing is known."""
    match word, types:
        case (("+" | "-"), _) if MONTHS in types and DATETIME not in types:
            return "add one after the other to a datetime: `x + 1mo + 1d`"
        case "contains", (SetType(element), other) if element == other:
            return "of a set write `x in S`"
        case "contains", (SetType(), SetType()):
            return "of two sets write `part subset whole`"
        case "+", (one, other) if one == other == STRING:
            return "texts are not joined; compare one with `startswith`, `endswith` or `contains`"
        case "in", (one, other) if one == other == STRING:
            return "of two strings write `whole contains part`"
        case (("startswith" | "endswith" | "contains" | "in"), _) if PATH in types:
            return 'a path is asked with `within path "/a"`, or with a pattern: `like path "/a/*"`'
        case (("startswith" | "endswith" | "contains"), (one, SetType(element))) if one == element:
            return f"write `some part in S: text {word} part`"
        case _:
            return ""
