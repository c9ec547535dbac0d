"""A child that is forked while other threads work finds nothing locked, and decides."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole import share

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "policyengine"

FORK = """
import gc, os, signal, sys, threading, time

def forked(work):
    '''Return how a child ends that does *work*: 0 if it gives something true; None if it hangs.'''
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            ended = 0 if work() else 2
        finally:
            os._exit(ended)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

def begun(work):
    '''Have another thread do *work*, which waits for something that never comes.'''
    def do():
        work(threading.Event().wait)
    threading.Thread(target=do, daemon=True).start()
    time.sleep(0.2)
"""


def run(code: str, *arguments: str) -> list[str]:
    """Run *code*, which may fork, in a process of its own; return what it prints."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-W", "ignore", "-c", FORK + code, *arguments]
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stderr == ""
    return done.stdout.split()


WHILE_OTHERS_COMPILE = """
from policyengine import DecisionCache, PolicyEngine
sys.setswitchinterval(1e-6)
text = '''package t entity User { n: int, kinds: set<Kind> } entity Doc { n: int } enum Kind = a | b
action go, see, ask by User on Doc with { by?: { n: int } }
permit p: any when subject.n > resource.n and Kind.a in subject.kinds because "{subject.n}"
'''

def parts(n):
    return (
        {"type": "User", "id": "u", "properties": {"n": n, "kinds": ["a"]}},
        {"type": "Doc", "id": "d", "properties": {"n": 1}},
    )

def ask(engine, n):
    subject, resource = parts(n)
    bound, cache = engine.bind(engine.entity("User", "u", n=n, kinds=["b"])), DecisionCache(engine)
    for action in ("go", "see", "ask"):
        assert engine.decide(subject, action, resource).reason == str(n)
        bound.decide(action, engine.entity("Doc", "d", n=1)).to_bytes()
        cache.decide(subject, action, resource)
    return True

def work(number):
    for turn in range(10**9):
        ask(PolicyEngine.from_text(text + f"permit q: go when resource.n == 1{number}{turn}"), 7)

warm = PolicyEngine.from_text(text)
for number in range(3):
    threading.Thread(target=work, args=[number], daemon=True).start()
for _ in range(int(sys.argv[1])):
    time.sleep(0.05)
    ended = forked(lambda: ask(warm, 7) and ask(PolicyEngine.from_text(text + "# new"), 8))
    print(ended, flush=True)
os._exit(0)
"""


def test_children_decide_while_other_threads_load_and_compile():
    times = share(6, 2)
    assert run(WHILE_OTHERS_COMPILE, str(times)) == ["0"] * times


A_FILE = """
import tempfile
from policyengine import PolicyHolder
file = os.path.join(tempfile.mkdtemp(), "a.policy")
text = "package t entity U entity D action go by U on D permit p: go "

def write(text):
    with open(file + "~", "w") as out:
        out.write(text)
    os.replace(file + "~", file)

write(text)
"""

HOLDING = """
def taken_over():
    before = holder.engine
    write(text + "# another")
    while holder.engine is before:
        time.sleep(0.01)
    return holder.reload() and holder.last_error is None

holder = PolicyHolder(file, poll=0.01, quiet=0.01)
begun(lambda wait: (holder._reloading.lock.acquire(), holder._swapping.lock.acquire(), wait()))
print(forked(taken_over), flush=True)
os._exit(0)
"""


def test_a_child_watches_the_files_of_a_holder_whatever_its_parent_was_doing():
    assert run(A_FILE + HOLDING) == ["0"]


LOADING = """
from policyengine.reloading import policy_files

def taken_over():
    before, until = holder.engine, time.monotonic() + 20
    while holder.engine is before and time.monotonic() < until:
        time.sleep(0.01)
    return holder.engine is not before

def reload(wait):
    policy_files._RECENT = 0  # what changed just now is looked at again in any case
    policy_files._run_tests = lambda *_: os.getpid() == parent and wait()
    write(text + "# another")
    holder.reload()

policy_files._run_tests = lambda *_: None
parent, holder = os.getpid(), PolicyHolder(file, poll=0.01, quiet=0.01, tests=True)
begun(reload)
print(forked(taken_over), flush=True)
os._exit(0)
"""


def test_a_child_loads_what_its_parent_was_loading():
    assert run(A_FILE + LOADING) == ["0"]


@pytest.mark.parametrize(
    "code",
    [
        """
from policyengine.model import entities, records
from policyengine.model.types import EntityType, RecordType
for registry, making, type_, other in (
    (entities._classes, entities._make, EntityType("E", (), ()), EntityType("F", (), ())),
    (records._classes, records._make, RecordType(()), None),
):
    registry._make = lambda _: wait()
    begun(lambda waiting: (globals().update(wait=waiting), registry(type_)))
    registry._make = making
    print(forked(lambda: registry(type_) and registry(other or type_)))
""",
        """
from policyengine.concurrency import cached_property
class Owner:
    @cached_property
    def made(self):
        return self.make()
first, second = Owner(), Owner()
second.make = lambda: 1
begun(lambda wait: (setattr(first, "make", wait), first.made))
print(forked(lambda: second.made))
""",
        """
from policyengine.runtime.gc_pause import gc_paused
def paused(wait):
    with gc_paused():
        wait()
begun(paused)
assert not gc.isenabled()
def collects():
    with gc_paused():
        assert not gc.isenabled()
    return gc.isenabled()
print(forked(collects))
""",
        """
from policyengine.compiler import code_templates
def parsing(wait):
    with code_templates._parsing.lock:
        wait()
begun(parsing)
print(forked(lambda: code_templates._parsing.lock.acquire(timeout=5)))
""",
    ],
    ids=["classes", "cached properties", "garbage", "templates"],
)
def test_what_another_thread_is_in_the_middle_of_stops_no_child(code: str):
    assert set(run(code + "\nsys.stdout.flush()\nos._exit(0)")) == {"0"}


IMPORTING = """
from policyengine.engine import PolicyEngine
before = set(sys.modules)
if sys.argv[1] == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
assert forked(lambda: True) == 0
assert "logging" not in sys.modules
loaded = set(sys.modules) - before
from tests.every_way import answers, policy
answers(PolicyEngine.from_text(policy()))
ours = {name for name in set(sys.modules) - before if name.startswith("policyengine.")}
print(len(loaded & ours), *sorted(ours - loaded))
sys.stdout.flush()
os._exit(0)
"""


def test_what_is_loaded_later_is_loaded_before_a_fork_where_a_thread_might_be_loading_it():
    loaded, *later = run(IMPORTING, "threads")
    assert int(loaded) > 50
    assert {name.split(".")[1] for name in later} <= {"syntax"}  # which needs `logging`
    loaded, *_ = run(IMPORTING, "none")
    assert int(loaded) == 0


# ---- locks ------------------------------------------------------------------------------

LOCKING = {
    "adapters/enforcement.py": {"asyncio"},  # of the loop of who asks
    "cli/output.py": {"Timer"},  # of a command
    "concurrency.py": {
        "RLock",
        "Thread",
    },  # a lock that a child finds open, and a process of its own
    "record/decision_log.py": {
        "Condition",
        "RLock",
        "Thread",
        "get_ident",
    },  # a child records nothing there
    "model/settings.py": {"TIMEOUT_MAX"},  # a number
    "reloading/holder.py": {"Event", "Thread"},  # which a child has anew
    "tables/table_job.py": {"Thread"},  # of a process of its own
    "sources/sourced_engine.py": {"Future", "asyncio"},  # of the loop of who asks
    "syntax/parallel.py": {"Thread"},  # that waits for another process
}
"""Who may use what of `threading`."""

BETWEEN = {"threading", "_thread", "queue", "multiprocessing.synchronize", "asyncio"}


def used_between_threads(file: Path) -> set[str]:
    """Return what a file imports of the modules that have locks."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                found |= {alias.name for alias in names} & BETWEEN
            case ast.ImportFrom(module=str(module), names=names) if module in BETWEEN:
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module="functools", names=names):
                found |= {alias.name for alias in names} & {"cached_property"}  # it has one in 3.11
    return found


def test_nobody_has_a_lock_that_a_child_might_find_held():
    found = {
        file.relative_to(PACKAGE).as_posix(): used_between_threads(file)
        for file in PACKAGE.rglob("*.py")
    }
    assert {file: used for file, used in found.items() if used} == LOCKING
