"""Define what a report says, as data: pages, JSON and Markdown are made of it and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen
class Example:
    """A request that shows something, and how it is decided.

    *types*: `by User on Folder`, if the action has several types; else empty. *test*: the title of the test that asks
    it, empty if it was made for the report. *whole*: whether *request* has all values, none of them being private.
    *facts*: what rules read in it, each with its value. *rules*: on which it rests, of many some. *shown*: the fields
    that are shown (`born as year`), None where that is not decided.
    """

    number: int
    action: str
    types: str
    test: str
    moment: str
    request: Mapping[str, Any]
    whole: bool
    facts: tuple[tuple[str, str], ...]
    allowed: bool
    cause: str
    reason: str
    rules: tuple[str, ...]
    shown: tuple[str, ...] | None
    owed: tuple[str, ...]


@frozen
class Rule:
    """A rule as it is written, where, since when, and the examples that show it.

    *says*, *otherwise*: its texts, as written. *applies_in*: the number of an example in which it permits, exposes or
    forbids; *fails_in*: of one that is denied since it does not. *waivers*: until when each waiver of it
    lasts, and what else is said of it.
    """

    id: str
    gate: str
    effect: str
    advisory: bool
    text: str
    place: str
    says: str
    otherwise: str
    cites: str
    against: str
    refer: str
    since: str
    until: str
    actions: tuple[str, ...]
    fields: tuple[str, ...]
    owes: tuple[str, ...]
    tests: tuple[str, ...]
    waivers: tuple[tuple[str, str], ...]
    applies_in: int | None
    fails_in: int | None


@frozen
class Gate:
    """A question, with its rules."""

    name: str
    question: str
    is_field: bool
    actions: tuple[str, ...]
    rules: tuple[str, ...]


@frozen
class ShownField:
    """A field that rules show to those who do an action on a resource, and an example in which it is shown."""

    name: str
    resource: str
    rules: tuple[str, ...]
    example: int | None


@frozen
class Action:
    """What can be done, by whom, on what; what is asked for it; examples."""

    name: str
    subjects: tuple[str, ...]
    resources: tuple[str, ...]
    groups: tuple[str, ...]
    constants: tuple[tuple[str, str], ...]
    context: tuple[Attribute, ...]
    gates: tuple[str, ...]
    rules: tuple[str, ...]
    fields: tuple[ShownField, ...]
    examples: tuple[int, ...]


@frozen
class Attribute:
    """An attribute of an entity or a context: *by* whom it can be changed, who reads and shows it.

    *setting*: the key of the page that says what it changes, empty if nothing was found.
    """

    name: str
    type: str
    optional: bool
    private: bool
    by: str
    setting: str
    read_by: tuple[str, ...] = ()
    shown_by: tuple[str, ...] = ()


@frozen
class EntityPage:
    """An entity type and its attributes."""

    name: str
    within: tuple[str, ...]
    attributes: tuple[Attribute, ...]


@frozen
class Difference:
    """An action that is answered differently where one value is another one.

    *example*: the request as it is; *before* and *after*: the values; *answer*: what the other value leads to.
    """

    action: str
    example: int
    before: str
    after: str
    allowed: bool
    reason: str
    rules: tuple[str, ...]
    no_longer_shown: tuple[str, ...]
    newly_shown: tuple[str, ...]
    owed_differs: bool


@frozen
class LeftOut:
    """Something that was not worked out since the questions of the report were used up, and the actions for which it was not."""

    what: str
    actions: tuple[str, ...]


@frozen
class Setting:
    """A value that somebody can change, and the actions that are answered differently then.

    *untried*: actions whose rules read it, and for which the questions did not suffice.
    """

    key: str
    owner: str
    name: str
    type: str
    by: str
    read_by: tuple[str, ...]
    untried: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that are answered differently, each once."""
        return tuple(dict.fromkeys(one.action for one in self.differences))


@frozen
class NameAnswers:
    """The actions that come to one answer with a name: each with the number of the example that was changed.

    *rules*, *reason*: of a deny, the reason of the first.
    """

    allowed: bool
    rules: tuple[str, ...]
    reason: str
    actions: tuple[tuple[str, int], ...]


@frozen
class NameUse:
    """A name of an enumeration, and the answers with it, allowed ones first."""

    name: str
    above: str
    answers: tuple[NameAnswers, ...]


@frozen
class NamesPage:
    """An enumeration, levels or a taxonomy: *places*, the attributes that have it; *untried*: as of a setting."""

    name: str
    kind: str
    places: tuple[str, ...]
    untried: tuple[str, ...]
    names: tuple[NameUse, ...]


@frozen
class Obligation:
    """What is owed: its parameters, the rules that owe it, and an example."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]
    actions: tuple[str, ...]
    example: int | None


@frozen
class Row:
    """What somebody with an account decides about in an example: *answers* for each choice of *settings*.

    *settings*: keys, each with its options in order; *answers* has an index into *outcomes* for each combination, the
    last setting changing fastest. *role*: where the person is in the request (`resource.author`).
    """

    action: str
    example: int
    role: str
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    answers: tuple[int, ...]
    outcomes: tuple[RowOutcome, ...]


@frozen
class RowOutcome:
    """One of the answers of a row."""

    allowed: bool
    shown: tuple[str, ...] | None
    reason: str


@frozen
class Part:
    """Whether a rule counts for each combination of some values.

    *factors*: indices into those of the report; *counts* has `1` or `0` for each combination of their options, the last
    factor changing fastest. *fields*: what the rule shows: the name, the mask (empty for the field itself),
    how much that shows.
    """

    rule: str
    gate: str
    effect: str
    factors: tuple[int, ...]
    counts: str
    fields: tuple[tuple[str, str, int], ...]


@frozen
class Table:
    """The answers to an example with other values: allowed if a permit counts in each of *gates*, and no forbid.

    *parts*: indices into those of the report. Shown is what all *field_gates* show: each what its permits and
    exposes do. *left_out*: keys of factors that would have made too many combinations; they are in no part.
    """

    action: str
    example: int
    gates: tuple[str, ...]
    field_gates: tuple[str, ...]
    parts: tuple[int, ...]
    left_out: tuple[str, ...]


@frozen
class RuleChange:
    """What became of a rule: *what* (`is new`, `is gone`, `differs`, `begins`, `ends`), and when, if on a day.

    *before*, *after*: its text; empty where there is none.
    """

    rule: str
    what: str
    moment: str
    before: str
    after: str


@frozen
class AnswerChange:
    """An example that was answered otherwise before: *allowed* and *reason* are of that answer."""

    example: int
    allowed: bool
    reason: str


@frozen
class Changes:
    """What differs from an earlier version or day, *title*. *unfit*: how many examples could not be asked of it."""

    title: str
    rules: tuple[RuleChange, ...]
    answers: tuple[AnswerChange, ...]
    unfit: int


@frozen
class Report:
    """All that a report says. *lacking*: what was left out since the *questions* were used up.

    *factors*, keys each with its options, and *parts* are those of the *tables*. *changes*: since an earlier version or
    day, if it was compared with one.
    """

    title: str
    policy: str
    made_at: str
    internal: bool
    questions: int
    lacking: tuple[LeftOut, ...]
    actions: tuple[Action, ...]
    gates: tuple[Gate, ...]
    rules: tuple[Rule, ...]
    entities: tuple[EntityPage, ...]
    settings: tuple[Setting, ...]
    names: tuple[NamesPage, ...]
    obligations: tuple[Obligation, ...]
    rows: tuple[Row, ...]
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    parts: tuple[Part, ...]
    tables: tuple[Table, ...]
    changes: Changes | None
    examples: tuple[Example, ...] = field(repr=False)
