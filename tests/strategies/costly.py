"""Policy sets that are made to be costly: families that grow with their text in one bad way each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hypothesis import strategies as st

HEAD: Final = """package t
entity User { n: int, s: string, t: set<string>, q: set<int>, f: bool, d: datetime, i: set<ip>, p: path, ps: set<path>, u: User }
entity Doc { n: int, s: string, t: set<string>, q: set<int>, f: bool, u: User, rs: set<{a: int}> }
"""
READ: Final = HEAD + "action read by User on Doc\n"

Family = Callable[[int, int], str]
"""Makes a set of at most so many characters, with the level of its growth: any number from 1 to 12."""


def filled(size: int, head: str, line: Callable[[int], str], tail: str = "") -> str:
    """Return *head* and as many lines as there is room for before *tail*."""
    lines, room, number = [head], size - len(head) - len(tail), 0
    while len(made := line(number)) <= room:
        lines.append(made)
        room -= len(made)
        number += 1
    return "".join([*lines, tail])


def doubling(levels: int, first: str, step: str, parameters: str = "x: int") -> str:
    """Return definitions `d0` to `dN`, each of which asks for the one before twice."""
    return f"define d0({parameters}) = {first}\n" + "".join(
        f"define d{n}({parameters}) = {step.replace('d_', f'd{n - 1}')}\n"
        for n in range(1, levels + 1)
    )


def listed(count: int, item: str, between: str = ", ") -> str:
    """Return *count* items, each with its number where `@` stands."""
    return between.join(item.replace("@", str(n)) for n in range(count))


def rules(condition: str) -> Family:
    """Return a family of rules with a condition, in which `@` is the number of the rule."""

    def made(size: int, level: int) -> str:
        return filled(
            size, READ, lambda n: f"permit p{n}: read when {condition}\n".replace("@", str(n))
        )

    return made


def defined(first: str, step: str, condition: str, parameters: str = "x: int") -> Family:
    """Return a family of rules over definitions that double."""

    def made(size: int, level: int) -> str:
        head = READ + doubling(level, first, step, parameters)
        rule = f"permit p@: read when {condition}\n".replace("LEVEL", str(level))
        return filled(size, head, lambda n: rule.replace("@", str(n)))

    return made


def texts(clause: str, expression: str) -> Family:
    """Return a family of one rule with a text in which an expression stands often."""

    def made(size: int, level: int) -> str:
        head = READ + "obligation o(x: int)\n" + doubling(level, "x + x", "d_(x) + d_(x)")
        start, _, end = clause.partition("*")
        rule = f"permit p: read when subject.n > 100 {start}"
        expr = expression.replace("LEVEL", str(level))
        return filled(size, head + rule, lambda _: expr, f"{end}\n")

    return made


def targets(size: int, level: int) -> str:
    """As many targets as can be written, and rules for all of them."""
    many = level * 10
    head = "package t\n" + "".join(f"entity U{n} {{ n: int }}\n" for n in range(many))
    types = listed(many, "U@")
    head += f"action {listed(many, 'a@')} by {types} on {types}\n"
    return filled(size, head, lambda n: f"permit p{n}: any when subject.n > {n} + resource.n\n")


def actions(size: int, level: int) -> str:
    """Many actions with large contexts, and rules for all of them."""
    context = listed(level * 20, "f@: int")
    head = (
        f"package t\nentity U\naction {listed(level * 40, 'a@')} by U on U with {{ {context} }}\n"
    )
    return filled(size, head, lambda n: f"permit p{n}: any when context.f1 > {n}\n")


def groups(size: int, level: int) -> str:
    """Groups that lie in all others, and actions that lie in all of them."""
    many = level * 5
    head = "package t\nentity U\ngroup g0 having { k: int }\n" + "".join(
        f"group g{n} in {listed(n, 'g@')} with {{ f{n}: int }}\n" for n in range(1, many)
    )
    inside = listed(many, "g@")
    return filled(
        size, head, lambda n: f"action a{n} in {inside} having {{ k: {n} }} by U on U\n",
        "permit p: g0 when action.k > 3\n",
    )  # fmt: skip


def nested_sets(size: int, level: int) -> str:
    """Constant sets of constant sets, twins of which are equal and twice as large each time."""
    lines, names = [READ], ("a", "b", "c", "d")
    lines += [f"const {name}0: int = {n % 2}\n" for n, name in enumerate(names)]
    for n in range(1, level * 2):
        type_ = "set<" * n + "int" + ">" * n
        for x, y in ("ab", "cd"):
            lines.append(f"const {x}{n}: {type_} = {{{x}{n - 1}, {y}{n - 1}}}\n")
            lines.append(f"const {y}{n}: {type_} = {{{x}{n - 1}}}\n")
    top = level * 2 - 1
    lines.append(f"const z: {'set<' * (top + 1)}int{'>' * (top + 1)} = {{a{top}, c{top}}}\n")
    return "".join([*lines, 'permit p: read because "{z}"\n'])[:size]


def attributes(size: int, level: int) -> str:
    """Entities with many attributes, fields and gates."""
    head = 'package t\nfield gate g "?"\nentity U { ' + listed(level * 40, "f@?: int") + " }\n"
    return filled(
        size, head + "action read by U on U\ngate g {\n",
        lambda n: f"permit p{n}: any when subject has f{n % 40} and subject.f{n % 40} > {n} fields all\n",
        "}\n",
    )  # fmt: skip


def nested_records(size: int, level: int) -> str:
    """Records in records, deeper each time, of which some are read."""
    deep = level * 4
    type_, path = "{ a: " * deep + "int" + " }" * deep, ".a" * deep
    head = f"package t\nentity U {{ r: {type_}, o?: {type_}, s: set<{type_}> }}\naction read by U on U\n"
    return filled(size, head, lambda n: f"permit p{n}: read when subject.r{path} == {n}\n")


def wide_entities(size: int, _: int) -> str:
    """As many attributes as there is room for, of which one is read."""
    head = (
        "package t\naction read by U on U\npermit p: read when subject.f1 > 1\nentity U { n: string"
    )
    return filled(size, head, lambda n: f", f{n}: int", " }\n")


def gates(size: int, level: int) -> str:
    """Many gates for many actions."""
    head = f"package t\nentity U {{ n: int }}\naction {listed(level * 10, 'a@')} by U on U\n"
    return filled(
        size, head, lambda n: f'gate g{n} "?"\ngate g{n} {{ permit p: any when subject.n > {n} }}\n'
    )


def records(size: int, level: int) -> str:
    """Definitions of records of records, and others that take them."""
    head = READ + doubling(level, "{a: x, b: x}", "{a: d_(x), b: d_(x)}")
    call = f"d{level}"
    return filled(
        size, head, lambda n: f"define e{n}(x: int) = {call}(x)\n",
        f"permit p: read when e0(subject.n) == {call}(resource.n)\n",
    )  # fmt: skip


def vocabulary(size: int, level: int) -> str:
    """Large enums, levels and taxonomies."""
    many = level * 25
    below = "".join(f"t{n} {{ " for n in range(level * 7)) + "} " * (level * 7)
    head = (
        f"package t\nenum E = {listed(many, 'e@', ' | ')}\nlevels L = {listed(many, 'l@', ' < ')}\n"
        f"taxonomy T {{ {below} }}\nentity U {{ e: set<E>, l: L, ts: set<T> }}\naction read by U on U\n"
    )
    return filled(
        size, head,
        lambda n: f"permit p{n}: read when subject.ts touches {{t{n % 7}, t{n % 5}}} and "
        f"subject.l >= l{n % 25} and e{n % 25} in subject.e\n",
    )  # fmt: skip


def ancestors(size: int, level: int) -> str:
    """Quantifiers over the ancestors of what long paths lead to."""
    head = "package t\nentity User in User { n: int, u: User }\nentity Doc { u: User }\naction read by User on Doc\n"
    path = "subject" + ".u" * (level * 9)
    return filled(
        size, head,
        lambda n: f"permit p{n}: read when some f in ancestors({path}, User): f.n > {n} and f within resource.u\n",
    )  # fmt: skip


def tables(size: int, level: int) -> str:
    """Tables in tables, in which definitions look up what they have looked up."""
    names = listed(level * 2, "l@", " < ")
    row = "{ " + listed(level * 2, "l@: l0") + " }"
    head = (
        f"package t\nlevels L = {names}\nentity U {{ l: L }}\naction read by U on U\n"
        f"const c: L -> L -> L = {{ {listed(level * 2, f'l@: {row}')} }}\n"
    ) + doubling(min(level, 3), "c[x][x]", "d_(c[d_(x)][x])", "x: L")
    return filled(
        size, head, lambda n: f"permit p{n}: read when d1(subject.l) == c[resource.l][l{n % 2}]\n"
    )


def schedules(size: int, level: int) -> str:
    """Schedules of many intervals, asked for many moments."""
    days = [f"{day} {h:02}:00-{h:02}:30" for day in ("Mon", "Tue", "Sat") for h in range(level)]
    head = (
        "package t\nentity U { d: datetime }\naction read by U on U\n"
        f'const s: schedule = schedule "{", ".join(days)} Europe/Berlin"\n'
    )
    return filled(
        size, head,
        lambda n: f"permit p{n}: read when now + {n}m within s or subject.d + {n}mo within s\n",
    )  # fmt: skip


def exceptions(size: int, level: int) -> str:
    """Waivers, invariants, tests and fixtures."""
    head = (
        READ
        + doubling(level, "x > 3", "d_(x) or d_(x)")
        + "permit p: read when subject.f waivable\n"
    )
    return filled(
        size, head,
        lambda n: f'waiver w{n} of p for User "u{n}" until 2999-01-01 ticket "t" approved_by "l"\n'
        f"invariant i{n}: never allow any unless d{level}(subject.n + {n})\n"
        f'let l{n} = User "u{n}" {{ n: {n} }}\n'
        f'test "t{n}" {{ expect deny read by l{n} on Doc "d" }}\n',
    )  # fmt: skip


def wrong(line: str) -> Family:
    """Return a family of mistakes."""
    return lambda size, level: filled(size, READ, lambda n: line.replace("@", str(n)))


FAMILIES: Final[Mapping[str, Family]] = {
    "short rules": rules("subject.f"),
    "equalities": rules("subject.n == @ and resource.n > @"),
    "either": rules('(subject.n == @ or resource.n == @) and (subject.s == "@" or resource.f)'),
    "choices": rules("if subject.n > @ then resource.n > @ else if subject.f then resource.f else true"),
    "moments": rules("now - subject.d > 1d and now < subject.d + 365d"),
    "globs": rules('subject.s like "*a*b@*c*aaaaaaaab*"'),
    "one glob": lambda size, level: filled(size, READ + 'permit p: read when subject.s like "', lambda _: "*aab", '"\n'),
    "sets": rules("subject.t overlaps resource.t and subject.q == resource.q and subject.n > @"),
    "networks": rules('subject.i within ip "10.@.0.0/16" or subject.i within {ip "10.0.0.0/8"}'.replace("10.@.", "10.1.")),
    "paths": rules('subject.ps within {path "/a@", path "/a/b"} or subject.p within subject.ps'),
    "patterns of paths": rules('subject.p like path "/**/*a*/**/*a@*/**/b"'),
    "long patterns of paths": rules('subject.p like path "' + "/**/*a*" * 60 + '/@"'),
    "deep paths that are constants": rules('subject.p within path "' + "/a" * 250 + '/@"'),
    "quantifiers": rules("some x in subject.q: x * x + @ < 0 and x > @"),
    "nested quantifiers": rules("some x in subject.q: some y in resource.q: x + y == @"),
    "deep nesting": rules("not (" * 40 + "subject.n > @" + ")" * 40),
    "deep paths": rules("subject" + ".u" * 90 + ".n > resource" + ".u" * 90 + ".n + @"),
    "long sums": rules("+".join(["subject.n"] * 90) + " > @"),
    "set literals": lambda size, level: filled(size, READ + "permit p: read when subject.n in {0", lambda n: f", {n}", "}\n"),
    "computed sets": lambda size, level: filled(size, READ + "permit p: read when 3 in {0", lambda n: f", subject.n + {n}", "}\n"),
    "doubled sums": defined("x + x", "d_(x) + d_(x)", "dLEVEL(subject.n) == @ and resource.n > @"),
    "doubled conditions": defined("x > 3", "d_(x) and (d_(x) or x > 5)", "dLEVEL(subject.n) or subject.n > @"),
    "doubled negations": defined("x > 3", "not (d_(x) and d_(x))", "not dLEVEL(subject.n) and subject.n > @"),
    "doubled choices": defined("x > 3", "if d_(x) then d_(x) else x > 4", "dLEVEL(subject.n) and subject.n > @"),
    "doubled quantifiers": defined('x in {"a"}', "d_(x) or d_(x)", "every x in subject.t: dLEVEL(x)", "x: string"),
    "doubled paths": defined("x.u.u", "d_(x).u", "dLEVEL(subject).n > resource.n + @", "x: User"),
    "doubled arguments": defined("x or x", "d_(d_(x))", "dLEVEL(subject.n > @)", "x: bool"),
    "because": texts('because "*"', "{dLEVEL(subject.n)}"),
    "otherwise": texts('otherwise "*"', "{dLEVEL(subject.n)}"),
    "refer": texts('refer "*"', "{dLEVEL(subject.n)}"),
    "obligations": texts("oblige o(1)*", ", o(dLEVEL(subject.n))"),
    "plain texts": texts('otherwise "*"', "{subject.n}"),
    "texts of sets": texts('otherwise "*"', "{subject.t}"),
    "targets": targets,
    "actions": actions,
    "groups": groups,
    "nested sets": nested_sets,
    "attributes": attributes,
    "nested records": nested_records,
    "wide entities": wide_entities,
    "gates": gates,
    "records": records,
    "vocabulary": vocabulary,
    "ancestors": ancestors,
    "tables": tables,
    "schedules": schedules,
    "exceptions": exceptions,
    "wrong names": wrong("permit p@: reed when subject.nn == 3 or subjekt.n > @ or x(@)\n"),
    "wrong types": wrong("permit p@: read when subject.n == subject.s and subject.t > 3\n"),
    "wrong words": wrong("permit p@ read wen subject.n\n"),
    "wrong brackets": wrong("permit p@: read when subject.n in {\n"),
    "wrong texts": wrong('permit p@: read because "{x y}{subject.}{{"\n'),
    "wrong texts in one": lambda size, level: filled(size, READ + 'permit p: read because "', lambda _: "{x y}", '"\n'),
    "unknown names in one": lambda size, level: filled(size, READ + 'permit p: read because "', lambda _: "{z}", '"\n'),
    "circles": wrong("define d@(x: int) = d@(x) + e(x)\ngroup g@ in g@\n"),
    "repeats": wrong("permit p: read\nentity User { a: int, a: int }\n"),
    "no words": wrong('}{ \u200b é "\n'),
}  # fmt: skip

_MIXED: Final = [
    "permit p@: read when dLEVEL(subject.n) > @\n",
    'permit p@: read when subject.n > @ because "{dLEVEL(subject.n)} {resource.t}"\n',
    'permit p@: any when subject.n < @ otherwise "{subject.q} {dLEVEL(@)}"\n',
    "forbid p@: any when some x in subject.q: x > @ + resource.n\n",
    'forbid p@: read when subject.s like "*@*" because "{subject.t}"\n',
    "permit p@: read when subject.u.u.u.n == @ or resource.u.u.f oblige o(dLEVEL(resource.n))\n",
    "permit p@: any waivable when subject.t overlaps resource.t unless dLEVEL(3) > subject.n\n",
    "permit p@: read when if subject.f then subject.n in {1, 2, @} else now > subject.d + 3d\n",
]


@st.composite
def costly_sets(draw: st.DrawFn) -> str:
    """Draw a family with its size and level, or a mixture of rules of many kinds."""
    size, level = draw(st.integers(1_000, 10_000)), draw(st.integers(1, 12))
    if draw(st.booleans()):
        return draw(st.sampled_from(sorted(FAMILIES.items())))[1](size, level)
    kinds = draw(st.lists(st.sampled_from(_MIXED), min_size=1, max_size=4))
    head = READ + f"action {listed(level * 3, 'a@')} by User on Doc, User\nobligation o(x: int)\n"
    head = head.replace(", User\n", "\n") + doubling(level, "x + x", "d_(x) + d_(x)")
    return filled(
        size,
        head,
        lambda n: kinds[n % len(kinds)].replace("LEVEL", str(level)).replace("@", str(n)),
    )
