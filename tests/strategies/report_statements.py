"""State the law of reports: who sees which field by which action under which settings is what is decided.

What a page says is put together from rules that the reference interpreter judged one by one; it is compared with the
decision of the compiled program on the whole request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from random import Random

from msgspec.structs import replace

from policyengine.analysis.places import changed
from policyengine.model.masks import detail, field_and_mask, spelled
from policyengine.pipeline import LoadedSet, load_set, read_sources
from policyengine.reporting.answer_tables import AnswerTable, TablePart, answer_tables
from policyengine.reporting.report_budget import ReportBudget
from policyengine.reporting.situations import find_situations
from policyengine.reporting.variations import Variations, shown_fields
from policyengine.semantics.checked import CheckedRule

NOW = 1_800_000_000_000_000


def tables_of(path: str) -> tuple[LoadedSet, list[AnswerTable]]:
    """Return a policy set and the tables of its report."""
    sources, found = read_sources([path])
    loaded = load_set(sources, found=found)
    assert isinstance(loaded, LoadedSet)
    checked, budget = loaded.checked(), ReportBudget(10**9)
    situations = find_situations(checked, loaded.program, budget, NOW, internal=False)
    variations = Variations(checked, loaded.program, situations, budget, internal=False)
    return loaded, list(answer_tables(variations))


def statements(path: str, each: int, rng: Random) -> Iterator[tuple[int, str]]:
    """Choose *each* combinations of each table; give how many statements were compared, and what disagrees."""
    loaded, tables = tables_of(path)
    for table in tables:
        resource = loaded.program.schema.entities[table.situation.request.resource.type]
        factors = {factor.key: factor for part in table.parts for factor in part.factors}
        for _ in range(each):
            chosen = {key: rng.randrange(len(one.options)) for key, one in factors.items()}
            changes = [c for key, one in factors.items() for c in one.options[chosen[key]][1]]
            request = replace(table.situation.request, fields=None)
            decision = loaded.program.decide(changed(request, tuple(changes)))
            counting = [part.rule for part in table.parts if part.counts[_index(part, chosen)]]
            forbidding = sorted(rule.id for rule in counting if rule.effect == "forbid")
            opened = {rule.gate for rule in counting if rule.effect == "permit"}
            gates = loaded.program.schema.gates_of(table.situation.target)
            shut = set(gates.names) - opened
            said = not (forbidding or shut)
            shown = _shown(counting, resource.name, gates.fields or ()) if said else ()
            decided = (shown_fields(decision) or ()) if decision.allowed else ()
            agree = (
                said is decision.allowed
                and shown == decided
                and forbidding == sorted(decision.rules if decision.cause == "forbidden" else ())
                and shut == {gate for gate, opened in decision.gates.items() if not opened}
            )
            yield 1 + len(resource.attributes), "" if agree else f"{request.action}: {chosen}"


def _index(part: TablePart, chosen: dict[str, int]) -> int:
    index = 0
    for factor in part.factors:
        index = index * len(factor.options) + chosen[factor.key]
    return index


def _shown(counting: list[CheckedRule], resource: str, gates: Collection[str]) -> tuple[str, ...]:
    """Return what the field *gates* show: of each field what the gate shows that shows least."""
    of_gates = []
    for gate in gates:
        given = [
            field_and_mask(field)
            for rule in counting
            if rule.gate == gate and rule.effect != "forbid"
            for field in (rule.fields or {}).get(resource, ())
        ]
        of_gates.append(dict(sorted(given, key=lambda one: detail(one[1]))))
    if not of_gates:
        return ()
    names = set.intersection(*map(set, of_gates))
    least = {name: min((one[name] for one in of_gates), key=detail) for name in names}
    return tuple(sorted(n if mask is None else spelled(n, mask) for n, mask in least.items()))
