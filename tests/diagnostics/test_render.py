from unittest import mock

import pytest

from policyengine.diagnostics import render as render_module
from policyengine.diagnostics.diagnostic import Diagnostics, Label, error, warning
from policyengine.diagnostics.render import WIDTH, render, render_all, summary
from policyengine.diagnostics.source import NOWHERE, Source, Span


def shown(text, start, end, help="", *also, name="f"):
    source = Source(name, text)
    labels = [Label(Span(name, a, b), said) for a, b, said in also]
    problem = error("PE999", Span(name, start, end), "it is wrong", help, *labels)
    return render(problem, {name: source}).splitlines()


def test_the_place_is_underlined_and_the_help_stands_beside_it():
    text = "permit p: any\n  when subject.departmnt == 1\n"

    assert shown(text, 29, 38, "did you mean `department`?", name="policies/docs.policy") == [
        "error[PE999]: it is wrong",
        " --> policies/docs.policy:2:16",
        "  2 |   when subject.departmnt == 1",
        "    |                ^^^^^^^^^ help: did you mean `department`?",
    ]


def test_an_empty_place_gets_a_caret_and_one_over_lines_ends_with_its_first():
    assert shown("", 0, 0)[2:] == ["  1 |", "    | ^"]
    assert shown("abc", 3, 3)[2:] == ["  1 | abc", "    |    ^"]
    assert shown("abc\ndef", 1, 6)[2:] == ["  1 | abc", "    |  ^^"]
    assert shown("abc\r\ndef", 1, 8)[2:] == ["  1 | abc", "    |  ^^"]


def test_tabs_and_wide_characters_are_counted_as_a_terminal_does():
    assert shown("\ta\tb", 3, 4)[2:] == ["  1 |     a   b", "    |         ^"]
    assert shown('"日本" x', 5, 6)[2:] == ['  1 | "日本" x', "    |        ^"]
    assert shown('"日本" x', 1, 3)[3] == "    |  ^^^^"
    assert shown("e\u0301 x", 3, 4)[3] == "    |   ^"


def test_nothing_from_the_author_steers_the_terminal():
    source = Source("f\x1b[0m", "a\x1b[31mb\u202e\n")
    span = Span(source.name, 0, 1)
    problem = error("PE999", span, "not\x07 \u2028this", "nor\x1b", Label(span, "\u200bthat"))

    text = render(problem, {source.name: source})

    assert text.isprintable() or set(text) - {"\n"} <= set(filter(str.isprintable, text))
    assert "a�[31mb�" in text
    assert "not� �this" in text
    assert "�that" in text


@pytest.mark.parametrize("at", [0, 50, 90, 300, 590, 599, 600])
def test_a_long_line_is_cut_around_the_place(at):
    text = "".join(chr(ord("a") + i % 26) for i in range(600))

    line, mark = shown(text, at, at + 3)[2:]

    assert len(line) <= WIDTH + len("  1 | ……")
    assert line.startswith("  1 | …") == (at >= 90)
    assert line.endswith("…") == (at < 590)
    if at < 599:
        assert line[mark.index("^") :].startswith(text[at : at + 3])


def test_help_without_room_beside_stands_below():
    help = "word " * 30 + "end"

    assert shown("abc", 0, 3, help)[2:] == ["  1 | abc", "    | ^^^", f"    = help: {help}"]


def test_other_places_are_shown_with_what_they_have_to_do_with_it():
    text = "one two\n\n\nthree four\nfive"

    assert shown(text, 16, 20, "write it", (0, 3, "here"), (10, 15, "and here"))[1:] == [
        " --> f:4:7",
        "  1 | one two",
        "    | --- here",
        "   ...",
        "  4 | three four",
        "    |       ^^^^ help: write it",
        "    | ----- and here",
    ]


def test_other_files_have_their_own_heading():
    sources = {"f": Source("f", "abc"), "g": Source("g", "\nxyz")}
    also = [Label(Span("g", 1, 4), "there"), Label(Span("h", 0, 1), "gone")]

    text = render(error("PE999", Span("f", 0, 1), "wrong", "", *also), sources)

    assert text.splitlines()[1:] == [
        " --> f:1:1",
        "  1 | abc",
        "    | ^",
        " ::: g:2:1",
        "  2 | xyz",
        "    | --- there",
        " ::: h",
    ]


def test_places_that_cannot_be_shown_are_named():
    assert render(error("PE999", Span("f", 0, 0), "wrong", "so"), {}).splitlines() == [
        "error[PE999]: wrong",
        " --> f",
        "    = help: so",
    ]
    assert render(error("PE999", NOWHERE, "wrong"), {}) == "error[PE999]: wrong"


def test_line_numbers_of_all_lengths_are_aligned():
    text = "a\n" * 1500

    assert shown(text, 2800, 2801, "", (0, 1, "here"))[2:] == [
        "    1 | a",
        "      | - here",
        "     ...",
        " 1401 | a",
        "      | ^",
    ]


def test_a_style_dresses_every_part():
    source = Source("f", "abc def")
    problem = warning("PE999", Span("f", 0, 3), "odd", "so", Label(Span("f", 4, 7), "that"))
    parts = []

    def style(text, part):
        parts.append(part)
        return f"<{text}>"

    text = render(problem, {"f": source}, style)

    assert text.splitlines() == [
        "<warning[PE999]>: <odd>",
        "< --> ><f:1:1>",
        "<  1 | ><abc def>",
        "<    | ><^^^> <help: so>",
        "<    | >    <---> <that>",
    ]
    assert set(parts) == {
        "warning", "message", "gutter", "place", "source", "mark", "help", "also",
    }  # fmt: skip


def test_all_are_shown_with_their_number():
    source = Source("f", "abc")
    problems = [error("PE998", Span("f", 0, 1), "bad"), warning("PE999", Span("f", 1, 2), "odd")]

    text = render_all(Diagnostics.of(problems, {"f": source}))

    first, second, count = text.split("\n\n")
    assert first.startswith("error[PE998]: bad\n")
    assert second.startswith("warning[PE999]: odd\n")
    assert count == "1 error, 1 warning"


@pytest.mark.parametrize(
    ("errors", "warnings", "text"),
    [
        (0, 0, "no errors"),
        (1, 0, "1 error"),
        (2, 3, "2 errors, 3 warnings"),
        (0, 1, "1 warning"),
        (150, 0, "100 errors, 50 more not shown"),
    ],
)
def test_the_summary_counts(errors, warnings, text):
    found = [error("PE998", Span("f", i, i), "bad") for i in range(errors)]
    found += [warning("PE999", Span("f", i, i), "odd") for i in range(warnings)]

    assert summary(Diagnostics.of(found, {})) == text


def test_of_a_very_long_line_only_what_is_around_the_place_is_looked_at():
    line = "".join(f"a{number}, " for number in range(50_000))
    at = line.index("a44444")
    source = Source("f", line)
    with mock.patch(
        "policyengine.diagnostics.render._visible", wraps=render_module._visible
    ) as seen:
        rows = render(error("PE999", Span("f", at, at + 6), "wrong"), {"f": source}).splitlines()
    assert seen.call_count < 5_000
    begin = rows[2].index("a44444")
    assert rows[2][6] == "…"
    assert rows[2].endswith("…")
    assert rows[3][begin : begin + 6] == "^^^^^^"
    assert rows[1].endswith(f":1:{at + 1}")
