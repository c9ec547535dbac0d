"""Requests written as tests: what is pasted asks what was asked."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from msgspec.structs import replace

from policyengine.diagnostics.source import Source
from policyengine.model.request import Request
from policyengine.model.types import DATETIME, DECIMAL, DURATION, STRING, EnumType, SetType
from policyengine.model.values import ABSENT, slot
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from policyengine.syntax.formatter import format_source
from policyengine.testing.asked import requests_of
from policyengine.testing.written import literal, write_test
from tests.strategies import laws, seeds
from tests.testing.world import ANN, NOW, checked_set, test_of


def what_is_written_asks_the_same(case: laws.Case) -> None:
    text = write_test("it", [(case.request, True, ())], case.loaded.checked)
    assert format_source(Source("t", f"package p\n\n{text}")) == f"package p\n\n{text}"
    sources = case.world.sources()
    name = next(iter(sources))
    texts = {**sources, name: f"{sources[name]}\n{text}"}
    checked, problems = check_sources({n: Source(n, t) for n, t in texts.items()})
    assert checked is not None, [p.message for p in problems.items]
    (asked,) = requests_of(checked, now=NOW)
    parts, entities = said(asked.request)
    all_parts, all_entities = said(case.request)
    assert parts == all_parts
    assert entities.items() <= all_entities.items()  # without what nothing refers to
    for answer in (interpreter.decide, interpreter.reason):
        assert answer(checked, asked.request) == answer(case.loaded.checked, case.request)


def said(request: Request) -> tuple[object, dict[object, object]]:
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


RULE = "gate scope { permit pros: any when subject.tier == pro and subject.age > 1 fields all }\n"


def written(*requests: Request, title: str = "t") -> str:
    return write_test(title, [(r, True, ()) for r in requests], checked_set(RULE))


def requests(text: str) -> list[Request]:
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
    item = replace(request.resource, **{slot("text"): odd})
    changed = evolve(request, entities={**request.entities, item.key_: item}, resource=item)
    assert requests(written(changed)) == [changed]
