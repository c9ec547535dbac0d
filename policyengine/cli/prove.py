"""Prove the invariants of a policy set, or show a request that breaks one."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import utf8
from policyengine.cli.completing import invariants
from policyengine.cli.left_open import budget_option, left_open
from policyengine.cli.loading import cache_option, load_checked, paths_argument, the_cache
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    NOT_SETTLED,
    FailingInput,
    format_option,
    say,
    say_json,
    say_parts,
    show_diagnostics,
    working,
)
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.proving.proofs import Proof
    from policyengine.semantics.checked import CheckedSet, Invariant

STYLES = {"proved": "green", "broken": "bold red", "not settled": "bold yellow"}


@click.command(short_help="Prove that no rule breaks an invariant.")
@paths_argument
@cache_option
@click.option(
    "--invariant",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=invariants,
    help="Only this; may be repeated.",
)
@click.option(
    "--never-allow",
    multiple=True,
    type=utf8,
    metavar="TEXT",
    help="Ask for an invariant that is not written down: what follows `never allow`.",
)
@click.option(
    "--never-expose",
    multiple=True,
    type=utf8,
    metavar="TEXT",
    help="The same for what follows `never expose`.",
)
@budget_option
@format_option
def command(
    paths: tuple[str, ...], names: tuple[str, ...], never_allow: tuple[str, ...],
    never_expose: tuple[str, ...], budget: float, format: str,
) -> int:  # fmt: skip
    """Say of each invariant in PATH whether it holds for all requests there can be.

    *proved*: no request breaks it, and which rules that rests on. *broken*: a request is allowed that it
    says is not, written as a test to be pasted; the test fails until the rules are mended. *not settled*:
    neither was found, and why.

    \b
    Examples:
      policyengine prove policies/x
      policyengine prove policies/x --invariant messages_need_authorization
      policyengine prove policies/workspace --never-allow 'export_document unless subject.active'
      policyengine prove policies/workspace --never-expose 'body of support on Document'

    The exit code is 0 if all are proved, 1 if one is broken, else 3 if one is not settled.
    """
    from policyengine.analysis.budget import Budget
    from policyengine.proving.proofs import prove

    checked = load_checked(paths)
    asked = [("--never-allow", text) for text in never_allow]
    asked += [("--never-expose", text) for text in never_expose]
    checked, wanted, titles = _wanted(checked, names, asked)
    with working("proving"):
        if asked or names:
            proofs = prove(checked, wanted, Budget.lasting(budget), titles=titles)
        else:
            proofs = remembered_proofs(checked, paths, budget)
    if format == "json":
        say_json({"invariants": [proof_json(proof) for proof in proofs]})
    else:
        _show(proofs, budget)
    answers = {proof.answer for proof in proofs}
    if "broken" in answers:
        return FINDINGS
    return NOT_SETTLED if "not settled" in answers else FINE


def remembered_proofs(checked: CheckedSet, paths: Sequence[str], seconds: float) -> list[Proof]:
    """Return what is known of the invariants of the set in *paths*, and remember it."""
    from policyengine.analysis.budget import Budget
    from policyengine.proving.proof_memory import recall, remember
    from policyengine.proving.proofs import prove

    known = recall(the_cache(), paths, checked, seconds)
    proofs = prove(checked, checked.invariants, Budget.lasting(seconds), known)
    if any(proof.name not in known for proof in proofs):
        remember(the_cache(), paths, checked, proofs, seconds)
    return proofs


def _wanted(
    checked: CheckedSet, names: Sequence[str], asked: Sequence[tuple[str, str]]
) -> tuple[CheckedSet, Sequence[Invariant], dict[str, str]]:
    from policyengine.diagnostics.diagnostic import Diagnostics
    from policyengine.diagnostics.spell import did_you_mean
    from policyengine.proving.asked_invariants import SeveralDeclarationsError, check_asked

    known = {invariant.name: invariant for invariant in checked.invariants}
    for name in names:
        if name not in known:
            help = did_you_mean(name, known)
            raise FailingInput(f"there is no invariant `{name}`" + (f"; {help}" if help else ""))
    if not asked:
        if not known:
            raise FailingInput("the policy set has no invariants; ask for one with `--never-allow`")
        return checked, [known[name] for name in names or known], {}
    try:
        found = check_asked(checked, asked)
    except SeveralDeclarationsError:
        raise FailingInput(
            "what is asked is one invariant, with nothing declared after it"
        ) from None
    if isinstance(found, Diagnostics):
        show_diagnostics(found, aside=True)
        raise FailingInput("what is asked is no invariant of this policy set")
    checked, titles = found
    return checked, [i for i in checked.invariants if i.name in {*names, *titles}], titles


def _show(proofs: Sequence[Proof], seconds: float) -> None:
    for proof in proofs:
        say_parts(
            (f"{proof.answer:<11}", STYLES[proof.answer]), (f" {proof.name}{_because(proof)}", None)
        )
        if proof.test is not None:
            say(indent(proof.test.rstrip(), "    "), code=True)
            say("")
    _show_left(proofs, seconds)
    counts = (
        f"{count} {answer}"
        for answer in STYLES
        if (count := sum(proof.answer == answer for proof in proofs))
    )
    say(f"{plural(len(proofs), 'invariant')}: {', '.join(counts)}")


def show_open(proofs: Sequence[Proof]) -> None:
    """Write which invariants are broken or not settled, and why."""
    for proof in proofs:
        if proof.answer != "proved":
            say_parts(
                (proof.answer, STYLES[proof.answer]),
                (f" invariant {proof.name}{_because(proof)} (`policyengine prove`)", None),
            )


def show_not_settled(proofs: Sequence[Proof], seconds: float) -> None:
    """Write which invariants are not settled, and why."""
    for proof in (one for one in proofs if one.answer == "not settled"):
        say(
            f"note: the invariant `{proof.name}` is not settled{_because(proof)}",
            STYLES[proof.answer],
        )
    _show_left(proofs, seconds)


def _show_left(proofs: Sequence[Proof], seconds: float) -> None:
    """Write how many invariants are not settled for want of time."""
    left = sum(proof.over for proof in proofs)
    if left:
        say(left_open(left, len(proofs), seconds), "yellow")


def _because(proof: Proof) -> str:
    """Return why the answer is what it is."""
    match proof.answer:
        case "proved":
            on = ", ".join(proof.rests_on)
            return f", by {on}" if on else ", whatever the rules are"
        case "broken":
            return f": {proof.request} is allowed" + (
                "; no test can express the request" if proof.test is None else ""
            )
    tried = f"; {plural(proof.tried, 'request')} decided" if proof.tried else ""
    return f": {proof.why}{tried}"


def proof_json(proof: Proof) -> dict[str, Any]:
    """Return what is known of an invariant for programs."""
    return {
        "name": proof.name,
        "answer": proof.answer,
        "rests_on": list(proof.rests_on),
        "request": proof.request or None,
        "test": proof.test,
        "tried": proof.tried,
        "why": proof.why or None,
    }
