"""Run commands as the tests of the commands do."""

from __future__ import annotations

from tests.cli.conftest import run

__all__ = ["run"]
