"""Holds of every sink that what a request says takes one line, and that nothing private comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policyengine import PolicyEngine
from policyengine.compiler.link import link
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.testing.coverage import measure
from policyengine.testing.coverage_page import coverage_page
from policyengine.testing.junit import junit_xml
from policyengine.testing.runner import run_tests
from tests.privacy.sinks import ALL, OPEN, document
from tests.whole import share, some

POLICY = """\
package s
entity Team
entity User in Team { n: string, words: set<string>, box: { a: string, b: private string },
    secret: private string, secrets: private set<string>, number: private int, when: private datetime,
    net: private ip, part: private decimal, span: private duration, friend: private Team }
entity Doc { name: string, owner: User }
obligation note(text: string)
action read, edit, take by User on Doc with { why: string, pin: private string }
permit a: read when subject.n == "ok"
permit b: read when context.why in {"x", "y"} and subject.words overlaps {"a", "b"}
permit c: read when subject.secret == "s" and resource.owner == User "o"
permit d: read when subject.n like "ok*"
permit e: read when subject.box.a == "k" and subject.box.b == context.pin
permit f: read when subject.number > 3 and subject.when < now and subject.net within ip "10.0.0.0/8"
permit g: read when subject.part > 1.0 and subject.span > 1d and "x" in subject.secrets and subject.friend == Team "t"
permit h: edit when subject.n == "ok" otherwise "{subject} may not edit {resource}: {context.why}" refer "team {subject.n}"
permit i: take oblige note(subject.n) because "{subject.n} took {subject.words} of {subject.box.a}"
"""
ENGINE = PolicyEngine.from_text(POLICY)

HOSTILE = (
    "x; it must be ok\nvalid until 2099-01-01T00:00:00Z\n\nany of these would allow it:\n  → nobody",
    "a\r\nb\x0bc\x0cd\x1c\x1d\x1e\x85\u2028\u2029e", "\u202eevil\u2066\u200b\ufeff", "\x1b[2J\x00",
    '"]}\n', "<b>&amp;\n</b>", "`\n`", "Jose\u0301", "x" * 5000, "{a}\n\t", "",
)  # fmt: skip
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def request(action: str, *texts: str, odd: str | None = None) -> dict:
    """Return a request made of *texts*; with *odd* it does not fit, in as many ways as there are."""
    n, word, a, name, why, id_ = texts
    user = {
        "n": n, "words": [word], "box": {"a": a, "b": "b"}, "secret": "s", "secrets": ["x"],
        "number": 1, "when": "2026-01-01", "net": "10.0.0.1", "part": "1", "span": "1d",
        "friend": {"type": "Team", "id": "t"},
    }  # fmt: skip
    subject = {"type": "User", "id": "u" + id_, "properties": user}
    resource = {
        "type": "Doc",
        "id": "d" + id_,
        "properties": {"name": name, "owner": {"type": "User", "id": "w" + id_}},
    }
    context = {"why": why, "pin": "p"}
    if odd is not None:
        user |= {
            "z" + odd: 1,
            "n": [odd],
            "number": odd,
            "when": odd,
            "words": [odd, odd],
            "box": {"q" + odd: odd},
        }
        context |= {"y" + odd: odd}
        subject["x" + odd] = odd
        resource |= {"type": "T" + odd, "properties": {"owner": {"type": "O" + odd, "id": odd}}}
    return {
        "subject": subject,
        "action": action,
        "resource": resource,
        "context": context,
        "now": "2026-11-24",
    }


PLAIN = ("v",) * 6


def lines(text: str) -> int:
    return len(text.splitlines())


@settings(max_examples=share(20, 2))
@given(st.sampled_from(["read", "edit", "take"]), st.tuples(*[TEXTS] * 6))
@example("read", (HOSTILE[0],) * 6)
@example("edit", (HOSTILE[1],) * 6)
@example("take", (HOSTILE[1],) * 6)
def test_what_a_request_says_takes_one_line(action, texts):
    plain, asked = request(action, *PLAIN), request(action, *texts)
    for name, sink in ALL.items():
        expected, said = sink(ENGINE, plain), sink(ENGINE, asked)
        if ENGINE.decide(**asked).allowed == ENGINE.decide(**plain).allowed:
            assert lines(said) == lines(expected), (name, said)
        unseen = {c for c in said if not c.isprintable()} - {"\n"}
        assert not unseen, (name, unseen)


@settings(max_examples=share(20, 2))
@given(TEXTS)
@example(HOSTILE[0])
@example(HOSTILE[1])
def test_what_is_amiss_takes_one_line(text):
    plain, asked = request("read", *PLAIN, odd="v"), request("read", *PLAIN, odd=text)
    for name in ("problems", "JSON to JSON", "stale"):
        expected, said = ALL[name](ENGINE, plain), ALL[name](ENGINE, asked)
        if len({text, "t", "x", "v", "T", "O"}) == 6 and text:
            assert lines(said) == lines(expected), (name, said, expected)
        assert not {c for c in said if not c.isprintable()} - {"\n"}


SECRETS = ("SECRET", "7654321", "2031-03-31", "10.76.54", "21261d")


@pytest.mark.parametrize("action", ["read", "edit", "take"])
def test_nothing_private_comes_out_of_any_sink(action):
    asked = request(action, *PLAIN)
    asked["subject"]["properties"] |= {
        "box": {"a": "v", "b": "SECRETb"}, "secret": "SECRETs", "secrets": ["SECRETone"],
        "number": 7654321, "when": "2031-03-31", "net": "10.76.54.32", "part": "7654321.5",
        "span": "21261d", "friend": {"type": "Team", "id": "SECRETid"},
    }  # fmt: skip
    asked["context"]["pin"] = "SECRETpin"
    for name, sink in OPEN.items():
        said = sink(ENGINE, asked)
        assert not [secret for secret in SECRETS if secret in said], (name, said)
    auditor = ALL["lines for an auditor"](ENGINE, asked)
    assert action != "read" or "SECRETs" in auditor  # it bites


@pytest.mark.parametrize("text", some(HOSTILE, 3))
@pytest.mark.parametrize("action", ["read", "edit", "take"])
def test_commands_show_it_in_one_line_and_nothing_private(run, tmp_path: Path, action, text):
    policy, plain, file = (tmp_path / n for n in ("s.policy", "plain.json", "asked.json"))
    policy.write_text(POLICY, encoding="utf-8")
    plain.write_text(json.dumps(document(request(action, *PLAIN))), encoding="utf-8")
    asked = request(action, *(text,) * 6)
    asked["subject"]["properties"] |= {"secret": "SECRETs", "secrets": ["SECRETone"]}
    file.write_text(json.dumps(document(asked)), encoding="utf-8")
    for command in ("decide", "explain"):
        options = ["--audience", "user"] if command == "explain" else []
        expected, done = (run(command, policy, "--request", f, *options) for f in (plain, file))
        assert done.out.count("\n") == expected.out.count("\n"), done.out
        assert "SECRET" not in done.out
        assert not {c for c in done.out if not c.isprintable()} - {"\n"}


TESTED = """\
package s
entity User { n: string, secret: private string }
obligation note(text: string)
action edit, take by User on User
permit a: edit when subject.n == "ok" and subject.secret == "s"
permit b: take oblige note(subject.n) because "{subject.n} took it"
forbid c: take when subject.n == "never" refer "team {subject.n}"
test "t" {
    let u = User "u%(text)s" { n: "%(text)s", secret: "SECRET" }
    expect allow edit by u on u
    expect deny edit by u on u reason "other" refer "other"
    expect deny take by u on u
    expect allow take by u on u oblige note("other")
}
"""


@pytest.mark.parametrize("text", ["a\\nb", "\\u202e", "<b>&", "]]>", "\\t"])
def test_reports_of_tests_show_it_in_one_line_and_nothing_private(text):
    def reports(text: str) -> list[str]:
        checked, found = check_sources({"s.policy": Source("s.policy", TESTED % {"text": text})})
        assert checked is not None, [d.message for d in found.items]
        run = run_tests(checked, link(checked))
        assert run.count("failed") == 1
        problems = [str(p.notes) + p.message for result in run.results for p in result.problems]
        return [junit_xml(run).decode(), "\n".join(problems), coverage_page(measure(checked))]

    for said, expected in zip(reports(text), reports("plain"), strict=True):
        assert lines(said.replace("\\u", "")) == lines(expected), said
