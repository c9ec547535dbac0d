"""The folder of the policy set that tests of holders change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reloading.held import RULES, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    write(made, RULES)
    return made
