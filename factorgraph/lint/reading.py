"""A graph as the linter reads it: which factors learning lowers, where codes are, what reads and what makes them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from factorgraph.compile.dependence import Kind, dependences, moving_in
from factorgraph.compile.naming import named_procedures
from factorgraph.compile.phases import loss_factors, phases
from factorgraph.compile.plan import Plan
from factorgraph.graph.domains import nonnegative
from factorgraph.graph.model import Application, FactorNode, FunctionNode, Graph, Id, Variable
from factorgraph.losses._loss import LossLeaf
from factorgraph.structure import Grouping


@dataclass(frozen=True)
class Reading:
    """What rules ask. A *code* is a latent variable, or a derived one that a decoder reads."""

    graph: Graph
    plan: Plan

    @cached_property
    def losses(self) -> tuple[LossLeaf, ...]:
        """Every loss of every phase."""
        sides = (side for _, _, phase in phases(self.graph.spec) for side in phase.sides().values())
        return tuple(each.loss for side in sides for each in side.loss.values() if isinstance(each.loss, LossLeaf))

    @property
    def other_loss(self) -> str:
        """A fix that names a loss which pushes energy up somewhere, for the first phase."""
        name = next(name for _, name, _ in phases(self.graph.spec))
        binary = all(each.domain == "binary" for each in self.graph.of_kind("observed"))
        return f"learning.{name}.loss: {'ratio_matching' if binary else 'score_matching'}, or another that pushes up somewhere"

    @cached_property
    def lowered(self) -> tuple[FactorNode, ...]:
        """The factors that some loss of learning sees, those of weight 0 left out."""
        seen: dict[str, None] = {}
        for _, _, phase in phases(self.graph.spec):
            for side in phase.sides().values():
                for term in side.loss.values():
                    if isinstance(term.loss, LossLeaf) and term.loss.sees_energy:
                        seen |= dict.fromkeys(loss_factors(self.graph, phase, term))
        return tuple(each for each in map(self.graph.factors.__getitem__, seen) if each.weight != 0)

    @cached_property
    def summed(self) -> frozenset[Id]:
        """The latent variables of which all values count wherever learning infers them, and so none that is most likely."""
        named = named_procedures(self.graph)
        ran = {key: named[key] for phase in self.plan.phases for key in phase.procedures}
        single = {variable.id for each in ran.values() if not each.method.sums for variable in each.block}
        return frozenset(variable.id for each in ran.values() for variable in each.block) - single

    @cached_property
    def observed(self) -> frozenset[Id]:
        return frozenset(each.id for each in self.graph.of_kind("observed"))

    @cached_property
    def codes(self) -> tuple[Variable, ...]:
        """The first slot of each latent variable, and of each derived one that is decoded."""
        decoded = frozenset(each for node in self.lowered for each in self._decoded(node))
        found = {each.name: each for each in reversed(self.graph.of_kind("latent"))}
        derived = [each for each in self.graph.of_kind("derived") if each.id in decoded and each.id not in self.observed]
        found |= {each.name: each for each in reversed(derived)}
        return tuple(reversed(found.values()))

    def _decoded(self, node: FactorNode) -> Iterator[Id]:
        """What is behind functions in a factor that also touches an observed variable as it is."""
        if self.observed.isdisjoint(node.arguments):
            return
        for each in node.arguments:
            if each not in self.observed:
                yield from self.graph.ancestors(each)

    def priors(self, code: Variable) -> tuple[FactorNode, ...]:
        """The factors that say which values of a code are likely by themselves: they compare it with no observed variable."""
        moving = dependences(self.graph, frozenset({code.id}))
        found = []
        for node in self.lowered:
            others = [each for each in node.arguments if moving[each].kind is Kind.CONSTANT]
            if moving_in(node, moving) and self.graph.leading_to(others).isdisjoint(self.observed):
                found.append(node)
        return tuple(found)

    def is_bounded_below(self, node: FactorNode) -> bool:
        """Whether no code, and nothing that is learned, brings a factor's share of the energy below some number."""
        if node.weight < 0:
            return not node.leaf.additive
        return node.leaf.is_bounded_below(nonnegative(self.graph, node))

    def others(self, code: Variable) -> tuple[FactorNode, ...]:
        """The factors that touch a code and are no priors of it."""
        moving = dependences(self.graph, frozenset({code.id}))
        prior = {each.id for each in self.priors(code)}
        return tuple(each for each in self.lowered if moving_in(each, moving) and each.id not in prior)

    def size(self, key: Id) -> int:
        """Units of a value, all slots of a variable together."""
        value = self.graph.values[key]
        slots = len(self.graph.slots_of(value.name)) if isinstance(value, Variable) and value.slots else 1
        return slots * math.prod(value.shape)

    def function(self, key: Id) -> FunctionNode | None:
        """The function whose result a value is, if it is one's."""
        value = self.graph.values[key]
        return self.graph.functions[value.function] if isinstance(value, Application) else None

    def readers(self, code: Variable, node: FactorNode) -> list[FunctionNode]:
        """The functions with parameters that read a code on its way into a factor, before any other does."""
        found: dict[str, FunctionNode] = {}
        waiting = list(node.arguments)
        while waiting:
            value = self.graph.values[waiting.pop()]
            reads = any(self.names(each, code) for each in value.arguments)
            made = self.function(value.id)
            if reads and made is not None and made.parameters:
                found[made.id] = made
            waiting += value.arguments
        return list(found.values())

    def names(self, key: Id, code: Variable) -> bool:
        """Whether a value is the code itself, or its size scaled by maps without parameters: lengths of groups."""
        while True:
            value = self.graph.values[key]
            if key == code.id:
                return True
            made = self.function(key)
            if made is None or made.parameters or not made.leaf.keeps(Grouping):
                return isinstance(value, Variable) and value.definition == code.id
            key = value.arguments[0]
