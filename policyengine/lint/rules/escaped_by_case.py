"""Find prohibitions on strings that another case of letters escapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyengine.analysis.constants import is_id
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.placed_conditions import Asked, Placed, asked_in
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import STRING
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each string that a forbid, or a permit with `not`, compares with letters as they come."""
    for rule in subject.checked.rules:
        for asked in asked_in(rule):
            text, written, wanted = _compared(asked)
            if (
                text is not None
                and wanted is (rule.effect == "forbid")
                and any(map(_has_letter, written))
                and text.lowered is None
                and not text.is_written
                and not is_id(text.expr, text.typing)
            ):
                yield warning(
                    "PE432", asked.placed.expr.span,
                    f"`{rule.id}` is escaped by writing a letter large or small",
                    "compare `lower(…)`, with a constant in small letters",
                )  # fmt: skip


def _compared(asked: Asked) -> tuple[Placed | None, Iterable[object], bool]:
    """Return the string that is compared with constants, those, and whether it must be like one of them."""
    placed, wanted = asked.placed, asked.wanted
    match placed.expr:
        case nodes.Compare("startswith" | "endswith" | "contains", left, right):
            return placed.at(left), placed.at(right).constants, wanted
        case nodes.Like(object_, pattern, "string"):  # the case of a path counts
            return placed.at(object_), (pattern,), wanted
        case nodes.Compare("==" | "!=" as op, left, right) if (
            placed.typing.types.get(id(left)) == STRING
        ):
            one, other = placed.at(left), placed.at(right)
            text, constant = (other, one) if one.constants else (one, other)
            return text, constant.constants, wanted is (op == "==")
        case nodes.Compare("in", left, right) if placed.typing.types.get(id(left)) == STRING:
            among = placed.at(right).constant
            return placed.at(left), among if isinstance(among, frozenset) else (), wanted
    return None, (), wanted


def _has_letter(text: object) -> bool:
    return isinstance(text, str) and any(one.isascii() and one.isalpha() for one in text)


RULE = LintRule(
    Code(
        "PE432", "escaped-by-case", "A forbid on a string that another case of letters escapes.",
        "Strings compare letter by letter, and `A` is not `a`: a forbid of names that end with `.exe` does not forbid `.EXE`, nor one of `admin` another spelling of it. The same is so of a permit that asks that a string is not like that. Where the words are known, an `enum` has no other spelling. Where case means something, say so with `# lint: ignore[escaped-by-case]` and why.",
        WORDS + 'entity File { name: string }\naction open by App on File\npermit o: open when subject.status == active\nforbid programs: open when resource.name endswith ".exe" because "a program"\npermit q: read when subject.status == active\n',
        WORDS + 'entity File { name: string }\naction open by App on File\npermit o: open when subject.status == active\nforbid programs: open when lower(resource.name) endswith ".exe" because "a program"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
