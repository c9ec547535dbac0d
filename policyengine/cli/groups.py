"""Groups of commands, which name the command that a misspelt one is like."""

from __future__ import annotations

import click


class NamedCommands(click.Group):
    """A group that reports a command that it does not have in the words of the other messages."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, names = args[0], self.list_commands(ctx)
        if name in names or ctx.resilient_parsing:  # a shell asks for completions
            return super().resolve_command(ctx, args)
        from policyengine.diagnostics.spell import did_you_mean  # most calls misspell nothing

        help = did_you_mean(name, names)
        raise click.UsageError(f"there is no command `{name}`" + (f"; {help}" if help else ""), ctx)
