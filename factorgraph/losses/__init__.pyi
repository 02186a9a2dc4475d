# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from collections.abc import Sequence

from factorgraph.spec.forms import LossForm
from factorgraph.spec.handles import Name, Number

class Energy(LossForm):
    r"""Lowers the energy of the data, with the latent variables where inference put them.

    .. math:: \frac{1}{n} \sum_Y F(Y), \qquad F(Y) = E(Y, Z^\star(Y))

    Promises: what the parameters do to the code is left out where the code is a minimum of what is lowered: the derivative is
              zero there. For a loss that sees other factors a search says ``gradient: implicit`` or ``unroll``.
    Shapes:   energies (batch,) -> a number, averaged over the batch.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 2.2.1.

    Options:
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class Imitation(LossForm):
    r"""Moves the codes of students towards the code of a teacher, which is held fixed.

    .. math:: \frac{1}{2n} \sum_Y \sum_s \lVert Z^\star(Y) - Z_s(Y) \rVert^2

    Promises: no gradient reaches the teacher.
    Shapes:   codes (batch, *shape) -> a number, averaged over the batch, summed over students.
    Source:   Gregor & LeCun, Learning Fast Approximations of Sparse Coding, ICML 2010, section 3.

    Options:
        teacher: the procedure whose code is right
        student: the procedures that learn to give the same
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        teacher: Name,
        student: Name | Sequence[Name],
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...
