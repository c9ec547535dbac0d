"""Write results as JUnit XML, which every CI service shows."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, tostring

from policyengine.testing.results import Problem, Result, Run

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even as a reference."""


def junit_xml(run: Run) -> bytes:
    """Return the results as a document with a suite for each policy file."""
    suites = Element("testsuites", {"name": "policyengine", **_counts(run)})
    for file, group in groupby(run.results, key=lambda result: result.span.file):
        part = Run(tuple(group), run.sources)
        suite = SubElement(suites, "testsuite", {"name": _text(file), **_counts(part)})
        for result in part.results:
            _case(suite, result, run)
    document: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def _counts(run: Run) -> dict[str, str]:
    return {
        "tests": str(len(run.results)),
        "failures": str(run.count("failed")),
        "errors": str(run.count("error")),
        "time": f"{run.seconds:.6f}",
    }


def _case(suite: Element, result: Result, run: Run) -> None:
    line, _ = run.sources[result.span.file].position(result.span.start)
    case = SubElement(
        suite, "testcase", classname=_text(result.span.file), name=_text(result.title),
        file=_text(result.span.file), line=str(line), time=f"{result.seconds:.6f}",
    )  # fmt: skip
    for problem in result.problems:
        tag = "error" if problem.kind == "error" else "failure"
        element = SubElement(case, tag, message=_text(problem.message), type=problem.code)
        element.text = _text(_details(problem, run))


def _details(problem: Problem, run: Run) -> str:
    line, column = run.sources[problem.span.file].position(problem.span.start)
    notes = (f"{label}: {text}" for label, text in problem.notes)
    return "\n".join([f"{problem.span.file}:{line}:{column}: {problem.message}", *notes])


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
