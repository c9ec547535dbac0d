import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyengine.diagnostics.source import Source
from policyengine.syntax import formatter
from policyengine.syntax.comments import MisalignedError, comments_of, give_comments
from policyengine.syntax.formatter import format_file, format_source
from policyengine.syntax.layout import WIDTH, Word
from policyengine.syntax.parser import parse
from tests.syntax.texts import DECLARATIONS, plain, strewn
from tests.whole import share

FORMATTED = [
    path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parents[1] / "golden" / "format").glob("*.formatted"))
]


def formatted(text):
    result = format_source(Source("f", text))
    assert isinstance(result, str), result
    return result


def tree(text):
    file, problems = parse(Source("f", text))
    assert file is not None, problems
    return file


class TestLaws:
    @settings(
        max_examples=share(150, 8), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(strewn())
    def test_formatting_keeps_the_tree_and_every_comment_and_is_idempotent(self, texts):
        text, same = texts

        result = formatted(same)

        assert tree(result) == tree(text) == tree(same)
        assert comments_of(result) == comments_of(same)
        assert formatted(result) == result

    @settings(
        max_examples=share(50, 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(plain)
    def test_a_tree_alone_gives_text_of_the_same_tree(self, text):
        file = tree(text)

        again = format_file(file)

        assert tree(again) == file
        assert format_file(tree(again)) == again

    @settings(
        max_examples=share(50, 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(strewn())
    def test_the_layout_is_tidy(self, texts):
        result = formatted(texts[1].replace("\r\n", "\n"))

        assert result.endswith("\n")
        assert not result.startswith("\n")
        assert "\n\n\n" not in result
        assert "\r" not in result
        assert "\t" not in result
        assert not re.search(r" \n|\n\n+ *\}|\{\n\n", result)

    @settings(
        max_examples=share(60, 5), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(st.sampled_from(FORMATTED), st.randoms(use_true_random=False))
    def test_what_is_written_in_columns_or_nearly_so_is_stable(self, text, random):
        def other(_: re.Match[str]) -> str:
            return random.choices([" ", "  ", "   ", "\n"], [95, 3, 1, 1])[0]

        parts = re.split(r'("(?:[^"\\]|\\.)*"|#[^\n]*)', text)
        parts[::2] = (re.sub(r"(?<=\S) (?=\S)| +$", other, part) for part in parts[::2])
        result = formatted("".join(parts))

        assert tree(result) == tree(text)
        assert formatted(result) == result

    @pytest.mark.parametrize("declaration", DECLARATIONS)
    def test_lines_that_can_be_broken_are_short(self, declaration):
        for line in formatted(f"package x\n{declaration}").splitlines():
            assert len(line) <= WIDTH or '"' in line


class TestLineEnds:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_they_stay_as_those_of_the_first_line_are(self, end):
        text = f"package x # c{end}{end}entity A\n entity B{{a:int\r\n}}"

        result = formatted(text)

        assert result == f"package x  # c{end}{end}entity A{end}entity B {{ a: int }}{end}"
        assert formatted(result) == result

    def test_a_file_without_declarations(self):
        assert formatted("package x") == "package x\n"
        assert formatted("\n\npackage x\n\n\nimport y\n\n\n# c") == "package x\n\nimport y\n\n# c\n"

    def test_one_blank_line_stays_between_declarations_and_none_is_added(self):
        text = "package x\n\nentity A\nentity B\n\nentity C\n"

        assert formatted(text) == text
        assert formatted(text.replace("\n\n", "\n\n\n\n")) == text


class TestBraces:
    def test_a_block_that_the_author_broke_stays_broken(self):
        broken = "package x\n\nentity A {\n    a: int\n    b: int\n}\n"

        assert formatted(broken) == broken
        assert formatted("package x entity A {a: int\nb: int}") == (
            "package x\n\nentity A { a: int, b: int }\n"
        )

    def test_all_have_commas_where_an_attribute_named_by_a_keyword_needs_one(self):
        text = "package x\n\nentity A {\n    a: int,\n    in: int,\n    b: int\n}\n"

        assert formatted(text) == text
        assert formatted(text.replace("in: int,", "in: int")) == text

    def test_a_keyword_that_comes_first_needs_no_comma(self):
        text = "package x\n\nentity A {\n    in: int\n    b: int\n}\n"

        assert formatted(text.replace("in: int", "in: int,")) == text

    def test_empty_blocks_that_say_nothing_go(self):
        text = (
            "package x entity A {} taxonomy T { a {} } action b with {} having {} group g with {}"
        )

        assert formatted(text) == ("package x\n\nentity A\ntaxonomy T { a }\naction b\ngroup g\n")

    def test_comments_in_blocks_that_go_stay(self):
        result = formatted("package x entity A { # a\n # b\n } entity B { }\n# c")

        assert result == "package x\n\nentity A  # a\n# b\nentity B\n# c\n"

    def test_a_negation_stays_where_it_is_written(self):
        text = """package x

permit p: any
    when a not within b
     and not a within b
     and c not has d
     and not (a not like "x*")
     and not not a not in b
"""
        assert formatted(text) == text

    def test_comments_between_the_words_of_a_negated_operator_are_kept(self):
        result = formatted("package x permit p: any when a not # why\n startswith b")
        assert "# why" in result
        assert formatted(result) == result


class TestParentheses:
    @pytest.mark.parametrize(
        "helpful",
        [
            "a or (b and c)", "(a and b) or c", "(not a) or b", "not (a == b)", "not (a within b)",
            'not (a like "b*")', "not (a has b)", "(a == b) and c", "(a within b) or c",
            "(a * b) + c", "(now - a) > 30d", "-(-1) == a", "if (if a then b else c) then d else e",
            "if a then (if b then c else d) else e", "if (some x in y: x) then a else b",
            "some x in y: (a and b)", "some x in y: (every z in x: z)", "f((a and b) or c)",
            "{(a * b) + c}", "a or (\n        b and c\n    )",
        ],
    )  # fmt: skip
    def test_those_that_group_a_part_stay(self, helpful):
        result = formatted(f"package x define d() = {helpful}")

        assert " ".join(helpful.split()).replace("( ", "(").replace(" )", ")") in result
        assert formatted(result) == result

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("(a)", "a"), ("((a or b))", "a or b"), ("(a.b) and (1) == (f(x))", "a.b and 1 == f(x)"),
            ("((a and b)) or c", "(a and b) or c"), ("((a and b) or c)", "(a and b) or c"),
            ("f((a and b))", "f(a and b)"), ("if (a or b) then (c) else (d)", "if a or b then c else d"),
            ("not (a.b)", "not a.b"), ("some x in (y): (x)", "some x in y: x"), ("{(a + b)}", "{a + b}"),
            ("a or b and c", "a or b and c"), ("not a == b", "not a == b"),
        ],
    )  # fmt: skip
    def test_those_around_a_whole_a_single_value_or_others_go(self, written, shown):
        assert (
            formatted(f"package x define d() = {written}") == f"package x\n\ndefine d() = {shown}\n"
        )


class TestShape:
    @pytest.mark.parametrize(
        ("before", "head", "clauses", "after"),
        [
            ("", "permit p: read", ("when a", "waivable"), ""),
            ("", "waiver w of g.p", ("until 2027-01-01", 'ticket "t"'), ""),
            ('test "t" {\n    ', "expect allow read by a on b", ("fields {a}", 'refer "t"'), "}\n"),
        ],
    )
    def test_one_line_end_between_head_and_clauses_keeps_them_below(
        self, before, head, clauses, after
    ):
        below = f"\n{' ' * (8 if before else 4)}"

        def shown(text):
            result = formatted(f"package x {before}{text} {after}")
            return result.removeprefix(f"package x\n\n{before}").removesuffix(after)

        assert shown(f"{head} {' '.join(clauses)}") == f"{head} {' '.join(clauses)}\n"
        assert shown(head + " " + "\n".join(clauses)) == f"{head} {' '.join(clauses)}\n"
        assert shown(head + "\n" + " ".join(clauses)) == below.join([head, *clauses]) + "\n"
        assert shown(f"{head} # why\n {' '.join(clauses)}") == (
            below.join([f"{head}  # why", *clauses]) + "\n"
        )

    def test_operands_and_cases_stay_below_one_another(self):
        text = """package x

define below(a: A) =
    a.b
    and a.c
define chosen(a: A) =
    if a.b then 1
    else if a.c then 2
    else 3
define beside(a: A) = a.b and a.c
"""
        assert formatted(text) == text
        assert formatted(text.replace("\n    and", " and\n")) == text


class TestStrings:
    def test_written_forms_stay(self):
        text = 'package x\n\nenum E = "a" | b\n\nconst c: string = "\\u00e9\\u202e"\n'

        assert formatted(text) == text

    def test_without_a_source_strings_are_written_simply_and_safely(self):
        text = r"""package x
enum E = "a" | "in" | "a b"
const c: string = "\u0041\u202e\"\\\n\t{}"
permit p: any when x like "\u0041*\*\\\"" because "\u0041 {{ {x + 1} }} \u200b"
"""
        simple = format_file(tree(text))

        assert (
            simple
            == r"""package x

enum E = a | "in" | "a b"
const c: string = "\u0041\u202e\"\\\n\t{}"
permit p: any
    when x like "A*\*\\\""
    because "A {{ {x + 1} }} \u200b"
"""
        )
        assert tree(simple) == tree(text)


class TestRefusal:
    def test_a_broken_file_gives_its_diagnostics(self):
        (problem,) = format_source(Source("f", "package x\nentity A { a int }"))

        assert problem.code == "PE112"

    @pytest.mark.parametrize(
        ("result", "reason"),
        [
            ("package y # c\n", "the tree would change"),
            ("package x {\n", "the tree would change"),
            ("package x\n", "a comment would change"),
            ("package x # d\n", "a comment would change"),
        ],
    )
    def test_a_bug_never_reaches_the_file(self, monkeypatch, result, reason):
        monkeypatch.setattr(formatter, "format_file", lambda *_: result)

        (problem,) = format_source(Source("f", "package x # c"))

        assert problem.code == "PE901"
        assert problem.message.endswith(reason)

    def test_words_that_are_not_the_source_are_noticed(self, monkeypatch):
        with pytest.raises(MisalignedError):
            give_comments([Word("package"), Word("y")], "package x")
        with pytest.raises(MisalignedError):
            give_comments([Word("package"), Word("x")], "package x y")
        with pytest.raises(MisalignedError):
            give_comments([Word("a")], "ab")

        monkeypatch.setattr(formatter, "_declaration", lambda _: Word("entities"))
        (problem,) = format_source(Source("f", "package x entity A"))
        assert problem.code == "PE901"


@pytest.mark.parametrize(
    ("before", "after"),
    [("f(", ")"), ("{", "}"), ("not ", ""), ("(1 - ", ")"), ("(every x in y: ", ")"), ("", ".b")],
)
def test_what_is_nested_as_deep_as_it_may_be_is_formatted(before, after):
    text = f"package x\n\ndefine deep() =\n    {before * 98}a{after * 98}\n"

    assert tree(formatted(text)) == tree(text)
