"""Inference by adding up over all values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.methods._method import Method
from factorgraph.inference.solvers._kinds import Summing
from factorgraph.spec.choices import SolverChoice
from factorgraph.spec.constants import Positive
from factorgraph.structure import SolverClass

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure


class Marginal(Method):
    r"""All values of the variables count, each as likely as its energy says: they are summed or integrated out, exactly.

    .. math:: F(Y) = -\frac1\beta \log \sum_Z e^{-\beta E(Y, Z)} = \sum_Z q(Z) E(Y, Z) - \frac1\beta H(q), \qquad
              q(Z) = e^{-\beta (E(Y, Z) - F(Y))}

    F is the energy that is left. A factor's share of it is its mean under q, the posterior; minus its entropy H over beta is a
    share of its own. The code that is found is the mean under q: of a choice its responsibilities, of a binary unit the chance
    that it is on. As beta grows, F becomes the least energy; beta is one unless the energy is read at another temperature.

    A loss or a claim that sees other factors than the procedure takes their mean under the procedure's q: an upper bound of the
    free energy of those factors.

    Over all variables, observed ones included, exp(-beta F) is the partition function: the losses and metrics that need it name
    the procedure. It is evaluated in double precision.

    What has a closed form is summed in it: the real variables where all that touches them is quadratic in them together; else
    variables of few values in which the energy is linear, each unit by itself. What is left is tried value by value. Naming
    ``grid`` or ``enumerate`` keeps the variables that it can try from being summed in closed form.

    Promises: no approximation but the grid's. Learning sees through it, to any order.
    Needs:    variables of at most 65536 values together beside those with a closed form; or on a grid real or nonnegative ones of
              at most three units, and at most 4194304 points.
    Shapes:   each variable (batch, *shape), F (batch,).
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 1.3 and equation 8.
    """

    type: Literal["marginal"] = "marginal"
    searches: ClassVar[bool] = True
    sums: ClassVar[bool] = True
    infers_latent: ClassVar[bool] = False

    solver: SolverChoice | None = Field(
        default=None, description="how it is summed: exact, enumerate or grid; chosen from the structure, if left out"
    )
    beta: Positive = Field(default=1.0, description="the inverse of the temperature")

    def runs(self) -> SolverClass:
        return Summing

    def infer(self, procedure: Procedure) -> Found:
        return procedure.sum_out()
