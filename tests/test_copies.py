"""What is copied, deep-copied or pickled says the same afterwards, or says why it cannot be."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import policyengine
from policyengine import (
    InvalidPolicy,
    InvalidRequest,
    PolicyEngine,
    PolicyError,
    Problem,
    StaleSubject,
    UnhandledObligation,
)

POLICY = """
package a
entity U { n: int }
entity D
action r by U on D
obligation tell(n: int)
permit p: r oblige tell(subject.n)
"""

Remake = Callable[[Any], Any]
"""Makes another of a value."""

PICKLED: dict[str, Remake] = {
    f"pickle {protocol}": lambda value, protocol=protocol: pickle.loads(
        pickle.dumps(value, protocol)
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
REMADE: dict[str, Remake] = {"copy": copy.copy, "deepcopy": copy.deepcopy, **PICKLED}


def each(remade: dict[str, Remake]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("remake", remade.values(), ids=remade)


# ---- exceptions -------------------------------------------------------------------------


def invalid_policy() -> None:
    PolicyEngine.from_text("package a\npermit", "package b\nentity E { a: strin }")


def invalid_request() -> None:
    PolicyEngine.from_text(POLICY).decide({"type": "U", "id": 5}, "s", {"type": "D"})


def unhandled_obligation() -> None:
    PolicyEngine.from_text(POLICY, obligations=["warn"])


def stale_subject() -> None:
    raise StaleSubject("U", "u1")


def any_other() -> None:
    raise PolicyError("anything", 1)


RAISING: dict[type[PolicyError], Callable[[], None]] = {
    InvalidPolicy: invalid_policy,
    InvalidRequest: invalid_request,
    UnhandledObligation: unhandled_obligation,
    StaleSubject: stale_subject,
    PolicyError: any_other,
}


def raised(class_: type[PolicyError]) -> PolicyError:
    with pytest.raises(class_) as found:
        RAISING[class_]()
    return found.value


def saying(problem: BaseException) -> tuple[object, ...]:
    """Return everything that an exception says."""
    return type(problem), str(problem), repr(problem), problem.args, vars(problem)


def test_the_exceptions_below_are_all_public_ones():
    public = {getattr(policyengine, name) for name in policyengine.__all__}
    assert set(RAISING) == {
        p for p in public if isinstance(p, type) and issubclass(p, BaseException)
    }


@each(REMADE)
@pytest.mark.parametrize("class_", RAISING)
def test_exceptions_say_the_same_afterwards(class_: type[PolicyError], remake: Remake):
    problem = raised(class_)
    problem.add_note("a note")
    assert saying(remake(problem)) == saying(problem)


class OfAService(InvalidRequest):
    """An exception of somebody else, which takes something else."""

    def __init__(self, *, tenant: str) -> None:
        super().__init__([Problem("PE505", tenant, "wrong")])
        self.tenant = tenant


@each(REMADE)
def test_exceptions_of_others_that_are_of_ours_do_so_as_well(remake: Remake):
    problem = OfAService(tenant="t")
    assert saying(remake(problem)) == saying(problem)


def test_a_pool_delivers_each_exception():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for class_, raising in RAISING.items():
            with pytest.raises(class_) as found:
                pool.apply_async(raising).get(timeout=60)
            assert str(found.value) == str(raised(class_))
