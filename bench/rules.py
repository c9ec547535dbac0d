"""Say rules and requests in a neutral form, which each contestant puts into its own words.

A request is four parts, `subject`, `action`, `resource` and `context`, three of them flat dicts. A rule
permits or forbids; all its tests must hold. Forbids win, and without a permit the answer is no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import frozen

from policyengine import PolicyEngine

Plain: TypeAlias = dict[str, Any]
"""A request as somebody would hold it; what hierarchies say stands in it as flat sets."""

Parts: TypeAlias = tuple[Any, str, Any, Any]
"""The same as the engine takes it, built before."""

Op: TypeAlias = Literal[
    "==", "<", "<=", ">", ">=", "in", "true", "false", "has", "holds", "lacks", "contains"
]


@frozen
class Check:
    """Compare what stands at *path* (`subject.account`).

    `in`: one of a set of constants; `has`: a set has a constant; `holds`, `lacks`: a set has, or has
    not, what stands at another path; `contains`: a string contains another.
    """

    op: Op
    path: str
    value: Any = None

    @property
    def keys(self) -> tuple[str, str]:
        """The part of the request, and the name in it."""
        part, _, name = self.path.partition(".")
        return part, name


@frozen
class Rule:
    """*actions*: those that it is for; none for all."""

    name: str
    permits: bool
    actions: tuple[str, ...]
    tests: tuple[Check, ...]


@frozen
class World:
    """A policy set in both forms, requests of it, and who decides them by hand."""

    policies: tuple[str, ...]
    rules: tuple[Rule, ...]
    requests: list[Plain]
    by_hand: Callable[[Plain], bool]
    build: Callable[[PolicyEngine, Plain], Parts]


_RULES_IN_A_FILE = 10_000


def in_files(
    vocabulary: str, rules: Sequence[Rule], lines: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return policy files with *rules*: the first has *vocabulary*, none is longer than one may be.

    *lines*: how to ask what hierarchies say: of a path that holds an entity's or a term's line, the
    condition, with `{}` for the constant.
    """
    package = vocabulary.partition("\n")[0]
    files = []
    for start in range(0, len(rules), _RULES_IN_A_FILE):
        head = vocabulary if start == 0 else package
        texts = (_text(rule, lines or {}) for rule in rules[start : start + _RULES_IN_A_FILE])
        files.append("\n".join((head, *texts)))
    return tuple(files)


def _text(rule: Rule, lines: Mapping[str, str]) -> str:
    effect = "permit" if rule.permits else "forbid"
    conditions = " and ".join(_condition(test, lines) for test in rule.tests)
    return f"{effect} {rule.name}: {', '.join(rule.actions) or 'any'} when {conditions}"


def _condition(test: Check, lines: Mapping[str, str]) -> str:
    path, value = test.path, test.value
    literal = f'"{value}"' if isinstance(value, str) else str(value)
    match test.op:
        case "true":
            return path
        case "false":
            return f"not {path}"
        case "has":
            return lines[path].format(value) if path in lines else f"{literal} in {path}"
        case "in":
            members = ", ".join(f'"{member}"' for member in value)
            return f"{path} in {{{members}}}"
        case "holds":
            return f"{value} in {path}"
        case "lacks":
            return f"{value} not in {path}"
        case "contains":
            return f'{path} like "*{value}*"'
        case _:
            return f"{path} {test.op} {literal}"


def build_plain(engine: PolicyEngine, request: Plain, subject: str, resource: str) -> Parts:
    """Return the request of parts that were built before; *subject*, *resource*: their types."""
    asks, about = dict(request["subject"]), dict(request["resource"])
    return (
        engine.entity(subject, asks.pop("id"), asks),
        request["action"],
        engine.entity(resource, about.pop("id"), about),
        engine.context(request["action"], request["context"]),
    )


def merged(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Return where ranges [from, until) begin and end, put together, one after the other."""
    ends: list[int] = []
    for low, high in sorted(ranges):
        if ends and low <= ends[-1]:
            ends[-1] = max(ends[-1], high)
        else:
            ends += [low, high]
    return ends
