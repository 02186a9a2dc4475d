"""Pushing down on the energy of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.losses._loss import LossLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Energy(LossLeaf):
    r"""Lowers the energy of the data, with the latent variables where inference put them.

    .. math:: \frac{1}{n} \sum_Y F(Y), \qquad F(Y) = E(Y, Z^\star(Y))

    Promises: what the parameters do to the code is left out where the code is a minimum of what is lowered: the derivative is
              zero there. For a loss that sees other factors a search says ``gradient: implicit`` or ``unroll``.
    Shapes:   energies (batch,) -> a number, averaged over the batch.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 2.2.1.
    """

    type: Literal["energy"] = "energy"
    is_mean: ClassVar[bool] = True
    at_data: ClassVar[bool] = True

    def value(self, batch: Batch) -> Tensor:
        return batch.free_energy().mean()
