"""Tables over enumerations, levels and taxonomies: what they give, and what is refused."""

from __future__ import annotations

import pytest

from policyengine.compiler import ir
from policyengine.compiler.index import indexed
from policyengine.compiler.lower import lower
from policyengine.compiler.simplify import simplify_rule
from policyengine.diagnostics.source import Source
from policyengine.engine import PolicyEngine
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources
from policyengine.syntax.grammar import reserved_words

WORDS = """\
package p
levels Tier = free < basic < pro
enum Window = day | "per month"
taxonomy Use { health { cardiac { heart } dental } money }
entity User { tier: Tier, spare?: Tier, hidden: private Tier, words: set<string> }
entity Doc { kind: Window }
action read by User on Doc with { n: int, window: Window, use: Use }
const reads: Tier -> int = { free: 100, basic: 15_000, pro: 1_000_000 }
const limits: Tier -> Window -> int = {
    free: { day: 1, "per month": 10 }, basic: { day: 2, "per month": 20 },
    pro: { day: 3, "per month": -30 },
}
const kept: Use -> duration = { health: 30d, cardiac: 90d, money: 1d }
const places: Tier -> { city: string, street?: string } = {
    free: { city: "Graz" }, basic: { city: "Linz", street: "a" }, pro: { city: "Wien", street: "b" },
}
"""


def found(text: str, words: str = WORDS) -> list[tuple[str, str]]:
    """Return the code of each mistake, and what is underlined."""
    source = words + text
    _, diagnostics = check_sources({"p": Source("p", source)}, Limits())
    return [(d.code, source[d.span.start : d.span.end]) for d in diagnostics.errors]


def allows(condition: str, tier: str = "free", window: str = "day", use: str = "money", n: int = 5):
    engine = PolicyEngine.from_text(f"{WORDS}permit it: any when {condition}\n")
    words, hidden = {"words": []}, {"hidden": "pro"}
    subject = {
        "type": "User",
        "id": "u",
        "properties": {"tier": tier, "spare": "pro", **words, **hidden},
    }
    resource = {"type": "Doc", "id": "d", "properties": {"kind": window}}
    decision = engine.decide(subject, "read", resource, {"n": n, "window": window, "use": use})
    assert decision.cause != "invalid_request", decision
    return decision.allowed


@pytest.mark.parametrize(
    ("condition", "request_", "allowed"),
    [
        ("reads[subject.tier] == 100", {}, True),
        ("reads[subject.tier] == 100", {"tier": "basic"}, False),
        ("context.n < limits[subject.tier][context.window]", {"window": "per month"}, True),
        ("context.n < limits[subject.tier][context.window]", {}, False),
        ("limits[pro][context.window] == -30", {"window": "per month"}, True),
        ('limits[Tier.pro]["per month"] == -30', {}, True),
        ("p.reads[p.Tier.basic] == 15_000 and context.n == 5", {}, True),
        ("kept[context.use] == 90d", {"use": "heart"}, True),
        ("kept[context.use] == 90d", {"use": "cardiac"}, True),
        ("kept[context.use] == 30d", {"use": "dental"}, True),
        ("kept[context.use] == 30d", {"use": "money"}, False),
        ('places[subject.tier].city == "Linz"', {"tier": "basic"}, True),
        ('places[subject.tier] has street and places[subject.tier].street == "b"', {"tier": "pro"}, True),
        ('places[subject.tier] has street and places[subject.tier].street == "b"', {}, False),
        ("subject has spare and reads[subject.spare] == 1_000_000", {}, True),
        ("reads[if context.n > 3 then pro else free] == 1_000_000", {}, True),
        ("some t in {free, pro}: reads[t] == 1_000_000", {}, True),
    ],
)  # fmt: skip
def test_a_look_up_gives_the_row(condition, request_, allowed):
    assert allows(condition, **request_) is allowed


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("const t: Tier -> int = { free: 1 }", [("PE346", "{ free: 1 }")]),
        ("const t: Tier -> int = { free: 1, basic: 1, pro: 1, top: 2 }", [("PE221", "top")]),
        ("const t: Tier -> int = { free: 1, free: 1, basic: 1, pro: 1 }", [("PE203", "free")]),
        ('const t: Tier -> int = { free: 1, "free": 1, basic: 1, pro: 1 }', [("PE203", '"free"')]),
        ("const t: Use -> int = { health: 1 }", [("PE346", "{ health: 1 }")]),
        ("const t: Use -> int = { cardiac: 1, money: 1 }", [("PE346", "{ cardiac: 1, money: 1 }")]),
        ("const t: Use -> int = { Use: 1, health: 1, money: 1 }", [("PE221", "Use")]),
        ("const t: bool -> int = { true: 1, false: 2 }", [("PE345", "bool")]),
        ("const t: User -> int = {}", [("PE345", "User")]),
        ('const t: Nope -> int = { "a b": 1 }', [("PE202", "Nope")]),
        ("const t: Tier -> Nope = { free: 1 }", [("PE202", "Nope")]),
        ("const t: Tier -> int = {}", [("PE346", "{}")]),
        ("const t: Tier -> int = {free, basic, pro}", [("PE346", "{free, basic, pro}")]),
        ("const t: Tier -> int = 5", [("PE346", "5")]),
        ("const t: Tier -> int = reads", [("PE346", "reads")]),
        ('const t: Tier -> int = { free: "1", basic: 1, pro: 1 }', [("PE305", '"1"')]),
        ("const t: Tier -> int = { free: 1 + 1, basic: 1, pro: 1 }", [("PE318", "1 + 1")]),
        ("const t: Tier -> int = { free: t[pro], basic: 1, pro: 1 }", [("PE219", "t")]),
        ("const t: Tier -> Tier -> int = { free: 1, basic: 1, pro: 1 }", [("PE346", "1")] * 3),
        ("permit q: any when reads == 5", [("PE347", "reads")]),
        ("permit q: any when limits[subject.tier] == 5", [("PE347", "limits[subject.tier]")]),
        ("permit q: any when 5 in limits[subject.tier]", [("PE347", "limits[subject.tier]")]),
        ('permit q: any because "{reads}"', [("PE347", "reads")]),
        ("permit q: any when reads[subject.tier][free] == 5", [("PE348", "reads[subject.tier]")]),
        ('permit q: any when subject.words["a"]', [("PE348", "subject.words")]),
        ("permit q: any when reads[subject] == 5", [("PE305", "subject")]),
        ("permit q: any when reads[context.use] == 5", [("PE305", "context.use")]),
        ("permit q: any when reads[top] == 5", [("PE221", "top")]),
        ("permit q: any when reads[subject.spare] == 5", [("PE302", "subject.spare")]),
        ('permit q: any when places[subject.tier].street == "a"',
         [("PE302", "places[subject.tier].street")]),
        ("permit q: any when places[context.tier] has street", [("PE301", "tier")]),
        ("permit q: any when reads.free == 5", [("PE347", "reads")]),
        ("permit q: any when reads(free) == 5", [("PE211", "reads")]),
        ("permit q: any when reads[] == 5", [("PE113", "")]),
        ("permit q: any when [free] == 5", [("PE110", "[")]),
        ("permit q: any when free] == free", [("PE110", "]")]),
        ("permit q: any when (reads[free) == 5", [("PE108", "[")]),
        ("permit q: any when reads[free, pro] == 5", [("PE112", "")]),
        ("entity E { t: Tier -> int }", [("PE143", "->")]),
        ("define d(t: Tier -> int) = t", [("PE143", "->")]),
        ("const t: set<Tier> -> int = {}", [("PE143", "->")]),
        ("const t: set<Tier -> int> = {}", [("PE143", "->")]),
        ('const t: { a: int } = { "a": 1 }', [("PE141", '"a"')]),
        ('const t: Tier -> {a: int} = { free: {"a": 1}, basic: {a: 1}, pro: {a: 1} }',
         [("PE141", '"a"')]),
        ('permit q: any when {"a": 1} == {a: 1}', [("PE141", '"a"')]),
        ('permit q: any when subject.hidden == free because "{reads[subject.hidden]}"',
         [("PE307", "subject.hidden")]),
    ],
)  # fmt: skip
def test_what_is_refused(text, mistakes):
    assert found(text) == mistakes


@pytest.mark.parametrize("number", ["1_000", "15_000", "999_999_999", "1_000.5", "12_000.0001"])
def test_digits_may_stand_in_groups_of_three(number):
    type_ = "decimal" if "." in number else "int"
    assert found(f"const n: {type_} = {number}\nconst m: {type_} = {number.replace('_', '')}") == []


@pytest.mark.parametrize(
    "number",
    [
        "1_00", "1000_000", "1_000_", "1__000", "1_0000", "0_100", "1.000_5", "1.5_0", "1_.5", "1_000_00.5",
        "1_000_000_000_000_000_000",
    ],
)  # fmt: skip
def test_a_sign_between_digits_is_nowhere_else(number):
    assert {code for code, _ in found(f"const n: int = {number}")} <= {"PE120", "PE305"}
    assert "PE120" in {code for code, _ in found(f"const n: int = {number}")}


def test_months_and_schedules_may_be_in_rows():
    words = (
        WORDS
        + """
const years: Tier -> months = { free: 1y, basic: 2y, pro: 6mo }
const hours: Tier -> schedule = {
    free: schedule "Mon-Fri 09:00-17:00 UTC", basic: schedule "Sun 00:00-24:00 UTC",
    pro: schedule "00:00-24:00 UTC",
}
"""
    )
    condition = "2026-01-01 + years[subject.tier] > now and now within hours[subject.tier]"
    assert found(f"permit q: any when {condition}", words) == []


def test_what_differs_in_a_table_alone_is_another_rule():
    other = "const fewer: Tier -> int = { free: 1, basic: 1, pro: 1 }\n"
    rules = "".join(
        f"permit p{n}: read when context.n < {name}[subject.tier] and context.use == money\n"
        for n, name in enumerate(("reads", "fewer"))
    )
    engine = PolicyEngine.from_text(WORDS + other + rules)
    subject = {"type": "User", "id": "u", "properties": {"tier": "free"}}
    context = {"n": 50, "window": "day", "use": "money"}
    decision = engine.decide(subject, "read", {"type": "Doc", "id": "d"}, context)
    assert decision.rules == ("access.p0",)


COUNTED = """\
package p
levels Tier = free < pro
entity User { tier: Tier, secret: private Tier }
entity Post { owner: User }
action read by User on Post with { reads: int (count of Post by subject per month) }
const monthly: Tier -> int = { free: 100, pro: 1_000 }
const limits: Tier -> Tier -> int = { free: { free: 7, pro: 8 }, pro: { free: 8, pro: 9 } }
"""
ASKED = {
    "subject": {"type": "User", "id": "u", "properties": {"tier": "free", "secret": "pro"}},
    "action": "read",
    "resource": {"type": "Post", "id": "p", "properties": {"owner": {"type": "User", "id": "u"}}},
    "context": {"reads": 2_000},
}


def test_a_reason_shows_the_row_unless_its_key_is_hidden():
    open_ = PolicyEngine.from_text(
        COUNTED + "permit a: read when context.reads < monthly[subject.tier]"
    )
    assert open_.decide(**ASKED).reason == (
        "the reads of the request is 2000; it must be below the monthly for your tier (100)"
    )
    private = PolicyEngine.from_text(
        COUNTED + "permit a: read when context.reads < monthly[subject.secret]"
    )
    assert private.decide(**ASKED).reason == "a condition that is not shown does not hold"
    foreign = PolicyEngine.from_text(
        COUNTED + "permit a: read when context.reads < monthly[resource.owner.tier]"
    )
    assert foreign.decide(**ASKED).reason == (
        "the reads of the request is 2000; it must be below the monthly for the tier of the owner of the post"
    )


def test_an_explanation_shows_rows_and_whom_to_ask():
    engine = PolicyEngine.from_text(
        COUNTED + "permit a: read when context.reads < monthly[subject.tier]\n"
        "permit b: read when context.reads < limits[subject.tier][subject.tier]\n"
    )
    said = "\n".join(engine.explain(**ASKED).lines("auditor"))
    assert "monthly[subject.tier] = 100" in said
    assert "limits[subject.tier][subject.tier] = 7" in said
    assert "limits[subject.tier] =" not in said
    assert "the platform: context.reads = 99" in said
    assert "the caller" not in said


@pytest.mark.parametrize(
    "condition",
    [
        'names[subject.tier] == "n{0}" and context.n > {0}',
        "rows[subject.tier] == {0} and context.n < {0}",
    ],
)
def test_rules_that_differ_in_what_they_compare_a_row_with_are_looked_up(condition):
    rows = 'const names: Tier -> string = { free: "n1", basic: "n2", pro: "n3" }\n'
    rows += "const rows: Tier -> int = { free: 1, basic: 2, pro: 3 }\n"
    text = WORDS + rows + "".join(
        f"permit r{n}: read when {condition.format(n)}\n" for n in range(40)
    )  # fmt: skip
    checked, _ = check_sources({"p": Source("p", text)}, Limits())
    assert checked is not None
    lowered = [simplify_rule(rule) for rule in lower(checked, ("read", "User", "Doc"))]
    (made,) = indexed(lowered)
    kinds = {type(node) for test in made.conditions for node in ir.walk(test)}
    assert kinds & {ir.Lookup, ir.Found, ir.Dispatch}


def test_a_set_with_tables_and_counts_is_kept(tmp_path):
    (tmp_path / "p.policy").write_text(
        COUNTED + "permit a: read when context.reads < limits[subject.tier][subject.secret]"
    )
    asked = {**ASKED, "context": {"reads": 7}}
    made = [PolicyEngine.load(tmp_path, cache=tmp_path / "kept") for _ in range(2)]
    assert [engine.decide(**asked).allowed for engine in made] == [True, True]
    assert made[0].digest == made[1].digest


@pytest.mark.parametrize("word", sorted(reserved_words()))
def test_a_reserved_word_is_a_key_where_an_attribute_has_that_name(word):
    text = f"""
action ask by User on Doc with {{ {word}: int }}
const one: {{ {word}: int }} = {{ {word}: 1 }}
permit some_one: ask when one == {{ {word}: 1 }}
permit read: read
test "keys" {{ expect allow ask by User "a" on Doc "d" with {{ {word}: 1 }} }}
"""
    assert found(text) == []
    table = f"const t: Tier -> int = {{ free: 1, basic: 2, pro: 3, {word}: 4 }}\npermit a: any"
    assert found(table) == [("PE221", word)]


@pytest.mark.parametrize(
    ("by", "wrong"),
    [
        ("context.owner", None),
        ("context.owner.tier and subject", None),
        ("context.window", None),
        ("context.owns", "PE301"),
        ("context.about", "PE231"),
        ("context", "PE231"),
    ],
)
def test_requests_are_counted_by_what_their_contexts_give(by, wrong):
    given = (
        f"n: int (count of read by {by} per 15m), owner?: User, window: Tier, about: {{a: Tier}}"
    )
    text = f"package p\nlevels Tier = free < pro\nentity User {{ tier: Tier }}\naction read by User on User with {{ {given} }}\npermit a: read when context.n < 5"
    _, found = check_sources({"p": Source("p", text)}, Limits())
    assert [d.code for d in found.errors] == [wrong] * (wrong is not None)


QUOTED = """\
package p
enum Rating = "all" | "16+" | adults
entity User { rating: Rating }
action read by User on User
"""


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (
            "const age: Rating -> int = { adults: 18 }",
            'the table lacks a row for `"all"` and `"16+"`',
            'add `"all": …`',
        ),
        (
            "const age: Rating -> int = 3",
            "a table of type `Rating -> int` is written row by row",
            'write `{ "all": …, … }`',
        ),
        (
            'permit it: read when subject.rating == "12"',
            "`Rating` has no `12`",
            'it has `"all"`, `"16+"` and `adults`',
        ),
        (
            'permit it: read when subject.rating == "16"',
            "`Rating` has no `16`",
            'did you mean `"16+"`?',
        ),
        (
            "permit it: read when size(Rating) > 1",
            "`Rating` is a type, and a value is wanted here",
            'one of its values is written `"all"`',
        ),
        (
            'test "t" { for r in Rating: read by User "u" { rating: r } on User "v" expect { adults: allow } }',
            'the table does not say what is expected of `"all"` and `"16+"`',
            'add a row: `"all": allow` or `"all": deny`',
        ),
    ],
)
def test_names_that_are_no_free_words_are_quoted_in_advice(text: str, message: str, help: str):
    _, diagnostics = check_sources({"p": Source("p", QUOTED + text)}, Limits())
    assert [(d.message, d.help) for d in diagnostics.errors] == [(message, help)]
