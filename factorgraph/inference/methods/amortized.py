"""Inference by one pass of a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from factorgraph.inference.methods._method import Method
from factorgraph.spec.expressions import Expression
from factorgraph.spec.lists import Mapped
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure


class Amortized(Method):
    r"""The code of a sample is what an encoder makes of it: one pass replaces the search.

    .. math:: Z(Y) = \operatorname{Enc}(Y)

    Promises: no search; learning sees through it.
    Shapes:   each variable (batch, *shape).
    Source:   Kavukcuoglu, Ranzato & LeCun, Fast Inference in Sparse Coding Algorithms, 2008 (arXiv:1010.3467), section 2.
    """

    type: Literal["amortized"] = "amortized"

    by: Annotated[Expression | dict[Reference, Expression], Mapped] = Field(
        description="the expression that gives the variable; a map for several"
    )

    def infer(self, procedure: Procedure) -> Found:
        return procedure.read("by")
