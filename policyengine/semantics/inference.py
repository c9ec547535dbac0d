"""What the checks of one kind of expression may ask of the checker of all, which calls them."""

from __future__ import annotations

from typing import Protocol

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import Type
from policyengine.semantics.checked import Binding, Fixture, Value
from policyengine.semantics.guards import Guards
from policyengine.semantics.names import FixtureLookup, Scope, ValueLookup
from policyengine.semantics.vocabulary import Vocabulary
from policyengine.syntax import nodes


class Inference(Protocol):
    """The checker of whole expressions (`ExpressionChecker`), as those that it calls see it."""

    vocabulary: Vocabulary
    scope: Scope
    values: ValueLookup
    variables: dict[str, Type]
    shared: FixtureLookup | None
    problems: list[Diagnostic]
    types: dict[int, Type]
    bindings: dict[int, Binding]

    def infer(
        self,
        node: nodes.Expr,
        guards: Guards,
        wanted: Type | None = None,
        *,
        looked_up: bool = False,
    ) -> Type:
        """Return the type of *node* and note it; *wanted* is the type of an indefinite one.

        *looked_up*: whether it may be a table.
        """

    def expect(self, node: nodes.Expr, wanted: Type, guards: Guards) -> None:
        """Check that *node* has exactly the type *wanted*."""

    def bind(self, node: nodes.Node, value: Value | Fixture) -> Type:
        """Note what *node* stands for, and return its type."""

    def is_indefinite(self, node: nodes.Expr) -> bool:
        """Whether *node* has a type only beside another operand."""
