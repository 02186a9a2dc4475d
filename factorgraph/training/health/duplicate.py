"""Columns that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.metrics._base import cosines
from factorgraph.spec.constants import Share
from factorgraph.structure import Dense
from factorgraph.training.health._base import HealthLeaf, Shown

if TYPE_CHECKING:
    from factorgraph.training.sides import Stretch

ALIKE = 0.98  # magnitude of the cosine


class Duplicate(HealthLeaf):
    r"""Two units with the same column can stand for each other: codes are no longer unique, and one of the two is wasted.

    .. math:: \frac{1}{n} \sum_j [\, \max_{i < j} |\cos(w_i, w_j)| > 0.98 \,]

    Of a decoder that the phase trains: the share of its columns that point along, or against, one that comes before them.

    Healthy:  at most 5 % of the columns.
    Remedy:   fewer units, or a term that lets similar units compete: a larger weight of what makes codes sparse.
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
                like = cosines(columns, columns).abs().triu(1) > ALIKE
                found[key] = like.any(0).double().mean()
        return found

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        units = stretch.view.model.tensors()[f"functions.{subject}"]["matrix"].flatten(1).shape[1]
        fix = "fewer units, or a larger weight of what makes codes sparse"
        return f"{round(value * units)} of {units} columns of {subject} repeat another: {fix}"
