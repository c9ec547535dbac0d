"""Choose how hard the laws are tried: `HYPOTHESIS_PROFILE=fuzz` goes on for long, with new seeds.

Policies below this folder are examples, many of them of mistakes: pytest does not collect their tests.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.whole import share

os.environ["POLICYENGINE_CACHE"] = "off"  # so that no test leaves or finds anything
os.environ.pop("COLUMNS", None)  # so that lines are whole, whoever runs the tests

collect_ignore_glob = ["*.policy"]

_TESTS = Path(__file__).parent

_COMMON = {
    "deadline": None,  # the machine may be busy
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
    # A seed says nothing, so shrinking one is in vain: `laws.hold` cuts the case itself down.
    "phases": [Phase.explicit, Phase.generate],
}
settings.register_profile("ci", max_examples=share(20, 5), derandomize=True, **_COMMON)
settings.register_profile("fuzz", max_examples=5_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


_NOT_MEASURED = ("properties", "privacy", "bench")
"""Folders of laws, and of what is timed: what they run, other tests run as well, and measuring takes thrice as long."""

_SAMPLING = ("given", "share", "some", "WHOLE")
"""What modules import that try a share of something (`tests/whole.py`)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the laws, which `make coverage` leaves out, and the tests of modules that try a share of something."""
    for item in items:  # policies have tests as well
        if _is_not_measured(item.path):
            item.add_marker("no_cover")
        if _samples(getattr(item, "module", None)):
            item.add_marker("sampled")


@cache
def _samples(module: object) -> bool:
    return any(hasattr(module, name) for name in _SAMPLING)


@cache
def _is_not_measured(path: Path) -> bool:
    return any(path.is_relative_to(_TESTS / folder) for folder in _NOT_MEASURED)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A connection of Ibis to a Spark of one core, or why there is none."""
    if "TEST_DATABASES" not in os.environ:
        pytest.skip("`make test-databases` starts Spark")
    reason = "Spark is not installed: the extra `spark`, and a Java (`make java`)"
    pytest.importorskip("pyspark.sql", reason=reason)
    with started_spark() as connection:
        yield connection


@contextmanager
def started_spark() -> Iterator[Any]:
    """Start a Spark of one core, and stop it.

    It plans thousands of questions of few rows, for which compiling its own code well takes longer than it saves.
    """
    sql = import_module("pyspark.sql")
    made = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for name in ("spark.sql.shuffle.partitions", "spark.default.parallelism"):
        made = made.config(name, "1")
    made = made.config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    session = made.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield import_module("ibis").pyspark.connect(session)
    session.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Hold that a test leaves garbage collection on: those that follow in its process rely on it."""
    try:
        return (yield)
    finally:
        left_on = gc.isenabled()
        gc.enable()
        assert left_on


@pytest.fixture(scope="module", autouse=True)
def _visit_few_objects(request: pytest.FixtureRequest) -> None:
    """Leave out of garbage collection what earlier tests keep, for modules that collect: they visit all objects."""
    if hasattr(request.module, "gc"):
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without garbage collection, and leave out of it what was collected: tens of thousands of tests stay.

    After that, look for garbage a hundredth as often, which saves a tenth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()
