"""Let pytest run the `test` blocks of policies, and give tests in Python an engine.

This is the entry point, which every run of pytest loads where policyengine is installed. So it imports
nothing of ours before a policy file is found or a fixture is used. `pytest_sets.py` groups files into
policy sets, and `pytest_items.py` runs their tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision
    from policyengine.testing.pytest_items import PolicyFile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of a run, and the settings of a project."""
    group = parser.getgroup("policyengine", "policies")
    group.addoption(
        "--policy-coverage",
        action="store_true",
        help="show what of the rules the policy tests of this run exercised",
    )
    group.addoption(
        "--policy-coverage-html",
        metavar="FOLDER",
        help="write it as pages into FOLDER, one for each policy set",
    )
    group.addoption(
        "--policy-coverage-fail-under",
        metavar="MEASURE=PERCENT",
        action="append",
        default=[],
        help="fail if less of a set is covered by rules, conditions or mcdc; may be repeated",
    )
    parser.addini(
        "policyengine_sets",
        "folders that are a policy set each; other policies are not collected",
        type="linelist",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, find the sets, and record coverage if it is asked for."""
    config.addinivalue_line(
        "markers", "policy_set(path): the policy set that the fixture `policy_engine` loads"
    )
    for name in config.getini("policyengine_sets"):
        if not (config.rootpath / name).exists():
            raise pytest.UsageError(f"policyengine_sets: there is no `{name}`")
    options = config.option
    if (
        options.policy_coverage
        or options.policy_coverage_html
        or options.policy_coverage_fail_under
    ) and not hasattr(config, "workerinput"):  # a worker of xdist reports to the main process
        from policyengine.testing.pytest_coverage import CoverageReport

        config.pluginmanager.register(CoverageReport.of(config), "policyengine-coverage")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PolicyFile | None:
    """Collect the `test` blocks of a policy file."""
    if file_path.suffix != ".policy":
        return None
    from policyengine.testing.pytest_items import PolicyFile
    from policyengine.testing.pytest_sets import PolicySets

    named = parent.session.isinitpath(file_path)
    if not named and not PolicySets.of(parent.config).collects(file_path):
        return None
    return PolicyFile.from_parent(parent, path=file_path)


@pytest.fixture
def policy_engine(request: pytest.FixtureRequest) -> PolicyEngine:
    """Give the engine of a policy set, loaded once in a run.

    The set is named by the nearest marker `policy_set`, or is the only one of `policyengine_sets`.
    """
    from policyengine.testing.pytest_sets import PolicySets

    sets = PolicySets.of(request.config)
    marker = request.node.get_closest_marker("policy_set")
    named = [sets.root.joinpath(*marker.args)] if marker else sets.folders
    if len(named) != 1:
        pytest.fail(
            "which policy set? Mark the test with `@pytest.mark.policy_set(path)`, or name one set "
            "in the ini option `policyengine_sets`",
            pytrace=False,
        )
    policies = sets.at(named[0])
    if policies.checked is None:
        pytest.fail(policies.mistakes, pytrace=False)
    return policies.engine


@pytest.fixture
def assert_allowed(policy_engine: PolicyEngine) -> Callable[..., Decision]:
    """Give a function that takes what `decide` takes, and fails if the answer is deny."""
    from policyengine.testing.assertions import Assertions

    return Assertions(policy_engine).allowed


@pytest.fixture
def assert_denied(policy_engine: PolicyEngine) -> Callable[..., Decision]:
    """Give a function that takes what `decide` takes, and fails if the answer is allow.

    *because*: the id of a rule, or several, that must have determined the deny.
    """
    from policyengine.testing.assertions import Assertions

    return Assertions(policy_engine).denied
