"""Holds the lint rules on strings to what they must find, and to what they must leave alone."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.linter import lint
from policyengine.pipeline import check_sources

WORDS = """\
package docs
entity User {
    name: string, home: string, code: private string, prefixes: set<string>, typed: string (by caller), admin: bool
    nick?: string
}
entity File { path: string, secret: private string }
group files having { folder: string }
action read in files by User on File with { part: string, known: string (by platform) } having { folder: "/home" }
action show in files by User on File with { part: string, known: string (by platform) } having { folder: "/home" }
const none: set<string> = {"", "a"}
const some_of: set<string> = {"a", "b"}
define below(text: string, part: string) = text startswith part
define below_some(text: string, part: string) = part != "" and text startswith part
define is_given(part: string) = size(part) > 0
define folded(text: string) = lower(text)
"""


def spans(slug: str, rule: str) -> list[str]:
    """Return what of *rule* is found."""
    text = WORDS + rule
    checked, found = check_sources({"a.policy": Source("a.policy", text)})
    assert checked is not None, [d.message for d in found.items]
    items = lint(checked, Configuration(frozenset({slug})), now=0).items
    return [text[d.span.start : d.span.end] for d in items]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("resource.path startswith context.part", True),
        ("resource.path endswith subject.home", True),
        ("resource.path contains lower(context.part)", True),
        ("some p in subject.prefixes: resource.path startswith p", True),
        ('subject.admin and (subject.name == "a" or resource.path contains context.part)', True),
        ("below(resource.path, context.part)", True),
        ("not (resource.path not startswith context.part)", True),
        ('resource.path startswith (if subject.admin then context.part else "/")', True),
        # which does not exclude it, or not of this one
        ('context.part != "a" and resource.path startswith context.part', True),
        ("context.part in none and resource.path startswith context.part", True),
        ("size(context.part) >= 0 and resource.path startswith context.part", True),
        ('subject.home != "" and resource.path startswith context.part', True),
        ('(context.part != "" or subject.admin) and resource.path startswith context.part', True),
        ('context.part == "" and resource.path startswith context.part', True),
        ("is_given(subject.home) and resource.path startswith context.part", True),
        # which does
        ('context.part != "" and resource.path startswith context.part', False),
        ('resource.path startswith context.part and "" != context.part', False),
        ('not (context.part == "") and resource.path startswith context.part', False),
        ('not (context.part == "" or subject.admin) and resource.path startswith context.part', False),
        ("size(context.part) > 3 and resource.path startswith context.part", False),
        ("0 < size(context.part) and resource.path startswith context.part", False),
        ("context.part in some_of and resource.path startswith context.part", False),
        ("context.part not in none and resource.path startswith context.part", False),
        ('context.part startswith "/" and resource.path startswith context.part', False),
        ('context.part like "/*" and resource.path startswith lower(context.part)', False),
        ('lower(context.part) != "" and resource.path startswith context.part', False),
        ("is_given(context.part) and below(resource.path, context.part)", False),
        ("below_some(resource.path, context.part)", False),
        ('subject.admin or context.part != "" and resource.path startswith context.part', False),
        # where nothing is looked for, or what is not found opens nothing
        ('resource.path startswith "/home"', False),
        ("resource.path startswith action.folder", False),
        ("resource.path not startswith context.part", False),
        ('"/home" == context.part', False),
    ],
)  # fmt: skip
def test_a_permit_that_the_empty_string_opens(condition, found):
    assert bool(spans("empty-part", f"permit p: any when {condition}\n")) is found
    assert not spans("empty-part", f'forbid p: any when {condition} because "x"\n')


def test_conditions_of_other_clauses_count_as_well():
    rule = 'permit p: any when context.part != "" when resource.path startswith context.part\n'
    assert not spans("empty-part", rule)
    rule = 'permit p: any when resource.path startswith context.part unless context.part == ""\n'
    assert not spans("empty-part", rule)
    rule = "permit p: any unless resource.path not startswith context.part\n"
    assert spans("empty-part", rule) == ["resource.path not startswith context.part"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('resource.path endswith ".exe"', True),
        ('resource.path like "*.exe"', True),
        ('subject.admin and not (resource.path not contains "a")', True),
        ('below(resource.path, "/tmp")', True),
        ('some p in subject.prefixes: p startswith "x"', True),
        ('lower(resource.path) endswith ".exe"', False),
        ('folded(resource.path) endswith ".exe"', False),
        ('below(lower(resource.path), "/tmp")', False),
        ('resource.path startswith "/"', False),
        ('resource.path startswith "\\u00e4"', False),
        ('resource.path not startswith "/public"', False),
        ("resource.path startswith context.part", False),
        ('some s in {".exe", ".bat"}: resource.path endswith s', True),
        ('some s in {"/tmp", "/"}: resource.path == s', True),
        ("some s in some_of: s == resource.path", True),
        ('some s in {"/", "."}: resource.path == s', False),
        ('some s in {".exe", ".bat"}: lower(resource.path) endswith s', False),
        ('resource.path == "/tmp"', True),
        ('"/tmp" == resource.path', True),
        ('resource.path in {"/tmp", "/"}', True),
        ("resource.path in some_of", True),
        ('not (resource.path != "/tmp")', True),
        ('subject.admin and (resource.path == "a" or subject.name == "")', True),
        ('resource.path != "/tmp"', False),
        ('resource.path not in {"/tmp"}', False),
        ('resource.path == "/"', False),
        ('lower(resource.path) == "/tmp"', False),
        ('lower(resource.path) in {"/tmp"}', False),
        ("resource.path == context.part", False),
        ('subject.id == "ann"', False),
        ('action.folder startswith "/ho"', False),
        ('action.folder == "/ho"', False),
    ],
)
def test_a_prohibition_that_another_case_escapes(condition, found):
    assert bool(spans("escaped-by-case", f'forbid f: any when {condition} because "x"\n')) is found
    assert bool(spans("escaped-by-case", f"permit p: any unless {condition}\n")) is found
    assert bool(spans("escaped-by-case", f"permit p: any when not ({condition})\n")) is found
    assert not (found and spans("escaped-by-case", f"permit p: any when {condition}\n"))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("resource.secret startswith context.part", True),
        ("context.part contains subject.code", True),
        ("lower(resource.secret) endswith lower(context.part)", True),
        ("below(resource.secret, context.part)", True),
        ("resource.secret contains subject.typed", True),
        ("subject not has nick or resource.secret not endswith context.part", True),
        ("resource.secret == context.part", False),
        ("resource.secret startswith context.known", False),
        ("resource.secret startswith subject.home", False),
        ('resource.secret startswith "a"', False),
        ("resource.path startswith context.part", False),
        ('resource.secret like "a*"', False),
    ],
)
def test_a_private_string_that_can_be_found_part_by_part(condition, found):
    assert bool(spans("guessable-secret", f"permit p: any when {condition}\n")) is found
    assert bool(spans("guessable-secret", f'forbid p: any when {condition} because "x"\n')) is found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('subject.name endswith "example.com"', True),
        ('subject.name like "*example.com"', True),
        ('lower(subject.name) endswith "mail.example.com"', True),
        ('subject.name startswith "https://example.com"', True),
        ('subject.name endswith ".example.com"', False),
        ('subject.name endswith "@example.com"', False),
        ('subject.name like "*@example.com"', False),
        ('subject.name startswith "https://example.com/"', False),
        ('subject.name endswith ".exe"', False),
        ('subject.name endswith "son"', False),
        ('subject.name == "example.com"', False),
        ('subject.name not endswith "example.com"', False),
    ],
)
def test_a_permit_for_a_domain_that_others_satisfy(condition, found):
    assert bool(spans("open-ended-domain", f"permit p: any when {condition}\n")) is found
    assert not spans("open-ended-domain", f'forbid p: any when {condition} because "x"\n')


SECRETS = """\
package docs
entity User
entity File {
    where: private path, from: private ip, keys: private set<string>, most: private int, until: private datetime
    open: path
}
action read by User on File with {
    where: path, all: set<path>, from: ip, nets: set<ip>, keys: set<string>, key: string, most: int, at: datetime
    platform_says: path (by platform), typed: path (by person)
}
define is_below(one: path, other: path) = one within other
"""


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("resource.where within context.where", "path segment by segment"),
        ("context.where within resource.where", "path segment by segment"),
        ("resource.where within context.all", "path segment by segment"),
        ("is_below(lower(resource.where), context.where)", "path segment by segment"),
        ("resource.from within context.from", "address bit by bit"),
        ("resource.from within context.nets", "address bit by bit"),
        ("context.keys subset resource.keys", "set element by element"),
        ("resource.keys overlaps context.keys", "set element by element"),
        ("resource.where within context.typed", "path segment by segment"),
        ("context.most <= resource.most", "int by halving"),
        ("resource.until > context.at", "datetime by halving"),
        ("not (resource.most < context.most)", "int by halving"),
        ("resource.where == context.where", ""),
        ('resource.where within path "/home"', ""),
        ("resource.where within context.platform_says", ""),
        ("resource.open within context.where", ""),
        ("context.key in resource.keys", ""),
        ("resource.until > now", ""),
    ],
)
def test_a_private_value_that_can_be_found_part_by_part(condition, said):
    source = Source("a.policy", SECRETS + f"permit p: any when {condition}\n")
    checked, problems = check_sources({"a.policy": source})
    assert checked is not None, [d.message for d in problems.items]
    found = lint(checked, Configuration(frozenset({"guessable-secret"})), now=0).items
    assert [d.message for d in found] == (
        [f"by `access.p` a caller can find a private {said}"] if said else []
    )


@pytest.mark.parametrize(
    ("condition", "folder"),
    [
        ('resource.path like "/public/*"', "/public"),
        ('resource.path startswith "/public"', "/public"),
        ('resource.path startswith "/public/"', "/public"),
        ('resource.path like "/users/*/profile"', "/users"),
        ('below(resource.path, "/public")', "/public"),
        ('lower(resource.path) startswith "/public/"', "/public"),
        ('resource.path startswith "/"', ""),
        ('resource.path like "/*"', ""),
        ('resource.path like "/public"', ""),
        ('resource.path startswith "public/"', ""),
        ('resource.path endswith "/public"', ""),
        ('action.folder startswith "/home"', ""),
        ("resource.path startswith context.part", ""),
    ],
)
def test_a_string_that_is_compared_as_a_path(condition, folder):
    def said(rule):
        text = WORDS + rule
        checked, found = check_sources({"a.policy": Source("a.policy", text)})
        assert checked is not None, [d.message for d in found.items]
        items = lint(checked, Configuration(frozenset({"path-as-text"})), now=0).items
        return [d.message for d in items]

    through = [f"`access.p` lets `{folder}/../x` through: a string is not a path"]
    past = [f"`access.p` does not stop `/{folder}/x`: a string is not a path"]
    assert said(f"permit p: any when {condition}\n") == (through if folder else [])
    assert said(f'forbid p: any when {condition} because "x"\n') == (past if folder else [])
    assert said(f"permit p: any unless {condition}\n") == (past if folder else [])


@pytest.mark.parametrize(
    ("condition", "folder"),
    [
        ('resource.path contains "/public/"', "/public"),
        ('resource.path like "*/public/*"', "/public"),
        ('resource.path contains "/a/b/"', "/a/b"),
        ('resource.path contains "/public"', ""),
        ('resource.path contains "public"', ""),
        ('resource.path contains "/"', ""),
        ('resource.path like "*/*"', ""),
        ('action.folder contains "/home/"', ""),
    ],
)
def test_a_string_that_has_a_folder_somewhere(condition, folder):
    text = f'{WORDS}permit p: any when {condition}\nforbid f: any when {condition} because "x"\n'
    checked, found = check_sources({"a.policy": Source("a.policy", text)})
    assert checked is not None, [d.message for d in found.items]
    items = lint(checked, Configuration(frozenset({"path-as-text"})), now=0).items
    assert [(d.message, d.help) for d in items] == (
        [
            (
                f"`access.p` lets `{folder}/../x` through: a string is not a path",
                f'declare it as a `path`, and write `like path "/**{folder}/**"`',
            )
        ]
        if folder
        else []
    )


PLACES = """package p
entity User { home: string, name: string, money: int }
entity Doc { path: string, at: path }
action read by User on Doc
test "t" { expect deny read by User "u" { home: "", name: "${subject.name}", money: 1 } on Doc "d" }
"""


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ('permit p: read when resource.path startswith "${subject.home}/"', 1),
        ('permit p: read when resource.path == "$subject.home"', 1),
        ('permit p: read when resource.path in {"a", "{ subject.home }"}', 1),
        (
            'permit p: read when resource.at within path "/{subject.name}" or resource.path == "%{x}"',
            2,
        ),
        (
            'define d(text: string) = text like "{subject.home}*"\npermit p: read when d(resource.path)',
            1,
        ),
        ('const c: string = "#{name}"\npermit p: read when resource.path == c', 1),
        ('permit p: read when resource.path == "{name}"', 0),
        ('permit p: read when resource.path in {"$5", "#1", "100%", "subject.name", "a{}"}', 0),
        ('permit p: read when resource.path == "" otherwise "{{subject.name}} may not"', 1),
        ('permit p: read when resource.path == "" otherwise "\\\\(subject.name) may not"', 1),
        ('permit p: read when resource.path == "" otherwise "${subject.name} may not"', 1),
        ('permit p: read when resource.path == "" otherwise "it costs ${subject.money}"', 0),
        ('permit p: read when resource.path == "" otherwise "number #{subject.name}"', 0),
        ('forbid f: read when resource.path == "" because "{subject.name} {{a}} $5"', 0),
    ],
)
def test_strings_in_which_a_value_seems_to_be(rules, count):
    checked, found = check_sources({"p.policy": Source("p.policy", PLACES + rules + "\n")})
    assert checked is not None, found.items
    codes = [d.code for d in lint(checked, Configuration(frozenset({"literal-placeholder"}))).items]
    assert codes == ["PE464"] * count
