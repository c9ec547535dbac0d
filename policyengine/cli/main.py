"""Run the command line: find the command, run it, and report any failure in one line.

A command is the object `command` of the module with its name, loaded when it is asked for. It
returns its exit code. Exit codes are the same everywhere: 0 fine, 1 findings or failing tests, 2
misuse or unreadable input, and 3 of `prove` where something is not settled, of `log verify` where a crash cut a line.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

import click

from policyengine.cli.groups import NamedCommands
from policyengine.cli.output import ENDING, MISUSE, FailingInput, complain, width
from policyengine.version import __version__

_NAME = "policyengine"

COMPLETION = "_POLICYENGINE_COMPLETE"
"""The environment variable with which a shell asks for completions."""

_SIGPIPE = 13
"""The number of the signal of a pipe that nobody reads, which Windows has no name for."""

_NO_NUMBER = re.compile("is not a valid (float|integer)( range)?")
"""What click says of a text where a number is wanted."""

_MARGIN = 2
"""The columns of a terminal that click leaves free."""

_COMMANDS = (
    "check",
    "lint",
    "prove",
    "fmt",
    "test",
    "decide",
    "explain",
    "timeline",
    "who",
    "what",
    "filter",
    "verify-filter",
    "reads",
    "conflicts",
    "stubs",
    "report",
    "log",
    "compile",
    "init",
    "completion",
)


class _Help(click.HelpFormatter):
    """Fits what click leaves as it is, the examples, into the terminal."""

    def getvalue(self) -> str:
        from policyengine.diagnostics.wrapping import fitted

        room = self.width + _MARGIN
        return fitted(super().getvalue(), min(room, width() or room))


class _Context(click.Context):
    formatter_class = _Help


class _Commands(NamedCommands):
    """The commands, in the order in which a new user needs them, each loaded on first use."""

    context_class = _Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(
            f"policyengine.cli.{cmd_name.replace('-', '_')}"
        ).command
        for one in (command, *getattr(command, "commands", {}).values()):
            one.context_class = _Context
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="policyengine %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Write, check, test and evaluate access policies.

    A policy set is a folder of `.policy` files: the vocabulary of your service, rules that permit
    or forbid, and tests of them. A request is answered with allow or deny, and always with the
    reason.

    \b
    A first set, from nothing:
      policyengine init shop                                  a folder that works
      policyengine check shop                                 names, types, soundness
      policyengine test shop                                  the tests written beside the rules
      policyengine decide shop --request shop/request.json    one request
      policyengine explain shop --request shop/request.json   why, gate by gate

    \b
    Exit codes, of every command:
      0  fine
      1  findings, or failing tests
      2  misuse or unreadable input: one line on standard error says which
      3  of `prove`: some invariant is not settled, and none is broken
         of `log verify`: a crash cut a line, and nothing else is wrong

    Every PATH may be a file, a folder, or `-` for standard input; of a folder, every `.policy`
    file below it is read, and all PATHs together are one policy set. Colour is used on a terminal only, and never where
    NO_COLOR is set; lines are fitted into the terminal, or into the COLUMNS that are set.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0


def main() -> None:
    """Run `policyengine` and leave with its exit code."""
    if "stdout" in _opened_streams():
        sys.exit(_fail("standard output is closed"))
    asked_by_shell = os.environ.get(COMPLETION)
    if asked_by_shell:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(cli, {}, _NAME, COMPLETION, asked_by_shell))
    for ending in ENDING:
        if signal.getsignal(ending) is signal.SIG_DFL:  # else it is ignored, as `nohup` has it
            with suppress(ValueError):  # in a thread, which none reaches
                signal.signal(ending, _end)
    # A command ends soon and keeps what it reads: collecting garbage costs time, and frees little.
    gc.disable()
    sys.exit(run(sys.argv[1:]))


class _Ended(BaseException):
    """A signal that ends the command, which first removes what is not finished."""


def _end(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise _Ended(number)


def run(arguments: Sequence[str]) -> int:
    """Run `policyengine` with *arguments* and return its exit code; never raises."""
    _write_whatever_it_is(sys.stdout, sys.stderr)
    try:
        with cli.make_context(_NAME, list(arguments)) as context:
            code: int = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:  # after `--help` and `--version`
        code = leaving.exit_code
    except click.UsageError as problem:
        path = problem.ctx.command_path if problem.ctx else "policyengine"
        message = _worded(problem).strip().rstrip(".")
        return _fail(f"{message[:1].lower()}{message[1:]} (see `{path} --help`)")
    except FailingInput as problem:
        return _fail(*problem.args)
    except BrokenPipeError:
        # Whoever read has enough, as `head` does. Python would flush once more, and complain.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        return 128 + _SIGPIPE  # as shells do it
    except KeyboardInterrupt:
        return _fail("interrupted", code=128 + signal.SIGINT)
    except _Ended as ended:
        return _fail("terminated", code=128 + int(ended.args[0]))
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        return _fail(f"`{problem.filename}`: {reason}" if problem.filename else reason)
    return code


def _worded(problem: click.UsageError) -> str:
    """Return what click says of misuse, without words of Python's."""
    if isinstance(problem, click.NoSuchOption):
        from policyengine.diagnostics.spell import did_you_mean

        params = problem.ctx.command.params if problem.ctx else ()
        help = did_you_mean(problem.option_name, [name for one in params for name in one.opts])
        return f"there is no option `{problem.option_name}`" + (f"; {help}" if help else "")
    return _NO_NUMBER.sub("is no number", problem.format_message())


def _fail(line: str, *more: str, code: int = MISUSE) -> int:
    """Report a failure in one line, and *more* in a list, fitted into a terminal, and return its exit code."""
    first, *others = (" ".join(one.split()) for one in (line, *more))
    complain(first, *others)
    return code


def _opened_streams() -> list[str]:
    """Open the standard streams that were closed when the process began, on nothing, and return their names.

    Python has None in their place, and the next file that is opened would get their number, and what is printed.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        stream = open(os.devnull, "r" if name == "stdin" else "w")  # noqa: SIM115, PTH123 - to the end of the process
        setattr(sys, name, stream)
    return closed


def _write_whatever_it_is(*streams: object) -> None:
    """Make the streams escape characters that their encoding lacks, instead of raising."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
