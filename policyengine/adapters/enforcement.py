"""Enforce decisions: let a request pass that is allowed, and refuse every other.

What cannot be decided is refused, too, and not as a deny: the client did nothing wrong. Facts of the service that
do not fit, or a handler of obligations that fails, are its own fault (500); a source that fails is a matter
of time (503). An entity that is not in the store was named by the client, and is refused (403) without a word
on which one is unknown; a deny has another text, so where even that is a secret, answer both with the same.
None in place of a subject means that nobody signed in (401), in place of a resource that there is none (404).
Why nothing was decided is in the log `policyengine.adapters` and never in an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack, get_origin

from policyengine.adapters.explain_budget import ExplainBudget
from policyengine.adapters.refusal import Refusal, denied, failed, log_error, undecided
from policyengine.bound import BoundSubject
from policyengine.decision_cache import DecisionCache
from policyengine.engine import PolicyEngine
from policyengine.model.decision import Decision
from policyengine.model.request_messages import meant
from policyengine.model.settings import check_called, check_class, check_done
from policyengine.reloading.holder import PolicyHolder

if TYPE_CHECKING:
    from policyengine.explain import Explanation
    from policyengine.model.entities import EntityLike


class Decides(Protocol):
    """Decides requests: a `PolicyEngine`, a `PolicyHolder`, a `DecisionCache` or a `SourcedEngine`."""

    def decide(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None, /
    ) -> Decision:
        """Decide as `PolicyEngine.decide` does."""


class Options(TypedDict, total=False):
    """What may be said of any `EnforcementPoint`."""

    fulfil: Callable[[Decision], object] | None
    obligations: Collection[str]
    explain: ExplainBudget | None
    problem_type: str
    challenge: str


class EnforcementPoint:
    """Lets requests pass that *decider* allows, and raises `Refusal` for all others.

    A subject may be given bound (`PolicyEngine.bind`); it is decided about by the set that is in force, whatever it
    was bound under. *fulfil* is called with each decision that owes something, a deny as well, before
    anything is answered; if it fails, the request is refused. *obligations*: the names of those that clients
    are shown with a deny. *explain*: show clients what would allow their request, and who can bring that
    about, as far as it lasts; None: never. *problem_type*: a URI for the type of problem that a refusal is.
    *challenge*: the header `WWW-Authenticate` of a 401.
    """

    def __init__(self, decider: Decides, **options: Unpack[Options]) -> None:
        unknown = sorted(options.keys() - Options.__annotations__.keys())
        if unknown:  # a misspelt `fulfil` would fulfil nothing
            raise TypeError(
                f"there is no option `{unknown[0]}`{meant(unknown[0], Options.__annotations__)}"
            )
        if not callable(getattr(decider, "decide", None)):
            raise TypeError(
                f"what decides has a method `decide`: {type(decider).__name__} has none"
            )
        check_called("fulfil", options.get("fulfil"))
        check_class("explain", options.get("explain"), ExplainBudget)
        obligations = options.get("obligations", ())
        self.decider = decider
        self._fulfil = options.get("fulfil")
        self._obligations = frozenset(
            [obligations] if isinstance(obligations, str) else obligations
        )
        self._budget = options.get("explain")
        self._type = options.get("problem_type", "about:blank")
        self._challenge = options.get("challenge", Refusal.challenge)

    def enforce(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None
    ) -> Decision:
        """Return the decision on a request that is allowed; raise `Refusal` for every other."""
        self._expect(subject, resource)
        try:
            decision: Decision = self._decide(
                self.decider.decide, subject, action, resource, context
            )
            check_done("fulfil", self._owed(decision))
        except Exception as problem:
            raise failed(problem, self._type) from problem
        if decision.allowed is True:
            return decision
        raise self.refusal(decision)

    async def enforce_async(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None
    ) -> Decision:
        """Do as `enforce`; a source and a handler of obligations may be asynchronous, and the search is in a thread."""
        self._expect(subject, resource)
        try:
            decide = getattr(self.decider, "decide_async", None)
            ask, by = self._decide, decide or self.decider.decide
            intake = None if decide else getattr(self._engine, "_intake", None)
            asked = by, subject, action, resource, context
            in_thread = getattr(intake, "waits", False)  # for the disk, which no event loop may
            found = await asyncio.to_thread(ask, *asked) if in_thread else ask(*asked)
            # To ask whether a decision can be awaited takes as long as some decisions.
            is_made = isinstance(found, Decision) or not isinstance(found, Awaitable)
            decision: Decision = found if is_made else await found
            done = self._owed(decision)
            if done is not None and isinstance(done, Awaitable):
                done = await done
            check_done("fulfil", done)
        except Exception as problem:
            raise failed(problem, self._type) from problem
        if decision.allowed is True:
            return decision
        if self._budget is None:
            raise self.refusal(decision)
        raise await asyncio.to_thread(self.refusal, decision)

    def ask(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None
    ) -> Decision:
        """Return the decision on a request that is not made yet; raise `Refusal` if there is none."""
        try:
            decision: Decision = self._decide(
                self.decider.decide, subject, action, resource, context
            )
        except Exception as problem:
            raise failed(problem, self._type) from problem
        return decision

    def refusal(self, decision: Decision) -> Refusal:
        """Return the refusal that a deny is."""
        refusal = denied(decision, type_=self._type, obligations=self._obligations)
        explanation = self._explained(decision)
        if explanation is not None:
            shown = explanation.to_json("user")
            for part in ("would_allow", "depends_on_hidden", "tried_all"):
                refusal.problem[part] = shown[part]
        return refusal

    def undeclared(self, what: str, *, log: bool = True) -> Refusal:
        """Return the refusal of something for which no action is declared, and *log* what that is."""
        if log:
            log_error("%s is not declared: say which action it is, or that it is public", what)
        return undecided(403, "nothing is permitted here", self._type)

    def expect(self, action: str | None = None, **given: object) -> None:
        """Raise `ValueError` if there is no such action now, `TypeError` if something *given* by name is a class.

        A class would be filled with what a client says: its facts would be the client's.
        """
        for name, one in given.items():
            made = one
            while isinstance(made, partial):
                made = made.func
            if isinstance(get_origin(made) or made, type):
                raise TypeError(
                    f"`{name}` is a class, which requests would fill: give a function or an entity"
                )
        schema = getattr(self._engine, "schema", None)
        if action is not None and schema is not None and action not in schema.actions:
            raise ValueError(f"there is no action `{action}`{meant(action, schema.actions)}")

    def _expect(self, subject: object, resource: object) -> None:
        if subject is None or resource is None:
            refusal = undecided(401 if subject is None else 404, type_=self._type)
            refusal.challenge = self._challenge
            raise refusal

    def _decide(
        self, decide: Callable[..., Any], subject: Any, action: str, resource: Any, context: Any
    ) -> Any:
        if isinstance(subject, BoundSubject):
            # Whatever else decides may do more than its engine.
            is_plain = type(self.decider) in (PolicyEngine, PolicyHolder, DecisionCache)
            if is_plain and subject._engine is self._engine:  # noqa: SLF001 - whether it is in force
                return subject.decide(action, resource, context)
            subject = subject.unbound()
        return decide(subject, action, resource, context)

    @property
    def _engine(self) -> PolicyEngine:
        """The engine that is in force."""
        decider: Any = self.decider
        engine: PolicyEngine = getattr(decider, "engine", decider)
        return engine

    def _owed(self, decision: Decision) -> object:
        if not isinstance(decision, Decision):
            raise TypeError(f"what decides gave no decision, but a `{type(decision).__name__}`")
        return self._fulfil(decision) if self._fulfil and decision.obligations else None

    def _explained(self, decision: Decision) -> Explanation | None:
        budget = self._budget
        if budget is None or decision.problems:
            return None
        asked = decision.request
        if asked is None or not budget.take((asked.subject.type, asked.subject.id)):
            return None
        from policyengine.explain import limited  # which a service without a budget does not need

        # What is more than the reason is never worth failing for. All of it is limited, and the search again by itself.
        with suppress(Exception), limited(monotonic() + 2 * budget.seconds):
            engine = self._engine
            if engine.digest == decision.policy_digest:
                return engine.explain(asked, seconds=budget.seconds)
        return None
