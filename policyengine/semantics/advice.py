"""Say what to write for a value of another type, an operator that does not apply, a name of another language."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from policyengine.model import values
from policyengine.model.path_syntax import parse_path
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    MONTHS,
    PATH,
    PRIMITIVES,
    SCHEDULE,
    STRING,
    EntityRefType,
    Enumeration,
    EnumType,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.syntax import nodes
from policyengine.syntax.excerpts import said
from policyengine.syntax.foreign_calls import UNITS
from policyengine.syntax.written_values import as_name

_TYPES: Final = {
    "date time timestamp instant": "write `datetime`",
    "interval timedelta": "write `duration`, or `months`",
    "float double real number numeric money": "write `decimal`",
    "integer long short byte uint": "write `int`",
    "boolean": "write `bool`",
    "str text varchar uuid char": "write `string`",
    "ipaddr ipaddress ipnet cidr inet": "write `ip`",
    "list array": "write `set<type>`",
    "map dict object record json": "a record is written `{name: type}`",
    "any": "there is no type for everything: name one, or declare two attributes",
}
_NAMES: Final = {
    "true": "write `true`",
    "false": "write `false`",
    "null none nil undefined": "nothing is null: ask `x has attribute`",
    "principal actor user me self caller requester": "write `subject`",
    "object this target": "write `resource`",
    "input request req env environment ctx session args params": (
        "the parts of a request are `subject`, `action`, `resource` and `context`"
    ),
    "today currenttime currentdate time date timestamp utcnow": "write `now`",
    "operation verb method": "write `action.name`",
}
_ATTRIBUTES: Final = {
    "type kind class uid": "a rule says for which types it is: `permit name: any by User on Document`",
    "age": "an age is known from a birth: `subject.born + 18y <= now`",
    "parent parents ancestor ancestors": "what something is in is asked with `within`, or with `ancestors(x, Type)`",
}
_ISO_DURATION: Final = re.compile(r"P(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?")
_DAYS: Final = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
_FOREIGN: Final = {
    what: {word: help for words, help in table.items() for word in words.split()}
    for what, table in (("type", _TYPES), ("name", _NAMES), ("attribute", _ATTRIBUTES))
}
_DATE: Final = re.compile(r"(\d{4}) - (\d{1,2}) - (\d{1,2})")
_NULLS: Final = frozenset({"null", "none", "nil", "undefined"})

_ATTRIBUTE_TYPES: Final = ("bool", "datetime", "decimal", "duration", "int", "ip", "path", "string")

_FEW: Final = 8
"""The number of names that advice lists."""


def help_of_name(what: str, name: str) -> str:
    """Return what to write for a type or value that other languages have; empty if unknown."""
    if what == "type" and name != name.lower() and name.lower() in PRIMITIVES:
        return f"write `{name.lower()}`"
    if what == "name" and _ISO_DURATION.fullmatch(name):
        return "a duration is written `30d`, `12h` or `1d12h`, months `18y` or `6mo`"
    if what == "name" and name.lower()[:3] in _DAYS and name.lower().endswith("day"):
        return 'write `now within schedule "Mon-Fri 09:00-17:00 Europe/Berlin"`'
    return _FOREIGN.get(what, {}).get(name.lower().replace("_", ""), "")


def offered(what: str, name: str, known: Sequence[str]) -> Sequence[str]:
    """Return what may be meant by an unknown *name* that none resembles: types of the language have small letters."""
    if what == "type":
        own = [one for one in known if one not in PRIMITIVES]
        return _ATTRIBUTE_TYPES if name.islower() else own
    return () if what == "name" else known


def is_null(node: nodes.Expr) -> bool:
    """Whether *node* is the null of another language."""
    return isinstance(node, nodes.Name) and node.name.lower() in _NULLS


def choice_of(names: tuple[str, ...]) -> str:
    """Return `names` as a list that is short enough for advice; empty if they are many."""
    if not 0 < len(names) <= _FEW:
        return ""
    *others, last = (f"`{as_name(name)}`" for name in names)
    return f"{', '.join(others)} or {last}" if others else last


# ---- a value of another type ---------------------------------------------------------------


def instead(node: nodes.Expr, found: Type, wanted: Type) -> str:
    """Return what to write for *node*, which has the type *found*, where *wanted* is; empty if unknown."""
    match node:
        case nodes.Literal("string", str() as text):
            return _of_text(text, wanted)
        case nodes.Literal("int", value):
            return _of_number(str(value), wanted)
        case nodes.Negate(nodes.Literal("int", value)) if wanted == DECIMAL:
            return f"write `-{value}.0`"
        case nodes.Arithmetic("-") if wanted == DATETIME and (date := _DATE.fullmatch(said(node))):
            return f"write `{date[1]}-{int(date[2]):02}-{int(date[3]):02}`"
        case nodes.Literal("decimal") if wanted == INT:
            return "an `int` has no fraction: write a whole number"
        case nodes.Literal() if isinstance(wanted, Enumeration):
            return _one_of(wanted)
    match found, wanted:
        case (one, other) if (one, other) == (INT, DECIMAL):
            return f"write `{said(node)} * 1.0`"
        case (one, other) if {one, other} == {DURATION, MONTHS}:
            return "months differ in length: instead of `now - x > 1y` write `x + 1y < now`"
        case (one, other) if {one, other} == {STRING, PATH}:
            return 'a path is written `path "/public"`, also as a pattern; no string becomes one'
        case one, other if (one, other) == (IP, STRING):
            return 'an address is asked with `within ip "10.0.0.0/8"`'
        case EntityRefType(), other if other == STRING:
            return f"write `{said(node)}.id`"
        case one, EntityRefType() if one == STRING and _is_id(node):
            assert isinstance(node, nodes.Attr)
            return f"write `{said(node.object)}`"
        case one, EntityRefType(name) if one == STRING:
            return f'an entity is written `{name} "id"`, and has the type `{name}` where it is declared'
        case one, SetType(element) if one == element:
            return f"write `{{{said(node)}}}`"
        case SetType(element), other if element == other:
            match node:
                case nodes.SetDisplay((item,)):
                    return f"write `{said(item)}`"
    return ""


def of_conversion(name: nodes.Ident, arguments: Sequence[nodes.Expr]) -> str:
    """Return how a value is written that another language makes by a call: `date("2026-01-01")`, `days(3)`."""
    word = name.name.lower().replace("_", "")
    match arguments:
        case [nodes.Literal("string") as text]:
            wanted = next((type_ for words, type_ in _MADE_BY if word in words.split()), None)
            return instead(text, STRING, wanted) if wanted is not None else ""
        case [nodes.Literal("int", number)]:
            unit = UNITS.get(word if word.endswith("s") else f"{word}s")
            return f"write `{number}{unit}`" if unit else ""
    return ""


_MADE_BY: Final = (
    ("date datetime timestamp time todate parsedate fromisoformat", DATETIME),
    ("duration interval timedelta", DURATION), ("ip ipaddr ipaddress cidr", IP),
    ("decimal float", DECIMAL), ("int integer", INT), ("path", PATH),
)  # fmt: skip
"""Functions of other languages that make a value of a text."""


def for_condition(node: nodes.Expr, found: Type) -> str:
    """Return what to write for *node*, which is no condition, where one is wanted."""
    match node:
        case nodes.SetDisplay((item,)):
            return f"leave the braces out: `{said(item, 'condition')}`"
        case nodes.Literal():
            return instead(node, found, BOOL) or "compare it with something"
    if isinstance(found, Enumeration) and isinstance(node, nodes.Name):
        return f"a comparison has both its sides: `x == {node.name}`, or `x in {{…, {node.name}}}`"
    if isinstance(found, SetType):
        return f"write `size({said(node, 'S')}) > 0`, or `some x in {said(node, 'S')}: condition`"
    compared_: dict[Type, str] = {
        INT: "> 0",
        DECIMAL: "> 0.0",
        STRING: '!= ""',
        DURATION: "> 1d",
        DATETIME: "< now",
    }
    return f"compare it with something: `{said(node)} {compared_.get(found, '== …')}`"


def _is_id(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Attr) and node.name.name == "id"


def _one_of(wanted: Enumeration) -> str:
    return f"write {choice_of(wanted.members)}" if choice_of(wanted.members) else ""


def _of_text(text: str, wanted: Type) -> str:
    """Return how what is in quotes is written as a value of the type *wanted*."""
    if isinstance(wanted, EntityRefType):
        return f'write `{wanted.name} "{text}"`'
    if wanted == SetType(STRING):
        return f'write `{{"{text}"}}`'
    if wanted == BOOL and text.lower() in ("true", "false"):
        return f"write `{text.lower()}`"
    if wanted in (INT, DECIMAL) and re.fullmatch(r"\d{1,9}", text):
        return f"write `{text}{'.0' if wanted == DECIMAL else ''}`"
    if wanted == DECIMAL and re.fullmatch(r"\d{1,9}\.\d{1,4}", text):
        return f"write `{text}`"
    if wanted == SCHEDULE:
        return 'a schedule is written `schedule "Mon-Fri 09:00-17:00 Europe/Berlin"`'
    for type_, read, word, form in _WRITTEN:
        if wanted == type_:
            try:
                read(text)
            except ValueError:
                return form
            return f'write `{word} "{text}"`' if word else f"write `{text}`"
    return ""


_WRITTEN: Final[tuple[tuple[Type, Callable[[str], object], str, str], ...]] = (
    (DATETIME, values.parse_datetime, "", "a datetime is written `2026-09-01` or `2026-09-01T10:00:00Z`"),
    (DURATION, values.parse_duration, "", "a duration is written `30d`, `12h` or `1d12h`"),
    (MONTHS, values.parse_months, "", "months are written `18y`, `6mo` or `1y6mo`"),
    (IP, values.parse_ip, "ip", 'an address or a network is written `ip "10.0.0.0/8"`'),
    (PATH, parse_path, "path", 'a path is written `path "/public"`'),
)  # fmt: skip
"""How values of a type are written: what reads them, the word before their text, and their form."""


def _of_number(digits: str, wanted: Type) -> str:
    """Return how a whole number is written as a value of the type *wanted*."""
    if isinstance(wanted, Enumeration):
        return _one_of(wanted)
    if wanted == DECIMAL:
        return f"write `{digits}.0`"
    if wanted == STRING:
        return f'write `"{digits}"`'
    if wanted == BOOL and digits in ("0", "1"):
        return f"write `{'true' if digits == '1' else 'false'}`"
    if wanted == DURATION:
        return f"a number needs a unit: write `{digits}d`, `{digits}h`, `{digits}m` or `{digits}s`"
    if wanted == MONTHS:
        return f"a number needs a unit: write `{digits}y` or `{digits}mo`"
    if wanted == DATETIME and len(digits) == len("2026"):
        return f"write `{digits}-01-01`"
    if wanted == DATETIME:
        return "a datetime is written `2026-09-01` or `2026-09-01T10:00:00Z`"
    return ""


def _is_literal(*exprs: nodes.Expr) -> bool:
    return any(isinstance(expr, nodes.Literal) for expr in exprs)


def compared(node: nodes.Compare, left: Type, right: Type) -> str:
    """Return what to write for a comparison of types that are never equal; empty if nothing is known."""
    is_not = "not " if node.op == "!=" else ""
    for one, type_, other, of_other in (
        (node.left, left, node.right, right), (node.right, right, node.left, left),
    ):  # fmt: skip
        match type_, of_other:
            case SetType(element), _ if node.op in ("==", "!=") and of_other == element:
                below = (
                    ", or `within` for what is below" if isinstance(of_other, TaxonomyType) else ""
                )
                return f"write `{said(other)} {is_not}in {said(one, 'S')}`{below}"
            case (SetType(), _) if of_other == INT:
                return f"write `size({said(one, 'S')})`"
            case SetType(RecordType() as record), _ if node.op == "in":
                parts = [a.name for a in record.attributes if a.type == of_other and not a.optional]
                if parts:
                    return f"write `some x in {said(one, 'S')}: x.{parts[0]} == {said(other)}`"
            case RecordType(), _ if (
                of_other == STRING and isinstance(one, nodes.Name) and one.name == "action"
            ):
                return "write `action.name`"
            case kind, _ if (kind, of_other) == (STRING, INT) and not _is_literal(one, other):
                return f"write `size({said(one, 'text')})`"
        if of_other == BOOL and isinstance(one, nodes.Attr) and isinstance(other, nodes.Literal):
            there = "has" if (other.value is True) == (node.op == "==") else "not has"
            return f"compare it with a value; whether it is there, is asked by `{said(one.object)} {there} {one.name.name}`"
        if (type_, of_other) == (DURATION, MONTHS) and one is node.left:
            match one:
                case nodes.Arithmetic("-", nodes.Name("now"), after):
                    return f"months differ in length: write `now {node.op} {said(after)} + {said(other, '1y')}`"
                case nodes.Arithmetic("-", before, nodes.Name("now")):
                    return f"months differ in length: write `{said(before)} - {said(other, '1y')} {node.op} now`"
        if (type_, of_other) == (DATETIME, DURATION):
            return f"how long ago a moment is: `now - {said(one)}`"
        if (type_, of_other) == (DATETIME, MONTHS):
            return f"write `{said(one)} + {said(other, '18y')} {node.op} now`"
        if (type_, of_other) == (DATETIME, SCHEDULE):
            return f"write `{said(one)} {is_not}within {said(other, 'S')}`"
    sides = [(node.right, right, left), (node.left, left, right)]
    sides.sort(key=lambda side: not isinstance(side[0], nodes.Literal))
    return instead(*sides[0]) or instead(*sides[1])


# ---- an operator -----------------------------------------------------------------------------


def meant(word: str, operands: Sequence[nodes.Expr], *types: Type) -> str:
    """Return what to write in place of an operator that does not apply to *types*; empty if nothing is known."""
    left, right = (said(operand) for operand in (*operands, *operands)[:2])
    match word, types:
        case (("+" | "-"), _) if MONTHS in types and DATETIME not in types:
            return "add one after the other to a datetime: `x + 1mo + 1d`"
        case (("<" | "<=" | ">" | ">="), (EnumType() as one, other)) if one == other:
            return f"an enum has no order: if it should have one, declare `levels {one} = … < …`"
        case "contains", (one, other) if (one, other) == (SCHEDULE, DATETIME):
            return f"write `{right} within {left}`"
        case "contains", (SetType(element), other) if element == other:
            return f"of a set write `{right} in {left}`"
        case "contains", (SetType(), SetType()):
            return f"of two sets write `{right} subset {left}`"
        case "in", (SetType(), SetType()):
            return f"of two sets write `{left} subset {right}`, or `{left} overlaps {right}`"
        case "in", (SetType(element), other) if element == other:
            return f"write `{right} in {left}`"
        case "+", (one, other) if one == other == STRING:
            return "texts are not joined; compare one with `startswith`, `endswith` or `contains`"
        case (("+" | "-"), (one, other)) if INT in types and {DATETIME, DURATION} & {one, other}:
            number = operands[0] if one == INT else operands[1]
            match number:
                case nodes.Literal("int", value) if DATETIME in types:
                    units = f"`{value}d`, `{value}h`, or by the calendar `{value}mo` or `{value}y`"
                    return f"a number needs a unit: write {units}"
            return instead(number, INT, DURATION) or "write a duration, as `30d`"
        case (("+" | "-"), (one, other)) if STRING in types and {DATETIME, DURATION} & {one, other}:
            text, found = (operands[0], one) if one == STRING else (operands[1], other)
            return instead(text, found, DURATION)
        case (("+" | "-" | "*"), (one, other)) if {one, other} == {INT, DECIMAL}:
            number, found = (operands[0], one) if one == INT else (operands[1], other)
            return instead(number, found, DECIMAL)
        case "+", (SetType(), SetType()):
            return f"sets are not joined: ask each, as `x in {left} or x in {right}`"
        case (("startswith" | "endswith" | "contains"), (one, _)) if one == IP:
            return 'an address is asked with `within ip "10.0.0.0/8"`'
        case "-", (SetType(), _):
            return "elements are not taken away: write `every x in S: condition`"
        case "in", (EntityRefType(), EntityRefType(above)) if isinstance(
            operands[0], nodes.EntityRef
        ):
            named = right if isinstance(operands[1], nodes.EntityRef) else f'{above} "its id"'
            return f"write `{left} under {named}`"
        case "in", (EntityRefType() as one, EntityRefType() as other) if one != other:
            return f"write `{left} within {right}`"  # the two are never equal
        case "in", (EntityRefType(), EntityRefType()) | (TaxonomyType(), TaxonomyType()):
            return f"write `{left} within {right}`, or `{left} == {right}`"
        case "in", (one, other) if one == other == IP:
            return f"write `{left} within {right}`"
        case "in", (one, other) if (one, other) == (IP, STRING):
            written = instead(operands[1], STRING, IP)
            return (
                written.replace("write `", f"write `{left} within ")
                if written[:5] == "write"
                else written
            )
        case "in", (one, other) if (one, other) == (DATETIME, SCHEDULE):
            return f"write `{left} within {right}`"
        case (("within" | "touches"), (_, other)) if other == STRING and isinstance(
            types[0], EntityRefType
        ):
            return 'an entity is written `Folder "id"`'
        case "within", (one, other) if one in (IP, DATETIME) and other == STRING:
            return instead(operands[1], STRING, IP if one == IP else SCHEDULE)
        case "in", (one, other) if one == other == STRING:
            return f"of two strings write `{right} contains {left}`"
        case "in", (one, other) if one == other:
            return f"write `{left} == {right}`"
        case (("startswith" | "endswith" | "contains" | "in"), _) if PATH in types:
            return 'a path is asked with `within path "/a"`, or with a pattern: `like path "/a/*"`'
        case (("startswith" | "endswith" | "contains"), (one, SetType(element))) if one == element:
            return f"write `some part in {right}: {left} {word} part`"
        case (("overlaps" | "subset"), (one, SetType(element))) if one == element:
            return f"write `{left} in {right}`"
        case (("overlaps" | "subset"), (SetType(element), one)) if one == element:
            return f"write `{right} in {left}`"
        case _:
            return ""
