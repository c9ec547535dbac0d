"""Say why a condition is false, where the author has not said it, in words that an end user can read.

The sentence goes into the operand that is false, through definitions: of `a and b` it is the one about the
first of them that is false. So a condition has several, each with the tests by which it is the right one.
What is compared is named as in `phrases.py`. The sentence shows values of the subject and of the context; of
other entities (the resource, the people it belongs to) it names the attribute and not the value. A condition
that depends on something private has no sentence: even that it is false would say something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias, overload

from attrs import define, evolve, field, frozen

from policyengine.concurrency import cached_property
from policyengine.model.shown import in_words, written_value
from policyengine.model.types import BOOL, DATETIME, STRING, EntityRefType, Schema, SetType
from policyengine.semantics.checked import Conjunct, Inner, Sentence, SentenceText, Typing
from policyengine.semantics.demand import private_reads
from policyengine.semantics.guards import NO_GUARDS, path_of, present_if
from policyengine.semantics.phrases import YOU, View
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.operators import of_comparison

_ROOTS = frozenset({"subject", "resource", "context"})

_MOST: Final = 16
"""The number of sentences about one condition."""

_MOST_IN_ONE: Final = 4
"""The number of operands that one sentence names."""

_DEEPEST: Final = 3
"""The number of operators and definitions in each other that one sentence follows."""

_FURTHER: Final = "a further condition must hold"

Parts: TypeAlias = list[str | Inner]


@define(eq=False, slots=False)
class Sentences(Sequence[tuple[Sentence, ...]]):
    """What may be said of each condition that is false: the first whose tests hold is right.

    Nothing may if the condition reads something private, or if only such a condition before it sees
    to it that what it reads is there. The sentences about a condition are made when they are first read, and kept.
    """

    conjuncts: tuple[Conjunct, ...]
    typings: tuple[Typing, ...]
    schema: Schema
    _made: dict[int, tuple[Sentence, ...]] = field(factory=dict)

    def __len__(self) -> int:
        return len(self.conjuncts)

    @overload
    def __getitem__(self, index: int) -> tuple[Sentence, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Sentence, ...], ...]: ...

    def __getitem__(
        self, index: int | slice
    ) -> tuple[Sentence, ...] | tuple[tuple[Sentence, ...], ...]:
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return tuple(map(self._about, numbers))
        return self._about(numbers)

    def _about(self, number: int) -> tuple[Sentence, ...]:
        if number not in self._made:
            hidden, view = self._hidden[number], View(self.typings, self.schema)
            self._made[number] = () if hidden else _sentences(self.conjuncts[number], view)
        return self._made[number]

    @cached_property
    def _hidden(self) -> tuple[bool, ...]:
        return tuple(tells_private(self.conjuncts, self.typings, self.schema))


def tells_private(
    conjuncts: Iterable[Conjunct], typings: Iterable[Typing], schema: Schema
) -> Iterator[bool]:
    """Give, for each condition, whether what comes of it may tell something private."""
    typings = tuple(typings)
    known, hidden = NO_GUARDS, NO_GUARDS
    for conjunct in conjuncts:
        expr = conjunct.expr
        present = present_if(expr, _ROOTS, holds=conjunct.wanted)
        lost = hidden - known
        relies = lost and {path_of(part, _ROOTS) for part in walk_expressions([expr])} & lost
        private = (True for typing in typings for _ in private_reads(expr, typing, schema))
        if relies or any(private):
            hidden |= present
            yield True
        else:
            known |= present
            yield False


def _sentences(conjunct: Conjunct, view: View) -> tuple[Sentence, ...]:
    whole = _Part(conjunct.expr, conjunct.wanted, view)
    parts = list(islice(whole.failing(), _MOST + 1))
    found = [part.sentence() for part in parts[:_MOST]]
    # That it is none of the others makes it the last.
    last = evolve(found[-1], tests=()) if len(parts) <= _MOST else Sentence((_FURTHER,))
    return (*found[:-1], last)


@frozen(eq=False)
class _Part:
    """A part of a condition, which does not have the value *wanted* if the *tests* hold.

    *calls*: the definitions that it is inside of; None where no request gives its value, for each element
    of a quantifier.
    """

    node: nodes.Expr
    wanted: bool
    view: View
    calls: tuple[nodes.Call, ...] | None = ()
    tests: tuple[tuple[Inner, bool], ...] = ()

    def failing(self) -> Iterator[_Part]:
        """Give the innermost parts of which one makes this one fail, each with the tests for it."""
        node, wanted, calls = self.node, self.wanted, self.calls
        assert calls is not None
        simpler = self.simpler()
        if simpler is not None:
            yield from simpler.failing()
            return
        match node:
            case nodes.And(operands) | nodes.Or(operands) if isinstance(node, nodes.And) is wanted:
                for operand in operands:
                    test = Inner(calls, operand), not wanted
                    yield from evolve(self, node=operand, tests=(*self.tests, test)).failing()
            case nodes.If(condition, yes, no):
                for branch, holds in ((yes, True), (no, False)):
                    test = Inner(calls, condition), holds
                    yield from evolve(self, node=branch, tests=(*self.tests, test)).failing()
            case _:
                yield self

    def simpler(self) -> _Part | None:
        """Return what a negation, a call or a comparison with `true` says, None if it is none."""
        node, view = self.node, self.view
        called = view.called(node)
        match node:
            case _ if view.value_of(node) is not None:
                return None
            case nodes.Not(operand):
                return evolve(self, node=operand, wanted=not self.wanted)
            case nodes.Call() if called is not None:
                calls = None if self.calls is None else (*self.calls, node)
                inner = view.inside(node, called)
                return evolve(self, node=called.body, view=inner, calls=calls)
            case nodes.Compare("==" | "!=" as op, left, right) if view.type_of(left) == BOOL:
                for operand, other in ((left, right), (right, left)):
                    known = view.value_of(other)
                    if known is not None:
                        same = bool(known.value) is (op == "==")
                        return evolve(self, node=operand, wanted=self.wanted is same)
        return None

    # ---- one sentence -------------------------------------------------------------------

    def sentence(self) -> Sentence:
        """Return what is said where this part fails."""
        text, quiet = self.said(), self.quiet()
        return Sentence(_joined(text), None if quiet is None else _joined(quiet), self.tests)

    def said(self, depth: int = 0) -> Parts:
        """Return what must hold; with values, unless it is a part of a longer sentence."""
        node, wanted, view = self.node, self.wanted, self.view
        if depth > _DEEPEST:
            return [_FURTHER]
        simpler = self.simpler()
        if simpler is not None:
            return simpler.said(depth + 1)
        if view.value_of(node) is not None:
            return ["no request fits this rule"]
        match node:
            case nodes.Compare():
                return self._compared(node)
            case nodes.Like(object_, pattern):
                must = "must match" if wanted else "must not match"
                glob = written_value(STRING, pattern.replace("\\*", "*"))
                return [*self._with_value(object_), f" {must} {glob}"]
            case nodes.Has(object_, name):
                # Alone it is what is wrong; among what must hold it is what must hold.
                lacking = "is missing" if self.calls is not None else "must be given"
                must = lacking if wanted else "must not be given"
                return [f"{view.phrase(object_).of(name.name).text} {must}"]
            case nodes.Attr(object_, name):
                must = "must be true of" if wanted else "must not be true of"
                return [f'"{in_words(name.name)}" {must} {view.phrase(object_).text}']
            case nodes.And(operands) | nodes.Or(operands):
                all_ = isinstance(node, nodes.And) is wanted
                clauses = [self._clause(operand, depth) for operand in operands[:_MOST_IN_ONE]]
                clauses += [_FURTHER] * (len(operands) > _MOST_IN_ONE)
                return [(" and " if all_ else ", or ").join(clauses)]
            case nodes.If(_, yes, no):
                branches = " or ".join(self._clause(branch, depth) for branch in (yes, no))
                return [f"{branches}, as the case may be"]
            case nodes.Quantified(kind, _, over, body):
                every = kind == "every"
                start = {
                    (True, True): "each of {} must fit this",
                    (True, False): "not each of {} may fit this",
                    (False, True): "one of {} must fit this",
                    (False, False): "none of {} may fit this",
                }[every, wanted]
                inner = _Part(body, True, view.within(node), None)
                clause = "".join(map(str, inner.said(depth + 1)))
                return [f"{start.format(view.phrase(over).text)}: {clause}"]
            case _:
                must = "must be true" if wanted else "must not be true"
                return [f"{view.phrase(node).text} {must}"]

    def _clause(self, operand: nodes.Expr, depth: int) -> str:
        part = evolve(self, node=operand, calls=None, tests=())
        return "".join(map(str, part.said(depth + 1)))

    def _compared(self, node: nodes.Compare) -> Parts:
        view, op, left, right = self.view, node.op, node.left, node.right
        if op in _TURNED and (view.value_of(left) is not None or _is_now(left)):
            op, left, right = _TURNED[op], right, left
        must = self._must(op, left)
        if view.value_of(right) is None and self._may_be_shown(right):
            return [
                *self._with_value(left),
                f" {must} {view.phrase(right).text} (",
                self._value(right),
                ")",
            ]
        return [*self._with_value(left), f" {must} {view.phrase(right).text}"]

    def _must(self, op: nodes.Comparison, left: nodes.Expr) -> str:
        type_ = self.view.type_of(left)
        element = type_.element if isinstance(type_, SetType) else type_
        row = of_comparison(nodes.Compare(op, left, left, span=left.span))
        if op == "within" and isinstance(element, EntityRefType):
            return "must belong to" if self.wanted else "must not belong to"
        if type_ == DATETIME and op in _OF_TIMES:
            return _OF_TIMES[op][0 if self.wanted else 1]
        return row.must if self.wanted else row.must_not

    def quiet(self) -> Parts | None:
        """Return the sentence that names no constant, if there is one."""
        view = self.view
        match self.node:
            case nodes.Compare(_, left, right):
                known = [view.value_of(side) is not None for side in (left, right)]
                if not any(known):
                    return None
                compared = right if known[0] else left
            case nodes.Like(compared):
                pass
            case _:
                return None
        if view.has_constant(compared):
            return None
        words = view.phrase(compared).text
        verb = _verb(view, compared)
        if not self._may_be_shown(compared):
            return [f"{words} {verb} not what a rule here is for"]
        return [f"{words} {verb} ", self._value(compared), ", which is not what a rule here is for"]

    # ---- values -------------------------------------------------------------------------

    def _with_value(self, node: nodes.Expr) -> Parts:
        """Name a value, and say what it is if that may be shown."""
        words = self.view.phrase(node)
        if self.view.value_of(node) is not None or not self._may_be_shown(node):
            return [words.text]
        verb = _verb(self.view, node)
        pronoun = "it" if verb == "is" else "they"
        return [f"{words.text} {verb} ", self._value(node), f"; {pronoun}"]

    def _may_be_shown(self, node: nodes.Expr) -> bool:
        is_you = self.view.phrase(node) == YOU
        return self.calls is not None and not is_you and self.view.may_be_shown(node)

    def _value(self, node: nodes.Expr) -> Inner:
        assert self.calls is not None
        return Inner(self.calls, node)


_TURNED: Final[dict[nodes.Comparison, nodes.Comparison]] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
"""The operators that say the same with the sides exchanged."""

_OF_TIMES: Final[dict[nodes.Comparison, tuple[str, str]]] = {
    "<": ("must be before", "must not be before"),
    "<=": ("must not be after", "must be after"),
    ">": ("must be after", "must not be after"),
    ">=": ("must not be before", "must be before"),
}


def _is_now(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Name) and node.name == "now"


def _verb(view: View, node: nodes.Expr) -> str:
    is_you = view.phrase(node) == YOU
    return "are" if is_you or isinstance(view.type_of(node), SetType) else "is"


def _joined(parts: Parts) -> SentenceText:
    """Return the parts with texts beside each other made one."""
    made: list[str | Inner] = []
    for part in parts:
        if isinstance(part, str) and made and isinstance(made[-1], str):
            made[-1] += part
        else:
            made.append(part)
    return tuple(made)
