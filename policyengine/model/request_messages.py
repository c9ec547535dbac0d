"""Word the problems of requests, and reasons; text of strangers is cut short and made printable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Final, TypeAlias, assert_never

from msgspec import Struct, field

from policyengine.diagnostics.spell import (
    FOR_REQUEST,
    Budget,
    current_budget,
    nearest,
    shared_budget,
)
from policyengine.model.errors import Problem
from policyengine.model.limits import DIGITS
from policyengine.model.settings import check_text
from policyengine.model.shown import escaped
from policyengine.model.types import (
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
    table_given,
)

MOST_SHOWN: Final = 60
"""Most characters of a foreign text that a message repeats."""

MOST_LISTED: Final = 8
"""Most names that a message lists in full."""

MOST_REASONS: Final = 10
"""Most texts of which the reason of a decision is made."""

MOST_LISTED_RULES: Final = 20
"""Most determining rules that an answer in JSON names."""

SHORT: Final = 1_000
"""Characters: a reason with fewer is within `MOST_BYTES`."""

MOST_BYTES: Final = 4_096
"""Most bytes of a reason in UTF-8."""

Path: TypeAlias = "tuple[Path, str | int | tuple[str, str] | None, bool] | None"
"""A place in a request: the place around it, a step (a name, an index, an entity's key, None for somewhere within),
and whether it is private. Linked, since a path is made for everything that is read and wanted only
for what is wrong.
"""


def inside(path: Path, step: str | int | tuple[str, str], *, private: bool = False) -> Path:
    """Return the place of a part; parts of something private are private."""
    return path, step, private or is_private(path)


def within(path: Path) -> Path:
    """Return the place of what a built part carries along: by which of its values is not known, so it counts as private."""
    return path, None, True


def is_private(path: Path) -> bool:
    """Whether the value at *path* must not be shown."""
    return path is not None and path[2]


def path_text(path: Path) -> str:
    """Return `resource.properties.participants[User "u1"].properties.tier`.

    Of what is private it shows what the policy calls it, and neither ids nor how many there are.
    """
    steps = []
    while path is not None:
        path, step, private = path
        match step:
            case str():
                steps.append(f".{step}" if _is_name(step) else f'["{quoted(step)}"]')
            case int() if private:
                pass
            case int():
                steps.append(f"[{step}]")
            case type_, id_:
                steps.append(f"[{type_}]" if private else f'[{type_} "{quoted(id_)}"]')
    return "".join(reversed(steps)).removeprefix(".")


def _is_name(step: str) -> bool:
    return len(step) <= MOST_SHOWN and step.isascii() and step.isidentifier()


class Problems(Struct):
    """Collects problems, at most *most*: a hostile request must not buy a long answer."""

    most: int
    items: list[Problem] = field(default_factory=list)
    suggesting: Budget = field(default_factory=current_budget)

    @property
    def full(self) -> bool:
        """Whether nothing more will be kept; saves making messages."""
        return len(self.items) >= self.most

    def add(self, code: str, path: Path, message: str) -> None:
        """Keep a problem, if there is room; a private one only once, or problems could be counted."""
        if not self.full:
            problem = Problem(code, path_text(path), message)
            if not (is_private(path) and problem in self.items):
                self.items.append(problem)

    def hint(self, word: str, names: Collection[str]) -> str:
        """Return what to append to `there is no such name`: the likely one, or all if they are few."""
        near = nearest(word, names, self.suggesting)
        if near is not None:
            return f"; did you mean `{near}`?"
        return f"; it is one of {listed(names)}" if 0 < len(names) <= MOST_LISTED else ""


def suggesting_as_one() -> AbstractContextManager[None]:
    """Let the requests that are read meanwhile share the suggestions of one: they are in one document."""
    return shared_budget(FOR_REQUEST)


def meant(word: str, names: Iterable[str]) -> str:
    """Return what ends `there is no such name`: the likely one, or nothing."""
    near = nearest(word, names)
    return f"; did you mean `{near}`?" if near else ""


def check_names(name: str, given: Iterable[object], known: Collection[str]) -> None:
    """Raise `TypeError` or `ValueError` unless each setting is one of the *known* names."""
    for one in given:
        check_text(name, one)
        if one not in known:
            raise ValueError(f"there is no {name} `{shown(str(one))}`{meant(str(one), known)}")


def shown(text: str) -> str:
    """Return *text* cut short for a message, which may put it in backticks."""
    return escaped(text, MOST_SHOWN).replace("`", "\\u0060")


def entity_name(key: tuple[str, str]) -> str:
    """Return `App "a1"` in backticks, an id that is too long cut short."""
    type_, id_ = key
    return f'`{type_} "{quoted(id_)}"`'


def quoted(text: str) -> str:
    """Return *text* cut short for a message, which puts it in quotation marks."""
    return shown(text).replace('"', '\\"')


def listed(names: Iterable[str]) -> str:
    """Return the names in backticks with commas between them."""
    return ", ".join(f"`{name}`" for name in names)


def joined(reasons: Iterable[str], count: int, most: int = MOST_REASONS) -> str:
    """Return the first of *reasons*, each once, and how many of the *count* come after them.

    They are *most* at most, and no more than `MOST_BYTES`. No more of them are asked for than are
    said.
    """
    if count <= most:  # mostly all is short
        reasons = list(reasons)
        text = "; ".join(dict.fromkeys(reasons))
        if len(text) < SHORT:
            return text
    said: dict[str, None] = {}
    room = MOST_BYTES - len(f"; and {count:,} more")
    for number, reason in enumerate(reasons):
        if reason in said:
            continue
        size = (len(reason) if reason.isascii() else len(reason.encode())) + len("; ")
        if said and (len(said) == most or size > room):
            return f"{'; '.join(said)}; and {count - number:,} more"
        said[reason if size <= room else _cut(reason, room)] = None
        room -= size
    return "; ".join(said)


def _cut(text: str, size: int) -> str:
    """Return the beginning of *text* that has *size* bytes, with `…` at its end."""
    return text.encode()[: size - len("…".encode())].decode(errors="ignore") + "…"


def described(type_: Type) -> str:
    """Return the words for a value of the type in a sentence."""
    match type_:
        case Primitive(name):
            return _DESCRIBED[name]
        case EnumType(name) | LevelsType(name) | TaxonomyType(name):
            few = len(type_.members) <= MOST_LISTED
            return f"a name of `{name}`" + (f" ({listed(type_.members)})" if few else "")
        case EntityRefType(name):
            return f'a reference {{"type": "{name}", "id": …}}'
        case SetType(element):
            return f"a set of `{element}`"
        case RecordType(attributes):
            names = listed(a.name for a in attributes)
            return f"a record of {names}" if names else "an object"
        case TableType():
            raise table_given(type_)
        case _:
            assert_never(type_)


_NAME_OF: Final[Callable[[type], str]] = type.__dict__["__name__"].__get__

_DESCRIBED: Final[Mapping[str, str]] = {
    "bool": "a bool",
    "int": "an int",
    "decimal": 'a decimal (a string like "1.50")',
    "string": "a string",
    "datetime": 'a datetime (a string like "2026-09-01T10:00:00Z")',
    "duration": 'a duration (a string like "1d12h")',
    "months": 'months (a string like "1y6mo")',
    "ip": 'an ip (a string like "10.0.0.0/8")',
    "path": 'a path (a string like "/public/logo.png")',
}


_JSON: Final = ("{", "[", '"')
"""The beginnings of texts in JSON that may have other values in them."""


def got(raw: object, *, private: bool) -> str:
    """Describe a value that was given, in a few words; a private one only by its kind.

    So is a text that may be an object in JSON, since private values may be in it.
    """
    match raw:
        case None:
            return "null"
        case bool():
            return "a bool" if private else f"`{str(raw).lower()}`"
        case str():
            return (
                "a string" if private or raw.lstrip()[:1] in _JSON else f"the string `{shown(raw)}`"
            )
        case int():
            small = abs(raw) < 10**DIGITS
            return "an int" if private or not small else f"the int `{int(raw)}`"
        case float():
            return "a float"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case AbstractSet():
            return "a set"
        case date() if not isinstance(raw, datetime):
            return "a `date`, which has no time: its `isoformat()` stands for midnight in UTC"
        case _:
            return f"something of the Python type `{class_name(type(raw))}`"


def class_name(class_: type) -> str:
    """Return what a class is called in backticks, whatever its own class makes of that."""
    return shown(_NAME_OF(class_))
