"""Find the grammar, Lark's parser of it, and the tables that Lark makes for the parser.

The grammar is in `grammar/`, beside the package in a checkout and inside it when installed. Making the
tables takes Lark a third of a second, so they are in a file beside the grammar, as data; if the grammar
has changed since, Lark makes them again. After a change of the grammar, `make golden` writes the file again.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule

END: Final = "$END"
"""The terminal after the last one of a text."""

Included: TypeAlias = tuple[int, bool, int]
"""A part that stays: its place, whether what is in it takes its place, and absent parts before it."""

_PACKAGE = Path(__file__).resolve().parent.parent


class Reduction(Struct, frozen=True, array_like=True):
    """The reduction of the parts of a rule of the grammar.

    *builds*: the method of the builder, None where the parts are spliced into what is around them.
    *absent*: how many absent parts follow; *single*: whether a part that is alone is the result;
    *chooses*: whether anything comes of them but all as they are; *wraps*: whether a part that is alone is
    spliced as it is, and *passes*: whether what is spliced of one part is spliced again.
    """

    size: int
    origin: str
    builds: str | None
    included: tuple[Included, ...]
    absent: int
    single: bool
    chooses: bool
    wraps: bool
    passes: bool


class Tables(Struct, frozen=True):
    """The tables of an LALR parser, states numbered as they are reached.

    *grammar*: the hash of the text that they are made of. *terminals*: their patterns, in the order in which
    they are tried; *reserved*: words that may name attributes and nothing else. *actions*: of each state, the
    number of its row; an action is a state to go to, or a reduction as `~number`. *begin* and *end*: states,
    by what is parsed.
    """

    grammar: str
    terminals: list[tuple[str, str]]
    reserved: list[str]
    reductions: list[Reduction]
    rows: list[dict[str, int]]
    actions: list[int]
    gotos: list[dict[str, int]]
    begin: dict[str, int]
    end: dict[str, int]


_decode: Final = msgspec.json.Decoder(Tables).decode


def _file(name: str) -> Path:
    """Return the path of a file of the grammar."""
    for folder in (_PACKAGE / "grammar", _PACKAGE.parent / "grammar"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"grammar/{name} is neither in the package nor beside it")


def grammar_text() -> str:
    """Return the text of `policy.lark`."""
    return _file("policy.lark").read_text(encoding="utf-8")


@cache
def parser() -> Lark:
    """Return the parser; its start symbols are `file`, `rest` and `expression`.

    It keeps no state between calls, so threads may share it.
    """
    from lark import Lark

    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start=["file", "rest", "expression"],
        propagate_positions=True,
        maybe_placeholders=True,
    )


@cache
def reserved_words() -> frozenset[str]:
    """Return the words that may name attributes and nothing else."""
    made = tables()
    return frozenset(_reserved(parser()) if made is None else made.reserved)


# ---- tables -----------------------------------------------------------------------------


@cache
def tables() -> Tables | None:
    """Return the tables that were made of the grammar; None if Lark does not show them."""
    try:
        kept = _decode(_file("policy.tables.json").read_bytes())
    except (OSError, msgspec.MsgspecError):
        return make_tables(parser())
    return kept if kept.grammar == _hash() else make_tables(parser())


def _hash() -> str:
    return sha256(grammar_text().encode()).hexdigest()


def make_tables(lark: Lark) -> Tables | None:
    """Return the tables that Lark made; None if it does not show them."""
    table = getattr(lark.parser.parser, "_parse_table", None)  # which Lark does not promise
    if table is None:
        return None
    from lark.parsers.lalr_analysis import Reduce

    rules = {rule: number for number, rule in enumerate(lark.rules)}
    order = sorted(
        lark.terminals,
        key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name),
    )
    terminals = [(terminal.name, terminal.pattern.to_regexp()) for terminal in order]
    named = {END, *dict(terminals)}
    follows: dict[int, dict[str, int]] = {
        state: {
            str(name): ~rules[to] if action is Reduce else to
            for name, (action, to) in found.items()
        }
        for state, found in table.states.items()
    }
    numbers: dict[int, int] = {}  # as states are reached: Lark's own differ from run to run
    waiting = [table.start_states[start] for start in sorted(table.start_states)]
    for state in waiting:
        if state not in numbers:
            numbers[state] = len(numbers)
            waiting += [to for _, to in sorted(follows[state].items()) if to >= 0]
    rows: dict[tuple[tuple[str, int], ...], int] = {}
    actions: list[int] = []
    gotos: list[dict[str, int]] = []
    for state in numbers:
        found = {n: to if to < 0 else numbers[to] for n, to in sorted(follows[state].items())}
        row = tuple((n, to) for n, to in found.items() if n in named)
        actions.append(rows.setdefault(row, len(rows)))
        gotos.append({n: to for n, to in found.items() if n not in named})
    return Tables(
        grammar=_hash(),
        terminals=terminals,
        reserved=_reserved(lark),
        reductions=list(map(_reduction, lark.rules)),
        rows=[dict(row) for row in rows],
        actions=actions,
        gotos=gotos,
        begin={start: numbers[state] for start, state in sorted(table.start_states.items())},
        end={start: numbers[state] for start, state in sorted(table.end_states.items())},
    )


def _reduction(rule: Rule) -> Reduction:
    """Return how the parts of *rule* are reduced, as Lark's tree builder would do it."""
    from lark.grammar import Terminal

    options, expansion = rule.options, rule.expansion
    empty = "".join(str(int(e)) for e in options.empty_indices) or "0" * len(expansion)
    absent = [len(ones) for ones in empty.split("0")]  # before each part, and after the last
    included: list[Included] = []
    before = 0
    for place, part in enumerate(expansion):
        before += absent[place]
        if options.keep_all_tokens or not (isinstance(part, Terminal) and part.filter_out):
            included.append((place, not part.is_term and part.name.startswith("_"), before))
            before = 0
    name = str(rule.origin.name)  # of tokens of the grammar, which compare slowly
    as_they_are = [(place, False, 0) for place in range(len(expansion))]
    absent_after = before + absent[-1]
    builds = None if name.startswith("_") else name
    chooses = bool(absent_after) or included != as_they_are
    return Reduction(
        size=len(expansion),
        origin=name,
        builds=builds,
        included=tuple(included),
        absent=absent_after,
        single=bool(options.expand1),
        chooses=chooses,
        wraps=builds is None and len(expansion) == 1 and not chooses,
        passes=builds is None
        and len(expansion) == 1
        and absent_after == 0
        and included == [(0, True, 0)],
    )


def _reserved(lark: Lark) -> list[str]:
    words = set[str]()
    for terminal in lark.terminals:
        found = re.fullmatch(
            r"(?:\(\?:)?([a-z_|]+)\)?\(\?!\[A-Za-z0-9_\]\)", terminal.pattern.value
        )
        if found:
            words.update(found[1].split("|"))
    return sorted(words)
