"""What `lint --fix` leaves decides as before, on any policy set."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from msgspec.structs import replace

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.fixing import apply_fixes
from policyengine.lint.linter import lint
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from tests.strategies import seeds
from tests.strategies.loading import TooCostlyError, load
from tests.strategies.policies import make_world
from tests.strategies.requests import make_request

_FIXING = Configuration(
    frozenset({"unused-definition", "duplicate-rule", "expired-waiver", "unused-ignore"})
)


def again(text: str, rng: Random) -> str:
    """Return policy text with some of its rules written twice, an idle ignore and a definition."""
    lines = text.rstrip().splitlines()
    rules = [n for n, line in enumerate(lines) if line.lstrip().startswith(("permit ", "forbid "))]
    for n in sorted(rng.sample(rules, min(3, len(rules))), reverse=True):
        if n + 1 == len(lines) or not lines[n + 1].startswith("        "):  # it is whole
            head, colon, rest = lines[n].partition(":")
            lines.insert(n + 1, f"{head}_twice{colon}{rest}")
    idle = f"const idle_{rng.randrange(10**6)}: int = 1"
    return "\n".join([*lines, "# lint: ignore[version-gap] no more", "", idle]) + "\n"


def test_what_is_left_decides_as_before():
    seen: Counter[str] = Counter()

    @settings(max_examples=15)
    @given(seeds.SEEDS)
    def check(seed):
        rng = Random(seed)
        world = make_world(rng, 1)
        texts = {name: again(text, rng) for name, text in world.sources().items()}
        try:
            loaded = load(texts)
        except TooCostlyError:
            return
        now = make_request(rng, world)["now"]
        fixed = apply_fixes(
            loaded.checked,
            lambda checked: lint(checked, _FIXING, now=now),
            lambda sources: check_sources(sources)[0],
        )
        assert fixed.count
        after, _ = check_sources({n: Source(n, s.text) for n, s in fixed.sources.items()})
        assert after is not None
        seen["rules"] += len(loaded.checked.rules) - len(after.rules)
        for _ in range(4):
            given = {**make_request(rng, world), "now": now}
            request = loaded.request(**given)
            one, other = (interpreter.decide(c, request) for c in (loaded.checked, after))
            assert replace(one, rules=(), advisories=()) == replace(other, rules=(), advisories=())
            assert set(other.rules) <= set(one.rules)
            seen["requests"] += 1

    check()
    assert seen["rules"]
    assert seen["requests"]
