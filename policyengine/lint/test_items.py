"""Find titles, fixtures and entities in tests, for the lint rules on tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from policyengine.diagnostics.source import Source, Span
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_TITLE = re.compile(r'"(?:[^"\\]|\\.)*"')


def title_span(test: nodes.TestDecl, sources: Mapping[str, Source]) -> Span:
    """Return the place of a test's title, with its quotes."""
    found = _TITLE.search(sources[test.span.file].text, test.span.start)
    assert found
    return Span(test.span.file, *found.span())


def tests_in(files: Iterable[nodes.PolicyFile]) -> Iterator[nodes.TestDecl]:
    """Give the tests as they are written."""
    for file in files:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.TestDecl):
                yield declaration


def expects_nothing(test: nodes.TestDecl) -> bool:
    """Whether a test has no expectation."""
    return not any(isinstance(item, nodes.Expect | nodes.ExpectEach) for item in test.items)


def names_in(node: object) -> set[str]:
    """Return the names that expressions in *node* use, those with their package as well."""
    found = set()
    for part in walk(node):
        match part:
            case nodes.Name(name) | nodes.Attr(nodes.Name(), nodes.Ident(name)):
                found.add(name)
    return found
