"""Inference by minimising the energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from factorgraph.inference.methods._method import PREVIOUS, Method
from factorgraph.spec.choices import SolverChoice
from factorgraph.spec.constants import NonNegative, Whole
from factorgraph.spec.expressions import Expression

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure


def _or_word(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """The word for what was found before stays a word; all else is an expression."""
    return value if value == PREVIOUS else read(value)


Start = Annotated[Expression, WrapValidator(_or_word)]


class Argmin(Method):
    r"""The code of a sample is the one of least energy.

    .. math:: Z^\star(Y) = \operatorname{argmin}_Z E(Y, Z)

    Promises: the solver that the plan names is the one that runs. Learning treats the code as a constant: at a minimum the
    derivative of the energy by the parameters is its partial derivative there (envelope theorem).
    Shapes:   each variable (batch, *shape); status, steps and certificate (batch,).
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 1.
    """

    type: Literal["argmin"] = "argmin"
    searches: ClassVar[bool] = True

    start: Start | dict[str, Start] | None = Field(
        default=None,
        description="where the search begins; zero, if left out; then the nearest that the domain allows. The word previous: what "
        "learning found for the row when it last saw it; zero before that, and for rows that it does not see",
    )
    solver: SolverChoice | None = Field(
        default=None, description="the rule that minimises; chosen from the structure, if left out"
    )
    steps: Whole = Field(default=100, description="steps at most")
    tolerance: NonNegative = Field(
        default=1e-4, description="relative duality gap, or fixed-point residual, at which a sample stops"
    )
    gradient: Literal["stop"] = Field(default="stop", description="how learning sees the code: as a constant")

    def infer(self, procedure: Procedure) -> Found:
        return procedure.minimise(self.steps, self.tolerance)
