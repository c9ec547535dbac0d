"""Word every diagnostic of names and types: one function each.

Those of one subject are in `field_messages.py`, `table_messages.py`, `target_messages.py`, `time_messages.py`.

A message is one sentence in lower case without a full stop, what the author wrote in backticks;
advice goes into the help line, and only when it is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic, Label, error
from policyengine.diagnostics.source import Span
from policyengine.diagnostics.spell import did_you_mean, nearest
from policyengine.model.rules import WaivedEntity
from policyengine.model.types import STRING, TargetKey, TaxonomyType, Type
from policyengine.semantics.advice import compared, help_of_name, instead, meant, offered
from policyengine.syntax import nodes
from policyengine.syntax.excerpts import in_quotes, said
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import Operator, of_comparison
from policyengine.syntax.written_values import as_name

_UNKNOWN_CODES = {
    "name": "PE201", "type": "PE202", "entity type": "PE202", "action or group": "PE205",
    "action": "PE205", "group": "PE205", "gate": "PE206", "rule": "PE209", "obligation": "PE210",
    "definition": "PE211",
}  # fmt: skip

_DECLARED = {
    "definition": "declare it: `define {}(…) = expression`", "gate": 'declare it: `gate {} "what it asks"`',
    "group": "declare it: `group {}`; another action is written before `in`",
}  # fmt: skip

FEW = 8
"""How many names a message lists."""

_LISTED = 20
"""How many members of a circle a message names."""

_LONG = 200
"""How many characters of a type a message shows."""

_MANY = 10**12
"""From where on a number is not written out."""


def listed(names: Iterable[str], word: str = "or") -> str:
    """Return names in backticks, with *word* before the last."""
    quoted = [f"`{name}`" for name in names]
    *others, last = quoted
    return f"{', '.join(others)} {word} {last}" if others else last


def a(type_: object) -> str:
    """Return the type with its article, cut short if it is long."""
    shown = str(type_)
    if shown == "months":
        return "`months`"
    if len(shown) > _LONG:
        shown = f"{shown[:_LONG]}…"
    return f"{'an' if shown[0] in 'aeiouAEIO' else 'a'} `{shown}`"


def written(node: nodes.Expr) -> str:
    """Return *node* roughly as it was written, for a message."""
    match node:
        case nodes.Name(name):
            return name
        case nodes.Attr(object_, name):
            return f"{written(object_)}.{name.name}"
        case nodes.EntityRef(type_, id_):
            return f'{type_} "{id_}"'
        case nodes.LookUp(table):
            return f"{written(table)}[…]"
        case nodes.Call(name):
            return f"{name}(…)"
        case nodes.Ancestors():
            return "ancestors(…)"
        case _:
            return "…"


def _counted(count: int) -> str:
    """Return a number with commas, and no more of it than anybody reads."""
    return f"{count:,}" if count < _MANY else f"more than {_MANY:,}"


# ---- PE2xx: names -----------------------------------------------------------------------


def unknown(
    what: str, ident: nodes.Ident, known: Iterable[str], elsewhere: Iterable[str] = ()
) -> Diagnostic:
    """A name that nothing declares; *elsewhere* lists packages that do, but are not meant here.

    *known*: names that are; with the package of *ident*, if it has one.
    """
    packages = sorted(set(elsewhere))
    if not packages and ident.package:
        help = did_you_mean(str(ident), [f"{ident.package}.{name}" for name in known])
    elif not packages:
        known = list(known)
        help = help_of_name(what, ident.name) or did_you_mean(ident.name, known)
        help = help or _DECLARED.get(what, "").format(ident.name)
        help = help or _all_of(offered(what, ident.name, known))
    elif ident.package:
        help = f"write {listed(f'{package}.{ident.name}' for package in packages)}"
    else:
        help = brought_in_by(packages)
    return error(_UNKNOWN_CODES[what], ident.span, f"there is no {what} `{ident}`", help)


_BROUGHT_IN = "brings it in"


def brought_in_by(packages: Sequence[str]) -> str:
    """Return which imports bring a name in that other packages declare."""
    imports = listed(f"import {package}" for package in packages)
    return f"{imports} {_BROUGHT_IN if len(packages) == 1 else 'brings one in'}"


def is_solved_by_import(problem: Diagnostic) -> bool:
    """Whether a name is unknown for the lack of one import."""
    return problem.help.endswith(_BROUGHT_IN)


def no_entity(node: nodes.EntityRef, type_: Type) -> Diagnostic:
    """A value that is written as an entity: `datetime "2026-01-01"`."""
    message = f"there is no entity type `{node.type}`"
    help = instead(nodes.Literal("string", node.id, "", span=node.span), STRING, type_)
    return error("PE202", node.type.span, message, help)


def _all_of(known: Iterable[str]) -> str:
    few = sorted(set(known))
    if not 0 < len(few) <= FEW:
        return ""
    return f"there {'is' if len(few) == 1 else 'are'} {listed(few, 'and')}"


def rule_of_several_gates(rule: nodes.Ident, ids: Sequence[str]) -> Diagnostic:
    """A rule without its gate, of which there are several."""
    message = f"there are {len(ids)} rules `{rule.name}`, each in a gate of its own"
    return error("PE209", rule.span, message, f"write {listed(ids)}")


def given_twice(ident: nodes.Ident, first: nodes.Ident) -> Diagnostic:
    """A name that is already taken."""
    also = Label(first.span, "first given here")
    apart = ident.span.file != first.span.file
    help = "rename one, or leave one out"
    if apart:
        help = "rename one; all files that are given at once are one policy set"
    return error("PE203", ident.span, f"`{ident.name}` is given twice", help, also)


def ambiguous(
    ident: nodes.Ident, meanings: Sequence[str], *, is_variable: bool = False
) -> Diagnostic:
    """A bare name with two meanings, of which a variable may be one."""
    help = f"write {listed(meanings)}"
    if is_variable:
        help += ", or give the variable another name"
    return error("PE204", ident.span, f"`{ident.name}` could mean two things here", help)


def unknown_package(ident: nodes.Ident, known: Iterable[str], *, alone: bool = False) -> Diagnostic:
    """An import of a package that is not in the set, or a qualifier that was not imported.

    *alone*: whether the name means something without what is before it.
    """
    name = ident.package or ident.name
    known = list(known)
    if name in known:
        return error(
            "PE207", ident.span, f"package `{name}` is not imported here", f"add `import {name}`"
        )
    return error(
        "PE207", ident.span, f"there is no package `{name}` in this policy set",
        f"write `{ident.name}`" if alone else did_you_mean(name, known),
    )  # fmt: skip


def foreign_call(ident: nodes.Ident, help: str) -> Diagnostic:
    """A call of a function or a method that other languages have."""
    if ident.package is None:
        return error("PE211", ident.span, f"there is no definition `{ident}`", help)
    return error("PE126", ident.span, "this cannot be called", help)


def called_table(ident: nodes.Ident, key: str) -> Diagnostic:
    """A table that is called."""
    message = f"`{ident}` is a table, and is not called"
    return error("PE211", ident.span, message, f"write `{ident}[{key}]`")


def called_constant(ident: nodes.Ident) -> Diagnostic:
    """A constant that is called."""
    message = f"`{ident}` is a constant, and is not called"
    return error("PE211", ident.span, message, f"write `{ident}`")


def self_import(ident: nodes.Ident) -> Diagnostic:
    """A package that imports itself."""
    message = f"package `{ident.name}` imports itself"
    return error("PE232", ident.span, message, "leave it out: a file sees its own package")


def package_as_value(ident: nodes.Ident) -> Diagnostic:
    """The name of a package where a value is wanted."""
    help = f"`{ident.name}` is a package: write `{ident.name}.name`"
    return error("PE201", ident.span, f"there is no name `{ident.name}`", help)


def cycle(
    code: str, ident: nodes.Ident, what: str, names: Sequence[str], help: str = ""
) -> Diagnostic:
    """Things that go round in a circle; *help*: what to write if one refers to itself."""
    if len(names) == 1:
        return error(code, ident.span, f"`{names[0]}` refers to itself", help)
    way = " → ".join(f"`{name}`" for name in names[:_LISTED])
    way += f" → … ({len(names) - _LISTED:,} more)" if len(names) > _LISTED else ""
    way += f" → `{names[0]}`"
    return error(code, ident.span, f"{what} in a circle: {way}")


def taken(ident: nodes.Ident, by: str, help: str = "choose another name") -> Diagnostic:
    """A variable or parameter whose name already means something there."""
    return error("PE213", ident.span, f"`{ident.name}` already names {by} here", help)


def built_in(ident: nodes.Ident) -> Diagnostic:
    """A definition with the name of something that the language defines itself."""
    message = f"`{ident.name}` is built in, so a definition of it would never be called"
    return error("PE225", ident.span, message, "choose another name")


def gates_in_two_files(ident: nodes.Ident, first: nodes.Ident) -> Diagnostic:
    """Gates of one package declared in two files."""
    return error(
        "PE214", ident.span, "the gates of a package are declared in one file",
        "move this one to the others", Label(first.span, "another gate is declared here"),
    )  # fmt: skip


def foreign_gate(rule: nodes.Rule, gate: str, package: str) -> Diagnostic:
    """A permit or expose in a gate that another package owns."""
    return error(
        "PE215", rule.name.span, f"only package `{package}` may {rule.effect} in gate `{gate}`",
        "any package may forbid in it",
    )  # fmt: skip


def rule_without_gate(rule: nodes.Rule, gates: Sequence[str]) -> Diagnostic:
    """A rule outside a gate block in a set that has gates; *gates* are those in which it may stand."""
    blocks = [f"gate {gate} {{ … }}" for gate in gates[:FEW]]
    where = "where its question is asked: " if len(blocks) > 1 else ""
    help = "its package declares no gate for it: declare one, and put the rule into its block"
    help = f"put it {where}into {listed(blocks)}" if blocks else help
    return error("PE216", rule.name.span, f"rule `{rule.name.name}` is in no gate", help)


def group_requested(ident: nodes.Ident) -> Diagnostic:
    """A group where an action is wanted."""
    return error("PE212", ident.span, f"`{ident.name}` is a group, which nobody can request")


# ---- PE3xx: types and soundness ---------------------------------------------------------


def no_attribute(
    owner: str, ident: nodes.Ident, known: Iterable[str], elsewhere: str | None = ""
) -> Diagnostic:
    """An attribute that the type lacks; *elsewhere*: what to write, None if it is given a value and not read."""
    known = list(known)
    help = did_you_mean(ident.name, known)
    begins = any(name.startswith(ident.name) or ident.name.startswith(name) for name in known)
    if elsewhere is not None and not begins:
        help = help_of_name("attribute", ident.name) or help
    help = elsewhere or help
    if not help and 0 < len(known) <= FEW:
        help = f"it has {listed(known, 'and')}"
    return error("PE301", ident.span, f"{owner} has no attribute `{ident.name}`", help)


def unguarded_text(problem: Diagnostic, *, satisfied: bool) -> Diagnostic:
    """An optional attribute in a text, which is said where the rule is satisfied or where it is not."""
    help = "ask in a condition before: `when … has …`"
    if not satisfied:
        help = "leave it out: this text is said where the conditions do not hold"
    return replace(problem, help=help)


def unguarded(span: Span, written: str, owner: str, name: str) -> Diagnostic:
    """An optional attribute that may be absent where it is read."""
    return error(
        "PE302", span, f"`{written}` may be absent", f"ask first: `{owner} has {name} and …`"
    )


def never_equal(node: nodes.Compare, left: Type, right: Type) -> Diagnostic:
    """A comparison between types that can never be equal."""
    equal = of_comparison(node).types in ("equal", "member")
    what = "can never be equal" if equal else "cannot be compared"
    return error(
        "PE303", node.span, f"{a(left)} and {a(right)} {what}", compared(node, left, right)
    )


def compared_with_null(
    node: nodes.Compare, null: nodes.Expr, other: nodes.Expr, *, there: bool
) -> Diagnostic:
    """A comparison with the null of another language; *there*: whether the other side is never absent."""
    has = "not has" if node.op == "==" else "has"
    asked = (
        f"{said(other.object)} {has} {other.name.name}"
        if isinstance(other, nodes.Attr)
        else f"x {has} a"
    )
    help = (
        f"`{said(other)}` is never absent: leave the comparison out"
        if there
        else f"write `{asked}`"
    )
    return error("PE201", null.span, f"nothing is `{said(null)}`", help)


def unlike_branches(node: nodes.If, one: Type, other: Type) -> Diagnostic:
    """An `if` whose branches have two types."""
    message = f"both branches have one type, and these have {a(one)} and {a(other)}"
    help = instead(node.no, other, one) or instead(node.yes, one, other)
    return error("PE303", node.span, message, help)


def never_within(span: Span, left: str, right: str, help: str = "") -> Diagnostic:
    """`within` between entity types of which none is an ancestor of the other."""
    return error("PE303", span, f"{a(left)} is never within {a(right)}", help)


def no_ancestors(span: Span, entity: str, type_: str) -> Diagnostic:
    """A call of `ancestors` with something else than an entity and a type."""
    message = "`ancestors` takes an entity and the type to look for"
    return error("PE361", span, message, f"write `ancestors({entity}, {type_})`")


def other_enumerator(
    span: Span, name: str, owner: str, wanted: Type, known: Iterable[str]
) -> Diagnostic:
    """An enumerator of another type than the one wanted."""
    return error(
        "PE304", span, f"`{name}` is {a(owner)}, but {a(wanted)} is wanted here",
        did_you_mean(name, known),
    )  # fmt: skip


def not_a_member(span: Span, name: str, type_: Type, known: Iterable[str]) -> Diagnostic:
    """A name that the enumeration, levels or taxonomy lacks."""
    known = list(known)
    help = f"did you mean `{as_name(near)}`?" if (near := nearest(name, known)) else ""
    if not help and 0 < len(known) <= FEW:
        help = f"it has {listed(map(as_name, known), 'and')}"
    if name == str(type_) and known:
        what = "taxonomy is no term" if isinstance(type_, TaxonomyType) else "type is no value"
        help = f"the name of a {what} of it: write one, as `{as_name(known[0])}`"
    return error("PE221", span, f"`{type_}` has no `{name}`", help)


def wrong_type(span: Span, wanted: str, found: Type, help: str = "") -> Diagnostic:
    """A value of another type than the one wanted."""
    return error("PE305", span, f"{wanted} is wanted here, and this is {a(found)}", help)


def operator_types(node: nodes.Expr, operator: Operator, *types: Type) -> Diagnostic:
    """An operator that does not apply to its operands."""
    operands = " and ".join(f"`{type_}`" for type_ in types)
    message = f"`{operator.word}` does not apply to {operands}"
    help = meant(operator.word, children(node), *types) or f"it takes {operator.takes}"
    return error("PE306", node.span, message, help)


def capital(span: Span, text: str, kind: str = "string") -> Diagnostic:
    """A constant or a pattern with a capital beside a string without any."""
    lowered = "".join(c.lower() if "A" <= c <= "Z" else c for c in text)
    written = {"glob": in_quotes(lowered, pattern=True), "path": f"path {in_quotes(lowered)}"}
    message = "this has a capital, and what `lower` gives has none"
    return error("PE334", span, message, f"write `{written.get(kind) or in_quotes(lowered)}`")


def private_shown(span: Span, path: str, where: str) -> Diagnostic:
    """A private value that would be shown."""
    message = f"`{path}` is private and may not flow into {where}"
    return error("PE307", span, message, "leave it out, or name what is not private")


def too_costly(span: Span, cost: int, most: int, what: str, limit: str = "") -> Diagnostic:
    """An expression or a rule over its bound; *limit*: what of `Limits` raises it."""
    more = f", or allow more with `Limits({limit}=…)`" if limit else ""
    return error(
        "PE308", span, f"this may take {_counted(cost)} {what}, and at most {most:,} are allowed",
        f"narrow the sets, or split the rule{more}",
    )  # fmt: skip


def too_costly_together(
    dearest: nodes.Ident, target: TargetKey, cost: int, most: int, what: str, limit: str
) -> Diagnostic:
    """Rules that together are over the bound of a target."""
    action, subject, resource = target
    return error(
        "PE331", dearest.span,
        f"the rules for `{action}` by `{subject}` on `{resource}` may take {_counted(cost)} {what}, and at "
        f"most {most:,} are allowed; this rule takes most of them",
        f"make them simpler, or allow more with `Limits({limit}=…)`",
    )  # fmt: skip


def ill_typed_for(problem: Diagnostic, action: str, narrower: str, *, prevents: bool) -> Diagnostic:
    """A problem that a rule has for some of the actions it covers, and not for others.

    *narrower*: how the rule is written for the others alone; empty if their types and actions do not say it.
    *prevents*: whether what it then does not cover would be open.
    """
    help = f"let it cover the others alone: `{narrower}`"
    help += ", and write one for what that leaves out" if prevents else ""
    return error(
        "PE309", problem.span,
        f"for the action `{action}`, which the rule covers: {problem.message}",
        help if narrower else problem.help, *problem.labels[1:],
    )  # fmt: skip


def waiver_lacks(ident: nodes.Ident, what: str, help: str) -> Diagnostic:
    """A waiver without a date, a ticket or an approver."""
    return error("PE312", ident.span, f"waiver `{ident.name}` has no {what}", help)


def not_waivable(ident: nodes.Ident, rule: nodes.Rule) -> Diagnostic:
    """A waiver of a rule that does not allow it."""
    also = Label(rule.name.span, "the rule")
    if rule.effect != "permit":
        return error("PE313", ident.span, f"a waiver never touches a {rule.effect}", "", also)
    return error(
        "PE313", ident.span, f"`{ident.name}` cannot be waived",
        "mark the rule `waivable` if it may be", also,
    )  # fmt: skip


def waived_stranger(span: Span, never: Mapping[str, WaivedEntity], rule: str) -> Diagnostic:
    """A waiver for a subject or a resource that the rule never sees, or never both together."""
    seen = [
        f"{'anything within ' if waived.within else ''}{a(waived.type)} as its {part}"
        for part, waived in never.items()
    ]
    return error("PE313", span, f"`{rule}` never has {' and '.join(seen)}")


def clause_misplaced(span: Span, clause: str, where: str, help: str = "") -> Diagnostic:
    """A clause that this kind of rule cannot have."""
    return error("PE315", span, f"`{clause}` has no meaning {where}", help)


def clause_twice(span: Span, clause: str, first: Span) -> Diagnostic:
    """A clause that is allowed only once."""
    return error(
        "PE316",
        span,
        f"this has `{clause}` twice",
        "leave one out",
        Label(first, "the first is here"),
    )


def no_type(span: Span) -> Diagnostic:
    """`{}` in a place without an expected type."""
    return error("PE317", span, "nothing here says what `{}` holds", "name it by a typed `const`")


def not_constant(span: Span) -> Diagnostic:
    """Something that must be written out and is computed."""
    return error(
        "PE318", span, "this must be a constant",
        "write the value out, or name another constant",
    )  # fmt: skip


def table_lacks(span: Span, missing: Sequence[str]) -> Diagnostic:
    """A table of expectations without a row for each value."""
    return error(
        "PE330", span, f"the table does not say what is expected of {listed(missing, 'and')}",
        f"add a row: `{missing[0]}: allow` or `{missing[0]}: deny`",
    )  # fmt: skip


def lacks_attribute(span: Span, owner: str, name: str) -> Diagnostic:
    """A record or an action without something that it must give."""
    return error("PE319", span, f"{owner} lacks `{name}`", f"add `{name}: …`")


def undeclared_constant(ident: nodes.Ident, action: str, known: Iterable[str]) -> Diagnostic:
    """A `having` constant that no group of the action declares."""
    return error(
        "PE320", ident.span, f"no group of `{action}` declares the constant `{ident.name}`",
        did_you_mean(ident.name, known)
        or f"declare it: `group … having {{ {ident.name}: … }}`",
    )  # fmt: skip


def no_types(ident: nodes.Ident, word: str, what: str) -> Diagnostic:
    """An action without subjects or resources."""
    return error(
        "PE321", ident.span, f"nothing says {what} `{ident.name}`",
        f"add `{word} …` here or to one of its groups",
    )  # fmt: skip


def no_types_at_all(ident: nodes.Ident) -> Diagnostic:
    """An action without subjects and resources."""
    return error(
        "PE321", ident.span, f"nothing says who does `{ident.name}`, and on what",
        "add `by Subject on Resource` here or to one of its groups",
    )  # fmt: skip


def types_disagree(ident: nodes.Ident, word: str, groups: Sequence[str]) -> Diagnostic:
    """An action whose types do not fit those of its groups."""
    return error(
        "PE322", ident.span,
        f"the types after `{word}` of `{ident.name}` do not fit those of {listed(groups, 'and')}",
    )  # fmt: skip


def context_disagrees(ident: nodes.Ident, action: str, first: nodes.Ident) -> Diagnostic:
    """Two declarations of one context attribute or constant that differ."""
    return error(
        "PE323", ident.span, f"`{ident.name}` of `{action}` is declared in two ways", "",
        Label(first.span, "the other is here"),
    )  # fmt: skip


def argument_count(call: nodes.Call, wanted: Sequence[str]) -> Diagnostic:
    """A call with too few or too many arguments; *wanted*: the names of the parameters."""
    name, given = call.name, [said(argument) for argument in call.arguments]
    s, are = "s" * (len(wanted) != 1), "is" if len(given) == 1 else "are"
    message = f"`{name}` takes {len(wanted)} argument{s}, and {len(given)} {are} given"
    missing, rest = wanted[len(given) :], given[len(wanted) :]
    if missing:
        help = f"{listed(missing, 'and')} {'is' if len(missing) == 1 else 'are'} missing: "
        help += f"`{name}({', '.join(wanted)})`"
    else:
        help = f"leave out {listed(rest, 'and')}"
    return error("PE324", call.span, message, help)


def only_in_tests(span: Span, what: str, help: str) -> Diagnostic:
    """Something that only a test can say."""
    return error("PE325", span, f"{what} can be said in a test only", help)


def fixture_in_rule(ident: nodes.Ident) -> Diagnostic:
    """A fixture that is used outside of tests."""
    help = "a `let` is for tests; rules may use a `const`"
    return only_in_tests(ident.span, f"`{ident}`", help)


def only_a_name(span: Span, written: str) -> Diagnostic:
    """An attribute of an entity that is only named."""
    return error(
        "PE327", span, f"nothing of `{written}` is known here but its id",
        "a rule reads what the subject, the resource and the context give",
    )  # fmt: skip


def unknown_changer(ident: nodes.Ident, known: Iterable[str]) -> Diagnostic:
    """An unknown party in the `by` of an attribute."""
    known = list(known)
    return error(
        "PE222", ident.span, f"an attribute cannot be said to be by `{ident}`",
        did_you_mean(ident.name, known) or f"there are {listed(known, 'and')}",
    )  # fmt: skip


def misplaced_changer(ident: nodes.Ident) -> Diagnostic:
    """A changer of something that is no attribute of an entity or a context."""
    return error(
        "PE223", ident.span, "who can change it is said of attributes of entities and contexts only"
    )


def unknown_cause(ident: nodes.Ident, known: Iterable[str]) -> Diagnostic:
    """A cause that no decision has."""
    known = list(known)
    return error(
        "PE328", ident.span, f"no decision has the cause `{ident.name}`",
        did_you_mean(ident.name, known) or f"there are {listed(known, 'and')}",
    )  # fmt: skip
