"""Sums over rows that tell an energy and where it is least, without a gradient: of K-means and of PCA.

Rows are taken by pieces that stay in the cache of a processor, and what they add up to is kept in float64: the energy is a
difference of large sums. Products are written where there is a place for them: then no autocast takes digits off them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factorgraph.compile.dependence import origin
from factorgraph.factors._sums import flat
from factorgraph.kernels import nearest as kernel
from factorgraph.structure import Square
from factorgraph.training.objective import ACTIVE, LATE, LOSS, Outcome, noted

if TYPE_CHECKING:
    from factorgraph.compile.plan import Closed
    from factorgraph.graph.model import Id
    from factorgraph.training.objective import Batch

HELD = 2**19  # numbers of a piece and of what is made of it: 2 MiB of float32
BLOCKS = 3  # of a symmetric matrix on each side: six of nine are made; more would be too narrow to be made fast


@torch.no_grad()
def outcome(batch: Batch, closed: Closed, matrix: Tensor, weight: float) -> Outcome:
    """The loss of a batch, ``weight`` times its energy, with what it adds to sums. ``matrix``: of the function."""
    graph, (term,) = batch.view.graph, closed.terms
    factor, leaf = graph.factors[term.factor], graph.factors[term.factor].leaf
    assert isinstance(leaf, Square), "the planner takes nothing else for such"
    x = flat(batch.values((closed.alone,), batch.given)[closed.alone])
    counts: dict[Id, Tensor] = {}
    searched: dict[str, Tensor] = {}
    if closed.kind == "directions":
        distance, *sums = moments(x, matrix)
    else:
        distance, *sums = nearest(x, matrix)
        counts = {origin(graph, term.input): sums[0].to(x.dtype)}
        searched = {ACTIVE: x.new_full((), 1 / matrix.shape[1]), LATE: x.new_zeros(())}
    beside = leaf.energy(x[:1], x[:1])[0]  # a square may have a number added to it
    share = factor.weight * (leaf.curvature({}) / 2 * distance / len(x) + beside)
    loss = (weight * share).to(x.dtype)
    return Outcome(loss, noted(batch, {LOSS: loss, factor.id: share, **searched}), batch, tuple(sums), counts)


def nearest(x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The squared distance of all rows x (rows, outputs) to the nearest columns (outputs, units), (); how many rows chose each,
    (units,); and what these add up to, (outputs, units). Of equal columns the first is chosen, and none that is no number."""
    lengths = matrix.double().square().sum(0)
    usable = lengths.to(x.dtype).isfinite()  # the others are as if infinitely far
    columns, lengths = torch.where(usable, matrix, 0), torch.where(usable, lengths, torch.inf)
    middle, units = columns.sum(1) / usable.sum().clamp_min(1), len(lengths)
    apart = columns - middle[:, None]  # of what lies far from zero, squares would round away how it differs
    half = torch.where(usable, apart.square().sum(0) / 2, torch.inf).to(x.dtype)
    counts, sums, squares = lengths.new_zeros(units), lengths.new_zeros(units, len(matrix)), lengths.new_zeros(())
    pieces = _pieces(x, sum(matrix.shape))
    many = len(pieces[0])  # one place for all of them: memory anew would cost a tenth more
    far, seen, ones = x.new_zeros(many, units), lengths.new_zeros(many, len(matrix)), lengths.new_ones(many)
    for part in pieces:
        far, seen, ones = far[: len(part)], seen[: len(part)], ones[: len(part)]
        chosen = kernel.argmin(torch.addmm(half, part - middle, apart, alpha=-1, out=far))
        sums.index_add_(0, chosen, seen.copy_(part))
        counts.index_add_(0, chosen, ones)  # bincount would wait for a device
        squares += torch.linalg.vector_norm(seen).square()
    lengths = torch.where(counts > 0, lengths, 0)  # 0 times infinity is no number
    distance = squares - 2 * (columns.T * sums).sum() + (counts * lengths).sum()
    return distance.clamp_min(0), counts, sums.T


def moments(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The squared distance of all x (rows, units) to their projections by directions (directions, units), (); and the sums of
    their products, (units, units).

    Products are of what rows differ from the mean of the first piece, in their own precision: however far from zero rows are, the
    directions in which they differ are found, but for those of a variance below about 1e-6 of the largest.
    """
    units, pieces = x.shape[1], _pieces(x, x.shape[1])
    middle = pieces[0].sum(0) / max(1, len(pieces[0]))
    width, gram, total = -(-units // BLOCKS), x.new_zeros(units, units, dtype=torch.float64), middle.double().new_zeros(units)
    for part in pieces:
        apart = part - middle
        total += apart.sum(0)
        seen = apart if part.device.type == "cpu" else apart.double()  # elsewhere a product may be of fewer digits
        for begin in range(0, units, width):
            made = seen.new_zeros(min(width, units - begin), units - begin)
            gram[begin : begin + width, begin:] += torch.mm(seen[:, begin : begin + width].T, seen[:, begin:], out=made)
    around = torch.outer(middle.double(), total + len(x) / 2 * middle.double())
    gram = gram.triu() + gram.triu(1).T + around + around.T
    directions = rows.double()
    kept = directions @ gram @ directions.T
    distance = gram.diagonal().sum() - 2 * kept.diagonal().sum() + (kept * (directions @ directions.T)).sum()
    return distance.clamp_min(0), gram


def _pieces(x: Tensor, width: int) -> tuple[Tensor, ...]:
    """(rows, units) each. ``width``: the numbers that are held for each row."""
    return torch.split(x, max(1, HELD // width))
