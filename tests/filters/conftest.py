"""Start a PostgreSQL for the tests: private, on a socket in a folder of its own, and never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
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
    pytest.importorskip("psycopg", reason="psycopg is in the extra `postgres`")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: `make postgresql`")
    as_other = (
        {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    )
    with tempfile.TemporaryDirectory() as name:  # short, as the name of a socket must be
        folder = Path(name)
        if as_other:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)

        def run(program: str, *arguments: str) -> None:
            log = subprocess.run(  # noqa: PLW1510 - what it printed is shown
                [programs / program, "-D", folder / "data", *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                **as_other,
            )
            assert log.returncode == 0, log.stdout

        run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
            engine = sa.create_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "CREATE COLLATION insensitive"
                    " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
                )
            yield engine
            engine.dispose()
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
