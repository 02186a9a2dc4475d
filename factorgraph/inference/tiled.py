"""A code of a picture that is too large to be searched at once: tile by tile, in sweeps, until all of it is a minimum.

The energy is a quadratic behind one convolution and magnitudes of units. With the units beside a tile held, that of the tile
is of the same kind, and reads no more of the picture than kernels that begin in the tile reach. A sweep minimises over one tile
after the other: block coordinate descent. It converges to the minimum because what is not smooth is a sum over units, so that no
tile is tied to another by it, and because every visit lowers the energy at least as far as one proximal step does: what all of
those steps move is then finite together, and where no tile is moved by its own step no unit is. Only units within a kernel of a
tile's border see its neighbours, and each sweep lays the borders elsewhere, in turn: fixed ones need three to ten times as many.

A search that comes no closer ends, with how far it is: in sweeps of minutes nobody waits for fifty to learn that.

Source: Tseng, J. Optim. Theory Appl. 109(3), 2001, theorem 4.1; inexact: Tseng & Yun, Math. Programming 117, 2009, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from factorgraph.inference.certificate import SMALLEST_CODE
from factorgraph.inference.convolved import Convolved
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Minimum, Problem, Rest
from factorgraph.inference.rows import choose, finite
from factorgraph.inference.solvers._steps import GENTLE, slack
from factorgraph.lazy import torch
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor

SWEEPS = 50  # at most; ten to fifteen do
PATIENCE, GAIN = 8, 0.9  # sweeps that together leave more than this of the distance to the minimum are the last
SHIFTS = ((0, 0), (0.5, 0.5), (0.25, 0.75), (0.75, 0.25))  # of tiles, in parts of their side, sweep by sweep
CLOSER = 0.9  # of what a sweep asks of its tiles the next one asks

Tell = Callable[[str], None]


def quiet(line: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Place:
    """A tile: rows ``top`` to ``bottom`` of all maps, columns ``left`` to ``right``, the ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, maps: Tensor, more: int = 0) -> Tensor:
        """A view of maps (..., rows, columns); of a picture on all that kernels reach, with so much ``more`` to the far sides."""
        return maps[..., self.top : self.bottom + more, self.left : self.right + more]


@dataclass(frozen=True)
class Tiled:
    """The search, by tiles of ``side`` units along an axis or fewer, the same for every row of a batch.

    ``form.linear`` may be an expanded zero, and nothing else of it is as large as the code: of that there is one.
    """

    form: Convolved
    weight: Tensor  # (), of every unit's magnitude
    nonnegative: bool
    squares: bool  # the smooth part is a sum of squares, so that there is a duality gap
    bound: Tensor  # (), of the gradient's slope
    side: int

    def minimise(self, solver: Solver, z: Tensor, steps: int, tolerance: float, tell: Tell = quiet) -> tuple[Minimum, Tensor]:
        """The code, written over its start z (batch, units), and the picture that it draws, on all that kernels reach.

        Each visit takes at most ``steps``; counted are those of the longest visit in each sweep. The certificate is that of a
        search without tiles: the relative duality gap, or the fixed-point residual, of all units together. ``tell`` is told of
        it sweep by sweep.
        """
        code = self.form.maps(z)
        picture = torch.zeros_like(self._target)
        for place in self.places(0):
            place.of(picture, self._reach).add_(self._drawn(place.of(code)))
        taken = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        asked, distances = tolerance, [math.inf] * PATIENCE
        for sweep in range(SWEEPS):
            places = self.places(sweep)
            sure, open_ = self._certificate(places, code, picture, tolerance)
            distances.append(float(sure.max()))
            if not any(open_) or min(distances[-PATIENCE:]) > GAIN * min(distances[:-PATIENCE]):
                break
            tell(f"sweep {sweep + 1} of at most {SWEEPS} over {len(places)} tiles: {_from_minimum(distances[-1], tolerance)}")
            asked = asked * CLOSER
            longest = torch.zeros_like(taken)
            for place in (place for place, visit in zip(places, open_, strict=True) if visit):
                longest = torch.maximum(longest, self._visit(solver, self._whole(place), code, picture, steps, asked))
            taken = taken + longest
        else:
            sure, _ = self._certificate(places, code, picture, tolerance)
        status = torch.where(sure < tolerance, CONVERGED, OUT_OF_STEPS)
        return Minimum(z, torch.where(torch.isfinite(sure), status, NOT_FINITE), taken, sure), picture

    def places(self, sweep: int) -> list[Place]:
        """Tiles that divide the maps. Each sweep divides them elsewhere, so that what lay at a border does not do so twice."""
        _, rows, columns = self.form.shape
        down, across = SHIFTS[sweep % len(SHIFTS)]
        vertical, horizontal = self._cuts(rows, down), self._cuts(columns, across)
        return [Place(*each, *other) for each in pairwise(vertical) for other in pairwise(horizontal)]

    def _cuts(self, size: int, shift: float) -> list[int]:
        if size <= self.side:
            return [0, size]
        return [0, *range(round(shift * self.side) or self.side, size, self.side), size]

    def _whole(self, place: Place) -> Place:
        """The tile grown over its neighbours to its full size: small ones take as many sweeps, and tell less."""
        return Place(max(0, place.bottom - self.side), place.bottom, max(0, place.right - self.side), place.right)

    @property
    def _reach(self) -> int:
        return int(self.form.kernels.shape[-1]) - 1

    @cached_property
    def _mask(self) -> Tensor:
        return self.form.framed(self.form.mask)

    @cached_property
    def _target(self) -> Tensor:
        return self.form.framed(self.form.target)

    @cached_property
    def _kernels(self) -> Tensor:
        return self.form.kernels.transpose(0, 1).contiguous()  # (maps, colours, side, side)

    def _drawn(self, maps: Tensor) -> Tensor:
        """What maps of a tile draw, (batch, colours, rows + reach, columns + reach)."""
        return torch.nn.functional.conv_transpose2d(maps, self._kernels)

    # --- one tile --------------------------------------------------------------------------------------------------------------

    def _visit(self, solver: Solver, place: Place, code: Tensor, picture: Tensor, steps: int, tolerance: float) -> Tensor:
        """Minimise over a tile where it lies; the steps that each row took."""
        own, area = place.of(code), place.of(picture, self._reach)
        held = area - self._drawn(own)  # what the units beside the tile draw here
        problem = self._problem(place, own, held)
        length = 1 / self.bound.clamp_min(GENTLE)
        first = problem.start - length * problem.gradient(problem.start)
        first = first if problem.rest is None else problem.rest.prox(first, length)
        found = solve(solver, _from(problem, first), steps, tolerance)
        before, after = problem.energy(first), problem.energy(found.z)
        lower = finite(found.z) & (after <= before + slack(before))
        own.copy_(choose(lower, found.z, first).view(own.shape))
        area.copy_(held.add_(self._drawn(own)))
        return found.steps

    def _problem(self, place: Place, own: Tensor, held: Tensor) -> Problem:
        """That of one tile: its picture is compared with what the others leave of the target."""
        mask = place.of(self._mask, self._reach)
        linear = place.of(self.form.maps(self.form.linear)).flatten(1)
        form = Convolved(
            kernels=self.form.kernels,
            cut=0,
            shape=(own.shape[1], own.shape[2], own.shape[3]),
            mask=mask,
            target=(place.of(self._target, self._reach) - held) * mask,
            curvature=self.form.curvature,
            own=self.form.own,
            linear=linear,
            constant=self._squared(linear),
        )
        start = own.flatten(1)
        rest = Rest(self._paid, self._shrunk, self.weight.expand(start.shape[1]), self.nonnegative)
        return Problem(start, form.value, form.gradient, self.bound, rest, convolved=form, squares=self.squares)

    def _squared(self, linear: Tensor) -> Tensor:
        """(batch,): what makes a square of what units cost by themselves, a |z|^2 / 2 + b.z; else the duality gap is none."""
        return linear.square().sum(1) / (2 * self.form.own.clamp_min(torch.finfo(linear.dtype).tiny))

    def _paid(self, z: Tensor) -> Tensor:
        return self.weight * z.flatten(1).abs().sum(1)

    def _shrunk(self, v: Tensor, t: Tensor) -> Tensor:
        threshold = self.weight * t
        return (v - threshold).clamp_min_(0) if self.nonnegative else v - v.clamp(-threshold, threshold)

    # --- all of them -----------------------------------------------------------------------------------------------------------

    def _certificate(self, places: list[Place], code: Tensor, picture: Tensor, tolerance: float) -> tuple[Tensor, list[bool]]:
        """(batch,): how far all units together can be from the minimum; and which tiles must be visited to come closer.

        Were none of those, every tile's part would be below its share of the tolerance, and the whole below the tolerance.
        """
        lacking = (picture - self._target) * self._mask
        parts = [self._part(place, code, lacking) for place in places]
        return self._by_gap(parts, lacking, tolerance) if self._has_gap else self._by_residual(parts, tolerance)

    @cached_property
    def _has_gap(self) -> bool:
        return self.squares and bool(self.weight > 0)

    def _part(self, place: Place, code: Tensor, lacking: Tensor) -> tuple[Tensor, ...]:
        """(batch,) each: what a tile has to say to the certificate."""
        own, linear = place.of(code).flatten(1), place.of(self.form.maps(self.form.linear)).flatten(1)
        slope = torch.nn.functional.conv2d(place.of(lacking, self._reach), self._kernels).flatten(1).mul_(self.form.curvature)
        slope.add_(own * self.form.own).add_(linear)
        if not self._has_gap:
            length = 1 / self.bound.clamp_min(GENTLE)
            moved = self._shrunk(own - length * slope, length).sub_(own)
            return moved.square().sum(1), own.square().sum(1)
        pull = (-slope if self.nonnegative else slope.abs()).amax(1).clamp_min(torch.finfo(own.dtype).tiny)
        alone = (own * (self.form.own / 2 * own + linear)).sum(1) + self._squared(linear)
        return (self.weight / pull).clamp_max(1), (own * slope).sum(1), self._paid(own), alone

    def _by_gap(self, parts: list[tuple[Tensor, ...]], lacking: Tensor, tolerance: float) -> tuple[Tensor, list[bool]]:
        """As ``duality_gap``: one tile sets the scale of the dual point, all add to the rest."""
        scales, along, paid, alone = (torch.stack(each) for each in zip(*parts, strict=True))  # (tiles, batch)
        smooth = self.form.curvature / 2 * lacking.square().sum((1, 2, 3)) + alone.sum(0)
        energy = (smooth + paid.sum(0)).clamp_min(torch.finfo(smooth.dtype).tiny)
        scale = scales.amin(0)
        gap = (1 - scale).square() * smooth + (scale * along + paid).sum(0)
        half = tolerance / 2 * energy
        apart = (1 - scales).square() * smooth + (1 - scales) * paid.sum(0)
        open_ = (apart >= half) | (along + paid >= half / len(parts))
        sure = gap.clamp_min(0) / energy
        return sure, _visited(open_, sure, tolerance)

    def _by_residual(self, parts: list[tuple[Tensor, ...]], tolerance: float) -> tuple[Tensor, list[bool]]:
        """How far one proximal step of all units moves them, relative to their norm."""
        moved, squares = (torch.stack(each) for each in zip(*parts, strict=True))
        norm = squares.sum(0).sqrt().clamp_min(SMALLEST_CODE)
        sure = moved.sum(0).sqrt() / norm
        return sure, _visited(moved >= (tolerance * norm).square() / len(parts), sure, tolerance)


def _from_minimum(distance: float, tolerance: float) -> str:
    return f"{distance:.2g} from the minimum, where {tolerance:g} is asked"


def _visited(open_: Tensor, sure: Tensor, tolerance: float) -> list[bool]:
    """Tiles that some row needs; none where all rows are sure, or one is not finite."""
    if bool((sure < tolerance).all()) or not math.isfinite(float(sure.sum())):
        return [False] * len(open_)
    found: list[bool] = (open_ & (sure >= tolerance)).any(1).tolist()
    return found


def _from(problem: Problem, start: Tensor) -> Problem:
    """The same problem from elsewhere."""
    return Problem(
        start, problem.smooth, problem.gradient, problem.bound, problem.rest, convolved=problem.convolved, squares=problem.squares
    )
