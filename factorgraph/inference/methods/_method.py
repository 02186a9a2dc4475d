"""What every way to infer has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from factorgraph.inference.solvers._kinds import Minimising
from factorgraph.spec.lists import Names, Values
from factorgraph.structure import Leaf, SolverClass

if TYPE_CHECKING:
    from factorgraph.compile.procedures import Found, Procedure

PREVIOUS = "previous"  # as a start: what was found for the same row before


class Method(Leaf, ABC):
    """A way to fill in latent variables, apart from the model that gives them meaning."""

    searches: ClassVar[bool] = False  # goes by an energy, and so needs a solver from the planner
    sums: ClassVar[bool] = False  # adds up over all values, and so leaves a free energy behind
    infers_latent: ClassVar[bool] = True  # its variables are latent, and no data give them

    of: Values = Field(description="the variables that are inferred")
    only: Names | None = Field(default=None, description="the factors that count; all, if left out")
    without: Names = Field(default=(), description="factors that do not count")

    @field_validator("of", mode="after")
    @classmethod
    def _of_some(cls, of: Values) -> Values:
        if not of:
            raise ValueError("it is over no variable: name one")
        return of

    def runs(self) -> SolverClass:
        """The kind of solver that it can use."""
        return Minimising

    def remembers(self, variable: str) -> bool:
        """Whether the search for a variable starts at what was found for the row when learning last saw it."""
        start = getattr(self, "start", None)
        return (start.get(variable) if isinstance(start, dict) else start) == PREVIOUS

    def through(self) -> str:
        """How learning sees through its search: *stop*, *unroll* or *implicit*."""
        return "stop"

    @abstractmethod
    def infer(self, procedure: Procedure) -> Found:
        """The variables of the block, from what the procedure can read."""
