"""Summing a block out of the energy: the free energy that is left, and means under the posterior.

For each value of what is tried, what has a closed form is summed in it: units of few values in which the energy is linear, or
real ones in which it is quadratic.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import dependences, varies
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.problems import Block, still_ids
from factorgraph.compile.program import Assignment, Program, Tensors
from factorgraph.compile.terms import terms_of
from factorgraph.graph.model import Id
from factorgraph.inference.domains import FINITE
from factorgraph.inference.problem import Choices
from factorgraph.inference.solvers._kinds import Summing
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning

ENTROPY = "minus entropy"  # the share of a free energy that is no factor's; no factor has a name of two words
AT_ONCE = 2**22  # numbers held at a time


class Sum:
    """A block that is summed out as a plan says; it keeps nothing between calls."""

    def __init__(self, program: Program, plan: ProcedurePlan, solver: Summing, beta: float):
        self.program, self.plan, self.solver, self.beta = program, plan, solver, beta
        graph, block = program.graph, frozenset(plan.block)
        self.factors = tuple(term.factor for term in plan.terms)
        self.touched = frozenset(
            key for key, each in graph.factors.items() if any(graph.depends(value, block) for value in each.arguments)
        )
        self.closed = self._block([key for key in plan.block if key in plan.closed])
        self.tried = self._block([key for key in plan.block if key not in plan.closed])

    def _block(self, ids: Sequence[Id]) -> Block:
        graph = self.program.graph
        variables = tuple(graph.variables[key] for key in ids)
        terms = terms_of(graph, self.plan.factors, dependences(graph, frozenset(ids)), variables)
        return Block(self.program, replace(self.plan, block=tuple(ids), terms=terms))

    def beside(self, keys: Iterable[str]) -> tuple[Id, ...]:
        """Values that some factors read and that do not move with the block."""
        graph = self.program.graph
        return still_ids(graph, dependences(graph, frozenset(self.plan.block)), tuple(keys))

    @cached_property
    def alone(self) -> bool:
        """Whether nothing that samples change is read: then there is one sum for all of them."""
        return not any(varies(self.program.graph, key) for key in self.beside(self.factors))

    @cached_property
    def width(self) -> int:
        """Numbers that one evaluation holds, about."""
        graph = self.program.graph
        values = {key for each in self.factors for value in graph.factors[each].arguments for key in graph.ancestors(value)}
        learned = [math.prod(each.shape) for key in self.factors for each in graph.factors[key].parameters.values()]
        return sum(math.prod(graph.values[key].shape) for key in values) + sum(learned)

    def __call__(self, given: Assignment, tensors: Tensors, learning: Learning | None = None) -> Summed:
        """For a batch. Without anything that samples change it is one sum, in double precision."""
        others = {key: each for key, each in given.items() if key not in self.plan.block}
        like = next(iter(given.values())).detach()
        rows, start = len(like), like.new_zeros(len(like))
        if self.alone:
            rows, start = 1, like.new_zeros(1, dtype=torch.float64)
            others = {key: each[:1].double() for key, each in others.items()}
            tensors = {owner: {name: each.double() for name, each in own.items()} for owner, own in tensors.items()}
        return Summed(self, {**others, "": start}, tensors, learning, rows)


@dataclass(frozen=True)
class Piece:
    """Some of the values that are tried, with what of the block is closed summed for each: rows times values, row by row."""

    values: Tensor  # (values, units tried)
    free: Tensor  # (rows, values)
    mean: Tensor  # (rows * values, units closed)
    root: Tensor | None = None  # of a Gaussian: K, lower, of its Hessian K K'; (1 or rows * values, units, units)


@dataclass(frozen=True)
class Zero:
    """The energy where all of what is closed is 0, (rows * values,), and its slope there; ``point`` is that place."""

    point: Tensor
    energy: Tensor
    slope: Tensor


class Summed:
    """One call of a sum. ``free``: F, (rows,), or (1,) where no sample changes it."""

    def __init__(self, sum_: Sum, given: Assignment, tensors: Tensors, learning: Learning | None, rows: int):
        self.sum, self.given, self.tensors, self.learning, self.rows = sum_, given, tensors, learning, rows
        self.like = given[""]
        self._whole: Piece | None = None  # where there is but one
        self.free = self._free()

    @property
    def block(self) -> tuple[Id, ...]:
        return self.sum.plan.block

    # --- what is asked of it ---------------------------------------------------------------------------------------------------

    def _free(self) -> Tensor:
        beta, total = self.sum.beta, self.like.new_full((self.rows,), -torch.inf)
        for piece in self._pieces():
            total = torch.logaddexp(total, torch.logsumexp(-beta * piece.free, 1))
        return -(total + self._choices.log_measure) / beta

    def mean(self) -> dict[Id, Tensor]:
        """The block's variables under the posterior, (rows, *shape) each."""
        tried = self.like.new_zeros(self.rows, sum(self.sum.tried.sizes))
        closed = self.like.new_zeros(self.rows, sum(self.sum.closed.sizes))
        for piece in self._pieces():
            chance = self._posterior(piece)
            tried = tried + chance @ piece.values
            closed = closed + (chance[:, :, None] * piece.mean.reshape(*chance.shape, -1)).sum(1)
        found = {**_split(self.sum.tried, tried), **_split(self.sum.closed, closed)}
        return {key: found[key] for key in self.block}

    def chances(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Of what is tried on axes: its values, (values, units), and how likely each is, all else summed out: (values,)."""
        block = self.sum.tried
        sized = zip(block.variables, block.sizes, strict=True)
        real = [place for each, size in sized for place in [each.domain not in FINITE] * size]
        for piece in self._pieces():
            yield piece.values[:, real], self._posterior(piece)[0]

    def points(self) -> Iterator[tuple[dict[Id, Tensor], Tensor]]:
        """The posterior as weighted values of the block's variables, (rows * n, *shape) each, row by row, and (rows * n,).

        A mean over them is that under the posterior wherever it is asked of what the factors are in the block: linear in units of
        few values that are summed in closed form, quadratic in a Gaussian's, whose points lie along the root of its covariance.
        """
        for piece in self._pieces():
            tried, closed = piece.values.repeat(self.rows, 1), piece.mean
            weight = self._posterior(piece).reshape(-1)
            if piece.root is not None:
                units = closed.shape[1]
                moves = units**0.5 * self._moves(piece.root).to(closed.dtype)
                closed = (closed[:, None] + torch.cat([moves, -moves], 1)).reshape(-1, units)
                tried = tried.repeat_interleave(2 * units, 0)
                weight = weight.repeat_interleave(2 * units) / (2 * units)
            yield {**_split(self.sum.tried, tried), **_split(self.sum.closed, closed)}, weight

    def expected(self, keys: Collection[str]) -> dict[str, Tensor]:
        """The mean of factors' weighted energies under the posterior, (rows,) each."""
        found = dict.fromkeys(keys, self.like.new_zeros(self.rows))
        still = self._still(keys)
        for piece in self._pieces():
            chance = self._posterior(piece)
            tried = piece.values.repeat(self.rows, 1)
            shares = self._shares(keys, tried, piece.mean, still, len(piece.values))
            if piece.root is not None:
                one = self.sum.plan.kernel == "gram"  # for all rows: what they read, and what is tried, does not matter
                blank = {key: torch.zeros_like(each[:1]) if each.dim() else each for key, each in still.items()} if one else still
                spread = self._spread(keys, piece.root, tried[:1] if one else tried, blank, 1 if one else len(piece.values))
                shares = {key: each + spread[key] for key, each in shares.items()}
            for key, share in shares.items():
                found[key] = found[key] + (chance * share.reshape(chance.shape)).sum(1)
        return found

    def _posterior(self, piece: Piece) -> Tensor:
        """(rows, values): the chance of each value that is tried."""
        beta = self.sum.beta
        return torch.exp(beta * (self.free[:, None] - piece.free) + self._choices.log_measure)

    # --- piece by piece --------------------------------------------------------------------------------------------------------

    @cached_property
    def _choices(self) -> Choices:
        block = self.sum.tried
        parts = [(each.domain, size) for each, size in zip(block.variables, block.sizes, strict=True)]
        return self.sum.solver.values(parts, self.like, self.sum.width)

    def _pieces(self) -> Iterator[Piece]:
        if self._whole is not None:
            yield self._whole
            return
        count, size = self._choices.count, max(1, AT_ONCE // (self.rows * self.sum.width))
        still = self._still(self.sum.factors)
        for first in range(0, count, size):
            numbers = torch.arange(first, min(first + size, count), device=self.like.device)
            piece = self._piece(self._choices.at(numbers), still)
            if count <= size:
                self._whole = piece
            yield piece

    def _piece(self, values: Tensor, still: Assignment) -> Piece:
        shape = (self.rows, len(values))
        if not self.sum.plan.closed:
            energy = self._energy(values, self.like.new_empty(self.rows * len(values), 0), still)
            return Piece(values, energy.reshape(shape), energy.new_empty(len(energy), 0))
        at = self._at_zero(values, still)
        return self._gaussian(values, at, still) if self.sum.plan.kernel else self._product(values, at)

    def _product(self, values: Tensor, at: Zero) -> Piece:
        """Units of few values in which the energy is linear: each variable, or each binary unit, by itself."""
        beta, block, energy, means = self.sum.beta, self.sum.closed, at.energy, []
        for variable, own in zip(block.variables, torch.split(-beta * at.slope, block.sizes, 1), strict=True):
            if variable.domain == "binary":
                energy = energy - torch.nn.functional.softplus(own).sum(1) / beta
                means.append(torch.sigmoid(own))
            else:
                energy = energy - torch.logsumexp(own, 1) / beta
                means.append(torch.softmax(own, 1))
        return Piece(values, energy.reshape(self.rows, len(values)), torch.cat(means, 1))

    def _gaussian(self, values: Tensor, at: Zero, still: Assignment) -> Piece:
        """E(z) = E(0) + b'z + z'Hz/2, integrated: the least energy, and the volume of the ellipsoid around it."""
        beta, units = self.sum.beta, at.slope.shape[1]
        root = self._root(values, at, still)
        pull = at.slope.double()
        columns = pull.mT[None] if len(root) == 1 else pull[:, :, None]  # (1, units, rows), or (rows, units, 1)
        white = torch.linalg.solve_triangular(root, columns, upper=False)
        mean = -torch.linalg.solve_triangular(root.mT, white, upper=True).mT.reshape(at.slope.shape)
        volume = root.diagonal(dim1=1, dim2=2).log().sum(1) + units / 2 * math.log(beta / (2 * math.pi))
        free = at.energy + (volume / beta - white.square().sum(1).reshape(-1) / 2).to(self.like.dtype)
        return Piece(values, free.reshape(self.rows, len(values)), mean.to(self.like.dtype), root)

    def _root(self, values: Tensor, at: Zero, still: Assignment) -> Tensor:
        """K, lower, of the Hessian K K' of what is closed, in double precision; no number where that is not positive."""
        block, through = self.sum.closed, torch.is_grad_enabled()
        if self.sum.plan.kernel == "gram":
            beside = {**still, **_split(self.sum.tried, values)}
            hessian = block.shared_hessian(self.like, beside, self.tensors, through)[None]
        else:
            with torch.enable_grad():
                slopes = (at.slope[:, unit].sum() for unit in range(at.slope.shape[1]))
                rows = [torch.autograd.grad(each, at.point, create_graph=through, retain_graph=True)[0] for each in slopes]
            hessian = torch.stack(rows, 1)
        root, failed = torch.linalg.cholesky_ex(hessian.double())
        return torch.where((failed > 0)[:, None, None], torch.nan, root)

    def _spread(self, keys: Collection[str], root: Tensor, tried: Tensor, still: Assignment, times: int) -> dict[str, Tensor]:
        """What the width of the posterior adds to the mean of quadratic factors: half the trace of H times the covariance.

        By second differences along the columns of the covariance's root, for each of the roots.
        """
        units, moves = root.shape[-1], self._moves(root)
        points = torch.cat([moves, -moves, torch.zeros_like(moves[:, :1])], 1)  # (roots, 2 units + 1, units)
        many = points.shape[1]
        closed = points.reshape(-1, units).to(self.like.dtype)
        shares = self._shares(keys, tried.repeat_interleave(many, 0), closed, still, times * many)
        folded = {key: each.reshape(-1, many) for key, each in shares.items()}
        return {key: (each[:, :-1].sum(1) - 2 * units * each[:, -1]) / 2 for key, each in folded.items()}

    def _moves(self, root: Tensor) -> Tensor:
        """(roots, units, units): rows whose squares add up to the covariance, for each Hessian's root."""
        one = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device).expand_as(root)
        moves: Tensor = torch.linalg.solve_triangular(root.mT, one, upper=True).mT / self.sum.beta**0.5
        return moves

    # --- energies --------------------------------------------------------------------------------------------------------------

    def _at_zero(self, values: Tensor, still: Assignment) -> Zero:
        again = torch.is_grad_enabled() or self.sum.plan.kernel == "grams"
        size = self.rows * len(values)
        with torch.enable_grad():
            point = self.like.new_zeros(size, sum(self.sum.closed.sizes), requires_grad=True)
            energy = self._energy(values, point, still) + 0 * point.sum(1)  # also where no factor that counts touches it
            (slope,) = torch.autograd.grad(energy.sum(), point, create_graph=again)
        return Zero(point, energy, slope) if torch.is_grad_enabled() else Zero(point, energy.detach(), slope)

    def _energy(self, values: Tensor, closed: Tensor, still: Assignment) -> Tensor:
        """(rows * values,): of the factors that count and move."""
        shares = self._shares(self.sum.factors, values.repeat(self.rows, 1), closed, still, len(values))
        return sum(shares.values(), self.like.new_zeros(self.rows * len(values)))

    def _shares(self, keys: Collection[str], tried: Tensor, closed: Tensor, still: Assignment, times: int) -> dict[str, Tensor]:
        """Weighted energies of some factors, (n,); ``tried`` and ``closed`` (n, units), each row of ``still`` so many times."""
        beside = {key: each.repeat_interleave(times, 0) if each.dim() else each for key, each in still.items()}
        block = {**_split(self.sum.tried, tried), **_split(self.sum.closed, closed)}
        return self.sum.program.shares(keys, {**block, **beside}, self.tensors)

    def _still(self, keys: Iterable[str]) -> dict[Id, Tensor]:
        """What factors read beside the block, (rows, *shape) each or ()."""
        wanted = self.sum.beside(keys)
        known = self.sum.program.values(wanted, self.given, self.tensors, self.learning)
        return {key: known[key] for key in wanted}


def _split(block: Block, z: Tensor) -> dict[Id, Tensor]:
    return block.split(z) if block.variables else {}


def shares(
    program: Program,
    keys: Iterable[str],
    known: Assignment,
    tensors: Tensors,
    sums: Iterable[Summed],
    learning: Learning | None = None,
) -> dict[str, Tensor]:
    """Each factor's share of the free energy, (batch,): its mean under the posterior of what was summed out, and the entropy's.

    Where a sum and the energy see the same factors, all derivatives are those of the free energy itself.
    """
    keys, sums = tuple(keys), tuple(sums)
    by = {key: each for each in sums for key in keys if key in each.sum.touched}
    plain = program.shares([key for key in keys if key not in by], known, tensors, learning)
    size = next(iter(known.values())).shape[0]
    entropy: Tensor | None = None
    for each in sums:
        own = [key for key in keys if by.get(key) is each]
        counted = dict.fromkeys((*own, *each.sum.factors))
        with torch.set_grad_enabled(torch.is_grad_enabled() and set(own) != set(each.sum.factors)):
            found = each.expected(counted)
        rest = each.free - sum((found[key] for key in each.sum.factors), torch.zeros_like(each.free))
        entropy = rest if entropy is None else entropy + rest
        plain |= {key: found[key] for key in own}
    like = next(iter(known.values()))
    ordered = {key: (plain[key] if plain[key].shape[0] == size else plain[key].expand(size)).to(like.dtype) for key in keys}
    return ordered if entropy is None else {**ordered, ENTROPY: entropy.expand(size).to(like.dtype)}
