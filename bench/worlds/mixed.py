"""Make a world of eight shapes of rules, of any size, and an index for each by hand."""

from __future__ import annotations

from bisect import bisect_right
from random import Random
from typing import Any, TypeAlias

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files, merged
from policyengine import PolicyEngine

_SEED = 20_261_126
_ACTIONS = ("read", "search", "export", "write")
_KINDS = ("post", "message", "profile", "list")
_USES = ("ads", "civic", "publishing", "research", "service", "studies", "support", "trends")
_SHAPES = 8
_WIDEST = 1_000_000

_VOCABULARY = f"""package mixed
entity App {{ account: string, plan: string, region: string, days: int, scopes: set<string>, trial: bool }}
entity Item {{ owner: string, kind: string, size: int }}
action {", ".join(_ACTIONS)} by App on Item with {{ use: string, amount: int }}"""

Row: TypeAlias = tuple[int, str, tuple[Any, ...]]
"""Which shape, the action, and the constants of a rule."""


def make(size: int, count: int) -> World:
    """Return the world of *size* rules, with *count* requests."""
    rows = _make_rows(size)
    rules = tuple(_rule(number, row) for number, row in enumerate(rows))
    return World(
        policies=in_files(_VOCABULARY, rules),
        rules=rules,
        requests=_make_requests(rows, count),
        by_hand=_ByHand(rows).decide,
        build=build,
    )


def _make_rows(size: int) -> list[Row]:
    rng = Random(_SEED)
    many = max(4, size // 8)
    rows: list[Row] = []
    for number in range(size):
        use, kind = rng.choice(_USES), rng.choice(_KINDS)
        account, low = f"app{rng.randrange(many)}", rng.randrange(_WIDEST)
        shape = number % _SHAPES
        constants: tuple[Any, ...]
        match shape:
            case 0:
                constants = account, kind, use
            case 1:
                constants = f"plan{rng.randrange(many)}", rng.randint(10, 300)
            case 2:
                constants = f"region{rng.randrange(max(2, many // 8))}", low, low + _WIDEST // 20
            case 3:
                constants = f"scope{rng.randrange(many)}", kind
            case 4:
                constants = tuple(sorted({f"app{rng.randrange(many)}" for _ in range(3)})), use
            case 5:
                constants = f"user{rng.randrange(many)}", use
            case 6:
                constants = account, rng.randint(200, 390)
            case _:
                constants = low, low + max(1, _WIDEST // size)
        rows.append((shape, rng.choice(_ACTIONS), constants))
    return rows


def _rule(number: int, row: Row) -> Rule:
    shape, action, constants = row
    tests: tuple[Check, ...]
    match shape, constants:
        case 0, (account, kind, use):
            tests = (
                Check("==", "subject.account", account),
                Check("==", "resource.kind", kind),
                Check("==", "context.use", use),
            )
        case 1, (plan, days):
            tests = Check("==", "subject.plan", plan), Check("<=", "subject.days", days)
        case 2, (region, low, high):
            tests = (
                Check("==", "subject.region", region),
                Check(">=", "resource.size", low),
                Check("<", "resource.size", high),
            )
        case 3, (scope, kind):
            tests = Check("has", "subject.scopes", scope), Check("==", "resource.kind", kind)
        case 4, (accounts, use):
            tests = Check("in", "subject.account", accounts), Check("==", "context.use", use)
        case 5, (owner, use):
            tests = Check("==", "resource.owner", owner), Check("==", "context.use", use)
        case 6, (account, days):
            tests = Check("==", "subject.account", account), Check(">", "subject.days", days)
        case _, (low, high):
            tests = (
                Check("false", "subject.trial"),
                Check(">=", "context.amount", low),
                Check("<", "context.amount", high),
            )
        case _:
            raise AssertionError(row)
    return Rule(f"r{number}", shape not in (5, 6), (action,), tests)


def _make_requests(rows: list[Row], count: int) -> list[Plain]:
    """Return requests, each drawn so that some rule is near; about half are allowed."""
    rng = Random(_SEED + 1)
    many = max(4, len(rows) // 8)
    return [_near(rng, rng.choice(rows), many, number) for number in range(count)]


def _near(rng: Random, row: Row, many: int, number: int) -> Plain:
    shape, action, constants = row
    account = f"app{rng.randrange(many)}"
    subject: dict[str, Any] = {
        "id": account, "account": account, "plan": f"plan{rng.randrange(many)}",
        "region": f"region{rng.randrange(max(2, many // 8))}", "days": rng.randint(0, 400),
        "scopes": frozenset(f"scope{rng.randrange(many)}" for _ in range(rng.randint(0, 4))),
        "trial": rng.random() < 0.8,
    }  # fmt: skip
    resource: dict[str, Any] = {
        "id": f"item{number}", "owner": f"user{rng.randrange(many)}", "kind": rng.choice(_KINDS),
        "size": rng.randrange(_WIDEST),
    }  # fmt: skip
    context: dict[str, Any] = {"use": rng.choice(_USES), "amount": rng.randrange(_WIDEST)}
    match shape, constants:
        case 0, (account, kind, use):
            subject |= {"id": account, "account": account}
            resource["kind"], context["use"] = kind, use
        case 1, (plan, days):
            subject |= {"plan": plan, "days": rng.randint(0, days + 50)}
        case 2, (region, low, _):
            subject["region"], resource["size"] = region, low + rng.randrange(_WIDEST // 10)
        case 3, (scope, kind):
            subject["scopes"] |= {scope}
            resource["kind"] = kind
        case 4, (accounts, use):
            account = rng.choice(accounts)
            subject |= {"id": account, "account": account}
            context["use"] = use
        case 5, (owner, use):
            resource["owner"], context["use"] = owner, use
        case 6, (account, _):
            subject |= {"id": account, "account": account}
        case _, (low, _):
            subject["trial"], context["amount"] = False, low
        case _:
            raise AssertionError(row)
    return {"subject": subject, "action": action, "resource": resource, "context": context}


class _ByHand:
    """A dict or sorted bounds for each shape, as a careful programmer writes them."""

    def __init__(self, rows: list[Row]) -> None:
        self._exact: set[tuple[Any, ...]] = set()
        self._most_days: dict[tuple[str, str], int] = {}
        self._sizes: dict[tuple[str, str], list[int]] = {}
        self._scopes: dict[tuple[str, str], set[str]] = {}
        self._accounts: set[tuple[str, str, str]] = set()
        self._owners: set[tuple[str, str, str]] = set()
        self._least_days: dict[tuple[str, str], int] = {}
        self._amounts: dict[str, list[int]] = {}
        sizes: dict[tuple[str, str], list[tuple[int, int]]] = {}
        amounts: dict[str, list[tuple[int, int]]] = {}
        for shape, action, constants in rows:
            first, second = constants[0], constants[1]
            match shape:
                case 0:
                    self._exact.add((action, *constants))
                case 1:
                    most = self._most_days.get((action, first), -1)
                    self._most_days[action, first] = max(most, second)
                case 2:
                    sizes.setdefault((action, first), []).append(constants[1:])
                case 3:
                    self._scopes.setdefault((action, second), set()).add(first)
                case 4:
                    self._accounts |= {(action, account, second) for account in first}
                case 5:
                    self._owners.add((action, first, second))
                case 6:
                    least = self._least_days.get((action, first), 1_000)
                    self._least_days[action, first] = min(least, second)
                case _:
                    amounts.setdefault(action, []).append((first, second))
        self._sizes = {key: merged(ranges) for key, ranges in sizes.items()}
        self._amounts = {key: merged(ranges) for key, ranges in amounts.items()}

    def decide(self, request: Plain) -> bool:
        """Decide one request."""
        app, item, context = request["subject"], request["resource"], request["context"]
        action, account, days, use = request["action"], app["account"], app["days"], context["use"]
        kind = item["kind"]
        if (action, item["owner"], use) in self._owners:
            return False
        if days > self._least_days.get((action, account), 1_000):
            return False
        if (action, account, kind, use) in self._exact or (action, account, use) in self._accounts:
            return True
        if days <= self._most_days.get((action, app["plan"]), -1):
            return True
        bounds = self._sizes.get((action, app["region"]))
        if bounds is not None and bisect_right(bounds, item["size"]) % 2:
            return True
        scopes = self._scopes.get((action, kind))
        if scopes is not None and not scopes.isdisjoint(app["scopes"]):
            return True
        if app["trial"]:
            return False
        bounds = self._amounts.get(action)
        return bounds is not None and bisect_right(bounds, context["amount"]) % 2 == 1


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "App", "Item")
