"""Make a site about a policy set."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from policyengine.cli.asking import moment_option, now_option, utf8
from policyengine.cli.loading import cache_option, load_checked, load_program, paths_argument
from policyengine.cli.output import FINE, FailingInput, complain, say, visible, working
from policyengine.model.shown import plural


@click.command(short_help="Make a site that says who may do what.")
@paths_argument
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(),
    help="The folder to write; an earlier report there is replaced, anything else refused.",
)
@click.option(
    "--title", type=utf8, help="The name of the site. Without it: that of the first PATH."
)
@now_option("The time of tests that give none. Without it: the present.")
@click.option(
    "--budget",
    metavar="QUESTIONS",
    type=click.IntRange(1),
    default=400_000,
    show_default=True,
    help="How many questions it may ask, which bounds its time; pages say what was left out then.",
)
@click.option(
    "--internal",
    is_flag=True,
    help="Show values of private attributes, and waivers with their names, tickets and approvers.",
)
@click.option(
    "--against",
    metavar="PATH",
    type=click.Path(),
    help="Another version of the policies: a page says which rules and answers differ from it.",
)
@moment_option(
    "--since", "A moment: a page says which rules began or ended since, and what that changes."
)
@cache_option
def command(
    paths: tuple[str, ...],
    out: str,
    title: str | None,
    now: str | None,
    budget: int,
    internal: bool,
    against: str | None,
    since: str | None,
) -> int:
    """Make a static site about the policies in PATH: who may do what, and what each setting changes.

    A page for each action, question, entity, setting, enumeration and obligation; what is forbidden; and "What about
    me?", where settings are switched. Each answer on a page is a decision on a request that the page shows: one of a
    test, or one made of parts of tests. The folder also has the same as `report.json` and `report.md`.

    Open DIR/index.html; no server and no network is needed. Needs the extra `report`.

    \b
    Examples:
      policyengine report policies/x --out site
      policyengine report policies/hospital --out site --title "St. Example"
      policyengine report policies/x --out site-for-us --internal --budget 2000000
      policyengine report policies/x --out site --since 2025-01-01
      policyengine report policies/x --out site --against policies-of-last-year/x
    """
    try:
        import jinja2  # noqa: F401 - whether it is there
    except ImportError:
        raise FailingInput(
            "`policyengine report` needs Jinja: install `policyengine-dsl[report]`"
        ) from None
    from msgspec import json

    from policyengine.model.values import parse_datetime
    from policyengine.reporting.changes import Earlier, rules_of_day
    from policyengine.reporting.make_report import make_report
    from policyengine.reporting.markdown_report import markdown_report
    from policyengine.reporting.site_pages import site_pages
    from policyengine.reporting.write_site import OtherFilesError, check_folder, write_site

    folder = Path(out)
    if against is not None and since is not None:
        raise FailingInput("`--since` and `--against` are two comparisons: give one of them")
    try:
        check_folder(folder)
        loaded = load_program(paths)
        earlier = None
        if against is not None:
            earlier = Earlier(visible(against), load_checked((against,)))
        elif since is not None:
            earlier = rules_of_day(loaded.checked(), parse_datetime(since))
        with working("deciding requests for the report"):
            report = make_report(
                loaded.checked(),
                loaded.program,
                title=title or visible(Path(os.path.realpath(paths[0])).name),
                now=time.time_ns() // 1000 if now is None else parse_datetime(now),
                budget=budget,
                internal=internal,
                earlier=earlier,
            )
        with working("writing the pages"):
            data = ("report.json", json.encode(report)), ("report.md", markdown_report(report))
            count, size = write_site(folder, (*site_pages(report), *data))
    except OtherFilesError as problem:
        raise FailingInput(str(problem)) from None
    if report.lacking:
        complain(
            f"the report is incomplete: its {budget} questions were used up, `--budget` allows more; left out:",
            *(f"{left.what}, for {plural(len(left.actions), 'action')}" for left in report.lacking),
        )
    say(f"{folder / 'index.html'}: {count} files, {size / 1e6:.1f} MB")
    return FINE
