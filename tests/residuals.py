"""Hold what is left of decisions against the whole decisions: `python -m tests.residuals --requests 100000`.

Of each request, of generated policy sets and of the shipped ones, parts, paths and other entities are made unknown
at random. What is left says of the whole what is decided: allowed, exposed, masks, obligations with their
arguments; and what is kept of a request serves for those with other ids. See `tests/strategies/partial.py`.
`make exact-partial` is short for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tests.strategies import laws, partial, real_sets

_EACH = 20
_SHIPPED = 0.1  # of all requests


def main() -> int:
    """Decide as many requests as asked; return 1 if the law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.residuals", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    counts = [0, 0, 0, 0, 0]

    def law(case: laws.Case) -> None:
        counts[0] += 1
        counts[1] += partial.what_is_left_decides(case)
        counts[2] += partial.the_rest_is_decided(case)
        if counts[0] % _EACH == 0:
            counts[3] += partial.what_is_kept_serves_others(case)
            counts[4] += partial.what_is_left_holds_until(case)

    try:
        for case in _shipped(int(options.requests * _SHIPPED)):
            law(case)
        seed = options.seed
        while counts[0] < options.requests:
            laws.hold(law, seed, requests=_EACH)
            seed += 1
    except Exception as problem:  # noqa: BLE001 - whatever breaks the law, its request is to be seen
        sys.stdout.write(f"{problem}\n")
        return 1
    asked, decided, given, others, ends = counts
    sys.stdout.write(
        f"{asked:,} requests: what is left decides as the whole does; {decided:,} residuals of them are decided,"
        f" {given:,} were asked of an engine with a part, and {others:,} requests with other ids leave what is kept of them; {ends:,} hold until a moment\n"
    )
    return 0


def _shipped(count: int) -> Iterator[laws.Case]:
    each = -(-count // len(real_sets.SETS))
    for name in real_sets.SETS:
        yield from real_sets.cases(name, each)


if __name__ == "__main__":
    sys.exit(main())
