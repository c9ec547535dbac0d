"""Print the script with which a shell completes `policyengine`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from policyengine.cli.main import COMPLETION
from policyengine.cli.output import FINE, format_option, say_json


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@format_option
@click.pass_context
def command(ctx: click.Context, shell: str, format: str) -> int:
    """Print the script with which SHELL completes commands, options and paths.

    \b
    Examples:
      policyengine completion bash >> ~/.bashrc
      policyengine completion zsh >> ~/.zshrc
      policyengine completion fish > ~/.config/fish/completions/policyengine.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None, "click knows every shell of the choice"
    script = completion(ctx.find_root().command, {}, "policyengine", COMPLETION).source()
    if format == "json":
        say_json({"shell": shell, "script": script})
    else:
        click.echo(script)
    return FINE
