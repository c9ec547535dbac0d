"""Print the types of a policy set for type checkers."""

from __future__ import annotations

import click

from policyengine.cli.loading import cache_option, load_checked, paths_argument
from policyengine.cli.output import FINE


@click.command(short_help="Print the types of attributes, actions and contexts for type checkers.")
@paths_argument
@cache_option
def command(paths: tuple[str, ...]) -> int:
    """Print a Python module with the types of the policy set in PATH.

    With it, mypy and pyright check the actions, attributes and contexts that a service gives: `engine =
    typed(PolicyEngine.load(…))` is an engine for which a misspelt attribute is an error before the code runs. Write
    it again when the policies change.

    \b
    Examples:
      policyengine stubs policies/x > policy_types.py
    """
    from policyengine.type_stubs import type_stubs

    click.echo(type_stubs(load_checked(paths).schema), nl=False)
    return FINE
