"""Hold what a decision amounts to: its cause, its rules, what is owed, and how its details are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args

from msgspec import Struct

from policyengine.model.errors import Problem
from policyengine.model.immutable import FrozenDict
from policyengine.model.masks import MaskedField
from policyengine.model.needs import RequestNeeds
from policyengine.model.request import Request
from policyengine.model.shown import shown_value
from policyengine.model.types import BOOL, DURATION, INT, STRING, Type
from policyengine.model.values import to_json, to_python

T_co = TypeVar("T_co", covariant=True)

Cause: TypeAlias = Literal["permitted", "not_permitted", "forbidden", "error", "invalid_request"]

Audience: TypeAlias = Literal["user", "developer", "auditor"]
"""Who reads why: the person concerned, the developer of the app that asks, or who may see everything."""

AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)


def known_audience(audience: Audience) -> Audience:
    """Return an audience; raises `ValueError` for what is none."""
    if audience not in AUDIENCES:
        raise ValueError(f"there is no audience {audience!r}: it is one of {', '.join(AUDIENCES)}")
    return audience


_MICROSECOND: Final = timedelta(microseconds=1)
_TYPES: Final = {str: STRING, int: INT, bool: BOOL, timedelta: DURATION}


class Obligation(Struct, frozen=True):
    """A duty of the caller after a decision: a name, and a (parameter, type, value) each."""

    name: str
    arguments: tuple[tuple[str, Type, object], ...]

    @classmethod
    def example(cls, name: str, /, **parameters: str | int | bool | timedelta) -> Obligation:
        """Return an obligation that no policy owes, for tests of a service."""
        arguments = []
        for parameter, value in parameters.items():
            type_ = _TYPES.get(type(value))
            if type_ is None:
                raise TypeError(f"{parameter}: expected a str, an int, a bool or a timedelta")
            canonical = value // _MICROSECOND if isinstance(value, timedelta) else value
            arguments.append((parameter, type_, canonical))
        return cls(name, tuple(arguments))

    @property
    def parameters(self) -> Mapping[str, object]:
        """The arguments by name, as Python values (see `model.values.to_python`)."""
        return FrozenDict({name: to_python(t, value) for name, t, value in self.arguments})

    def to_json(self) -> dict[str, object]:
        """Return the obligation as JSON values."""
        parameters = {name: to_json(type_, value) for name, type_, value in self.arguments}
        return {"name": self.name, "parameters": parameters}

    def __str__(self) -> str:
        return f"{self.name}({', '.join(shown_value(t, value) for _, t, value in self.arguments)})"


class Advisory(Struct, frozen=True):
    """The result of a rule on trial.

    *outcome*: `satisfied`, `not_satisfied`, or `unknown` where the request lacks what it reads.
    """

    rule: str
    effect: str
    outcome: Literal["satisfied", "not_satisfied", "unknown"]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {"rule": self.rule, "effect": self.effect, "outcome": self.outcome}


class RuleError(Struct, frozen=True):
    """A rule that failed although it was checked: a bug of ours. *paths*: values that do not fit."""

    rule: str
    paths: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {"rule": self.rule, "paths": list(self.paths), "message": self.message}


class Outcome(Struct, frozen=True):
    """A decision without its wording; every list is sorted and without repeats.

    *gates*: whether each gate, by name, was opened. *rules*: ids of the determining rules,
    by gate, then name. *exposed*: the fields that are shown themselves; None without a field gate; empty
    on a deny. *masks*: of the fields that are shown in part, how each is. *waivers*: names of those
    without which a gate would have been shut.
    """

    allowed: bool
    cause: Cause
    rules: tuple[str, ...]
    gates: tuple[tuple[str, bool], ...]
    exposed: frozenset[str] | None
    masks: tuple[tuple[str, str], ...]
    obligations: tuple[Obligation, ...]
    referrals: tuple[str, ...]
    advisories: tuple[Advisory, ...]
    waivers: tuple[str, ...]
    errors: tuple[RuleError, ...]

    if not TYPE_CHECKING:  # so that mypy reports `if outcome:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError("an outcome is neither true nor false: ask `outcome.allowed`")


Listed: TypeAlias = tuple[tuple[str, ...], int]
"""The determining rules that an answer in JSON names, and how many there are besides."""


class Details(Protocol):
    """The details of a decision, worked out when they are read, from the request's immutable values."""

    def outcome(self) -> Outcome:
        """The decision without its wording."""

    def listed(self) -> Listed:
        """The determining rules that are named in JSON, and how many there are besides."""

    def reason(self) -> str:
        """The text for a person; never raises."""

    def public_reason(self) -> str:
        """The same text, with words in the place of what is an auditor's alone."""

    def valid_until(self, *, allowed: bool) -> int | None:
        """The moment (microseconds) until which only the wording of what was *allowed* or not may change, or None."""

    def public_until(self, *, allowed: bool) -> int | None:
        """The same moment; None as well where it may reveal something that is an auditor's alone."""

    def frame(self, answer: SharedResult) -> Frame | None:
        """The JSON that answers with *answer* and the same rules share; None if there are none."""


Frame: TypeAlias = tuple[bytes, bytes, bytes | None, bytes]
"""An answer as JSON with gaps: for the reason, for obligations, and for `valid_until`. The third part is None where
obligations are no gap."""

Written: TypeAlias = Callable[[Any, Any, Any, Any, Any], bytes | None]
"""Gives an answer as JSON, if an equal one was written before, from the `SharedResult` and from the
arguments of `MakeDetails`."""


class FromParts(Protocol[T_co]):
    """Gives something of a decision from the arguments of `MakeDetails`. *public*: as all may read it."""

    def __call__(
        self,
        subject: Any,
        resource: Any,
        context: Any,
        rest: Any,
        /,
        *,
        allowed: bool,
        public: bool,
    ) -> T_co:
        """Give it, of what was *allowed* or not."""


MakeReason: TypeAlias = FromParts[str | None]
"""Gives the reason of a decision; None if its details must say it."""

MakeUntil: TypeAlias = FromParts[int | None]
"""Gives the moment until which a decision holds; None if the time does not matter."""

MakeDetails: TypeAlias = Callable[[Any, Any, Any, Any], Details]
"""Makes the details of a decision from the subject, the resource, the context and the rest."""


MakeRequest: TypeAlias = Callable[[Any, Any, Any, Any], Request | None]
"""Gives the request of a decision from the arguments of `MakeDetails`; None if it is not known any more."""


WhatIsRead: TypeAlias = Callable[[], RequestNeeds | None]
"""Gives what rules may read of the request of a decision; None if it was refused, or is not known any more."""


def not_written(*_: object) -> None:
    """Give no JSON; it is a `Written`."""


def no_reason(*_: object, allowed: bool, public: bool) -> None:
    """Give no reason; it is a `MakeReason`."""


def no_request(*_: object) -> None:
    """Give no request; it is a `MakeRequest`."""


class SharedResult(Struct, frozen=True):
    """The part of a decision on which a service acts. Equal decisions share one.

    *exposed*: the fields of the resource that may be seen; None where no gate asks; empty on a deny.
    *masks*: those that may be seen in part, sorted. *obligations*: what is owed, sorted; None for a deny for
    which forbids may owe something, which its details say. *policy*: the digest of the set that decided.
    *make_details* makes the details; *written* gives the JSON that was written of an equal decision; *make_request*
    the request. *problems*: of one that was refused; *named*: type and id of its subject and resource, where
    the request itself does not say them. *what_is_read* gives what rules may read of the request;
    *make_reason* the reason, sooner than the details do, and *make_until* the moment until which it holds;
    None if only the details say it.
    """

    allowed: bool
    cause: Cause
    exposed: frozenset[str] | None
    masks: tuple[MaskedField, ...]
    obligations: tuple[Obligation, ...] | None
    policy: str
    make_details: MakeDetails
    written: Written = not_written
    make_request: MakeRequest = no_request
    problems: tuple[Problem, ...] = ()
    what_is_read: WhatIsRead = no_request
    make_reason: MakeReason = no_reason
    make_until: MakeUntil | None = None
    named: tuple[Any, Any] | None = None
