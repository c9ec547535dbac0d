"""Recognise common mistakes of syntax: one function for each.

Each function takes the state in which parsing stopped and returns a diagnostic if it recognises the
mistake, else None. They are called in the order of `RECOGNISERS`, the most certain first; the last
one accepts every state, and reports only what was found and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lark import Token, Tree

from policyengine.diagnostics.diagnostic import Diagnostic, Label, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import did_you_mean, nearest
from policyengine.model.types import PRIMITIVES
from policyengine.syntax import foreign_words
from policyengine.syntax.foreign_clauses import foreign_clause
from policyengine.syntax.foreign_expressions import foreign_expression, optional_chain
from policyengine.syntax.foreign_operators import foreign_operator
from policyengine.syntax.foreign_signs import foreign_sign
from policyengine.syntax.foreign_types import foreign_type
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.literal_mistakes import bad_number, unclosed_string
from policyengine.syntax.misplaced_parts import closed_early, foreign_form, misplaced_part
from policyengine.syntax.parse_state import (
    CLAUSES,
    CLOSES,
    COMPARISONS,
    DECLARATIONS,
    EFFECTS,
    INFIX,
    ROOTS,
    TEST_ITEMS,
    ParseState,
    keywords,
    kind_of,
    span_of,
    spelling,
)
from policyengine.syntax.target_mistakes import (
    foreign_target,
    misplaced_exception,
    misplaced_range,
)

_A_CLAUSE = "a clause begins with a word like `when`, `unless` or `because`"
_A_DECLARATION = "a declaration begins with a word like `entity`, `action`, `gate` or `permit`"
_CLAUSE_WORDS = tuple(sorted(map(spelling, CLAUSES)))
_EFFECT_WORDS = ("permit", "forbid", "expose")
_DECLARATION_WORDS = (*sorted(map(spelling, DECLARATIONS)), *_EFFECT_WORDS, "let")
_TEST_WORDS = ("let", "at", "expect", "for")
_EXPECTATION_WORDS = ("because", "cause", "fields", "oblige", "reason", "refer")
_WAIVER_WORDS = ("approved_by", "for", "on", "ticket", "until")
_ACTION_WORDS = ("by", "having", "in", "on", "with")


def recognise(s: ParseState) -> Diagnostic:
    """Return the diagnostic of the first function that recognises the mistake."""
    for recogniser in RECOGNISERS:
        found = recogniser(s)
        if found is not None:
            return found
    return unexpected(s)


# ---- the frame of a file ----------------------------------------------------------------


def no_package(s: ParseState) -> Diagnostic | None:
    """A file that does not begin with its package; a package or an import that comes too late."""
    if s.accepts == {"_PACKAGE"}:
        if s.terminal == "$END":
            place = Span(s.source.name, 0, 0)
            what = "all comment" if s.source.text.strip() else "empty"
            return error(
                "PE116", place, f"this file is {what}", "a file begins with `package NAME`"
            )
        near = nearest(s.text, ["package"]) if s.terminal == "NAME" else None
        help = "write `package`" if near else "put `package NAME` before it"
        place = s.span if near else Span(s.source.name, s.start, s.start)
        return error("PE116", place, "a file begins with its package", help)
    if s.terminal == "_PACKAGE" and s.first_on_line:
        return error("PE116", s.span, "a file has one `package`, at its beginning")
    if s.terminal == "_IMPORT" and s.first_on_line:
        return error("PE116", s.span, "imports come at the top, after `package`")
    return None


# ---- brackets ---------------------------------------------------------------------------


def unclosed_bracket(s: ParseState) -> Diagnostic | None:
    """A bracket that is still open before something that cannot be inside it."""
    if s.opened is None or not _is_outside(s, *s.opened):
        return None
    bracket = s.opened[0]
    closes = {"_LBRACE": "}", "_LPAREN": ")", "_LBRACKET": "]"}[kind_of(bracket)]
    at = span_of(s.source, bracket)
    assert at is not None
    also = () if s.terminal == "$END" else (Label(s.span, f"`{closes}` is missing before this"),)
    return error("PE108", at, f"this `{bracket}` is not closed", f"close it with `{closes}`", *also)


def _is_outside(s: ParseState, bracket: Token | Tree[Token], owner: str) -> bool:
    """Whether the found text shows that *bracket* should have been closed before."""
    match s.terminal:
        case "$END":
            return True
        case closing if closing in CLOSES:
            opening = CLOSES[closing]
            return kind_of(bracket) != opening and opening in s.open_kinds()
    if not s.first_on_line or s.next_character in (":", "?"):  # the latter: an attribute's name
        return False
    at = span_of(s.source, bracket)
    not_inside = at is not None and s.indentation(s.start) <= s.indentation(at.start)
    match owner:
        case "gate":
            return s.terminal in DECLARATIONS and not_inside
        case "test":
            return s.terminal in DECLARATIONS | EFFECTS and not_inside
    return s.terminal in _BEGINNINGS


def table(s: ParseState) -> Diagnostic | None:
    """A table of expectations that is written like a similar construct."""
    if s.last_word == "expect" and "_BY" in s.accepts and s.before:
        help = foreign_words.FORMS["_FOR"]
        return error("PE101", s.before, "`expect` comes before the table, after the request", help)
    if s.opened is None or s.opened[1] != "table" or "_COLON" in s.accepts:
        return None
    if s.terminal == "_RBRACE":
        return error("PE114", s.span, "a row is missing before `}`", foreign_words.FORMS["_FOR"])
    if s.terminal in ("_COLON", "_COMMA"):
        message = "rows of a table are not separated by commas after what is expected"
        return error("PE101", s.span, message, "leave the comma before the row out")
    return None


def stray_bracket(s: ParseState) -> Diagnostic | None:
    """A closing bracket without an opening one."""
    opens = CLOSES.get(s.terminal)
    if opens is None or opens in s.open_kinds():
        return None
    early = closed_early(s.source, s.start) if s.terminal == "_RBRACE" else None
    if early is not None:
        help = "leave it out: the block that it closes goes on below"
        label = Label(s.span, "so that this one closes nothing")
        return error(
            "PE109", early, "this `}` is further in than the block that it closes", help, label
        )
    return error("PE109", s.span, f"{s.found} closes nothing", "leave it out")


# ---- words ------------------------------------------------------------------------------


def keyword_attribute(s: ParseState) -> Diagnostic | None:
    """An attribute named by a keyword, without a comma before it."""
    if s.opened is None or s.opened[1] != "attributes" or "_COMMA" not in s.accepts:
        return None
    if s.text not in reserved_words() or s.next_character not in (":", "?"):
        return None
    help = f"write a comma before an attribute that is named by a reserved word: `, {s.text}`"
    return error("PE112", s.span, f"a comma is missing before {s.found}", help)


def quotes(s: ParseState) -> Diagnostic | None:
    """A name in quotes where they are not wanted, or a text without them."""
    if s.terminal == "STRING" and "NAME" in s.accepts and not s.wants_expression():
        name = s.text[1:-1]
        help = f"write `{name}`" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else ""
        if s.last_word == "has":
            help = f"write `{name}` for an attribute; of a set write `{s.text} in S`"
        if not help and s.kind(-1) in _DECLARING:
            help = f"write `{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').lower()}`"
        if s.last_word == "import":
            help = (
                "leave it out: all files of a folder are one set; a package is imported by its name"
            )
        return error("PE119", s.span, f"a name is wanted here, not the text {s.text}", help)
    if s.last_word == "ip" and s.accepts == {"STRING"} and s.before:
        if s.terminal == "NAME" and s.text not in ("within", "in", "and", "or"):
            return error("PE119", s.before, "`ip` begins an address in quotes", "leave `ip` out")
        return _ip(s, s.before)
    if s.terminal == "NAME" and s.accepts == {"STRING"}:
        help = f'write `"{s.run}"`'
        chain = re.compile(r"\w+(?:\.\w+)*").match(s.source.text, s.start)
        if s.text in ROOTS and s.last_word in ("because", "otherwise", "refer") and chain:
            help = f'a condition follows `when`; a value is shown so: `"… {{{chain[0]}}}"`'
        if s.next_character == '"' and s.source.text[s.end : s.end + 1] == '"':
            help = f"leave {s.found} out: a text shows values with `{{…}}` by itself"
        return error(
            "PE119", s.span, f"`{s.last_word}` wants a text in quotes, found {s.found}", help
        )
    after = [kind_of(item) for item in s.stack[-2:]]
    if after in (["_LIKE", "NAME"], ["_LIKE", "name"]) and s.last_word != "path" and s.before:
        help = "of two values write `startswith`, `endswith` or `contains`"
        message = f"`like` wants a text in quotes, found `{s.last_word}`"
        return error("PE119", s.before, message, help)
    return None


_DECLARING = DECLARATIONS | EFFECTS | {"effect"}


def _ip(s: ParseState, place: Span) -> Diagnostic:
    """`ip` without an address: of a call, or of something that is called so."""
    called = re.compile(r'\(\s*("[^"\n]*")\s*\)').match(s.source.text, s.start)
    if called:
        return error("PE119", s.span, "an address has no parentheses", f"write `ip {called[1]}`")
    help = 'an address is written `ip "10.0.0.1"`; what is called `ip` needs another name'
    return error("PE119", place, "`ip` begins an address, and none follows", help)


def missing_comma(s: ParseState) -> Diagnostic | None:
    """Two names of a list without a comma."""
    if s.terminal != "NAME" or "_COMMA" not in s.accepts or s.first_on_line or not s.wants_clause():
        return None
    if s.wants_operator() or nearest(s.text, (*_CLAUSE_WORDS, "by", "on")):
        return None
    if s.text.lower() in foreign_words.CLAUSES or s.text.lower() in foreign_words.DECLARATIONS:
        return None
    if s.next_character.isdigit() or s.next_character == '"':
        return None
    if "_BY" in s.accepts and s.text[:1].isupper():
        return error(
            "PE112", s.after_last, f"`on` is missing before {s.found}", f"write `on {s.text}`"
        )
    return error("PE112", s.after_last, f"a comma is missing before {s.found}", "write `,`")


def unknown_word(s: ParseState) -> Diagnostic | None:
    """A word that begins no clause, rule, declaration or other part, where one is wanted."""
    wanted = _wanted(s)
    if s.terminal in _STRINGS_AND_SIGNS or not s.text.isidentifier() or not wanted:
        return None
    word = s.text.lower()
    closest = nearest(s.text, [one for _, words, _ in wanted for one in words])
    for kind, words, foreign in wanted:
        if kind in ("declaration", "rule") and s.wants_operator() and not s.first_on_line:
            continue
        near = None if s.first_on_line and closest not in words else nearest(s.text, words)
        meant = foreign.get(word) or (near if s.terminal == "NAME" else None)
        if meant and (s.first_on_line or not s.wants_operator() or word in foreign):
            help = meant if " " in meant else f"did you mean `{meant}`?"
            if meant in _EFFECT_WORDS and word in foreign:
                help = f"write `{meant} name: actions`, and conditions after `when`"
            return error("PE117", s.span, f"{s.found} begins no {kind}", help)
    if s.terminal != "NAME" or (s.wants_operator() and not s.first_on_line):
        return None
    if "_EXPECT" in s.accepts and s.next_character == "=":
        help = f"write `let {s.text} = …`"
        return error("PE117", s.span, f"{s.found} begins no step of a test", help)
    if "_ENTITY" in s.accepts and s.next_character == "=":
        help = foreign_words.FORMS["_CONST"]
        return error("PE117", s.span, f"{s.found} begins no declaration", help)
    kinds = " and no ".join(kind for kind, _, _ in wanted)
    kind, words, _ = wanted[-1 if s.first_on_line else 0]
    help = f"{'an' if kind == 'expectation' else 'a'} {kind} begins with {_listed(words)}"
    help = {"declaration": _A_DECLARATION, "clause": _A_CLAUSE}.get(kind, help)
    return error("PE117", s.span, f"{s.found} begins no {kinds}", help)


_STRINGS_AND_SIGNS = frozenset({"STRING", "$END", ""})


def _wanted(s: ParseState) -> list[tuple[str, tuple[str, ...], dict[str, str]]]:
    """List the kinds of parts that could begin here, their words here and in other languages."""
    wanted: list[tuple[str, tuple[str, ...], dict[str, str]]] = []
    if s.wants_clause():
        wanted.append(("clause", _CLAUSE_WORDS, foreign_words.CLAUSES))
    if "_CAUSE" in s.accepts:
        wanted.append(("expectation", _EXPECTATION_WORDS, foreign_words.EXPECTATIONS))
    if "_EXPECT" in s.accepts:
        wanted.append(("step of a test", _TEST_WORDS, foreign_words.STEPS))
    if "_TICKET" in s.accepts:
        wanted.append(
            ("part of a waiver", _WAIVER_WORDS, {"expires": "until", "by": "approved_by"})
        )
    if "_HAVING" in s.accepts:
        wanted.append(("part of an action", _ACTION_WORDS, foreign_words.ACTIONS))
    if "_ENTITY" in s.accepts:
        wanted.append(("declaration", _DECLARATION_WORDS, foreign_words.DECLARATIONS))
    elif s.accepts >= EFFECTS:
        effects = {k: v for k, v in foreign_words.DECLARATIONS.items() if v in _EFFECT_WORDS}
        wanted.append(("rule", _EFFECT_WORDS, effects))
    return wanted


def _closed_test(s: ParseState) -> str:
    """Say which `}` closed the test before."""
    before = s.source.text[: s.start]
    at = before.rfind("}")
    if at < 0 or before[at + 1 :].strip() or not re.search(r"^\s*test\b", before, re.MULTILINE):
        return foreign_words.FORMS["_TEST"]
    return f"the `}}` in line {before.count(chr(10), 0, at) + 1} closes the test before it"


def misplaced_word(s: ParseState) -> Diagnostic | None:
    """A clause outside a rule, a declaration or a rule inside a block."""
    if s.wants_expression() or s.accepts <= {"NAME", "STRING", "_COLON", "DATETIME"}:
        return None
    owner = s.opened[1] if s.opened else ""
    if s.terminal in CLAUSES and ("_ENTITY" in s.accepts or s.accepts >= EFFECTS):
        help = "it follows the actions: `permit name: actions waivable`"
        help = help if s.terminal == "WAIVABLE" else ""
        return error("PE118", s.span, f"{s.found} is outside a rule", help)
    if s.terminal in TEST_ITEMS and "_ENTITY" in s.accepts:
        help = foreign_words.FORMS["_GATE"] if s.terminal == "_FOR" else _closed_test(s)
        return error("PE118", s.span, f"{s.found} is outside a test", help)
    if s.terminal in DECLARATIONS | {"_LET"} and owner == "gate":
        return error("PE118", s.span, f"{s.found} cannot be in a gate block, only rules can")
    if s.terminal in DECLARATIONS | EFFECTS | {"ADVISORY"} and owner == "test":
        help = "a test has `let`, `at`, `expect` and `for`; close it with `}` before a rule or a declaration"
        return error("PE118", s.span, f"{s.found} cannot be in a test", help)
    return None


# ---- expressions ------------------------------------------------------------------------


_COMPARE = frozenset({"operator", "_HAS", "_LIKE"})
_NEGATABLE = tuple(row.word for row in INFIX if row.negatable)


def chained_comparison(s: ParseState) -> Diagnostic | None:
    """`a < b < c`"""
    if s.terminal not in COMPARISONS or not s.wants_operator():
        return None
    compared = [i for i, item in enumerate(s.stack) if kind_of(item) in _COMPARE]
    if not compared:
        return None
    done = compared[-1]
    help = "join two comparisons with `and`"
    left, middle = span_of(s.source, s.stack[done - 1]), span_of(s.source, s.stack[done + 1])
    right = s.before
    chains = kind_of(s.stack[done]) == "operator"  # what follows `like` and `has` is no operand
    if chains and left and middle and right and "\n" not in s.source.text[left.start : s.end]:
        first = s.source.text[left.start : right.end]
        negated = (f"not {word}" for word in _NEGATABLE)
        after = next((words for words in negated if s.reads(words)), s.text)
        rest = re.compile(r"\s*([\w.]+)").match(s.source.text, s.start + len(after))
        last = rest[1] if rest else "…"
        help = f"write `{first} and {s.source.text[middle.start : right.end]} {after} {last}`"
    return error("PE111", s.span, "comparisons do not chain", help)


def nothing_to_negate(s: ParseState) -> Diagnostic | None:
    """`a not b` and `a not == b`: a `not` after an operand, before what is no operator or a sign."""
    if not s.wants_negated():
        return None
    opposite = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}.get(s.text)
    if opposite:
        return error(
            "PE110", s.span, f"`not` is not written before `{s.text}`", f"write `{opposite}`"
        )
    help = f"after an operand `not` stands before {_listed(_NEGATABLE)}"
    return error(
        "PE113", s.after_last, f"an operator is missing after `not`, before {s.found}", help
    )


def incomplete_if(s: ParseState) -> Diagnostic | None:
    """An `if` without `then` or `else`."""
    for terminal, word in (("_THEN", "then"), ("_ELSE", "else")):
        if terminal in s.accepts and s.terminal not in ("NAME", "STRING", ""):
            started = [item for item in s.stack if kind_of(item) == "_IF"]
            at = span_of(s.source, started[-1])
            assert at is not None
            label = Label(s.after_last, f"`{word}` is missing here")
            help = "an `if` is written `if condition then value else value`"
            return error("PE125", at, f"this `if` has no `{word}`", help, label)
    return None


def keyword_taken_for_name(s: ParseState) -> Diagnostic | None:
    """A keyword that the lexer took for a name, because only a name was possible."""
    if len(s.stack) <= 1 or s.kind(-1) not in ("NAME", "name", "ref", "refs", "variable"):
        return None
    at, before = span_of(s.source, s.stack[-1]), span_of(s.source, s.stack[-2])
    if at is None or before is None:
        return None
    word = s.source.text[at.start : at.end]
    after = s.source.text[before.start : before.end].split()[-1]
    is_operand = s.wants_operator() and s.kind(-2) != "_DOT"
    if is_operand and word in ("every", "some", "if", "not"):
        if word == "not" and after in _NEGATABLE:
            return error("PE110", at, f"`not` is written before `{after}`", f"write `not {after}`")
        message = f"`{word}` needs parentheses after `{after}`"
        return error("PE115", at, message, f"write `({word} …)`")
    if keywords().get(word) not in _BEGINNINGS or s.terminal not in ("NAME", "STRING", "DATETIME"):
        return None
    if not is_operand and not s.is_first_on_line(at.start):
        return None
    code, what = ("PE113", "an expression") if is_operand else ("PE114", "a name")
    place = Span(s.source.name, before.end, before.end)
    help = (
        "no value gets a name here: write another `define`" if word == "let" and is_operand else ""
    )
    return error(code, place, f"{what} is missing after `{after}`, before `{word}`", help)


_BEGINNINGS = CLAUSES | EFFECTS | DECLARATIONS | TEST_ITEMS | {"ADVISORY"}


def missing_operand(s: ParseState) -> Diagnostic | None:
    """A missing operand: nothing where an expression is expected."""
    if not s.wants_expression():
        return None
    if s.piece and s.before is None and s.terminal == "$END":
        return error("PE113", s.span, "there is nothing inside `{}`", "write `{{}}` for the braces")
    after = f" after `{s.last_word}`" if s.last_word else ""
    help = ""
    if s.text in (".", ":") and s.next_character.isalpha():
        help = f"leave the `{s.text}` out"
    elif s.terminal in COMPARISONS:
        help = "a comparison has both its sides: `x > 3 and x < 5`"
    return error("PE113", s.after_last, f"an expression is missing{after}, before {s.found}", help)


def missing_operator(s: ParseState) -> Diagnostic | None:
    """A missing operator: two operands with nothing between them."""
    if not s.wants_operator() or s.terminal not in (
        "NAME", "INT", "DECIMAL", "STRING", "DATETIME", "DURATION", "MONTHS", "TRUE", "FALSE", "_LPAREN",
        "_LBRACE", "QUANTIFIER", "_IP",
    ):  # fmt: skip
        return None
    if s.opened and "_COMMA" in s.accepts and s.next_character == ":":
        return error("PE112", s.after_last, f"a comma is missing before {s.found}", "write `,`")
    message = f"an operator is missing between `{s.last_word}` and {s.found}"
    if s.opened and "_COMMA" in s.accepts and s.terminal != "_LPAREN":
        message = f"a comma or an operator is missing before {s.found}"
    kinds = [kind_of(item) for item in s.stack[-2:]]
    compared = kinds[:1] in (["operator"], ["_LBRACE"]) and kinds[1:] in (["NAME"], ["variable"])
    words = compared and s.terminal == "NAME" and s.next_character not in (".", "(")
    help = f'a name of several words is quoted: `"{s.last_word} {s.text}"`'
    if s.last_word[:1].isupper():
        help = f'one entity is written `{s.last_word} "{s.text}"`'
    return error("PE113", s.span, message, help if words else "")


# ---- signs ------------------------------------------------------------------------------


def missing_sign(s: ParseState) -> Diagnostic | None:
    """A missing sign: the only one, or one of two, that could follow."""
    accepts = s.accepts - _GOES_ON
    if "PLUS" in s.accepts or s.accepts >= {"_ON", "STRING"}:  # after an operand or an entity
        accepts -= {"_LPAREN", "_LBRACE", "_LBRACKET", "_UNDER", "STRING"}
    wanted = [spelling(t) for t in accepts if spelling(t)]
    if len(wanted) != 1 or accepts & {"NAME", "STRING", "$END"}:
        return None
    after = f" after `{s.last_word}`" if s.last_word else ""
    message = f"`{wanted[0]}` is missing{after}, before {s.found}"
    # `(person)`, and not `(count Post)`
    if wanted == ["of"] and s.opened and s.last_word != "count":
        message = f"`by` is missing after `(`, before `{s.last_word}`"
    return error("PE112", s.after_last, message, _shape(s))


_GOES_ON = frozenset({"OPTIONAL", "_DOT", "PLUS", "MINUS", "_TIMES", "_ARROW"})
"""Terminals that may always follow a name or an operand, and are hardly the missing ones."""


def _shape(s: ParseState) -> str:
    """Return the form of the innermost unfinished construct."""
    kinds = {kind_of(item) for item in s.stack}
    for item in reversed(s.stack):
        if kind_of(item) in CLAUSES:
            return foreign_words.FORMS.get(kind_of(item), "")
        if kind_of(item) == "_FOR" and kinds & {"_WAIVER", "_GATE"}:
            continue  # the subject of the waiver, the range of the gate
        if kind_of(item) == "EXPOSE" and "_INVARIANT" in kinds:
            continue  # what is promised
        if s.opened and item is s.opened[0] and s.opened[1] == "attributes":
            return _attribute_form(s) or "an attribute is written `name: type`"
        if kind_of(item) in ("_DEFINE", "_OBLIGATION", "_CONST") and _attribute_form(s):
            return _attribute_form(s)
        if kind_of(item) in foreign_words.FORMS:
            return foreign_words.FORMS[kind_of(item)]
    return ""


def _attribute_form(s: ParseState) -> str:
    """Return what to write where the type comes first: `bool open`, `Book book`."""
    if "_COLON" not in s.accepts or s.terminal != "NAME":
        return ""
    word = s.last_word
    return f"write `{s.text}: {word}`" if word in PRIMITIVES or word[:1].isupper() else ""


def missing_name(s: ParseState) -> Diagnostic | None:
    """A missing name, text or date."""
    wanted = (
        ("_SET", "a type"), ("ANY", "an action, a group or `any`"), ("NAME", "a name"), ("STRING", "a text in quotes"),
        ("DATETIME", "a date"),
    )  # fmt: skip
    for terminal, what in wanted:
        if terminal == "NAME" and s.last_word == "like":
            continue  # the name before a pattern is hardly the missing one
        if terminal in s.accepts and not s.accepts & {"INT", "_ENTITY", "_RBRACE", "_AND"}:
            after = f" after `{s.last_word}`" if s.last_word else ""
            message = f"{what} is missing{after}, before {s.found}"
            help = _shape(s)
            if terminal == "DATETIME" and s.last_word == "at":
                help = "a test has a moment of its own: write `at 2026-09-01T10:00:00Z`"
            if terminal == "DATETIME":
                help = help or "a date is written `2026-09-01`"
            if s.last_word == "like" and s.text == "{":
                help = "write a condition for each pattern, joined with `or`"
            return error("PE114", s.after_last, message, help)
    return None


_MOST_LISTED = 6


def unexpected(s: ParseState) -> Diagnostic:
    """Anything else: what was found, and what was expected."""
    expected = s.expected()
    help = f"expected {_listed(expected)}" if 0 < len(expected) <= _MOST_LISTED else ""
    help = _shape(s) or help
    if s.terminal == "NAME":
        words = [spelling(t) for t in s.accepts if spelling(t).isalpha()]
        help = did_you_mean(s.text, words) or help
    message = f"{s.found} is unexpected here"
    if s.terminal == "$END":
        message = f"{s.found} comes too early"
    return error("PE101", s.span, message, help)


def _listed(phrases: list[str] | tuple[str, ...]) -> str:
    shown = [p if p[:2] == "a " or "`" in p or " " in p else f"`{p}`" for p in phrases]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" or {shown[-1]}"


RECOGNISERS: tuple[Callable[[ParseState], Diagnostic | None], ...] = (
    unclosed_string,
    no_package,
    bad_number,
    optional_chain,
    foreign_expression,
    chained_comparison,
    foreign_clause,
    foreign_type,
    foreign_target,
    foreign_sign,
    unclosed_bracket,
    table,
    stray_bracket,
    keyword_attribute,
    misplaced_exception,
    misplaced_range,
    keyword_taken_for_name,
    quotes,
    misplaced_part,
    missing_comma,
    foreign_operator,
    nothing_to_negate,
    unknown_word,
    foreign_form,
    misplaced_word,
    incomplete_if,
    missing_operand,
    missing_operator,
    missing_sign,
    missing_name,
)
