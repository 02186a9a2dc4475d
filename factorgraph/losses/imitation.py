"""Teaching one procedure by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.lists import Names
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Imitation(LossLeaf):
    r"""Moves the codes of students towards the code of a teacher, which is held fixed.

    .. math:: \frac{1}{2n} \sum_Y \sum_s \lVert Z^\star(Y) - Z_s(Y) \rVert^2

    Promises: no gradient reaches the teacher.
    Shapes:   codes (batch, *shape) -> a number, averaged over the batch, summed over students.
    Source:   Gregor & LeCun, Learning Fast Approximations of Sparse Coding, ICML 2010, section 3.
    """

    type: Literal["imitation"] = "imitation"
    sees_energy: ClassVar[bool] = False
    at_data: ClassVar[bool] = True

    teacher: Reference = Field(description="the procedure whose code is right")
    student: Names = Field(description="the procedures that learn to give the same")

    def procedures(self) -> tuple[str, ...]:
        return (self.teacher, *self.student)

    def students(self) -> tuple[str, ...]:
        return self.student

    def teachers(self) -> tuple[str, ...]:
        return (self.teacher,)

    def value(self, batch: Batch) -> Tensor:
        right = {key: each.detach() for key, each in batch.codes(self.teacher).items()}
        total = batch.zero()
        for student in self.student:
            for key, code in (item for codes in batch.codes_by_slot(student) for item in codes.items()):
                total = total + 0.5 * ((right[key] - code) ** 2).reshape(code.shape[0], -1).sum(1).mean()
        return total
