"""Hold lowered rules: what a target is compiled from, wherever its rules come from."""

from __future__ import annotations

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.model.needs import RequestNeeds
from policyengine.model.rules import RuleHead, RuleWaiver
from policyengine.model.types import Type


class Part(Struct, frozen=True):
    """Something that is computed for a text or an obligation, and its type.

    *words*: what is said in its place to all but an auditor, who alone may see it; None if all may.
    """

    type: Type
    expr: ir.Expr
    words: str | None = None


class Text(Struct, frozen=True):
    """A text for a person: literal strings and computed parts, in order."""

    parts: tuple[str | Part, ...]


class Duty(Struct, frozen=True):
    """An obligation: its name, and (parameter, computed argument) each."""

    name: str
    arguments: tuple[tuple[str, Part], ...]

    @property
    def is_known(self) -> bool:
        """Whether every argument is a constant."""
        return all(isinstance(part.expr, ir.Const) for _, part in self.arguments)


class Sentence(Struct, frozen=True):
    """A text for a condition that is false: in full and without constants, and what the condition compares.

    *test*: whether it is the right one, None for the last.
    """

    text: Text
    quiet: Text | None
    paths: frozenset[str]
    test: Part | None


class Key(Struct, frozen=True):
    """A condition that asks whether the value at a path is one of some constants (`semantics.keys`)."""

    number: int
    path: str
    name: str
    part: Part
    constants: frozenset[object]
    shown: bool


class Rule(RuleHead, frozen=True, eq=False):
    """A rule of one target. The conditions hold when all are true, in order.

    *place*: file and line. *waivers*: those that may be for a request of the target. *keys* and
    *compared*: as `semantics.keys` finds them. *times_hidden*: whether the moments at which it changes its value
    are an auditor's alone. The rest is as in `CheckedRule`.
    """

    place: str
    conditions: tuple[ir.Expr, ...]
    fields: frozenset[str] | None
    duties: tuple[Duty, ...]
    because: Text | None
    otherwise: Text | None
    refer: Text | None
    sentences: tuple[tuple[Sentence, ...], ...]
    keys: tuple[Key, ...]
    compared: tuple[tuple[str, frozenset[object]], ...]
    waivers: tuple[RuleWaiver, ...]
    needs: RequestNeeds
    times_hidden: bool

    @property
    def said(self) -> tuple[int, ...]:
        """The numbers of the conditions of which it may be said that they are false."""
        return tuple(n for n, sentences in enumerate(self.sentences) if sentences)
