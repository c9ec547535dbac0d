"""Paths in policies: what is right, and each wrong form with its code, its place and its help."""

from __future__ import annotations

import json

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.syntax.formatter import format_source
from tests.strategies.paths import RIGHT, WRONG

VOCABULARY = """\
package t
entity User { home: path, roots: set<path>, name: string, address: ip, n: int }
entity Doc { path: path }
action read by User on Doc with { path: path }
permit own: read
"""


def found(text: str) -> list[tuple[str, str, str, str]]:
    """Return the code, the underlined text, the message and the help of each problem."""
    source = Source("t.policy", VOCABULARY + text)
    _, problems = check_sources({"t.policy": source})
    return [
        (p.code, source.text[p.span.start : p.span.end], p.message, p.help) for p in problems.items
    ]


def written(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\\u007f", "\x7f")


@pytest.mark.parametrize(
    "text", [t for t in RIGHT if len(t) < 1000 and "\u200b" not in t], ids=lambda t: t[:20]
)
def test_a_right_path_is_a_constant(text):
    assert found(f"const c: path = path {written(text)}") == []


@pytest.mark.parametrize(
    "name", [n for n in WRONG if n not in ("null", "half a pair", "delete", "next line")]
)
def test_a_wrong_path_is_refused_where_it_is_written(name):
    for before in ("context.path ==", "context.path within", 'context.path in {path "/a",'):
        close = "}" if "{" in before else ""
        condition = f"{before} path {written(WRONG[name])}{close}"
        ((code, place, message, _),) = found(f"permit p: read when {condition}")
        assert (code, place) == ("PE135", written(WRONG[name]))
        assert "path" in message


@pytest.mark.parametrize(
    "text",
    ["/a/**b", "/***", "/*/", "/a//*", "a/*", "", "/*.", "/*?", "/\\\\*", "/%2e/*", "/*/..", "/* "],
)
def test_a_wrong_pattern_is_refused_where_it_is_written(text):
    ((code, place, message, _),) = found(f'permit p: read when context.path like path "{text}"')
    assert (code, place) == ("PE135", f'"{text}"')
    assert "path" in message or "segment" in message


def test_a_character_that_hides_something_is_no_part_of_a_path():
    assert [code for code, *_ in found('const c: path = path "/a\x7fb"')] == ["PE104"]
    assert {code for code, *_ in found('const c: path = path "/a\\u0000b"')} == {"PE123"}


PATH_HELP = 'write `path "/a"`'
PATH_FORM = 'a path is written `path "/public"`, also as a pattern; no string becomes one'


@pytest.mark.parametrize(
    ("condition", "code", "place", "help"),
    [
        ('context.path == "/a"', "PE303", 'context.path == "/a"', PATH_HELP),
        ('"/a" == context.path', "PE303", '"/a" == context.path', PATH_HELP),
        ('context.path within "/a"', "PE303", 'context.path within "/a"', PATH_HELP),
        ('context.path within {"/a"}', "PE303", 'context.path within {"/a"}', PATH_FORM),
        ('subject.name within path "/a"', "PE303", 'subject.name within path "/a"', PATH_FORM),
        ("subject.id within context.path", "PE303", "subject.id within context.path", PATH_FORM),
        ('context.path in {"/a"}', "PE305", '"/a"', PATH_HELP),
        ('"/a" in subject.roots', "PE303", '"/a" in subject.roots', PATH_HELP),
        ('context.path like "/a*"', "PE305", "context.path", 'write `context.path like path "/a*"`'),
        ('subject.name like path "/a"', "PE305", "subject.name", PATH_FORM),
        ('context.path within ip "10.0.0.0/8"', "PE306", 'context.path within ip "10.0.0.0/8"', None),
        ("context.path within subject.n", "PE306", "context.path within subject.n", None),
        ('context.path < path "/a"', "PE306", 'context.path < path "/a"', None),
        ('context.path + path "/a" == path "/b"', "PE306", 'context.path + path "/a"', None),
        ('context.path startswith path "/a"', "PE306", 'context.path startswith path "/a"', None),
        ('context.path contains "a"', "PE306", 'context.path contains "a"', None),
        ("size(context.path) > 1", "PE305", "context.path", None),
        ('subject.roots like path "/a"', "PE305", "subject.roots", None),
        ('context.path touches {path "/a"}', "PE306", 'context.path touches {path "/a"}', None),
        ('path "/a"', "PE305", 'path "/a"', None),
        ('context.path like User "/a"', "PE136", "User", 'a pattern is `"a*"` or `path "/a/*"`'),
        ('context.path == path "/a" { x: 1 }', "PE136", 'path "/a" { x: 1 }', None),
        ('context.path == path "/a" under Doc "d"', "PE136", 'path "/a" under Doc "d"', None),
        ('lower(context.path) within path "/A"', "PE334", 'path "/A"', None),
        ('lower(context.path) like path "/A/*"', "PE334", 'lower(context.path) like path "/A/*"', None),
        ('path "/a".x == 1', "PE305", 'path "/a"', None),
    ],
)  # fmt: skip
def test_a_wrong_condition(condition, code, place, help):
    ((found_code, found_place, _, found_help),) = found(f"permit p: read when {condition}")
    assert (found_code, found_place) == (code, place)
    assert help is None or found_help == help


@pytest.mark.parametrize(
    "declaration",
    ["entity path", "enum path = a | b", "levels path = a < b", "taxonomy path { a }"],
)
def test_no_type_is_called_path(declaration):
    assert [(code, place) for code, place, *_ in found(declaration)] == [("PE213", "path")]


@pytest.mark.parametrize(
    "text",
    [
        'permit p: read when (some path in subject.roots: path within path "/a" and path == context.path)',
        'define path(x: path) = x\npermit p: read when path(context.path) == path "/a"',
        'const path: path = path "/a"\npermit p: read when context.path within path',
        "group path\naction path_of in path by User on Doc\npermit path: path",
        "obligation path(path: path)\npermit p: read oblige path(context.path)",
        'let path = User "u" { home: path "/a", roots: {path "/b"} }',
        'test "path" { expect allow read by User "u" on Doc "d" { path: path "/p" } with { path: path "/" } }',
        'permit p: read when resource.path == context.path because "{context.path} in {subject.roots}"',
        'gate path "whether"\ngate path { permit p: any }',
    ],
)  # fmt: skip
def test_path_is_no_reserved_word(text):
    vocabulary = VOCABULARY.replace("permit own: read\n", "") if "gate path" in text else VOCABULARY
    _, problems = check_sources({"t.policy": Source("t.policy", vocabulary + text)})
    assert [p.message for p in problems.errors] == []


@pytest.mark.parametrize("where", ["by", "on"])
def test_a_path_is_nobody_and_nothing_that_is_acted_on(where):
    parts = {"by": 'User "u"', "on": 'Doc "d"'} | {where: 'path "/a"'}
    text = f'test "t" {{ expect allow read by {parts["by"]} on {parts["on"]} }}'
    codes = [(code, place) for code, place, *_ in found(text)]
    assert codes
    assert all(place == 'path "/a"' for _, place in codes)


def test_a_waiver_is_for_no_path():
    text = 'waiver w of own for path "/a" until 2030-01-01 ticket "t" approved_by "a"'
    assert "PE202" in {code for code, *_ in found(text)}


def test_the_formatter_keeps_what_is_written():
    text = 'package t\n\nconst c: path = path "/a \\"b\\""\ndefine f(p: path) = p not like path "/*/\\"**"\n'.replace(
        "**", "*"
    )
    source = Source("t.policy", text)
    assert format_source(source) == text
