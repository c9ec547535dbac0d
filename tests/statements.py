"""Compare what reports say with what is decided: `python -m tests.statements --statements 100000`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random

from tests.strategies.report_statements import statements

SETS = sorted(path for path in Path("policies").iterdir() if path.is_dir())


def main() -> int:
    """Compare as many statements as asked; return 1 if one disagrees."""
    parser = argparse.ArgumentParser(prog="python -m tests.statements", description=__doc__)
    parser.add_argument("--statements", type=int, default=100_000, help="how many at least")
    parser.add_argument(
        "--each", type=int, default=20, help="how many combinations of each action in a round"
    )
    options = parser.parse_args()
    compared, seed = 0, 0
    while compared < options.statements:
        for path in SETS:
            for count, disagreement in statements(str(path), options.each, Random(seed)):
                compared += count
                if disagreement:
                    sys.stdout.write(f"{path}: {disagreement}\n")
                    return 1
        seed += 1
    sys.stdout.write(f"{compared:,} statements: none disagrees\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
