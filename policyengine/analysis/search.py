"""Ask whether there is a request of which something is true, by trying all that rules tell apart.

The question is put to the reference interpreter, so nothing here says a second time what a policy
means. The answer is a request (`SymbolicRequest`), or that there is none, or, where there are too many ways or
the values tried do not stand for all (`mentions.py`), that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import field, frozen

from policyengine.analysis.choices import Choices, Patience, TooManyWaysError, every_way
from policyengine.analysis.constants import Mentions
from policyengine.analysis.symbolic_request import SymbolicRequest
from policyengine.reference.evaluation import Env, Trace
from policyengine.reference.interpreter import first_false
from policyengine.semantics.checked import CheckedRule, CheckedSet, TargetKey

MOST_WAYS = 3_000
"""How many requests are tried for one question."""

_MOST_CHOICES = 100_000
"""How many choices are made for one question, all its requests together."""


class UnknownError(Exception):
    """Not everything that matters could be tried."""


@frozen
class Space:
    """The requests for one target, as far as *rules* can tell them apart.

    *patience*: what may be spent on this question and others together.
    """

    checked: CheckedSet
    target: TargetKey
    rules: tuple[CheckedRule, ...]
    most: int = MOST_WAYS
    patience: Patience | None = None
    mentions: Mentions = field(init=False)

    @mentions.default
    def _mentions(self) -> Mentions:
        return Mentions.of(self.rules, self.target)

    def worlds(
        self, ask: Callable[[Env], bool], trace: Trace | None = None
    ) -> Iterator[SymbolicRequest]:
        """Give a world for each way to answer yes; `UnknownError` at the end if there may be more.

        *trace* sees every expression that is evaluated, in worlds of either answer.
        """
        if self.mentions.unsure:
            raise UnknownError
        guessed = False

        def run(choices: Choices) -> tuple[SymbolicRequest, bool]:
            world = SymbolicRequest(self.checked.schema, self.target, self.mentions, choices)
            return world, ask(world.env(trace))

        try:
            for world, answer in every_way(run, self.most, Patience(_MOST_CHOICES, self.patience)):
                guessed |= world.guessed
                if answer:
                    yield world
        except TooManyWaysError:
            raise UnknownError from None
        if guessed:
            raise UnknownError

    def find(self, ask: Callable[[Env], bool]) -> SymbolicRequest | None:
        """Return a world in which the answer is yes, None if there is none."""
        return next(self.worlds(ask), None)


def holds(rule: CheckedRule, env: Env) -> bool:
    """Whether the conditions of *rule* do, whatever the time of its validity."""
    return first_false(rule.conjuncts, rule.typings[env.target], env) is None


def never(
    checked: CheckedSet,
    targets: Iterable[TargetKey],
    rules: Callable[[TargetKey], tuple[CheckedRule, ...]],
    ask: Callable[[Env], bool],
    patience: Patience | None = None,
) -> bool | None:
    """Whether the answer is no for every request for *targets*, of which are some; None: unknown."""
    spaces = (Space(checked, target, rules(target), patience=patience) for target in targets)
    try:
        return all(space.find(ask) is None for space in spaces)
    except UnknownError:
        return None
