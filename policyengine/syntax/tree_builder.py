"""Build the syntax tree from Lark's: one method for each rule of the grammar.

Lark's tree is walked bottom-up without recursion, so depth is no danger here; `parser.py` has
checked it before. A value that cannot be read (a date that does not exist) is reported in
`problems` and replaced by a harmless one, so that the rest can be reported as well.
"""

# ruff: noqa: ARG002 - a method has the shape that the walk calls it with

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from lark import Token, Transformer_NonRecursive, Tree
from lark.tree import Meta

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic, error
from policyengine.diagnostics.source import Span
from policyengine.model import values
from policyengine.model.path_syntax import parse_path, parse_pattern
from policyengine.model.types import PATH
from policyengine.syntax import lalr_driver, nodes
from policyengine.syntax.foreign_calls import instead_of_call
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.literals import NUMBERS
from policyengine.syntax.node_methods import of_list, of_parts, of_text
from policyengine.syntax.operators import BUILT_IN
from policyengine.syntax.strings import cut_at_braces, unquoted
from policyengine.syntax.worded_values import read_path, read_schedule

_Canonical = TypeVar("_Canonical", int, values.Ip)


class TreeBuilder(Transformer_NonRecursive):  # type: ignore[type-arg]  # generic for Lark alone: its trees are of tokens and nodes
    """Builds the nodes of one file.

    *deepest*: the most branches that may be above one another. *offset* is added to every position: it
    is the place of an interpolated expression in its file.
    *parse_expression* gives Lark's tree for such an expression, or a diagnostic.
    """

    def __init__(
        self,
        file: str,
        parse_expression: Callable[[str, int], Tree[Token] | Diagnostic],
        deepest: int,
        offset: int = 0,
    ) -> None:
        super().__init__(visit_tokens=False)
        self.file_name = file
        self.offset = offset
        self.deepest = deepest
        self.parse_expression = parse_expression
        self.problems: list[Diagnostic] = []
        self.reserved: list[nodes.Ident] = []
        self.quoted: dict[int, nodes.Ident] = {}

    def _call_userfunc(self, tree: Tree[Any], new_children: Any = None) -> Any:
        children = tree.children if new_children is None else new_children
        method = getattr(self, tree.data if tree.data not in _RENAMED else f"{tree.data}_")
        return method(self._span(tree.meta), list(children))

    def build(self, rule: str, begin: int, end: int, children: list[Any]) -> Any:
        """Build the node from *begin* to *end*, both -1 if it takes no place; see `lalr_driver.py`."""
        method = getattr(self, rule if rule not in _RENAMED else f"{rule}_")
        if begin < 0:
            return method(Span(self.file_name, self.offset, self.offset), children)
        return method(Span(self.file_name, begin + self.offset, end + self.offset), children)

    def _span(self, meta: Meta) -> Span:
        if meta.empty:  # a rule that matched nothing, as the parameters of `f()`
            return Span(self.file_name, self.offset, self.offset)
        return Span(self.file_name, meta.start_pos + self.offset, meta.end_pos + self.offset)

    def _token_span(self, token: Token) -> Span:
        assert token.start_pos is not None
        assert token.end_pos is not None
        return Span(self.file_name, token.start_pos + self.offset, token.end_pos + self.offset)

    def _report(self, code: str, span: Span, message: str, help: str = "") -> None:
        self.problems.append(error(code, span, message, help))

    # ---- names, strings, small parts ----------------------------------------------------

    def name(self, span: Span, children: list[Any]) -> nodes.Ident:
        ident = nodes.Ident(str(children[0]), span=span)
        if ident.name in reserved_words():
            self.reserved.append(ident)
        return ident

    def key(self, span: Span, children: list[Any]) -> nodes.Ident:
        (token,) = children
        if token[0] != '"':  # words whose terminals leave no trace are no tokens
            return self.name(span, children)
        ident = nodes.Ident(self.unquote(token), span=span)
        self.quoted[id(ident)] = ident
        return ident

    def ref(self, span: Span, children: list[Any]) -> nodes.Ident:
        first, second = children
        if second is None:
            return self.name(span, [first])
        return nodes.Ident(str(second), str(first), span=span)

    quoted_name = of_text(nodes.Ident)

    def names(self, span: Span, children: list[Any]) -> tuple[Any, ...]:
        return tuple(children)

    refs = shown_fields = calls = names

    def shown_field(self, span: Span, children: list[Any]) -> nodes.ShownField:
        return nodes.ShownField(*children, span=span)

    def mask(self, span: Span, children: list[Any]) -> nodes.Mask:
        name, digits = children
        return nodes.Mask(f"{name}({digits})" if digits is not None else str(name), span=span)

    def field_set(self, span: Span, children: list[Any]) -> tuple[nodes.ShownField, ...]:
        return children[0] or ()

    def unquote(self, token: Token, keep: str = "") -> str:
        """Return the text of a string; escapes of the characters in *keep* are kept."""
        return unquoted(str(token)[1:-1], self._token_span(token).start + 1, self._report_at, keep)

    def _report_at(self, code: str, start: int, end: int, message: str, help: str = "") -> None:
        self._report(code, Span(self.file_name, start, end), message, help)

    def _value(
        self, read: Callable[[str], _Canonical], text: str, span: Span, instead: _Canonical
    ) -> _Canonical:
        try:
            return read(text)
        except ValueError as problem:
            self._report("PE120", span, str(problem))
            return instead

    # ---- types --------------------------------------------------------------------------

    named_type = of_parts(nodes.NamedType)
    set_type = of_parts(nodes.SetOf)
    record_type = of_parts(nodes.RecordOf)

    def attributes(self, span: Span, children: list[Any]) -> tuple[nodes.AttributeDecl, ...]:
        return tuple(children)

    def attribute(self, span: Span, children: list[Any]) -> nodes.AttributeDecl:
        name, optional, private, type_, note = children
        by, count = (None, note) if isinstance(note, nodes.CountNote) else (note, None)
        return nodes.AttributeDecl(
            name, type_, optional is not None, private is not None, by, count, span=span
        )

    def counted(self, span: Span, children: list[Any]) -> nodes.CountNote:
        word, things, *by, per, window = children
        for written, wanted in ((word, "count"), (per, "per")):
            if written is not None and written.name != wanted:
                self._report(
                    "PE144", written.span, f"`{written.name}` is no part of a note", _NOTES
                )
        if isinstance(window, Token):
            window = self.literal(self._token_span(window), [window])
        return nodes.CountNote(things, tuple(by), window, span=span)

    def place(self, span: Span, children: list[Any]) -> nodes.Expr:
        path: nodes.Expr = nodes.Name(str(children[0]), span=self._token_span(children[0]))
        for name in children[1:]:
            path = nodes.Attr(path, name, span=Span(self.file_name, path.span.start, name.span.end))
        return path

    def table_type(self, span: Span, children: list[Any]) -> nodes.TableOf:
        key, value = children
        return nodes.TableOf(nodes.NamedType(key, span=key.span), value, span=span)

    parameter = of_parts(nodes.Parameter)

    def parameters(self, span: Span, children: list[Any]) -> tuple[Any, ...]:
        return tuple(c for c in children if c is not None)

    under = parameters

    # ---- vocabulary ---------------------------------------------------------------------

    import_ = of_parts(nodes.Import)
    levels = of_list(nodes.LevelsDecl)
    enum = of_list(nodes.EnumDecl)
    taxonomy = of_list(nodes.TaxonomyDecl)

    def term(self, span: Span, children: list[Any]) -> nodes.Term:
        return nodes.Term(children[0], tuple(c for c in children[1:] if c is not None), span=span)

    def entity(self, span: Span, children: list[Any]) -> nodes.EntityDecl:
        name, parents, attributes = children
        return nodes.EntityDecl(name, parents or (), attributes or (), span=span)

    def in_groups(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "groups", span, children[0]

    def by(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "subjects", span, children[0]

    def on(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "resources", span, children[0]

    def with_(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "context", span, children[0]

    def having(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        (braces,) = children
        if isinstance(braces, nodes.SetDisplay):
            if braces.items:
                self._report("PE124", braces.span, "`having` gives each constant as `name: value`")
            return "constants", span, ()
        return "constants", span, braces.fields

    def having_types(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "constants", span, children[0]

    def _parts(self, parts: list[tuple[str, Span, Any]]) -> dict[str, Any]:
        """Return the optional parts of a declaration by name, each at most once."""
        found: dict[str, Any] = {}
        for what, span, part in parts:
            if what in found:
                word = _PART_WORDS[what]
                self._report("PE122", span, f"`{word}` is written twice", f"write one `{word}`")
            else:
                found[what] = part
        return found

    def group(self, span: Span, children: list[Any]) -> nodes.GroupDecl:
        return nodes.GroupDecl(children[0], **self._parts(children[1:]), span=span)

    def action(self, span: Span, children: list[Any]) -> nodes.ActionDecl:
        return nodes.ActionDecl(children[0], **self._parts(children[1:]), span=span)

    obligation = of_parts(nodes.ObligationDecl)

    def gate(self, span: Span, children: list[Any]) -> nodes.GateDecl:
        is_field, name, question, range_ = children
        return nodes.GateDecl(name, self.unquote(question), bool(is_field), range_, span=span)

    def const(self, span: Span, children: list[Any]) -> nodes.ConstDecl:
        name, type_, value = children
        self._accept_rows(type_, value)
        return nodes.ConstDecl(name, type_, value, span=span)

    def _accept_rows(self, type_: nodes.TypeExpr, value: nodes.Expr) -> None:
        """Accept the quoted keys of a table, and of the tables in it."""
        if isinstance(type_, nodes.TableOf) and isinstance(value, nodes.RecordDisplay):
            for row in value.fields:
                self.quoted.pop(id(row.name), None)
                self._accept_rows(type_.value, row.value)

    define = of_parts(nodes.DefineDecl)

    # ---- rules --------------------------------------------------------------------------

    gate_block = of_list(nodes.GateBlock)

    def effect(self, span: Span, children: list[Any]) -> str:
        return str(children[0])

    def rule(self, span: Span, children: list[Any]) -> nodes.Rule:
        advisory, effect, name, target, *clauses = children
        return nodes.Rule(effect, name, target, tuple(clauses), advisory is not None, span=span)

    def target(self, span: Span, children: list[Any]) -> nodes.Target:
        first, *parts = children
        if not isinstance(first, Token):
            return nodes.Target(first, **self._parts(parts), span=span)
        *parts, exceptions = parts
        return nodes.Target(None, **self._parts(parts), exceptions=exceptions or (), span=span)

    when = of_parts(nodes.When)
    unless = of_parts(nodes.Unless)
    because = of_parts(nodes.Because)
    otherwise = of_parts(nodes.Otherwise)

    def fields(self, span: Span, children: list[Any]) -> nodes.Fields:
        (names,) = children
        return nodes.Fields(None if isinstance(names, Token) else names, span=span)

    oblige = of_parts(nodes.Oblige)

    def obligation_call(self, span: Span, children: list[Any]) -> nodes.Call:
        return nodes.Call(children[0], tuple(c for c in children[1:] if c is not None), span=span)

    refer = of_parts(nodes.Refer)

    def cites(self, span: Span, children: list[Any]) -> nodes.Cites:
        counts, against = children
        against = None if against is None else self.unquote(against)
        return nodes.Cites(self.unquote(counts), against, span=span)

    from_ = of_parts(nodes.From)
    until = of_parts(nodes.Until)

    def waivable(self, span: Span, children: list[Any]) -> nodes.Waivable:
        return nodes.Waivable(span=span)

    def moment(self, span: Span, children: list[Any]) -> nodes.Literal:
        return self.literal(span, children)

    def template(self, span: Span, children: list[Any]) -> nodes.Template:
        """Parse each `{expr}` of a text."""
        (token,) = children
        start = self._token_span(token).start + 1
        parts: list[str | nodes.Expr] = []
        for part, at in cut_at_braces(str(token)[1:-1], start, self._report_at):
            expr = part if at is None else self._interpolated(part, at)
            if expr is not None:
                parts.append(expr)
        return nodes.Template(tuple(parts), span=span)

    def _interpolated(self, text: str, offset: int) -> nodes.Expr | None:
        if len(self.problems) >= MOST_SHOWN:  # saying what is wrong takes long
            return None
        if '"' in text:
            at = offset + text.index('"') - 1
            what = "a string cannot be inside `{…}` of a text"
            self._report("PE124", Span(self.file_name, at, at + 2), what)
            return None
        inner = TreeBuilder(self.file_name, self.parse_expression, self.deepest, offset)
        expr: nodes.Expr | None = lalr_driver.build(text, "expression", inner)
        if expr is None or inner.problems:
            tree = self.parse_expression(text, offset)
            if isinstance(tree, Diagnostic):
                self.problems.append(tree)
                return None
            inner = TreeBuilder(self.file_name, self.parse_expression, self.deepest, offset)
            expr = inner.transform(tree)
        self.problems += inner.problems
        self.reserved += inner.reserved
        return expr

    # ---- exceptions, promises, examples -------------------------------------------------

    def waiver(self, span: Span, children: list[Any]) -> nodes.WaiverDecl:
        name, rule, *clauses = children
        return nodes.WaiverDecl(name, rule.gate, rule.rule, tuple(clauses), span=span)

    def waived_for(self, span: Span, children: list[Any]) -> nodes.WaivedFor:
        within, entity = children
        return nodes.WaivedFor(entity, within is not None, span=span)

    def waived_on(self, span: Span, children: list[Any]) -> nodes.WaivedOn:
        within, entity = children
        return nodes.WaivedOn(entity, within is not None, span=span)

    ticket = of_text(nodes.Ticket)
    approved_by = of_text(nodes.ApprovedBy)

    def rule_ref(self, span: Span, children: list[Any]) -> nodes.RuleRef:
        first, second = children
        if second is None:
            return nodes.RuleRef(None, first, span=span)
        return nodes.RuleRef(first, second, span=span)

    def entity_name(self, span: Span, children: list[Any]) -> nodes.EntityRef:
        return nodes.EntityRef(children[0], self.unquote(children[1]), span=span)

    def invariant(self, span: Span, children: list[Any]) -> nodes.InvariantDecl:
        name, never, *rest = children
        fields = rest.pop(0) if never.type == "EXPOSE" else None
        return nodes.InvariantDecl(name, rest[0], tuple(rest[1:]), fields, span=span)

    def test(self, span: Span, children: list[Any]) -> nodes.TestDecl:
        return nodes.TestDecl(self.unquote(children[0]), tuple(children[1:]), span=span)

    let = of_parts(nodes.Let)
    at = of_parts(nodes.At)

    def verdict(self, span: Span, children: list[Any]) -> bool:
        return bool(children[0] == "allow")

    def with_context(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "context", span, children[0]

    def asking(self, span: Span, children: list[Any]) -> tuple[str, Span, Any]:
        return "asking", span, nodes.Asking(children[0], span=span)

    def expect(self, span: Span, children: list[Any]) -> nodes.Expect:
        allow, action, subject, resource, *rest = children
        parts = self._parts([part for part in rest if isinstance(part, tuple)])
        clauses = tuple(part for part in rest if not isinstance(part, tuple))
        return nodes.Expect(allow, action, subject, resource, **parts, clauses=clauses, span=span)

    def for_(self, span: Span, children: list[Any]) -> nodes.ExpectEach:
        variable, type_, action, subject, resource, *rest = children
        parts = self._parts([part for part in rest if isinstance(part, tuple)])
        rows = tuple(part for part in rest if isinstance(part, nodes.Row))
        over = nodes.NamedType(type_, span=type_.span)
        return nodes.ExpectEach(variable, over, action, subject, resource, rows, **parts, span=span)

    def row(self, span: Span, children: list[Any]) -> nodes.Row:
        verdict = next(i for i, part in enumerate(children) if isinstance(part, bool))
        values, clauses = children[:verdict], children[verdict + 1 :]
        return nodes.Row(tuple(values), children[verdict], tuple(clauses), span=span)

    member_of = of_parts(nodes.Attr)

    def expect_rules(self, span: Span, children: list[Any]) -> nodes.ExpectRules:
        return nodes.ExpectRules(tuple(children), span=span)

    expect_fields = of_parts(nodes.ExpectFields)
    expect_obligations = of_parts(nodes.ExpectObligations)
    expect_referrals = of_text(nodes.ExpectReferrals)
    expect_reason = of_text(nodes.ExpectReason)
    expect_cause = of_parts(nodes.ExpectCause)

    # ---- expressions --------------------------------------------------------------------

    def expression(self, span: Span, children: list[Any]) -> Any:
        return children[0]

    package = expression

    if_ = of_parts(nodes.If)

    def quantified(self, span: Span, children: list[Any]) -> nodes.Quantified:
        kind, variable, over, body = children
        return nodes.Quantified(
            cast("nodes.Quantifier", str(kind)), variable, over, body, span=span
        )

    def or_(self, span: Span, children: list[Any]) -> nodes.Or:
        return nodes.Or(tuple(children), span=span)

    def and_(self, span: Span, children: list[Any]) -> nodes.And:
        return nodes.And(tuple(children), span=span)

    not_ = of_parts(nodes.Not)

    def operator(self, span: Span, children: list[Any]) -> str:
        return " ".join(str(token) for token in children)

    def compare(self, span: Span, children: list[Any]) -> nodes.Expr:
        left, words, right = children
        op = cast("nodes.Comparison", words.removeprefix("not "))
        return self._infix(nodes.Compare(op, left, right, span=span), words)

    def has(self, span: Span, children: list[Any]) -> nodes.Expr:
        object_, *words, name = children
        return self._infix(nodes.Has(object_, name, span=span), words[0])

    def like(self, span: Span, children: list[Any]) -> nodes.Expr:
        object_, *words, kind, pattern = children
        of_path = kind is not None and kind.name == PATH.name
        if kind is not None and not of_path:
            what = f"nothing of `{kind.name}` can be like a pattern"
            self._report("PE136", kind.span, what, 'a pattern is `"a*"` or `path "/a/*"`')
        if of_path:
            made = nodes.Like(object_, self._path(pattern, parse_pattern), "path", span=span)
        else:
            made = nodes.Like(object_, self.unquote(pattern, keep="*\\"), span=span)
        return self._infix(made, words[0])

    def _infix(self, made: nodes.Expr, words: str) -> nodes.Expr:
        """Return what was written with *words*, which may begin with `not`, between operands."""
        negated = words.partition(" ")[0] == "not"
        return nodes.Not(made, infix=True, span=made.span) if negated else made

    def sum(self, span: Span, children: list[Any]) -> nodes.Arithmetic:
        left, op, right = children
        match left, right:
            case nodes.Literal("datetime", _, moment), nodes.Literal("int", _, offset) if (
                "T" in moment and not moment.endswith("Z")
            ):
                self._report_offset(span, moment, f"{op}{offset}")
            case nodes.Literal("int", _, year), nodes.Literal("int", _, month) if (
                op == "-" and re.fullmatch(r"[12]\d{3}-0[1-9]", f"{year}-{month}")
            ):
                self.problems = [p for p in self.problems if p.span != right.span]
                message = f"`{year}-{month}` is no date"
                self._report("PE120", span, message, f"write `{year}-{month}-01`")
        return nodes.Arithmetic(cast("nodes.Sign", str(op)), left, right, span=span)

    def _report_offset(self, span: Span, moment: str, offset: str) -> None:
        """Report `2026-09-01T10:00:00-0230` once: the builder read a moment, a sign and a number."""
        self.problems = [p for p in self.problems if not span.start <= p.span.start < span.end]
        hours, minutes = offset[:3], offset[3:] or "00"
        message = f"`{moment}{offset}` is no datetime: an offset from UTC has a colon"
        self._report("PE120", span, message, f"write `{moment}{hours}:{minutes}`")

    def product(self, span: Span, children: list[Any]) -> nodes.Arithmetic:
        return nodes.Arithmetic("*", *children, span=span)

    def negate(self, span: Span, children: list[Any]) -> nodes.Negate:
        return nodes.Negate(children[1], span=span)

    def variable(self, span: Span, children: list[Any]) -> nodes.Name:
        name = str(children[0])
        if name in reserved_words() and name != "action":
            self.reserved.append(nodes.Ident(name, span=span))
        return nodes.Name(name, span=span)

    attr = of_parts(nodes.Attr)

    def call(self, span: Span, children: list[Any]) -> nodes.Expr:
        called, *arguments = children
        match called:
            case nodes.Name(name) if name not in reserved_words():
                ident = nodes.Ident(name, span=called.span)
            case nodes.Attr(nodes.Name(package), nodes.Ident(name)) if (
                name not in reserved_words() | BUILT_IN
            ):
                ident = nodes.Ident(name, package, span=called.span)
            case _:
                self.reserved = [i for i in self.reserved if i.span != called.span]
                help = instead_of_call(called, arguments) or (
                    "what can be called is a definition, `size`, `lower` or `ancestors`: `size(S)`"
                )
                self._report("PE126", called.span, "this cannot be called", help)
                return called  # type: ignore[no-any-return]  # after the report, any node will do
        match ident, arguments:
            case nodes.Ident("ancestors", None), [object_, nodes.Name() | nodes.Attr() as type_]:
                asked = nodes.type_named(type_)
                if asked is not None:
                    return nodes.Ancestors(object_, asked, span=span)
        return nodes.Call(ident, tuple(a for a in arguments if a is not None), span=span)

    look_up = of_parts(nodes.LookUp)

    def literal(self, span: Span, children: list[Any]) -> nodes.Literal:
        (token,) = children
        text = str(token)
        match token.type:
            case "TRUE" | "FALSE":
                return nodes.Literal("bool", text == "true", text, span=span)
            case "STRING":
                return nodes.Literal("string", self.unquote(token), text, span=span)
        value = self._value(NUMBERS[token.type], text, span, 0)
        return nodes.Literal(token.type.lower(), value, text, span=span)

    def ip(self, span: Span, children: list[Any]) -> nodes.Literal:
        text = self.unquote(children[0])
        value = self._value(values.parse_ip, text, span, values.Ip(4, 0, 0))
        return nodes.Literal("ip", value, f"ip {children[0]}", span=span)

    def entity_ref(self, span: Span, children: list[Any]) -> nodes.EntityRef | nodes.Literal:
        type_, id_, parents, attributes = children
        if type_.name == "schedule":
            return self._schedule(span, id_, whole=parents is None and attributes is None)
        if type_.name == PATH.name:
            if parents is not None or attributes is not None:
                self._report("PE136", span, "a path is no entity: it has no attributes or parents")
            return nodes.Literal("path", self._path(id_, parse_path), f"path {id_}", span=span)
        return nodes.EntityRef(type_, self.unquote(id_), attributes, parents, span=span)

    def _path(self, token: Token, read: Callable[[str], str]) -> str:
        before = len(self.problems)
        text = self.unquote(token)
        if len(self.problems) > before:  # what is left of a text with a mistake says nothing
            return "/"
        return read_path(read, text, self._token_span(token), self._report_at)

    def _schedule(self, span: Span, token: Token, *, whole: bool) -> nodes.Literal:
        if not whole:
            help = "leave out the rest"
            self._report("PE137", span, "a schedule is written out in its text", help)
        place, text = self._token_span(token), self.unquote(token)
        schedule = read_schedule(text, str(token), place, self._report_at)
        return nodes.Literal("schedule", schedule, f"schedule {token}", span=span)

    update = of_parts(nodes.Update)

    def braces(self, span: Span, children: list[Any]) -> nodes.SetDisplay | nodes.RecordDisplay:
        items = [c for c in children if c is not None]
        if items and isinstance(items[0], nodes.RecordField):
            return nodes.RecordDisplay(tuple(items), span=span)
        return nodes.SetDisplay(tuple(items), span=span)

    record_field = of_parts(nodes.RecordField)

    # ---- files --------------------------------------------------------------------------

    def file(self, span: Span, children: list[Any]) -> nodes.PolicyFile:
        package, *rest = children
        for key in self.quoted.values():
            help = f"write `{key.name}`: only a name that is a row of a table may be quoted"
            self._report("PE141", key.span, "the name of an attribute is not quoted", help)
        imports = tuple(c for c in rest if isinstance(c, nodes.Import))
        declarations = tuple(c for c in rest if not isinstance(c, nodes.Import))
        return nodes.PolicyFile(package, imports, declarations, span=span)

    def rest(self, span: Span, children: list[Any]) -> None:
        """Nothing: text after a mistake is parsed only for its own mistakes."""


_NOTES = "write `(by platform)` or `(count of Post by subject per month)`"

_RENAMED = {"for", "import", "with", "from", "if", "or", "and", "not"}
"""Rules whose names are words of Python; their methods end in an underscore."""

_PART_WORDS = {
    "groups": "in", "subjects": "by", "resources": "on", "context": "with",
    "constants": "having", "asking": "asking",
}  # fmt: skip
