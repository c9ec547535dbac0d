"""The words and signs of other languages, with what to write instead, and how this one is written.

`mistakes.py` looks here.
"""

from __future__ import annotations

from policyengine.syntax.parse_state import EFFECTS

_OF_TYPE = "a rule says for which types it is: `permit name: any by User on Document`"
_OWNS = (
    "name the attribute that says so: `resource.owner == subject`, or `subject in resource.owners`"
)
_FOLLOWS = "for what follows from a condition write `not a or b`"

# Operators of other languages, and what to write here. In the order of length, longest first.
SIGNS = {
    "===": "write `==`",
    "!==": "write `!=`",
    "==>": _FOLLOWS,
    "-->": _FOLLOWS,
    "**": "there are no powers: multiply",
    "++": "write `x + 1`",
    "+=": "nothing is changed: write `x + 1`",
    "&&": "write `and`",
    "||": "write `or`",
    "??": "write `if x has a then x.a else b`",
    "=~": "there are no regular expressions; write `like`",
    "!~": "there are no regular expressions; write `not like`",
    "=>": "write `>=` to compare, and for what follows from a condition `not a or b`",
    "=<": "write `<=`",
    "<>": "write `!=`",
    "->": "a table is declared so: `const limits: Tier -> int = { free: 10, pro: 100 }`",
    ":=": "write `=`",
    "::": 'write `Tier.basic`, and of an entity `App "a1"`',
    "..": "write `low <= x and x <= high`",
    "//": "a comment begins with `#`",
    "/*": "a comment begins with `#`, on every line",
    "--": "a comment begins with `#`",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "/": "there is no division: multiply the other side",
    "%": "there is no remainder, and a share is written `0.10`",
    "^": "there are no powers: multiply",
    "~": "write `not`, or `like` for a pattern",
    ";": "nothing ends a clause; leave it out",
    "[": "a set is written `{a, b}`, and nothing is read by position",
    "]": "a set is written `{a, b}`, and nothing is read by position",
    "'": 'a string is written with `"`',
    "`": 'a string is written with `"`',
    "@": "nothing is annotated: write a comment with `#`, or `cites` for the source of a rule",
    "$": "write the name alone",
    "\\": "a line goes on without a sign",
}

OPERATORS = {
    "is": "write `==`, or `within` for what is below something",
    "implies": _FOLLOWS,
    "instanceof": _OF_TYPE,
    "isa": _OF_TYPE,
    "equals": "write `==`",
    "eq": "write `==`",
    "ne": "write `!=`",
    "includes": "write `x in set`, or `text contains part`",
    "matches": "there are no regular expressions; write `like` for a pattern with `*`",
    "intersects": "write `overlaps`",
    "below": "write `within`",
    "under": "write `within`",
    "contained": "write `x in set`, or `text contains part`",
    "isnt": "write `!=`",
    "ilike": 'write `lower(text) like "glob*"`',
    "regex": "there are no regular expressions; write `like` for a pattern with `*`",
    "xor": "write `!=` between two conditions",
    "div": "there is no division: multiply the other side",
    "mod": "there is no remainder",
    **dict.fromkeys(("gt", "after", "above", "exceeds", "over"), "write `>`"),
    **dict.fromkeys(("lt", "before", "less", "fewer"), "write `<`"),
    **dict.fromkeys(("gte", "ge", "atleast"), "write `>=`"),
    **dict.fromkeys(("lte", "le", "atmost"), "write `<=`"),
    **dict.fromkeys(("times", "multiplied"), "write `*`"),
    "plus": "write `+`",
    "minus": "write `-`",
    "owns": _OWNS,
    "ago": "how long ago a moment is, is a difference: `now - x > 30d`",
    "between": "write `low <= x and x < high`",
}

AFTER_CONTAINS = {
    "any": "write `overlaps`",
    "all": "write `b subset a` for `a contains all b`",
}

_ABSENT = ("null", "none", "nil", "absent", "undefined", "missing", "unset", "unknown")
_PRESENT = ("present", "set", "defined", "given", "there", "known", "provided")
_HAS, _HAS_NOT = "write `{owner} has {name}`", "write `{owner} not has {name}`"

_ORDERS = {
    **dict.fromkeys(("greater than or equal", "at least", "no less than", "no earlier than"), ">="),
    **dict.fromkeys(("less than or equal", "at most", "no more than", "up to", "no later than"), "<="),
    **dict.fromkeys(("greater than", "more than", "higher than", "larger than", "bigger than"), ">"),
    **dict.fromkeys(("later than", "after", "above", "over", "greater", "more", "higher"), ">"),
    **dict.fromkeys(("less than", "fewer than", "lower than", "smaller than", "earlier than"), "<"),
    **dict.fromkeys(("before", "less", "lower"), "<"),
    **dict.fromkeys(("equal to", "the same as", "same as", "equal"), "=="),
}  # fmt: skip
_OPPOSITES = {">=": "<", "<=": ">", ">": "<=", "<": ">=", "==": "!="}
_ALONE = ("after", "above", "over", "greater", "more", "higher", "before", "less", "lower", "equal")
"""Words for an order that follow `is`, and are no operator of several words without it."""

PHRASES = {
    "is not empty": "write `size({owner}.{name}) > 0`",
    "is empty": "write `size({owner}.{name}) == 0`",
    "is not true": "write `not {owner}.{name}`",
    "is false": "write `not {owner}.{name}`",
    **dict.fromkeys(("is true", "is not false"), "write `{owner}.{name}` alone"),
    **{f"is not {word}": _HAS for word in _ABSENT},
    **{f"is not {word}": _HAS_NOT for word in _PRESENT},
    **{f"is {word}": _HAS_NOT for word in _ABSENT},
    **{f"is {word}": _HAS for word in _PRESENT},
    **dict.fromkeys(("not null", "exists"), _HAS),
    **dict.fromkeys(
        ("older than", "is older than", "longer ago"),
        "how old something is, is a difference: `now - x > 30d`",
    ),
    **dict.fromkeys(
        ("younger than", "is younger than"),
        "how old something is, is a difference: `now - x < 30d`",
    ),
    **{f"is not {words}": f"write `{_OPPOSITES[sign]}`" for words, sign in _ORDERS.items()},
    **{f"is {words}": f"write `{sign}`" for words, sign in _ORDERS.items()},
    "not less than": "write `>=`",
    "not more than": "write `<=`",
    **{words: f"write `{sign}`" for words, sign in _ORDERS.items() if words not in _ALONE},
    **dict.fromkeys(("is owner", "is member", "is a member", "belongs to", "member of"), _OWNS),
    **dict.fromkeys(("is not one of", "is none of", "not one of"), "write `x not in {{a, b}}`"),
    **dict.fromkeys(("is one of", "one of"), "write `x in {{a, b}}`"),
    **dict.fromkeys(("is not below", "is not under"), "write `not within`"),
    **dict.fromkeys(("is below", "is under"), "write `within`"),
    "is between": "write `low <= x and x < high`",
    "is a": _OF_TYPE,
    "is not": "write `!=`",
    "starts with": "write `startswith`",
    "begins with": "write `startswith`",
    "ends with": "write `endswith`",
    **dict.fromkeys(("doesnt have", "does not have", "lacks"), "write `not has`"),
    "does not": "write `not` alone before the operator: `a not contains b`",
    "doesnt": "write `not` before the operator: `a not contains b`",
}
"""Operators of several words."""

_EVERY = "write `every x in set: condition`"
_SOME = "write `some x in set: condition`"
_CHOICE = "write `if a then b else c`, or a table with a row for each name"

BEFORE_OPERANDS = {
    **dict.fromkeys(("all", "forall", "each", "foreach"), _EVERY),
    **dict.fromkeys(("any", "exists", "there", "exist"), _SOME),
    "for": "write `every x in set: condition`, or `some x in set: condition`",
    **dict.fromkeys(("match", "switch", "case", "select", "choose"), _CHOICE),
    **dict.fromkeys(("is", "has", "new", "await", "typeof", "the", "f", "r", "exactly", "return"), "leave it out"),
    "neither": "write `not a and not b`",
    "both": "leave it out",
    "either": "leave it out",
    "defined": "write `entity has attribute`",
    "no": "write `every x in set: not …`",
    "none": "write `every x in set: not …`",
}  # fmt: skip
"""Words that stand before an operand in other languages."""

CLAUSES = {
    "if": "when", "where": "when", "provided": "when", "but": "except", "without": "except", "reason": "because",
    "else": "otherwise", "source": "cites", "see": "cites", "since": "from", "starts": "from",
    "expires": "until", "ends": "until", "must": "oblige", "obligation": "oblige",
    "field": "fields", "escalate": "refer", "overridable": "waivable", "only": "when", "condition": "when",
    "conditions": "when", "while": "when", "message": "because", "requires": "when", "require": "when",
    "valid": "leave it out: write `from 2026-01-01 until 2026-02-01`",
    **dict.fromkeys(("show", "shows", "reveal", "reveals", "returns", "display"), "fields"),
    "to": "by", "of": "on", "effect": "the word at the beginning of a rule is its effect: `permit` or `forbid`",
}  # fmt: skip

ACTIONS = dict.fromkeys(("requires", "needs", "takes", "given", "where"), "with")
EXPECTATIONS = {"context": "a context follows the resource: write `with { name: value }`"}

DECLARATIONS = {
    **dict.fromkeys(("allow", "grant", "can", "accept", "rule"), "permit"),
    **dict.fromkeys(("deny", "prohibit", "cannot", "reject", "revoke", "disallow", "block"), "forbid"),
    **dict.fromkeys(("type", "class", "resource", "subject", "principal", "object", "struct"), "entity"),
    **dict.fromkeys(("record", "interface", "relation", "model"), "entity"),
    **dict.fromkeys(("role", "roles"), "roles are values: `enum Role = admin | member`, and an attribute `roles: set<Role>`"),
    **dict.fromkeys(("permission", "permissions", "verb", "actions", "operation"), "action"),
    **dict.fromkeys(("def", "function", "fn", "func", "macro"), "define"),
    **dict.fromkeys(("var", "constant", "set"), "const"),
    **dict.fromkeys(("namespace", "module"), "package"),
    **dict.fromkeys(("include", "use", "using", "require"), "import"),
    "default": "nothing is allowed unless a rule permits it: leave it out", "exception": "waiver",
    **dict.fromkeys(("assert", "never", "always", "ensure"), "invariant"), "describe": "test", "it": "test",
    "entities": "entity", "policy": "permit", "record_type": "entity", "enumeration": "enum",
    "end": "nothing ends a rule: leave it out", "tree": "taxonomy", "else": "there is no `else` between rules: write another rule",
}  # fmt: skip

STEPS = {
    **dict.fromkeys(("should", "must", "verify", "check", "ensure"), "expect"),
    **dict.fromkeys(("now", "on", "time"), "at"),
    **dict.fromkeys(("var", "const", "def", "set"), "let"),
    "assert": "expect", "given": "let", "foreach": "for", "each": "for", "matrix": "for",
    "table": "for",
}  # fmt: skip

ARGUMENTS = "arguments have no names, and are in the order of the parameters"

FORMS = {
    **dict.fromkeys(("effect", *EFFECTS), "a rule is written `permit name: actions`"),
    "_INVARIANT": "an invariant is written `invariant name: never allow actions unless condition`, or "
    "`never expose fields of actions unless condition`",
    "_DEFINE": "a definition is written `define name(x: Type) = expression`",
    "_CONST": "a constant is written `const name: type = value`",
    "_ENTITY": "an entity is written `entity Name in Parent { name: type }`",
    "_ACTION": "an action is written `action name by Subject on Resource with { name: type }`",
    "_GROUP": "a group is written `group name by Subject on Resource with { name: type }`, and its actions "
    "`action read, edit in name`",
    "_OBLIGE": "write `oblige name(arguments)`",
    "_LEVELS": "levels are written `levels Name = low < high`",
    "_ENUM": "an enumeration is written `enum Name = one | two`",
    "_TAXONOMY": "a taxonomy is written `taxonomy Name { term { narrower } }`",
    "_OBLIGATION": "an obligation is written `obligation name(x: type)`",
    "_GATE": 'a gate is written `gate name "question"` or `gate name "question" for actions`, its rules `gate name { … }`',
    "_WAIVER": 'a waiver is written `waiver name of gate.rule for App "id" until 2027-01-31 ticket "…" approved_by "…"`',
    "_TEST": 'a test is written `test "title" { … }`',
    "_LET": "write `let name = value`",
    "_FOR": "a table is written `for x in Type: action by subject on resource expect { a, b: deny … }`",
    "_EXPECT": "an expectation is written `expect allow action by subject on resource`",
    "_UNDER": 'parents are named by type and id: `under Folder "plans"`',
    "QUANTIFIER": "a quantifier is written `some x in set: condition`",
}
"""The form of each construct, by a terminal or a rule that it begins with."""
