"""Holds each lint rule to its own examples, and the shipped policies to all of them."""

import re
from pathlib import Path

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.linter import LINT_CODES, SLUGS, lint
from policyengine.lint.rules import RULES
from policyengine.pipeline import check_sources
from tests.strategies.real_sets import loaded
from tests.whole import some

NOW = 1_795_000_000_000_000


def findings(text, select=SLUGS):
    checked, found = check_sources({"a.policy": Source("a.policy", text)})
    assert checked is not None, [d.message for d in found.items]
    return lint(checked, Configuration(frozenset(select)), now=NOW).items


@pytest.mark.parametrize("code", LINT_CODES.values(), ids=lambda code: code.slug)
def test_the_example_breaks_the_rule_and_what_to_write_instead_does_not(code):
    assert code.number in {d.code for d in findings(code.example)}
    assert code.number not in {d.code for d in findings(code.instead)}


@pytest.mark.parametrize("code", LINT_CODES.values(), ids=lambda code: code.slug)
def test_what_to_write_instead_is_clean_but_for_what_an_example_is_too_short_for(code):
    short = {"unused-attribute", "unused-enumerator", "unused-term", "untested-rule"}
    assert [d.message for d in findings(code.instead, SLUGS - short)] == []


def test_rules_are_told_apart():
    assert len({rule.code.slug for rule in RULES}) == len({rule.code.number for rule in RULES})


@pytest.mark.parametrize(
    "name", some(["workspace", "hospital", "x"], 3)
)  # `make check` lints all of them
def test_the_shipped_policies_have_no_finding(name):
    assert [f"{d.code} {d.message}" for d in lint(loaded(name).checked, now=NOW).items] == []


WORDS = """\
package docs
levels Tier = free < basic < pro
enum Status = active | held | gone
taxonomy Use { research { academic } ads { video } }
entity App { tier: Tier, status: Status, uses: set<Use>, age?: int, others: set<App>, on: bool, use: Use, kinds: set<Kind> }
entity Post { owner: App, hidden: bool, at: datetime }
enum Kind = "a.b" | "x.y" | last | more | "z"
group api having { needs: set<Kind> }
action read, write in api by App on Post with { why?: set<Use> } having { needs: {"a.b"} }
"""


EMPTY = '\ntest "t" {}\n'
"""A test, so that what is reported in sets with tests alone is."""


def slugs(text, *select):
    return [LINT_CODES[d.code].slug for d in findings(WORDS + text + EMPTY, select or SLUGS)]


@pytest.mark.parametrize(
    ("rules", "slug", "count"),
    [
        ("permit p: any when subject.tier > basic unless subject.tier == pro", "unsatisfiable-rule", 1),
        ("permit p: any when subject.on or not subject.on", "constant-condition", 1),
        ("permit p: any when if subject.on then resource.hidden else false", "constant-condition", 0),
        ("permit p: any when if subject.on then true else resource.hidden", "constant-condition", 0),
        ("permit p: any when resource.hidden and true", "constant-condition", 1),
        ("permit p: any when subject.on and (subject.on or resource.hidden)", "constant-condition", 1),
        ("permit p: any when subject.uses within research and academic in subject.uses",
         "constant-condition", 0),
        ("permit p: any when resource.owner == subject and resource.owner.on == subject.on",
         "constant-condition", 1),
        ("define big(app: App) = app.tier >= free\npermit p: any when big(subject)", "trivial-level-comparison", 1),
        ('define young(app: App) = app has age and app.age < 16\nforbid f: any when young(subject) because "x"',
         "forbid-escaped-by-absence", 1),
        ('define ads_only(app: App) = app.uses within ads\nforbid f: any when ads_only(subject) because "x"',
         "within-for-touches", 1),
        # decided for one action and not for the other: constant for neither
        ('permit p: any when action.name == "read"', "constant-condition", 0),
        ('permit p: read when subject.on\nforbid f: any when subject.on because "x"',
         "shadowed-rule", 1),
        ('permit p: any when subject.on\nforbid f: write when subject.on because "x"',
         "shadowed-rule", 0),
        # arithmetic that cannot be tried out matters only where nothing else has settled it
        ('permit p: any when subject.on and now - resource.at > 3d\nforbid f: any when subject.on because "x"',
         "shadowed-rule", 1),
        ('permit p: any when now - resource.at > 3d and subject.on\nforbid f: any when subject.on because "x"',
         "shadowed-rule", 0),
        ('permit p: any when subject.on and now - resource.at > 3d\nforbid f: any when subject.on and now - resource.at > 2d because "x"', "shadowed-rule", 0),
        ('permit p: any when subject.on\nforbid f: any when subject.on because "x" until 2026-01-01',
         "shadowed-rule", 0),
        ('permit p: any when subject.on waivable\nforbid f: any when subject.on because "x"',
         "shadowed-rule", 0),
        ("permit p: any when subject.on\npermit q: any when subject.on", "superfluous-permit", 0),
        ("permit p: any when subject.on\npermit q: any when subject.on", "duplicate-rule", 1),
        # each is covered by the others, and one of them can be left out
        ("permit p: any when subject.on or resource.hidden\npermit q: any when not subject.on\npermit r: any when subject.on",
         "superfluous-permit", 1),
        ("permit p: any when subject.on\npermit q: read when subject.on and resource.hidden",
         "superfluous-permit", 1),
        ("permit p: any when subject.on\npermit q: any when not (not subject.on)", "duplicate-rule", 1),
        ("permit p: any when subject.on or resource.hidden\npermit q: any when resource.hidden or subject.on",
         "duplicate-rule", 1),
        ("permit p: read when subject.on\npermit q: write when subject.on", "duplicate-rule", 0),
        ("permit p: any when subject.on\npermit q: any when subject.on from 2027-01-01", "duplicate-rule", 0),
        ('forbid f: any when context has why and context.why touches {ads} because "x"',
         "forbid-escaped-by-absence", 1),
        ('forbid f: any when subject.on unless context has why and context.why within research because "x"',
         "forbid-escaped-by-absence", 0),
        ('forbid f: any when subject.on or context has why and context.why touches {ads} because "x"',
         "forbid-escaped-by-absence", 0),
        ("permit p: any when subject has age and subject.age > 16\npermit q: any when subject has age and subject.age > 18", "laxer-limit", 1),
        ("permit p: any when subject.tier >= basic\npermit q: any when subject.tier >= pro", "laxer-limit", 1),
        ("permit p: any unless subject.tier < basic\npermit q: any unless subject.tier < pro", "laxer-limit", 1),
        ('forbid f: any when subject.uses within {ads, academic} because "x"', "within-for-touches", 1),
        ('forbid f: any when subject.uses within academic because "x"', "within-for-touches", 0),
        ('forbid f: any when subject.uses within resource.owner.uses because "x"', "within-for-touches", 0),
        # a label of what is stored is as precise as it can be
        ('forbid f: any when subject.use within academic because "x"', "within-for-touches", 0),
        ('forbid f: any when subject.use within {academic, research} because "x"', "within-for-touches", 0),
        ('forbid f: any when subject.use within research because "x"', "within-for-touches", 0),
        ("permit p: any when subject.use within academic", "within-for-touches", 0),
        # what actions need is what they give by `having`
        ("permit p: any when action.needs subset subject.kinds", "unused-enumerator", 1),
        ('permit p: any when subject.kinds subset action.needs and "x.y" in subject.kinds', "unused-enumerator", 1),
        ('permit p: any when action.name == "read"', "unreachable-action", 1),
        ('permit p: any when action.name == "read" waivable', "unreachable-action", 0),
        ("permit p: read when subject.on\nadvisory permit q: write when subject.on", "unreachable-action", 0),
        ("permit p: any when subject.on and not subject.on", "unreachable-action", 0),
        ("permit p: read when subject.on from 2026-01-01 until 2025-01-01", "empty-validity", 1),
        ('field gate view "?"\ngate view {\npermit p: any fields at as day\npermit q: any when subject.on fields at as year, id\n}', "mask-never-shown", 1),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\npermit q: any when subject.on fields at as year, id\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\nexpose q: any when subject.on fields at as day\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\nexpose q: any when subject.on fields at\nexpose r: any when not subject.on fields at as day\n}', "mask-never-shown", 1),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\nadvisory expose q: any fields at\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year waivable\nexpose q: any fields at\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\nexpose q: any fields at until 2027-01-01\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields at as year\nexpose q: read fields at\n}', "mask-never-shown", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields all\nexpose q: read when subject.on fields at as day, hidden as present\n}', "mask-never-shown", 2),
        ('field gate view "?"\ngate view {\npermit p: any fields all\nexpose q: any when subject.on and not subject.on fields at as day\n}', "mask-never-shown", 0),
        ("permit p: any when free <= subject.tier", "trivial-level-comparison", 1),
        ("permit p: any when subject.tier > pro", "trivial-level-comparison", 1),
        ("permit p: any when subject.tier <= basic", "trivial-level-comparison", 0),
        ('permit p: any when subject.on because "{resource.owner.on}"', "irrelevant-reason", 1),
        ('permit p: any when resource.owner == subject because "{resource.owner} {subject.id}"',
         "irrelevant-reason", 0),
        ('field gate view "?"\ngate view {\npermit p: any fields id\nexpose q: any when subject.on otherwise "{subject.on}" fields at\n}', "irrelevant-reason", 0),
        ('field gate view "?"\ngate view {\npermit p: any when subject.on fields id\nexpose q: any when resource.hidden otherwise "{subject.on}" fields at\n}', "irrelevant-reason", 1),
        ("permit p: any when subject.status == active", "unused-enumerator", 1),
        ("permit p: any when subject.status == resource.owner.status or subject.status == active",
         "unused-enumerator", 0),
        # one side is written, if by way of a definition
        ("define wanted(app: App) = if app.on then active else held\npermit p: any when wanted(subject) == resource.owner.status", "unused-enumerator", 1),
        ("define found(app: App) = if app.on then active else app.status\npermit p: any when found(subject) == resource.owner.status", "unused-enumerator", 0),
        ("permit p: any when subject.uses touches {ads}", "unused-term", 1),
        ("permit p: any when subject.uses touches {video}", "unused-term", 1),
        ("permit p: any when subject.on and resource.owner.on and not resource.hidden", "unused-attribute", 1),
        ("permit p: any", "bare-permit", 1),
        ("permit p: read, write", "bare-permit", 0),
    ],
)  # fmt: skip
def test_a_rule_tells_what_is_wrong_from_what_is_not(rules, slug, count):
    assert slugs(rules + "\n", slug).count(slug) == count


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("permit p: any when subject.status == active", "PE407 2 enumerators are mentioned by nothing, and rules tell their siblings apart: `held`, `gone`"),
        ("permit p: any when subject.uses touches {ads}", "PE408 2 terms are mentioned by nothing, nor what is above or below them: `research`, `academic`"),
        ("permit p: any", "PE409 12 attributes are neither read nor exposed by a rule: `tier`, `status`, `uses`, `age`, `others`, `on`, `use`, `kinds`, `owner`, `hidden`, `at`, `why`"),
        ("forbid f: any when subject.on forbid g: any when resource.hidden", "PE415 2 forbids do not say why they forbid: `f`, `g`"),
        ("obligation log() obligation tell()", "PE411 2 obligations are owed by no rule: `log`, `tell`"),
        ('permit p: any cites "x" permit q: any permit r: any', "PE413 2 rules do not say where they come from, and others do: `q`, `r`"),
        ('permit p: any when action.name == "a"', "PE401 `access.p` holds for no request"),
        ('permit p: any when subject.on and (action.name == "send" or action.name == "get")\naction send, get, put by App on Post\npermit q: send, get',
         "PE406 no permit of gate `access` can hold for 3 actions: `read`, `write`, `put`"),
        ('permit p: any when subject.on permit q: any when resource.hidden test "t" { expect deny read by App "a" { on: false } on Post "p" { hidden: false } }',
         "PE414 2 rules hold in no test: `p`, `q`"),
    ],
)  # fmt: skip
def test_findings_of_one_cause_are_one_finding(rules, said):
    found = [d for d in findings(WORDS + rules + EMPTY) if d.code == said[:5]]
    assert [f"{d.code} {d.message}" for d in found] == [said]


def test_many_names_are_cut():
    statuses = " | ".join(f"s{n}" for n in range(30))
    text = WORDS.replace("active | held | gone", f"active | {statuses}")
    (found,) = (
        d
        for d in findings(text + "permit p: any when subject.status == active" + EMPTY)
        if d.code == "PE407"
    )
    assert "30 enumerators" in found.message
    assert found.message.endswith("`s10`, `s11`, and 18 more")


def test_what_is_ignored_is_not_counted():
    text = WORDS.replace(
        "enum Status = active | held | gone",
        "enum Status = active\n    | held  # lint: ignore[unused-enumerator] to come\n    | gone",
    )
    (found,) = (
        d
        for d in findings(text + "permit p: any when subject.status == active" + EMPTY)
        if d.code == "PE407"
    )
    assert found.message == "nothing mentions `gone`, and rules tell its siblings apart"


def test_an_action_without_a_permit_is_reported_by_the_checker_alone():
    text = WORDS + "permit p: read when subject.on\n"
    _, found = check_sources({"a.policy": Source("a.policy", text)})
    assert [d.code for d in found.items] == ["PE311"]
    assert "PE406" not in {d.code for d in findings(text)}
    more = "action send, get by App on Post\n"
    _, found = check_sources({"a.policy": Source("a.policy", text + more)})
    assert [d.message for d in found.items] == [
        "no rule of gate `access` permits 3 actions, so they are always denied: `write`, `send`, `get`"
    ]


TOUR = re.search(
    r"^```policy tour\n(.*?)# ---- rules",
    (Path(__file__).parents[2] / "docs" / "language.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
YOUNG = (
    "gate enforcement { permit good_standing: any when subject.status == active }\n",
    'gate enforcement { forbid terminated: any when subject.status == terminated because "gone" }\n',
    "gate approved_use { permit declared: read when context.purposes within subject.approved_purposes }\n",
)


@pytest.mark.parametrize("rules", range(len(YOUNG) + 1))
def test_a_young_set_is_not_flooded(rules):
    """The vocabulary of the tour, before there are rules, after the first, and after three."""
    assert TOUR is not None
    text = TOUR[1] + "".join(YOUNG[:rules])
    checked, told = check_sources({"a.policy": Source("a.policy", text)})
    assert [d.code for d in told.items] == ["PE311"]
    assert [d.code for d in lint(checked, now=NOW).items] == (
        ["PE409", "PE476", "PE411"] if rules == len(YOUNG) else ["PE409", "PE411"]
    )


DECLARED = """\
package docs
taxonomy Use { research { academic medical } ads }
entity User { uses: set<Use>, use: Use, said: Use (by caller) }
entity Post { label: Use, labels: set<Use>, of: set<{label: Use}>, chosen: Use (by person) }
action read by User on Post with { use: Use, uses: set<Use>, kept: Use (by platform), about: Post, fixed: Use (by nobody), typed: Use (by person) }
define is_medical(u: Use) = u within medical
"""


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("context.use within academic", True),
        ("is_medical(context.use)", True),
        ("subject.said within medical", True),
        ("some u in context.uses: u within medical", True),
        ("context.use within {academic, medical}", True),
        ("subject.uses within research", True),
        ("resource.labels within {research}", True),
        ("context.use within {academic, research}", False),
        ("context.use within ads", False),
        ("resource.label within medical", False),
        ("is_medical(resource.label)", False),
        ("subject.use within medical", False),
        ("context.kept within medical", False),
        ("context.fixed within medical", True),
        ("context.typed within medical", True),
        ("context.about.label within medical", False),
        ("resource.chosen within medical", False),
        ("some r in resource.of: r.label within medical", False),
        ("some u in resource.labels: u within medical", False),
        ("context.use touches {medical}", False),
    ],
)
def test_within_that_keeps_out_less_than_touches(condition, found):
    def is_found(rule):
        return "PE412" in {d.code for d in findings(DECLARED + rule)}

    assert is_found(f'forbid f: any when {condition} because "x"') is found
    assert is_found(f'forbid f: any unless not ({condition}) because "x"') is found
    assert is_found(f"permit p: any unless {condition}") is found
    assert is_found(f"permit p: any when not ({condition})") is found
    assert not is_found(f'forbid f: any unless {condition} because "x"')
    assert not is_found(f'forbid f: any when not ({condition}) because "x"')
    assert not is_found(f"permit p: any when {condition}")


MAYBE = """\
package docs
entity User { role: string, age?: int, country?: string }
entity Doc {
    deleted_at?: datetime, locked_by?: User, secret?: bool, hold?: { why?: string, by: User }, owner: User
}
action read by User on Doc with { glass?: { why: string }, viewer?: User }
define is_deleted(d: Doc) = d has deleted_at
define has_been(d: Doc) = d has deleted_at and d.deleted_at < 2026-01-01
define is_locked(d: Doc, u: User) = d has locked_by and d.locked_by != u
"""


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        # presence is what is forbidden
        ("resource has deleted_at", False),
        ("not (resource not has deleted_at)", False),
        ("is_deleted(resource)", False),
        ('resource has deleted_at and subject.role != "admin"', False),
        ("resource has deleted_at and resource has hold", False),
        ("context has glass", False),
        ("resource has hold and resource.hold has why", False),
        ('(resource has deleted_at or resource has hold) and subject.role == "a"', False),
        ("resource has locked_by and resource.locked_by != subject", False),
        ("resource has locked_by and subject != resource.locked_by", False),
        ("resource has locked_by and not (resource.locked_by == subject)", False),
        ("is_locked(resource, subject)", False),
        ("resource has hold and resource.hold.by != subject", False),
        # its value counts
        ("subject has age and subject.age < 16", True),
        ("not (subject not has age or subject.age >= 16)", True),
        ("has_been(resource)", True),
        ("resource has secret and resource.secret", True),
        ("resource has secret and not resource.secret", True),
        ('subject has country and subject.country != "de"', True),
        ('context has glass and context.glass.why == ""', True),
        ("resource has hold and resource.hold.by == subject", True),
        ('resource has hold and resource.hold has why and resource.hold.why == "x"', True),
        ("resource has locked_by and resource.locked_by == subject", True),
        ("resource has locked_by and resource.locked_by.role != subject.role", True),
        ("context has viewer and context.viewer != resource.owner", True),
    ],
)
def test_a_forbid_that_absence_escapes(condition, found):
    rules = f'permit p: any forbid f: any when {condition} because "x"'
    assert ("PE423" in {d.code for d in findings(MAYBE + rules)}) is found
    rules = f'permit p: any forbid f: any unless not ({condition}) because "x"'
    assert ("PE423" in {d.code for d in findings(MAYBE + rules)}) is found


@pytest.mark.parametrize(
    ("clauses", "advice"),
    [
        ("when subject has age and subject.age > 16",
         "write `(subject not has age or …)` in place of `subject has age and …`"),
        ("unless subject not has age or subject.age > 16",
         "write `(subject has age and …)` in place of `subject not has age or …`"),
        ("when not (subject not has age or subject.age > 16)",
         "write `(subject has age and …)` in place of `subject not has age or …`"),
        ("unless not (subject has age and subject.age > 16)",
         "write `(subject not has age or …)` in place of `subject has age and …`"),
        ("when subject has age when subject.age > 16", "forbid it as well where `subject not has age`"),
        ("when if subject has age then subject.age > 16 else false",
         "forbid it as well where `subject not has age`"),
    ],
)  # fmt: skip
def test_what_is_advised_where_absence_escapes_is_about_what_is_written(clauses, advice):
    rules = f'permit p: any forbid f: any {clauses} because "x"'
    helps = [d.help for d in findings(MAYBE + rules) if d.code == "PE423"]
    assert helps == [f"if that is right, ignore this and say why; else {advice}"]


@pytest.mark.parametrize(
    ("condition", "twice"),
    [
        ("subject.on or subject.on", ["subject.on"]),
        ("subject.on and subject.on", ["subject.on"]),
        ("subject.on and resource.hidden and subject.on", ["subject.on"]),
        ("subject.on or resource.hidden or subject.on", ["subject.on"]),
        ("(subject.status == held) or held == subject.status", ["held == subject.status"]),
        ("subject.tier < pro and pro > subject.tier", ["pro > subject.tier"]),
        ("not subject.on or not subject.on", ["not subject.on"]),
        ("resource.hidden and (subject.on or subject.on)", ["subject.on"]),
        ("now - resource.at > 3d or now - resource.at > 3d", ["now - resource.at > 3d"]),
        ("some a in subject.others: a.on and a.on", ["a.on"]),
        ("subject.on or not subject.on", []),
        ("subject.tier < pro or pro < subject.tier", []),
        ("subject.on and resource.hidden", []),
    ],
)
def test_a_condition_that_is_written_twice(condition, twice):
    text = WORDS + f"permit p: any when {condition}\n"
    found = [d for d in findings(text, {"constant-condition"}) if "written twice" in d.message]
    places = [text[d.span.start : d.span.end] for d in found]
    assert places == twice
    if twice:
        assert len(findings(text, {"constant-condition"})) == 1
        assert all(d.span.start > d.labels[1].span.start for d in found)


def test_a_condition_may_be_written_twice_by_clauses():
    text = WORDS + "permit p: any when subject.on when subject.on\n"
    (found,) = findings(text, {"constant-condition"})
    assert "written twice" in found.message
    assert not findings(
        WORDS + "permit p: any when subject.on unless resource.hidden\n", {"constant-condition"}
    )


def test_what_makes_a_rule_void_is_named():
    def said(rules):
        return [d.message for d in findings(WORDS + rules) if d.code in {"PE403", "PE404"}]

    one = 'forbid f: any when subject.on because "x"\n'
    other = 'forbid g: any when resource.hidden because "x"\n'
    assert said("permit p: read when subject.on and resource.hidden\n" + one) == [
        "wherever `access.p` holds, `access.f` forbids"
    ]
    assert said("permit p: read when subject.on or resource.hidden\n" + one + other) == [
        "wherever `access.p` holds, one of several rules forbids"
    ]
    assert said("permit p: read when subject.on\npermit q: any when subject.on\n") == [
        "wherever `access.p` holds, `access.q` does"
    ]
    both = "permit p: any when subject.on\npermit q: any when resource.hidden\n"
    assert said(both + "permit r: read when subject.on or resource.hidden\n") == [
        "wherever `access.r` holds, one of several permits of its gate does"
    ]


@pytest.mark.parametrize(
    ("one", "other", "like"),
    [
        ("approved", "appr0ved", True), ("approved", "aproved", False), ("approved", "apporved", True),
        ("own_posts", "ownposts", True), ("basic", "basil", False), ("window", "vvindow", True),
        ("limit_1", "limit_2", False), ("re\u0430d", "read", True), ("\uff52ead", "read", True),
        ("re\u0430d", "send", False), ("reviewed", "reviewer", True), ("rejected", "approved", False),
    ],
)  # fmt: skip
def test_names_that_look_alike(one, other, like):
    from policyengine.lint.rules.confusable_name import looks_like

    assert looks_like(one, other) is like
    assert looks_like(other, one) is like


FOLDERS = """
package f
entity User
entity Folder in Folder { viewers: set<User>, open: bool }
entity Document in Folder
action read by User on Document
action look by User on Folder
define all_open(d: Document) = every f in ancestors(d, Folder): f.open
"""
EVERY = "every f in ancestors(resource, Folder): f.open"


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (f"permit p: read when {EVERY}", 1),
        (f'permit p: read when subject == User "a" or ({EVERY})', 1),
        (f"permit p: read unless not ({EVERY})", 1),
        ("permit p: read when all_open(resource)", 1),
        (f'permit p: read when if subject == User "a" then {EVERY} else true', 1),
        (f"permit p: read when ({EVERY}) and size(ancestors(resource, Folder)) > 0", 0),
        (f"permit p: read when ({EVERY}) and (some f in ancestors(resource, Folder): subject in f.viewers)", 0),
        (f"permit p: read unless {EVERY}", 0),
        (f"permit p: look when {EVERY}", 0),
        (f'permit p: read permit q: look forbid g: read when {EVERY} because "x"', 0),
        ("permit p: read unless some f in ancestors(resource, Folder): not f.open", 0),
    ],
)  # fmt: skip
def test_every_ancestor_in_a_permit_may_be_none(rule, count):
    found = [d for d in findings(FOLDERS + rule) if d.code == "PE445"]
    assert len(found) == count


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ('permit p: read when subject == User "a" and subject == User "b" and (some f in ancestors(resource, Folder): f.open)', {"PE401"}),
        ("permit p: read when (some f in ancestors(resource, Folder): f.open) and not (some f in ancestors(resource, Folder): f.open)", set()),
        ("permit p: read permit q: read when some f in ancestors(resource, Folder): f.open", {"PE404"}),
        ("permit p: read when size(ancestors(resource, Folder)) > 200", set()),
    ],
)  # fmt: skip
def test_of_ancestors_only_what_holds_whatever_they_are_is_found(rule, codes):
    found = {d.code for d in findings(FOLDERS + rule)}
    assert found & {"PE401", "PE402", "PE403", "PE404", "PE405"} == codes
