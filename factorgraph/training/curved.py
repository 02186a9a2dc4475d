"""How much an energy is curved along each parameter: the diagonal of its Gauss-Newton matrix, from one gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from factorgraph.compile.lacking import counted
from factorgraph.data.order import torch_generator
from factorgraph.structure import Smooth, Square

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from factorgraph.training.objective import Batch


def curvatures(
    batch: Batch, factors: Mapping[str, float], parameters: Sequence[Tensor], draws: int = 1
) -> list[Tensor | None]:
    """An estimate for each parameter of the mean energy over a batch; ``None`` where no factor tells any.

    ``factors``: how often the loss counts each. A sum of residuals with random signs has a gradient whose square is, on average,
    the sum of the squares of each residual's own; the estimate is the mean of ``draws`` such squares. Signs belong to the step,
    so that a resumed run draws the same.
    """
    learning, graph, tensors = batch.learning, batch.view.graph, batch.view.model.tensors()
    assert learning is not None, "there is learning wherever there is an optimizer"
    like = batch.zero()
    known = batch.values(tuple(each for key in factors for each in graph.factors[key].arguments), batch.inferred())
    rows = counted(graph, {key: like.new_ones(batch.size) for key in factors}, batch.present, learning=True)
    device = "cpu" if like.device.type == "meta" else str(like.device)  # what has no values has no random numbers of its own
    random = torch_generator(learning.seed, "curvature", *learning.purpose, device=device)
    residuals: list[Tensor] = []
    for key, times in factors.items():
        leaf, read = graph.factors[key].leaf, [known[each] for each in graph.factors[key].arguments]
        moving = frozenset(place for place, each in enumerate(read) if each.requires_grad)
        if not moving or not isinstance(leaf, Smooth) or not leaf.keeps(Smooth, moving):
            continue
        curvature = leaf.curvature(tensors.get(f"factors.{key}", {})) * batch.view.program.weight(key, tensors) * times
        scale = (rows[key] * curvature).detach().clamp_min(0).sqrt()
        difference = isinstance(leaf, Square) and len(read) == 2
        for each in [read[0] - read[1]] if difference else [read[place] for place in sorted(moving)]:
            residuals.append(each.flatten(1) * scale[:, None])
    found: list[Tensor | None] = [None] * len(parameters)
    for draw in range(draws if residuals else 0):
        total = torch.stack([_signed(each, random).sum() for each in residuals]).sum()
        slopes = torch.autograd.grad(total, list(parameters), retain_graph=draw < draws - 1, allow_unused=True)
        new = [None if each is None else each.square() / (batch.size * draws) for each in slopes]
        found = [a if b is None else b if a is None else a + b for a, b in zip(found, new, strict=True)]
    return found


def _signed(residual: Tensor, random: Generator) -> Tensor:
    """Its values with random signs."""
    signs = torch.randint(0, 2, residual.shape, generator=random, device=random.device).to(residual) * 2 - 1
    return residual * signs
