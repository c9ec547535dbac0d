"""A vocabulary of 768 requests for each action, and conditions over it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain, combinations, product
from random import Random

from policyengine.diagnostics.source import Source
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.semantics.checker import check
from policyengine.syntax.parser import parse

WORDS = """\
package small
levels Tier = free < basic < pro
enum Status = active | held
taxonomy Use { research { academic } ads }
entity App { tier: Tier, status: Status, uses: set<Use>, age?: int }
entity Post { hidden: bool, tag: string }
action read, write by App on Post
const many: set<Use> = {academic, ads}
const shown: {hidden: bool} = {hidden: false}
const limits: Tier -> int = { free: 16, basic: 18, pro: 18 }
const wanted: Tier -> set<Use> = { free: {ads}, basic: {}, pro: {academic, ads} }
const fit: Use -> Tier -> bool = {
    research: { free: true, basic: false, pro: true }, ads: { free: false, basic: false, pro: false },
}
define adult(app: App) = app has age and app.age >= 18
"""

ACTIONS = ("read", "write")

ATOMS = (
    "subject.tier == pro", "subject.tier < basic", "subject.tier >= basic", "subject.tier != free",
    "subject.tier <= basic", "subject.tier > free", "subject.status not in {held}",
    "subject.status == active", "subject.status in {active, held}", "resource.hidden",
    'resource.tag like "ad*"', 'resource.tag startswith "ad"', "(some use in subject.uses: use touches {research})",
    "subject.uses touches {academic}", "subject.uses within research", "subject.uses overlaps many",
    "many subset subject.uses", "ads in subject.uses", "subject.uses == {}", "size(subject.uses) > 1",
    "(every use in subject.uses: use within research)", "adult(subject)",
    "(subject has age and subject.age < 16)", "not (subject has age)",
    "(if subject.status == held then resource.hidden else subject.tier == basic)",
    "(subject has age and subject.age < limits[subject.tier])", "subject.uses overlaps wanted[subject.tier]",
    "(some use in subject.uses: fit[use][subject.tier])", "limits[subject.tier] == 18",
)  # fmt: skip
"""Conditions of which everything is known: what is claimed of them is claimed just where it is so."""

ROUGH = (
    "(subject has age and subject.age + 100 > 116)", "(subject has age and subject.age - 90 > -74)",
    "(subject has age and 100 * subject.age <= 1600)", "(subject has age and -subject.age < -16)",
    'resource.tag endswith "s"', 'resource.tag not contains "d"', 'resource.tag != "adx"',
    'lower(resource.tag) == "ads"', "size(resource.tag) == 3", 'lower(resource.tag) != "ads"',
    'now within schedule "Thu 00:00-01:00 UTC"', 'now not within schedule "00:00-24:00 UTC"',
    "(subject has age and 1970-01-31 + 1mo > now)", "-1mo < (if subject has age then 0mo else -2mo)",
    'subject == App "a"', 'resource.tag == "ad"', "{hidden: resource.hidden} == shown",
    "(some post in ancestors(resource, Post): post.hidden)", "size(ancestors(subject, App)) > 1",
)  # fmt: skip
"""Conditions of which not all is known: what is claimed of them is so, and not all of it is claimed."""


def some_condition(rng: Random, depth: int = 2, atoms: Sequence[str] = ATOMS) -> str:
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(atoms)
    parts = [some_condition(rng, depth - 1, atoms) for _ in range(rng.choice((1, 2, 2, 3)))]
    if len(parts) == 1:
        return f"not ({parts[0]})"
    return "(" + rng.choice((" and ", " or ")).join(parts) + ")"


def checked_of(text: str):
    words, rules = vocabulary(), Source("rules.policy", f"package small\n{text}")
    file, problems = parse(rules)
    assert file is not None, [d.message for d in problems]
    sources = {"s.policy": Source("s.policy", WORDS), rules.name: rules}
    checked, found = check([words, file], sources, Limits())
    assert checked is not None, [d.message for d in found]
    return checked


@cache
def vocabulary():
    file, problems = parse(Source("s.policy", WORDS))
    assert file is not None, [d.message for d in problems]
    return file


def every_request(action="read"):
    uses = ("research", "academic", "ads")
    some = [list(s) for s in chain.from_iterable(combinations(uses, n) for n in range(4))]
    ages = ({}, *({"age": n} for n in (15, 16, 18)))
    for tier, status, use, age, hidden, tag in product(
        ("free", "basic", "pro"), ("active", "held"), some, ages, (False, True), ("ads", "news")
    ):
        properties = {"tier": tier, "status": status, "uses": use, **age}
        yield {
            "subject": {"type": "App", "id": "a", "properties": properties},
            "action": action,
            "resource": {"type": "Post", "id": "p", "properties": {"hidden": hidden, "tag": tag}},
        }


@cache
def validated_requests(action="read"):
    checked = checked_of("permit p: any when resource.hidden and " + " and ".join(ATOMS) + "\n")
    validator = Validator(checked.schema, checked.needs, Limits())
    return [validator.validate_parts(**given, now=0) for given in every_request(action)]
