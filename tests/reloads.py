"""Reload a policy set again and again while threads and an event loop decide, one in ten of the sets broken.

`python -m tests.reloads --count 1000` reloads a set of two rules as often; with `--set policies/x`, that set,
asked the requests in its folder. `--versions 20`: as many versions take turns, and what was compiled for one is kept
(`cache=`), as services do whose sets are compiled before they are given out. No decision may fail, none may be of two
sets at once, and no engine may stay that nobody holds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from attrs import define, field

from policyengine import PolicyEngine, PolicyHolder

_THREADS = 4
_BROKEN = 10
"""One of so many sets is broken."""

_FAULTS: tuple[bytes | None, ...] = (b"\npermit", None, b"\xff", b"", b"\npermit ghost: haunt\n")
"""What breaks a set: its end; nothing for files that are empty, None for a folder that is not there."""

USER: Any = {"type": "Reloader", "id": "ann"}


def policy(version: int) -> str:
    """Return a set in which two files say which version they are of: each decision shows both."""
    return f"""
package reloads
entity Reloader
entity Sheet
action see by Reloader on Sheet
gate first "the first file" for see
gate second "the second file" for see
gate first {{ permit one: see when resource == Sheet "s" because "first {version}" }}
"""


def second(version: int) -> str:
    """Return the other file of that version."""
    return f"""
package reloads
gate second {{ permit two: see when subject == Reloader "ann" because "second {version}" }}
"""


@define
class Seen:
    """What was seen while sets were reloaded: times in microseconds, and what must not be."""

    decided: int = 0
    wrong: list[str] = field(factory=list)
    before: list[float] = field(factory=list)
    during: list[float] = field(factory=list)
    requests: list[tuple[bytes, Any]] = field(factory=list)

    def p99(self, times: list[float]) -> float:
        """Return the time that 99 of 100 decisions take at most."""
        return quantiles(times, n=100)[98] if len(times) > 1 else 0.0


def reload_often(
    count: int,
    folder: Path,
    *,
    real: Path | None = None,
    pause: float | None = None,
    versions: int | None = None,
) -> Seen:
    """Reload *count* times in *folder* under load; *real*: a set whose versions are loaded, in place of two rules.

    *pause*: the seconds between two decisions of a thread. *versions*: how many sets take turns, kept in a cache; else
    each is another one.
    """
    current = folder / "current"
    _switch(current, _written(folder, 0, 0, real))
    holder = PolicyHolder(current, cache=False if versions is None else folder / "cache")
    seen, stop, old = Seen(), Event(), list[weakref.ref[PolicyEngine]]()
    seen.requests = [] if real is None else [*_requests(holder.engine, real)]
    assert seen.requests or real is None
    times = seen.before
    threads = [
        Thread(target=_decide, args=(holder, seen, stop, lambda: times, pause))
        for _ in range(_THREADS)
    ]
    threads.append(Thread(target=lambda: asyncio.run(_decide_in_loop(holder, seen, stop, pause))))
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    times = seen.during
    for version in range(1, count + 1):
        before = holder.engine
        broken = version % _BROKEN == 0
        text = version if versions is None else version % versions
        made = _written(folder, version, text, real)
        if broken:
            _spoil(made, _FAULTS[version // _BROKEN % len(_FAULTS)])
        _switch(current, made)
        if holder.reload() == broken:
            seen.wrong.append(f"version {version}: {holder.last_error}")
        if broken != (holder.engine is before):
            seen.wrong.append(f"version {version} did not take over, or a broken one did")
        if not broken:
            old.append(weakref.ref(before))
        del before
        shutil.rmtree(folder / f"v{version - 1}", ignore_errors=True)
    stop.set()
    for thread in threads:
        thread.join()
    gc.collect()
    alive = sum(engine() is not None for engine in old)
    if alive:
        seen.wrong.append(f"{alive} engines are alive that nobody holds")
    return seen


def _written(folder: Path, number: int, version: int, real: Path | None) -> Path:
    """Write the files of a version into a folder of that number."""
    made = folder / f"v{number}"
    if real is None:
        made.mkdir()
        (made / "first.policy").write_text(policy(version), encoding="utf-8")
        (made / "second.policy").write_text(second(version), encoding="utf-8")
    else:
        shutil.copytree(real, made)
    with min(made.rglob("*.policy")).open("ab") as first:
        first.write(f"\n# version {version}\n".encode())
    return made


def _spoil(made: Path, fault: bytes | None) -> None:
    """Break a set."""
    if fault is None:
        shutil.rmtree(made)
        return
    for file in made.rglob("*.policy"):
        if not fault:
            file.write_bytes(b"")
    with min(made.rglob("*.policy")).open("ab") as first:
        first.write(fault)


def _switch(current: Path, to: Path) -> None:
    """Let a link lead elsewhere, in one step."""
    made = current.with_name("next")
    made.symlink_to(to, target_is_directory=True)
    made.replace(current)


def _decide(
    holder: PolicyHolder,
    seen: Seen,
    stop: Event,
    times: Callable[[], list[float]],
    pause: float | None,
) -> None:
    while not stop.is_set():
        start = time.perf_counter()
        _ask(holder, seen)
        times().append((time.perf_counter() - start) * 1e6)
        if pause is not None:
            time.sleep(pause)


async def _decide_in_loop(
    holder: PolicyHolder, seen: Seen, stop: Event, pause: float | None
) -> None:
    while not stop.is_set():
        _ask(holder, seen)
        await asyncio.sleep(pause or 0)


def _ask(holder: PolicyHolder, seen: Seen) -> None:
    try:
        engine = holder.engine
        if seen.requests:
            _ask_real(engine, seen)
            return
        sheet = {"type": "Sheet", "id": "s"}
        decision = engine.decide(USER, "see", sheet)
        seen.decided += 1
        said = [part.split()[-1] for part in decision.reason.split("; ")]
        if not decision.allowed or len(said) != 2 or len(set(said)) != 1:
            seen.wrong.append(f"mixed: {decision.reason}")
        if decision.policy_digest != engine.digest:
            seen.wrong.append("a decision is of another set")
    except Exception as problem:  # noqa: BLE001 - a decision that was dropped, whatever for
        seen.wrong.append(f"dropped: {problem!r}")


def _ask_real(engine: PolicyEngine, seen: Seen) -> None:
    """Ask a request of a shipped set, which is decided equally by all versions."""
    seen.decided += 1
    data, expected = seen.requests[seen.decided % len(seen.requests)]
    decision = engine.decide_request(data, accept_now=True)
    if (decision.allowed, decision.cause, decision.rules) != expected:
        seen.wrong.append(f"decided otherwise: {decision.reason}")
    if decision.policy_digest != engine.digest:
        seen.wrong.append("a decision is of another set")


def _requests(engine: PolicyEngine, real: Path) -> Iterator[tuple[bytes, Any]]:
    """Give the requests in the folder of a set, and how each is decided."""
    for file in sorted(real.rglob("*.json")):
        data = file.read_bytes()
        decision = engine.decide_request(data, accept_now=True)
        if decision.cause != "invalid_request":
            yield data, (decision.allowed, decision.cause, decision.rules)


def main() -> int:
    """Reload as often as asked; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.reloads", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="how many sets")
    parser.add_argument(
        "--set", type=Path, help="a folder of policies with requests, in place of two rules"
    )
    parser.add_argument("--versions", type=int, help="how many sets take turns")
    parser.add_argument("--pause", type=float, help="seconds between two decisions of a thread")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        seen = reload_often(
            options.count,
            Path(folder),
            real=options.set,
            pause=options.pause,
            versions=options.versions,
        )
    sys.stdout.write(
        f"{options.count:,} reloads, {seen.decided:,} decisions; p99 {seen.p99(seen.before):.0f} µs before and"
        f" {seen.p99(seen.during):.0f} µs meanwhile; {len(seen.wrong)} dropped, mixed or kept\n"
    )
    sys.stdout.writelines(f"{one}\n" for one in seen.wrong[:10])
    return 1 if seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
