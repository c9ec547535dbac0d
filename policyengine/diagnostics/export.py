"""Convert diagnostics to plain data that `json.dumps` takes, for programs.

`start` and `end` are offsets, which count code points from 0; lines and columns count from 1, as
editors show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policyengine.diagnostics.codes import CODES
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, Fix, Label
from policyengine.diagnostics.source import Source


def diagnostics_json(diagnostics: Diagnostics, codes: Mapping[str, Code] = CODES) -> dict[str, Any]:
    """Return a run's diagnostics, with their number."""
    errors = len(diagnostics.errors)
    return {
        "errors": errors,
        "warnings": len(diagnostics.items) - errors,
        "left_out": diagnostics.left_out,
        "diagnostics": [diagnostic_json(d, diagnostics.sources, codes) for d in diagnostics.items],
    }


def diagnostic_json(
    diagnostic: Diagnostic, sources: Mapping[str, Source], codes: Mapping[str, Code] = CODES
) -> dict[str, Any]:
    """Return one diagnostic; the first of its labels is the place of the problem."""
    known = codes.get(diagnostic.code)
    return {
        "code": diagnostic.code,
        "slug": known.slug if known else "",
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "labels": [_label_json(label, sources) for label in diagnostic.labels],
        "fix": _fix_json(diagnostic.fix, sources) if diagnostic.fix else None,
    }


def _fix_json(fix: Fix, sources: Mapping[str, Source]) -> dict[str, Any]:
    edits = [{**_label_json(Label(e.span), sources), "text": e.text} for e in fix.edits]
    return {"what": fix.what, "edits": edits}


def _label_json(label: Label, sources: Mapping[str, Source]) -> dict[str, Any]:
    span, source = label.span, sources.get(label.span.file)
    line, column = source.position(span.start) if source else (1, 1)
    end_line, end_column = source.position(span.end) if source else (1, 1)
    return {
        "file": span.file,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.start,
        "end": span.end,
        "text": label.text,
    }
