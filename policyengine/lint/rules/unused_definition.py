"""Find definitions, constants and fixtures that nothing uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.removal import leave_out
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.test_items import names_in
from policyengine.lint.uses import words
from policyengine.syntax import nodes
from policyengine.syntax.node import walk


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each definition, constant and fixture that nothing names."""
    used, under = words(subject.files), _parents(subject.files)
    fixtures = _fixtures_used(subject.files)
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.Let(value=nodes.EntityRef(type_, id_)) if (type_.name, id_) in under:
                    continue
                case nodes.ConstDecl(name) | nodes.DefineDecl(name) | nodes.Let(name) if (
                    name.name not in (fixtures if isinstance(declaration, nodes.Let) else used)
                ):
                    source = subject.checked.sources[name.span.file]
                    yield warning(
                        "PE410", name.span, f"nothing uses `{name}`", "leave it out",
                        fix=leave_out(source, declaration.span),
                    )  # fmt: skip


def _fixtures_used(files: Iterable[nodes.PolicyFile]) -> set[str]:
    """Return the names that fixtures and tests use, but those that a test gives to its own fixtures."""
    found: set[str] = set()
    for file in files:
        for declaration in file.declarations:
            match declaration:
                case nodes.Let(value=value):
                    found |= names_in(value)
                case nodes.TestDecl(items=items):
                    own: set[str] = set()
                    for item in items:
                        if isinstance(item, nodes.ExpectEach):
                            own.add(item.variable.name)
                        found |= names_in(item) - own
                        if isinstance(item, nodes.Let):
                            own.add(item.name.name)
                        elif isinstance(item, nodes.ExpectEach):
                            own.discard(item.variable.name)
    return found


def _parents(files: Iterable[nodes.PolicyFile]) -> set[tuple[str, str]]:
    """Return the entities that others are `under`: the fixtures that describe them are used."""
    return {
        (parent.type.name, parent.id)
        for file in files
        for node in walk(file.declarations)
        if isinstance(node, nodes.EntityRef)
        for parent in node.parents or ()
    }


RULE = LintRule(
    Code(
        "PE410", "unused-definition", "A definition, constant or fixture that nothing uses.",
        "An author who changes it expects something to change.",
        WORDS + "const limit: int = 3\npermit p: any when subject.status == active\n",
        WORDS + "const limit: int = 3\npermit p: any when subject has age and subject.age > limit\n",
    ),
    find,
)  # fmt: skip
