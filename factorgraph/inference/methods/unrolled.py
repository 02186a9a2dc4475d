"""Inference by a solver that is cut after some steps and may learn its matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from factorgraph.inference.methods._matrix import Layered
from factorgraph.spec.choices import SolverChoice
from factorgraph.spec.expressions import Expression
from factorgraph.spec.lists import Mapped
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure


class Unrolled(Layered):
    r"""The code of a sample is where a few steps of a solver lead: a recurrent network, whose matrices can be learned.

    .. math:: z_{k+1} = \operatorname{shrink}_b(W y + S z_k), \qquad W y = -c(y)/L, \quad S = I - H/L, \quad b = w/L

    where H z + c(y) is the gradient of the quadratic part of the energy, w the weight of each unit's magnitude and L the solver's
    bound. *filter* is W, over all that the quadratic part reads side by side, with a bias if c has a part that no sample changes;
    *inhibition* is S, *threshold* b, at least 0. Where lengths of groups cost as well, as the l1 of a pool of kind l2, groups are
    shrunk after their units, by thresholds of their own, and *threshold* frees both: a structured encoder. What is not freed is
    made of the functions of the energy, and gradients flow on to them; L counts as a constant, and so do fista's momentum and
    restarts.

    Freed matrices are the solver's own until a phase first trains them, so that an untrained network is the solver, and follow
    what their functions learn; from then on they are parameters of their own. With *keep* below 1 the smallest entries are
    removed when a phase begins, for good: those that are zero get no gradient.

    ``ista`` becomes LISTA, ``fista`` learned FISTA, ``coordinate_descent`` LCoD. ``steps`` counts shrinkages, from zero: LISTA(T)
    of the paper has T + 1. For coordinate_descent it counts units that move; 1/L is then each unit's own, the inverse of the
    diagonal of H, which unit is next counts as a constant, and all units are shrunk once more at the end, as in the paper.

    Promises: learning sees through all steps. Before it is trained, the result of as many steps of the solver.
    Needs:    a quadratic smooth part with one Hessian for all samples, at most 4096 units; a threshold needs magnitudes, of units
              or of groups.
    Shapes:   filter (units, inputs), inhibition (units, units), threshold and bias (units,), group_threshold (groups,); with
              ``share: none`` one of each for every step, along a first axis. Memory in learning grows with the steps.
    Source:   Gregor & LeCun, Learning Fast Approximations of Sparse Coding, ICML 2010, section 3; groups: Bronstein, Sprechmann &
              Sapiro, Learning Efficient Structured Sparse Models, ICML 2012; bounds and rates: Rolfe & LeCun, Discriminative
              Recurrent Sparse Auto-Encoders, ICLR 2013, section 2.
    """

    type: Literal["unrolled"] = "unrolled"

    start: Annotated[Expression | dict[Reference, Expression] | None, Mapped] = Field(
        default=None, description="where the steps begin; zero, if left out; then the nearest that the domain allows"
    )
    solver: SolverChoice | None = Field(default=None, description="whose steps; chosen from the structure, if left out")

    def infer(self, procedure: Procedure) -> Found:
        found = procedure.unroll(self)
        return found if self.gradient == "unroll" else found.constant()
