"""Make texts that are nearly policies, and texts that are nothing of the kind."""

from __future__ import annotations

import re
from random import Random

from hypothesis import strategies

from policyengine.syntax.operators import OPERATORS
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
    "fields a as year, b", "never expose a as digits(1) of any", "let a = b", "for t in T: r by U on U", "expect {", "a, b: deny",
    "const t: T -> int = {", "->", "[", "]", "t[a]", "1_000", "int (count of U by subject", "per day)", "with office",
    "then", "else", '"a{b}"', "1", "1.5", "24h", "2026-01-01",
    *dict.fromkeys(row.word for row in OPERATORS.values()),
)  # fmt: skip

SOUP = strategies.lists(strategies.sampled_from(WORDS), max_size=40).map(" ".join)
"""Words of the language in any order: these shrink well."""

TEXTS = strategies.one_of(strategies.text(max_size=200), SOUP, SOUP.map("package p\n{}".format))


# ---- layout -----------------------------------------------------------------------------

_TEST = """
test "what {} is for" {{
    let one = {entity} "x1" under {{{entity} "x2", {entity} "x3"}} {{ alpha: 1, when: {{beta: "\\u00e9", size: {{}}}} }}
    let other = one {{ alpha: -1 }}
    at 2026-01-01T00:00:00Z
    expect allow act0 by one on other with {{ kind: {{one, other}}, label: ip "10.0.0.0/8" }} asking {{id as pseudonym, when}}
        because use.a_0, scope.b fields {{id}} oblige owe0(24h, -1.50) refer "team" reason "part" cause permitted
    expect deny act0 by {entity} "x1" on {entity} "x2" under {entity} "x3"
    for each_one in p.Tier: act0 by one {{ alpha: each_one }} on shared with {{ kind: {{}} }} asking {{}}
        expect {{ free, Tier.basic: deny, "pro": allow fields {{alpha as digits(1), id}} because use.a_0 true: deny refer "team" }}
}}
const rows: p.Tier -> Scope -> {{a: int}} = {{ free: {{ "tweet.read": {{a: 1_000}} }}, "if": {{}}, pro: shared.t[Tier.basic][red] }}
action count in g by U on U with {{ n: int (count of act0, p.g0 by subject.self and action.name per 90m), m: int (count of
    U by resource) }}
let office = {{ kind: {{}}, label: one }}
test "contexts" {{
    let here = office {{ kind: {{one}} }}
    expect allow act0 by one on other with here asking {{id}}
    expect deny act0 by one on other with p.office
    for each_one in bool: act0 by one on other with here {{ kind: {{}} }} expect {{ true, false: deny }}
}}
let shared = {entity} "x1" {{ when: every_one {{ beta: 1 }} }}
"""  # fmt: skip


def laid_out_anyhow(seed: int) -> str:
    """Return the text of a policy set with odd spaces, line ends and comments between words."""
    rng = Random(seed)
    world = make_world(rng, rng.choice((1, 2, 3)))
    text = rng.choice(list(world.sources().values()))
    if rng.random() < 0.5:
        text += _TEST.format("it", entity=next(iter(world.made.entities)))
    chance = rng.choice((0.0, 0.02, 0.2))
    end = rng.choice(("\n", "\n", "\r\n"))
    made = []
    for number, token in enumerate(_TOKEN.findall(text)):
        made.append(token if not token.isspace() else rng.choice((" ", " ", end, end * 3, "\t")))
        may_stand_apart = token.isspace() or token in "{},()"
        if may_stand_apart and rng.random() < chance:
            made.append(f"{rng.choice(('', ' ', end))}#{rng.choice(('', ' ', '#'))}{number} é{end}")
    return "".join(made)
