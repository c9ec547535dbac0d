"""Make a filter: the rows of a table that a residual allows, as a predicate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.simplify import TRUE as ALWAYS
from policyengine.filters.fitting import Fitting
from policyengine.filters.lowering import Lowering
from policyengine.filters.mapping import TableMapping
from policyengine.filters.merging import merged
from policyengine.filters.predicates import (
    SUBJECT,
    TRUE,
    IsPresent,
    NotPushable,
    Predicate,
    both,
    either,
    negated,
)
from policyengine.filters.row_paths import RowPaths, Rows, Unsayable
from policyengine.model.entities import Key
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.gaps import CONTEXT, Gap, Search
from policyengine.model.gaps import RESOURCE as RESOURCE_PATH
from policyengine.model.gaps import SUBJECT as SUBJECT_PATH
from policyengine.model.needs import RequestNeeds
from policyengine.model.request_messages import Path, entity_name, is_private, path_text
from policyengine.model.values import to_datetime
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.junctions import junction, negation
from policyengine.partial.known_parts import KnownParts
from policyengine.partial.left_to_decide import allowed_if
from policyengine.partial.residual import Residual

_SAYS = "a filter"


class Filter(Struct, frozen=True, eq=False):
    """The rows of a table that are allowed.

    *predicate*: of the rows that fit and are allowed. *fits*: of those about which something can be decided
    at all; what the database sees to is not asked. *valid_until*: the moment until which it holds, None for
    ever. *remaining*: what is left to decide in Python about the rows of *predicate*, None if nothing is.
    *maker*: what it was made with.
    """

    table: str
    predicate: Predicate
    fits: Predicate
    valid_until: datetime | None
    remaining: Residual | None
    maker: FilterMaker

    if not TYPE_CHECKING:  # so that mypy reports `if filter:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError(
                "a filter is neither true nor false: ask for its rows, or `filter.predicate`"
            )

    def __repr__(self) -> str:
        return (
            f"<Filter of {self.table}>"  # the predicate has values of the subject, private ones too
        )

    @property
    def rows_that_do_not_fit(self) -> Predicate:
        """The rows about which nothing can be decided, also those that the database should not have.

        Raises `NotPushable` if no predicate says which these are.
        """
        return self.maker.merged(negated(self.maker.fits(trusts=False)))


def make_filter(residual: Residual, mapping: TableMapping, *, split: bool = False) -> Filter:
    """Return the filter of the rows that *residual*, of which the resource is unknown, allows.

    Raises `NotPushable` for the first clause that no predicate says; *split*: such clauses are left for
    Python. Raises `IncompleteMapping` for what the mapping lacks, and `InvalidRequest` if subject and context
    lack what rules read, so that every request would.
    """
    problem = _not_of_rows(residual.basis.known, "resource")
    if problem:
        raise ValueError(
            "a filter needs a residual of a whole subject and a whole context, without a resource: "
            + problem
        )
    return _filter(residual, mapping, "resource", split=split)


def make_subject_filter(
    residual: Residual, mapping: TableMapping, *, split: bool = False
) -> Filter:
    """Return the filter of the rows of subjects that *residual*, of which the subject is unknown, allows.

    Raises as `make_filter` does.
    """
    problem = _not_of_rows(residual.basis.known, "subject")
    if problem:
        raise ValueError(
            "this needs a residual of a whole resource and a whole context, without a subject: "
            + problem
        )
    return _filter(residual, mapping, "subject", split=split)


def _filter(residual: Residual, mapping: TableMapping, rows: Rows, *, split: bool) -> Filter:
    _check_known(residual)
    maker = FilterMaker(residual, mapping, split=split, rows=rows)
    fits = maker.fits()
    condition, left = maker.condition(residual.condition)
    until = residual.valid_until
    if maker.lowering.moves:
        now = residual.basis.known.now
        assert now is not None
        until = to_datetime(now + 1)
    remaining = None if maker.fits_exactly and left == ALWAYS else replace(residual, condition=left)
    table = mapping.table_of(maker.lowering.paths.row_type).table
    return Filter(
        table, maker.merged(both([fits, condition])), maker.merged(fits), until, remaining, maker
    )


def make_filter_by_subject(residual: Residual, mapping: TableMapping) -> Filter:
    """Return the filter of the rows that are allowed whoever the subject is, and at whatever time.

    Of *residual*, subject and resource are unknown. The predicate speaks of the row of the subject (`SUBJECT`), which
    must be there, and of the time (`CLOCK`). Raises as `make_filter` does.
    """
    known = residual.basis.known
    roots = {path[0] for path in known.unknown}
    if (
        (known.subject, known.resource) != (None, None)
        or known.context is None
        or "context" in roots
    ):
        raise ValueError("this needs a residual of a whole context, without subject and resource")
    _check_known(residual)
    basis = replace(residual.basis, known=replace(known, now=None))
    condition = allowed_if(basis.left, mapping.schema.gates_of(residual.target))
    maker = FilterMaker(replace(residual, basis=basis), mapping, split=False)
    fits = maker.fits()
    allowed, _ = maker.condition(condition)
    table = mapping.table_of(residual.target[2]).table
    return Filter(table, maker.merged(both([fits, allowed])), maker.merged(fits), None, None, maker)


def _not_of_rows(known: KnownParts, rows: Rows) -> str:
    """Return why what is known is not all but the part that rows are, or an empty string."""
    given: Rows = "subject" if rows == "resource" else "resource"
    if getattr(known, rows) is not None:
        return f"`{rows}` is given"
    if getattr(known, given) is None:
        return f"`{given}` is not given"
    if known.context is None:
        return "`context` is not given (`{}` is one without anything)"
    unknown = [".".join(path) for path in known.unknown if path[0] != rows]
    return f"`{min(unknown)}` is unknown" if unknown else ""


def _check_known(residual: Residual) -> None:
    """Raise `InvalidRequest` for what the known parts lack."""
    basis, known = residual.basis, residual.basis.known
    needs = RequestNeeds()
    for rule in basis.rules:
        needs |= RequestNeeds() if rule.advisory else rule.needs

    def place(_: Key, path: Path) -> Path:
        return path

    search = Search(known.entities.get, place, known.entities.get, basis.limits.ancestors_of_type)
    if known.subject is not None:
        search.entity(known.subject, needs.subject, SUBJECT_PATH)
    if known.resource is not None:
        search.entity(known.resource, needs.resource, RESOURCE_PATH)
    search.record(known.context, needs.context, CONTEXT)
    said = f"rules for `{residual.target[0]}`"
    problems = {path_text(gap.path): _problem(gap, said) for gap in search.gaps}
    if problems:
        raise InvalidRequest(problem for _, problem in sorted(problems.items()))


def _problem(gap: Gap, rules: str) -> Problem:
    """Return what to say of something that is read and not given."""
    path = path_text(gap.path)
    if gap.key is None:
        return Problem("PE507", path, f"it must be given: {rules} read it")
    name = "the entity" if is_private(gap.path) else entity_name(gap.key)
    if gap.lack == "line":
        said = f"{rules} ask what {name} lies within: its ancestors must be given in `entities` or in a store"
        return Problem("PE509", path, said)
    return Problem("PE508", path, f"{rules} read {name}: give it in `entities` or in a store")


class FilterMaker:
    """What a filter is made with; *split*: whether what no predicate says is left for Python."""

    def __init__(
        self, residual: Residual, mapping: TableMapping, *, split: bool, rows: Rows = "resource"
    ) -> None:
        basis = residual.basis
        types = ExpressionTypes(mapping.schema, residual.target)
        paths = RowPaths(mapping, residual.target, basis.limits.ancestors, rows=rows)
        self.lowering = Lowering(paths, types, Evaluator(basis.known))
        self.mapping, self._residual, self._split = mapping, residual, split
        self._ids = {(of.table, mapping.id_of(name).name) for name, of in mapping.tables.items()}
        self.fits_exactly = True

    def fits(self, *, trusts: bool = True) -> Predicate:
        """Return the predicate that a row fits, or a weaker one, which `fits_exactly` says. *trusts* as in `Fitting`."""
        paths, basis = self.lowering.paths, self._residual.basis
        fitting = Fitting(paths, basis.limits, self._split, trusts)
        needs = RequestNeeds()
        for rule in basis.rules:
            needs |= RequestNeeds() if rule.advisory else rule.needs
        _, subject, _ = self._residual.target
        made: list[Predicate] = []
        try:
            if basis.known.subject is None and paths.rows == "resource":
                who = paths.row(subject, SUBJECT)
                assert who.id is not None
                made += [IsPresent(who.id), fitting.row(who, needs.subject)]
            made.append(fitting.row(paths.row(paths.row_type), getattr(needs, paths.rows)))
        except Unsayable as problem:
            given = basis.known.subject is not None or paths.rows == "subject"
            part = paths.rows if made or given else "subject"
            rules = [r.id for r in basis.rules if getattr(r.needs, part) and not r.advisory]
            raise NotPushable(problem.clause, tuple(rules), _SAYS, str(problem)) from None
        self.fits_exactly = self.fits_exactly and not fitting.left_out
        return both(made)

    def merged(self, predicate: Predicate) -> Predicate:
        """Return the same, in which no row is looked up twice."""
        return merged(predicate, self._ids)

    def condition(self, node: ir.Expr) -> tuple[Predicate, ir.Expr]:
        """Return a predicate that holds of all rows for which *node* does, and what is left to ask of them."""
        match node:
            case ir.And(operands):
                made = [self.condition(operand) for operand in operands]
                return both(one for one, _ in made), junction(ir.And, (left for _, left in made))
            case ir.Or(operands):
                made = [self.condition(operand) for operand in operands]
                exact = all(left == ALWAYS for _, left in made)
                return either(one for one, _ in made), ALWAYS if exact else node
        try:
            return self.lowering.condition(node), ALWAYS
        except Unsayable as problem:
            if self._split:
                return TRUE, node
            clause = self._residual.writer.formatted(node)
            raise NotPushable(clause, self._rules_of(node), _SAYS, str(problem)) from None

    def _rules_of(self, node: ir.Expr) -> tuple[str, ...]:
        """Return the ids of the rules that a clause may be of: those that have it, or read the same."""
        left = self._residual.basis.left
        same = {node, negation(node)}
        found = [one for one in left if not same.isdisjoint(ir.walk(one.condition))]
        if not found:
            read = _read(node)
            found = [one for one in left if read <= _read(one.condition)]
        return tuple(one.rule.id for one in found or left)


def _read(node: ir.Expr) -> set[ir.Expr]:
    return {part for part in ir.walk(node) if isinstance(part, ir.Slot | ir.Id)}
