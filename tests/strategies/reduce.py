"""Cut a counterexample down: take pieces away as long as what is wrong stays wrong.

The generators are driven by a seed, which says nothing to a person; what is left after this does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

from attrs import evolve

from tests.strategies.policies import World
from tests.strategies.requests import Json

Request = dict[str, Json]
Fails = Callable[[World, Request], bool]


def reduced(world: World, request: Request, fails: Fails) -> tuple[World, Request]:
    """Return the smallest policy set and request found for which *fails* still says yes."""
    smaller = True
    while smaller:
        smaller = False
        for less in _less_world(world):
            if fails(less, request):
                world, smaller = less, True
                break
    smaller = True
    while smaller:
        smaller = False
        for one in _less_request(request):
            if fails(world, one):
                request, smaller = one, True
                break
    return world, request


def _less_world(world: World) -> Iterator[World]:
    if world.spread:
        yield evolve(world, spread=0)
    for gate in world.gates:
        yield evolve(
            world,
            gates={name: is_field for name, is_field in world.gates.items() if name != gate},
            rules=[rule for rule in world.rules if rule.gate != gate],
        )
    for gate in world.ranges:
        ranges = {name: range_ for name, range_ in world.ranges.items() if name != gate}
        yield evolve(world, ranges=ranges)
    half = len(world.rules) // 2
    if half > 1:
        yield evolve(world, rules=world.rules[half:])
        yield evolve(world, rules=world.rules[:half])
    for i in range(len(world.rules)):
        yield evolve(world, rules=world.rules[:i] + world.rules[i + 1 :])
    for i in range(len(world.others)):
        yield evolve(world, others=world.others[:i] + world.others[i + 1 :])
    for i, rule in enumerate(world.rules):
        for k in range(len(rule.clauses)):
            less = evolve(rule, clauses=rule.clauses[:k] + rule.clauses[k + 1 :])
            yield evolve(world, rules=[*world.rules[:i], less, *world.rules[i + 1 :]])
    for i in range(len(world.vocabulary)):
        yield evolve(world, vocabulary=world.vocabulary[:i] + world.vocabulary[i + 1 :])


def _less_request(request: Request) -> Iterator[Request]:
    if "fields" in request:
        yield {key: value for key, value in request.items() if key != "fields"}
    for path in _removable(request):
        less = deepcopy(request)
        part = less
        for step in path[:-1]:
            part = part[step]
        del part[path[-1]]
        yield less


def _removable(request: Request) -> Iterator[tuple[Json, ...]]:
    for i, entity in enumerate(request["entities"]):
        yield ("entities", i)
        for name in entity.get("properties", {}):
            yield ("entities", i, "properties", name)
    for root in ("subject", "resource"):
        for name in request[root].get("properties", {}):
            yield (root, "properties", name)
        if "parents" in request[root]:
            yield (root, "parents")
    for name in request["context"]:
        yield ("context", name)
