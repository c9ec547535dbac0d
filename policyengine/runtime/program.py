"""Decide requests with compiled rules.

A decision takes one call of the generated `decide`, which says whether the action is allowed and
which rules give something; what those give together is kept for the next time. Everything else is
told by an `Account` when it is read. If generated code raises anything, the account decides, too:
then an errored forbid denies, and no errored permit opens.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final, TypeAlias

from attrs import define, field, frozen
from cachetools import LRUCache

from policyengine.model.decision import Cause, Decision, Obligation
from policyengine.model.needs import RequestNeeds
from policyengine.model.request import Request
from policyengine.model.types import Schema
from policyengine.runtime.account import Account
from policyengine.runtime.operations import FORBIDDEN
from policyengine.runtime.rules import Function, Rule, exposed_by, sorted_obligations

TargetKey: TypeAlias = tuple[str, str, str]
"""(action, subject type, resource type): what one decision function is made for."""

_MOST_GIFTS: Final = 4_096
_MOST_TARGETS: Final = 4_096


@frozen(eq=False)
class Gift:
    """What an allow gives: the exposed fields, what is owed, and rules that owe more than that."""

    exposed: frozenset[str] | None
    obligations: tuple[Obligation, ...]
    computing: tuple[Rule, ...]


@define(eq=False)
class Compiled:
    """The compiled rules of one target.

    *decide*: the generated function. *rules*: by gate, then name; *gates*: of every gate, by name,
    whether it is a field gate; *giving*: the rules that `decide` has a bit for. *source* makes
    the text of the generated functions.
    """

    digest: str
    decide: Function
    rules: tuple[Rule, ...]
    gates: tuple[tuple[str, bool], ...]
    giving: tuple[Rule, ...]
    source: Callable[[], str]
    _gifts: dict[int, Gift] = field(factory=dict, init=False)
    _nothing: frozenset[str] | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._nothing = exposed_by((), self._field_gates)

    @property
    def _field_gates(self) -> list[str]:
        return [gate for gate, is_field in self.gates if is_field]

    def answer(self, request: Request) -> Decision:
        """Decide *request*."""
        account = Account(self.rules, self.gates, request)
        try:
            given = self.decide(request)
            if given >= 0:
                gift = self._gifts.get(given) or self._gift(given)
                exposed, owed = gift.exposed, gift.obligations
                if gift.computing:
                    more = (d.owed(request) for rule in gift.computing for d in rule.duties)
                    owed = sorted_obligations((*owed, *more))
                asked = request.fields
                if asked is None or exposed is None or exposed.issuperset(asked):
                    return Decision(True, "permitted", exposed, owed, self.digest, account)
        except Exception:  # noqa: BLE001 - a bug of ours, and errors open nothing
            told = account.outcome()
            return Decision(
                told.allowed, told.cause, told.exposed, told.obligations, self.digest, account
            )
        cause: Cause = "forbidden" if given == FORBIDDEN else "not_permitted"
        return Decision(False, cause, self._nothing, (), self.digest, account)

    def _gift(self, given: int) -> Gift:
        """Work out what the rules whose bits are set in *given* give together."""
        rules = [rule for bit, rule in enumerate(self.giving) if given >> bit & 1]
        owed = sorted_obligations(obligation for rule in rules for obligation in rule.owed)
        computing = tuple(rule for rule in rules if rule.duties)
        gift = Gift(exposed_by(rules, self._field_gates), owed, computing)
        if len(self._gifts) < _MOST_GIFTS:
            self._gifts[given] = gift
        return gift


Compile: TypeAlias = Callable[[TargetKey], Compiled]

_compiled: Final[LRUCache[tuple[str, TargetKey], Compiled]] = LRUCache(maxsize=_MOST_TARGETS)
_lock: Final = Lock()


@define(eq=False)
class Program:
    """A linked policy set. Deciding changes nothing but what is kept to be quicker the next time.

    Decision functions are made when they are first needed, and kept under the digest of the set and
    the target: a set that is loaded again finds them made. *needs*: what a request must give.
    """

    digest: str
    schema: Schema
    needs: Callable[[TargetKey], RequestNeeds]
    _compile: Compile
    _used: dict[TargetKey, Compiled] = field(factory=dict, init=False)

    def decide(self, request: Request) -> Decision:
        """Decide a request that was validated."""
        target = request.action, request.subject.type, request.resource.type
        found = self._used.get(target)  # looking into a dict needs no lock
        return (found or self.compiled(target)).answer(request)

    def compiled(self, target: TargetKey) -> Compiled:
        """Return the compiled rules of *target*."""
        key = self.digest, target
        with _lock:
            made = _compiled.get(key)
        if made is None:
            made = self._compile(target)  # two threads may meet here; the first to come is kept
            with _lock:
                made = _compiled.setdefault(key, made)
        self._used[target] = made
        return made

    def source(self, target: TargetKey) -> str:
        """Return the Python text of the functions of *target*."""
        return self.compiled(target).source()
