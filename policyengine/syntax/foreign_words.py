"""The words and signs of other languages, with what to write instead, and how this one is written.

`mistakes.py` looks here.
"""

from __future__ import annotations

from policyengine.syntax.parse_state import EFFECTS

# Operators of other languages, and what to write here. In the order of length, longest first.
SIGNS = {
    "===": "write `==`",
    "!==": "write `!=`",
    "**": "there are no powers",
    "&&": "write `and`",
    "||": "write `or`",
    "=>": "write `>=` to compare",
    "=<": "write `<=`",
    "<>": "write `!=`",
    "->": "a table is declared so: `const limits: Tier -> int = { free: 10, pro: 100 }`",
    ":=": "write `=`",
    "::": "write `.`",
    "//": "a comment begins with `#`",
    "/*": "a comment begins with `#`, on every line",
    "--": "a comment begins with `#`",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "/": "there is no division; multiply instead",
    "%": "there is no remainder",
    ";": "nothing ends a clause; leave it out",
    "[": "a set is written `{a, b}`, and nothing is read by position",
    "]": "a set is written `{a, b}`, and nothing is read by position",
    "'": 'a string is written with `"`',
    "`": 'a string is written with `"`',
    "@": "nothing is annotated",
    "$": "names begin with a letter",
}

OPERATORS = {
    "is": "write `==`, or `within` for what is below something",
    "equals": "write `==`",
    "eq": "write `==`",
    "ne": "write `!=`",
    "includes": "write `x in set`, or `text contains part`",
    "matches": "write `like`",
    "intersects": "write `overlaps`",
    "exists": "write `entity has attribute`",
    "below": "write `within`",
    "under": "write `within`",
    "contained": "write `x in set`, or `text contains part`",
    "isnt": "write `!=`",
    "ilike": 'write `lower(text) like "glob*"`',
    "regex": "there are no regular expressions; write `like`",
    "xor": "write `!=` between two conditions",
    "div": "there is no division",
    "mod": "there is no remainder",
    "between": "write `low <= x and x < high`",
    "years": "a number of years is written `18y`",
    "months": "a number of months is written `6mo`",
    "days": "a number of days is written `30d`",
    "hours": "a number of hours is written `24h`",
    "minutes": "a number of minutes is written `15m`",
}

PHRASES = {
    "starts with": "write `startswith`",
    "begins with": "write `startswith`",
    "ends with": "write `endswith`",
    "does not": "write `not` alone before the operator: `a not contains b`",
    "doesnt": "write `not` before the operator: `a not contains b`",
}
"""Operators of several words."""

CLAUSES = {
    "if": "when", "where": "when", "provided": "when", "but": "except", "without": "except", "reason": "because",
    "else": "otherwise", "source": "cites", "see": "cites", "since": "from", "starts": "from",
    "expires": "until", "ends": "until", "must": "oblige", "obligation": "oblige",
    "field": "fields", "escalate": "refer", "overridable": "waivable",
}  # fmt: skip

DECLARATIONS = {
    "allow": "permit", "grant": "permit", "deny": "forbid", "prohibit": "forbid", "type": "entity",
    "class": "entity", "role": "entity", "resource": "entity", "subject": "entity",
    "principal": "entity", "def": "define", "function": "define", "fn": "define", "var": "const",
    "namespace": "package", "module": "package", "operation": "action",
    "exception": "waiver", "assert": "invariant", "never": "invariant",
}  # fmt: skip

STEPS = {
    "assert": "expect", "given": "let", "foreach": "for", "each": "for", "matrix": "for",
    "table": "for",
}  # fmt: skip

FORMS = {
    **dict.fromkeys(("effect", *EFFECTS), "a rule is written `permit name: actions`"),
    "_INVARIANT": "an invariant is written `invariant name: never allow actions unless condition`, or "
    "`never expose fields of actions unless condition`",
    "_DEFINE": "a definition is written `define name(x: Type) = expression`",
    "_CONST": "a constant is written `const name: type = value`",
    "_LEVELS": "levels are written `levels Name = low < high`",
    "_ENUM": "an enumeration is written `enum Name = one | two`",
    "_TAXONOMY": "a taxonomy is written `taxonomy Name { term { narrower } }`",
    "_OBLIGATION": "an obligation is written `obligation name(x: type)`",
    "_GATE": 'a gate is written `gate name "question"` or `gate name "question" for actions`, its rules `gate name { … }`',
    "_WAIVER": 'a waiver is written `waiver name of gate.rule for App "id" until … ticket …`',
    "_TEST": 'a test is written `test "title" { … }`',
    "_LET": "write `let name = value`",
    "_FOR": "a table is written `for x in Type: action by subject on resource expect { a, b: deny … }`",
    "_EXPECT": "an expectation is written `expect allow action by subject on resource`",
    "_UNDER": 'parents are named by type and id: `under Folder "plans"`',
    "QUANTIFIER": "a quantifier is written `some x in set: condition`",
}
"""The form of each construct, by a terminal or a rule that it begins with."""
