"""Hold compiled rules, and judge one: whether it is satisfied, and what it owes.

The details of a decision need the verdict on each rule; a rule that raises anything has failed, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final, TypeAlias

from msgspec import Struct

from policyengine.concurrency import cached_property
from policyengine.model.needs import RequestNeeds
from policyengine.model.outcome import Obligation
from policyengine.model.rules import RuleHead, RuleWaiver
from policyengine.model.shown import in_words, shown_value
from policyengine.model.types import Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, text_of
from policyengine.runtime.prepared_texts import (
    Sentence,
    Text,
    Words,
    prepared_sentence,
    texts_by_condition,
)

Function: TypeAlias = Callable[..., Any]
"""A generated function of the roots of a request (`Request.roots`)."""

Saying: TypeAlias = tuple[Function, tuple[Any, ...]]
"""What returns the text about the first false condition of a rule, or its number, None if none is: a function of a row and the roots, and the row."""

FAILED: Final = "failed while it was evaluated"
"""What is said of a rule that raised something."""


class Judges(Struct, frozen=True, eq=False, dict=True):
    """The generated functions that judge all rules of a target together.

    *judge* returns a bit for each rule that is not on trial and whose conditions hold, in the order of the rules,
    then for each key that does. *make_grounds* generates `grounds`, which most tests and
    reports never ask for. *turning* adds to a list the moments at which a condition of some rule may turn;
    None if none can.
    """

    judge: Function
    make_grounds: Callable[[], tuple[Function, Function]]
    turning: Function | None = None

    @cached_property
    def grounds(self) -> tuple[Function, Function]:
        """What return as bits all that the reason of a deny depends on, but for values that it shows; and of an allow."""
        return self.make_grounds()  # two threads may both do so; what they make is equal


class Late(Struct, frozen=True, eq=False, dict=True, weakref=True):
    """A function of the roots of a request that is generated when it is first needed: few rules are asked what is false."""

    make: Callable[[], Function | None]

    @cached_property
    def function(self) -> Function:
        """The function itself."""
        made = self.make()  # two threads may both do so; what they make is equal
        assert made is not None
        return made

    def __call__(self, *roots: Any) -> Any:
        """Return what the function does."""
        return self.function(*roots)


class Duty(Struct, frozen=True, eq=False):
    """An obligation and the parameters of it: name, type, and a function that computes the value.

    *known*: the texts of the first arguments, as long as they are constants.
    """

    name: str
    arguments: tuple[tuple[str, Type, Function], ...]
    known: tuple[str, ...] = ()

    def owed(self, roots: tuple[Any, ...]) -> Obligation:
        """Return what is owed for a request of these roots."""
        return Obligation(self.name, tuple([(n, t, f(*roots)) for n, t, f in self.arguments]))


class OwedTogether(Struct, frozen=True, eq=False):
    """What rules owe together: *parts*, some of them to be computed; *sorted*: whether their order is known before."""

    parts: tuple[Obligation | Duty, ...]
    sorted: bool

    @classmethod
    def of(cls, parts: Iterable[Obligation | Duty]) -> OwedTogether:
        """Return what is owed together, of obligations of which no two are equal."""
        found = sorted(parts, key=_known_before)
        keys = [_known_before(part) for part in found]
        known = all(one != other and _tells(one, other) for one, other in pairwise(keys))
        return cls(tuple(found), known)

    def owed(self, roots: tuple[Any, ...]) -> tuple[Obligation, ...]:
        """Return what is owed for a request of these roots, each obligation once, in order."""
        found = [part.owed(roots) if isinstance(part, Duty) else part for part in self.parts]
        if self.sorted:
            # An argument without a hash fails here, as it does where they are sorted.
            return tuple(dict.fromkeys(found))
        return sorted_obligations(found)


def _known_before(part: Obligation | Duty) -> tuple[str, tuple[str, ...]]:
    """Return by what `sorted_obligations` sorts, as far as constants say it."""
    if isinstance(part, Duty):
        return part.name, part.known
    return part.name, tuple([text_of(t, value) for _, t, value in part.arguments])


def _tells(one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]]) -> bool:
    """Whether these alone tell which comes first."""
    return one[0] != other[0] or any(a != b for a, b in zip(one[1], other[1], strict=False))


class Key(Struct, frozen=True, eq=False):
    """A condition that asks whether the value at a path is one of some constants.

    *read* gives the value. *contested*: whether permits of the gate compare it with other constants,
    so that each is for other requests. The rest is as in `semantics.keys.Key`.
    """

    path: str
    name: str
    type: Type
    read: Function
    constants: frozenset[object]
    shown: bool
    contested: bool

    def requested(self, roots: tuple[Any, ...]) -> str:
        """Return what the request has there, as `tenant t7`."""
        if not self.shown:
            return f"this {in_words(self.name)}"
        value = self.value(roots)
        if value is ABSENT or value is _UNREADABLE:
            return f"no {in_words(self.name)}"
        try:
            text = shown_value(self.type, value)
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            return f"no {in_words(self.name)}"
        return text if self.path == self.name else f"{in_words(self.name)} {text}"

    def value(self, roots: tuple[Any, ...]) -> object:
        """Return the value that the request has there, `ABSENT` if it has none.

        A value that cannot be read for another reason is a bug: what is returned for it cannot be looked up,
        so that every rule is judged.
        """
        try:
            return self.read(*roots)
        except Exception as problem:  # noqa: BLE001 - errors never open anything
            return ABSENT if _is_absence(problem) else _UNREADABLE


class _Unreadable(Struct):
    """The mark of a value that cannot be read: it is no constant, and has no hash."""


_UNREADABLE: Final = _Unreadable()


def _is_absence(problem: Exception) -> bool:
    """Whether *problem* says that an optional attribute is absent on the way to a value."""
    match problem:
        case AttributeError(obj=owner):
            return owner is ABSENT
        case KeyError(args=((_, owner),)):  # the key of an entity
            return owner is ABSENT
        case _:
            return type(problem) is LookupError


class Rule(RuleHead, frozen=True, eq=False, dict=True):
    """A compiled rule of one target.

    *fails* returns the number of the first condition that is false, None if none is; None itself
    where no condition can be; *blames* does so of the conditions that have a sentence. *says* returns what is
    said of that condition, where rules are many and it need not be looked for. *turns* adds to a list the
    moments at which a condition may turn, None where `Judges` do so; *owes* and *refers* those at which what
    is owed or referred to may change; None if it cannot. *owed*: obligations whose arguments are constants,
    made once; *duties*: the others. *waivers*: those that may be for a request. *keys*: which requests it is
    for; *filed*: those of them by which it is known without judging it that it plays no part
    (`runtime.directory`). *times_hidden*: as in `compiler.lowered.Rule`. The rest is as in
    `semantics.checked.CheckedRule`.
    """

    fails: Function | None
    blames: Function | None
    says: Saying | None
    turns: Function | None
    fields: frozenset[str] | None
    owed: tuple[Obligation, ...]
    duties: tuple[Duty, ...]
    owes: Function | None
    because: Text | None
    otherwise: Text | None
    refer: Text | None
    refers: Function | None
    sentences: tuple[tuple[Sentence, ...], ...]
    keys: tuple[Key, ...]
    filed: tuple[Key, ...]
    waivers: tuple[RuleWaiver, ...]
    needs: RequestNeeds
    times_hidden: bool

    def waived_by(self, request: ValidRequest) -> tuple[str, ...]:
        """Return the names of the waivers that are in force for a request."""
        if not self.waivers:
            return ()
        now, parts = request.now, (request.subject, request.resource)
        return tuple(w.name for w in self.waivers if now < w.until and w.is_for(*parts))

    def first_false(self, request: ValidRequest) -> int | None:
        """Return the number of the first condition that is false, None if none is."""
        number: int | None = None if self.fails is None else self.fails(*request.roots)
        return number

    @cached_property
    def words(self) -> Words:
        """The text that describes the first false condition of a permit that may be shown, prepared."""
        blames = self.blames.function if isinstance(self.blames, Late) else self.blames
        return prepared_sentence(blames, self.sentences)

    @cached_property
    def texts(self) -> tuple[Words, ...]:
        """The same text by the number of the first false condition, which `fails` returns."""
        return texts_by_condition(self.sentences, self.words)

    def judge(self, request: ValidRequest) -> Verdict:
        """Evaluate the conditions and, if the rule is to count, its obligations."""
        waivers = self.waived_by(request)
        holds = True
        try:
            holds = self.first_false(request) is None
        except Exception:  # noqa: BLE001 - whatever it is, a bug of ours opens nothing
            if not waivers:
                return Verdict(self, failed=True)
            holds = False
        if not holds and not waivers:
            return Verdict(self)
        owed, faulty = self.owed, False
        for duty in self.duties:
            try:
                owed = sorted_obligations((*owed, duty.owed(request.roots)))
            except Exception:  # noqa: BLE001 - errors never open anything
                if self.effect != "forbid":
                    return Verdict(self, failed=True)
                faulty = True
        return Verdict(self, holds=holds, waivers=waivers, owed=owed, faulty=faulty)


class Verdict(Struct, eq=False):
    """The verdict on one rule. It is never changed: `define` is quicker to make than `frozen`.

    *holds*: whether its own conditions did; *waivers*: those that stand in for them; *owed*: what
    the rule owes if it counts; *faulty*: whether an obligation of a forbid failed, which forbids all the
    same; *misses*: the paths at which the request has none of the values that the rule is for.
    """

    rule: Rule
    holds: bool = False
    waivers: tuple[str, ...] = ()
    owed: tuple[Obligation, ...] = ()
    failed: bool = False
    faulty: bool = False
    misses: frozenset[str] = frozenset()

    @property
    def satisfied(self) -> bool:
        """Whether the rule's effect counts; a failed forbid is counted apart."""
        return (self.holds or bool(self.waivers)) and not self.failed


def sorted_obligations(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """Return each obligation once, by name and by the text of its arguments."""
    found = sorted(dict.fromkeys(obligations), key=lambda o: o.name)
    if len(found) > len({o.name for o in found}):  # making texts takes longest
        found.sort(key=lambda o: (o.name, [text_of(t, value) for _, t, value in o.arguments]))
    return tuple(found)
