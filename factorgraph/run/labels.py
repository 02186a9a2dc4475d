"""Labels predicted: of all the values that a label may take, the one at which a factor is lowest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.later import predicted
from factorgraph.errors import RunError, issue
from factorgraph.inference import domains
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model
    from factorgraph.graph.model import Graph, Id, Variable
    from factorgraph.run.measured import Measured

MOST_VALUES = 4096  # a factor is evaluated once for each
MOST_CLASSES = 100  # of a table of confusions


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
    values = _values(label, true)
    found = []
    for value in values:
        supposed = {**solved.variables, label.id: value.reshape(label.shape).expand_as(true)}
        found.append(on.factor_values(factor, replace(solved, variables=supposed, shares={})))
    which = (true.flatten(1)[:, None] - values[None]).abs().sum(2).argmin(1)
    return torch.stack(found, 1)[rows], which[rows]


def predictable(graph: Graph) -> list[Variable]:
    """The labels that are given in training only, one of several values each."""
    return [each for each in graph.of_kind("observed") if each.id in predicted(graph) and each.domain == "one_hot"]


def predict(model: Model, label: Variable, known: Mapping[Id, Tensor]) -> Tensor:
    """The number of the value of a label, (rows,), at which those factors that touch it and can be evaluated are lowest."""
    like = next(iter(known.values()))
    given = {key: each for key, each in known.items() if key != label.id}
    found = []
    for value in _values(label, like):
        supposed = {**given, label.id: value.reshape(label.shape).expand(len(like), *label.shape)}
        touching = [
            key
            for key in model.visible(supposed)
            if any(model.graph.depends(each, frozenset({label.id})) for each in model.graph.factors[key].arguments)
        ]
        shares = model.program.shares(touching, supposed, model.tensors())
        found.append(sum(shares.values(), like.new_zeros(len(like))))
    return torch.stack(found, 1).argmin(1)


def _values(label: Variable, like: Tensor) -> Tensor:
    """All values that a label may take, (values, units)."""
    choices = domains.choices([(label.domain, prod(label.shape))], like, 1)
    return choices.at(torch.arange(choices.count))


@dataclass(frozen=True)
class Confusion:
    """How often each class, a row, was taken for which, a column: (classes, classes). Of ``rows`` held-out samples with a label;
    one whose energies are no numbers is in none of the cells, and wrong."""

    factor: str
    label: str
    counts: Tensor
    true: Tensor  # (classes,): how many samples of each class there are

    @property
    def rows(self) -> int:
        return int(self.true.sum())

    @property
    def error(self) -> float:
        return 1 - float(self.counts.diagonal().sum()) / self.rows if self.rows else math.nan

    def recall(self, number: int) -> float:
        """Of the samples of a class, the share that was taken for it."""
        return _share(self.counts[number, number], self.true[number])

    def precision(self, number: int) -> float:
        """Of the samples that were taken for a class, the share that is of it."""
        return _share(self.counts[number, number], self.counts[:, number].sum())


def labelling(graph: Graph) -> dict[str, Variable]:
    """The factors that touch one label which is given in training only, by name, with that label."""
    labels = {each.id: each for each in predictable(graph) if prod(each.shape) <= MOST_CLASSES}
    found = {}
    for name in dict.fromkeys(each.name for each in graph.factors.values()) if labels else ():
        arguments = [key for each in graph.factors.values() if each.name == name for key in each.arguments]
        touched = graph.leading_to(arguments) & labels.keys()
        if len(touched) == 1:
            found[name] = labels[next(iter(touched))]
    return found


def confusions(on: Measured) -> list[Confusion]:
    """Of each factor that tells a label of the split."""
    told = {
        name: label
        for name, label in labelling(on.graph).items()
        if not any(on.lacking(each.id) for each in on.graph.factors.values() if each.name == name)
    }
    return [_confusion(name, label.name, *on.by_label(name)) for name, label in told.items()]


def _confusion(factor: str, label: str, energies: Tensor, true: Tensor) -> Confusion:
    classes = energies.shape[1]
    sure = energies.isfinite().all(1)
    counts = torch.bincount(true[sure] * classes + energies[sure].argmin(1), minlength=classes**2).reshape(classes, classes)
    return Confusion(factor, label, counts, torch.bincount(true, minlength=classes))


def _share(part: Tensor, of: Tensor) -> float:
    return float(part) / float(of) if float(of) else math.nan
