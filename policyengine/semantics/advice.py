"""Say what was meant by an operator that does not apply to its operands, and by names of other languages."""

from __future__ import annotations

from typing import Final

from policyengine.model.types import (
    DATETIME,
    IP,
    MONTHS,
    PATH,
    STRING,
    EntityRefType,
    SetType,
    TaxonomyType,
    Type,
)

_TYPES: Final = {
    "date time timestamp instant": "write `datetime`",
    "interval timedelta": "write `duration`, or `months`",
    "float double real number": "write `decimal`",
    "integer long": "write `int`",
    "boolean": "write `bool`",
    "str text varchar uuid": "write `string`",
    "ipaddr ipaddress ipnet cidr": "write `ip`",
    "list array": "write `set<type>`",
    "map dict object record": "a record is written `{name: type}`",
}
_NAMES: Final = {
    "null none nil undefined": "nothing is null: ask `x has attribute`",
    "principal actor": "write `subject`",
    "object": "write `resource`",
    "input request env environment": "write `context`",
}
_FOREIGN: Final = {
    what: {word: help for words, help in table.items() for word in words.split()}
    for what, table in (("type", _TYPES), ("name", _NAMES))
}


def help_of_name(what: str, name: str) -> str:
    """Return what to write for a type or value that other languages have; empty if unknown."""
    return _FOREIGN.get(what, {}).get(name.lower(), "")


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
        case "in", (EntityRefType(), EntityRefType()) | (TaxonomyType(), TaxonomyType()):
            return "write `within`"
        case "in", (one, other) if one == other == IP:
            return "write `within`"
        case "within", (one, other) if (one, other) == (IP, STRING):
            return 'an address or a network is written `ip "10.0.0.0/8"`'
        case "within", (one, other) if (one, other) == (DATETIME, STRING):
            return 'a schedule is written `schedule "Mon-Fri 09:00-17:00 Europe/Berlin"`'
        case "in", (one, other) if one == other == STRING:
            return "of two strings write `whole contains part`"
        case (("startswith" | "endswith" | "contains" | "in"), _) if PATH in types:
            return 'a path is asked with `within path "/a"`, or with a pattern: `like path "/a/*"`'
        case (("startswith" | "endswith" | "contains"), (one, SetType(element))) if one == element:
            return f"write `some part in S: text {word} part`"
        case _:
            return ""
