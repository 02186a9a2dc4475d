"""Pushing down on data and up everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Likelihood(LossLeaf):
    r"""Lowers the free energy of the data and raises that of everything else: exact maximum likelihood.

    .. math:: \frac1n \sum_Y F(Y) + \frac1\beta \log Z, \qquad Z = \int e^{-\beta F(Y)} \, dY, \qquad
              \frac{\partial}{\partial W} = \frac1n \sum_Y \frac{\partial F}{\partial W} - E_P \frac{\partial F}{\partial W}

    Promises: beta times the loss is minus the mean log likelihood. Its gradient is exact; none comes from sampling.
    Needs:    a procedure that sums over all that is observed and latent, with the factors and the beta of the phase.
    Shapes:   energies (batch,) and one log partition function -> a number.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 2.2.4.
    """

    type: Literal["likelihood"] = "likelihood"
    strategy: ClassVar[str] = "LIKELIHOOD"
    anchored: ClassVar[bool] = False

    partition: Reference = Field(description="the procedure that sums over everything, with method: marginal")

    def partitions(self) -> tuple[str, ...]:
        return (self.partition,)

    def value(self, batch: Batch) -> Tensor:
        return batch.free_energy().mean() + batch.log_partition(self.partition).mean()
