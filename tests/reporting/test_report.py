"""What a report says is so: every answer on its pages is decided again, and nothing hidden is on them."""

from __future__ import annotations

import itertools
import json
import re
import time
from bisect import bisect_left
from html.parser import HTMLParser
from itertools import product
from pathlib import Path, PurePosixPath
from random import Random

import msgspec
import pytest

from policyengine.analysis.places import changed
from policyengine.diagnostics.source import Source
from policyengine.engine import PolicyEngine
from policyengine.model.shown import plural
from policyengine.pipeline import load_set, read_sources
from policyengine.reference import interpreter
from policyengine.reporting.make_report import make_report
from policyengine.reporting.markdown_report import markdown_report
from policyengine.reporting.report_budget import (
    ABOUT_ME,
    CONTROLS,
    EXAMPLES,
    TESTS,
    WHAT_IF,
    ReportBudget,
)
from policyengine.reporting.site_pages import _hash_of, site_pages
from policyengine.reporting.situations import find_situations
from policyengine.reporting.variations import Variations
from tests.statements import main
from tests.strategies.report_statements import statements
from tests.whole import some

NOW = 1_800_000_000_000_000

MARKUP = "<script>alert(1)</script>"

POLICY = """
package p
levels Tier = free < pro
enum Use = research | "a/b"
entity Team
entity App in Team { tier: Tier, uses: set<Use>, contact: private string, quota?: private int }
entity User { hidden: bool (by person), likes: set<Use> (by person), apps: set<App> (by person) }
entity Post { author: User (by nobody), text: string, place?: string }
group looks by App on Post with { use: Use }
action read, Read in looks
action remove by User on Post
obligation log(what: string)
obligation unused(what: string)
gate access "who may <b>read</b>"
field gate view "what is shown"
gate access {
    permit readers: looks
        when subject.tier == pro and context.use in subject.uses
        because "{subject} is paid for <script>alert(1)</script>"
        otherwise "it is for pro"
        oblige log("read")
        waivable
        cites "Terms & <i>conditions</i>"
        from 2020-01-01
    permit own: remove when resource.author == subject
    forbid private_contact: looks when subject.contact == "nobody@secret.example"
    forbid unwanted: looks when context.use in resource.author.likes because "not wanted"
}
gate view {
    permit all_of_it: looks unless resource.author.hidden fields id, text, author as pseudonym
    expose place: looks when resource has place and subject in resource.author.apps fields place
    permit removed: remove
}
waiver w of readers for App "acme" on Post "w1" until 2030-01-01 ticket "SECRET-7" approved_by "the boss"

test "readers <read>" {
    at 2026-01-01
    let ann = User "ann" { hidden: false, likes: {}, apps: {App "a"} }
    let app = App "a" under Team "t" { tier: pro, uses: {research, "a/b"}, contact: "me@secret.example" }
    let post = Post "p" { author: ann, text: "t", place: "here" }
    expect allow read by app on post with { use: research }
    expect deny read by app { tier: free } on post with { use: "a/b" } because readers
    expect allow read by App "acme" { tier: free, uses: {}, contact: "boss@secret.example" } on Post "w1" { author: ann, text: "t" } with { use: "a/b" }
    expect deny read by app { contact: "nobody@secret.example" } on post with { use: research } because private_contact
}
test "ones own" {
    expect allow remove by User "ann" on Post "p" { author: User "ann" }
}
"""

SECRETS = ("secret.example", "SECRET-7", "the boss", "acme", "w1")
OF_RULES = "nobody@secret.example"  # which a rule says, and no request


SINGLE = """package p
entity User { active: bool (by person) }
entity Document { owner: User }
gate access "whether it is theirs"
action read by User on Document
gate access { permit own: read when resource.owner == subject and subject.active }
test "one" {
  let d = Document "d" { owner: User "ann" }
  expect allow read by User "ann" { active: true } on d
}
"""


def loaded(*paths, text=POLICY):
    sources, found = read_sources(paths) if paths else ({"p.policy": Source("p.policy", text)}, [])
    made = load_set(sources, found=found)
    return made.checked(), made.program


def report_of(*paths, text=POLICY, **options):
    return make_report(*loaded(*paths, text=text), title=f"p {MARKUP}", now=NOW, **options)


@pytest.fixture(scope="module")
def report():
    return report_of()


@pytest.fixture(scope="module")
def pages(report):
    return dict(site_pages(report))


SHIPPED = pytest.mark.parametrize("path", some(["policies/workspace", "policies/hospital"], 2))


# ---- what is said is so -----------------------------------------------------------------


@SHIPPED
def test_examples_are_decided_as_is_said(path):
    made = report_of(path, internal=True)
    engine = PolicyEngine.load(path)
    assert not made.lacking
    for example in made.examples:
        answer = json.loads(engine.decide_json(json.dumps(example.request), accept_now=True))
        context = answer["context"]
        assert (answer["decision"], context["reason"]) == (example.allowed, example.reason), example
        assert context["cause"] == example.cause
        masked = [f"{name} as {mask}" for name, mask in context["masks"].items()]
        if context["exposed"] is not None and example.allowed:
            assert sorted((*context["exposed"], *masked)) == list(example.shown)
    for rule in made.rules:
        assert rule.applies_in is None or rule.id in made.examples[rule.applies_in].rules
        assert rule.fails_in is None or made.examples[rule.fails_in].cause == "not_permitted"


@SHIPPED
def test_other_values_are_decided_as_the_reference_says(path):
    checked, program = loaded(path)
    budget = ReportBudget(10**9)
    situations = find_situations(checked, program, budget, NOW, internal=False)
    variations = Variations(checked, program, situations, budget, internal=False)

    def same(request, decision):
        assert interpreter.decide(checked, request) == decision.outcome

    for varied in (*variations.differences_by_persons(), *variations.differences_by_others()):
        same(changed(varied.situation.request, ((varied.place, varied.after),)), varied.decision)
    for one in variations.switches():
        for values, decision in zip(product(*one.options), one.decisions, strict=True):
            same(
                changed(one.situation.request, tuple(zip(one.places, values, strict=True))),
                decision,
            )


@SHIPPED
def test_rules_that_are_judged_apart_say_together_what_is_decided(path):
    compared = list(statements(path, 30, Random(1)))
    assert [disagreement for _, disagreement in compared if disagreement] == []
    assert sum(count for count, _ in compared) > 3_000


def test_statements_are_counted(monkeypatch, capsys):
    monkeypatch.setattr("tests.statements.SETS", [Path("policies/workspace")])
    monkeypatch.setattr("sys.argv", ["statements", "--statements", "10", "--each", "1"])
    assert main() == 0
    assert capsys.readouterr().out.endswith(" statements: none disagrees\n")
    monkeypatch.setattr("policyengine.reporting.answer_tables._counts", lambda *_: True)
    assert main() == 1


def test_what_settings_change(report):
    settings = {setting.key: setting for setting in report.settings}
    assert set(settings) == {
        "App.tier", "App.uses", "User.hidden", "User.likes", "User.apps", "Post.place",
    }  # fmt: skip
    (read, _) = settings["User.hidden"].differences
    assert (read.action, read.before, read.after, read.allowed) == ("Read", "false", "true", False)
    assert read.rules == ("view.all_of_it",)
    assert settings["User.apps"].differences[0].no_longer_shown == ("place",)
    tier = next(names for names in report.names if names.name == "Tier")
    answers = [[(a.allowed, [n for n, _ in a.actions]) for a in use.answers] for use in tier.names]
    assert answers == [[(False, ["Read", "read"])], [(True, ["Read", "read"])]]


def test_a_person_switches_settings(report):
    row = next(row for row in report.rows if row.action == "read")
    assert row.role == "resource.author"
    names = ("none", "{research}", "{a/b}")
    assert row.settings == (
        ("User.apps", ("none", "the App that asks")),
        ("User.hidden", ("no", "yes")),
        ("User.likes", names),
    )
    outcomes = [row.outcomes[answer] for answer in row.answers]
    assert outcomes[0].shown == ("author as pseudonym", "id", "text")
    assert outcomes[6].shown == ("author as pseudonym", "id", "place", "text")
    assert [outcome.allowed for outcome in outcomes] == [True, False, True, *[False] * 3] * 2


def test_names_that_are_words_of_the_page_are_in_quotes():
    text = """
    package p
    enum Kind = "not given" | "as in the example" | other
    entity A { kind: Kind }
    entity B { likes?: Kind (by person) }
    action read by A on B
    permit p: read when resource has likes and resource.likes == subject.kind
    test "t" { expect allow read by A "a" { kind: other } on B "b" { likes: other } }
    """
    made = report_of(text=text)
    names = ('"not given"', '"as in the example"', "other")
    assert made.rows[0].settings == (("B.likes", (*names, "not given")),)
    assert made.factors == (("Kind", ("as in the example", *names)),)
    assert [made.rows[0].outcomes[answer].allowed for answer in made.rows[0].answers] == [
        False, False, True, False,
    ]  # fmt: skip


def test_an_action_without_a_test_has_an_example(report):
    action = next(action for action in report.actions if action.name == "Read")
    example = report.examples[action.examples[0]]
    assert (example.allowed, example.test) == (True, "")


# ---- what is hidden ---------------------------------------------------------------------


def everything(report):
    texts = [text for _, text in site_pages(report)]
    return "\n".join((*texts, markdown_report(report), msgspec.json.encode(report).decode()))


def test_nothing_hidden_is_on_a_page(report):
    text = everything(report).replace(OF_RULES, "")
    assert [secret for secret in SECRETS if re.search(rf"\b{re.escape(secret)}\b", text)] == []
    assert "waived until 2030" in text.lower()


def test_an_internal_report_shows_it():
    text = everything(report_of(internal=True)).replace(OF_RULES, "")
    assert [secret for secret in SECRETS if secret not in text] == []
    assert "Internal: it shows private values." in text


def test_markup_is_shown_and_never_run(pages, report):
    for name, text in pages.items():
        if name not in ("me.html", "what-if.html"):
            assert MARKUP not in text
        assert "<i>conditions" not in text
        assert "<b>read" not in text
    for name in ("me.html", "what-if.html", "index.html"):
        assert MARKUP not in re.sub("<script>.*", "", pages[name], flags=re.DOTALL)
    assert "&lt;script&gt;alert(1)" in pages["gates/access.html"]
    outside = re.sub(
        r"^(`{3,})text\n.*?^\1$", "", markdown_report(report), flags=re.DOTALL | re.MULTILINE
    )
    assert "<script" not in outside
    assert "<b>" not in outside


# ---- pages ------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.tags, self.attributes = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(given)
        self.links += [given["href"]] if "href" in given else []
        self.ids += [given["id"]] if "id" in given else []


def test_links_lead_somewhere(pages):
    read = {name: _Page(text) for name, text in pages.items()}
    others = {"report.json", "report.md"}
    for name, page in read.items():
        assert len(set(page.ids)) == len(page.ids), name
        for link in page.links:
            path, _, part = link.partition("#")
            parts = []
            for one in (
                (PurePosixPath(name).parent / path).parts if path else PurePosixPath(name).parts
            ):
                parts = parts[:-1] if one == ".." else [*parts, one]
            to = "/".join(parts)
            assert to in read or to in others, (name, link)
            assert not part or part in read[to].ids, (name, link)


def test_pages_load_nothing_and_allow_nothing(pages):
    for text in pages.values():
        page = _Page(text)
        assert not {"src", "onclick", "style", "onload", "action"} & page.attributes
        assert "default-src 'none'" in text
        (style,) = re.findall("<style>(.*?)</style>", text, flags=re.DOTALL)
        assert _hash_of(style) in text
        for script in re.findall("<script>(.*?)</script>", text, flags=re.DOTALL):
            assert _hash_of(script) in text
        assert "http:" not in text.replace("http-equiv", "")


def test_names_that_some_file_systems_take_for_one(pages):
    assert {"actions/read-2.html", "actions/Read.html"} <= set(pages)


def test_what_the_questions_did_not_suffice_for_is_said():
    made = report_of(budget=1)
    assert {left.what for left in made.lacking} >= {TESTS, EXAMPLES, CONTROLS, ABOUT_ME, WHAT_IF}
    pages = dict(site_pages(made))
    del pages["dates.html"]  # on which no request is shown
    complete = {name for name, text in pages.items() if "This page is incomplete" not in text}
    assert complete <= {"entities/Team.html", "entities/Post.html", "obligations/unused.html"}
    assert "Incomplete" in markdown_report(made)


def test_a_control_that_matters_in_one_test_alone_is_found():
    """A request in which it matters is decided as another is, or comes after many others."""
    others = "\n".join(
        f'expect allow find by App "a" on User "u{n}" {{ by_phone: true, tags: {{}} }} with {{ phone: false }}'
        for n in range(40)
    )
    made = report_of(
        text=f"""
    package p
    entity App
    entity User {{ by_phone: bool (by person), tags: set<User>, taggable?: bool (by person) }}
    action find, look by App on User with {{ phone: bool }}
    permit p: any
    forbid hidden: any when context.phone and not resource.by_phone
    forbid untaggable: find when some one in resource.tags: one has taggable and not one.taggable
    test "many" {{
        {others}
        expect allow find by App "a" on User "b" {{ by_phone: true, tags: {{}} }} with {{ phone: true }}
        expect allow find by App "a"
            on User "c" {{ by_phone: true, tags: {{User "d" {{ by_phone: true, tags: {{}}, taggable: true }}}} }}
            with {{ phone: false }}
        expect allow look by App "a" on User "b" {{ by_phone: true, tags: {{}} }} with {{ phone: false }}
    }}
    """
    )
    changed_by = {
        setting.key: setting.actions for setting in made.settings if setting.by == "person"
    }
    assert changed_by == {"User.by_phone": ("find", "look"), "User.taggable": ("find",)}
    (_, look) = next(s for s in made.settings if s.key == "User.by_phone").differences
    assert dict(made.examples[look.example].facts)["context.phone"] == "true"
    assert made.examples[look.example].test == ""


def test_a_search_that_was_cut_says_so_wherever_it_says_what_it_found(report):
    """Of each budget: what the whole report finds beyond it is said to be untried."""
    whole = {setting.key: setting for setting in report.settings}
    needed = bisect_left(range(2_000), True, key=lambda n: not report_of(budget=n).lacking)
    cut = set()
    for budget in range(1, needed, 7):
        made = report_of(budget=budget)
        kinds = {left.what for left in made.lacking}
        assert kinds
        pages, text = dict(site_pages(made)), markdown_report(made)
        assert "This page is incomplete" in pages["index.html"]
        if kinds & {TESTS, EXAMPLES}:
            continue  # other requests are tried then
        for setting in made.settings:
            beyond = set(whole[setting.key].actions) - set(setting.actions)
            assert beyond <= set(setting.untried), (budget, setting)
            if setting.untried:
                cut.add(setting.by)
                page = pages[f"settings/{setting.key}.html"]
                assert f"{len(setting.untried)} of these w" in page
                assert "This page is incomplete" in page
                assert f"{len(setting.untried)} not tried" in pages["index.html"]
                assert f"{plural(len(setting.untried), 'action')} not tried" in text
        for names in made.names:
            if names.untried:
                cut.add("names")
                assert "This page is incomplete" in pages[f"names/{names.name}.html"]
    assert cut == {"person", "names", "platform"}


def test_the_same_questions_are_asked_on_every_machine(monkeypatch):
    first = report_of(budget=60)
    assert first.lacking
    clock = itertools.count()
    for name in ("time", "monotonic", "process_time", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: float(next(clock)) * 1e6)
    assert report_of(budget=60) == first


def test_one_of_a_kind_is_in_the_singular():
    report = report_of(text=SINGLE)
    text = markdown_report(report) + "".join(dict(site_pages(report)).values())
    assert re.findall(r"\b1 \w+s\b", text) == []
    for said in ("Made from 1 rule on", "asked for 1 action.", "of 1 action whose rules read it", "1 attribute.",
                 "Asked for 1 of 1 action.", "computed from 1 rule,", "changes 1 of 1 action"):  # fmt: skip
        assert said in text


def test_a_set_with_nothing_to_say():
    made = report_of(text="package p\nentity A\nentity B\naction read by A on B\npermit p: read")
    pages = dict(site_pages(made))
    assert "No setting of a person was found" in pages["me.html"]
    assert "No rule forbids anything" in pages["restricted.html"]
    assert "No request was found that shows it" in pages["gates/access.html"]
    assert "No rule has a date" in pages["dates.html"]
    assert markdown_report(made).startswith("# Who may do what")


def test_one_of_several_persons_is_named_without_an_id():
    text = """
    package chats
    entity User { closed: bool (by person) }
    entity Chat { members: set<User> }
    entity App {}
    action read by App on Chat
    permit open: read when not (some m in resource.members: m.closed) otherwise "closed"
    test "an open chat" {
        let ann = User "a.\\"nn" { closed: false }
        let app = App "app" {}
        let chat = Chat "c" { members: {ann} }
        expect allow read by app on chat
    }
    """
    page = dict(site_pages(report_of(text=text)))["me.html"]
    assert "Where you are one of the members of the Chat<" in page
