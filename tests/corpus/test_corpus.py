from pathlib import Path

import pytest

from policyengine.diagnostics.codes import CODES
from tests.corpus.harness import Chunk, chunks, expectations, mismatches

ROOT = Path(__file__).parent
FILES = sorted(ROOT.rglob("*.policy"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_chunk_gives_what_is_written_beside_it(path):
    wrong = [f"{chunk.name}: {m}" for chunk in chunks(path, ROOT) for m in mismatches(chunk)]

    assert not wrong, "\n".join(wrong)


def test_the_corpus_is_there():
    expected = [expectations(c.text) for path in FILES for c in chunks(path, ROOT)]

    assert sum(map(len, expected)) > 180
    assert [] in expected


@pytest.mark.parametrize("code", [c for c in CODES if c < "PE127"])
def test_each_code_of_syntax_is_in_the_corpus(code):
    expected = {e[1] for path in FILES for c in chunks(path, ROOT) for e in expectations(c.text)}

    assert code in expected | ELSEWHERE


ELSEWHERE = {"PE102", "PE103", "PE104", "PE105", "PE106"}
"""Characters and sizes, which tests/syntax/test_characters.py builds."""


class TestTheHarnessBites:
    def test_on_a_diagnostic_that_is_not_given(self):
        chunk = Chunk("x", 1, 'package x\nentity A ### PE999 "nothing"\n')

        assert mismatches(chunk) == ['missing  2: PE999 "nothing"']

    def test_on_one_that_was_not_expected(self):
        chunk = Chunk("x", 1, "package x\nentity A { a int }\n")

        (problem,) = mismatches(chunk)
        assert problem.startswith("besides  2: PE112 ")

    def test_on_another_line_another_code_another_message(self):
        good = 'package x\nentity A { a int } ### PE112 "is missing"\n'

        assert mismatches(Chunk("x", 1, good)) == []
        for bad in (
            good.replace(" ###", "\n###"),
            good.replace("PE112", "PE113"),
            good.replace("is missing", "is not missing"),
        ):
            assert len(mismatches(Chunk("x", 1, bad))) == 2

    def test_on_one_diagnostic_expected_twice(self):
        text = 'package x\nentity A { a int } ### PE112 "missing" ### PE112 "missing"\n'

        assert mismatches(Chunk("x", 1, text)) == ['missing  2: PE112 "missing"']

    def test_on_a_comment_that_it_cannot_read(self):
        with pytest.raises(AssertionError, match="unreadable"):
            mismatches(Chunk("x", 1, "package x ### PE112 missing quotes\n"))

    def test_with_line_numbers_of_the_file(self, tmp_path):
        path = tmp_path / "two.policy"
        path.write_text('package x\n---\npackage x\nentity A { a int } ### PE112 "missing"\n')

        first, second = chunks(path, tmp_path)

        assert (first.name, second.name) == ("two.policy:1", "two.policy:3")
        assert expectations(second.text) == [(4, "PE112", "missing")]
        assert mismatches(first) == mismatches(second) == []
