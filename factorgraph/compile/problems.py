"""From a plan and tensors to what a solver sees: weights, domains and shapes are lowered here, once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from factorgraph import registry
from factorgraph.compile.convolved import convolved_form
from factorgraph.compile.dependence import Dependence, Kind, dependences, moving_in, varies
from factorgraph.compile.groups import groups_of
from factorgraph.compile.held import Held, owners_of
from factorgraph.compile.norms import Norms
from factorgraph.compile.parts import Parts
from factorgraph.compile.plan import ProcedurePlan, Term
from factorgraph.compile.program import Assignment, Program, Tensors
from factorgraph.compile.squares import Compared, Squares, compared_in
from factorgraph.compile.terms import grouped, sums_squares, variable_of
from factorgraph.factors._groups import shrink_groups
from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.graph.model import FactorNode, Graph, Id, Variable
from factorgraph.inference import domains
from factorgraph.inference.convolved import Convolved
from factorgraph.inference.problem import Choices, Problem, Quadratic, Rest
from factorgraph.inference.rows import resting
from factorgraph.lazy import torch
from factorgraph.structure import Function, Grouping, Linear, Proximal, Smooth, Solver

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning


class Block:
    """The part of the energy that moves with some variables, flattened side by side to (batch, units)."""

    def __init__(self, program: Program, plan: ProcedurePlan):
        self.program = program
        self.plan = plan
        graph = program.graph
        self.variables: tuple[Variable, ...] = tuple(graph.variables[each] for each in plan.block)
        self.sizes = [prod(each.shape) for each in self.variables]
        self.flat = len(self.variables) == 1 and len(self.variables[0].shape) == 1  # nothing to reshape: the usual case
        self.smooth = tuple(term.factor for term in plan.terms if term.part != "rest")  # where values are tried, all is welcome
        self.rest = tuple(term for term in plan.terms if term.part == "rest")
        self.parts = tuple((solver_of(each), Block(program, each)) for each in plan.parts)
        self.held: Held[Shared] = Held()
        self.told: Held[Tensor] = Held()  # weights of units, where the spec tells them all

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
        flat = [values[each.id].reshape(values[each.id].shape[0], size) for each, size in self._sized()]
        return torch.cat(flat, dim=1) if len(flat) > 1 else flat[0]

    @cached_property
    def still(self) -> tuple[Id, ...]:
        """Values beside the block that its energy reads: computed once, however long the search."""
        return still_ids(self.program.graph, self.dependences, self.searched)

    @cached_property
    def searched(self) -> tuple[str, ...]:
        return (*self.smooth, *(term.factor for term in self.rest))

    @cached_property
    def dependences(self) -> Mapping[Id, Dependence]:
        return dependences(self.program.graph, frozenset(self.plan.block))

    def problem(self, start: Tensor, given: Assignment, tensors: Tensors, learning: Learning | None = None) -> Problem:
        """The minimisation over the block for these tensors. Nothing in it carries gradients to parameters."""
        still = {key: resting(each) for key, each in self.beside(start, given, tensors, learning).items()}
        return self.posed(start, still, tensors, self.shared(start, still, tensors))

    def beside(self, start: Tensor, given: Assignment, tensors: Tensors, learning: Learning | None = None) -> dict[Id, Tensor]:
        """What the energy reads beside the block, (batch, *shape) each or (), with gradients to all that it is made of."""
        others = {key: each for key, each in given.items() if key not in self.plan.block}
        like = {**others, "": resting(start)}  # the batch's size and type, also where nothing else is read
        known = self.program.values(self.still, like, tensors, learning)
        return {key: self.batched(known[key], start) for key in self.still}

    def batched(self, value: Tensor, start: Tensor) -> Tensor:
        return value.expand(start.shape[0], *value.shape[1:]) if value.dim() and value.shape[0] != start.shape[0] else value

    def project(self, values: Mapping[Id, Tensor]) -> dict[Id, Tensor]:
        """Each variable of the block that is there at the nearest values that its domain allows."""
        return {each.id: domains.project(each.domain, values[each.id]) for each in self.variables if each.id in values}

    def shared(self, start: Tensor, still: Assignment, tensors: Tensors) -> Shared:
        """What of the problem no sample changes: what was made of the same parameters is taken again."""
        if self.made_of is None:
            return self._shared(start, still, tensors)
        read = [each for owner in self.made_of for each in tensors.get(owner, {}).values()]
        return self.held.of(start, read, lambda: self._shared(start, still, tensors))

    def _shared(self, start: Tensor, still: Assignment, tensors: Tensors) -> Shared:
        hessian = self.shared_hessian(start, still, tensors) if self.plan.gram else None
        bound = None  # no step of a compiled search has a fixed length
        if not self.plan.compiled:
            bound = self.bound(tensors, start) if hessian is None else eigenvalue_bound(hessian)
        with torch.no_grad():
            at_zero = Squares(self, still, tensors).at_zero(start) if self.compared and self.plan.gram else {}
            rest = self.rest_of(start, still, tensors) if self.made_of is not None else None
        return Shared(hessian, bound, Parts(self, start, still, tensors) if self.parts else None, at_zero, rest)

    @cached_property
    def made_of(self) -> tuple[str, ...] | None:
        """Owners of the parameters that tell all of what no sample changes; ``None`` where more tells, or it costs little."""
        return owners_of(self) if self.plan.gram else None

    def posed(self, start: Tensor, still: Assignment, tensors: Tensors, shared: Shared) -> Problem:
        """The problem for what stands still beside the block, (batch, *shape) each or ()."""
        hessian = self._own_hessians(start, still, tensors) if self.plan.kernel == "grams" else shared.hessian
        if hessian is None:
            kernels = convolved_form(self, start, still, tensors) if self.plan.convolved else None
            return self._problem(start, still, tensors, shared, None, kernels)
        if self.compared and shared.hessian is not None:
            with torch.no_grad():
                value, slope = Squares(self, still, tensors).linear(start, shared.at_zero)
        else:
            value, slope = value_and_slope(self.smooth_of(still, tensors), torch.zeros_like(start))
        return self._problem(start, still, tensors, shared, Quadratic(hessian, slope, value), None)

    def _problem(
        self,
        start: Tensor,
        still: Assignment,
        tensors: Tensors,
        shared: Shared,
        quadratic: Quadratic | None,
        convolved: Convolved | None,
    ) -> Problem:
        def take(rows: Tensor) -> Problem:
            fewer = {key: each[rows] if each.dim() else each for key, each in still.items()}
            form = None if quadratic is None else quadratic.take(rows)
            kernels = None if convolved is None else convolved.take(rows)
            return self._problem(start[rows], fewer, tensors, shared, form, kernels)

        smooth, form = self.smooth_of(still, tensors), quadratic or convolved
        return Problem(
            start=start,
            smooth=smooth if form is None else form.value,
            gradient=gradient_of(smooth) if form is None else form.gradient,
            bound=shared.bound,
            rest=shared.rest or self.rest_of(start, still, tensors),
            quadratic=quadratic,
            convolved=convolved,
            squares=self.squares,
            compiled=self.plan.compiled,
            fused=self.plan.kernel == "fused",
            choices=self._choices(start, still),
            parts=() if shared.parts is None else shared.parts.of(still),
            take=take,
        )

    @cached_property
    def squares(self) -> bool:
        """Whether the smooth part is a sum of squares of affine maps, and convex; so is what is minimised over."""
        terms = [term for term in self.plan.terms if term.part != "rest"]
        factors = [self.program.graph.factors[term.factor] for term in terms]
        squares = all(sums_squares(each, moving_in(each, self.dependences)) for each in factors)
        return squares and self.plan.convex and all(term.quadratic for term in terms)

    @cached_property
    def compared(self) -> tuple[Compared, ...]:
        """The smooth terms, where all of them are squares whose adjoints are known."""
        return compared_in(self)

    def smooth_of(
        self, still: Assignment, tensors: Tensors, factors: Collection[str] | None = None
    ) -> Callable[[Tensor], Tensor]:
        """The sum of the smooth terms, or of some ``factors`` alone."""
        counted = self.smooth if factors is None else factors

        def smooth(z: Tensor) -> Tensor:
            given = {**self.split(z), **still}
            total = z.new_zeros(z.shape[0])
            for share in self.program.shares(counted, given, tensors).values():
                total = total + share
            return total

        return smooth

    def slope_at_zero(self, factors: Collection[str], start: Tensor, still: Assignment, tensors: Tensors) -> Tensor:
        """(batch, units): the gradient of some smooth terms at a code of zeros; of none, zeros that take no memory."""
        if not factors:
            return start.new_zeros(()).expand_as(start)
        return gradient_of(self.smooth_of(still, tensors, factors))(torch.zeros_like(start))

    def shared_hessian(self, start: Tensor, still: Assignment, tensors: Tensors, through: bool = False) -> Tensor:
        """Column by column in one batch: gradients at unit vectors less the one at zero. ``through``: as for ``gradient_of``.

        No sample changes it, so that what depends on samples may be zero.
        """
        if self.compared and not through:
            with torch.no_grad():
                return Squares(self, still, tensors).hessian(start)
        units = sum(self.sizes)
        graph = self.program.graph
        blank = {key: each.new_zeros(units, *each.shape[1:]) if varies(graph, key) else each for key, each in still.items()}
        gradient = gradient_of(self.smooth_of(blank, tensors), through)
        unit = torch.eye(units, dtype=start.dtype, device=start.device)
        hessian = gradient(unit) - gradient(torch.zeros_like(unit))
        return (hessian + hessian.T) / 2

    def _own_hessians(self, start: Tensor, still: Assignment, tensors: Tensors) -> Tensor:
        """Row by row of all samples' Hessians: the gradient differentiated, which loses no digits to what is not quadratic."""
        smooth = self.smooth_of(still, tensors)
        with torch.enable_grad():
            point = torch.zeros_like(start).requires_grad_()
            (slope,) = torch.autograd.grad(smooth(point).sum(), point, create_graph=True)
            rows = [
                torch.autograd.grad(slope[:, unit].sum(), point, retain_graph=True)[0] if slope.requires_grad else start * 0
                for unit in range(sum(self.sizes))
            ]
        hessian = torch.stack(rows, 1)
        return (hessian + hessian.mT) / 2

    def rest_of(self, start: Tensor, still: Assignment, tensors: Tensors) -> Rest | None:
        kept = {each.id: each.domain for each in self.variables if each.domain in ("nonnegative", "simplex")}
        if not self.rest and not kept:
            return None
        shares = self.shares(still, tensors)

        def value(z: Tensor) -> Tensor:
            parts = self.split(z)
            return sum((share.energy(parts) for share in shares), z.new_zeros(z.shape[0]))

        def prox(v: Tensor, t: Tensor) -> Tensor:
            return self.shrink(v, [(share, self._columns(share.weight * t, share.variable)) for share in shares])

        if len({each.domain for each in self.variables}) > 1 or "simplex" in kept.values():
            return Rest(value, prox)
        return Rest(value, prox, self._l1(shares, start), bool(kept), groups_of(self, shares, start))

    def shrink(self, v: Tensor, thresholds: Sequence[tuple[Share, Tensor]]) -> Tensor:
        """The proximal map of all of the rest together: of each unit, then of the domains, then of groups, which keep the signs
        that units have by then. A threshold broadcasts to the units of the term's variable, or to its groups."""
        parts = self.split(v)
        domain = {each.id: each.domain for each in self.variables}
        for share, threshold in thresholds:
            if share.groups is None and domain[share.variable] != "simplex":  # there, what the planner lets stand is constant
                value = parts[share.variable]
                if share.magnitude and domain[share.variable] == "nonnegative":
                    parts[share.variable] = torch.relu(value - threshold)  # shrunk and projected, to the bit, in two operators
                else:
                    parts[share.variable] = share.shrink(value, threshold)
        shrunk = {share.variable for share, _ in thresholds if share.magnitude and share.groups is None}
        for key, kind in domain.items():
            if kind != "real" and not (kind == "nonnegative" and key in shrunk):
                parts[key] = domains.project(kind, parts[key])
        for share, threshold in thresholds:
            if share.groups is not None:
                parts[share.variable] = share.shrink(parts[share.variable], threshold)
        return self.join(parts)

    def _columns(self, t: Tensor, variable: Id) -> Tensor:
        """A step per row, (batch, 1), beside a variable of any shape."""
        return t if t.dim() == 0 else t.reshape(t.shape[0], *(1,) * len(self.program.graph.variables[variable].shape))

    def shares(self, still: Assignment, tensors: Tensors) -> list[Share]:
        """The rest of the energy, term by term."""
        return [self._share(term, still, tensors) for term in self.rest]

    def _share(self, term: Term, still: Assignment, tensors: Tensors) -> Share:
        factor = self.program.graph.factors[term.factor]
        (position,) = moving_in(factor, self.dependences)
        before = [still[each] for each in factor.arguments[:position]]
        after = [still[each] for each in factor.arguments[position + 1 :]]
        graph = self.program.graph
        lengths = grouped(factor, self.dependences, graph)
        groups = None if lengths is None else graph.functions[lengths.function].leaf
        weight, variable = self.program.weight(term.factor, tensors), variable_of(factor, self.dependences, graph)
        return Share(self.program, factor, weight, variable, before, after, term.magnitude, groups)

    def _l1(self, shares: Sequence[Share], start: Tensor) -> Tensor | None:
        """The weight of each unit's magnitude, where the rest is nothing else."""
        if not all(share.magnitude for share in shares):
            return None
        tuned = any(isinstance(share.weight, torch.Tensor) for share in shares)
        return self.unit_weights(shares, start) if tuned else self.told.of(start, (), lambda: self.unit_weights(shares, start))

    def unit_weights(self, shares: Sequence[Share], like: Tensor) -> Tensor:
        """(units,): what the weights of some terms add up to at each unit."""
        weights: dict[Id, Tensor | float] = dict.fromkeys(self.plan.block, 0.0)
        for share in shares:
            weights[share.variable] = weights[share.variable] + share.weight
        return torch.cat([like.new_ones(size) * weights[each.id] for each, size in self._sized()])

    def _sized(self) -> list[tuple[Variable, int]]:
        return list(zip(self.variables, self.sizes, strict=True))

    def _choices(self, start: Tensor, still: Assignment) -> Choices | None:
        if not all(each.domain in domains.FINITE for each in self.variables):
            return None
        width = sum(self.sizes) + sum(prod(each.shape[1:]) for each in still.values())
        return domains.choices([(each.domain, size) for each, size in self._sized()], start, width)

    def bound(self, tensors: Tensors, start: Tensor) -> Tensor | None:
        if not all(term.bounded for term in self.plan.terms if term.part != "rest"):
            return None
        graph = self.program.graph
        norms = Norms(graph, frozenset(self.plan.block), tensors, start)
        total = start.new_zeros(())
        for name in self.smooth:
            factor = graph.factors[name]
            if factor.leaf.keeps(Linear, moving_in(factor, self.dependences)):
                continue
            assert isinstance(factor.leaf, Smooth), "the planner calls only smooth factors bounded"
            reach = sum((norms.of(each) for each in factor.arguments), start.new_zeros(()))
            curvature = factor.leaf.curvature(tensors.get(f"factors.{factor.id}", {}))
            weight = self.program.weight(name, tensors)
            total = total + (weight.abs() if isinstance(weight, torch.Tensor) else abs(weight)) * curvature * reach**2
        return total


@dataclass(frozen=True)
class Shared:
    """What of a block's problem no sample changes, so that it is made once however often the problem is posed."""

    hessian: Tensor | None
    bound: Tensor | None
    parts: Parts | None
    at_zero: Assignment  # what maps of squares give for a block of zeros, (1, *shape) each
    rest: Rest | None  # where it reads nothing that a sample changes


@dataclass(frozen=True)
class Share:
    """A proximal factor on one variable, with the values of its other arguments before and after it."""

    program: Program
    factor: FactorNode
    weight: Tensor | float
    variable: Id
    before: Sequence[Tensor]
    after: Sequence[Tensor]
    magnitude: bool  # it is an l1
    groups: Function | None  # what measures the groups whose lengths it adds up

    def energy(self, parts: Mapping[Id, Tensor]) -> Tensor:
        value = parts[self.variable] if self.groups is None else self._lengths(parts[self.variable])
        return self.weight * self.program.by_row(self.factor, (*self.before, value, *self.after))

    def _lengths(self, v: Tensor) -> Tensor:
        assert self.groups is not None, "asked only of groups"
        return self.groups.forward(v, {})

    def shrink(self, v: Tensor, threshold: Tensor) -> Tensor:
        if isinstance(self.groups, Grouping):
            return shrink_groups(v, threshold, self._lengths, self.groups.spread)
        leaf = self.factor.leaf
        assert isinstance(leaf, Proximal), "the planner puts only proximal factors into the rest"
        return leaf.prox(v, threshold, *self.before, *self.after)


def solver_of(plan: ProcedurePlan) -> Solver:
    """The solver that a plan names, with its options."""
    assert plan.solver is not None, "what is searched has a solver"
    solver = registry.leaves("solvers")[plan.solver["type"]].model_validate(dict(plan.solver))
    assert isinstance(solver, Solver), "the family holds solvers"
    return solver


def still_ids(graph: Graph, known: Mapping[Id, Dependence], factors: Collection[str]) -> tuple[Id, ...]:
    """What some factors read beside a block: values that do not move with it, from which what moves is computed."""
    counted = {key for name in factors for each in graph.factors[name].arguments for key in graph.ancestors(each)}
    read = {each for key in counted if known[key].kind is not Kind.CONSTANT for each in graph.values[key].arguments}
    read |= {each for name in factors for each in graph.factors[name].arguments}
    return tuple(key for key in graph.values if key in read and known[key].kind is Kind.CONSTANT)


def gradient_of(function: Callable[[Tensor], Tensor], through: bool = False) -> Callable[[Tensor], Tensor]:
    """The gradient of a sum over rows. ``through``: it can be differentiated, by all that the function was made of too."""
    return lambda z: value_and_slope(function, z, through)[1]


def value_and_slope(function: Callable[[Tensor], Tensor], z: Tensor, through: bool = False) -> tuple[Tensor, Tensor]:
    """A function of rows, (batch,), and the gradient of its sum, in one pass."""
    with torch.enable_grad():
        point = z if through and z.requires_grad else z.detach().requires_grad_()
        value = function(point)
        (slope,) = torch.autograd.grad(value.sum(), point, create_graph=through)
    return value if through else value.detach(), slope
