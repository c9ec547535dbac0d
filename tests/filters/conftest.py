"""Start a PostgreSQL for the tests: private, on a socket in a folder of its own, and never as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa


def _programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else Path("/usr/lib/postgresql").glob("*/bin")
    return max(folders, key=lambda folder: folder.parts, default=None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[sa.Engine]:
    """An engine of a PostgreSQL of our own, or why there is none."""
    if "TEST_DATABASES" not in os.environ:
        pytest.skip("`make test-databases` starts PostgreSQL")
    if _programs() is None:
        pytest.skip("PostgreSQL is not installed: `make postgresql`")
    with started_postgresql() as engine:
        yield engine


@contextmanager
def started_postgresql() -> Iterator[sa.Engine]:
    """Start a server in a folder of its own, and stop it."""
    programs = _programs()
    assert programs is not None, "PostgreSQL is not installed: `make postgresql`"
    account = {"user": "postgres", "group": "postgres", "extra_groups": []}
    as_another = account if os.getuid() == 0 else {}  # it refuses to be root
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if as_another:
            shutil.chown(folder, "postgres", "postgres")

        def run(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [programs / program, "-D", folder / "data", *arguments],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, check=False, **as_another,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout

        run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c jit=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            engine = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={folder}")
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "CREATE COLLATION insensitive"
                    " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
                )
            yield engine
            engine.dispose()
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
