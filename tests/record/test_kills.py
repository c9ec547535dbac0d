"""Holds for a few processes that are killed what `python -m tests.kills` holds for hundreds."""

from __future__ import annotations

from random import Random
from unittest import mock

import pytest

from policyengine.record.log_folder import LogFolder
from tests.kills import kill


def test_no_answered_decision_is_without_a_record(tmp_path):
    answered, found = kill(10, tmp_path / "log", Random(3))
    assert found.records >= answered >= 10


def test_a_log_that_writes_nothing_is_noticed(tmp_path):
    with (
        mock.patch.object(LogFolder, "write"),
        pytest.raises(AssertionError, match="have no record"),
    ):
        kill(1, tmp_path / "log", Random(3))
