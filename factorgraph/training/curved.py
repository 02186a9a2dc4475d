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


def curvatures(batch: Batch, factors: Mapping[str, float], parameters: Sequence[Tensor]) -> list[Tensor | None]:
    """An estimate for each parameter of the mean energy over a batch; ``None`` where no factor tells any.

    ``factors``: how often the loss counts each. A sum of residuals with random signs has a gradient whose square is, on average,
    the sum of the squares of each residual's own. Signs belong to the step, so that a resumed run draws the same.
    """
    learning, graph, tensors = batch.learning, batch.view.graph, batch.view.model.tensors()
    assert learning is not None, "there is learning wherever there is an optimizer"
    total = batch.zero()
    known = batch.values(tuple(each for key in factors for each in graph.factors[key].arguments), batch.inferred())
    rows = counted(graph, {key: total.new_ones(batch.size) for key in factors}, batch.present, learning=True)
    device = "cpu" if total.device.type == "meta" else str(total.device)  # what has no values has no random numbers of its own
    random = torch_generator(learning.seed, "curvature", *learning.purpose, device=device)
    for key, times in factors.items():
        leaf, read = graph.factors[key].leaf, [known[each] for each in graph.factors[key].arguments]
        moving = frozenset(place for place, each in enumerate(read) if each.requires_grad)
        if not moving or not isinstance(leaf, Smooth) or not leaf.keeps(Smooth, moving):
            continue
        curvature = leaf.curvature(tensors.get(f"factors.{key}", {})) * batch.view.program.weight(key, tensors) * times
        scale = (rows[key] * curvature).detach().clamp_min(0).sqrt()
        difference = isinstance(leaf, Square) and len(read) == 2
        for each in [read[0] - read[1]] if difference else [read[place] for place in sorted(moving)]:
            total = total + (_signed(each, random).sum(1) * scale).sum()
    if not total.requires_grad:
        return [None] * len(parameters)
    found = torch.autograd.grad(total, list(parameters), allow_unused=True)
    return [None if each is None else each.square() / batch.size for each in found]


def _signed(residual: Tensor, random: Generator) -> Tensor:
    """Its values with random signs: (batch, *shape) -> (batch, units)."""
    signs = torch.randint(0, 2, residual.shape, generator=random, device=random.device).to(residual) * 2 - 1
    return (residual * signs).flatten(1)
