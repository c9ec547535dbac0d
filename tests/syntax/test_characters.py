import pytest

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax.characters import check_characters
from policyengine.syntax.decoding import decode
from policyengine.syntax.parser import parse
from tests.calls import calls


def problems(text, limits=None):
    return check_characters(Source("f", text), limits or Limits())


def codes(text):
    return [problem.code for problem in problems(text)]


@pytest.mark.parametrize(
    ("character", "named"),
    [
        ("\0", "U+0000"),
        ("\x1b", "U+001B"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\f", "U+000C"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE, which changes the order"),
        ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE, which changes the order"),
        ("\u200b", "U+200B ZERO WIDTH SPACE, which nobody can see"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE, which nobody can see"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A, which nobody can see"),
        ("\ud800", "U+D800"),
        ("\r", "a carriage return without a line feed"),
    ],
)
@pytest.mark.parametrize("around", ["package {}x\n", 'const a: string = "{}"\n', "# {}x\n"])
def test_what_hides_something_is_refused_everywhere(character, named, around):
    text = "package x\n" + around.format(character)

    (problem,) = problems(text)

    assert problem.code == "PE104"
    assert named in problem.message
    assert text[problem.span.start : problem.span.end] == character


@pytest.mark.parametrize(
    "text", ["package x\r\n# y\r\n", "\tpackage x\n", '"日本 é 👩\u200d👧"', "# é"]
)
def test_line_ends_tabs_and_scripts_in_strings_and_comments_are_fine(text):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "shown", "named", "help"),
    [
        ("p\u0435rmit", "p\u0435rmit", "U+0435 CYRILLIC SMALL LETTER IE", "write `permit`"),
        ("a == “x”", "“x”", "U+201C LEFT DOUBLE QUOTATION MARK", 'write `"x"`'),
        ("a ≥ b", "≥", "U+2265 GREATER-THAN OR EQUAL TO", "write `>=`"),
        ("naïve", "naïve", "U+00EF LATIN SMALL LETTER I WITH DIAERESIS", "write `naive`"),
        ("\uff41\uff42", "\uff41\uff42", "U+FF41 FULLWIDTH LATIN SMALL LETTER A", "write `ab`"),
        ("a\u00a0b", "a\u00a0b", "U+00A0 NO-BREAK SPACE", "write a space"),
        ("日本", "日本", "U+65E5", ""),
    ],
)
def test_look_alikes_are_named_with_what_they_look_like(text, shown, named, help):
    (problem,) = problems(text)

    assert problem.code == "PE105"
    assert named in problem.message
    assert problem.help == help
    assert text[problem.span.start : problem.span.end] == shown


def test_one_mistake_is_one_problem_and_there_are_not_too_many():
    assert codes("ééé é") == ["PE105", "PE105"]
    assert len(problems("é " * 1000)) == MOST_SHOWN
    assert len(problems("\u202e" * 1000)) == MOST_SHOWN
    assert codes("\0" * 1000) == ["PE104"]
    assert codes("é\u200b") == ["PE104"]


def test_nesting_counts_brackets_outside_strings_and_comments():
    limits = Limits(nesting=3)

    assert problems("({[]})", limits) == []
    assert problems('(((  "((((" # ((((\n )))', limits) == []
    assert problems("(()()())" * 100 + ")))", limits) == []
    (problem,) = problems("({(\n(", limits)
    assert (problem.code, problem.span.start) == ("PE102", 4)


def test_a_text_beyond_the_limit_is_not_looked_at():
    (problem,) = problems("\0" * 11, Limits(source_size=10))

    assert problem.code == "PE106"
    assert problem.message == "this file has 11 characters, more than 10"
    assert problems("a" * 10, Limits(source_size=10)) == []


@pytest.mark.parametrize(
    "text",
    [
        "(" * 8_000_000,
        "é" * 8_000_000,
        "a" * 7_999_999 + "é",
        "\u202e" * 8_000_000,
        "(" * 9_000_000,
    ],
    ids=["brackets", "foreign", "long word", "bidi", "too large"],
)
def test_large_hostile_texts_are_refused_at_once(text):
    parsed = []

    assert calls(lambda: parsed.append(parse(Source("f", text)))) < 5_000

    ((file, found),) = parsed
    assert file is None
    assert found
    assert all(len(d.message) < 300 for d in found)


class TestDecode:
    def test_utf_8_with_and_without_a_mark(self):
        assert decode("package é\r\n".encode(), "f") == Source("f", "package é\r\n")
        assert decode(b"\xef\xbb\xbfpackage x", "f") == Source("f", "package x")
        assert decode(b"", "f") == Source("f", "")

    def test_other_bytes_are_named(self):
        problem = decode(b"package \xff", "f")

        assert isinstance(problem, Diagnostic)
        assert (problem.code, problem.span.file) == ("PE103", "f")
        assert problem.message == "byte 8 of this file is not UTF-8"

    def test_utf_16_is_recognised(self):
        problem = decode("package x".encode("utf-16"), "f")

        assert isinstance(problem, Diagnostic)
        assert "UTF-16" in problem.help

    def test_a_mark_inside_is_refused(self):
        source = decode(b"\xef\xbb\xbf\xef\xbb\xbfpackage x", "f")

        assert isinstance(source, Source)
        assert [p.code for p in check_characters(source, Limits())] == ["PE104"]
