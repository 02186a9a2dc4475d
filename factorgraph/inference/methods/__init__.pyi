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

    Options:
        of: the variables that are inferred
        only: the factors that count; all, if left out
        without: factors that do not count
        start: where the search begins; zero, if left out; then the nearest that the domain allows. The word previous: what learning found for the row when it last saw it; zero before that, and for rows that it does not see
        solver: the rule that minimises; chosen from the structure, if left out
        steps: steps at most
        tolerance: relative duality gap, or fixed-point residual, at which a sample stops
        gradient: how learning sees the code: as a constant, through all steps of the search, by the optimality at its end
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
        gradient: Literal['stop', 'unroll', 'implicit'] = 'stop',
    ) -> None: ...

class Marginal(MethodForm):
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

    Options:
        of: the variables that are inferred
        only: the factors that count; all, if left out
        without: factors that do not count
        solver: how it is summed: exact, enumerate or grid; chosen from the structure, if left out
        beta: the inverse of the temperature
    """

    def __init__(
        self,
        *,
        of: Expressed | Sequence[Expressed],
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
        solver: SolverForm | str | None = None,
        beta: Number = 1.0,
    ) -> None: ...

class Unrolled(MethodForm):
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

    Options:
        of: the variables that are inferred
        only: the factors that count; all, if left out
        without: factors that do not count
        steps: applications of the shrinkage
        free: which of filter, inhibition, threshold are learned: names, or a map with their options
        gradient: how learning sees the code: through all steps, or as a constant
        share: whether all steps have the same matrices, or none do
        start: where the steps begin; zero, if left out; then the nearest that the domain allows
        solver: whose steps; chosen from the structure, if left out
    """

    def __init__(
        self,
        *,
        of: Expressed | Sequence[Expressed],
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
        steps: Number = 100,
        free: Mapping[str, object] = ...,
        gradient: Literal['unroll', 'stop'] = 'unroll',
        share: Literal['steps', 'none'] = 'steps',
        start: Expressed | Mapping[str, Expressed] | None = None,
        solver: SolverForm | str | None = None,
    ) -> None: ...
