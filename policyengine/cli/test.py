"""Run the `test` blocks of a policy set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from policyengine.cli.completing import measures
from policyengine.cli.left_open import SECONDS, left_open
from policyengine.cli.loading import cache_option, load_checked, paths_argument
from policyengine.cli.measures import Wanted, take_measures
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    say_parts,
    show_diagnostic,
    working,
)
from policyengine.cli.prove import proof_json, remembered_proofs, show_open
from policyengine.cli.several_sets import each_option, run_on_sets
from policyengine.cli.watching import watch
from policyengine.cli.writing import keep_inputs
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.testing.results import Problem, Result, Run

_DAY = 86_400_000_000
"""A day in microseconds: suggested tests are at the midnight before."""

_STYLES = {"passed": "green", "failed": "bold red", "error": "bold red"}


@click.command(short_help="Run the tests beside the rules.")
@paths_argument
@cache_option
@each_option
@click.option(
    "-k", "pattern", metavar="PATTERN", default="", help="Only tests whose title contains this."
)
@click.option("--coverage", is_flag=True, help="Show what of the rules the tests exercise.")
@click.option(
    "--coverage-html", metavar="FILE", type=click.Path(), help="Write it as a page of HTML to FILE."
)
@click.option("--mutate", is_flag=True, help="Change the rules and see whether the tests notice.")
@click.option("--jobs", type=click.IntRange(1, 64), help="How many processes mutate; all cores.")
@click.option("--fresh", is_flag=True, help="Try every change again, also those known from before.")
@click.option(
    "--budget", type=click.FloatRange(0), default=60.0, metavar="SECONDS", show_default=True,
    help="The time that --mutate or --suggest takes at most.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Show all tests that --mutate offers.")
@click.option(
    "--fail-under",
    multiple=True,
    metavar="MEASURE=PERCENT",
    shell_complete=measures,
    help="Fail below this; of rules, conditions, mcdc or mutation. May be repeated.",
)
@click.option(
    "--suggest", is_flag=True, help="Write tests at the boundaries of each rule, instead."
)
@click.option("--watch", "watching", is_flag=True, help="Run again whenever a policy changes.")
@click.option("--junit", metavar="FILE", type=click.Path(), help="Also write JUnit XML to FILE.")
@click.option("-v", "--verbose", is_flag=True, help="List the tests that passed, and every rule.")
@format_option
def command(
    paths: tuple[str, ...], each: bool, pattern: str, coverage: bool, coverage_html: str | None, mutate: bool,
    jobs: int | None, fresh: bool, budget: float, everything: bool, fail_under: tuple[str, ...],
    suggest: bool, watching: bool, junit: str | None, verbose: bool, format: str,
) -> int:  # fmt: skip
    """Run the `test` blocks of the policy set in PATH.

    Every request of a test is decided by the compiled program and by the reference interpreter,
    which must agree, and every request that is allowed is checked against the invariants. A test
    whose request does not fit the policies is an error, never a pass.

    What tests cannot try, all other requests, is asked of the invariants as `prove` asks it.

    The tests themselves are measured in two ways. Coverage shows of every rule whether it was
    satisfied, and of every operand whether it was true, false, and decided on its own (MC/DC).
    Mutation makes one small change at a time and reports the changes that no test notices, with the
    tests that would: the ten that notice most, or --all.

    \b
    Examples:
      policyengine test policies/x
      policyengine test --each policies                       every folder there is a set
      policyengine test policies/x -k "archive search"
      policyengine test policies/x --coverage --fail-under rules=100 --fail-under mcdc=90
      policyengine test policies/x --coverage-html coverage.html
      policyengine test policies/x --mutate --fail-under mutation=95
      policyengine test policies/x --suggest
      policyengine test policies/x --junit report.xml

    The exit code is 1 if a test failed or could not be run, if an invariant is broken, or if a threshold is
    not reached.
    """
    wanted = Wanted.read(
        coverage=coverage, page=coverage_html, mutate=mutate, fail_under=fail_under, jobs=jobs,
        fresh=fresh, budget=budget,
    )  # fmt: skip

    keep_inputs({"`--junit`": junit, "`--coverage-html`": coverage_html}, {"PATH": paths})

    def act(paths: tuple[str, ...]) -> int:
        if suggest:
            return _suggest(paths, format, budget)
        return _test(paths, pattern, wanted, junit, format, verbose=verbose, everything=everything)

    def run() -> int:
        text = format == "text" and junit is None and coverage_html is None
        at_once = not (wanted.mutation or suggest)  # which take all cores as it is
        return run_on_sets(paths, act, each=each, text=text, at_once=at_once)

    return watch(paths, run) if watching else run()


def _test(
    paths: tuple[str, ...], pattern: str, wanted: Wanted, junit: str | None, format: str, *,
    verbose: bool, everything: bool,
) -> int:  # fmt: skip
    from policyengine.pipeline import compile_set
    from policyengine.testing.junit import junit_xml
    from policyengine.testing.runner import run_tests

    now = time.time_ns() // 1000
    checked = load_checked(paths)
    with working("running the tests"):
        run = run_tests(checked, compile_set(checked), pattern=pattern, now=now)
    if not run.results:
        raise FailingInput(
            f"no test has `{pattern}` in its title" if pattern else "the policy set has no tests"
        )
    if junit is not None:
        Path(junit).write_bytes(junit_xml(run))
    passed = run.count("passed") == len(run.results)
    if format == "text":
        _show(run, verbose=verbose)
    ran = {result.span for result in run.results if result.status != "error"}
    counting = evolve(checked, tests=tuple(t for t in checked.tests if t.node.span in ran))
    measures = take_measures(counting, paths, wanted, passed=passed, now=now)
    with working("proving the invariants"):
        proofs = remembered_proofs(checked, paths, SECONDS)
    if format == "json":
        invariants = [proof_json(proof) for proof in proofs]
        say_json({**_run_json(run), "invariants": invariants, **measures.json()})
    else:
        show_open(proofs)
        measures.show(verbose=verbose, everything=everything)
    kept = not any(proof.answer == "broken" for proof in proofs)
    return FINE if passed and kept and not measures.short else FINDINGS


def _suggest(paths: tuple[str, ...], format: str, seconds: float) -> int:
    from policyengine.analysis.budget import Budget
    from policyengine.mutation.suggest import suggest

    checked = load_checked(paths)
    with working("looking for boundaries"):
        now = time.time_ns() // 1000 // _DAY * _DAY
        found = list(suggest(checked, now=now, budget=Budget.lasting(seconds)))
    tests = [one for one in found if one.text]
    nothing = [one for one in found if not one.text and not one.late]
    late = [one.rule for one in found if one.late]
    if format == "json":
        say_json(
            {
                "suggestions": [{"rule": one.rule, "test": one.text} for one in tests],
                "nothing": [{"rule": one.rule, "why": one.why} for one in nothing],
                "not_settled": late,
            }
        )
        return FINE
    for number, one in enumerate(tests):
        say(f"\n{one.text}".rstrip() if number else one.text.rstrip(), code=True)
    if tests and (nothing or late):
        say("")
    for one in nothing:  # as comments: all that is written can be pasted
        say(f"# nothing for {one.rule}: {one.why}", code=True)
    if late:
        say(f"# {left_open(len(late), len(found), seconds, of='rule')}", code=True)
    return FINE


def _show(run: Run, *, verbose: bool) -> None:
    for result in run.results:
        if verbose or result.status != "passed":
            what = (f"{_place(run, result.span)}  {result.title}", None)
            say_parts((f"{result.status:<7}", _STYLES[result.status]), what)
        for problem in result.problems:
            _show_problem(run, problem)
    counts = [f"{run.count('passed')} passed", f"{run.count('failed')} failed"]
    if run.count("error"):
        counts.append(plural(run.count("error"), "error"))
    good = run.count("passed") == len(run.results)
    expectations = plural(sum(result.expectations for result in run.results), "expectation")
    took = (f" ({expectations}, {run.seconds:.2f} s)", None)
    say_parts((", ".join(counts), "green" if good else "bold red"), took)


def _show_problem(run: Run, problem: Problem) -> None:
    from policyengine.diagnostics.diagnostic import error

    show_diagnostic(error(problem.code, problem.span, problem.message), run.sources)
    for label, text in problem.notes:
        say_parts((f"   = {label}: ", "dim"), (text, None))
    say("")


def _place(run: Run, span: Any) -> str:
    return f"{span.file}:{run.sources[span.file].position(span.start)[0]}"


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "passed": run.count("passed"),
        "failed": run.count("failed"),
        "errors": run.count("error"),
        "seconds": round(run.seconds, 6),
        "tests": [_result_json(run, result) for result in run.results],
    }


def _result_json(run: Run, result: Result) -> dict[str, Any]:
    return {
        "title": result.title,
        "status": result.status,
        **_place_json(run, result.span),
        "expectations": result.expectations,
        "seconds": round(result.seconds, 6),
        "problems": [
            {
                "kind": problem.kind,
                "code": problem.code,
                "message": problem.message,
                **_place_json(run, problem.span),
                "notes": [{"label": label, "text": text} for label, text in problem.notes],
            }
            for problem in result.problems
        ],
    }


def _place_json(run: Run, span: Any) -> dict[str, Any]:
    line, column = run.sources[span.file].position(span.start)
    return {"file": span.file, "line": line, "column": column}
