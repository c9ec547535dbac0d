"""What was made for an engine goes with the engine."""

from __future__ import annotations

import ast
import gc
import linecache
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import TypeGuard

import pytest

from policyengine import PolicyEngine
from policyengine.model.entities import Entity, entity_class
from policyengine.model.records import Record
from policyengine.model.types import INT, Attribute, EntityType
from tests.every_way import TEAM, USERS, answers, document, policy

PACKAGE = Path(__file__).resolve().parent.parent / "policyengine"


# ---- reloading --------------------------------------------------------------------------


@pytest.fixture(params=["from text", "compiled and kept", "from the cache"])
def reload(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Load a version of a set, ask it in every way, and let go of it; return what was made, weakly."""
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(tmp_path / "key"))

    def load(version: int) -> list[weakref.ref[object]]:
        if request.param == "from text":
            engine = PolicyEngine.from_text(policy(version))
        else:
            file = tmp_path / "every.policy"
            file.write_text(policy(version), encoding="utf-8")
            kept = tmp_path / "cache"
            engine = PolicyEngine.load(file, cache=kept)
            if request.param == "from the cache":
                engine = PolicyEngine.load(file, cache=kept)
            assert [*kept.iterdir()]
        assert answers(engine)
        made = [*engine._program._used.values()]
        for compiled in made:  # as a traceback does
            assert linecache.getlines(compiled.module["decide"].__code__.co_filename)
        classes = [class_ for compiled in made for class_ in compiled.classes]
        return [weakref.ref(one) for one in (engine, engine._program, *made, *classes)]

    return load


def ours() -> Counter[str]:
    """Count what there is of our making, by class."""
    for _ in range(3):
        gc.collect()
    return Counter(
        f"{made.__module__}.{made.__qualname__}"
        for one in gc.get_objects()
        # `isinstance` asks an object for its class, which runs code of lazy ones of libraries.
        for made in [type(one)]
        if str(made.__module__).startswith("policyengine")  # of some classes in C, no text
        or (issubclass(made, type) and issubclass(one, Entity | Record))
        or (made is FunctionType and one.__code__.co_filename.startswith("policy:"))
        or issubclass(made, BaseException)
    )


def test_lazy_objects_of_others_are_counted_without_running_them():
    class Lazy:
        @property  # as of objects that stand for others
        def __class__(self) -> type:
            raise LookupError

    lazy = Lazy()
    assert any(one is lazy for one in gc.get_objects())
    assert ours() == ours()


def classes() -> Iterator[type]:
    """Yield the classes of entities and records that are in use, of whatever engine."""
    for root in (Entity, Record):
        yield from root.__subclasses__()


def test_reloads_leave_nothing_behind(reload):
    reload(1)
    before, files = ours(), set(linecache.cache)
    for version in range(2, 4):
        reload(version)
    assert ours() - before == Counter()
    assert set(linecache.cache) - files == set()


def test_no_program_and_no_class_is_alive_after_a_reload(reload):
    gc.collect()
    before = set(classes())  # engines of other tests have records of equal types
    old = [made for version in range(10, 13) for made in reload(version)]
    for _ in range(3):  # classes are garbage when the engines that had values of them are gone
        gc.collect()
    assert [one for made in old if (one := made()) is not None and one not in before] == []


def test_a_class_lives_as_long_as_an_entity_of_it():
    def type_() -> EntityType:
        return EntityType("Only here", (), (Attribute("a", INT),))

    entity = entity_class(type_())("e", 1)
    made = weakref.ref(type(entity))
    gc.collect()
    assert entity_class(type_()) is made()
    del entity
    gc.collect()
    assert made() is None


def test_a_store_of_an_engine_that_is_gone_serves_another_of_equal_types():
    first = PolicyEngine.from_text(policy())
    store = first.store([TEAM, *USERS, document()])
    del first
    gc.collect()
    second = PolicyEngine.from_text(policy() + "# another text\n")
    ann = {"type": "User", "id": "ann"}
    plan = {"type": "Document", "id": "plan"}
    assert second.decide(ann, "read", plan, entities=store).allowed
    assert type(second.entity("Team", "t", parents=[])) is type(store["Team", "staff"])


# ---- what modules hold ------------------------------------------------------------------

BOUNDED = {
    "compiled_target._kept": "weak: it goes with the programs",
    "concurrency._owned": "weak: it goes with the objects that have a lock",
    "link._shared": "weak: it goes with the sets; of each, 4,096 rules",
    "decision_log._open_logs": "weak: it goes with the logs",
    "holder._watching": "weak: it goes with the holders",
    "decode._sets": "weak: it goes with the entities",
    "entities._classes": "weak: it goes with the entities, and with the code that makes some",
    "records._classes": "weak, like those of entities",
    "calendar_operations._day_later": "of days and months, the latest 4,096 pairs",
    "code_templates._makers": "of each template of our own, one",
    "generated._shown": "weak: it goes with what was compiled",
    "generated.linecache.cache": "taken back by a finalizer of what was compiled",
    "policyengine.globals()": "the public names",
    "several_sets._ACT": "one, in a process that only runs it",
    "time_zones.zone_of": "one for each time zone that schedules name",
    "calendar.next_turn": "of moments and schedules, the latest 4,096 pairs",
    "calendar._zone": "one for each time zone that schedules name",
    "processes._process": "one, in a process of its own",
    "table_job._WORK": "the one work of a process that decides rows",
    "mappings.sys.path": "the current folder of a command, once",
    "authorized_session._authorized_class": "the latest 16 classes of sessions",
    "authorized_models._guarded": "the latest 16 classes of cursors",
    "authorized_models.demanding_compiler": "the latest 64 classes of compilers of Django",
    "authorized_writes.governed_compiler": "the latest 64 classes of compilers of Django",
    "django_texts._is_said_by_django": "the latest 1,024 classes of parts of queries",
    "governed_models.DEMANDING": "weak: it goes with the models",
    "ibis_tables.pc": "nothing: Arrow's `add` adds numbers",
    "pushed_requests.pc": "nothing: as above",
    "row_requests._class_of_unfit": "the latest 64 classes of values that do not fit",
}
"""What is held by a module and may grow, each with what bounds it."""

GROWING = {"add", "append", "appendleft", "extend", "insert", "register", "setdefault", "update"}
CACHES = {"cache", "lru_cache", "cached", "cachedmethod"}


def may_grow(code: str) -> Iterator[str]:
    """Yield the names of what a module holds and something may be put into, later."""
    tree = ast.parse(code)
    held = set[str]()
    for node in tree.body:
        match node:
            case ast.Import(names=names):
                held |= {alias.asname or alias.name.partition(".")[0] for alias in names}
            case (
                ast.Assign(targets=[ast.Name(name)], value=value)
                | ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
            ):
                held.add(name)
                if is_state(value):
                    yield name
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=body) | ast.ClassDef(body=body):
                yield from (made.name for made in body if is_cached(made))
            case ast.FunctionDef():
                yield from written(node, held)
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    if isinstance(statement, ast.Assign) and is_state(statement.value):
                        yield f"{node.name}: {ast.unparse(statement)}"


def is_cached(made: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    """Whether a function remembers what it gave for each of its arguments."""
    if not isinstance(made, ast.FunctionDef):
        return False
    takes = made.args.args or made.args.posonlyargs or made.args.kwonlyargs
    return bool(takes) and any(named(decorator) in CACHES for decorator in made.decorator_list)


def is_state(value: ast.expr) -> bool:
    """Whether a value is there to have something put into it."""
    match value:
        case ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call(args=arguments, func=func):
            if not arguments and named(func) in {"dict", "list", "set", "bytearray"}:
                return True
            words = "Weak", "Registry", "Cache", "defaultdict", "OrderedDict", "deque", "Counter"
            return named(func) in CACHES or any(word in named(func) for word in words)
        case _:
            return False


def named(expression: ast.expr) -> str:
    """Return the name that is called, without what it is taken from or given."""
    match expression:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return named(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def written(function: ast.FunctionDef, held: set[str]) -> Iterator[str]:
    """Yield what is held by the module and *function* puts something into."""
    own, grown = set[str](), list[ast.expr]()
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                own.add(name)
            case ast.Global(names=names):
                yield from names
            case ast.Subscript(value=into, ctx=ast.Store()):
                grown.append(into)
            case ast.Call(func=ast.Attribute(value=into, attr=method)) if method in GROWING:
                grown.append(into)
    for into in grown:
        root = into
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        if isinstance(root, ast.Name) and (
            (root.id in held and root.id not in own) or root.id == "globals"
        ):
            yield ast.unparse(into)


def test_no_module_holds_what_grows_without_a_bound():
    found = set[str]()
    for file in PACKAGE.rglob("*.py"):
        module = file.parent.name if file.stem == "__init__" else file.stem
        found |= {f"{module}.{name}" for name in may_grow(file.read_text(encoding="utf-8"))}
    assert found == set(BOUNDED)


@pytest.mark.parametrize(
    "code",
    [
        "kept = {}",
        "kept: dict[str, str] = {}",
        "kept = dict()",
        "kept = WeakValueDictionary[str, object]()",
        "kept = LRUCache(maxsize=5)",
        "kept = [1]\ndef f(x):\n    kept.append(x)",
        "kept = {1: 2}\ndef f(x):\n    def g():\n        kept[x] = x",
        "import linecache\ndef f(x):\n    linecache.cache[x] = x",
        "kept = None\ndef f():\n    global kept",
        "@cache\ndef kept(x): ...",
        "@functools.lru_cache(maxsize=None)\ndef kept(x): ...",
        "class Held:\n    @lru_cache\n    def kept(self): ...",
        "kept = cache(made)",
        "class Held:\n    kept = {}",
    ],
)
def test_what_may_grow_is_found(code: str):
    assert [*may_grow(code)] != []


@pytest.mark.parametrize(
    "code",
    [
        "table = {1: 2}\ndef f(x):\n    return table[x]",
        "@cache\ndef only(): ...",
        "def f(x):\n    kept = {}\n    kept[x] = x",
        "kept = [1]\ndef f(kept):\n    kept.append(1)",
        "names = frozenset()",
    ],
)
def test_what_cannot_grow_is_not_found(code: str):
    assert [*may_grow(code)] == []
