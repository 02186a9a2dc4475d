"""Columns one after another, by sums over what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative
from factorgraph.structure import Optimizer

if TYPE_CHECKING:
    from factorgraph.training.optimizers._columns import Columns


class OnlineDictionary(Optimizer):
    r"""Moves the columns of a matrix one after another to their best place for all codes seen so far, at each step.

    .. math:: A_t = (1 - 1/t)^\rho A_{t-1} + \sum_n w\, z_n z_n', \quad B_t = (1 - 1/t)^\rho B_{t-1} + \sum_n w\, y_n z_n', \qquad
              d_j \leftarrow \Pi\bigl(d_j + (b_j - D a_j) / A_{jj}\bigr)

    For the matrix D, and its bias, of a linear function or a convolution behind squares of weight and curvature *w*. The
    projection puts a column on its constraint, ``unit_norm: columns`` or ``max_column_norm``, if it has one. A bias is a column
    more, whose code is 1. Step t sums over its batch n, and each column moves once: sums are much alike from step to step.

    The window grows: ``forgetting`` is the power rho, with which half the weight lies on about the last 1 - 2^(-1/(rho + 1)) of
    the steps, with 6 on a tenth of them. 0 forgets nothing, not even the codes of the first random dictionary; 2 is for a few
    steps of small batches.

    A column of a convolution is all that one map writes. Its sums are over all pairs of places in the kernels of all pairs of
    maps, and over all places of the kernel that the energy sees: they are exact at any stride, at any border and behind a crop.
    A_jj is then a bound of the largest eigenvalue of the column's own part.

    What no code used keeps its place. Where ``on_dead: resample`` gives a column a new place, its sums begin anew: A loses its
    row and column, B its column. Sums are kept in checkpoints. There is no learning rate, and no schedule.

    Units:    the sums take 8 bytes for each pair of inputs, and as much more while they are gathered; a convolution has
              maps * kernel^2 inputs: 5 MB for 16 maps of 7 x 7, 215 MB for 64 of 9 x 9.
    Errors:   FG430 to FG435: the energy is no square, or an option would change nothing; FG480: the sums are too large.
    Source:   Mairal, Bach, Ponce & Sapiro, J. Machine Learning Research 11, 2010, algorithms 1 and 2, sections 3.3 and 3.4.
    """

    type: Literal["online_dictionary"] = "online_dictionary"
    closed: ClassVar[bool] = True
    by_column: ClassVar[bool] = True

    forgetting: NonNegative = Field(default=6.0, description="the power with which what was seen fades; 0 forgets nothing")

    def build(self, groups: list[dict[str, Any]], learning_rate: float) -> Columns:
        from factorgraph.training.optimizers._columns import Columns

        return Columns(groups, self.forgetting)
