"""Make texts that are nearly policies, and texts that are nothing of the kind."""

from __future__ import annotations

import re
from random import Random

from hypothesis import strategies

from tests.strategies.policies import make_world

_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|\w+|.', re.DOTALL)
_ODD = (
    "(", ")", "{", "}", '"', "\\", ",", ":", ".", "<", "=", "?", "-", "#", "\n", "\r\n", "\0", "\t",
    "\ufeff", "\u202e", "\u0430", "é", "{{", "not", "in", "permit", "gate", "when", "every", "ip",
    "1.", "00", "9" * 30, "2026-13-01", "1h1h", "{x", "}", "\\u0000", "\\q", "_", "package",
)  # fmt: skip


def damaged_policy(seed: int) -> str:
    """Return the text of a policy set in which a few words were lost, moved, doubled or changed."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 2)))
    tokens = _TOKEN.findall(next(iter(world.sources().values())))
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(tokens))
        match rng.choice(("drop", "double", "swap", "odd", "cut", "copy")):
            case "drop":
                del tokens[at]
            case "double":
                tokens.insert(at, tokens[at])
            case "swap":
                other = rng.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "odd":
                tokens.insert(at, rng.choice(_ODD))
            case "cut":
                del tokens[at + rng.randint(0, 3) :]
            case _:
                tokens.insert(at, rng.choice(tokens))
        if not tokens:
            break
    return "".join(tokens)


WORDS = (
    *_ODD, "permit a: any", "forbid", "expose", "when x", "unless", "subject", "resource.a", "now",
    "enum E = a | b", "entity U", "action r by U on U", "levels", "taxonomy T {", "test", "expect",
    "allow", "define f(x: int) = x", "const", "set<", "size(", "waiver", "invariant", "never", "if",
    "then", "else", "has", "like", '"a{b}"', "1", "1.5", "24h", "2026-01-01", "within", "touches",
)  # fmt: skip

SOUP = strategies.lists(strategies.sampled_from(WORDS), max_size=40).map(" ".join)
"""Words of the language in any order: these shrink well."""

TEXTS = strategies.one_of(strategies.text(max_size=200), SOUP, SOUP.map("package p\n{}".format))
