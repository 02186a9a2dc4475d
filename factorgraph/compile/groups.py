"""Which units of a block are a group whose length costs, and what the lengths and the units cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Groups
from factorgraph.lazy import torch
from factorgraph.structure import Function, Grouping, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block, Share


def groups_of(block: Block, shares: Sequence[Share], like: Tensor) -> Groups | None:
    """Of what the rest is made of, where it is magnitudes of units and lengths of groups, and there are some of these.

    Units of a variable without groups pay for no length, so that any of them may stand together.
    """
    measured = {each.variable: each for each in shares if each.groups is not None}
    if not measured or not all(each.magnitude or each.groups is not None for each in shares):
        return None
    units, shapes = sum(block.sizes), {each.id: each.shape for each in block.variables}
    own = {key: _places(each.groups, shapes[key]) for key, each in measured.items() if each.groups is not None}
    members = max(each.shape[1] for each in own.values())
    tables, weights, first = [], [], 0
    for variable, size in zip(block.variables, block.sizes, strict=True):
        table = own.get(variable.id, torch.arange(-(-size // members) * members).view(-1, members))
        table = torch.where(table < size, table + first, units)
        tables.append(torch.nn.functional.pad(table, (0, members - table.shape[1]), value=units))
        share = measured.get(variable.id)
        weights.append(like.new_ones(len(table)) * (0.0 if share is None else share.weight))
        first += size
    costs = block.unit_weights([each for each in shares if each.magnitude], like)
    return Groups(torch.cat(tables).to(like.device), torch.cat(weights), costs)


def _places(measure: Function, shape: Shape) -> Tensor:
    """(groups, members): the units of each, and beyond its last how many there are. What spreads numbers tells who has which."""
    assert isinstance(measure, Grouping), "a length of groups is measured by a grouping"
    lengths = measure.forward(torch.zeros(1, *shape), {})
    numbers = torch.arange(lengths.numel(), dtype=torch.float64).view(lengths.shape)
    group = measure.spread(numbers).flatten().long()
    many, order = group.bincount(), group.argsort(stable=True)
    rank = torch.arange(len(group)) - (many.cumsum(0) - many)[group[order]]
    return torch.full((len(many), int(many.max())), len(group)).index_put((group[order], rank), order)
