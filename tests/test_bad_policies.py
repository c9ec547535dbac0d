"""Feeds the pipeline what no author means to write: each gives a diagnostic, after work in proportion to its length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.model.limits import Limits
from policyengine.pipeline import check_paths
from tests.calls import calls

WORDS = "package p\nentity User\naction read by User on User\n"


def _deep(opening: str, closing: str, depth: int) -> str:
    return f"{WORDS}permit r: any when {opening * depth}true{closing * depth}\n"


BAD: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "package"),
    "only a comment": (b"# nothing\n", "package"),
    "binary": (bytes(range(256)), "UTF-8"),
    "ten megabytes of brackets": (b"(" * 10_000_000, "more than"),
    "brackets over the limit": (b"(" * 200_000, "deep"),
    "nested brackets": (_deep("(", ")", 101).encode(), "deep"),
    "nested not": (_deep("not ", "", 150).encode(), "deep"),
    "nested minus": (f"{WORDS}permit r: any when {'- ' * 150}1 == 1\n".encode(), "deep"),
    "nested if": (_deep("if true then ", " else true", 101).encode(), "nest"),
    "nested sets": (_deep("{", "}", 101).encode(), "deep"),
    "a long chain of sums": (f"{WORDS}permit r: any when {'1 + ' * 5_000}1 == 1".encode(), "deep"),
    "unterminated string": (f'{WORDS}permit r: any because "abc\n'.encode(), "string"),
    "NUL": (f"{WORDS}permit r\0: any".encode(), "U+0000"),
    "bidi in a name": (f"{WORDS}permit r\u202e: any".encode(), "U+202E"),
    "bidi in a comment": (f"{WORDS}# \u2066 hidden\n".encode(), "U+2066"),
    "bidi in a string": (f'{WORDS}permit r: any because "\u202e"'.encode(), "U+202E"),
    "homoglyph": (f"{WORDS}permit re\u0430d: any".encode(), "U+0430"),
    "not UTF-8": (b"package p\n\xff\xfe", "UTF-8"),
}

FINE: dict[str, bytes] = {
    "CRLF": f"{WORDS}permit r: any\n".replace("\n", "\r\n").encode(),
    "BOM": b"\xef\xbb\xbf" + f"{WORDS}permit r: any\n".encode(),
    "letters of every script in a string": f'{WORDS}permit r: any because "żółw 亀"\n'.encode(),
    "a hundred brackets": _deep("(", ")", 90).encode(),
    "a hundred nots": _deep("not ", "", 90).encode(),
    "conditions inside conditions": _deep("if ", " then true else false", 45).encode(),
    "many operands": f"{WORDS}permit r: any when {'true and ' * 5_000} true\n".encode(),
}


def _check(folder: Path, content: bytes, limits: Limits | None = None) -> Diagnostics:
    (folder / "p.policy").write_bytes(content)
    return check_paths([folder], limits or Limits())[1]


def _most_calls(content: bytes) -> int:
    return 2_500 + 100 * len(content)


@pytest.mark.parametrize("name", BAD)
def test_bad_text_gives_a_diagnostic_at_once(name: str, tmp_path: Path) -> None:
    content, part = BAD[name]
    _check(tmp_path, b"package warm")  # the parser is made once for each process

    found = _check(tmp_path, content)

    assert calls(lambda: _check(tmp_path, content)) < _most_calls(content)
    assert found.errors
    assert any(part in f"{e.message} {e.help}" for e in found.errors), found.errors


@pytest.mark.parametrize("name", FINE)
def test_unusual_text_is_fine(name: str, tmp_path: Path) -> None:
    assert _check(tmp_path, FINE[name]).errors == ()
    assert calls(lambda: _check(tmp_path, FINE[name])) < _most_calls(FINE[name])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: folder / "missing.policy", "PE130"),
        (lambda folder: folder / "missing", "PE130"),
        (lambda folder: folder, "PE131"),
    ],
)
def test_unreadable_paths_are_diagnostics(
    make: Callable[[Path], Path], code: str, tmp_path: Path
) -> None:
    checked, found = check_paths([make(tmp_path)])

    assert checked is None
    assert [e.code for e in found.errors] == [code]


def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.policy").write_text(f"package p{number}\n")

    _, found = check_paths([tmp_path], Limits(sources=2))

    assert "PE132" in {e.code for e in found.errors}


def test_files_and_folders_make_one_set(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "words.policy").write_text(WORDS)
    (tmp_path / "rules.policy").write_text("package p\npermit r: any\n")

    checked, found = check_paths([tmp_path / "rules.policy", tmp_path / "deep"])

    assert found.items == ()
    assert checked is not None
    assert [rule.id for rule in checked.rules] == ["access.r"]
