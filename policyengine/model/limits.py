"""Define the limits on input of strangers: sizes, depths and costs (see docs/embedding.md)."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct
from msgspec.structs import replace

from policyengine.model.settings import check_count

_MEASURE: Final = 10_000
"""Code points of a policy set for which the limits of a set are given; a longer one may have more."""

Undeclared: TypeAlias = Literal["refuse", "drop"]
"""What becomes of members of a request that the policies do not declare: the request is refused, or decided without
them, unless a rule could have been meant by one."""


class Limits(Struct, frozen=True):
    """The limits of an engine, each of which the integrator can set.

    The cost of an expression is counted in elementary steps with each set at *set_size*, so a
    larger *set_size* makes the checker refuse more.
    """

    source_size: int = 8_000_000
    """Code points in one policy file."""
    sources: int = 100_000
    """Files in one policy set."""
    nesting: int = 100
    """Levels of brackets, operators or conditions inside one another in a policy file."""
    expression_size: int = 10_000
    """Parts of one rule: of its conditions, texts and obligations, definitions inlined."""
    expression_cost: int = 10_000_000
    """Steps of one rule, definitions inlined and sets at their limit."""
    targets: int = 10_000
    """Targets of a set: actions with the types of their subject and resource."""
    target_size: int = 15_000
    """Parts of all rules that cover one target."""
    target_cost: int = 20_000_000
    """Steps of all rules that cover one target."""
    coverage: int = 50_000
    """What is checked of a set: the targets of each rule, and its parts for each set of types."""
    set_size: int = 1_000
    """Elements of one set in a request."""
    string_size: int = 100_000
    """Code points of one string in a request."""
    entities: int = 10_000
    """Entities that one request brings along."""
    ancestors: int = 1_000
    """Ancestors of one entity, in a request or a store."""
    ancestors_in_all: int = 1_000_000
    """Ancestors of all entities that one request brings along, together: each has a set of its own."""
    ancestors_of_type: int = 100
    """Ancestors of one entity that are of a type that rules ask for with `ancestors`, itself included."""
    document_size: int = 4_000_000
    """Bytes of one request as JSON."""
    document_depth: int = 32
    """Levels of arrays and objects inside one another in a request as JSON."""
    evaluations: int = 1_000
    """Requests of one batch as JSON."""
    batch_defaults: int = 500_000
    """Values that the requests of one batch take from its top, those of each request counted."""
    problems: int = 100
    """Problems reported of one request."""
    undeclared: Undeclared = "refuse"
    """What becomes of undeclared members; set by the option of this name when an engine is loaded."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if name != "undeclared":
                check_count(name, getattr(self, name), 0)

    def taking(self, undeclared: Undeclared) -> Limits:
        """Return these limits, with undeclared members dropped if that is asked for; raises `ValueError` for another word."""
        if undeclared not in get_args(Undeclared):
            raise ValueError(f"undeclared is 'refuse' or 'drop', not {undeclared!r}")
        return self if undeclared == "refuse" else replace(self, undeclared=undeclared)

    def for_set(self, characters: int) -> Limits:
        """Return the limits for a policy set of so many code points.

        Those of a set as a whole grow with it: 100,000 rules may have more parts than ten.
        """
        longer = max(1, characters / _MEASURE)
        return replace(
            self,
            targets=int(self.targets * longer),
            target_size=int(self.target_size * longer),
            target_cost=int(self.target_cost * longer),
            coverage=int(self.coverage * longer),
        )


DIGITS = 18
"""The most digits of an `int` or a `decimal` in a request (the fraction's four included)."""

DECIMAL_PLACES = 4
"""Fractional digits of a `decimal`."""
