"""Values of each type that would allow a request are found, also those that are computed."""

from __future__ import annotations

from unittest import mock

import pytest

from policyengine import PolicyEngine
from policyengine.analysis import candidate_texts
from policyengine.analysis.text_automaton import TextAutomaton
from tests.analysis.kinds_of_changes import DOC, HOUR, NOW, USER, Cases
from tests.analysis.worlds import ref

CASES = Cases()

CASES.add(
    "net",
    """package p
entity User
entity Doc
action edit by User on Doc with { from: ip }
permit t: edit when context.from within ip "10.20.0.0/16"
""",
    ['context.from = ip "10.20.0.1"'],
    context={"from": "1.2.3.4"},
)

CASES.add(
    "age",
    """package p
entity User { reviewed: datetime }
entity Doc
action edit by User on Doc
permit t: edit when now - subject.reviewed < 30d
""",
    ["subject.reviewed"],
    subject=USER | {"properties": {"reviewed": "2020-01-01T00:00:00Z"}},
)

CASES.add(
    "arith",
    """package p
entity User { a: int, b: int }
entity Doc
action edit by User on Doc
permit t: edit when 3 * subject.a + subject.b > 1000
""",
    ["subject.a = 331", "subject.b = 971"],
    subject=USER | {"properties": {"a": 10, "b": 10}},
)

CASES.add(
    "born",
    """package p
entity User { born: datetime }
entity Doc
action edit by User on Doc
permit t: edit when subject.born + 18y <= now
""",
    ["subject.born = 2009-01-15", "now = 2033-05-17"],
    subject=USER | {"properties": {"born": "2015-05-17T00:00:00Z"}},
)

CASES.add(
    "office",
    """package p
entity User
entity Doc
action edit by User on Doc
const office: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
permit t: edit when now within office
""",
    ["now = 2027-01-18T08:00:00Z"],
    now=NOW + 12 * HOUR,
)

CASES.add(
    "office2",
    """package p
entity User
entity Doc
action edit by User on Doc
const office: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
forbid t: edit when now within office because "x"
permit a: edit
""",
    ["now = 2027-01-15T16:00:00Z"],
)

CASES.add(
    "office3",
    """package p
entity User
entity Doc
action edit by User on Doc
const office: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
permit t: edit when now + 30m within office
""",
    ["now = 2027-01-18T07:30:00Z"],
    now=NOW + 12 * HOUR,
)

CASES.add(
    "fromdate",
    """package p
entity User
entity Doc
action edit by User on Doc
permit t: edit from 2030-01-01
""",
    ["now = 2030-01-01"],
)

CASES.add(
    "table",
    """package p
levels Tier = free < basic < pro
entity User { tier: Tier, n: int }
entity Doc
action edit by User on Doc
const lim: Tier -> int = { free: 10, basic: 100, pro: 1000 }
permit t: edit when subject.n < lim[subject.tier]
""",
    ["subject.tier = basic", "subject.n = 9"],
    subject=USER | {"properties": {"tier": "free", "n": 50}},
)

CASES.add(
    "taxtable",
    """package p
taxonomy Use { research { academic clinical } ads }
entity User { uses: set<Use> }
entity Doc
action edit by User on Doc with { use: Use }
const ok: Use -> bool = { research: true, clinical: false, ads: false }
permit t: edit when ok[context.use]
""",
    ["context.use = "],
    subject=USER | {"properties": {"uses": []}},
    context={"use": "ads"},
)

_PATHS = """package p
entity User
entity Doc
action edit by User on Doc with { file: path }
"""

for name, condition, offered in (
    ("two patterns", 'like path "/**/.*/**" and context.file like path "/users/*/**"', "/users/.x"),
    ("pattern within", 'like path "/**/*.md" and context.file within path "/img"', "/img/.md"),
    (
        "pattern unless another",
        'like path "/a/*" and not (context.file like path "/*/other*" or context.file like path "/*/x*")',
        "/a/y",
    ),
    ("neither one nor below", 'within path "/a" and context.file not in {path "/a", path "/a/b"}', "/a/other"),
):  # fmt: skip
    CASES.add(
        name,
        f"{_PATHS}permit t: edit when context.file {condition}\n",
        [f'context.file = path "{offered}'],
        context={"file": "/"},
    )

CASES.add(
    "path",
    """package p
entity User
entity Doc
action edit by User on Doc with { file: path }
permit t: edit when context.file within path "/public"
forbid h: edit when context.file like path "/**/.*/**" because "h"
""",
    ['context.file = path "/public"'],
    context={"file": "/x"},
)

CASES.add(
    "patterns",
    """package p
entity User { mail: string }
entity Doc
action edit by User on Doc
permit t: edit when lower(subject.mail) endswith "@example.com" and subject.mail startswith "a" and size(subject.mail) < 16 and subject.mail != "a@example.com"
""",
    ["subject.mail"],
    subject=USER | {"properties": {"mail": "x"}},
)

CASES.add(
    "startswith",
    """package p
entity User { home: string }
entity Doc { folder: string }
action edit by User on Doc
permit t: edit when subject.home != "" and resource.folder startswith subject.home and resource.folder != subject.home
""",
    ["resource.folder"],
    subject=USER | {"properties": {"home": "/ann"}},
    resource=DOC | {"properties": {"folder": "/bob"}},
)

CASES.add(
    "idtext",
    """package p
entity User
entity Doc { owner_name: string }
action edit by User on Doc
permit t: edit when resource.owner_name == subject.id
""",
    ['resource.owner_name = "u"'],
    resource=DOC | {"properties": {"owner_name": "x"}},
)

CASES.add(
    "idtext2",
    """package p
entity User
entity Doc { owner: User, n: string }
action edit by User on Doc
permit t: edit when resource.owner.id like "ad*"
""",
    ["resource.owner"],
    resource=DOC | {"properties": {"owner": ref("User", "x"), "n": ""}},
)

CASES.add(
    "compare2",
    """package p
entity User { a: int }
entity Doc { b: int }
action edit by User on Doc
permit t: edit when subject.a < resource.b
""",
    ["subject.a = 6", "resource.b = 11"],
    subject=USER | {"properties": {"a": 10}},
    resource=DOC | {"properties": {"b": 7}},
)

CASES.add(
    "pairarith",
    """package p
entity User { a: int, b: int }
entity Doc
action edit by User on Doc
permit t: edit when subject.a + subject.b > 100 and subject.a < 50 and subject.b < 60
""",
    ["subject.a = 49 and subject.b = 5"],
    subject=USER | {"properties": {"a": 10, "b": 10}},
)

CASES.add(
    "within_net_data",
    """package p
entity User
entity Doc { nets: set<ip> }
action edit by User on Doc with { from: ip }
permit t: edit when context.from within resource.nets
""",
    ["resource.nets", 'context.from = ip "10.0.0.1"'],
    resource=DOC | {"properties": {"nets": ["10.0.0.0/8"]}},
    context={"from": "1.2.3.4"},
)

CASES.add(
    "fields",
    """package p
entity User
entity Doc { name: string, secret: string }
action read by User on Doc
field gate g "?"
gate g { permit a: read fields name }
""",
    ["fields = {name}"],
    action="read",
    fields=["name", "secret"],
)

CASES.add(
    "levels_if",
    """package p
levels T = lo < mid < hi
entity User { t: T, x: bool }
entity Doc
action edit by User on Doc
permit t: edit when (if subject.x then subject.t >= hi else subject.t >= mid)
""",
    ["subject.t = mid"],
    subject=USER | {"properties": {"t": "lo", "x": False}},
)

CASES.add(
    "touches",
    """package p
taxonomy Use { research { academic clinical } ads { x } }
entity User { uses: set<Use> }
entity Doc
action edit by User on Doc
forbid f: edit when subject.uses touches {ads} because "a"
permit t: edit when subject.uses within research
""",
    ["subject.uses"],
    subject=USER | {"properties": {"uses": ["x"]}},
)

CASES.add(
    "decimals",
    """package p
entity User { x: decimal, y: int }
entity Doc
action edit by User on Doc
permit own: edit when subject.x * subject.y >= 12.5
""",
    ["subject.x", "subject.y"],
    subject=USER | {"properties": {"x": "1.0", "y": 3}},
)

CASES.add(
    "months",
    """package p
entity User { kept: months, at: datetime }
entity Doc
action edit by User on Doc
permit own: edit when subject.at + subject.kept <= now
""",
    ["subject.kept = 1y", "subject.at"],
    subject=USER | {"properties": {"kept": "24mo", "at": "2026-01-15T00:00:00Z"}},
)


@pytest.mark.parametrize("name", CASES)
def test_the_change_is_found(name):
    CASES.hold(name)


@pytest.mark.parametrize("number", [10**6, 10**9, 10**18 - 1])
def test_texts_are_not_made_as_long_as_a_number_of_a_rule(number: int):
    engine = PolicyEngine.from_text(f"""package p
entity User
entity Doc {{ title: string, seen: int }}
action edit by User on Doc
permit t: edit when size(resource.title) >= 3 and resource.seen < {number}
""")
    doc = DOC | {"properties": {"title": "", "seen": 1}}
    lines = "\n".join(engine.explain(USER | {"properties": {}}, "edit", doc).lines("auditor"))
    assert 'resource.title = "' in lines


def test_long_texts_of_a_request_are_left_out_of_automata():
    engine = PolicyEngine.from_text("""package p
entity User
entity Doc { title: string, text: string, all: set<path>, at: path }
action edit by User on Doc
permit t: edit when size(resource.title) >= 3 and resource.at within path "/a/b"
""")
    paths = [f"/{n}" + "/a" * 200 for n in range(100)]
    properties = {"title": "", "text": "ab" * 40_000, "at": "/c", "all": paths}
    with mock.patch.object(candidate_texts, "TextAutomaton", wraps=TextAutomaton) as made:
        engine.explain(USER | {"properties": {}}, "edit", DOC | {"properties": properties})
    sizes = [sum(len(question.items) for question in call.args[0]) for call in made.call_args_list]
    assert sizes
    assert max(sizes) <= 20_000
