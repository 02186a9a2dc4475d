"""The kinds of solvers: those that compute the minimum, those that approach it step by step, and those that add all up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, ClassVar

from factorgraph.inference import domains
from factorgraph.inference.problem import Choices, Minimum, Problem
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor

State = tuple["Tensor", ...]  # each (batch, ...); the first is the code


class Minimising(Solver):
    """Looks for where an energy is least."""


class Direct(Minimising):
    """Computes the minimum at once."""

    @abstractmethod
    def minimise(self, problem: Problem) -> Tensor:
        """(batch, *shape); a row that has no minimum is not finite."""


class Iterative(Minimising):
    """Approaches the minimum. All that a row remembers is in its state, so that rows can be taken out of a batch."""

    @abstractmethod
    def begin(self, problem: Problem) -> State:
        """The state before the first step. It shares no memory with the problem."""

    @abstractmethod
    def stepper(self, problem: Problem) -> Callable[[State], State]:
        """One step for all rows, with everything prepared that does not change from step to step; may reuse the state's memory.

        It never looks at a value on the host.
        """

    @abstractmethod
    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        """() or (batch,): the inverse of a step length that suits the problem, for the fixed-point residual."""


class Compiled(Iterative):
    """Has a compiled kernel beside its steps, which searches for each row by itself."""

    @abstractmethod
    def search(self, problem: Problem, steps: int, tolerance: float) -> Minimum | None:
        """All steps at once; ``None`` where the kernel does not serve. It has the meaning of the steps, not their bits."""


class Recordable(Iterative):
    """Its steps carry gradients to all that the problem was made of; how far it steps counts as a constant.

    While gradients are recorded a step writes over nothing: see ``reusable``.
    """

    codes: ClassVar[int]  # as many codes as its state is as large as


class Summing(Solver):
    """Says at which values of some variables exp(-E) is evaluated, so that it can be added up."""

    def values(self, tried: Sequence[tuple[str, int]], like: Tensor, width: int) -> Choices:
        """Every value of variables side by side, each given by its domain and its units. ``width``: as of the choices."""
        return domains.choices(tried, like, width)

    def count(self, tried: Sequence[tuple[str, int]]) -> int:
        """How many these are."""
        return prod(domains.count(*each) for each in tried)
