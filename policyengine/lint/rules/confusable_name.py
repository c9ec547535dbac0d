"""Find names that readers may confuse."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes
from policyengine.syntax.characters import LOOKALIKES
from policyengine.syntax.node import walk

_SHORTEST = 6
"""The length of names from which on one different letter is overlooked."""

_LOOKS = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "_": "", "-": "", ".": ""})
_FOREIGN = str.maketrans(dict(LOOKALIKES))


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each name that looks like an earlier one of the same list."""
    for names in _lists(subject.files):
        by_key: dict[object, list[int]] = {}
        for number, name in enumerate(names):
            keys = set(_keys(name.name))
            near = {earlier for key in keys for earlier in by_key.get(key, ())}
            for key in keys:
                by_key.setdefault(key, []).append(number)
            for other in (names[earlier] for earlier in sorted(near)):
                if name.name != other.name and looks_like(name.name, other.name):
                    yield warning(
                        "PE426", name.span, f"`{name}` is easily taken for `{other}`",
                        "give one of them another name", Label(other.span, "this one"),
                    )  # fmt: skip


def looks_like(one: str, other: str) -> bool:
    """Whether two names look the same, or differ in one letter or in two that are swapped."""
    if _look(one) == _look(other):
        return True
    if len(one) != len(other) or len(one) < _SHORTEST:
        return False
    different = [n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(different) == 1:
        (n,) = different
        return not (one[n].isdigit() or other[n].isdigit())
    swapped = [n for n in different if n + 1 in different and one[n] == other[n + 1]]
    return len(different) == 2 and bool(swapped) and one[different[1]] == other[different[0]]  # noqa: PLR2004 - a pair


def _keys(name: str) -> Iterator[object]:
    """Give keys of which names that look alike share one: not all pairs of thousands need be compared."""
    yield _look(name)
    if len(name) >= _SHORTEST:
        for at, letter in enumerate(name):
            if not letter.isdigit():
                yield at, name[:at], name[at + 1 :]
            pair = "".join(sorted(name[at : at + 2]))
            yield at, pair, name[:at], name[at + 2 :]


def _look(name: str) -> str:
    latin = unicodedata.normalize("NFKC", name).translate(_FOREIGN)
    return latin.casefold().translate(_LOOKS).replace("rn", "m").replace("vv", "w")


def _lists(files: Iterable[nodes.PolicyFile]) -> Iterator[Sequence[nodes.Ident]]:
    """Give lists of names that are used side by side: of one declaration, or of one kind."""
    sorts: dict[object, list[nodes.Ident]] = {}
    for file in files:
        for declaration in file.declarations:
            match declaration:
                case nodes.EnumDecl(_, members) | nodes.LevelsDecl(_, members):
                    yield members
                case nodes.TaxonomyDecl(_, terms):
                    yield [node.name for node in walk(terms) if isinstance(node, nodes.Term)]
                case nodes.EntityDecl(name, _, parts):
                    yield [part.name for part in parts]
                    sorts.setdefault("entity", []).append(name)
                case nodes.ActionDecl(names):
                    sorts.setdefault("action", []).extend(names)
                case nodes.GateBlock(gate, rules):
                    sorts.setdefault(("rule", gate.name), []).extend(rule.name for rule in rules)
                case nodes.ConstDecl(name) | nodes.DefineDecl(name):
                    sorts.setdefault("value", []).append(name)
    yield from sorts.values()


RULE = LintRule(
    Code(
        "PE426", "confusable-name", "A name that is easily taken for another.",
        "Names that differ in one letter, in letters that look the same, or only in signs between words, are mixed up by the author of the next rule.",
        WORDS + "enum Kind = approved | appr0ved | other\npermit p: any when subject.status == active\n",
        WORDS + "enum Kind = approved | rejected | other\npermit p: any when subject.status == active\n",
    ),
    find,
)  # fmt: skip
