"""Hold the laws on generated policy sets for as long as asked: `python -m tests.fuzz --seconds 60`.

Prints the smallest counterexample found and the seed that gives it again (`--seed S --once`).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from random import Random

from tests.strategies import (
    clocks,
    entry_points,
    fast_paths,
    laws,
    partial,
    privacy,
    reverse,
    undeclared,
)

LAWS: tuple[laws.Law, ...] = (
    laws.reference_is_sound,
    laws.reference_holds_until,
    laws.a_rule_more_only_adds,
    laws.order_changes_nothing,
    laws.leaving_out_opens_nothing,
    laws.compiled_agrees,
    laws.every_entry_point_agrees,
    laws.the_fast_path_agrees,
    fast_paths.what_a_fast_path_takes_is_valid,
    fast_paths.every_text_gets_the_same_answer,
    fast_paths.what_was_built_is_read_as_it_is,
    fast_paths.what_parts_bring_along_decides,
    entry_points.every_entry_point_reads_the_same,
    undeclared.dropping_changes_nothing_or_denies,
    privacy.private_values_show_in_no_text,
    clocks.what_is_kept_holds_from_a_moment_until_a_moment,
    laws.failures_agree_and_open_nothing,
    laws.compiled_holds_until,
    laws.what_was_kept_agrees,
    laws.what_is_offered_allows,
    partial.what_is_left_decides,
    partial.the_rest_is_decided,
    partial.the_text_means_the_same,
    partial.what_is_kept_serves_others,
    partial.what_is_left_holds_until,
    reverse.searches_find_what_trying_finds,
)


def main() -> int:
    """Run until the time is over or a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=math.inf, help="how long to go on")
    parser.add_argument(
        "--seed", type=int, default=None, help="the first seed; random if not given"
    )
    parser.add_argument("--law", default="", help="only laws whose name contains this")
    parser.add_argument("--once", action="store_true", help="try the one seed only")
    parser.add_argument("--requests", type=int, default=25, help="requests for each policy set")
    options = parser.parse_args()
    seed = Random().randrange(10**9) if options.seed is None else options.seed
    chosen = [law for law in LAWS if options.law in law.__name__]
    end, tried = time.monotonic() + options.seconds, 0
    while True:
        for law in chosen:
            try:
                tried += laws.hold(law, seed, requests=options.requests)
            except Exception as problem:  # noqa: BLE001
                sys.stdout.write(
                    f"seed {seed}, {law.__name__}: {type(problem).__name__}: {problem}\n"
                )
                return 1
        seed += 1
        if options.once or time.monotonic() > end:
            sys.stdout.write(f"{tried:,} requests hold the laws; the next seed is {seed}\n")
            return 0


if __name__ == "__main__":
    sys.exit(main())
