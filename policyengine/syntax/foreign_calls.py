"""The functions and methods of other languages, with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from policyengine.syntax import nodes
from policyengine.syntax.excerpts import said

UNITS: Final = {
    "years": "y", "months": "mo", "weeks": "w", "days": "d", "hours": "h", "minutes": "m",
    "mins": "m", "seconds": "s", "secs": "s", "yrs": "y", "hrs": "h", "mos": "mo",
}  # fmt: skip
"""Units of time that are written out after a number, and how they are written here."""

_CALLS: Final = {
    "startswith hasprefix beginswith prefix": "write `{text} startswith {part}`",
    "endswith hassuffix suffix": "write `{text} endswith {part}`",
    "contains includes": "of a set write `{part} in {set}`, of a text `{text} contains {part}`",
    "containsall issupersetof issuperset": "write `{part} subset {set}`",
    "issubset issubsetof subset": "write `{set} subset {part}`",
    "containsany intersects overlaps intersection": "write `{set} overlaps {part}`",
    "isdisjoint": "write `not ({set} overlaps {part})`",
    "lower tolower tolowercase lowercase casefold lcase": "write `lower({text})`",
    "upper toupper touppercase ucase": "write `lower({text})`, and compare it with small letters",
    "trim strip replace substring substr concat join split format slice": "texts are compared as they come",
    "str tostring string repr": "a value is compared as what it is, and a text shows it with `{{…}}`",
    "size length len count strlen cardinality": "write `size({set})`",
    "isempty empty": "write `size({set}) == 0`",
    "isnotempty notempty nonempty": "write `size({set}) > 0`",
    "matches match regexmatch like regex search test": 'write `{text} like "glob*"`',
    "isinrange inrange incidr cidrmatch ipmatch": 'write `{address} within ip "10.0.0.0/8"`',
    "isin isoneof oneof": "write `{text} in {part}`",
    "isdescendantof isancestorof isbelow": "write `a within b`",
    "path": 'write `path "/public"`',
    "ip ipaddr ipaddress cidr": 'write `ip "10.0.0.1"`',
    "schedule": 'write `schedule "Mon-Fri 09:00-17:00 Europe/Berlin"`',
    "has hasattribute hasattr hasfield haskey exists isset defined isdefined": "write `{owner} has attribute`",
    "isnull isnone isabsent": "write `{owner} not has attribute`",
    "coalesce ifnull nvl getordefault get": "write `if x has a then x.a else b`",
    "any some anymatch existsone filter": "write `some x in {set}: condition`",
    "all every forall allmatch": "write `every x in {set}: condition`",
    "none": "write `every x in {set}: not …`",
    "map foreach reduce sum avg": "a set is asked with `some`, `every`, `in` and `size`",
    "first last head at indexof ": "elements have no order: ask `some x in {set}: condition`",
    "now today utcnow currenttime currentdate gettime": "write `now`",
    "date datetime timestamp todate parsedate fromisoformat": "a datetime is written `2026-09-01`, without quotes",
    "duration days hours minutes seconds weeks timedelta interval": "a duration is written `30d`, `12h` or `15m`",
    "months years": "months are written `18y`, `6mo` or `1y6mo`",
    "hour gethours time weekday dayofweek getday isoweekday gethour": (
        'write `now within schedule "Mon-Fri 09:00-17:00 Europe/Berlin"`'
    ),
    "year month day getyear getmonth date_part": "compare with a date, or with a moment some months later: `x + 18y <= now`",
    "age yearsbetween yearssince agein datediff": "how old something is, is asked by a moment: `{text} + 18y <= now`",
    "min max greatest least": "write `if a < b then a else b`",
    "range": "write `low <= x and x < high`",
    "ancestors": "write `ancestors({owner}, {part})`",
    "abs": "write `if a < 0 then -a else a`",
    "round floor ceil trunc": "nothing is rounded: compare it as it is",
    "int tonumber tointeger parseint long": "nothing is converted: declare it as an `int`",
    "float decimal todecimal double": "nothing is converted: declare it as a `decimal`",
    "bool boolean": "nothing is converted: declare it as a `bool`",
    "typeof type isinstance istype": (
        "a rule says for which types it is: `permit name: any by User on Document`"
    ),
    "equals eq equal": "write `{text} == {part}`",
    "set list array": "a set is written `{{a, b}}`",
    "in": "write `{text} in {part}`",
    "hasrole isinrole hasanyrole hasgroup memberof ismember": (
        "write `{part} in {owner}.roles`, or a `define` of that name"
    ),
}  # fmt: skip
_HELP_OF_CALLS: Final = {word: help for words, help in _CALLS.items() for word in words.split()}
_ASKS: Final = {
    **dict.fromkeys(("has", "exists", "defined", "isset", "present", "notnull"), "has"),
    **dict.fromkeys(("isnull", "isnone", "absent", "missing"), "not has"),
}
"""Functions of an attribute that ask whether it is there."""

_HAS: Final = ("has", "hasattribute", "hasattr", "hasfield", "haskey")
_ROOTS: Final = ("subject", "resource", "context", "action", "now")

_QUANTIFIERS: Final = {
    "exists": "some",
    "any": "some",
    "all": "every",
    "every": "every",
    "some": "some",
}


def help_of_call(name: str, owner: str = "", arguments: Sequence[str] = ()) -> str:
    """Return what to write for a function or method that other languages have; empty if unknown.

    *owner*: the text before the `.`, of a method; *arguments*: their texts. What is longer than a line
    can be empty.
    """
    help = _HELP_OF_CALLS.get(name.lower().replace("_", ""), "")
    asked = (
        re.fullmatch(r"(.+)\.(\w+)", arguments[0]) if len(arguments) == 1 and not owner else None
    )
    if asked and name.lower() in _ASKS:
        return f"write `{asked[1]} {_ASKS[name.lower()]} {asked[2]}`"
    if owner and name.lower().replace("_", "") in _HAS and len(arguments) == 1:
        of = arguments[0].strip('"')
        if of.isidentifier() and of not in _ROOTS:
            return f"write `{owner} has {of}`"
        if name.lower() == "has":
            return f"of a set write `{arguments[0]} in {owner}`"
    quantifier = _QUANTIFIERS.get(name.lower())
    if quantifier and owner and len(arguments) == len(("variable", "condition")):
        return f"write `{quantifier} {arguments[0]} in {owner}: {arguments[1]}`"
    ranges = (
        re.fullmatch(r"\w+ in .+", arguments[0]) if quantifier and arguments and not owner else None
    )
    if ranges:
        return f"write `{quantifier} {ranges[0]}: {[*arguments, 'condition'][1]}`"
    texts = [owner, *arguments] if owner else list(arguments)
    first, second = [*texts, "", ""][:2]
    return help.format(
        text=first or "text", set=first or "S", owner=first or "entity", address=first or "address",
        part=second or "part",
    )  # fmt: skip


def instead_of_call(called: nodes.Expr, arguments: Sequence[nodes.Expr | None]) -> str:
    """Return what to write for the call of something that cannot be called; empty if unknown."""
    texts = [said(argument) for argument in arguments if argument is not None]
    match called:
        case nodes.Name(word):
            return help_of_call(word, "", texts)
        case nodes.Attr(owner, nodes.Ident(word)):
            return help_of_call(word, said(owner, "…"), texts)
    return ""
