"""Law 2: any text gives a tree or diagnostics; never an exception, never a hang."""

from __future__ import annotations

from hypothesis import Phase, given, settings

from policyengine.diagnostics.diagnostic import Severity
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.semantics.checker import check
from policyengine.syntax.parser import parse
from tests.seconds import seconds
from tests.strategies import seeds, texts
from tests.whole import share

LONGEST = 5.0
"""Seconds; a parse takes milliseconds, and the machine may be busy."""


def answered(text: str) -> bool:
    """Parse and check *text*, which ends; whether it is a policy set without errors."""
    answers: list[bool] = []
    assert seconds(lambda: answers.append(_answered(text))) < LONGEST
    return answers[0]


def _answered(text: str) -> bool:
    source = Source("p.policy", text)
    file, problems = parse(source)
    assert (file is None) == bool(problems), problems
    checked = None
    if file is not None:
        checked, problems = check([file], {source.name: source}, Limits())
        assert (checked is None) == any(p.severity is Severity.ERROR for p in problems)
    for problem in problems:
        assert problem.code.startswith("PE")
        assert problem.message
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
    return checked is not None


@settings(max_examples=max(share(300, 6), settings().max_examples))
@given(seeds.SEEDS)
def test_a_damaged_policy_is_a_policy_or_has_diagnostics(seed):
    answered(texts.damaged_policy(seed))


@settings(phases=[Phase.explicit, Phase.generate, Phase.shrink], max_examples=share(300, 6))
@given(texts.TEXTS)
def test_any_text_is_a_policy_or_has_diagnostics(text):
    answered(text)


def test_the_damage_is_of_both_kinds():
    found = {answered(texts.damaged_policy(seed)) for seed in range(60)}
    assert found == {True, False}
