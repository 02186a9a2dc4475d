"""Labels predicted: of all the values that a label may take, the one at which a factor is lowest."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.later import predicted
from factorgraph.errors import RunError, issue
from factorgraph.inference import domains
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.graph.model import Variable
    from factorgraph.run.measured import Measured

MOST_VALUES = 4096  # a factor is evaluated once for each


def label_of(on: Measured, factor: str) -> Variable:
    """The label that a factor touches: an observed variable of few values, that is given in training only where another is not.

    Raises RunError FG656 where it touches none, or several.
    """
    graph = on.graph
    nodes = [each for each in graph.factors.values() if factor in (each.name, each.id)]
    reached = graph.leading_to(key for node in nodes for key in node.arguments)
    labels = [each for each in graph.of_kind("observed") if each.id in reached and each.domain in domains.FINITE]
    labels = [each for each in labels if each.id in predicted(graph)] or labels
    labels = [each for each in labels if domains.count(each.domain, prod(each.shape)) <= MOST_VALUES]
    if len(labels) != 1:
        touched = f"touches {len(labels)} ({', '.join(each.id for each in labels)})" if labels else "touches none"
        what = f"an error rate needs one label, an observed variable that is one_hot or binary; the factor {factor!r} {touched}"
        fix = "name a factor with one label; of several slots name one, such as classification[0]"
        raise RunError(issue("FG656", what, fix=fix))
    return labels[0]


def energies_by_label(on: Measured, factor: str) -> tuple[Tensor, Tensor]:
    """The factor's value at each value of its label, (rows, values), where the first procedure leaves the latents.

    And the number of the true value, (rows,), counted as in :func:`domains.choices`. Rows without the label are left out.
    """
    label, solved = label_of(on, factor), on.solved(None)
    true = solved.variables[label.id]
    known = on.dataset.present[on.split].get(label.name)
    rows = torch.ones(len(true), dtype=torch.bool) if known is None else torch.as_tensor(known)
    choices = domains.choices([(label.domain, prod(label.shape))], true, 1)
    values = choices.at(torch.arange(choices.count))
    found = []
    for value in values:
        supposed = {**solved.variables, label.id: value.reshape(label.shape).expand_as(true)}
        found.append(on.factor_values(factor, replace(solved, variables=supposed, shares={})))
    which = (true.flatten(1)[:, None] - values[None]).abs().sum(2).argmin(1)
    return torch.stack(found, 1)[rows], which[rows]
