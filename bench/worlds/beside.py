"""Make a rule for each tenant, which asks something beside whose it is, or whose it is in another way."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from random import Random
from typing import Final

from attrs import frozen

from bench.rules import Parts, Plain, build_plain
from policyengine import PolicyEngine

_SEED = 20_261_202
_VOCABULARY = """package beside
entity User { tenant: string, name: string, plan: Plan }
entity Doc { kind: string, size: int, file: path }
action read by User on Doc with { addr: ip }"""

_ZONES: Final = ("Europe/Berlin", "America/New_York")


def _network(number: int) -> str:
    return f"10.{number // 256}.{number % 256}.0/24"


@frozen
class _Beside:
    """What a rule asks, by the number of its tenant, in the language and by hand.

    *alone*: without the equality, since it finds the rule itself.
    """

    condition: Callable[[int], str]
    test: Callable[[int, Plain], bool]
    alone: bool = False


_BESIDE: Final = {
    "like": _Beside(
        lambda n: f'subject.name like "u{n}*"',
        lambda n, q: q["subject"]["name"].startswith(f"u{n}"),
    ),
    "within ip": _Beside(
        lambda n: f'context.addr within ip "{_network(n)}"',
        lambda n, q: ip_address(q["context"]["addr"]) in ip_network(_network(n)),
    ),
    "!=": _Beside(
        lambda n: f'subject.name != "u{n}x"', lambda n, q: q["subject"]["name"] != f"u{n}x"
    ),
    "or": _Beside(
        lambda n: f'(resource.kind == "k{n}" or resource.size > {n})',
        lambda n, q: q["resource"]["kind"] == f"k{n}" or q["resource"]["size"] > n,
    ),
    "not in": _Beside(
        lambda n: f'subject.name not in {{"u{n}x", "v{n}"}}',
        lambda n, q: q["subject"]["name"] not in {f"u{n}x", f"v{n}"},
    ),
    "startswith": _Beside(
        lambda n: f'subject.name startswith "u{n}"',
        lambda n, q: q["subject"]["name"].startswith(f"u{n}"),
    ),
    "schedule": _Beside(
        lambda n: f'now {"not " * (n % 2)}within schedule "00:00-24:00 {_ZONES[n % 2]}"',
        lambda n, _q: n % 2 == 0,
    ),
    "within path": _Beside(
        lambda n: f'resource.file within path "/t{n}"',
        lambda n, q: q["resource"]["file"].startswith(f"/t{n}/"),
        alone=True,
    ),
    "row of a table": _Beside(
        lambda n: f"numbers[subject.plan] == {n}",
        lambda n, q: q["subject"]["plan"] == f"p{n}" and n % 2 == 0,
        alone=True,
    ),
}

NAMES: Final = tuple(_BESIDE)
ALONE: Final = frozenset(name for name, beside in _BESIDE.items() if beside.alone)


@frozen
class BesideWorld:
    """The rules, requests of them, and who decides by hand: only the rule of the tenant can apply."""

    policy: str
    requests: list[Plain]
    by_hand: Callable[[Plain], bool]


def make(name: str, size: int, count: int) -> BesideWorld:
    """Return *size* rules with *name* beside an equality, and *count* requests."""
    rng, beside = Random(_SEED), _BESIDE[name]
    plans = [f"p{n}" for n in range(size)]
    words = [
        f"enum Plan = {' | '.join(plans)}",
        f"const numbers: Plan -> int = {{ {', '.join(f'{p}: {n + n % 2 * size}' for n, p in enumerate(plans))} }}",
    ]
    tenants = ("" if beside.alone else f'subject.tenant == "t{n}" and ' for n in range(size))
    rules = (
        f"permit r{n}: read when {tenant}{beside.condition(n)}" for n, tenant in enumerate(tenants)
    )
    requests: list[Plain] = []
    for number in range(count):
        n = rng.randrange(size)
        requests.append(
            {
                "subject": {
                    "id": f"user{number}",
                    "tenant": f"t{n}",
                    "name": f"{rng.choice('uv')}{n}{rng.choice(('', 'x', 'y'))}",
                    "plan": f"p{n}",
                },
                "action": "read",
                "resource": {
                    "id": f"doc{number}",
                    "kind": f"k{rng.choice((n, size))}",
                    "size": n + rng.choice((-1, 1)),
                    "file": f"/{rng.choice('tu')}{n}/plans/2026",
                },
                "context": {"addr": _network(rng.choice((n, size))).replace("0/24", "7")},
            }
        )

    def by_hand(request: Plain) -> bool:
        return beside.test(int(request["subject"]["tenant"][1:]), request)

    return BesideWorld("\n".join((_VOCABULARY, *words, *rules)), requests, by_hand)


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "User", "Doc")
