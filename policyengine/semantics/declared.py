"""Say what checking an expression asks of constants, definitions and fixtures."""

from __future__ import annotations

from typing import Protocol

from policyengine.semantics.checked import Definition, Fixture, Value
from policyengine.semantics.names import Symbol


class Values(Protocol):
    """Knows the constants and definitions of the set, checking each when it is first used."""

    def constant(self, symbol: Symbol) -> Value:
        """Return the value of a constant."""

    def definition(self, symbol: Symbol) -> Definition | None:
        """Return a definition, or None if it was found wrong."""


class Shared(Protocol):
    """Knows the fixtures of the set."""

    def fixture(self, symbol: Symbol) -> Fixture | None:
        """Return a fixture, or None if it was found wrong."""
