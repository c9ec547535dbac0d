"""Hold the law of `valid_until` on many requests: `python -m tests.turns --requests 100000`.

Policy sets with schedules, months, durations and dates are decided at every moment at which something
may turn, and a microsecond before; see `tests/strategies/turning.py`.
"""

from __future__ import annotations

import argparse
import sys

from tests.strategies.turning import decisions_hold_until_they_say

_EACH = 20


def main() -> int:
    """Decide as many requests as asked; return 1 if the law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.turns", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    turned = exact = 0
    seeds = range(options.seed, options.seed + -(-options.requests // _EACH))
    for seed in seeds:
        try:
            some, to_the_microsecond = decisions_hold_until_they_say(seed, _EACH)
        except AssertionError as problem:
            sys.stdout.write(f"{problem}\n")
            return 1
        turned, exact = turned + some, exact + to_the_microsecond
    sys.stdout.write(
        f"{len(seeds) * _EACH:,} requests: {turned:,} decisions end at a known moment and none later than it "
        f"changes; of {exact:,} that change by one condition, all end at that microsecond\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
