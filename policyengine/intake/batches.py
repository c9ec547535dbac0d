"""Take batches of AuthZEN apart, and answer them in the same JSON.

A batch has requests of which each may leave parts to the top of the document. They are decided at one moment, in
order, and no further than the semantic asks for. What is wrong with one request denies that one; what is wrong with
the document refuses all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from policyengine.intake.authzen import NAMES, document_of, ignored_names, is_empty, read_parts
from policyengine.intake.foreign import Repeated, plain
from policyengine.intake.json_text import refuse
from policyengine.intake.raw import RawRequest
from policyengine.model.decision import Decision
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.limits import Limits
from policyengine.model.request_messages import got

_ENDS: Final[dict[str, bool | None]] = {
    "execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True,
}  # fmt: skip
"""The semantics of a batch, and after which decision each ends."""

_BAD_REQUEST: Final = 400


class Evaluations(Struct, frozen=True):
    """The decisions on a batch, in the order of its requests; those after the end of its semantic are left out.

    *is_single*: it had no requests but the one at its top, and is answered as that. *problems*: why all of it was
    refused; then the one decision is a deny. *ignored*: names at its top that mean nothing.
    """

    decisions: tuple[Decision, ...]
    is_single: bool = False
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()

    if not TYPE_CHECKING:  # so that mypy reports `if evaluations:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError(
                "a batch of decisions is neither true nor false: ask `allowed` of each of `evaluations.decisions`"
            )

    def to_json(self) -> dict[str, object]:
        """Return the answer in AuthZEN's shape; a request that does not fit has `context.error` with a status."""
        if self.is_single or self.problems:
            return self.decisions[0].to_json()
        return self._with([_with_error(decision) for decision in self.decisions])

    def to_bytes(self) -> bytes:
        """Return `to_json` as JSON in UTF-8."""
        if self.is_single or self.problems:
            return self.decisions[0].to_bytes()
        answers = [
            _with_error(decision) if decision.problems else msgspec.Raw(decision.to_bytes())
            for decision in self.decisions
        ]
        return msgspec.json.encode(self._with(answers))

    def _with(self, answers: Sequence[object]) -> dict[str, object]:
        more = {"context": {"ignored": list(self.ignored)}} if self.ignored else {}
        return {"evaluations": answers, **more}


def _with_error(decision: Decision) -> dict[str, object]:
    answer = decision.to_json()
    context = answer["context"]
    if decision.problems and isinstance(context, dict):
        context["error"] = {"status": _BAD_REQUEST, "message": decision.reason_for("developer")}
    return answer


class Batch(Struct, frozen=True):
    """A batch that was taken apart: its requests, each as it is read or its refusal, and its semantic.

    *single*: the one request of a document that has no others.
    """

    requests: Iterator[RawRequest | InvalidRequest]
    semantic: str = "execute_all"
    single: bool = False
    ignored: tuple[str, ...] = ()


def read_batch(data: Any, limits: Limits, *, accept_now: bool) -> Batch:
    """Take a batch apart; raises `InvalidRequest` if it is none."""
    document = document_of(data, limits)
    listed = None if "evaluations" not in document else plain(document["evaluations"])
    if _stands_twice(document, "evaluations"):
        refuse("PE518", "this name stands twice in one object", "evaluations")
    if "evaluations" not in document or is_empty(listed):
        alone = {name: part for name, part in document.items() if name != "evaluations"}
        single = read_parts([alone], limits, accept_now=accept_now)
        return Batch(iter([single]), single=True, ignored=single.ignored)
    if not isinstance(listed, list):
        refuse("PE505", f"expected a list, got {got(listed, private=False)}", "evaluations")
    if len(listed) > limits.evaluations:
        most = f"a batch has at most {limits.evaluations:,} requests, and not {len(listed):,}"
        refuse("PE514", most, "evaluations")
    items = [plain(item) for item in listed]
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            expected = f"expected an object, got {got(item, private=False)}"
            refuse("PE505", expected, f"evaluations[{number}]")
    for name in ("subject", "action", "resource", "context"):
        default = plain(document.get(name, {}))
        if not isinstance(default, dict):
            refuse("PE505", f"expected an object, got {got(default, private=False)}", name)
    _check_defaults(items, document, limits)
    known = {"evaluations", "options", *NAMES}
    ignored = ignored_names([document], known, limits)
    requests = (_read([item, document], limits, accept_now=accept_now) for item in items)
    return Batch(requests, _semantic(document), ignored=ignored)


def _check_defaults(
    items: Sequence[dict[Any, Any]], document: dict[Any, Any], limits: Limits
) -> None:
    """Refuse requests that take more from the top together than they may: it is read, and decided about, for each."""
    most, taken = limits.batch_defaults, 0
    for name in NAMES:
        takers = 0 if name not in document else sum(name not in item for item in items)
        if takers:
            taken += takers * _number_of_values(document[name], most)
    if taken > most:
        said = f"the requests of a batch take at most {most:,} values from its top, those of each request counted"
        refuse("PE514", f"{said}: give fewer requests in each batch", "evaluations")


def _number_of_values(part: object, most: int) -> int:
    """Return how many values something is made of, objects and lists included; a number above *most* if it is more."""
    number, waiting = 0, [part]
    while waiting and number <= most:
        value = plain(waiting.pop())
        number += 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value
    return number


def _read(parts: list[dict[str, Any]], limits: Limits, **more: Any) -> RawRequest | InvalidRequest:
    try:
        return read_parts(parts, limits, **more)
    except InvalidRequest as refusal:
        return refusal


def _semantic(document: dict[str, Any]) -> str:
    options = plain(document.get("options", {}))
    if _stands_twice(document, "options"):
        refuse("PE518", "this name stands twice in one object", "options")
    if not isinstance(options, dict):
        refuse("PE505", f"expected an object, got {got(options, private=False)}", "options")
    if _stands_twice(options, "evaluations_semantic"):
        refuse("PE518", "this name stands twice in one object", "options.evaluations_semantic")
    semantic = plain(options.get("evaluations_semantic", "execute_all"))
    if type(semantic) is not str or semantic not in _ENDS:
        expected = f"expected one of {', '.join(_ENDS)}"
        refuse("PE505", expected, "options.evaluations_semantic")
    return semantic


def decide_batch(
    batch: Batch, decide: Callable[[RawRequest | InvalidRequest], Decision]
) -> Evaluations:
    """Decide the requests of a batch; of one that does not fit, *decide* gives a deny."""
    decisions = []
    for request in batch.requests:
        decision = decide(request)
        decisions.append(decision)
        if decision.allowed is _ENDS[batch.semantic]:
            break
    if batch.single:
        return Evaluations(tuple(decisions), is_single=True, problems=decisions[0].problems)
    return Evaluations(tuple(decisions), ignored=batch.ignored)


def _stands_twice(owner: dict[str, Any], name: str) -> bool:
    return isinstance(owner, Repeated) and name in owner.names
