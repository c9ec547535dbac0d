"""Holds that the help of each lint rule, followed to the letter in its own example, changes no decision but those that
the finding is about, and leaves no finding of the rule. So it is with what `--fix` does, which changes none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, TypeAlias

import pytest
from attrs import frozen

from policyengine.diagnostics.source import Source
from policyengine.intake.validation import Validator
from policyengine.lint.fixing import apply_fixes
from policyengine.lint.linter import LINT_CODES, lint
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.pipeline import check_sources
from policyengine.reference.interpreter import decide

NOW = 1_795_000_000_000_000
REQUESTS = 60

Json: TypeAlias = Any
Request: TypeAlias = Mapping[str, Json]
About: TypeAlias = Callable[[Request], bool]


def checked_of(text: str):
    checked, found = check_sources({"a.policy": Source("a.policy", text)})
    assert checked is not None, [d.message for d in found.items]
    return checked


def found(checked, code: str) -> list[str]:
    return [d.message for d in lint(checked, now=NOW).items if d.code == code]


# ---- requests ---------------------------------------------------------------------------

TEXTS = {
    "string": ("", "a", "x.exe", "x.EXE", "x@example.com", "evilexample.com", "/public", "/public/a", "/public/../b"),
    "path": ("/", "/apps", "/apps/a", "/public", "/public/a"),
    "datetime": ("2000-01-01T00:00:00Z", "2026-11-18T11:00:00Z", "2030-01-01T00:00:00Z"),
    "int": (2, 3, 15, 16, 17),
    "bool": (False, True),
}  # fmt: skip


def value(rng: Random, type_: Type) -> Json:
    match type_:
        case Primitive(name):
            return rng.choice(TEXTS[name])
        case EnumType(members=members) | LevelsType(members=members):
            return rng.choice(sorted(members))
        case TaxonomyType(above=above):
            return rng.choice(sorted(above))
        case SetType(element):
            some = [value(rng, element) for _ in range(rng.choice((0, 1, 1, 2)))]
            return [one for at, one in enumerate(some) if one not in some[:at]]
        case RecordType(attributes):
            return attributes_of(rng, attributes)
        case EntityRefType(name):
            return {"type": name, "id": rng.choice("ab")}
    raise AssertionError(type_)


def attributes_of(rng: Random, attributes: tuple[Attribute, ...]) -> dict[str, Json]:
    return {a.name: value(rng, a.type) for a in attributes if not a.optional or rng.random() < 0.5}


def requests(schema, rng: Random) -> Iterator[Request]:
    """Give requests for the actions of a set."""
    targets = [
        (name, t) for name, action in sorted(schema.actions.items()) for t in sorted(action.targets)
    ]
    for _ in range(REQUESTS):
        action, (_, subject, resource) = rng.choice(targets)
        sides = {}
        for role, type_ in (("subject", subject), ("resource", resource)):
            entity = schema.entities[type_]
            above = [{"type": one, "id": "up"} for one in entity.parents if rng.random() < 0.6]
            properties = attributes_of(rng, entity.attributes)
            sides[role] = {
                "type": type_,
                "id": rng.choice("ab"),
                "properties": properties,
                "parents": above,
            }
        entities = [
            {
                "type": one["type"],
                "id": "up",
                "parents": [],
                "properties": attributes_of(rng, schema.entities[one["type"]].attributes),
            }
            for one in sides["resource"]["parents"]
        ]
        yield {
            **sides,
            "action": action,
            "context": attributes_of(rng, schema.actions[action].context.attributes),
            "entities": entities,
        }


def decisions(checked, some: list[Request]) -> Iterator[object]:
    """Give what is decided of each request, None where it does not fit."""
    validator = Validator(checked.schema, checked.needs, Limits())
    for one in some:
        try:
            request = validator.validate_parts(**fitting(one, checked.schema), now=NOW)
        except InvalidRequest:
            yield None
            continue
        outcome = decide(checked, request)
        yield outcome.allowed, outcome.exposed, outcome.masks, [o.name for o in outcome.obligations]


def fitting(request: Request, schema) -> dict[str, Json]:
    """Leave out attributes that another version of the set does not declare."""
    made = dict(request)
    for side in ("subject", "resource"):
        known = schema.entities[made[side]["type"]].by_name
        properties = {n: v for n, v in made[side]["properties"].items() if n in known}
        made[side] = {**made[side], "properties": properties}
    return made


# ---- helps ------------------------------------------------------------------------------


@frozen
class Help:
    """What the help of a rule says to write in its example: each *old* text becomes the *new* one.

    *about*: the requests of which the finding says that they are decided in another way than is meant.
    """

    changes: tuple[tuple[str, str], ...]
    about: About = lambda _: False

    def followed_in(self, text: str) -> str:
        for old, new in self.changes:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        return text


def uses(request: Request) -> set[str]:
    return set(request["subject"]["properties"]["uses"])


ACTIVE = 'test "active" { expect allow read by App "a" { status: active } on Post "p" }\n'

HELPS: Mapping[str, Help | None] = {
    "PE401": None,  # which of its conditions is wrong is not known
    "PE402": Help(((" and subject.tier != free", ""),)),
    "PE403": Help((("permit p: any when subject.tier == pro\n", ""),)),
    "PE404": Help((("permit q: any when subject.tier == pro and subject.status == active\n", ""),)),
    "PE405": Help((('forbid g: any when subject.tier < basic because "too low"\n', ""),)),
    "PE406": Help((("action write by App on Post\n", ""),), lambda r: r["action"] == "write"),
    "PE407": Help(((ACTIVE, ACTIVE + 'test "held" { expect deny read by App "a" { status: held } on Post "p" }\n'),)),
    "PE408": Help((("ads", "video"), ('test "', 'test "no video" { expect deny read by App "a" { uses: {video} } on Post "p" }\ntest "')), lambda r: "ads" in uses(r)),
    "PE409": Help((("entity User { height?: int }", "entity User"),)),
    "PE410": Help((("const limit: int = 3\n", ""),)),
    "PE411": Help((("obligation log(days: int)\n", ""),)),
    "PE412": Help((("subject.uses within research", "subject.uses touches {research}"),), lambda r: bool(uses(r) & {"research", "academic"} and uses(r) & {"ads"})),
    "PE413": Help((("when subject.status == active\n", 'when subject.status == active cites "Terms, 1"\n'),)),
    "PE414": Help((('test "', 'test "free" { expect deny read by App "a" { tier: free, status: active } on Post "p" }\ntest "'),)),
    "PE415": Help((("when subject.tier == free\n", 'when subject.tier == free because "{subject.tier} is not enough"\n'),)),
    "PE416": Help((("{subject.tier}", "{subject.status}"),)),
    "PE417": Help((('waiver w of p for App "a" until 2020-01-31 ticket "T-1" approved_by "review"\n', ""),)),
    "PE418": Help((("2999-01-31", "2027-01-31"),)),
    "PE419": None,  # which of the two moments is wrong is not known
    "PE420": Help((("from 2025-01-01\n", "from 2025-01-01 until 2026-01-01\n"),), lambda r: r["subject"]["properties"]["tier"] == "basic"),
    "PE421": Help((("from 2026-02-01", "from 2026-01-01"),)),
    "PE422": Help((("subject.tier >= free and ", ""),)),
    "PE423": Help((("subject has age and subject.age", "(subject not has age or subject.age"), (" < 16 because", " < 16) because")), lambda r: "age" not in r["subject"]["properties"]),
    "PE424": Help((("permit p: any", "permit p: read"),)),
    "PE425": Help((("permit p: any when subject.tier >= pro\n", ""),)),
    "PE426": Help((("appr0ved", "refused"),)),
    "PE427": Help((("context.at == resource.place", "context.at.city == resource.place.city"),), lambda r: "street" in r["context"].get("at", {}) or "street" in r["resource"]["properties"].get("place", {})),
    "PE428": Help((("# lint: ignore[bare-permit] everybody may\n", ""),)),
    "PE429": Help((("[bare-permit]", "[bare-permit] why it is right here"),)),
    "PE430": Help((("bare-pemit", "bare-permit"), ("permit p: any\n", "permit p: any\n"))),
    "PE431": Help((("open when ", 'open when context.prefix != "" and '),), lambda r: r["context"].get("prefix") == ""),
    "PE432": Help((("resource.name endswith", "lower(resource.name) endswith"),), lambda r: r["resource"]["properties"].get("name", "").endswith(".EXE")),
    "PE433": Help((('context.code != "" and resource.code startswith context.code', "resource.code == context.code"),), lambda r: r["context"].get("code") != r["resource"]["properties"].get("code") or r["context"].get("code") == ""),
    "PE434": Help((('endswith "example.com"', 'endswith "@example.com"'),), lambda r: "evil" in r["subject"]["properties"].get("email", "")),
    "PE435": Help((('context.file within path "/" and ', ""),)),
    "PE437": Help((("18m ", "1080s "),)),
    "PE438": Help((("13:00-17:00 UTC", "Mon-Sun 13:00-17:00 UTC"),)),
    "PE441": Help(((" for any\n", "\n"),)),
    "PE442": Help((("for pay, send", "for any on Bill"),)),
    "PE443": Help((("    expose q: any when subject.status == active and subject.tier == pro fields id as pseudonym\n", ""),)),
    "PE445": Help((("read when every", "read when size(ancestors(resource, Folder)) > 0 and (every"), ("f.viewers\n", "f.viewers)\n")), lambda r: not r["resource"]["parents"]),
    "PE450": None,  # whether the rules or the promise is wrong is not known
    "PE451": Help(
        (("invariant i", 'forbid f: read when subject.age > 0 because "x"\ninvariant i'),),
        lambda r: r["subject"]["properties"]["age"] > 0,
    ),
    "PE455": Help((("expect allow read", "at 2026-11-18 expect allow read"),)),
    "PE456": Help((("} }\n", '} expect deny read by held_app on Post "p" }\n'),)),
    "PE457": Help(((' expect allow read by app { status: active } on Post "p"', ""),)),
    "PE458": Help((('test "reading" { expect deny', 'test "reading while held" { expect deny'),)),
    "PE459": Help(((' let other = App "b" { status: active }', ""),)),
    "PE460": Help(((" by app { status: active } on", " by app on"),)),
    "PE461": Help((("name: string", "name: path"), ('like "/public/*"', 'within path "/public"')), lambda r: ".." in r["resource"]["properties"].get("name", "") or r["resource"]["properties"].get("name") == "/public"),
    "PE462": Help((('on Post "p" }\n', 'on Post "p" expect deny read by App "a" { status: held } on Post "p" }\n'),)),
    "PE464": Help((('"${context.home}"', "context.home"),), lambda r: r["resource"]["properties"].get("path", "").startswith((r["context"].get("home", ""), "${"))),
    "PE465": Help((('status: held } on Post "p" }', 'status: held } on Post "p" because f }'), ("tier == pro\n", 'tier == pro cites "Terms, 2"\n'))),
    "PE476": Help((("agreed: bool", "agreed: bool (by person)"),)),
    "PE463": Help((("subject.tier == pro and not resource.hidden", "(subject.tier == pro and not resource.hidden)"),)),
}  # fmt: skip
"""For each lint rule, its help followed in its example; None if it offers nothing to write."""


def test_there_is_a_help_for_each_lint_rule():
    assert set(LINT_CODES) == set(HELPS)


@pytest.mark.parametrize(
    "code",
    [LINT_CODES[number] for number, help in HELPS.items() if help],
    ids=lambda code: code.slug,
)
def test_a_help_changes_no_decision_but_those_that_the_finding_is_about(code):
    help = HELPS[code.number]
    before, after = checked_of(code.example), checked_of(help.followed_in(code.example))
    assert len(found(after, code.number)) < len(found(before, code.number))
    some = list(requests(before.schema, Random(code.number)))
    each = list(zip(some, decisions(before, some), decisions(after, some), strict=True))
    changed = [request for request, one, other in each if None not in (one, other) and one != other]
    assert [request for request in changed if not help.about(request)] == []
    assert any(one is not None and other is not None for _, one, other in each)


@pytest.mark.parametrize("code", LINT_CODES.values(), ids=lambda code: code.slug)
def test_a_fix_changes_no_decision(code):
    before = checked_of(code.example)
    done = apply_fixes(before, lambda c: lint(c, now=NOW), lambda s: check_sources(s)[0])
    if not done.count:
        return
    after = checked_of(done.sources["a.policy"].text)
    some = list(requests(before.schema, Random(code.number)))
    assert list(decisions(before, some)) == list(decisions(after, some))
