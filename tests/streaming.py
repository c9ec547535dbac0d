"""Decide about millions of requests from an iterator, and hold that memory stays bounded.

`python -m tests.streaming --count 5000000` asks so many of an engine, a bound subject and a cache each, of which no two
are equal, and fails where the process takes more than 200 MB at its peak.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from policyengine import Decision, DecisionCache, PolicyEngine

MOST: int = 200
"""Megabytes that the process may take."""

POLICY = """
package streaming
entity User { suspended: bool, level: int }
entity Document { owner: User, secret?: bool }
action read by User on Document with { purpose?: string }
permit own: read when resource.owner == subject
permit high: read when subject.level > 5
forbid suspended: any when subject.suspended
forbid secret: read when resource has secret and resource.secret and not (context has purpose)
"""


def subject(number: int) -> dict[str, Any]:
    """Return the subject of a request."""
    properties = {"suspended": number % 7 == 0, "level": number % 10}
    return {"type": "User", "id": f"u{number}", "properties": properties}


def resource_(number: int) -> dict[str, Any]:
    """Return the resource of a request."""
    owner = {"type": "User", "id": f"u{number - number % 3}"}
    return {"type": "Document", "id": f"d{number}", "properties": {"owner": owner}}


def streams(engine: PolicyEngine, count: int) -> dict[str, Iterator[Decision]]:
    """Return the decisions on so many requests, by what decides."""
    numbers = range(1, count + 1)
    asked = [((subject(n), "read", resource_(n), None) for n in numbers) for _ in range(2)]
    bound = engine.bind(engine.entity("User", "u3", suspended=False, level=1))
    return {
        "engine": engine.decide_each(asked[0]),
        "cache": DecisionCache(engine).decide_each(asked[1]),
        "bound": bound.decide_each(("read", resource_(n), None) for n in numbers),
    }


def megabytes() -> float:
    """Return the most memory that the process took so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20) if sys.platform == "darwin" else most / (1 << 10)


def main() -> int:
    """Decide as many as asked; return 1 if that took too much memory."""
    parser = argparse.ArgumentParser(prog="python -m tests.streaming", description=__doc__)
    parser.add_argument("--count", type=int, default=5_000_000, help="requests of each")
    count = parser.parse_args().count
    engine = PolicyEngine.from_text(POLICY)
    for name, decisions in streams(engine, count).items():
        start = time.process_time()
        allowed = sum(decision.allowed for decision in decisions)
        seconds, peak = time.process_time() - start, megabytes()
        sys.stdout.write(
            f"{name}: {count:,} requests, {allowed:,} allowed, {seconds:.0f} s of CPU time, {peak:.0f} MB at most\n"
        )
        sys.stdout.flush()
        if peak > MOST:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
