"""Hold what the checker established: the schema, and each rule with its names and types settled.

The trees stay as parsed; types and bindings of nodes are in a `Typing`, a table keyed by the node's
identity. A rule has one `Typing` for each (action, subject type, resource type) that it covers,
shared where the types are the same. Both the reference interpreter and the compiler start here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import field, frozen

from policyengine.diagnostics.source import Source, Span
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.rules import RuleHead, WaivedEntity
from policyengine.model.types import Schema, TargetKey, Type, in_rows
from policyengine.syntax import nodes


@frozen
class Variable:
    """A name bound to a value of the request or of a scope around it.

    *name* is `subject`, `resource`, `context`, `action`, `now`, a definition's parameter or a
    quantifier's variable (no two scopes around one node share a name). `action` is a record
    of `name` (a string) and the `having` constants.
    """

    name: str


@frozen
class Value:
    """A name or literal with a known value in canonical form."""

    type: Type
    value: object


@frozen
class Size:
    """The built-in `size(a)`, of a set or a string."""


@frozen
class Lower:
    """The built-in `lower(a)`, of a string or a path."""


@frozen
class Reads:
    """Which of `now` and the parameters of a definition a value reads.

    Of those in *steady* it is the value itself, or that and a duration.
    """

    steady: frozenset[str] = frozenset()
    other: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """All that it reads."""
        return self.steady | self.other


@frozen
class ClockUse:
    """The way in which the *value* of a definition follows the clock.

    The parameters *fixed* may not read `now`; those that are *steady* may be `now` and a duration.
    """

    value: Reads
    fixed: Collection[str]
    steady: Collection[str]


@frozen(eq=False)
class Definition:
    """A checked `define`; its parameters have one type each, so it has one typing.

    *demands*: what the body reads of each parameter; *reads_private*: whether anything private; *clock*:
    how it follows the clock.
    """

    name: str
    package: str
    parameters: tuple[str, ...]
    parameter_types: tuple[Type, ...]
    body: nodes.Expr
    typing: Typing
    result: Type
    demands: Mapping[str, Needs]
    reads_private: bool
    clock: ClockUse


@frozen(eq=False)
class Fixture:
    """A checked `let` outside tests, which has a value in each test that uses it."""

    name: str
    package: str
    value: nodes.Expr
    typing: Typing
    type: Type


Binding: TypeAlias = Variable | Value | Size | Lower | Definition | Fixture


@frozen(eq=False)
class Typing:
    """The types and bindings of the nodes of one expression or rule, by `id(node)`.

    *types* has the type of every expression node. *bindings* has what a `Name` is bound to, what
    a `Call` calls, and the value of each `Literal`, of an `Attr` that is `Tier.basic` or
    `package.constant`, and of a `SetDisplay` or `RecordDisplay` that is constant all through:
    **look in `bindings` first**; a node found there as a `Value` needs no evaluation.
    """

    types: Mapping[int, Type]
    bindings: Mapping[int, Binding]

    def type_of(self, node: nodes.Node) -> Type:
        """The type of an expression node."""
        return self.types[id(node)]

    def binding_of(self, node: nodes.Node) -> Binding | None:
        """The binding of the node, if it is a name, a call or a constant."""
        return self.bindings.get(id(node))


def rows_of(node: nodes.Expr, typing: Typing) -> Iterator[object]:
    """Give the values that a look-up may give, those of all rows of its table."""
    while isinstance(node, nodes.LookUp):
        node = node.table
    table = typing.binding_of(node)
    if isinstance(table, Value):
        yield from (value for _, value in in_rows(table.type, table.value))


@frozen
class Conjunct:
    """One condition of a rule, and the value that is *wanted* of it.

    `when a and b` gives two with True, `unless c` one with False, in written order.
    """

    expr: nodes.Expr
    wanted: bool


@frozen
class Inner:
    """An expression inside the bodies of definitions: that of the last of *calls*, each in the one before."""

    calls: tuple[nodes.Call, ...]
    expr: nodes.Expr


SentenceText: TypeAlias = tuple[str | Inner, ...]
"""A generated text: literal strings and what is shown of the request."""


@frozen
class Sentence:
    """The generated text about a condition that is false, for where all *tests* have these values.

    *quiet* names no constant: it is used where permits of the gate compare the same values with other
    constants; None if there is no such text.
    """

    text: SentenceText
    quiet: SentenceText | None = None
    tests: tuple[tuple[Inner, bool], ...] = ()


class CheckedRule(RuleHead, frozen=True, eq=False):
    """A rule, ready to be evaluated.

    *fields* is None where nothing was written (a permit then exposes nothing), else for each resource type
    how it shows fields (`born as year`), `all` already spelled out. *sentences*: for a permit without an
    `otherwise`, texts for each conjunct that say why it is false; none where that must not be said. Their
    expressions are nodes of the rule, and of the definitions that it calls, so the same typings cover them.
    *needs* is what evaluating the rule, its texts and its obligations may read, by target. *like*: one object
    for rules that differ only in constants (`likeness.Sound`), None where it is not known which do.
    """

    name: str
    waivable: bool
    conjuncts: tuple[Conjunct, ...]
    because: nodes.Template | None
    otherwise: nodes.Template | None
    refer: nodes.Template | None
    cites: str
    against: str
    fields: Mapping[str, frozenset[str]] | None
    obligations: tuple[nodes.Call, ...]
    sentences: Sequence[tuple[Sentence, ...]]
    node: nodes.Rule
    typings: Mapping[TargetKey, Typing]
    needs: Mapping[TargetKey, RequestNeeds]
    like: object


@frozen
class Waiver:
    """Replaces the conditions of *rule* (an id) before the moment *until*.

    It does so for a *subject*, on a *resource*, or both: None where any will do. *targets*: those of the
    rule that may have such.
    """

    name: str
    rule: str
    subject: WaivedEntity | None
    resource: WaivedEntity | None
    targets: frozenset[TargetKey]
    until: int
    ticket: str
    approved_by: str
    span: Span

    @property
    def needs(self) -> RequestNeeds:
        """The needs of the test whether a request is one that the waiver is for, whatever the date."""
        parts = (
            NOTHING if w is None else Needs(line=w.within) for w in (self.subject, self.resource)
        )
        return RequestNeeds(*parts)


@frozen(eq=False)
class Invariant:
    """A promise: the covered actions are never allowed unless the conjuncts fail.

    `never allow T unless c` gives the conjunct (c, False): it is broken when a request is allowed
    and every conjunct has its wanted value. With *fields*, of `never expose`, it is broken when, besides,
    one of them is shown; one that is named with a mask, when it is shown in more detail.
    """

    name: str
    conjuncts: tuple[Conjunct, ...]
    fields: tuple[str, ...] | None
    typings: Mapping[TargetKey, Typing]
    needs: Mapping[TargetKey, RequestNeeds]
    node: nodes.InvariantDecl


@frozen(eq=False)
class CheckedTest:
    """A `test` block; *typing* covers all its expressions, those of nested entities included.

    *entities*: the fixtures that describe an entity, by its type and id.
    """

    __test__ = False

    title: str
    node: nodes.TestDecl
    typing: Typing
    entities: Mapping[tuple[str, str], Fixture]


@frozen(eq=False)
class CheckedSet:
    """A policy set without errors. *rules* are sorted by gate, then name; *waivers* by name."""

    schema: Schema
    rules: tuple[CheckedRule, ...]
    waivers: tuple[Waiver, ...]
    invariants: tuple[Invariant, ...]
    tests: tuple[CheckedTest, ...]
    digest: str
    sources: Mapping[str, Source] = field(repr=False)
    files: tuple[nodes.PolicyFile, ...] = field(repr=False)
    by_target: Mapping[TargetKey, tuple[CheckedRule, ...]] = field(repr=False)
    fixtures: tuple[Fixture, ...] = field(repr=False)
    _needs: dict[TargetKey, RequestNeeds] = field(init=False, repr=False, factory=dict)

    def rules_for(self, target: TargetKey) -> tuple[CheckedRule, ...]:
        """The rules that cover *target*, sorted by gate, then name; advisory ones included."""
        return self.by_target.get(target, ())

    @property
    def owed(self) -> frozenset[str]:
        """The names of the obligations that its rules may owe."""
        return frozenset(call.name.name for rule in self.rules for call in rule.obligations)

    def needs(self, target: TargetKey) -> RequestNeeds:
        """The parts that a request for *target* must give: those that its rules may read, without advisory ones."""
        if target not in self._needs:
            needs = RequestNeeds()
            for rule in self.rules_for(target):
                if not rule.advisory:
                    needs |= rule.needs[target]
            self._needs[target] = needs
        return self._needs[target]
