"""Make a world with a rule for each customer and purpose, of any size, and an index by hand."""

from __future__ import annotations

from random import Random
from typing import TypeAlias

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files
from policyengine import PolicyEngine

Row: TypeAlias = tuple[str, str, str, str, int]
"""App, action, kind, use and the most days since a review: what one rule permits."""

_SEED = 20_261_125
_ACTIONS = ("read", "search", "stream", "export", "write", "match", "rate", "send", "follow", "list",
            "mute", "block")  # fmt: skip
_KINDS = ("post", "message", "profile", "list")
_USES = ("ads", "civic", "publishing", "research", "service", "studies", "support", "trends")

_VOCABULARY = f"""package customers
entity App {{ account: string, days_since_review: int }}
entity Item {{ kind: string }}
action {", ".join(_ACTIONS)} by App on Item with {{ use: string }}"""


def make(size: int, count: int) -> World:
    """Return the world of *size* rules, with *count* requests."""
    rows = make_rows(size)
    rules = tuple(_rule(number, row) for number, row in enumerate(rows))
    return World(
        policies=in_files(_VOCABULARY, rules),
        rules=rules,
        requests=make_requests(rows, count),
        by_hand=ByHand(rows).decide,
        build=build,
    )


def make_rows(count: int) -> list[Row]:
    """Return what *count* rules permit, always the same, no two alike; four to an app."""
    rng = Random(_SEED)
    apps = max(1, count // 4)
    seen: dict[tuple[str, str, str, str], int] = {}
    while len(seen) < count:
        app = f"app{len(seen) % apps}"
        key = app, rng.choice(_ACTIONS), rng.choice(_KINDS), rng.choice(_USES)
        seen.setdefault(key, rng.randint(90, 365))
    return [(*key, days) for key, days in seen.items()]


def _rule(number: int, row: Row) -> Rule:
    app, action, kind, use, days = row
    tests = (
        Check("==", "subject.account", app),
        Check("==", "resource.kind", kind),
        Check("==", "context.use", use),
        Check("<=", "subject.days_since_review", days),
    )
    return Rule(f"r{number}", True, (action,), tests)


def make_requests(rows: list[Row], count: int) -> list[Plain]:
    """Return *count* requests: half are permitted by some rule, the others miss one narrowly."""
    rng = Random(_SEED + 1)
    requests: list[Plain] = []
    for number in range(count):
        app, action, kind, use, days = rng.choice(rows)
        since = rng.randint(0, days)
        if number % 2:
            match rng.randrange(3):
                case 0:
                    since = 400
                case 1:
                    use = "none"
                case _:
                    kind = "none"
        requests.append(
            {
                "subject": {"id": app, "account": app, "days_since_review": since},
                "action": action,
                "resource": {"id": f"item{number}", "kind": kind},
                "context": {"use": use},
            }
        )
    return requests


class ByHand:
    """A dict index as a careful programmer writes it: by app and action, to a few rows."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        for app, action, kind, use, days in rows:
            self._rows.setdefault((app, action), []).append((kind, use, days))

    def decide(self, request: Plain) -> bool:
        """Decide one request."""
        app, item, context = request["subject"], request["resource"], request["context"]
        for kind, use, days in self._rows.get((app["account"], request["action"]), ()):
            if item["kind"] == kind and context["use"] == use and app["days_since_review"] <= days:
                return True
        return False


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "App", "Item")
