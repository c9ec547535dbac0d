"""Run the `test` blocks of a policy set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.loading import load_checked, paths_argument, plural
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    show_diagnostic,
    working,
)

if TYPE_CHECKING:
    from policyengine.testing.results import Problem, Result, Run

_STYLES = {"passed": "green", "failed": "bold red", "error": "bold red"}


@click.command(short_help="Run the tests that stand beside the rules.")
@paths_argument
@click.option(
    "-k", "pattern", metavar="PATTERN", default="", help="Only tests whose title contains this."
)
@click.option("--junit", metavar="FILE", type=click.Path(), help="Also write JUnit XML to FILE.")
@click.option("-v", "--verbose", is_flag=True, help="List the tests that passed, too.")
@format_option
def command(
    paths: tuple[str, ...], pattern: str, junit: str | None, verbose: bool, format: str
) -> int:
    """Run the `test` blocks of the policy set in PATH.

    Every request of a test is decided by the compiled program and by the reference interpreter,
    which must agree, and every request that is allowed is held against the invariants. A test
    whose request does not fit the policies is an error, never a pass.

    \b
    Examples:
      policyengine test policies/x
      policyengine test policies/x -k "archive search"
      policyengine test policies/x --junit report.xml

    The exit code is 1 if a test failed or could not be run.
    """
    from policyengine.pipeline import compile_set
    from policyengine.testing.junit import junit_xml
    from policyengine.testing.runner import run_tests

    checked = load_checked(paths)
    with working("running the tests"):
        run = run_tests(checked, compile_set(checked), pattern=pattern)
    if not run.results:
        raise FailingInput(
            f"no test has `{pattern}` in its title" if pattern else "the policy set has no tests"
        )
    if junit is not None:
        Path(junit).write_bytes(junit_xml(run))
    if format == "json":
        say_json(_run_json(run))
    else:
        _show(run, verbose=verbose)
    return FINE if run.count("passed") == len(run.results) else FINDINGS


def _show(run: Run, *, verbose: bool) -> None:
    for result in run.results:
        if verbose or result.status != "passed":
            say(f"{result.status:<7}", _STYLES[result.status], end="")
            say(f"{_place(run, result.span)}  {result.title}")
        for problem in result.problems:
            _show_problem(run, problem)
    counts = [f"{run.count('passed')} passed", f"{run.count('failed')} failed"]
    if run.count("error"):
        counts.append(plural(run.count("error"), "error"))
    good = run.count("passed") == len(run.results)
    expectations = plural(sum(result.expectations for result in run.results), "expectation")
    say(", ".join(counts), "green" if good else "bold red", end="")
    say(f" ({expectations}, {run.seconds:.2f} s)")


def _show_problem(run: Run, problem: Problem) -> None:
    from policyengine.diagnostics.diagnostic import error

    show_diagnostic(error(problem.code, problem.span, problem.message), run.sources)
    for label, text in problem.notes:
        say(f"   = {label}: ", "dim", end="")
        say(text)
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
