"""Packages that import one another in a circle, and the advice about names of other packages."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from tests.strategies.loading import load

IDENTITY = """\
package identity
import docs
enum Role = reader | editor
entity User { folders: set<{folder: Folder, role: Role}>, score: int }
define is_editor(user: User, folder: Folder) =
    some f in user.folders: f.folder == folder and f.role == editor
const enough: int = docs.least
gate people "whether the person is in good standing"
gate people { permit standing: any when subject.score > enough }
let ann = User "ann" { folders: {{folder: Folder "f", role: editor}}, score: 9 }
"""
DOCS = """\
package docs
import identity
entity Folder
entity Doc { folder: Folder, author: User }
group work in anything by User on Doc
action edit in work
const least: int = 3
define may_edit(user: User, doc: Doc) = is_editor(user, doc.folder) or doc.author == user
gate access "whether the document may be edited"
gate access { permit editors: work when may_edit(subject, resource) }
let doc = Doc "d" { folder: Folder "f", author: ann }
test "an editor edits" { expect allow edit by ann on doc because editors, people.standing }
"""
SHARED = """\
package shared
import docs
import identity
group anything with { why?: Role }
gate people { forbid outsiders: edit when size(subject.folders) == 0 }
"""
DOCS_OF_THREE = DOCS.replace("import identity", "import identity\nimport shared")


def found(*texts):
    sources = {f"{n}.policy": Source(f"{n}.policy", text) for n, text in enumerate(texts)}
    return check_sources(sources)[1].errors


def said(*texts):
    return [(e.code, e.message, e.help) for e in found(*texts)]


def test_names_are_resolved_over_the_whole_set():
    texts = IDENTITY, DOCS_OF_THREE, SHARED
    loaded = load({f"{n}.policy": text for n, text in enumerate(texts)})
    assert {rule.id for rule in loaded.checked.rules} == {
        "people.standing", "access.editors", "people.outsiders",
    }  # fmt: skip
    user = {
        "type": "User", "id": "u",
        "properties": {"folders": [{"folder": {"type": "Folder", "id": "f"}, "role": "editor"}], "score": 4},
    }  # fmt: skip
    folder = {"type": "Folder", "id": "f"}
    doc = {
        "type": "Doc",
        "id": "d",
        "properties": {"folder": folder, "author": {"type": "User", "id": "v"}},
    }
    assert loaded.engine.decide(user, "edit", doc).allowed
    for order in (texts[::-1], (DOCS_OF_THREE, SHARED, IDENTITY)):
        again = load({f"{n}.policy": text for n, text in enumerate(order)})
        assert again.engine.decide(user, "edit", doc).gates == {"access": True, "people": True}


@pytest.mark.parametrize(
    ("one", "other", "code", "way"),
    [
        ("const a: int = q.b", "const b: int = p.a", "PE219", "`p.a` → `q.b` → `p.a`"),
        ("define f(n: int) = g(n)", "define g(n: int) = f(n)", "PE218", "`p.f` → `q.g` → `p.f`"),
        ("define f(n: int) = q.g(n)", "define g(n: int) = p.f(n)", "PE218", "`p.f` → `q.g` → `p.f`"),
        ("group g in h", "group h in g", "PE217", "`p.g` → `q.h` → `p.g`"),
        ("entity E { n: int }\nlet a = b { n: 1 }", "let b = a { n: 2 }", "PE224",
         "`p.a` → `q.b` → `p.a`"),
    ],
)  # fmt: skip
def test_what_things_mean_may_not_go_round(one, other, code, way):
    first, *_ = said(f"package p\nimport q\n{one}", f"package q\nimport p\n{other}")
    assert first[0] == code
    assert first[1].endswith(f"in a circle: {way}")


def test_in_one_package_the_way_round_needs_no_packages():
    (problem,) = found("package p\nconst a: int = b\nconst b: int = a")
    assert problem.message.endswith("`a` → `b` → `a`")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("define f(limit: int) = limit + 1", "define limit() = f(2)"),
        ("define f(q: {g: bool}) = q.g", "define g() = f({g: true})"),
        ("define f(s: set<{g: int}>) = some q in s: q.g > 1", "define g() = f({{g: 3}})"),
    ],
)
def test_a_parameter_or_a_variable_refers_to_nothing(one, other):
    assert said(f"package p\nimport q\n{one}", f"package q\nimport p\n{other}") == []


def test_a_package_does_not_import_itself():
    assert said("package p\nimport p\nentity E") == [
        ("PE232", "package `p` imports itself", "leave it out: a file sees its own package")
    ]


OTHER = """\
package other
entity User { n: int }
enum Kind = a | b
group crowd by User on User
action read in crowd
const limit: int = 3
define high(n: int) = n > limit
obligation tell(n: int)
gate access "?"
gate access { permit p: any }
let ann = User "ann" { n: 3 }
"""


@pytest.mark.parametrize(
    ("text", "code", "help"),
    [
        # what an import brings in
        ("entity E { u: User }", "PE202", "`import other` brings it in"),
        ("define f() = 1 < limit", "PE201", "`import other` brings it in"),
        ("define f() = high(1)", "PE211", "`import other` brings it in"),
        (
            "gate access { forbid f: any when resource.n > 1 }",
            "PE206",
            "`import other` brings it in",
        ),
        ("define f() = 1 < other.limit", "PE207", "add `import other`"),
        ("define f() = other.Kind.a == a", "PE207", "add `import other`"),
        ("define f(k: other.Kind) = true", "PE207", "add `import other`"),
        # what it does not
        ("entity E in Kind", "PE202", "there is `E`"),
        ("define f() = 1 < high", "PE201", ""),
        ("define f() = limit(1)", "PE211", "declare it: `define limit(…) = expression`"),
        ("gate access { permit q: any }", "PE215", "any package may forbid in it"),
        ("define f() = other.limits < 1", "PE201", "did you mean `other.limit`?"),
        ("define f() = other.nothing < 1", "PE201", ""),
        ("define f() = other.high < 1", "PE201", ""),
        ("define f(k: other.Kint) = true", "PE202", "did you mean `other.Kind`?"),
        ("define f() = other.Nothing.a == a", "PE202", ""),
        ("define f() = other < 1", "PE201", "`other` is a package: write `other.name`"),
        ("define f() = mine < 1", "PE201", "`mine` is a package: write `mine.name`"),
        ("define f() = mine.limit < 1", "PE201", "write `other.limit`"),
        ("import other\ndefine f() = mine.limit < 1", "PE201", "write `other.limit`"),
        ('test "t" { expect allow crowd by other.ann on other.ann }', "PE205", ""),
    ],
)
def test_advice_about_other_packages_is_right(text, code, help):
    first, *_ = said(OTHER, f"package mine\n{text}")
    assert (first[0], first[2]) == (code, help)


def test_where_two_packages_have_it_both_are_named():
    first, *_ = said(
        "package a\nconst n: int = 1", "package b\nconst n: int = 2", "package c\nconst m: int = n"
    )
    assert first[2] == "`import a` or `import b` brings one in"


def test_a_rule_is_named_without_its_gate_if_there_is_one_of_its_name():
    words = 'package p\nentity User\naction read by User on User\ngate one "?"\ngate two "?"\n'
    rules = (
        "gate one { permit a: any permit same: any }\ngate two { permit b: any permit same: any }\n"
    )
    ask = 'test "t" {{ expect allow read by User "u" on User "v" because {} }}'
    assert found(words + rules + ask.format("a, b")) == ()
    assert said(words + rules + ask.format("same")) == [
        (
            "PE209",
            "there are 2 rules `same`, each in a gate of its own",
            "write `one.same` or `two.same`",
        )
    ]
    assert said(words + rules + ask.format("c")) == [
        ("PE209", "there is no rule `c`", "there are `a`, `b` and `same`")
    ]
    assert said(words + rules + ask.format("sane")) == [
        ("PE209", "there is no rule `sane`", "did you mean `same`?")
    ]
    waived = rules.replace("permit b: any", "permit b: any waivable")
    waiver = 'waiver w of b for User "u" until 2100-01-01 ticket "T" approved_by "x"'
    loaded = load({"p": words + waived + waiver})
    assert [waiver.rule for waiver in loaded.checked.waivers] == ["two.b"]


@pytest.mark.parametrize(
    ("second", "help"),
    [
        ("package p\nentity User", "all files that are given at once are one policy set"),
        ("package q\nentity User", "all files that are given at once are one policy set"),
        (None, "rename one, or leave one out"),
    ],
)
def test_a_name_that_another_file_has_as_well_may_be_another_set(second: str | None, help: str):
    first = "package p\nentity User\n" + ("" if second else "entity User\n")
    texts = {"a": first} if second is None else {"a": first, "b": second}
    _, problems = check_sources({name: Source(name, text) for name, text in texts.items()})
    (found,) = (d for d in problems.items if d.code == "PE203")
    assert help in found.help


def test_a_missing_import_is_said_once_in_each_file():
    words = "package a\nentity User\nentity Doc\naction read by User on Doc\nconst n: int = 1"
    rules = (
        "permit p: read by User when n == 1\npermit q: read on Doc\ninvariant i: never allow read\n"
        'test "t" { expect deny read by User "u" on Doc "d" }'
    )
    wanted = [("PE205", "there is no action or group `read`", "`import a` brings it in")]
    assert said(words, f"package b\n{rules}") == wanted
    also = "permit r: any when m == 1\npermit s: any when n == m"
    found = said(words, "package c\nconst m: int = 1", f"package b\n{rules}\n{also}")
    assert [help for *_, help in found] == ["`import a` brings it in", "`import c` brings it in"]


def test_a_rule_of_a_package_without_a_gate_is_not_sent_into_that_of_another():
    """And what else is wrong with it is said at once."""
    found = said(
        'package money\nentity Payer\ngate money "may they pay"\n',
        "package docs\nimport money\nentity Doc { n: int }\naction read by Payer on Doc\n"
        "permit r: read when resource.m > 2\nforbid f: read when resource.n > 2\n",
    )
    assert [(code, help) for code, _, help in found] == [
        (
            "PE216",
            "its package declares no gate for it: declare one, and put the rule into its block",
        ),
        ("PE301", "it has `n`"),
        ("PE216", "put it into `gate money { … }`"),
    ]


def test_what_else_is_wrong_with_a_permit_in_a_gate_of_another_package_is_said_at_once():
    found = said(
        'package money\nentity Payer\ngate money "may they pay"\n',
        "package docs\nimport money\nentity Doc { n: int }\naction read by Payer on Doc\n"
        "gate money { permit r: read when resource.m > 2 }\n",
    )
    assert [code for code, *_ in found] == ["PE215", "PE301"]
