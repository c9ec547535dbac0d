"""Search for a request of which something is true, among all that rules can tell apart.

The reference interpreter evaluates every request that is tried, so the meaning of a policy is not
written a second time here. The result is a request (`SymbolicState`), or that there is none. It is
unknown where there are too many paths, or where the values that were tried may not represent all
(`constants.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random

from attrs import field, frozen

from policyengine.analysis.budget import Budget, UndecidedError
from policyengine.analysis.choices import Choices, every_path
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.symbolic_request import SymbolicState
from policyengine.model.types import TargetKey
from policyengine.reference.evaluation import Env, Trace
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_PATHS = 3_000
"""The number of requests that are tried for one question."""

_FEW = 8
"""The number of requests, and of variants of each, that are guessed before all are tried."""

_MOST_CHOICES = 100_000
"""The number of choices that are made for one question, over all its requests."""


@frozen
class SearchSpace:
    """The requests for one target, as far as *rules* can tell them apart.

    *budget*: the work that this question and others may take together.
    """

    checked: CheckedSet
    target: TargetKey
    rules: tuple[CheckedRule, ...]
    most: int = MOST_PATHS
    budget: Budget | None = None
    mentions: MentionedConstants = field(init=False)

    @mentions.default
    def _mentions(self) -> MentionedConstants:
        return MentionedConstants.of(self.rules, self.target)

    def states(
        self, ask: Callable[[Env], bool], trace: Trace | None = None, *, all_or_none: bool = False
    ) -> Iterator[SymbolicState]:
        """Give a state for each path on which the answer is yes.

        Raise `UndecidedError` at the end if there may be more; at once, if *all_or_none* of them are
        wanted. *trace* is called with every expression that is evaluated, whatever the answer.
        """
        if self.mentions.unsure:
            raise UndecidedError
        guessed = False

        def run(choices: Choices) -> tuple[SymbolicState, bool]:
            state = SymbolicState(self.checked.schema, self.target, self.mentions, choices)
            return state, ask(state.env(trace))

        budget = Budget(_MOST_CHOICES, whole=self.budget)
        for state, answer in every_path(run, self.most, budget):
            guessed |= state.guessed
            if answer:
                yield state
            if guessed and all_or_none:
                raise UndecidedError
        if guessed:
            raise UndecidedError

    def some(self, ask: Callable[[Env], bool], also: Callable[[Env], bool]) -> bool:
        """Whether a few guesses find a request for which both answers are yes.

        The first is searched; values that it does not need are random, the same in each run.
        """
        random = Random(0)  # noqa: S311 - nothing is secret
        try:
            for state in islice(self.states(ask), _FEW):
                for _ in range(_FEW):
                    choices = state.choices.continued(random)
                    made = SymbolicState(self.checked.schema, self.target, self.mentions, choices)
                    env = made.env()
                    if ask(env) and also(env):
                        return True
        except UndecidedError:
            pass
        return False

    def find(self, ask: Callable[[Env], bool]) -> SymbolicState | None:
        """Return the first state in which the answer is yes, None if there is none."""
        return next(self.states(ask), None)


def holds(rule: CheckedRule, env: Env) -> bool:
    """Whether the conditions of *rule* hold, whether or not it is in force."""
    return first_false(rule.conjuncts, rule.typings[env.target], env) is None


def never(
    checked: CheckedSet,
    targets: Iterable[TargetKey],
    rules: Callable[[TargetKey], tuple[CheckedRule, ...]],
    ask: Callable[[Env], bool],
    budget: Budget | None = None,
) -> bool:
    """Whether the answer is no for every request for any of *targets*.

    Raise `UndecidedError` if it is unknown.
    """
    spaces = (SearchSpace(checked, target, rules(target), budget=budget) for target in targets)
    return all(next(space.states(ask, all_or_none=True), None) is None for space in spaces)
