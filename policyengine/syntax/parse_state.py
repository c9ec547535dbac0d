"""Describe the state in which parsing stopped: the text found, what was expected, what is unfinished.

Everything comes from Lark's own state: the token that it could not shift, the terminals that its
parser would accept instead, and its stack with the unfinished constructs. No name of a terminal
leaves this room; `spelling` and `expected` convert them to the author's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from attrs import frozen
from lark import Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from policyengine.concurrency import cached_property
from policyengine.diagnostics.source import Source, Span
from policyengine.syntax.grammar import parser
from policyengine.syntax.operators import OPERATORS, Operator

CLAUSES = frozenset({
    "_WHEN", "_UNLESS", "_BECAUSE", "_OTHERWISE", "_FIELDS", "_OBLIGE", "_REFER", "_CITES", "_FROM",
    "_UNTIL", "WAIVABLE",
})  # fmt: skip
EFFECTS = frozenset({"PERMIT", "FORBID", "EXPOSE"})
DECLARATIONS = frozenset({
    "_LEVELS", "_ENUM", "_TAXONOMY", "_ENTITY", "_GROUP", "_ACTION", "_OBLIGATION", "_GATE",
    "FIELD", "_CONST", "_DEFINE", "_WAIVER", "_INVARIANT", "_TEST",
})  # fmt: skip
TEST_ITEMS = frozenset({"_LET", "_AT", "_EXPECT", "_FOR"})

_NAMED = {
    "NAME": "a name", "STRING": "a text in quotes", "DATETIME": "a date", "INT": "a number",
    "QUANTIFIER": "`every` or `some`",
}  # fmt: skip
_NOT_SPELLED = frozenset(
    {"STRING", "NAME", "DATETIME", "DURATION", "MONTHS", "DECIMAL", "INT", "QUANTIFIER"}
)

_LONGEST_WORD = 40
"""The number of characters that a message shows of the text found."""

_LOOK_BACK = 300
"""The number of characters before the text found that patterns look at: some take long on a long text."""

_COMMENT_OR_SIGN = re.compile(r"#[^\n]*|[^\s#]")
_RUN = re.compile(r"\w[\w/-]{0,38}\w")
_WRONG_WORD = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*|[^\sA-Za-z0-9_\"#(){}\[\],;']{1,3}|.?")


def spelling(terminal: str) -> str:
    """Return the text of a keyword or sign, or the empty string for a terminal with many forms."""
    if terminal in _NOT_SPELLED or terminal == "$END":
        return ""
    pattern = parser().get_terminal(terminal).pattern
    return pattern.value.partition("(")[0] if pattern.type == "re" else pattern.value


@cache
def _terminals() -> dict[str, str]:
    """Return the terminal of each keyword and sign by its text."""
    return {spelling(terminal.name): terminal.name for terminal in parser().terminals}


@cache
def keywords() -> dict[str, str]:
    """Return the terminal of each keyword by its text."""
    return {word: name for word, name in _terminals().items() if word.isidentifier()}


def _first_terminals(rows: Iterable[Operator]) -> frozenset[str]:
    return frozenset(_terminals()[row.word.split()[0]] for row in rows)


INFIX = tuple(row for row in OPERATORS.values() if row.infix)
"""The operators that follow an operand."""

COMPARISONS = _first_terminals(row for row in INFIX if row.compares) | {"_NOT"}
"""The terminals with which a comparison goes on after its first operand."""

ROOTS = ("subject", "resource", "context", "action", "now")

CLOSES = {"_RBRACE": "_LBRACE", "_RPAREN": "_LPAREN", "_RBRACKET": "_LBRACKET"}
"""Closing brackets, each with the one that it closes."""

_AFTER_OPERAND = frozenset({
    *_first_terminals(INFIX), "_NOT", "_DOT", "_LPAREN", "_LBRACE", "_LBRACKET", "_UNDER", "STRING",
})  # fmt: skip


@frozen(slots=False)
class ParseState:
    """The state in which parsing stopped.

    *terminal*: that of the text found; empty if the lexer recognised none, `$END` at the end.
    *accepts*: the terminals that were possible. *stack*: the tokens and trees of everything that is
    not finished.
    """

    source: Source
    start: int
    end: int
    terminal: str
    accepts: frozenset[str]
    stack: tuple[Token | Tree[Token], ...]
    piece: bool
    """Whether the text is only an expression, cut out of a string."""

    @classmethod
    def of(cls, source: Source, problem: UnexpectedInput) -> ParseState:
        """Return the state of Lark's exception."""
        found: Any = problem
        state = found.interactive_parser.parser_state
        stack = tuple(state.value_stack)
        piece = state.parse_conf.start == "expression"
        accepts = frozenset(found.interactive_parser.accepts())
        if not isinstance(problem, UnexpectedToken):
            start = found.pos_in_stream
            wrong = _WRONG_WORD.match(source.text, start)
            end = max(start + 1, wrong.end() if wrong else 0)
            return cls(source, start, end, "", accepts, stack, piece)
        token = found.token
        if token.type == "$END":
            end = len(source.text)
            return cls(source, end, end, "$END", accepts, stack, piece)
        # Where only a name is possible, the lexer reads keywords as names.
        terminal = keywords().get(str(token), token.type)
        return cls(source, token.start_pos, token.end_pos, terminal, accepts, stack, piece)

    def kind(self, at: int) -> str:
        """Return the kind of what is at a place of the stack, -1 for the last; empty if there is nothing."""
        return kind_of(self.stack[at]) if len(self.stack) >= -at else ""

    @cached_property
    def text(self) -> str:
        """The text found; empty at the end of the file."""
        return self.source.text[self.start : self.end]

    @cached_property
    def run(self) -> str:
        """The text found with what is one word to somebody who leaves out its quotes, as in `LIB-7`."""
        found = _RUN.match(self.source.text, self.start)
        return self.text if found is None else found[0]

    @cached_property
    def span(self) -> Span:
        """The span of the text found."""
        return Span(self.source.name, self.start, self.end)

    @cached_property
    def found(self) -> str:
        """The text found, as a message names it."""
        if self.terminal == "$END":
            return "the end of the expression" if self.piece else "the end of the file"
        shown = self.text
        if len(shown) > _LONGEST_WORD:
            shown = shown[: _LONGEST_WORD - 1] + "…"
        return f"`{shown}`"

    @cached_property
    def before(self) -> Span | None:
        """The span of what was read last."""
        spans = (span_of(self.source, item) for item in reversed(self.stack))
        last = next((span for span in spans if span is not None), None)
        if last is None:
            return None
        # Brackets around nothing have left no trace: `f()`.
        behind = [
            found for found in _COMMENT_OR_SIGN.finditer(self.source.text, last.end, self.start)
            if found[0][0] != "#"
        ]  # fmt: skip
        if not behind:
            return last
        return Span(self.source.name, behind[-1].start(), behind[-1].end())

    @cached_property
    def just_before(self) -> str:
        """The text before the text found, as far as patterns look at it."""
        return self.source.text[max(0, self.start - _LOOK_BACK) : self.start]

    @cached_property
    def after_last(self) -> Span:
        """The empty span after what was read last: where something is missing."""
        end = self.before.end if self.before else self.start
        return Span(self.source.name, end, end)

    @cached_property
    def last_word(self) -> str:
        """The keyword, name or sign that was read last."""
        if self.before is None:
            return ""
        text = self.source.text[self.before.start : self.before.end]
        found = re.search(r'[A-Za-z0-9_.]+\Z|"[^"\n]*"\Z|[<>=!]+\Z|.\Z', text, re.DOTALL)
        return found[0] if found else ""

    def reads(self, words: str, *, any_case: bool = False) -> bool:
        """Whether *words* follow, with any blanks between them."""
        pattern = r"\s+".join(map(re.escape, words.split())) + r"\b"
        found = re.compile(pattern, re.IGNORECASE if any_case else 0)
        return found.match(self.source.text, self.start) is not None

    @cached_property
    def first_on_line(self) -> bool:
        """Whether only blanks are before the text found on its line."""
        return self.is_first_on_line(self.start)

    def is_first_on_line(self, offset: int) -> bool:
        """Whether only blanks are before *offset* on its line."""
        line_start = self.source.text.rfind("\n", 0, offset) + 1
        return not self.source.text[line_start:offset].strip()

    def indentation(self, offset: int) -> int:
        """Return the number of blanks with which the line of *offset* begins."""
        line = self.source.line(self.source.position(offset)[0])
        return len(line) - len(line.lstrip())

    @cached_property
    def next_character(self) -> str:
        """The first character after the text found that is not blank; empty at the end."""
        found = re.compile(r"\s*(\S)").match(self.source.text, self.end)
        return found[1] if found else ""

    @cached_property
    def opened(self) -> tuple[Token | Tree[Token], str] | None:
        """The innermost bracket that is not closed yet, and the construct that it belongs to.

        That is `gate`, `test`, `table`, `taxonomy`, `attributes` or `expression`.
        """
        brackets = self.open_brackets
        return (self.stack[brackets[-1]], self._owner(brackets[-1])) if brackets else None

    @cached_property
    def open_brackets(self) -> list[int]:
        """The positions on the stack of brackets that are not closed yet, outermost first."""
        opened: list[int] = []
        for i, item in enumerate(self.stack):
            match kind_of(item):
                case "_LBRACE" | "_LPAREN" | "_LBRACKET":
                    opened.append(i)
                case "_RBRACE" | "_RPAREN" | "_RBRACKET":
                    del opened[-1:]  # after a mistake, the opening one may be left out
        return opened

    def owners(self) -> set[str]:
        """Return the constructs whose brackets are not closed yet, as `opened` calls them."""
        return {self._owner(at) for at in self.open_brackets}

    def open_kinds(self) -> set[str]:
        """Return the terminals of the brackets that are not closed yet."""
        return {kind_of(self.stack[i]) for i in self.open_brackets}

    def _owner(self, bracket: int) -> str:
        before = [kind_of(item) for item in self.stack[max(0, bracket - 2) : bracket]]
        match before:
            case ["_GATE", _]:
                return "gate"
            case ["_TEST", _]:
                return "test"
            case [_, "_EXPECT"]:
                return "table"
            case ["_TAXONOMY", _] | [_, "term"]:
                return "taxonomy"
            case ["_ENTITY", _] | [_, "refs"] | [_, "_WITH" | "_HAVING" | "_COLON"]:
                return "attributes"
        terms = "_TAXONOMY" in map(kind_of, self.stack[:bracket])
        return "taxonomy" if terms else "expression"

    def wants_expression(self) -> bool:
        """Whether an operand was possible."""
        return self.accepts >= {"NAME", "INT"}

    def wants_operator(self) -> bool:
        """Whether an operator was possible after the operand that was read last."""
        return self.accepts >= {"_AND", "_OR"}

    def wants_negated(self) -> bool:
        """Whether an operator must follow the `not` that was read last, after an operand."""
        return self.last_word == "not" and self.accepts >= {"_IN", "_HAS"}

    def wants_clause(self) -> bool:
        """Whether any clause of a rule was possible."""
        return self.accepts >= CLAUSES

    def expected(self) -> list[str]:
        """List what was possible, in the author's words, the likeliest first."""
        accepts, phrases = set(self.accepts), []
        if self.wants_operator():
            phrases.append("an operator")
            accepts -= _AFTER_OPERAND
        if self.wants_clause():
            phrases.append("a clause")
            accepts -= CLAUSES
        if "_ENTITY" in accepts:
            phrases.append("a declaration")
            accepts -= DECLARATIONS | EFFECTS | {"ADVISORY", "$END", "_LET"}
        elif accepts >= EFFECTS:
            phrases.append("a rule" if "ADVISORY" in accepts else "`permit`, `forbid` or `expose`")
            accepts -= EFFECTS | {"ADVISORY"}
        if "$END" in accepts:
            phrases.append("the end of the expression")
        rest = sorted(accepts - {"$END"}, key=lambda t: (t not in _NAMED, t))
        return phrases + [_NAMED.get(t) or f"`{spelling(t)}`" for t in rest]


def kind_of(item: Token | Tree[Token]) -> str:
    """Return the terminal of a token, the rule of a tree."""
    return item.type if isinstance(item, Token) else str(item.data)


def span_of(source: Source, item: Token | Tree[Token]) -> Span | None:
    """Return the span of an item of the stack; None for a rule that matched nothing."""
    if isinstance(item, Token):
        return Span(source.name, item.start_pos or 0, item.end_pos or 0)
    if not item.meta.empty:
        return Span(source.name, item.meta.start_pos, item.meta.end_pos)
    return None
