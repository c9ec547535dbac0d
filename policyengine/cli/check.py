"""Check a policy set: syntax, names, types, soundness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from policyengine.cli.left_open import budget_option
from policyengine.cli.loading import cache_option, paths_argument, read_policies, the_cache
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    format_option,
    say_json,
    say_parts,
    show_diagnostics,
    working,
)
from policyengine.cli.prove import proof_json, remembered_proofs, show_not_settled
from policyengine.cli.several_sets import each_option, run_on_sets
from policyengine.cli.watching import watch
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.diagnostics.diagnostic import Diagnostics
    from policyengine.pipeline import EditedSet
    from policyengine.proving.proofs import Proof
    from policyengine.semantics.checked import CheckedSet


@click.command(short_help="Report mistakes: names, types, soundness.")
@paths_argument
@cache_option
@each_option
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@budget_option
@click.option("--watch", "watching", is_flag=True, help="Check again whenever a policy changes.")
@format_option
def command(
    paths: tuple[str, ...], each: bool, strict: bool, budget: float, watching: bool, format: str
) -> int:
    """Check the policy set in PATH and report every mistake, at most 100 in one run.

    A set that passes can be evaluated: a checked rule raises nothing on a request that fits. An error
    keeps a policy set from loading; a warning does not. Then its invariants are proved for all requests: one
    that is broken is an error here, and does not keep the set from loading.

    \b
    Examples:
      policyengine check policies/x
      policyengine check shared.policy docs.policy --strict
      policyengine check --each policies                      every folder there is a set
      policyengine check policies/x --format json
      policyengine check policies/x --watch                   again after each edit, at once
      policyengine explain PE301                              the meaning of a code

    The exit code is 1 if there is an error.
    """
    from policyengine.pipeline import EditedSet

    edited: dict[tuple[str, ...], EditedSet] = {}

    def act(paths: tuple[str, ...]) -> int:
        before = edited.setdefault(paths, EditedSet()) if watching else None
        return _check(paths, strict, budget, format, before)

    def run() -> int:
        return run_on_sets(paths, act, each=each, text=format == "text")

    return watch(paths, run) if watching else run()


def _check(
    paths: Sequence[str], strict: bool, budget: float, format: str, edited: EditedSet | None
) -> int:
    """Check once, and show what was found; *edited*: the set as it was, of which little may differ."""
    from policyengine.diagnostics.export import diagnostics_json
    from policyengine.pipeline import check_sources
    from policyengine.proving.proofs import with_broken

    sources, found = read_policies(paths)
    with working("checking the policies") as progress:
        if edited is not None:
            checked, diagnostics = edited.check(sources, found)
        else:
            checked, diagnostics = check_sources(
                sources, found=found, cache=the_cache(), progress=progress
            )
    proofs: list[Proof] = []
    if checked is not None and checked.invariants:
        with working("proving the invariants"):
            proofs = remembered_proofs(checked, paths, budget)
        diagnostics = with_broken(diagnostics, checked, proofs)
    if format == "json":
        invariants = [proof_json(proof) for proof in proofs]
        say_json({**diagnostics_json(diagnostics), "invariants": invariants})
    else:
        show_diagnostics(diagnostics)
        show_not_settled(proofs, budget)
        files = len({*sources, *(problem.span.file for problem in found)})
        _sum_up(files, checked, diagnostics)
    return FINDINGS if diagnostics.errors or (strict and diagnostics.items) else FINE


def _sum_up(files: int, checked: CheckedSet | None, diagnostics: Diagnostics) -> None:
    from policyengine.diagnostics.render import summary

    what = plural(files, "file")
    if checked is not None:
        what += f", {plural(len(checked.rules), 'rule')}, {plural(len(checked.tests), 'test')}"
        if checked.invariants:
            what += f", {plural(len(checked.invariants), 'invariant')}"
    style = "bold red" if diagnostics.errors else "yellow" if diagnostics.items else "green"
    found = summary(diagnostics) if diagnostics.items else "no mistakes"
    say_parts((f"{what}: ", None), (found, style))
