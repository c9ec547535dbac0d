"""What is left open of a request leaves none out: some way of answering agrees with each request there is."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings

from policyengine.analysis.backtracking import Backtracking
from policyengine.analysis.constants import MentionedConstants
from policyengine.analysis.constrained_evaluation import env_of
from policyengine.analysis.constrained_request import ConstrainedRequest, ContradictionError
from policyengine.model.types import EntityRefType
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from tests.strategies import seeds
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import make_world
from tests.strategies.requests import make_request
from tests.whole import share

MOST_PATHS = 3_000


def agrees(checked, target, rules, wanted):
    """Whether a way of answering is found on which *rules* hold as is *wanted*; None if it takes too long."""
    mentions = MentionedConstants.of(rules, target)
    action = checked.schema.actions[target[0]]
    for part in action.constant_types.attributes:
        if part.name in action.constants:
            mentions.add(part.type, action.constants[part.name])
    ids = {t.name: set(v) for t, v in mentions.values.items() if isinstance(t, EntityRefType)}
    choices = Backtracking()
    for _ in range(MOST_PATHS):
        state = ConstrainedRequest(checked.schema, target, ids, choices)
        env = env_of(state)
        try:
            for rule, holds in zip(rules, wanted, strict=True):
                state.reads.clear()
                if (first_false(rule.conjuncts, rule.typings[target], env) is None) != holds:
                    break
            else:
                return True
        except ContradictionError:
            pass
        if not choices.go_back(state.reads):
            return False
    return None


@pytest.mark.no_cover
@settings(max_examples=share(60, 3))
@given(seeds.SEEDS)
def test_no_request_is_left_out(seed):
    """Of some rules, whatever they compute: the way in which they hold for a request is one that is tried."""
    rng = Random(seed)
    world = make_world(rng, 1 + seed % 3)
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return
    for _ in range(4):
        request = loaded.request(**make_request(rng, world))
        env = Env(request, loaded.checked.schema)
        there = [r for r in loaded.checked.rules_for(env.target) if not r.advisory]
        rules = rng.sample(there, min(len(there), rng.choice((1, 2, 3, 5))))
        wanted = [first_false(r.conjuncts, r.typings[env.target], env) is None for r in rules]
        assert agrees(loaded.checked, env.target, rules, wanted) is not False, loaded.text()
