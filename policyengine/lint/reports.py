"""Write findings for other tools: SARIF 2.1.0 for code scanning, annotations for GitHub.

SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Its columns count UTF-16 units unless the
run says otherwise; ours are code points, and the run says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, Fix, Label, Severity
from policyengine.diagnostics.source import Source

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(
    diagnostics: Diagnostics, codes: Mapping[str, Code], version: str, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a SARIF log with one run: all known rules, all findings.

    *notes* say what was not done.
    """
    numbers = list(codes)
    driver = {
        "name": "policyengine",
        "semanticVersion": version,
        "rules": [_rule(code) for code in codes.values()],
    }
    notifications = [{"level": "warning", "message": {"text": note}} for note in notes]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notifications}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, diagnostics.sources, numbers) for d in diagnostics.items],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.number,
        "name": "".join(word.capitalize() for word in code.slug.split("-")),
        "shortDescription": {"text": code.summary},
        "fullDescription": {"text": code.explanation},
        "help": {"text": f"policyengine explain {code.number}"},
    }


def _result(
    diagnostic: Diagnostic, sources: Mapping[str, Source], numbers: list[str]
) -> dict[str, Any]:
    said = diagnostic.message + (f"; {diagnostic.help}" if diagnostic.help else "")
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity.value,
        "message": {"text": said},
        "locations": [_location(diagnostic.labels[0], sources)],
    }
    if diagnostic.code in numbers:
        result["ruleIndex"] = numbers.index(diagnostic.code)
    if diagnostic.labels[1:]:
        result["relatedLocations"] = [
            {**_location(label, sources), "message": {"text": label.text}}
            for label in diagnostic.labels[1:]
        ]
    if diagnostic.fix:
        result["fixes"] = [_fix(diagnostic.fix, sources)]
    return result


def _fix(fix: Fix, sources: Mapping[str, Source]) -> dict[str, Any]:
    changes: dict[str, dict[str, Any]] = {}
    for edit in fix.edits:
        place = _location(Label(edit.span), sources)["physicalLocation"]
        change = changes.setdefault(
            edit.span.file, {"artifactLocation": place["artifactLocation"], "replacements": []}
        )
        replacement = {"deletedRegion": place["region"], "insertedContent": {"text": edit.text}}
        change["replacements"].append(replacement)
    return {"description": {"text": fix.what}, "artifactChanges": list(changes.values())}


def _location(label: Label, sources: Mapping[str, Source]) -> dict[str, Any]:
    uri = quote(PurePath(label.span.file).as_posix())
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if label.span.file in sources:
        source = sources[label.span.file]
        line, column = source.position(label.span.start)
        end_line, end_column = source.position(label.span.end)
        place["region"] = {
            "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
        }  # fmt: skip
    return {"physicalLocation": place}


def github_lines(diagnostics: Diagnostics, notes: Sequence[str] = ()) -> Iterator[str]:
    """Give one line for each finding, which GitHub shows beside the changed line."""
    for note in notes:
        yield f"::notice::{_escaped(note)}"
    for diagnostic in diagnostics.items:
        source = diagnostics.sources.get(diagnostic.span.file)
        line, column = source.position(diagnostic.span.start) if source else (1, 1)
        level = "error" if diagnostic.severity is Severity.ERROR else "warning"
        said = diagnostic.message + (f"; {diagnostic.help}" if diagnostic.help else "")
        file = _escaped(diagnostic.span.file, ":,")
        yield (
            f"::{level} file={file},line={line},col={column},title={diagnostic.code}"
            f"::{_escaped(said)}"
        )


def _escaped(text: str, signs: str = "") -> str:
    for sign in "%\r\n" + signs:  # the percent sign first, since the escapes of the others have one
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
