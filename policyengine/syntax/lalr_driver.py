"""Build the nodes of a text without a mistake while it is parsed, by the tables that Lark made.

Lark's own driver makes a token of everything, and a tree with line and column at each place, from
which nodes are built afterwards: most of its time goes into data that is not used. This driver uses
the same tables with the same contextual lexer, and calls the builder where Lark would make a branch.
It does not report mistakes: where the tables have no action it gives up, and Lark finds the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeAlias

from attrs import field, frozen
from lark import Token

from policyengine.syntax.grammar import END, Reduction, tables

Scan: TypeAlias = Callable[[str, int], "re.Match[str] | None"]
_NOWHERE: Final = -(1 << 30)
"""The action where there is none."""

_NOTHING: Final = -1
"""Where something begins and ends that takes no place in the text."""

_EMPTY: Final = (_NOTHING, _NOTHING, 0)

_BETWEEN: Final = r"(?:[ \t\r\n\f]++|#[^\n]*+)*+"
"""What the grammar ignores; nothing is tried again in it, however long it is."""

_IGNORED: Final = re.compile(_BETWEEN)


class NodeBuilder(Protocol):
    """What builds a node of the parts of a rule."""

    deepest: int
    """How many branches may be above one another."""

    def build(self, rule: str, begin: int, end: int, children: list[Any]) -> Any:
        """Build what *rule* matched from *begin* to *end*, both -1 if it takes no place."""


@frozen
class _Tables:
    """What may follow in each state, and what was parsed leads to; *begin* and *end* by what is parsed.

    An action is a state to go to, or a reduction as `~number`. *passed*: as `pass_through` returns it.
    """

    states: Mapping[int, tuple[Scan, Mapping[str, int]]]
    actions: Mapping[int, Mapping[str, int]]
    gotos: Sequence[Mapping[str, int]]
    reductions: Sequence[Reduction]
    begin: Mapping[str, int]
    end: Mapping[str, int]
    passed: dict[tuple[int, int, str], tuple[int, bool]] = field(factory=dict)

    def pass_through(self, before: int, state: int, kind: str) -> tuple[int, bool]:
        """Reduce a part, between those states and before *kind*, through all rules that only splice it.

        Return the state after it, and whether it is to be wrapped in a list.
        """
        after, wraps = state, False
        while (action := self.actions[after].get(kind, _NOWHERE)) < 0 and action != _NOWHERE:
            reduction = self.reductions[~action]
            if not (reduction.wraps or reduction.passes):
                break
            wraps = wraps or reduction.wraps
            after = self.gotos[before][reduction.origin]
        self.passed[before, state, kind] = after, wraps
        return after, wraps


def build(text: str, start: str, builder: NodeBuilder) -> Any:  # noqa: PLR0915 - calls take longer
    """Return what *builder* builds of *text*, parsed as *start*.

    None if there is a mistake in it, or if it is nested too deep for the builder; whatever the builder
    noted until then is void.
    """
    tables = _tables()
    if tables is None:
        return None
    states, reductions, gotos = tables.states, tables.reductions, tables.gotos
    all_actions, passed = tables.actions, tables.passed
    state, end, at = tables.begin[start], tables.end[start], 0
    # For each part that is not yet inside a larger one: its node; its begin, end and depth; and the
    # states before each part and after the last.
    parts, places, path = list[Any](), list[tuple[int, int, int]](), [state]
    while True:
        scan, actions = states[state]
        found = scan(text, at)
        kind = END if found is None else found.lastgroup or ""
        while (action := actions.get(kind, _NOWHERE)) < 0:
            if action == _NOWHERE:
                return None
            reduction = reductions[~action]
            if reduction.wraps or reduction.passes:
                key = path[-2], state, kind
                state, wraps = passed.get(key) or tables.pass_through(*key)
                path[-1], actions = state, all_actions[state]
                if wraps:
                    parts[-1] = [parts[-1]]
                continue
            size = reduction.size
            if size == 1:
                of_it = [parts.pop()]
                begin, last, depth = places.pop()
                del path[-1]
            elif size:
                of_it, taken = parts[-size:], places[-size:]
                begin, last = taken[0][0], taken[-1][1]
                if _NOTHING in (begin, last):
                    begin = next((b for b, _, _ in taken if b != _NOTHING), _NOTHING)
                    last = max([e for _, e, _ in taken])
                depth = max([d for _, _, d in taken])
                del path[-size:], parts[-size:], places[-size:]
            else:
                of_it, (begin, last, depth) = [], _EMPTY
            inside = _chosen(of_it, reduction) if reduction.chooses else of_it
            if reduction.builds is None:
                made: Any = inside
            elif reduction.single and len(inside) == 1:
                made = inside[0]
            else:
                depth += 1
                if depth > builder.deepest + 1:  # the outermost counts
                    return None
                made = builder.build(reduction.builds, begin, last, inside)
            state = gotos[path[-1]][reduction.origin]
            path.append(state)
            parts.append(made)
            places.append((begin, last, depth))
            if state == end:
                return made if _IGNORED.fullmatch(text, at) else None
            actions = all_actions[state]
        assert found is not None, "nothing is shifted at the end"
        begin, at = found.span(kind)
        written: str = found[kind]
        if kind[0] != "_":
            written = Token(kind, written, begin, end_pos=at)
        parts.append(written)
        places.append((begin, at, 0))
        state = action
        path.append(state)


def _chosen(parts: list[Any], reduction: Reduction) -> list[Any]:
    """Return the parts that are kept, with spliced ones expanded, and None for absent ones."""
    chosen: list[Any] = []
    for place, spliced, absent in reduction.included:
        if absent:
            chosen += [None] * absent
        if not spliced:
            chosen.append(parts[place])
        elif chosen:
            chosen += parts[place]
        else:
            chosen = parts[place]  # not shared, so long lists are not copied each time
    if reduction.absent:
        chosen += [None] * reduction.absent
    return chosen


# ---- tables -----------------------------------------------------------------------------


@cache
def _tables() -> _Tables | None:
    """Return the tables of the grammar, as `build` goes through them; None if there are none."""
    made = tables()
    if made is None:
        return None
    actions = {state: made.rows[row] for state, row in enumerate(made.actions)}
    states = _States(actions, dict(made.terminals))
    return _Tables(states, actions, made.gotos, made.reductions, made.begin, made.end)


class _States(dict[int, tuple[Scan, Mapping[str, int]]]):
    """The scanner for the next terminal in each state, made on first use, and the actions there."""

    def __init__(
        self, actions: Mapping[int, Mapping[str, int]], patterns: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._actions = actions
        self._patterns = patterns
        self._scans: dict[frozenset[str], Scan] = {}

    def __missing__(self, state: int) -> tuple[Scan, Mapping[str, int]]:
        actions = self._actions[state]
        may = frozenset(actions) - {END}
        scan = self._scans.get(may)
        if scan is None:
            scan = self._scans[may] = self._scan(may)
        self[state] = found = scan, actions
        return found

    def _scan(self, may: Collection[str]) -> Scan:
        """Return a scanner for those terminals, after ignored text, in the order of the patterns."""
        names = "|".join(f"(?P<{n}>{p})" for n, p in self._patterns.items() if n in may)
        return re.compile(f"{_BETWEEN}(?:{names or '(?!)'})").match
