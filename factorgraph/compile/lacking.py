"""Rows that lack a variable: which factors leave them out, and what cannot do without it.

A factor that touches an observed variable which a row lacks leaves that row out, and averages over the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.phases import loss_factors, phases, read_by
from factorgraph.compile.plan import Plan
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.spec.blocks import Phase

LACKS = "some rows of the data lack"


def touched(graph: Graph, ids: Iterable[Id], lacked: Collection[str]) -> frozenset[str]:
    """Those of the lacked variables, by name, that values are computed from."""
    found = {graph.variables[key].name for key in graph.leading_to(ids) if key in graph.variables}
    return frozenset(found & set(lacked))


def touched_by(graph: Graph, factor: str, lacked: Collection[str]) -> frozenset[str]:
    """An entropy, which is a share of the energy and no factor, touches nothing that rows lack: no sum may read such."""
    return touched(graph, graph.factors[factor].arguments, lacked) if factor in graph.factors else frozenset()


def counted(
    graph: Graph, shares: Mapping[str, Tensor], present: Mapping[str, Tensor], learning: bool = False
) -> dict[str, Tensor]:
    """Each factor's share, (rows,), such that its mean over all rows is that over the rows which have what the factor touches.

    It is 0 in the others. Where no row has it, nothing was measured, and the share is not a number; in ``learning`` it is 0: a
    batch without such rows teaches nothing. ``present``: of each lacked variable which rows have it, (rows,).
    """
    found = dict(shares)
    for key, share in shares.items():
        names = touched_by(graph, key, present)
        if names:
            there = torch.stack([present[name] for name in sorted(names)]).all(0)
            rows = there.sum().clamp(min=int(learning)).to(share.dtype)
            found[key] = torch.where(there, share, 0) * (share.shape[0] / rows)  # 0 * infinity, without a row
    return found


def unmeasured(graph: Graph, factor: str, present: Mapping[str, Tensor]) -> frozenset[str]:
    """The lacked variables that a factor touches, if no row has all of them."""
    names = touched_by(graph, factor, present)
    return names if names and not torch.stack([present[name] for name in names]).all(0).any() else frozenset()


def wanted_by(graph: Graph, phase: Phase, lacked: Collection[str]) -> tuple[frozenset[str], ...]:
    """What a row must have of the lacked variables to be of use to a phase: all of one of these sets."""
    found: dict[frozenset[str], None] = {}
    for side in phase.sides().values():
        for term in side.loss.values():
            assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
            factors = loss_factors(graph, phase, term) if term.loss.sees_energy else ()
            found |= dict.fromkeys([touched_by(graph, key, lacked) for key in factors] or [frozenset[str]()])
    return tuple(found)


def check_lacking(graph: Graph, graphs: Mapping[str, Graph], plan: Plan, lacked: Collection[str]) -> None:
    """Raise :class:`SpecError` FG545 where a procedure reads what rows lack, FG543 where a phase cannot leave rows out.

    ``graphs``: those of phases that set addresses for their time.
    """
    found = [] if not lacked else [each for one in (graph, *graphs.values()) for each in _procedures(one, lacked)]
    for key, name, phase in phases(graph.spec) if lacked else ():
        found += _phase(graphs.get(key, graph), plan, key, name, phase, lacked)
    if found:
        unique = {(each.code, each.path, each.message): each for each in found}
        raise SpecError(graph.spec.document.located(list(unique.values())))


def check_bound(graph: Graph, graphs: Mapping[str, Graph], bound: Collection[str]) -> None:
    """Raise :class:`SpecError` FG443 where a phase or a procedure reads an observed variable that no source binds."""
    readers: dict[str, str] = {}
    for key, name, phase in phases(graph.spec):
        for side in phase.sides().values():
            for term in side.loss.values():
                for factor in loss_factors(graphs.get(key, graph), phase, term):
                    readers.setdefault(factor, f'phase "{name}"')
    for named in named_procedures(graph).values():
        for key in named.factors if named.method.searches else ():
            readers.setdefault(key, f'procedure "{named.name}"')
    missing = {each.name for each in graph.of_kind("observed")} - set(bound)
    found: dict[str, Issue] = {}
    for key, reader in readers.items():
        for variable in sorted(touched_by(graph, key, missing)):
            what = f'{variable} is observed, and no source binds it: {reader} reads it in the factor "{graph.factors[key].name}"'
            fix = f"bind {variable} to a field, make it latent, or leave out what reads it"
            found.setdefault(variable, issue("FG443", what, ("data",), on="key", fix=fix))
    if found:
        raise SpecError(graph.spec.document.located(list(found.values())))


def _procedures(graph: Graph, lacked: Collection[str]) -> Iterator[Issue]:
    for named in named_procedures(graph).values():
        path = ("inference", named.name)
        for key in named.factors if named.method.searches else ():
            for variable in sorted(touched_by(graph, key, lacked)):
                factor = graph.factors[key].name
                what = f'procedure "{named.name}" minimises the factor "{factor}", which reads {variable}, and {LACKS} {variable}'
                yield issue("FG545", what, path, fix=f"without: [{factor}]")
        for field, values in reads(graph, named).items():
            for variable in sorted(touched(graph, values.values(), lacked)):
                what = f'procedure "{named.name}" reads {variable} in {field}, and {LACKS} {variable}'
                yield issue("FG545", what, (*path, field), fix=f"infer from what every row has, or give every row {variable}")


def _phase(graph: Graph, plan: Plan, key: str, name: str, phase: Phase, lacked: Collection[str]) -> Iterator[Issue]:
    path = ("learning", name)
    for player, side in phase.sides().items():
        for called, term in side.loss.items():
            assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
            factors = [each for each in loss_factors(graph, phase, term) if touched_by(graph, each, lacked)]
            if term.loss.sees_energy and not term.loss.is_mean and factors:
                factor = graph.factors[factors[0]].name
                what = f'the loss {term.loss.type} of phase "{name}" needs whole rows, and {LACKS} what "{factor}" reads'
                yield issue("FG543", what, path, fix=f"without: [{factor}], or give every row all variables")
            read = read_by(graph, key, phase, player, called)
            read |= {made: tuple(each.id for each in graph.slots_of(made)) for made in term.loss.stand_ins()}
            for field, ids in read.items():
                for variable in sorted(touched(graph, ids, lacked)):
                    what = f'the loss {term.loss.type} of phase "{name}" reads {variable} in {field}, and {LACKS} {variable}'
                    yield issue("FG543", what, path, fix="let it read what every row has, or give every row all variables")
            for application in _apart(graph, factors, lacked):
                what = f'"{application}" learns from its batch, and {LACKS} what it is applied to'
                yield issue("FG543", what, path, fix="give every row all variables, or leave batch statistics out")
    for side_plan in plan.phases:
        for closed in side_plan.closed if side_plan.phase == key else ():
            if any(touched_by(graph, each.factor, lacked) for each in closed.terms):
                what = f'its optimizer solves "{closed.function}" from whole rows, and {LACKS} what its factors read'
                yield issue("FG543", what, path, fix="another optimizer, or give every row all variables")
        for estimate in side_plan.estimates if side_plan.phase == key else ():
            if touched_by(graph, estimate.factor, lacked):
                what = f'its optimizer sets "{estimate.factor}" from whole rows, and {LACKS} what it reads'
                yield issue("FG543", what, path, fix="another optimizer, or give every row all variables")


def _apart(graph: Graph, factors: Iterable[str], lacked: Collection[str]) -> Iterator[str]:
    """The functions that learn apart and are applied, for these factors, to what rows lack."""
    for key in graph.leading_to(each for factor in factors for each in graph.factors[factor].arguments):
        value = graph.values[key]
        apart = isinstance(value, Application) and graph.functions[value.function].leaf.learns_apart
        if isinstance(value, Application) and apart and touched(graph, value.arguments, lacked):
            yield graph.functions[value.function].spelled
