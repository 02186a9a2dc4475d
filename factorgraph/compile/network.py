"""A solver's steps over a block as layers of a network, whose matrices are those of the energy or learned ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from factorgraph import registry
from factorgraph.compile.dependence import Dependence, Kind, moving_in, varies
from factorgraph.compile.plan import Term
from factorgraph.compile.problems import Block, Share, gradient_of, still_ids
from factorgraph.compile.program import Assignment, Tensors
from factorgraph.compile.terms import grouped, variable_of
from factorgraph.errors import SpecError, issue
from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.graph.model import Application, Graph, Id, Operation
from factorgraph.inference.methods._matrix import Layered
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers._unrolled import Layer, Unrollable
from factorgraph.lazy import torch
from factorgraph.structure import Linear, Proximal, Shape, Structure

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning
    from factorgraph.compile.planner import Named

LARGEST = 4096  # units: an inhibition of 64 MiB of float32
LENGTHS = "lengths"  # of steps by unit, kept beside learned matrices
MATRICES = ("filter", "inhibition", "threshold")
GROUP_THRESHOLD = "group_threshold"  # beside the threshold of units: of groups, which are shrunk after them


def check(graph: Graph, named: Named, terms: tuple[Term, ...], structure: Structure, known: Mapping[Id, Dependence]) -> None:
    """Raise :class:`SpecError` FG445, FG446 or FG447 where a procedure's solver, energy or matrices have no such form."""
    method = named.method
    if not isinstance(method, Layered):
        return
    path = ("inference", named.name)
    can = ", ".join(name for name, cls in registry.leaves("solvers").items() if issubclass(cls, Unrollable))
    wanted = getattr(method, "solver", None)
    if wanted is not None and not isinstance(wanted, Unrollable):
        what = f'"{wanted.type}" cannot be unrolled: its steps are not made of a filter, an inhibition and a threshold'
        raise SpecError(issue("FG445", what, (*path, "solver"), allowed=can, fix="name one of these, or infer by method: argmin"))
    why = _no_matrices(graph, terms, structure, known)
    if why:
        what = f"the steps towards {' and '.join(each.id for each in named.block)} have no matrices: {why}"
        raise SpecError(issue("FG446", what, path, fix="infer it by method: argmin, or leave such factors out with without"))
    smooth = tuple(each.factor for each in terms if each.part == "smooth")
    lacks = {
        "filter": not inputs(graph, known, smooth) and "its quadratic part reads nothing that samples change",
        "threshold": not (shrinks_units(graph, known, terms) or group_shapes(graph, known, terms))
        and "no factor shrinks each unit by itself, as l1 does, or each group",
    }
    for name in method.free:
        if told := lacks.get(name):
            have = ", ".join(each for each in MATRICES if not lacks.get(each))
            raise SpecError(issue("FG447", f"there is no {name} to be learned: {told}", (*path, "free"), allowed=have))


def _no_matrices(graph: Graph, terms: tuple[Term, ...], structure: Structure, known: Mapping[Id, Dependence]) -> str:
    """Why the gradient of the smooth part is not H z + c with one H for all samples and c affine; empty where it is."""
    for term in terms:
        factor = graph.factors[term.factor]
        bent = not all(known[each].fixed for each in factor.arguments)
        if term.part == "smooth" and (not term.quadratic or term.own or bent):
            return f"{term.factor} is {term.promise}, and a quadratic part with one Hessian for all samples is needed"
    return f"at most {LARGEST} units have one; these are {structure.size}" if structure.size > LARGEST else ""


def inputs(graph: Graph, known: Mapping[Id, Dependence], smooth: Collection[str]) -> tuple[Id, ...]:
    """What a filter reads: the values beside the block in its quadratic part that change from sample to sample."""
    return tuple(key for key in still_ids(graph, known, smooth) if varies(graph, key))


def has_bias(graph: Graph, known: Mapping[Id, Dependence], smooth: Collection[str]) -> bool:
    """Whether the quadratic part may pull at a code of zeros also where all that a filter reads is zero."""
    counted = {key for name in smooth for each in graph.factors[name].arguments for key in graph.ancestors(each)}
    moving = [graph.values[key] for key in counted if known[key].kind is not Kind.CONSTANT]
    shifts = any("bias" in graph.functions[each.function].parameters for each in moving if isinstance(each, Application))
    added = {
        key
        for each in moving
        if not (isinstance(each, Operation) and each.operator == "*")
        for key in each.arguments
        if known[key].kind is Kind.CONSTANT and not varies(graph, key)
    }
    factors = [graph.factors[name] for name in smooth]
    compared = any(not varies(graph, key) and known[key].kind is Kind.CONSTANT for each in factors for key in each.arguments)
    return shifts or bool(added) or compared or any(each.leaf.keeps(Linear, moving_in(each, known)) for each in factors)


def shrinks_units(graph: Graph, known: Mapping[Id, Dependence], terms: Collection[Term]) -> bool:
    """Whether some term shrinks each unit of a variable by itself, so that it can have a threshold of its own."""
    factors = [graph.factors[each.factor] for each in terms if each.part == "rest"]
    apart = [
        each for each in factors if isinstance(each.leaf, Proximal) and each.leaf.separable and not grouped(each, known, graph)
    ]
    return any(graph.variables[variable_of(each, known, graph)].domain != "simplex" for each in apart)


def group_shapes(graph: Graph, known: Mapping[Id, Dependence], terms: Collection[Term]) -> dict[Id, Shape]:
    """The shape of the lengths of groups, for each variable whose groups are shrunk."""
    factors = [graph.factors[each.factor] for each in terms if each.part == "rest"]
    found = {each.id: lengths.shape for each in factors if (lengths := grouped(each, known, graph)) is not None}
    return {variable_of(graph.factors[key], known, graph): shape for key, shape in found.items()}


class Network:
    """The layers of one procedure. Every tensor carries gradients to what it was made of, unless gradients are off."""

    def __init__(self, block: Block, solver: Unrollable):
        self.block, self.solver = block, solver
        self.graph = block.program.graph
        self.smooth = tuple(term.factor for term in block.plan.terms if term.part == "smooth")
        self.units = sum(block.sizes)

    @cached_property
    def inputs(self) -> tuple[Id, ...]:
        return inputs(self.graph, self.block.dependences, self.smooth)

    def __call__(
        self,
        start: Tensor,
        given: Assignment,
        tensors: Tensors,
        own: Mapping[str, Tensor],
        steps: int,
        apart: bool,
        learning: Learning | None,
    ) -> Tensor:
        """(batch, units): the code after some steps. ``own``: learned matrices; with ``apart`` one for each step along axis 0."""
        still = self.block.beside(start, given, tensors, learning)
        made = Made(self, start[:1].detach(), tensors)
        drive = None
        if "filter" in own:
            parts = [flat(still[key]) for key in self.inputs]
            read = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        else:
            drive = made.drive(still, start)

        def layer(mine: Mapping[str, Tensor]) -> Layer:
            driven = torch.nn.functional.linear(read, mine["filter"], mine.get("bias")) if drive is None else drive
            inhibition = mine["inhibition"] if "inhibition" in mine else made.inhibition  # noqa: SIM401  it costs to be read
            lengths = (mine[LENGTHS] if LENGTHS in mine else made.lengths.detach()) if self.solver.compares else None
            return Layer(driven, inhibition, self._shrink(made, mine, still), lengths)

        layers = [layer(_of_step(own, step)) for step in range(steps)] if apart else [layer(own)] * steps
        return self.solver.unroll(start, layers)

    def _shrink(self, made: Made, mine: Mapping[str, Tensor], still: Assignment) -> Callable[[Tensor], Tensor]:
        shares = self.block.shares(still, made.tensors)
        terms = {(share.variable, share.groups is None): share for share in shares}  # several alike are magnitudes: any will do
        at = [(share, self._threshold(share, made, mine)) for share in terms.values()]
        return lambda v: self.block.shrink(v, at)

    def _threshold(self, share: Share, made: Made, mine: Mapping[str, Tensor]) -> Tensor:
        """Learned, or as the energy gives it: one a unit, (1, *shape), or a group, (1, *groups); else one number for all."""
        if share.groups is not None:
            every = mine[GROUP_THRESHOLD] if GROUP_THRESHOLD in mine else made.group_threshold  # noqa: SIM401  it costs to be read
            pieces = torch.split(every, [prod(each) for each in self.groups.values()])
            return dict(zip(self.groups, pieces, strict=True))[share.variable].reshape(1, *self.groups[share.variable])
        leaf = share.factor.leaf
        if not (isinstance(leaf, Proximal) and leaf.separable):
            return share.weight * made.lengths
        every = mine["threshold"] if "threshold" in mine else made.threshold  # noqa: SIM401
        return self.block.split(every[None])[share.variable]

    @cached_property
    def groups(self) -> Mapping[Id, Shape]:
        return group_shapes(self.graph, self.block.dependences, self.block.rest)

    def own(self, names: Collection[str], like: Tensor, tensors: Tensors) -> dict[str, Tensor]:
        """The matrices of the energy, as parameters begin: some of ``MATRICES``, the bias with the filter, and the lengths."""
        with torch.no_grad():
            made = Made(self, like.new_zeros(1, self.units), tensors)
            found = {name: getattr(made, name) for name in (*MATRICES, GROUP_THRESHOLD) if name in names}
            if "filter" in names:
                found["bias"] = made.bias
            found[LENGTHS] = made.lengths
        return found


class Made:
    """The matrices as the energy gives them for some parameters, each computed when it is read."""

    def __init__(self, network: Network, like: Tensor, tensors: Tensors):
        self.network, self.like, self.tensors = network, like, tensors
        self.block = network.block

    @cached_property
    def hessian(self) -> Tensor:
        return self.block.shared_hessian(self.like, self._blank(1), self.tensors, torch.is_grad_enabled())

    @cached_property
    def lengths(self) -> Tensor:
        gram = self.block.plan.gram
        bound = eigenvalue_bound(self.hessian) if gram else self.block.bound(self.tensors, self.like)
        assert bound is not None, "the planner unrolls only what is bounded"
        return self.network.solver.lengths(self.hessian, bound.detach())

    @cached_property
    def inhibition(self) -> Tensor:
        identity = torch.eye(self.network.units, dtype=self.like.dtype, device=self.like.device)
        return identity - _rows(self.lengths) * self.hessian

    @cached_property
    def threshold(self) -> Tensor:
        units = [share for share in self._shares if share.groups is None]
        return self.block.unit_weights(units, self.like) * self.lengths

    @cached_property
    def group_threshold(self) -> Tensor:
        weights = {share.variable: share.weight for share in self._shares if share.groups is not None}
        pieces = [self.like.new_ones(prod(shape)) * weights[key] for key, shape in self.network.groups.items()]
        return torch.cat(pieces) * self.lengths

    @cached_property
    def _shares(self) -> list[Share]:
        return self.block.shares(self._blank(1), self.tensors)

    @cached_property
    def filter(self) -> Tensor:
        return -_rows(self.lengths) * (self._slopes[1:] - self._slopes[0]).T

    @cached_property
    def bias(self) -> Tensor:
        return -self.lengths * self._slopes[0]

    @cached_property
    def _slopes(self) -> Tensor:
        """(1 + inputs, units): the gradient at a code of zeros, for zeros and for each input at 1 and all others at 0."""
        keys = self.network.inputs
        sizes = [prod(self.network.graph.values[key].shape) for key in keys]
        total = sum(sizes)
        unit = torch.eye(total, dtype=self.like.dtype, device=self.like.device)
        probes = torch.split(torch.cat([unit.new_zeros(1, total), unit]), sizes, dim=1)
        still = self._blank(1 + total)
        for key, probe in zip(keys, probes, strict=True):
            still[key] = probe.reshape(1 + total, *self.network.graph.values[key].shape)
        return self._gradient(still, self.like.new_zeros(1 + total, self.network.units))

    def drive(self, still: Assignment, start: Tensor) -> Tensor:
        """(batch, units): what the filter would make of a batch."""
        return -self.lengths * self._gradient(still, torch.zeros_like(start))

    def _gradient(self, still: Assignment, at: Tensor) -> Tensor:
        return gradient_of(self.block.smooth_of(still, self.tensors), torch.is_grad_enabled())(at)

    def _blank(self, rows: int) -> dict[Id, Tensor]:
        """All that the energy reads beside the block: zeros where samples change it."""
        graph = self.network.graph
        fixed = tuple(key for key in self.block.still if not varies(graph, key))
        known = self.block.program.values(fixed, {"": self.like}, self.tensors)
        blank = {key: self.like.new_zeros(rows, *graph.values[key].shape) for key in self.block.still}
        return blank | {key: known[key].expand(rows, *known[key].shape[1:]) if known[key].dim() else known[key] for key in fixed}


def _of_step(own: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
    """The matrices of one step, where each step has its own; lengths are all steps'."""
    return {name: each if name == LENGTHS else each[step] for name, each in own.items()}


def _rows(lengths: Tensor) -> Tensor:
    return lengths if lengths.dim() == 0 else lengths[:, None]
