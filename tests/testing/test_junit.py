"""Read the JUnit XML back: counts, places, messages, and text that XML cannot hold."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from policyengine.diagnostics.source import Source, Span
from policyengine.testing.junit import junit_xml
from policyengine.testing.results import Problem, Result, Run

TEXT = 'test "a" {\n  expect\n}\ntest "b" {}\n'
SOURCES = {name: Source(name, TEXT) for name in ("one.policy", "two.policy")}


def result(title: str, file: str, *kinds: str, message: str = "no") -> Result:
    problems = tuple(
        Problem(kind, Span(file, 13, 19), message, (("reason", "so it is"),)) for kind in kinds
    )
    return Result(title, Span(file, 0, 10), problems, 1, 0.25)


def written(*results: Result) -> ET.Element:
    return ET.fromstring(junit_xml(Run(results, SOURCES)))


def test_each_file_is_a_suite_with_its_counts():
    root = written(
        result("a", "one.policy"),
        result("b", "one.policy", "failed"),
        result("c", "two.policy", "failed", "error"),
    )
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    assert root.get("time") == "0.750000"
    one, two = root
    assert (one.get("name"), one.get("tests"), one.get("failures")) == ("one.policy", "2", "1")
    assert (two.get("name"), two.get("errors"), two.get("failures")) == ("two.policy", "1", "0")


def test_a_case_says_where_and_why():
    (suite,) = written(result("b", "one.policy", "failed"))
    (case,) = suite
    assert (case.get("classname"), case.get("name"), case.get("line")) == ("one.policy", "b", "1")
    (failure,) = case
    assert (failure.tag, failure.get("message")) == ("failure", "no")
    assert failure.text == "one.policy:2:3: no\nreason: so it is"


def test_an_error_is_no_failure():
    (suite,) = written(result("b", "one.policy", "error"))
    assert [element.tag for element in suite[0]] == ["error"]


def test_characters_that_xml_cannot_hold_are_replaced():
    (suite,) = written(result("a\x00\x1b<&\ud800é", "one.policy", "failed", message="\x07x"))
    assert suite[0].get("name") == "a��<&�é"
    assert suite[0][0].get("message") == "�x"
