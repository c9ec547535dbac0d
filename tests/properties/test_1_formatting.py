"""Law 1: `parse(format(tree)) == tree`; formatting is idempotent and loses no comment."""

from __future__ import annotations

import re

from hypothesis import given, settings

from policyengine.diagnostics.source import Source
from policyengine.syntax.formatter import format_source
from policyengine.syntax.parser import parse
from tests.strategies import seeds, texts
from tests.whole import share


def parsed(text: str):
    file, problems = parse(Source("p.policy", text))
    assert file is not None, problems
    return file


def comments(text: str) -> list[str]:
    without_strings = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    return [found.rstrip() for found in re.findall(r"#[^\n]*", without_strings)]


@settings(max_examples=max(share(60, 6), settings().max_examples))
@given(seeds.SEEDS)
def test_formatting_keeps_the_tree_and_every_comment_and_is_idempotent(seed):
    text = texts.laid_out_anyhow(seed)
    formatted = format_source(Source("p.policy", text))
    assert isinstance(formatted, str), (formatted, text)
    assert parsed(formatted) == parsed(text)
    assert sorted(comments(formatted)) == sorted(comments(text))
    assert format_source(Source("p.policy", formatted)) == formatted


def test_comments_are_tried():
    assert sum(bool(comments(texts.laid_out_anyhow(seed))) for seed in range(30)) > 5
