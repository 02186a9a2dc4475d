"""Inference by minimising the energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from factorgraph.inference.methods._method import PREVIOUS, Method
from factorgraph.inference.solvers._kinds import Minimising, Recordable
from factorgraph.spec.choices import SolverChoice
from factorgraph.spec.constants import NonNegative, Whole
from factorgraph.spec.expressions import Expression
from factorgraph.spec.lists import Mapped
from factorgraph.spec.references import Reference
from factorgraph.structure import SolverClass

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure


def _or_word(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """The word for what was found before stays a word; all else is an expression."""
    return value if value == PREVIOUS else read(value)


Start = Annotated[Expression, WrapValidator(_or_word)]


class Argmin(Method):
    r"""The code of a sample is the one of least energy.

    .. math:: Z^\star(Y) = \operatorname{argmin}_Z E(Y, Z)

    With ``gradient: stop`` learning treats the code as a constant: at a minimum the derivative of the energy by the parameters is
    its partial derivative there (envelope theorem). For a loss that sees other factors than the search the code is more:

    .. math:: \frac{dZ^\star}{dp} = -(P H P + d)^{-1} P \, \frac{\partial}{\partial p} \nabla_Z E, \qquad
              d = \sqrt{\epsilon} \, \frac{|Z' H Z|}{Z' Z}

    *implicit* differentiates the conditions that hold at the minimum: H is the Hessian, and P keeps the active set, units that no
    l1, domain or group holds at zero. The damping d is the root of the precision (3.5e-4 in single, 1.5e-8 in double) times the
    curvature along the code. Along directions that are curved less the code counts as a constant; they are reported (FGW254).
    *unroll* goes back through all steps of the search; how far each step goes counts as a constant. The memory, which grows with
    a tenth of the steps, is told by ``explain``.

    Promises: the solver that the plan names is the one that runs. Where the active set does not change, both gradients are that
    of the code; implicit as far as the code is a minimum.
    Needs:    implicit: smooth terms, beside them l1 or lengths of groups; unroll: ista, fista, gradient or lbfgs. For neither
              codes that are binary or one_hot.
    Shapes:   each variable (batch, *shape); status, steps and certificate (batch,).
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 1; implicit: Mairal,
              Bach & Ponce, IEEE Trans. PAMI 34(4), 2012, proposition 1.
    """

    type: Literal["argmin"] = "argmin"
    searches: ClassVar[bool] = True

    start: Annotated[Start | dict[Reference, Start] | None, Mapped] = Field(
        default=None,
        description="where the search begins; zero, if left out; then the nearest that the domain allows. The word previous: "
        "what learning found for the row when it last saw it; zero before that, and for rows that it does not see",
    )
    solver: SolverChoice | None = Field(
        default=None, description="the rule that minimises; chosen from the structure, if left out"
    )
    steps: Whole = Field(default=100, description="steps at most")
    tolerance: NonNegative = Field(
        default=1e-4, description="relative duality gap, or fixed-point residual, at which a sample stops"
    )
    gradient: Literal["stop", "unroll", "implicit"] = Field(
        default="stop",
        description="how learning sees the code: as a constant, through all steps of the search, by the optimality at its end",
    )

    def runs(self) -> SolverClass:
        return Recordable if self.gradient == "unroll" else Minimising

    def through(self) -> str:
        return self.gradient

    def infer(self, procedure: Procedure) -> Found:
        if self.gradient == "unroll":
            return procedure.record(self.steps, self.tolerance)
        found = procedure.minimise(self.steps, self.tolerance)
        return procedure.attach(found) if self.gradient == "implicit" else found
