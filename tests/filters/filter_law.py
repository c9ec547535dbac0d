"""Hold filters of generated policy sets against decisions: `python -m tests.filters.filter_law --sets 1000`.

Each set is mapped to tables with rows of which some do not fit; each question, of a subject, an action and a
context, is asked of every row, by its filter and by `decide`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from random import Random

from policyengine import InvalidRequest
from policyengine.filters.predicates import NotPushable
from policyengine.model.values import to_datetime
from tests.filters.mapped_databases import InDatabase, check_in, opened
from tests.filters.mapped_worlds import (
    SETS_IN,
    Asked,
    Database,
    check,
    database_of,
    filter_of,
    mapping_of,
    some_ids,
)
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import all_targets, make_world
from tests.strategies.requests import some_attributes, some_now


def filters_agree(
    seed: int,
    questions: int = 6,
    databases: Sequence[InDatabase] = (),
    sets: Sequence[str] = SETS_IN,
) -> Counter[str]:
    """Ask questions of the set of a seed, of 8 rows each; return how many rows and filters of each sort.

    *databases*: where filters are asked, too. *sets*: where sets may be.
    """
    rng, counts = Random(seed), Counter[str]()
    world = make_world(rng, rng.choice((1, 2, 2, 3)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return counts
    ill = rng.choice((0.0, 0.02, 0.1))
    checked = not ill and rng.random() < 0.5
    mapping = mapping_of(loaded.checked.schema, rng, checked=checked, sets=sets)
    made = database_of(mapping, rng, some_ids(mapping, 8), ill)
    for _ in range(questions):
        target = action, subject, resource = rng.choice(all_targets(world))
        context = some_attributes(rng, tuple(world.made.context(action).values()))
        who = rng.choice(made.tables[f"t_{subject}"])
        needs, now = loaded.checked.needs(target), to_datetime(some_now(rng))
        asked = Asked(loaded.engine, needs, action, subject, who, resource, context, now)
        counts += ask(asked, made, databases)
    return counts


def ask(asked: Asked, made: Database, databases: Sequence[InDatabase] = ()) -> Counter[str]:
    """Make the filter of a question, of what can be said if not all can, and hold it against decisions."""
    counts = Counter[str]()
    try:
        try:
            found = filter_of(asked, made)
        except NotPushable as problem:
            counts[f"not pushed: {problem.reason}"] += 1
            found = filter_of(asked, made, split=True)
            assert found.remaining is not None
        counts["filters"] += 1
        rows = check(asked, made, found)
        counts += Counter(dict(zip(("allowed", "denied", "unfit"), rows, strict=True)))
        counts["not said in a database"] += check_in(databases, made, found)
    except InvalidRequest:
        counts["known parts that do not fit"] += 1
    return counts


def main() -> int:
    """Hold the law on as many sets as asked; return 1 if it is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.filters.filter_law", description=__doc__)
    parser.add_argument("--sets", type=int, default=200, help="how many policy sets")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--in", dest="databases", nargs="*", default=(), help="sqlite, duckdb")
    options = parser.parse_args()
    counts, databases = Counter[str](), opened(options.databases)
    sets = [of for of in SETS_IN if of != "array" or "sqlite" not in options.databases]
    for seed in range(options.seed, options.seed + options.sets):
        try:
            counts += filters_agree(seed, 12, databases, sets)
        except Exception as problem:
            sys.stdout.write(f"seed {seed}: {problem!r}\n")
            raise
    for what, number in counts.most_common():
        sys.stdout.write(f"{number:>10,} {what}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
