import json

from policyengine.diagnostics.diagnostic import Diagnostics, Label, error, warning
from policyengine.diagnostics.export import diagnostics_json
from policyengine.diagnostics.source import Source, Span


def test_diagnostics_become_plain_data():
    source = Source("f", "one\ntwo three\n")
    found = Diagnostics.of(
        [
            error("PE101", Span("f", 4, 7), "bad", "write it", Label(Span("g", 1, 2), "see")),
            warning("PE999", Span("f", 8, 14), "odd"),
        ],
        {"f": source},
    )

    document = diagnostics_json(found)

    assert json.loads(json.dumps(document)) == document
    assert (document["errors"], document["warnings"], document["left_out"]) == (1, 1, 0)
    first, second = document["diagnostics"]
    assert first == {
        "code": "PE101",
        "slug": "unexpected-text",
        "severity": "error",
        "message": "bad",
        "help": "write it",
        "labels": [
            {
                "file": "f", "line": 2, "column": 1, "end_line": 2, "end_column": 4,
                "start": 4, "end": 7, "text": "",
            },
            {
                "file": "g", "line": 1, "column": 1, "end_line": 1, "end_column": 1,
                "start": 1, "end": 2, "text": "see",
            },
        ],
        "fix": None,
    }  # fmt: skip
    assert (second["severity"], second["slug"]) == ("warning", "")
    assert second["labels"][0]["end_line"] == 3
