"""What losses that shape the energy ask of it as a function of what is observed, and where a graph cannot give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.phases import loss_factors, phases
from factorgraph.compile.plan import PhasePlan
from factorgraph.errors import Issue, Path, issue
from factorgraph.graph.model import Graph, Variable
from factorgraph.losses._loss import LossLeaf, Need


def argued(graph: Graph, factors: Iterable[str], procedures: Iterable[str]) -> tuple[Variable, ...]:
    """The observed variables on which the energy of some factors depends, the others inferred as procedures say."""
    named = named_procedures(graph)
    seen = {argument for key in factors for argument in graph.factors[key].arguments}
    for procedure in procedures:
        seen |= {argument for key in named[procedure].factors for argument in graph.factors[key].arguments}
        seen |= {value for values in reads(graph, named[procedure]).values() for value in values.values()}
    behind = graph.leading_to(seen)
    return tuple(each for each in graph.of_kind("observed") if each.id in behind)


@dataclass(frozen=True)
class Shaped:
    """One loss of one side of a phase, and the energy that it sees. ``path``: where it is written."""

    graph: Graph
    loss: LossLeaf
    factors: tuple[str, ...]
    procedures: tuple[str, ...]
    path: Path

    @cached_property
    def observed(self) -> tuple[Variable, ...]:
        return argued(self.graph, self.factors, self.procedures)

    def has(self) -> str:
        """What the energy is a function of, in words: "Y (real)"."""
        names = {each.name: each.domain for each in self.observed}
        return " and ".join(f"{name} ({domain})" for name, domain in names.items()) or "nothing that is observed"

    def suggestion(self, domain: str) -> str:
        """How there could be a variable of a domain."""
        if not self.observed:
            return "let a factor read what is observed"
        return f"variables.{self.observed[0].name}.domain: {domain}, if that is what its values are"


def check_shaping(base: Graph, graphs: Mapping[str, Graph], plans: Iterable[PhasePlan]) -> Iterator[Issue]:
    """FG471 at losses that need of the energy what it has not. ``graphs``: of phases that set addresses for their time."""
    sides = {(each.phase, each.player): each for each in plans}
    for key, name, phase in phases(base.spec):
        graph = graphs.get(key, base)
        for player, side in phase.sides().items():
            path: Path = ("learning", name, *(("players", player) if phase.players else ()), "loss")
            for called, term in side.loss.items():
                assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
                where = (*path, called) if len(side.loss) > 1 else path
                procedures = sides[key, player].procedures
                shaped = Shaped(graph, term.loss, loss_factors(graph, phase, term), procedures, where)
                yield from (found for need in term.loss.needs() for found in CHECKS[need](shaped))


def _flips(shaped: Shaped) -> Iterator[Issue]:
    if not any(each.domain == "binary" for each in shaped.observed):
        what = f"{shaped.loss.type} flips the units of binary observed variables, and the energy is a function of {shaped.has()}"
        yield issue("FG471", what, shaped.path, fix=f"{shaped.suggestion('binary')}; for real values loss: score_matching")


CHECKS: Mapping[Need, Callable[[Shaped], Iterator[Issue]]] = {"flips": _flips}
