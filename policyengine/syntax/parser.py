"""Parse policy text: check its characters, parse it with Lark, build the tree, check reserved words.

A text without a mistake is parsed by `lalr_driver.py`, which is fast and gives the same tree or none.

Lark stops at the first mistake; parsing resumes at the next declaration, so that one run shows a
mistake of each. A file with a mistake gives diagnostics and no tree. Depth is checked on Lark's
tree with an explicit stack, because everything after it (the checker, the compiler, CPython's own
compiler) recurses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from lark import TextSlice, Token, Tree
from lark.exceptions import UnexpectedInput

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic, error
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.syntax import lalr_driver, nodes
from policyengine.syntax.characters import check_characters
from policyengine.syntax.grammar import parser
from policyengine.syntax.tree_builder import TreeBuilder

_DEFAULT = Limits()


def parse(
    source: Source, limits: Limits = _DEFAULT
) -> tuple[nodes.PolicyFile | None, tuple[Diagnostic, ...]]:
    """Parse a whole file.

    Returns the tree and no diagnostics, or None and at least one. Never raises, whatever the text.
    """
    problems = check_characters(source, limits)
    if problems:
        return None, tuple(problems)
    builder = _builder(source, limits)
    file: nodes.PolicyFile | None = lalr_driver.build(source.text, "file", builder)
    if file is None or builder.problems:
        return parse_with_recovery(source, limits)
    if builder.reserved:
        problems = _misused_words(file, {id(ident): ident for ident in builder.reserved})
    return (None, tuple(problems)) if problems else (file, ())


def parse_with_recovery(
    source: Source, limits: Limits = _DEFAULT
) -> tuple[nodes.PolicyFile | None, tuple[Diagnostic, ...]]:
    """Parse a file whose characters are valid with Lark, which can describe its mistakes."""
    problems: list[Diagnostic] = []
    tree = _recovered_tree(source, problems)
    if tree is None:
        return None, tuple(problems)
    too_deep = _too_deep(tree, source.name, limits)
    if too_deep:
        return None, (too_deep,)
    builder = _builder(source, limits)
    file: nodes.PolicyFile = builder.transform(tree)
    problems += builder.problems
    if builder.reserved:
        problems += _misused_words(file, {id(ident): ident for ident in builder.reserved})
    return (None, tuple(problems)) if problems else (file, ())


def _builder(source: Source, limits: Limits) -> TreeBuilder:
    deepest = limits.nesting + _LEVELS_ABOVE_EXPRESSIONS
    return TreeBuilder(source.name, _expression_parser(source, limits), deepest)


def _recovered_tree(source: Source, problems: list[Diagnostic]) -> Tree[Token] | None:
    """Return Lark's tree, or None after adding one problem for each declaration with a mistake."""
    try:
        return parser().parse(source.text, start="file")
    except UnexpectedInput as found:
        problem = found
    # Loaded when there is a mistake: it takes a while.
    from policyengine.syntax.syntax_errors import resume_point, syntax_diagnostic

    while True:
        problems.append(syntax_diagnostic(source, problem))
        at = resume_point(source, problems[-1].span)
        if at is None or len(problems) >= MOST_SHOWN:
            return None
        try:
            parser().parse(TextSlice(source.text, at, len(source.text)), start="rest")
        except UnexpectedInput as found:
            problem = found
        else:
            return None


def _expression_parser(
    source: Source, limits: Limits
) -> Callable[[str, int], Tree[Token] | Diagnostic]:
    """Return the function with which the builder parses an expression in `{…}` of a text."""

    def parse_expression(text: str, offset: int) -> Tree[Token] | Diagnostic:
        piece = Source(source.name, text)
        try:
            tree = parser().parse(text, start="expression")
        except UnexpectedInput as found:
            from policyengine.syntax.syntax_errors import syntax_diagnostic

            inner = syntax_diagnostic(piece, found)
            span = Span(source.name, inner.span.start + offset, inner.span.end + offset)
            return error(inner.code, span, inner.message, inner.help)
        return _too_deep(tree, source.name, limits, offset) or tree

    return parse_expression


def _too_deep(tree: Tree[Token], file: str, limits: Limits, offset: int = 0) -> Diagnostic | None:
    """Report the first place at which the tree is nested deeper than the limit."""
    stack: list[tuple[Tree[Token], int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > limits.nesting + _LEVELS_ABOVE_EXPRESSIONS:
            at = Span(file, node.meta.start_pos + offset, node.meta.end_pos + offset)
            return error(
                "PE102", at, f"this is nested more than {limits.nesting} levels deep",
                "give parts of it a name with `define`",
            )  # fmt: skip
        stack += [(child, depth + 1) for child in node.children if isinstance(child, Tree)]
    return None


_LEVELS_ABOVE_EXPRESSIONS = 4
"""file, gate_block, rule, when."""


_INSTEAD_OF = {"else": "no row stands for the rest: write one for each value"}


def _misused_words(file: nodes.PolicyFile, reserved: dict[int, nodes.Ident]) -> list[Diagnostic]:
    """Report each reserved word that names something other than an attribute.

    Only declarations that use one as a name are walked.
    """
    allowed: set[int] = set()
    instead: dict[int, str] = {}
    places = sorted(ident.span.start for ident in reserved.values())
    begins = [declaration.span.start for declaration in file.declarations]
    stack: list[object] = [
        declaration
        for declaration in file.declarations
        if bisect_left(places, declaration.span.start) < bisect_left(places, declaration.span.end)
    ]
    while stack:
        match stack.pop():
            case tuple() as items:
                stack += items
            case nodes.Attr(object_, name):
                allowed.add(id(name))
                stack.append(object_)
            case nodes.Has(object_, name):
                allowed.add(id(name))
                stack.append(object_)
            case nodes.RecordField(name, value):
                allowed.add(id(name))
                stack.append(value)
            case nodes.AttributeDecl(name, type_):
                allowed.add(id(name))
                stack.append(type_)
            case nodes.NamedType(nodes.Ident("ip") as name):
                allowed.add(id(name))
            case nodes.ShownField(name):
                allowed.add(id(name))
            case nodes.EnumDecl(name, members) | nodes.LevelsDecl(name, members):
                instead |= {id(member): f'quote it: `"{member.name}"`' for member in members}
                stack.append(name)
                stack += members
            case nodes.Node() as node:
                if isinstance(node, nodes.Target):
                    instead |= {id(i): "write `any`" for i in node.actions or () if i.name == "all"}
                stack += nodes.fields_of(node).values()
    wrong = {  # in a declaration, each word once: its uses are not other mistakes
        (ident.name, bisect_right(begins, ident.span.start)): (key, ident)
        for key, ident in reversed(reserved.items()) if key not in allowed
    }  # fmt: skip
    return [
        error(
            "PE121", ident.span, f"`{ident.name}` is a reserved word",
            instead.get(key) or _INSTEAD_OF.get(ident.name) or "reserved words may name attributes and nothing else: take another name",
        )
        for key, ident in sorted(wrong.values(), key=lambda item: item[1].span.start)
    ]  # fmt: skip
