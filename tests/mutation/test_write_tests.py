"""Requests written as tests: what is pasted asks what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from policyengine.analysis.what_if import Neighbourhood
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.sealed import altered
from policyengine.model.types import DATETIME, DECIMAL, DURATION, STRING, EnumType, SetType
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.mutation.write_tests import can_be_written, literal, write_test
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter, reasons
from policyengine.semantics.checked import CheckedSet
from policyengine.syntax import nodes
from policyengine.syntax.formatter import format_source
from policyengine.syntax.parser import parse
from policyengine.testing.requests_of_tests import requests_of
from tests.strategies import laws, seeds
from tests.testing.world import ANN, NOW, checked_set, test_of


def what_is_written_asks_the_same(case: laws.Case) -> None:
    text = write_test("it", [(case.request, True, ())], case.loaded.checked)
    assert format_source(Source("t", f"package p\n\n{text}")) == f"package p\n\n{text}"
    checked = with_more(case, text)
    (asked,) = requests_of(checked, now=NOW)
    asks_the_same(checked, asked.request, case, case.request)


def what_tests_share_is_used(case: laws.Case) -> None:
    """What a test binds is made a fixture; requests near to its own are written with that."""
    text = write_test("it", [(case.request, True, ())], case.loaded.checked)
    shared = "\n".join(lets(text))
    checked = with_more(case, shared)
    rule = next((r for r in checked.rules if checked.files[0].span.file == r.node.span.file), None)
    if rule is None or rule.advisory:
        return
    near = Neighbourhood(case.loaded.checked, case.request)
    changes = [()] + [((p, v),) for p in near.places[:6] for v in near.options(p)[:3]]
    requests = [near.changed(change) for change in changes if near.fits(change)]
    requests = [request for request in requests if can_be_written(request)]
    pasting = VerifiedTestWriter(checked, Limits(), NOW)
    written = pasting.test("it", [(r, True, ()) for r in requests], rule, timed=True)
    if written is None:
        return
    again = with_more(case, f"{shared}\n{written}")
    asked = [one.request for one in requests_of(again, now=NOW)]
    assert len(asked) == len(requests), written
    for one, request in zip(asked, requests, strict=True):
        for answer in (interpreter.decide, reasons.reason):
            assert answer(again, one) == answer(case.loaded.checked, request)


def lets(text: str) -> list[str]:
    """Return the `let`s of a test."""
    source = Source("t", f"package p\n\n{text}")
    file, _ = parse(source)
    assert file is not None
    (test,) = file.declarations
    items = (i.span for i in test.items if isinstance(i, nodes.Let))
    return [source.text[span.start : span.end] for span in items]


def with_more(case: laws.Case, text: str) -> CheckedSet:
    sources = case.world.sources()
    name = next(iter(sources))
    texts = {**sources, name: f"{sources[name]}\n{text}"}
    checked, problems = check_sources({n: Source(n, t) for n, t in texts.items()})
    assert checked is not None, [p.message for p in problems.items]
    return checked


def asks_the_same(
    checked: CheckedSet, asked: ValidRequest, case: laws.Case, request: ValidRequest
) -> None:
    parts, entities = said(asked)
    all_parts, all_entities = said(request)
    assert parts == all_parts
    # Without what nothing refers to; what is shared may say more of what is only named.
    assert {k: v for k, v in entities.items() if k in all_entities} == {
        k: v for k, v in all_entities.items() if k in entities
    }
    for answer in (interpreter.decide, reasons.reason):
        assert answer(checked, asked) == answer(case.loaded.checked, request)


def said(request: ValidRequest) -> tuple[object, dict[object, object]]:
    """Return what a request asks, and the values that it gives of entities."""
    entities = {
        (key, attribute.name): value
        for key, entity in request.entities.items()
        for attribute in entity.entity_type.attributes
        if (value := getattr(entity, slot(attribute.name))) is not ABSENT
    }
    parties = request.subject.key_, request.action, request.resource.key_
    return (parties, request.context, request.now, request.fields), entities


@settings(max_examples=6)
@given(seeds.SEEDS)
def test_what_is_written_asks_the_same(seed):
    laws.hold(what_is_written_asks_the_same, seed, requests=3)


@settings(max_examples=5)
@given(seeds.SEEDS)
def test_what_tests_share_is_used(seed):
    laws.hold(what_tests_share_is_used, seed, requests=2)


RULE = "gate scope { permit pros: any when subject.tier == pro and subject.age > 1 fields all }\n"


def written(*requests: ValidRequest, title: str = "t") -> str:
    return write_test(title, [(r, True, ()) for r in requests], checked_set(RULE))


def requests(text: str) -> list[ValidRequest]:
    return [asked.request for asked in requests_of(checked_set(RULE + text), now=NOW)]


def test_the_same_entity_is_written_once_and_another_has_another_name():
    (one, same, other) = requests(
        test_of(
            "expect allow list by ann on item",
            "at 2026-03-01",
            "expect allow list by ann on item",
            "expect allow list by ann { age: 9 } on item",
        )
    )
    text = written(one, same, other)
    assert text.count("let ann = ") == text.count("ann { age: 9 }") == 1
    assert text.count("at 2026-02-02\n") == text.count("at 2026-03-01\n") == 1
    assert requests(text) == [one, same, other]


def test_fixtures_are_used_where_they_fit():
    shared = """\
let ann = User "ann" { tier: pro, age: 30, away: false }
let bob = User "bob" { tier: free, age: 9, away: false, boss: ann }
let item = Item "i" { owner: bob, readers: {User "ann"} }
"""
    checked = checked_set(RULE + shared)
    asked = """\
test "t" {
    at 2026-02-02
    expect allow list by ann on item
    expect deny list by bob on item
    expect deny list by ann { tier: free } on item
    expect allow list by ann on item { owner: bob { boss: bob } }
    expect allow list by ann on Item "j" { owner: ann }
}
"""
    whole = checked_set(RULE + shared + asked)
    requests = [one.request for one in requests_of(whole, now=NOW)]
    text = write_test("t", [(r, True, ()) for r in requests], checked, beside=checked.rules[0])
    assert " ".join(text.split()).count("let ") == 1, text  # of the item that no fixture is
    for line in ("by ann on item\n", "by bob on item", "by ann { tier: free } on item"):
        assert line in text
    again = checked_set(RULE + shared + text)
    assert [one.request for one in requests_of(again, now=NOW)] == requests


APART = {
    "words": """package words
import places
entity Branch { city: string }
entity Shelf in Shelf { open: bool, branch: Branch }
entity Copy in Shelf { branch: Branch }
entity Member { home: Branch }
action borrow by Member on Copy
""",
    "places": """package places
import words
let main = Branch "main" { city: "Halle" }
let ann = Member "ann" { home: main }
""",
    "rules": """package rules
import words
import places
permit here: borrow when resource.branch == subject.home and resource.branch.city != ""
forbid closed: borrow when some s in ancestors(resource, Shelf): not s.open
let a1 = Shelf "a1" { open: true, branch: main }
let atlas = Copy "atlas" under Shelf "a1" { branch: main }
test "t" { expect allow borrow by ann on atlas }
""",
}


def test_fixtures_of_another_package_are_used_where_it_is_imported():
    assert (
        written_apart(APART)
        == """\
test "t" {
    expect allow borrow by ann on atlas
}
"""
    )


def test_what_a_fixture_describes_inside_is_no_reference_of_a_request():
    inside = 'branch: Branch "main" { city: "Halle" }'
    rules = APART["rules"].replace("branch: main", inside)
    rules = rules.replace("by ann", 'by Member "kim" { home: Branch "west" { city: "" } }')
    text = written_apart({**APART, "rules": rules})
    assert 'let shelf_a1 = Shelf "a1" { open: true, branch: main }' in text, text


def written_apart(texts: dict[str, str]) -> str:
    checked, problems = check_sources({n: Source(n, t) for n, t in texts.items()})
    assert checked is not None, [p.message for p in problems.items]
    (one,) = requests_of(checked, now=NOW)
    writer = VerifiedTestWriter(checked, Limits(), NOW)
    text = writer.test("t", [(one.request, True, ())], checked.rules[0], timed=False)
    assert text is not None
    return text


def test_what_is_expected_and_asked_for_is_written():
    (request,) = requests(
        test_of('expect allow read by ann on item with { purposes: {}, note: "a" } asking {text}')
    )
    text = write_test('a "title"', [(request, False, ("because scope.pros",))], checked_set(RULE))
    assert text.startswith('test "a \\"title\\"" {\n')
    assert "asking {text}" in text
    assert 'note: "a"' in text
    assert "because scope.pros" in text
    assert requests(text) == [request]


@pytest.mark.parametrize(
    "id_",
    [
        "not",
        "1",
        "é",
        "a-b",
        "-",
        "permit",
        "waiver",
        "of",
        "levels",
        "set",
        "text",
        "int",
        "pro",
        "Tier",
        "shop",
        "list",
    ],
)
def test_ids_that_are_no_names_and_words_of_the_language(id_):
    text = f'test "t" {{ {ANN} expect deny list by User "{id_}" {{ age: 1, tier: free }} on item }}'
    (request,) = requests(text)
    assert requests(written(request)) == [request]


def test_values():
    status = EnumType("Status", "p", ("active", "on hold"))
    assert literal(status, "active") == "active"
    assert literal(status, "on hold") == '"on hold"'
    assert literal(STRING, 'a"\\\n\r\tb') == '"a\\"\\\\\\n\\u000d\\tb"'
    assert literal(DECIMAL, 15_000) == "1.5"
    assert literal(DATETIME, 0) == "1970-01-01"
    assert literal(DURATION, 86_400_000_000) == "24h"
    assert literal(SetType(status), frozenset({"active", "on hold"})) == '{"on hold", active}'


@pytest.mark.parametrize("odd", ["\u2028", "\ufeff", "{x}", "# ", "\U0001f600", "\u202e"])
def test_strings_with_odd_characters_are_read_back(odd):
    (request,) = requests(test_of("expect allow list by ann on item"))
    item = altered(request.resource, **{slot("text"): odd})
    changed = replace(request, entities={**request.entities, item.key_: item}, resource=item)
    assert requests(written(changed)) == [changed]
