"""Holds that each code's example gives it, and that what to write instead gives nothing."""

import re
from pathlib import Path

import pytest

from policyengine.analysis.budget import Budget
from policyengine.diagnostics.codes import CODES
from policyengine.diagnostics.source import Source
from policyengine.lint.linter import LINT_CODES
from policyengine.pipeline import check_sources
from policyengine.proving.proofs import prove, with_broken

PACKAGE = Path(__file__).parents[2] / "policyengine"
OF_TEXT = [code for code in CODES.values() if code.number < "PE5" and code.example[:2] != "$ "]
OF_FILES = {"PE103", "PE106", "PE130", "PE131", "PE132"}


def found_in(text):
    """Check the files of an example, which lines `---` part; return errors and warnings."""
    files = enumerate(re.split(r"^---\n", text, flags=re.MULTILINE))
    checked, found = check_sources(
        {f"{n}.policy": Source(f"{n}.policy", part) for n, part in files}
    )
    if checked is not None:
        found = with_broken(
            found, checked, prove(checked, checked.invariants, Budget.lasting(None))
        )
    errors = {diagnostic.code for diagnostic in found.errors}
    return errors, {diagnostic.code for diagnostic in found.items} - errors


@pytest.mark.parametrize("code", OF_TEXT, ids=lambda code: code.number)
def test_an_example_gives_its_code_and_no_other_error(code):
    errors, warnings = found_in(code.example)

    assert errors <= {code.number}
    assert code.number in errors | warnings


@pytest.mark.parametrize("code", OF_TEXT, ids=lambda code: code.number)
def test_what_to_write_instead_gives_neither_the_code_nor_an_error(code):
    errors, warnings = found_in(code.instead)

    assert errors == set()
    assert code.number not in warnings


def test_only_codes_of_files_and_our_own_mistakes_have_no_text():
    without = {c.number for c in CODES.values() if c.example.startswith("$ ")}

    assert without == OF_FILES | {n for n in CODES if n.startswith("PE9")}


def test_every_code_that_is_used_is_known_and_every_other_way_round():
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if "codes" not in path.parts:
            used |= set(re.findall(r"\bPE\d{3}\b", path.read_text(encoding="utf-8")))

    assert used == set(CODES) | set(LINT_CODES)


def test_entries_are_whole():
    every = {**CODES, **LINT_CODES}
    of_policies = [code.slug for code in every.values() if code.number < "PE5"]
    of_data = [code.slug for code in every.values() if code.number >= "PE5"]

    assert len(of_policies) == len(set(of_policies))
    assert len(of_data) == len(set(of_data))
    for number, code in every.items():
        assert number == code.number
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code.slug)
        assert code.summary[0].isupper() or code.summary[0] == "`"
        assert code.summary.endswith(".")
        assert code.explanation
