"""Two halves of an energy made to agree, where one of them is a convolution: its minimum is taken frequency by frequency."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.inference.convolved import Convolved, times, times_adjoint
from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers._kinds import State
from factorgraph.inference.solvers._steps import GENTLE, backward
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def begin(problem: Problem, convolved: Convolved) -> State:
    """The code; what it still has to pay; the picture, and what that has. All but the code are on the torus."""
    grid = convolved.grid
    z = problem.start.clone(memory_format=torch.contiguous_format)
    maps = grid.spread(convolved.maps(z))
    picture = grid.picture(maps)
    return z, torch.zeros_like(maps), picture, torch.zeros_like(picture)


def stepper(problem: Problem, convolved: Convolved, price: Tensor, relaxation: float) -> Callable[[State], State]:
    """Besides the copy of the code, which the rest minimises over, there is one of its picture, which the mask compares.

    The price of the picture's distance is c, so that what is compared ends halfway between its target and what is drawn.
    """
    grid, prox, length = convolved.grid, backward(problem), 1 / price
    whole = price + convolved.own
    drive = grid.spread(convolved.maps(convolved.linear)) / whole
    nearest = _nearest(convolved, whole)

    def step(state: State) -> State:
        z, u, picture, v = state
        held = grid.spread(convolved.maps(z))
        maps, drawn = nearest(torch.sub(held, u).mul_(price / whole).sub_(drive), picture - v)
        u = u.add_(maps, alpha=relaxation).add_(held, alpha=1 - relaxation)
        z = prox(flat(grid.corner(u)), length)
        v = v.add_(drawn, alpha=relaxation).add_(picture, alpha=1 - relaxation)
        picture = torch.lerp(v, grid.target, grid.mask / 2)
        return z.view(problem.start.shape), u.sub_(grid.spread(convolved.maps(z))), picture, v.sub_(picture)

    return step


def _nearest(convolved: Convolved, price: Tensor) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The maps that are nearest to given ones, at a price, and whose picture is nearest to a given one, at c; and the picture.

    As many equations at each frequency as there are colours, by the Sherman-Morrison-Woodbury formula.
    """
    grid = convolved.grid
    colours = len(grid.spectrum)
    identity = torch.eye(colours, dtype=grid.power.dtype, device=grid.power.device)[:, :, None, None]
    system = grid.power + identity * (price / convolved.curvature.clamp_min(GENTLE))
    inverse = torch.linalg.inv(system.permute(2, 3, 0, 1)).permute(2, 3, 0, 1).contiguous() if colours > 1 else 1 / system

    def nearest(maps: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        near = grid.transformed(maps)
        drawn = times(grid.spectrum, near)
        lacking = times(inverse, grid.transformed(picture) - drawn)
        found = times_adjoint(grid.spectrum, lacking).add_(near)
        return grid.back(found), grid.back(drawn + times(grid.power, lacking))

    return nearest
