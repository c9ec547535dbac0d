import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyengine.diagnostics.codes import CODES
from policyengine.diagnostics.diagnostic import MOST_SHOWN
from policyengine.diagnostics.render import render
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax.grammar import parser
from policyengine.syntax.parser import parse
from tests.syntax.texts import broken, plain, soup
from tests.whole import share

TERMINALS = re.compile(
    "|".join(rf"\b{t.name}\b" for t in parser().terminals) + r"|\bRULE\b|\$END|__ANON"
)

relaxed = settings(
    max_examples=share(150, 8), deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def assert_lawful(text):
    """A text gives a tree or diagnostics, and these are fit to be shown."""
    source = Source("f", text)

    file, problems = parse(source)

    assert (file is None) == bool(problems)
    assert len(problems) <= 3 * MOST_SHOWN
    for problem in problems:
        assert problem.code in CODES
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
        assert "`" in problem.message or " " in problem.message
        said = re.sub(
            r"`[^`]*`|U\+[0-9A-F]+ [A-Z0-9-]+( [A-Z0-9-]+)*", "", problem.message + problem.help
        )
        assert not TERMINALS.search(said), said
        assert render(problem, {"f": source})


@relaxed
@given(soup)
def test_any_words_give_a_tree_or_diagnostics(text):
    assert_lawful(text)


@relaxed
@given(st.tuples(st.just("package x\n"), soup).map("".join))
def test_any_words_after_a_package_do(text):
    assert_lawful(text)


@relaxed
@given(broken())
def test_broken_files_do(text):
    assert_lawful(text)


@relaxed
@given(st.text())
def test_any_characters_do(text):
    assert_lawful(text)


@relaxed
@given(plain, st.integers(0, 2000))
def test_files_that_are_cut_off_do(text, length):
    assert_lawful(text[:length])


@relaxed
@given(plain)
def test_files_that_parse_have_spans_that_cover_what_was_written(text):
    file, problems = parse(Source("f", text))

    assert problems == ()
    for declaration in file.declarations:
        again, _ = parse(
            Source("f", f"package x\n{text[declaration.span.start : declaration.span.end]}")
        )
        assert again.declarations == (declaration,)


def test_deep_nesting_without_brackets_is_refused():
    limits = Limits(nesting=20)
    for text in ("not " * 50 + "a", "-" * 50 + "a", "a + " * 50 + "a", "a" + ".b" * 50):
        _, (problem,) = parse(Source("f", f"package x define f() = {text}"), limits)
        assert problem.code == "PE102"


def test_after_a_hundred_mistakes_parsing_stops():
    text = "package x\n" + "entity A { a int }\n" * 500

    _, problems = parse(Source("f", text))

    assert len(problems) == MOST_SHOWN
