"""Show when the answer to a request changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

POLICY = """
package p
entity User { joined: datetime }
entity Book
action borrow by User on Book
permit members: borrow
    when subject.joined + 3mo <= now and now within schedule "Tue-Sat 10:00-18:00 Europe/Berlin"
    until 2025-01-01
    otherwise "new members wait for three months before they borrow a book, and books are lent in opening hours"
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("p.policy").write_text(POLICY, encoding="utf-8")
    request = {
        "subject": {"type": "User", "id": "ann", "properties": {"joined": "2024-02-17"}},
        "action": {"name": "borrow"},
        "resource": {"type": "Book", "id": "b"},
        "now": "1999-01-01",
    }
    Path("request.json").write_text(json.dumps(request), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("columns", [60, 120])
def test_the_moments_are_shown(run, asked, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run("timeline", "p.policy", "-r", "request.json")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= columns
    titles = [line for line in done.out.splitlines() if line and line[0] != " "]
    assert titles == ["since 2018-01-01", "from 2024-05-17", "from 2025-01-01"]
    assert "while not now within schedule" in done.out


def test_only_some_of_them_and_as_json(run, asked):
    done = run("timeline", "p.policy", "-r", "request.json", "--since", "2024-06-01", "--until", "2024-07-01",
               "--format", "json")  # fmt: skip
    (period,) = done.json["periods"]
    assert (period["from"], done.json["until"]) == ("2024-06-01T00:00:00Z", "2024-07-01T00:00:00Z")
    assert [answer["decision"] for answer in period["answers"]] == [True, False]


def test_what_cannot_be_said(run, fails, asked):
    line = fails("timeline", "p.policy", "-r", "request.json", "--until", "2017-01-01")
    assert line == "a timeline ends after it begins"
    assert "--since" in fails("timeline", "p.policy", "-r", "request.json", "--since", "soon")
    Path("request.json").write_text('{"action": {"name": "lend"}}', encoding="utf-8")
    done = run("timeline", "p.policy", "-r", "request.json")
    assert (done.code, done.out) == (2, "")
    assert "the request does not fit the policies:" in done.err
