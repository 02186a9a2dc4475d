"""From a plan and tensors to what a solver sees: weights, domains and shapes are lowered here, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import Dependence, Kind, dependences
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.program import Assignment, Program, Tensors
from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.graph.model import Application, Graph, Id, Operation, Variable
from factorgraph.inference.problem import Problem, Quadratic, Rest
from factorgraph.lazy import torch
from factorgraph.structure import Absolute, Affine, Factor, Proximal, Smooth

if TYPE_CHECKING:
    from torch import Tensor


class Block:
    """The part of the energy that moves with some variables, flattened side by side to (batch, units)."""

    def __init__(self, program: Program, plan: ProcedurePlan):
        self.program = program
        self.plan = plan
        graph = program.graph
        self.variables: tuple[Variable, ...] = tuple(graph.variables[each] for each in plan.block)
        self.sizes = [prod(each.shape) for each in self.variables]
        self.flat = len(self.variables) == 1 and len(self.variables[0].shape) == 1  # nothing to reshape: the usual case
        self.smooth = tuple(term.factor for term in plan.terms if term.part == "smooth")
        self.rest = tuple(term for term in plan.terms if term.part == "rest")

    def __deepcopy__(self, memo: object) -> Block:
        return self

    def split(self, z: Tensor) -> dict[Id, Tensor]:
        """(batch, units) -> each variable, (batch, *shape)."""
        if self.flat:
            return {self.plan.block[0]: z}
        parts = torch.split(z, self.sizes, dim=1) if len(self.sizes) > 1 else (z,)
        return {each.id: part.reshape(z.shape[0], *each.shape) for each, part in zip(self.variables, parts, strict=True)}

    def join(self, values: Mapping[Id, Tensor]) -> Tensor:
        """The inverse of :meth:`split`."""
        if self.flat:
            return values[self.plan.block[0]]
        flat = [
            values[each.id].reshape(values[each.id].shape[0], size) for each, size in zip(self.variables, self.sizes, strict=True)
        ]
        return torch.cat(flat, dim=1) if len(flat) > 1 else flat[0]

    @cached_property
    def still(self) -> tuple[Id, ...]:
        """Values beside the block that its energy reads: computed once, however long the search."""
        graph = self.program.graph
        known = self.dependences
        counted = {key for name in self.searched for each in graph.factors[name].arguments for key in graph.ancestors(each)}
        read = {each for key in counted if known[key].kind is not Kind.CONSTANT for each in graph.values[key].arguments}
        read |= {each for name in self.searched for each in graph.factors[name].arguments}
        return tuple(key for key in graph.values if key in read and known[key].kind is Kind.CONSTANT)

    @cached_property
    def searched(self) -> tuple[str, ...]:
        return (*self.smooth, *(term.factor for term in self.rest))

    @cached_property
    def dependences(self) -> Mapping[Id, Dependence]:
        return dependences(self.program.graph, frozenset(self.plan.block))

    def problem(self, start: Tensor, given: Assignment, tensors: Tensors) -> Problem:
        """The minimisation over the block for these tensors. Nothing in it carries gradients to parameters."""
        detached = {key: each.detach() for key, each in given.items() if key not in self.plan.block}
        like = {**detached, "": start}  # the batch's size and type, also where nothing else is read
        still = {key: self._batched(each, start) for key, each in self._still_values(like, tensors).items()}
        return self._build(start, still, tensors, self._gram(start, still, tensors))

    def _still_values(self, given: Assignment, tensors: Tensors) -> dict[Id, Tensor]:
        known = self.program.values(self.still, given, tensors)
        return {key: known[key].detach() for key in self.still}

    def _batched(self, value: Tensor, start: Tensor) -> Tensor:
        return value.expand(start.shape[0], *value.shape[1:]) if value.dim() and value.shape[0] != start.shape[0] else value

    def _build(self, start: Tensor, still: Assignment, tensors: Tensors, gram: Tensor | None) -> Problem:
        smooth = self._smooth(still, tensors)
        gradient = _gradient(smooth)
        quadratic = None
        if gram is not None:
            zero = torch.zeros_like(start)
            quadratic = Quadratic(gram, gradient(zero), smooth(zero))
            smooth, gradient = _closed_form(quadratic)
        bound = eigenvalue_bound(gram) if gram is not None else self._bound(tensors, start)
        return self._problem(start, still, tensors, smooth, gradient, bound, quadratic)

    def _problem(
        self,
        start: Tensor,
        still: Assignment,
        tensors: Tensors,
        smooth: Callable[[Tensor], Tensor],
        gradient: Callable[[Tensor], Tensor],
        bound: Tensor | None,
        quadratic: Quadratic | None,
    ) -> Problem:
        def take(rows: Tensor) -> Problem:
            fewer = {key: each[rows] if each.dim() else each for key, each in still.items()}
            if quadratic is None:
                inner = self._smooth(fewer, tensors)
                return self._problem(start[rows], fewer, tensors, inner, _gradient(inner), bound, None)
            part = Quadratic(quadratic.hessian, quadratic.linear[rows], quadratic.constant[rows])
            return self._problem(start[rows], fewer, tensors, *_closed_form(part), bound, part)

        return Problem(
            start=start,
            smooth=smooth,
            gradient=gradient,
            bound=bound,
            rest=self._rest(start),
            quadratic=quadratic,
            squares=all(term.quadratic and term.convex for term in self.plan.terms if term.part == "smooth"),
            choices=self._choices(start),
            take=take,
        )

    def _smooth(self, still: Assignment, tensors: Tensors) -> Callable[[Tensor], Tensor]:
        def smooth(z: Tensor) -> Tensor:
            given = {**self.split(z), **still}
            total = z.new_zeros(z.shape[0])
            for share in self.program.shares(self.smooth, given, tensors).values():
                total = total + share
            return total

        return smooth

    def _gram(self, start: Tensor, still: Assignment, tensors: Tensors) -> Tensor | None:
        """The Hessian, column by column in one batch: gradients at unit vectors less the one at zero.

        No sample changes it, so that what depends on samples may be zero.
        """
        if self.plan.kernel != "gram":
            return None
        units = sum(self.sizes)
        graph = self.program.graph
        blank = {key: each.new_zeros(units, *each.shape[1:]) if _varies(graph, key) else each for key, each in still.items()}
        gradient = _gradient(self._smooth(blank, tensors))
        unit = torch.eye(units, dtype=start.dtype, device=start.device)
        hessian = gradient(unit) - gradient(torch.zeros_like(unit))
        return (hessian + hessian.T) / 2

    def _rest(self, start: Tensor) -> Rest | None:
        bounded = tuple(each.id for each in self.variables if each.domain == "nonnegative")
        if not self.rest and not bounded:
            return None
        leaves = [self.program.graph.factors[term.factor] for term in self.rest]
        terms = [(origin(self.program.graph, each.arguments[0]), each.leaf, each.weight) for each in leaves]

        def value(z: Tensor) -> Tensor:
            parts = self.split(z)
            total = z.new_zeros(z.shape[0])
            for key, leaf, weight in terms:
                total = total + weight * leaf.energy(parts[key])
            return total

        def prox(v: Tensor, t: Tensor) -> Tensor:
            parts = self.split(v)
            for key, leaf, weight in terms:
                assert isinstance(leaf, Proximal), "the planner puts only proximal factors into the rest"
                parts[key] = leaf.prox(parts[key], _shaped(weight * t, parts[key]))
            for key in bounded:
                # for a function of one unit at a time the map with z >= 0 is the map without, then the projection
                parts[key] = parts[key].clamp_min(0)
            return self.join(parts)

        alike = len(bounded) in (0, len(self.variables))  # the duality gap knows one sign for all, and convex energies
        gap = alike and all(term.convex for term in self.plan.terms)
        return Rest(value, prox, self._l1(terms, start) if gap else None, bool(bounded) and alike)

    def _l1(self, terms: Sequence[tuple[Id, Factor, float]], start: Tensor) -> Tensor | None:
        """The weight of each unit's magnitude, where the rest is nothing else."""
        if not all(isinstance(leaf, Absolute) for _, leaf, _ in terms):
            return None
        weights = dict.fromkeys(self.plan.block, 0.0)
        for key, _, weight in terms:
            weights[key] += weight
        pieces = [torch.full((size,), weights[each.id], dtype=start.dtype, device=start.device) for each, size in self._sized()]
        return torch.cat(pieces)

    def _sized(self) -> list[tuple[Variable, int]]:
        return list(zip(self.variables, self.sizes, strict=True))

    def _choices(self, start: Tensor) -> Tensor | None:
        if self.plan.domain != "one_hot":
            return None
        return torch.eye(sum(self.sizes), dtype=start.dtype, device=start.device)

    def _bound(self, tensors: Tensors, start: Tensor) -> Tensor | None:
        if not all(term.bounded for term in self.plan.terms if term.part == "smooth"):
            return None
        graph = self.program.graph
        norms = Norms(graph, frozenset(self.plan.block), tensors, start)
        total = start.new_zeros(())
        for name in self.smooth:
            factor = graph.factors[name]
            assert isinstance(factor.leaf, Smooth), "the planner calls only smooth factors bounded"
            reach = sum((norms.of(each) for each in factor.arguments), start.new_zeros(()))
            curvature = factor.leaf.curvature(tensors.get(f"factors.{factor.id}", {}))
            total = total + abs(factor.weight) * curvature * reach**2
        return total


def origin(graph: Graph, key: Id) -> Id:
    """The value behind names: ``C: Z`` is ``Z``."""
    value = graph.values[key]
    while isinstance(value, Variable) and value.definition is not None:
        value = graph.values[value.definition]
    return value.id


class Norms:
    """Bounds of the norms of affine maps from a block to values, composed along the graph."""

    def __init__(self, graph: Graph, block: frozenset[Id], tensors: Tensors, like: Tensor):
        self.graph, self.block, self.tensors = graph, block, tensors
        self.zero, self.one = like.new_zeros(()), like.new_ones(())

    def of(self, key: Id) -> Tensor:
        value = self.graph.values[key]
        if key in self.block:
            return self.one
        if not self.graph.depends(key, self.block):
            return self.zero
        if isinstance(value, Application):
            node = self.graph.functions[value.function]
            assert isinstance(node.leaf, Affine), "the planner bounds only what is affine"
            return node.leaf.norm_bound(self.tensors.get(f"functions.{node.id}", {})) * self.of(value.arguments[0])
        if isinstance(value, Operation) and value.operator == "*":
            still = next(each for each in value.arguments if not self.graph.depends(each, self.block))
            moving = next(each for each in value.arguments if each != still)
            return self._number(still) * self.of(moving)
        parts = [self.of(each) for each in value.arguments]
        total = sum(parts, self.zero)
        return total / len(parts) if isinstance(value, Operation) and value.operator == "mean" else total

    def _number(self, key: Id) -> Tensor:
        """The magnitude of an expression of numbers alone."""
        return Program(self.graph).values((key,), {"": self.one}, self.tensors)[key].abs()


def _varies(graph: Graph, key: Id) -> bool:
    return any(isinstance(graph.values[each], Variable) for each in graph.ancestors(key))


def _shaped(t: Tensor, like: Tensor) -> Tensor:
    """A step per row, (batch, 1), beside a value of any shape."""
    return t if t.dim() == 0 else t.reshape(t.shape[0], *(1,) * (like.dim() - 1))


def _gradient(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def gradient(z: Tensor) -> Tensor:
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(function(point).sum(), point)
        return slope

    return gradient


def _closed_form(quadratic: Quadratic) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    hessian, linear, constant = quadratic.hessian, quadratic.linear, quadratic.constant

    def smooth(z: Tensor) -> Tensor:
        return (z * (0.5 * (z @ hessian) + linear)).sum(1) + constant

    def gradient(z: Tensor) -> Tensor:
        return torch.addmm(linear, z, hessian)

    return smooth, gradient
