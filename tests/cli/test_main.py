"""Hold what all commands share: help, exit codes, one line for misuse, and what is interrupted."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from policyengine import __version__
from policyengine.cli import check, main
from policyengine.cli.main import cli
from tests.whole import some

COMMANDS = (
    "check",
    "fmt",
    "test",
    "decide",
    "explain",
    "who",
    "what",
    "compile",
    "init",
    "completion",
)
POLICYENGINE = [sys.executable, "-c", "from policyengine.cli.main import main; main()"]


def test_version(run):
    assert run("--version").out == f"policyengine {__version__}\n"
    assert run("-V").code == 0


def test_the_version_loads_the_command_line_and_nothing_of_the_language():
    """Loading modules is what takes time before a command begins."""
    code = "import atexit; atexit.register(lambda: print(*sys.modules))"
    done = subprocess.run(
        [*POLICYENGINE[:2], f"import sys; {code}; {POLICYENGINE[2]}", "--version"],
        check=True,
        capture_output=True,
        text=True,
    )
    ours = {name for name in done.stdout.split() if name.startswith("policyengine.")}
    assert ours == {
        "policyengine.cli",
        "policyengine.cli.groups",
        "policyengine.cli.main",
        "policyengine.cli.output",
        "policyengine.version",
    }


def test_help_lists_every_command_with_what_it_does(run):
    done = run("--help")
    assert done.code == 0
    for name in COMMANDS:
        (line,) = [line for line in done.out.splitlines() if line.startswith(f"  {name} ")]
        assert len(line.split()) > 3
    assert "Exit codes" in done.out


def test_without_a_command_it_helps(run):
    assert run().out == run("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples_and_a_format(run, name: str):
    done = run(name, "--help")
    assert done.code == 0
    assert f"\n    policyengine {name} " in done.out or f"\n  policyengine {name} " in done.out
    assert "--format" in done.out
    assert run(name, "-h").out == done.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["chek"], "there is no command `chek`; did you mean `check`? (see `policyengine --help`)"),
        (["--", "-x"], "there is no command `-x` (see `policyengine --help`)"),
        (["zzz"], "there is no command `zzz` (see `policyengine --help`)"),
        (
            ["log", "verfy", "decisions"],
            "there is no command `verfy`; did you mean `verify`? (see `policyengine log --help`)",
        ),
        (["log", "-x"], "there is no option `-x` (see `policyengine log --help`)"),
        (["check"], "missing argument 'PATH...' (see `policyengine check --help`)"),
        (["check", "missing"], "`missing` cannot be read: no such file or directory"),
        (["test", "missing"], "`missing` cannot be read: no such file or directory"),
        (["fmt", "missing"], "`missing` cannot be read: no such file or directory"),
        (["compile", "missing"], "`missing` cannot be read: no such file or directory"),
        (["decide", "missing", "-r", "x"], "`missing` cannot be read: no such file or directory"),
        (["explain", "missing", "-r", "x"], "`missing` cannot be read: no such file or directory"),
        (["check", "empty"], "there is no policy file in `empty`"),
        (["fmt", "empty"], "there is no policy file in `empty`"),
        (["test", "empty"], "there is no policy file in `empty`"),
    ],
)
def test_misuse_is_one_line(fails, arguments: list[str], line: str):
    Path("empty").mkdir()
    assert fails(*arguments) == line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nope"], "there is no option `--nope` (see `policyengine --help`)"),
        (
            ["check", "--formt", "json", "x"],
            "there is no option `--formt`; did you mean `--format`? (see `policyengine check --help`)",
        ),
        (["-x"], "there is no option `-x` (see `policyengine --help`)"),
        (
            ["decide", "x", "--requst", "y"],
            "there is no option `--requst`; did you mean `--request`? (see `policyengine decide --help`)",
        ),
        (
            ["lint", "x", "--budget", "long"],
            "invalid value for '--budget': 'long' is no number (see `policyengine lint --help`)",
        ),
        (
            ["test", "x", "--jobs", "1.5"],
            "invalid value for '--jobs': '1.5' is no number (see `policyengine test --help`)",
        ),
    ],
)
def test_an_option_that_is_not_there_and_a_value_that_is_no_number_are_one_line(
    fails, arguments: list[str], line: str
):
    assert fails(*arguments) == line


def test_what_cannot_be_read_is_one_line(fails):
    Path("gone.policy").symlink_to("nowhere")
    assert fails("check", "gone.policy").startswith("`gone.policy` cannot be read")


def test_a_name_that_would_steer_the_terminal_is_shown_without_that(fails):
    assert "\ufffd[31m\ufffd" in fails("check", "\x1b[31m\u202e")


def test_an_interruption_is_one_line(run, monkeypatch):
    def interrupted(**_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check.command, "callback", interrupted)
    done = run("check", "x")
    assert (done.code, done.out, done.err) == (130, "", "policyengine: interrupted\n")


def test_an_error_of_the_system_is_one_line(fails, shop: Path):
    assert fails("test", shop, "--junit", "no/such/folder.xml").startswith("`no/such/folder.xml`")


def test_an_error_of_the_system_without_a_file(fails, monkeypatch):
    def full(**_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(check.command, "callback", full)
    assert fails("check", "x") == "no space left on device"


def test_main_leaves_with_the_exit_code(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["policyengine", "chek"])
    monkeypatch.setattr(main.gc, "disable", lambda: None)  # this process goes on
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "PE301"], ["lint", "--rules"]])
def test_a_closed_output_is_silent(arguments: list[str]):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [*POLICYENGINE, *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    ("closed", "arguments", "code", "said"),
    [
        (">&-", "check shop", 2, "policyengine: standard output is closed\n"),
        (">&-", "--help", 2, "policyengine: standard output is closed\n"),
        ("2>&-", "chek shop", 2, ""),
        (">&- 2>&-", "check shop", 2, ""),
        ("<&-", "decide shop --request -", 2, "policyengine: `-`: the document is not JSON"),
    ],
)
def test_streams_that_were_closed_before(
    shop: Path, closed: str, arguments: str, code: int, said: str
):
    command = " ".join(map(shlex.quote, POLICYENGINE))
    done = subprocess.run(
        ["sh", "-c", f"{command} {arguments} {closed}"],
        cwd=shop.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", ["check", "lint", "prove", "fmt", "test", "reads", "report --out site"]
)
def test_a_link_to_itself_is_one_line(fails, tmp_path: Path, monkeypatch, command: str):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert fails(*command.split(), "loop").startswith("`loop`")


def test_it_runs_as_a_module(shop: Path):
    for module in ("policyengine", "policyengine.cli.main"):
        done = subprocess.run(
            [sys.executable, "-m", module, "check", str(shop)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "no mistakes" in done.stdout


def test_what_the_encoding_cannot_say_is_escaped():
    done = subprocess.run(
        [*POLICYENGINE, "check", "missing-日"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "missing-\\u65e5" in done.stderr


def test_the_scripts_of_completion_are_the_shells_own(run: Callable[..., object]):
    for shell in ("bash", "zsh", "fish"):
        done = run("completion", shell)
        assert done.code == 0
        assert "_POLICYENGINE_COMPLETE" in done.out
        assert run("completion", shell, "--format", "json").json == {
            "shell": shell, "script": done.out.removesuffix("\n"),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "word", "completions"),
    [
        ("policyengine de", 1, ["plain,decide"]),
        ("policyengine decide --ex", 2, ["plain,--exit-code"]),
        ("policyengine nope x", 2, []),
        ("policyengine compile --stop-after s", 3, ["plain,simplify"]),
        ("policyengine check ", 2, ["file,"]),
        ("policyengine lint shop --select superf", 4, ["plain,superfluous-permit"]),
        ("policyengine lint --ignore superf", 3, ["plain,superfluous-permit"]),
        ("policyengine explain PE30", 2, [*(f"plain,PE30{n}" for n in range(1, 10)), "file,PE30"]),
        ("policyengine explain uncovered-a", 2, ["plain,uncovered-action", "file,uncovered-a"]),
        ("policyengine explain ", 2, ["file,"]),
        ("policyengine reads shop --action ", 4, ["plain,comment", "plain,edit", "plain,read"]),
        ("policyengine compile shop --action r", 4, ["plain,read"]),
        ("policyengine compile missing --action r", 4, []),
        ("policyengine compile --action r", 3, []),
        ("policyengine prove more --invariant a", 4, ["plain,apart"]),
        ("policyengine test shop --fail-under m", 4, ["plain,mcdc=", "plain,mutation="]),
    ],
)
def test_completion_completes(
    shop: Path, capsys, monkeypatch, words: str, word: int, completions: list[str]
):
    Path("more").mkdir()
    Path("more", "p.policy").write_text("package p\ninvariant apart: never allow any when true\n")
    asked = {
        "_POLICYENGINE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(word),
    }
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 0
    done = capsys.readouterr()
    assert (done.out.split(), done.err) == (completions, "")


GIVEN = {
    "check": "shop", "lint": "shop", "prove": "shop", "fmt": "--check shop", "test": "shop", "reads": "shop", "conflicts": "shop",
    "stubs": "shop", "compile": "shop", "report": "shop --out site", "init": "new", "completion": "bash",
    "decide": "shop -r shop/request.json", "explain": "shop -r shop/request.json", "timeline": "shop -r shop/request.json",
    "who": "shop --action read --resource Document:plan --entities none.json",
    "what": "shop --subject User:ann --action read --entities none.json",
    "filter": "shop -r shop/request.json --mapping none:none --dialect sqlite",
    "verify-filter": "shop --mapping none:none --database sqlite://",
    "log verify": "shop", "log query": "shop", "log replay": "shop shop",
}  # fmt: skip
"""What each command is given besides the option that is tried."""


def _options() -> Iterator[tuple[str, str]]:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        below = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        for inner, one in below:
            for option in one.params:
                if isinstance(option, click.Option) and not option.is_flag:
                    yield f"{name} {inner}".strip(), option.opts[0]


@pytest.mark.parametrize(
    ("command", "option", "text"),
    some(
        [(*one, text) for one in _options() for text in ("", "\udcff", "é\u202e\n")],
        2,  # of each option a text or two
    ),
)
def test_no_text_of_an_option_is_a_traceback(run, shop: Path, command: str, option: str, text: str):
    done = run(*command.split(), *GIVEN[command].split(), option, text)
    assert done.code in {0, 1, 2}
    assert "\u202e" not in (done.out + done.err).encode().decode()


@pytest.mark.parametrize("out", [".", "/", "", ".."])
def test_a_folder_is_no_place_for_decisions(fails, shop: Path, out: str):
    Path("t.parquet").write_bytes(b"")
    assert fails("decide", shop, "--table", "t.parquet", "--out", out)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
@pytest.mark.parametrize(
    "command",
    ["check", "lint", "fmt --check", "test --coverage", "reads", "conflicts", "stubs", "compile", "report --out site",
     "check --format json", "lint --format json", "test --format json", "report ../shop --out other --against"],
)  # fmt: skip
def test_a_name_that_is_not_utf8_is_shown(run, shop: Path, command: str):
    odd = shop.parent / "odd\udcff"
    shutil.copytree(shop, odd)
    done = run(*command.replace("../shop", str(shop)).split(), odd)
    assert (done.code, done.err) == (0, "")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_a_process_shows_a_name_that_is_not_utf8(shop: Path):
    odd = shop.parent / "odd\udcff"
    shutil.copytree(shop, odd)
    done = subprocess.run(
        [*POLICYENGINE, "report", str(odd), "--out", "site"],
        capture_output=True, text=True, check=False, cwd=shop.parent,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
