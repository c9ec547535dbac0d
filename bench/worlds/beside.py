"""Make a rule for each tenant, which asks something beside whose it is that no table answers."""

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
entity User { tenant: string, name: string }
entity Doc { kind: string, size: int }
action read by User on Doc with { addr: ip }"""


def _network(number: int) -> str:
    return f"10.{number // 256}.{number % 256}.0/24"


@frozen
class _Beside:
    """What a rule asks, by the number of its tenant, in the language and by hand."""

    condition: Callable[[int], str]
    test: Callable[[int, Plain], bool]


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
}

NAMES: Final = tuple(_BESIDE)


@frozen
class BesideWorld:
    """The rules, requests of them, and who decides by hand: only the rule of the tenant can apply."""

    policy: str
    requests: list[Plain]
    by_hand: Callable[[Plain], bool]


def make(name: str, size: int, count: int) -> BesideWorld:
    """Return *size* rules with *name* beside an equality, and *count* requests."""
    rng, beside = Random(_SEED), _BESIDE[name]
    rules = (
        f'permit r{n}: read when subject.tenant == "t{n}" and {beside.condition(n)}'
        for n in range(size)
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
                },
                "action": "read",
                "resource": {
                    "id": f"doc{number}",
                    "kind": f"k{rng.choice((n, size))}",
                    "size": n + rng.choice((-1, 1)),
                },
                "context": {"addr": _network(rng.choice((n, size))).replace("0/24", "7")},
            }
        )

    def by_hand(request: Plain) -> bool:
        return beside.test(int(request["subject"]["tenant"][1:]), request)

    return BesideWorld("\n".join((_VOCABULARY, *rules)), requests, by_hand)


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before."""
    return build_plain(engine, request, "User", "Doc")
