"""Name all who answer requests, and prepare those that are of this house.

A contestant loads a world's rules, prepares each request as well as it can before it is timed, and
answers. Peers, each in a file of `bench/peers/`, are optional: who is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, Final

from attrs import frozen

from bench.rules import Check, Plain, Rule, World
from policyengine import PolicyEngine, __version__


@frozen
class Ready:
    """A contestant that has loaded the rules.

    *prepare* makes of a request what *decide* takes. *decide_all*: the loop to be timed, where
    calling *decide* in one would cost more than it need.
    """

    prepare: Callable[[Plain], Any]
    decide: Callable[[Any], bool]
    decide_all: Callable[[Sequence[Any]], object] | None = None

    def run(self, prepared: Sequence[Any]) -> None:
        """Decide all."""
        if self.decide_all is not None:
            self.decide_all(prepared)
            return
        decide = self.decide
        for request in prepared:
            decide(request)


@frozen
class Contestant:
    """*home*: the module of a peer, whose `load` makes it `Ready`; *distribution*: its name on PyPI."""

    name: str
    load: Callable[[World], Ready] | None = None
    home: str = ""
    needs: str = ""
    distribution: str = ""

    @property
    def is_here(self) -> bool:
        """Whether all that it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None

    @property
    def version(self) -> str:
        """The version of what is measured; empty for plain Python."""
        if self.distribution:
            return metadata.version(self.distribution)
        return __version__ if self.name in _OURS else ""

    def make_ready(self, world: World) -> Ready:
        """Load the rules of *world*."""
        load: Callable[[World], Ready] = self.load or import_module(self.home).load
        return load(world)


# ---- by hand ----------------------------------------------------------------------------


def _as_it_is(request: Plain) -> Plain:
    return request


def _by_hand(world: World) -> Ready:
    return Ready(_as_it_is, world.by_hand)


_IN_PYTHON = {
    "in": "{left} in {right}",
    "true": "{left}",
    "false": "not {left}",
    "has": "{right} in {left}",
    "holds": "{right} in {left}",
    "lacks": "{right} not in {left}",
    "contains": "{right} in {left}",
}


def _in_python(test: Check) -> str:
    part, name = test.keys
    right = repr(frozenset(test.value) if test.op == "in" else test.value)
    if test.op in ("holds", "lacks"):
        other, _, attribute = test.value.partition(".")
        right = f"q[{other!r}][{attribute!r}]"
    form = _IN_PYTHON.get(test.op, "{left} {op} {right}")
    return form.format(left=f"q[{part!r}][{name!r}]", op=test.op, right=right)


def _lambdas(world: World) -> Ready:
    """Prepare a lambda for each rule, forbids first; all are tried in turn."""

    def source(rule: Rule) -> str:
        tests = [_in_python(test) for test in rule.tests]
        if rule.actions:
            tests.insert(0, f"q['action'] in {rule.actions!r}")
        return f"lambda q: {' and '.join(tests)}"

    ordered = sorted(world.rules, key=lambda rule: rule.permits)
    # As if it stood in a file; the constants are those of a world that was made here.
    table = [(eval(source(rule), {"__builtins__": {}, "frozenset": frozenset}), rule.permits)  # noqa: S307 - ours, see above
             for rule in ordered]  # fmt: skip

    def decide(request: Plain) -> bool:
        for is_met, permits in table:
            if is_met(request):
                return permits
        return False

    return Ready(_as_it_is, decide)


# ---- ours -------------------------------------------------------------------------------


def _decide(world: World) -> Ready:
    engine = PolicyEngine.from_text(*world.policies)
    decide = engine.decide

    def decide_all(requests: Sequence[Any]) -> None:
        for subject, action, resource, context in requests:
            decide(subject, action, resource, context).allowed

    return Ready(
        lambda request: world.build(engine, request),
        lambda parts: decide(*parts).allowed,
        decide_all,
    )


def _bound(world: World) -> Ready:
    engine = PolicyEngine.from_text(*world.policies)

    def prepare(request: Plain) -> Any:
        subject, *rest = world.build(engine, request)
        return engine.bind(subject).decide, *rest

    def decide_all(requests: Sequence[Any]) -> None:
        for decide, action, resource, context in requests:
            decide(action, resource, context).allowed

    return Ready(prepare, lambda parts: parts[0](*parts[1:]).allowed, decide_all)


def _reference(world: World) -> Ready:
    from policyengine.diagnostics.source import Source
    from policyengine.intake.validation import Validator
    from policyengine.model.limits import Limits
    from policyengine.pipeline import check_sources
    from policyengine.reference import interpreter

    engine = PolicyEngine.from_text(*world.policies)  # which builds the parts of requests
    sources = {str(n): Source(str(n), text) for n, text in enumerate(world.policies)}
    checked, _ = check_sources(sources)
    assert checked is not None, "the engine has loaded it"
    validator = Validator(checked.schema, checked.needs, Limits())

    def prepare(request: Plain) -> Any:
        subject, action, resource, context = world.build(engine, request)
        return validator.validate_parts(
            subject=subject, action=action, resource=resource, context=context, now=0
        )

    return Ready(prepare, lambda request: interpreter.decide(checked, request).allowed)


# ---- all --------------------------------------------------------------------------------

BY_HAND: Final = "by hand"
DECIDE: Final = "policyengine, decide"
BOUND: Final = "policyengine, bound.decide"
REFERENCE: Final = "reference interpreter"
LAMBDAS: Final = "a lambda for each rule"

_OURS = (DECIDE, BOUND, REFERENCE)

CONTESTANTS: Final = {
    contestant.name: contestant
    for contestant in (
        Contestant(BY_HAND, _by_hand),
        Contestant(DECIDE, _decide),
        Contestant(BOUND, _bound),
        Contestant(LAMBDAS, _lambdas),
        Contestant(REFERENCE, _reference),
        Contestant("CEL in C++", None, "bench.peers.cel", "cel_expr_python", "cel-expr-python"),
        Contestant("Cedar", None, "bench.peers.cedar", "cedarpy", "cedarpy"),
        Contestant("regorus", None, "bench.peers.rego", "regorus", "gordon-to-regorus"),
        Contestant("pycasbin", None, "bench.peers.casbin", "casbin", "pycasbin"),
        Contestant("vakt", None, "bench.peers.vakt", "vakt", "vakt"),
    )
}
"""By name; by hand first, which all are measured against."""

PEERS: Final = tuple(name for name, contestant in CONTESTANTS.items() if contestant.needs)
