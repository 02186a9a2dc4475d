"""Columns that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.compile.dependence import origin
from factorgraph.errors import address
from factorgraph.graph.model import Application, Variable
from factorgraph.lazy import torch
from factorgraph.metrics._base import cosines
from factorgraph.spec.constants import Share
from factorgraph.structure import Absolute, Dense
from factorgraph.training.health._base import HealthLeaf, Shown

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.graph.model import Graph
    from factorgraph.training.sides import Stretch

ALIKE = 0.98  # magnitude of the cosine
APART = 0.02  # of the root mean square distance of columns from their mean
SCALED = ("real", "nonnegative")  # domains whose values make up for a column's length


class Duplicate(HealthLeaf):
    r"""Two units with the same column can stand for each other: codes are no longer unique, and one of the two is wasted.

    .. math:: \frac{1}{n} \sum_j [\, \max_{i < j} |\cos(w_i, w_j)| > 0.98 \,]

    Of a decoder that the phase trains: the share of its columns that point along, or against, one that comes before them. Where
    the code cannot make up for a column's length, because it is a choice, binary, or computed from others, columns of one
    direction do not say the same. There the columns are counted that are equal to one before them: nearer to it than 0.02 of the
    root mean square distance of columns from their mean.

    Healthy:  at most 5 % of the columns.
    Remedy:   fewer units; where a term makes codes sparse, a larger weight of it lets similar units compete.
    Source:   Donoho & Elad, PNAS 100(5), 2003, on coherent columns and codes that are not unique.
    """

    type: Literal["duplicate"] = "duplicate"
    title: ClassVar[str] = "share of columns that repeat another"
    at_most: Share = Field(default=0.05, description="the share of columns that may repeat another")

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        model = stretch.view.model
        found = {}
        for key, node in stretch.view.graph.functions.items():
            if f"functions.{key}" in stretch.trained and node.role == "decoder" and isinstance(node.leaf, Dense):
                columns = model.tensors()[f"functions.{key}"]["matrix"].detach().flatten(1).T
                like = _along(columns) if _makes_up(stretch.view.graph, key) else _equal(columns)
                found[key] = like.triu(1).any(0).double().mean()
        return found

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        units = stretch.view.model.tensors()[f"functions.{subject}"]["matrix"].flatten(1).shape[1]
        sparse = [each.name for each in stretch.view.graph.factors.values() if each.leaf.keeps(Absolute, frozenset({0}))]
        fix = "fewer units" + (f", or a larger {address(('factors', sparse[0], 'weight'))}" if sparse else "")
        return f"{round(value * units)} of {units} columns of {subject} repeat another: {fix}"


def _makes_up(graph: Graph, function: str) -> bool:
    """Whether codes can be as much smaller as a column is longer: all that the function reads are numbers that are free."""
    read = [each.arguments for each in graph.values.values() if isinstance(each, Application) and each.function == function]
    origins = [graph.values[origin(graph, key)] for arguments in read for key in arguments]
    return all(isinstance(each, Variable) and each.kind == "latent" and each.domain in SCALED for each in origins)


def _along(columns: Tensor) -> Tensor:
    """(units, units): which columns lie on one line through zero."""
    return cosines(columns, columns).abs() > ALIKE


def _equal(columns: Tensor) -> Tensor:
    """(units, units): which columns are nearly one and the same."""
    spread = (columns - columns.mean(0)).square().sum(1).mean().sqrt()
    return torch.cdist(columns, columns, compute_mode="donot_use_mm_for_euclid_dist") <= APART * spread
