"""Hold filters of any subject, at any time, against decisions: `python -m tests.filters.subject_law --sets 1000`.

Each question, of an action and a context, is made into one predicate; it is asked of every row for every subject.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import evolve

from policyengine import InvalidRequest
from policyengine.filters.predicates import CLOCK, SUBJECT, NotPushable, Predicate, negated
from policyengine.filters.row_filter import make_filter_by_subject
from policyengine.filters.row_requests import RowReader
from policyengine.model.values import to_datetime
from tests.filters import shipped_filters
from tests.filters.interpreter import Row, holds
from tests.filters.mapped_worlds import (
    Asked,
    Database,
    database_of,
    mapping_of,
    parts_of,
    some_ids,
)
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import all_targets, make_world
from tests.strategies.real_sets import SETS, requests
from tests.strategies.requests import some_attributes, some_now


def questions(rng: Random, most: int) -> Iterator[tuple[Asked, Database]]:
    """Give questions of a generated set, without a subject, about tables with a few rows of each type."""
    world = make_world(rng, rng.choice((1, 2, 2, 3)))
    try:
        loaded = load(world.sources())
    except TooCostlyError:
        return
    ill = rng.choice((0.0, 0.02, 0.1))
    mapping = mapping_of(loaded.checked.schema, rng, checked=not ill and rng.random() < 0.5)
    made = database_of(mapping, rng, some_ids(mapping, 6), ill)
    found = 0
    for _ in range(4 * most):
        target = action, subject, resource = rng.choice(all_targets(world))
        context = some_attributes(rng, tuple(world.made.context(action).values()))
        needs, now = loaded.checked.needs(target), to_datetime(some_now(rng))
        asked = Asked(loaded.engine, needs, action, subject, {}, resource, context, now)
        if _depends(asked) or rng.random() < 0.1:
            yield asked, made
            found += 1
        if found == most:
            return


def _depends(asked: Asked) -> bool:
    """Whether the answer depends on who asks and of what."""
    try:
        left = asked.engine.partial(
            action=asked.action, subject_type=asked.subject_type, now=asked.now,
            resource_type=asked.resource_type, context=asked.context,
        )  # fmt: skip
    except InvalidRequest:
        return False
    return not (left.always or left.never)


def facts_of(asked: Asked, made: Database) -> list[Any]:
    """Return the entities that the context leads to."""
    reader = RowReader(made.mapping, made.find)
    context = made.mapping.schema.actions[asked.action].context
    reader.follow(context, asked.context, asked.needs.context)
    return list(reader.entities().values())


def predicate_of(asked: Asked, made: Database) -> Predicate:
    """Return the predicate of a question, whoever asks it; raises `InvalidRequest`, `NotPushable`."""
    left = asked.engine.partial(
        action=asked.action, subject_type=asked.subject_type, resource_type=asked.resource_type,
        context=asked.context, now=asked.now, entities=facts_of(asked, made),
    )  # fmt: skip
    return make_filter_by_subject(left, made.mapping).predicate


def decided(asked: Asked, made: Database, resource: Row) -> bool | None:
    """Return whether a request is allowed, None if it is refused."""
    try:
        return asked.engine.decide(**parts_of(asked, made, dict(resource))).allowed
    except InvalidRequest:
        return None


def shipped_questions(name: str, rng: Random) -> Iterator[tuple[Asked, Database]]:
    """Give a question of a shipped set about tables around one of its requests."""
    request = rng.choice(requests(name))
    made = shipped_filters.tables_of(name, request, rng, rng.choice((0.0, 0.01, 0.05)))
    yield shipped_filters.asked_of(name, request, made), made


def all_questions(seed: int) -> Iterator[tuple[Asked, Database]]:
    """Give questions of the generated set of a seed, and of the shipped sets."""
    yield from questions(Random(seed), 3)
    for name in SETS:
        yield from shipped_questions(name, Random(seed))


def filters_agree(seed: int) -> Counter[str]:
    """Ask questions of sets; return how many rows and filters of each sort."""
    counts = Counter[str]()
    for asked, made in all_questions(seed):
        try:
            predicate = predicate_of(asked, made)
        except NotPushable as problem:
            counts[f"not pushed: {problem.reason}"] += 1
            continue
        except InvalidRequest:
            counts["contexts that do not fit"] += 1
            continue
        counts["filters"] += 1
        opposite, clock = negated(predicate), {"now": asked.now}
        subjects = made.tables[made.mapping.table_of(asked.subject_type).table]
        for row in made.tables[made.mapping.table_of(asked.resource_type).table]:
            nobody = {SUBJECT: dict.fromkeys(subjects[0]), CLOCK: clock}
            assert not holds(predicate, row, made.tables, nobody)
            for subject in subjects:
                question = evolve(asked, subject=subject)
                allowed = decided(question, made, row)
                if allowed is None and made.mapping.table_of(asked.subject_type).checked:
                    continue  # the database does not keep what is said of it
                others = {SUBJECT: subject, CLOCK: clock}
                found = holds(predicate, row, made.tables, others)
                assert found == (allowed is True), (seed, question, row, predicate)
                assert found != holds(opposite, row, made.tables, others)
                counts["unfit" if allowed is None else "allowed" if allowed else "denied"] += 1
    return counts


def main() -> int:
    """Hold the law on as many sets as asked; return 1 if it is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.filters.subject_law", description=__doc__
    )
    parser.add_argument("--sets", type=int, default=200, help="how many policy sets")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    counts = Counter[str]()
    for seed in range(options.seed, options.seed + options.sets):
        try:
            counts += filters_agree(seed)
        except Exception as problem:
            sys.stdout.write(f"seed {seed}: {problem!r}\n"[:3000])
            raise
    for what, number in counts.most_common():
        sys.stdout.write(f"{number:>10,} {what}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
