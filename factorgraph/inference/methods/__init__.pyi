# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from collections.abc import Mapping, Sequence
from typing import Literal

from factorgraph.spec.forms import MethodForm, SolverForm
from factorgraph.spec.handles import Expressed, Name, Number

class Amortized(MethodForm):
    r"""The code of a sample is what an encoder makes of it: one pass replaces the search.

    .. math:: Z(Y) = \operatorname{Enc}(Y)

    Promises: no search; learning sees through it.
    Shapes:   each variable (batch, *shape).
    Source:   Kavukcuoglu, Ranzato & LeCun, Fast Inference in Sparse Coding Algorithms, 2008 (arXiv:1010.3467), section 2.

    Options:
        of: the variables that are inferred
        by: the expression that gives the variable; a map for several
        only: the factors that count; all, if left out
        without: factors that do not count
    """

    def __init__(
        self,
        *,
        of: Expressed | Sequence[Expressed],
        by: Expressed | Mapping[str, Expressed],
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class Argmin(MethodForm):
    r"""The code of a sample is the one of least energy.

    .. math:: Z^\star(Y) = \operatorname{argmin}_Z E(Y, Z)

    Promises: the solver that the plan names is the one that runs. Learning treats the code as a constant: at a minimum the
    derivative of the energy by the parameters is its partial derivative there (envelope theorem).
    Shapes:   each variable (batch, *shape); status, steps and certificate (batch,).
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 1.

    Options:
        of: the variables that are inferred
        only: the factors that count; all, if left out
        without: factors that do not count
        start: where the search begins; zero, if left out; then the nearest that the domain allows
        solver: the rule that minimises; chosen from the structure, if left out
        steps: steps at most
        tolerance: relative duality gap, or fixed-point residual, at which a sample stops
        gradient: how learning sees the code: as a constant
    """

    def __init__(
        self,
        *,
        of: Expressed | Sequence[Expressed],
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
        start: Expressed | Mapping[str, Expressed] | None = None,
        solver: SolverForm | str | None = None,
        steps: Number = 100,
        tolerance: Number = 0.0001,
        gradient: Literal['stop'] = 'stop',
    ) -> None: ...
