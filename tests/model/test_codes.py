"""The catalogue of data: each example gives its code, and what to write instead gives none."""

from __future__ import annotations

import json

import pytest

from policyengine.diagnostics.codes.data import DATA, SMALL, WORDS
from policyengine.diagnostics.source import Source
from policyengine.filters import mapping
from policyengine.intake.authzen import read_document
from policyengine.intake.store import EntityStore
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.checker import check
from policyengine.syntax.parser import parse

LIMITS = Limits(**SMALL)
CODES = {code.number: code for code in DATA}


@pytest.fixture(scope="module")
def library() -> CheckedSet:
    source = Source("library.policy", WORDS)
    file, problems = parse(source, Limits())
    assert file is not None, problems
    checked, problems = check([file], {source.name: source}, Limits())
    assert checked is not None, problems
    return checked


def codes_of(library: CheckedSet, text: str) -> set[str]:
    try:
        if text.startswith("["):
            EntityStore.from_json(library.schema, text, LIMITS)
        else:
            raw = read_document(text, LIMITS)
            Validator(library.schema, library.needs, LIMITS).validate(raw)
    except InvalidRequest as refusal:
        return {problem.code for problem in refusal.problems}
    return set()


@pytest.mark.parametrize(
    "number", sorted(set(CODES) - {"PE528", "PE529"} - {n for n in CODES if n >= "PE560"})
)
def test_an_example_gives_its_code_and_the_other_gives_none(library, number):
    code = CODES[number]
    found = codes_of(library, code.example)
    assert number in found
    assert found <= ({number, "PE527"} if number in ("PE526", "PE535") else {number})
    assert codes_of(library, code.instead) == set()


@pytest.mark.parametrize("number", [n for n in CODES if "PE570" <= n < "PE575"])
def test_an_example_of_a_mapping_gives_its_code_and_the_other_gives_none(library, number):
    names = vars(mapping) | {"schema": library.schema}
    with pytest.raises(mapping.InvalidMapping) as refusal:
        eval(CODES[number].example, names)
    assert {problem.code for problem in refusal.value.problems} == {number}
    assert eval(CODES[number].instead, names)


def test_a_store_of_another_vocabulary_is_refused(library):
    store = EntityStore(library.schema)
    fewer = library.schema.__class__({}, library.schema.actions, {}, {})
    assert store.fits(library.schema)
    assert not store.fits(fewer)


def test_numbers_and_slugs_are_given_once_and_in_order():
    assert [code.number for code in DATA] == sorted(CODES)
    assert len({code.slug for code in DATA}) == len(DATA)
    assert all(code.summary.endswith(".") and code.explanation.endswith(".") for code in DATA)
    assert json.loads(CODES["PE501"].instead)
