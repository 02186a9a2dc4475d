"""Units that stay silent."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.metrics._base import active_units
from factorgraph.spec.constants import Share
from factorgraph.training.health._base import HealthLeaf, Shown, Step, codes, idle, of_maps

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.sides import Stretch


class Dead(HealthLeaf):
    r"""A unit that is hardly ever active learns nothing, and what the model could say with it is lost.

    .. math:: \frac{1}{n} \sum_i [\, N_i \le 0.05 \, \bar N \,], \quad N_i = \#\{Y : z_i(Y) \ne 0\}

    Of a latent variable: the share of its units that were active in at most a twentieth as many samples of the look as the
    average unit: never, or for one odd sample that a column has become. Active means above a thousandth of the batch's root mean
    square, as in the metric ``active``.

    Healthy:  at most 5 % of the units.
    Remedy:   ``on_dead: resample`` in the phase makes the column of each dead unit a row of training data.
    Source:   Mairal, Bach, Ponce & Sapiro, JMLR 11, 2010, section 3.4; for k-means Coates & Ng, Neural Networks: Tricks of the
              Trade, 2012.
    """

    type: Literal["dead"] = "dead"
    title: ClassVar[str] = "share of units that are dead"
    at_most: Share = Field(default=0.05, description="the share of units that may be dead")

    def see(self, step: Step) -> Shown:
        graph = step.batch.view.graph
        counted = {key: _counts(code, of_maps(graph, key)).to(code.dtype) for key, code in codes(step.batch)}
        return {**counted, **step.counts}

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return {key: idle(each).to(each.dtype).mean() for key, each in shown.items()}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        shape = stretch.view.graph.variables[subject].shape
        if of_maps(stretch.view.graph, subject):
            return f"{round(value * shape[0])} of {shape[0]} maps of {subject} are hardly ever active: fewer maps"
        units = prod(shape)
        done = stretch.phase.on_dead is not None
        fix = "they get new columns as it learns" if done else f"learning.{stretch.name}.on_dead=resample, or fewer units"
        return f"{round(value * units)} of {units} units of {subject} are hardly ever active: {fix}"


def _counts(code: Tensor, of_maps: bool) -> Tensor:
    """How often each unit, or map, is active: (batch, *shape) -> (units,), or (maps,)."""
    active = active_units(code)
    return active.reshape(*code.shape[:2], -1).sum((0, 2)) if of_maps else active.sum(0)
