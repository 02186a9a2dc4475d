# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from typing import Literal

from factorgraph.spec.forms import SolverForm
from factorgraph.spec.handles import Number

class ActiveSet(SolverForm):
    r"""Moves the units that lower the energy most, one by one, and then all that are active to their minimum at once.

    .. math:: z_k \leftarrow \operatorname{shrink}(z_k - g_k / h_{kk}, \; w_k / h_{kk}), \qquad
              z_A \leftarrow z_A - t H_{AA}^{-1} (g_A + w_A \operatorname{sign} z_A)

    with g = H z + b the gradient of the squares, w the weights of magnitudes and A the units that are not zero. t, at most 1,
    ends where the first of them becomes zero and leaves. The moves find which units are active, the solves make a tight
    tolerance cheap: once the support is right, what is left of the gap is rounding.

    A step is such a round: a few are enough where codes are sparse. A compiled kernel takes all steps for each sample by itself,
    on as many threads as torch has; where it does not serve, the same is done in torch, slower than ``fista`` on dense codes.
    Both end at the certificate of the tolerance, and not at the same bits.

    Needs:    squares with one Hessian for all samples, at most 1024 units; beside them a weight on the magnitude of each.
    Shapes:   z (batch, *shape), g (batch, units), H (units, units); each row has its own support.
    Source:   moves: Li & Osher, Inverse Problems Imaging 3(3), 2009; solves: Lee, Battle, Raina & Ng, Efficient sparse coding
              algorithms, NIPS 2006, section 3.
    """

    def __init__(self) -> None: ...

class Admm(SolverForm):
    r"""Minimises the quadratic terms and the rest by themselves, in turn, and pays for the distance between the two results.

    .. math:: x &= (H + \rho)^{-1} (\rho (z - u) - b), \qquad \hat x = 1.6 x - 0.6 z \\
              z &\leftarrow \operatorname{prox}_{E/\rho}(\hat x + u), \qquad u \leftarrow u + \hat x - z

    The inverse is made once, from Cholesky's factors in double precision, so that a step is one product with a matrix, as one
    of FISTA is, and about half as many are needed. The code is z, whose zeros are exact and which keeps to its domain.

    Of a convolution, by the kernel *fourier*, H is never formed: x is taken frequency by frequency, by the formula of Sherman and
    Morrison for one colour. There the picture has a copy of its own, too, at the price c that its misfit weighs with, so that the
    border is exact: kernels end where the picture does, and a mask hides what it hides.

    .. math:: s \leftarrow \operatorname{argmin} |m (s - y)|^2 + |s - \hat p - v|^2, \qquad
              (\rho + c D'D) x = \rho (z - u) - b + c D'(s - v), \quad p = D x

    The price is 0.6 of a typical curvature, the square of the mean root of H's diagonal: where all columns of a dictionary are
    equally long that is the mean of H's eigenvalues. It stays as it is. Of a convolution it is larger by the root of maps over
    colours, halfway between the mean of all eigenvalues and of those that are not 0, which are so many times fewer.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples, at most 4096 units, or any number
              behind one convolution of stride 1 and selections of its result; a rest with a proximal map.
    Shapes:   z and u (batch, *shape), H (units, units).
    Source:   Boyd, Parikh, Chu, Peleato & Eckstein, Found. Trends Machine Learning 3(1), 2011, sections 3.1.1, 3.4.3 and 4.2;
              convolutions Bristow, Eriksson & Lucey, CVPR 2013; one colour Wohlberg, ICASSP 2014; the border Heide, Heidrich &
              Wetzstein, CVPR 2015.
    """

    def __init__(self) -> None: ...

class BlockCoordinate(SolverForm):
    r"""Minimises over one variable after another, each by the solver that suits it best, the others held, in sweeps.

    .. math:: z_b \leftarrow \operatorname{argmin}_{z_b} E(z_1, \dots, z_b, \dots, z_n), \qquad b = 1, \dots, n, 1, \dots

    The planner picks each variable's solver as if the others were observed; all slots of a variable are one, or, where none takes
    them together, each is one by itself. A step is a sweep over all variables, in which a solver that goes step by step takes
    ``inner`` steps from where the variable is, and one that computes its minimum does so. What would raise an example's energy is
    not taken: it never rises from sweep to sweep.

    It ends where no variable by itself lowers the energy. That is the minimum where the energy is convex and its non-smooth terms
    tie no variables together; otherwise one of several such points, which depends on the start. A product of two variables does
    not move from zero at all. The certificate is the duality gap of all variables together where there is one, else the worst of
    the variables' own.

    Needs:    several variables, each with a solver for when the others stand still; nothing of all of them together.
    Shapes:   z (batch, units), all variables side by side.
    Source:   Tseng, J. Optim. Theory Appl. 109(3), 2001, theorem 4.1; inexact: Xu & Yin, SIAM J. Imaging Sci. 6(3), 2013.

    Options:
        inner: steps of each variable's solver in a sweep, where it goes step by step
    """

    def __init__(
        self,
        *,
        inner: Number = 10,
    ) -> None: ...

class CoordinateDescent(SolverForm):
    r"""Moves one unit of each example to where it costs least, the others held, and then another.

    .. math:: \bar z_j = \operatorname{shrink}(z_j - g_j / h_{jj}, \; w_j / h_{jj}), \qquad
              z_k \leftarrow \bar z_k, \quad g \leftarrow g + (\bar z_k - z_k) h_k

    with g = H z + b the gradient of the quadratic part, h_k a column of H and w the weights of magnitudes; for nonnegative units
    negative results become 0. *greedy* takes the unit with the largest h_kk (zbar_k - z_k)^2 / 2, by which the energy falls at
    least: with unit columns the one that moves farthest. *cyclic* takes them in their order.

    A step is one unit of each example: it costs a column of H, not a product with H, and ``steps: 100`` moves a hundred units,
    however many there are. Greedy steps are few where codes are sparse; give some for each unit that will be active.

    Behind a convolution, by the kernel *slices*, a column is the kernel that moved, as the mask leaves it, correlated with all
    others: the gradient changes around the unit and nowhere else.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples, at most 4096 units, or any number
              behind one convolution of stride 1 and selections of its result; beside it magnitudes alone, as of l1, or nothing.
    Shapes:   z (batch, *shape), g (batch, units), H (units, units); each row has its own unit.
    Source:   Li & Osher, Inverse Problems Imaging 3(3), 2009, for unit columns, as in Gregor & LeCun, ICML 2010; other columns:
              Nutini et al., ICML 2015, the Gauss-Southwell-Lipschitz rule; convolutions Kavukcuoglu et al.,
              NIPS 2010, algorithm 1.

    Options:
        order: which unit of an example moves next
    """

    def __init__(
        self,
        *,
        order: Literal['greedy', 'cyclic'] = 'greedy',
    ) -> None: ...

class Enumerate(SolverForm):
    r"""Tries every value that a finite domain allows and takes the best; of equals the first.

    .. math:: z = \operatorname{argmin}_{c \in C} E(c)

    Several variables are tried in every combination. To sum them out, it adds up exp(-E) over all of them.

    Needs:    binary and one-hot variables with at most 65536 values together, as 16 binary units have; nothing of the terms.
    Shapes:   choices (choices, *shape) -> z (batch, *shape). Memory is bounded by trying some choices at a time.
    Source:   Lloyd, IEEE Trans. Inf. Theory 28(2), 1982, the assignment of k-means.
    """

    def __init__(self) -> None: ...

class Exact(SolverForm):
    r"""Solves for the minimum of a quadratic energy; of many minima it takes the one nearest to zero.

    .. math:: z = -H^{+} b, \qquad E(z) = z' H z / 2 + b' z + c

    In double precision: by Cholesky's factors, or, where H is singular, by its eigenvectors. A sample whose energy falls forever,
    as by a linear term along a direction without curvature, has no code that is a number. To sum a block out, it takes what has a
    closed form: the integral of a Gaussian, or units of few values whose energy is linear in them.

    Needs:    quadratic and convex terms, and nothing else; at most 4096 units, or 128 where samples have Hessians of their own,
              as where an observed value multiplies the variable.
    Shapes:   z (batch, *shape), H (units, units) or (batch, units, units), b (batch, units).
    Source:   Golub & Van Loan, Matrix Computations, sections 4.2 and 5.5.
    """

    def __init__(self) -> None: ...

class Fista(SolverForm):
    r"""Descends by proximal steps of fixed length with momentum, which each example drops when it carries uphill.

    .. math:: z_k = \operatorname{prox}_{E/L}(y_k - \nabla f(y_k) / L), \quad
              y_{k+1} = z_k + \tfrac{t_k - 1}{t_{k+1}} (z_k - z_{k-1}), \quad t_{k+1} = \tfrac{1 + \sqrt{1 + 4 t_k^2}}{2}

    An example restarts, t = 1, when (y - z_k).(z_k - z_{k-1}) > 0: the gradient test, which needs no energies.

    Needs:    smooth terms with a Lipschitz bound, convex; a rest with a proximal map, or none.
    Shapes:   z (batch, *shape); each row has its own momentum.
    Source:   Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009; restart: O'Donoghue & Candes, Found. Comput. Math. 15, 2015.

    Options:
        restart: drops an example's momentum when it carries uphill
    """

    def __init__(
        self,
        *,
        restart: bool = True,
    ) -> None: ...

class Gradient(SolverForm):
    r"""Follows the gradient downhill, each example with a step of its own that fits the curvature it last met.

    .. math:: z_{k+1} = z_k - a_k \nabla f(z_k), \qquad
              a_k = \frac{s.s}{s.y}, \; s = z_k - z_{k-1}, \; y = \nabla f(z_k) - \nabla f(z_{k-1})

    A step that does not lower the energy by 1e-4 a |g|^2 is refused and halved; it counts as a step.

    Needs:    smooth terms with a gradient, and nothing else. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row has its own step.
    Source:   Barzilai & Borwein, IMA J. Numer. Anal. 8, 1988, equation 5; Armijo, Pacific J. Math. 16, 1966.
    """

    def __init__(self) -> None: ...

class Grid(SolverForm):
    r"""Adds up exp(-E) at the middle of every cell of a regular grid, times the volume of a cell.

    .. math:: \int_{[-r, r]^n} e^{-E(z)} \, dz \approx h^n \sum_i e^{-E(z_i)}, \qquad h = 2r / \text{points}

    What lies beyond the range does not count. Nonnegative units range from 0. Variables of few values beside them are tried at
    each of their values. The error falls with the square of h, and much faster where the energy is smooth and high at the border.

    Needs:    real and nonnegative variables of at most 3 units together; nothing of the terms.
    Shapes:   values (points ** units, units). Memory is bounded by trying some values at a time, except while learning.
    Source:   Davis & Rabinowitz, Methods of Numerical Integration, section 2.1: the midpoint rule.

    Options:
        range: how far the grid reaches from 0 on each axis
        points: points on each axis
    """

    def __init__(
        self,
        *,
        range: Number = 3.0,
        points: Number = 128,
    ) -> None: ...

class GroupActiveSet(SolverForm):
    r"""Moves the groups that lower the energy most, one by one, and then all that are active by Newton's method.

    .. math:: z_g \leftarrow \operatorname{prox}_{P_g / L_g}(z_g - \nabla_g f / L_g), \qquad
              z_A \leftarrow z_A - t \, (H_{AA} + \nabla^2 P)^{-1} \nabla_A (f + P), \qquad
              P = \sum_i w_i |z_i| + \sum_g W_g \, |z_g|_2

    with f the squares, H their Hessian, L_g the largest eigenvalue of a group's part of it and A the units that are not zero:
    there the price of groups is smooth. t, at most 1, ends where a unit that pays by itself, or is kept nonnegative, becomes
    zero, or where a group turns around, and is halved until the energy falls. The moves find which groups are active, Newton's
    method makes a tight tolerance cheap.

    A step is such a round: one or two are enough where few groups are active, as a sixth of them, of eight units or fewer. Where
    more are, ``fista`` is several times as fast, so that this solver is taken where it is named. A compiled kernel takes all
    steps for each sample by itself, on as many threads as torch has; where it does not serve, the same is done in torch, slower
    than ``fista``. Both end at the certificate of the tolerance, and not at the same bits.

    Needs:    squares with one Hessian for all samples, at most 1024 units; beside them lengths of groups that share no unit, and
              perhaps a weight on the magnitude of each unit. Compiled, groups of about the same size.
    Shapes:   z (batch, *shape), gradient (batch, units), H (units, units); each row has its own active groups.
    Source:   moves: Qin, Scheinberg & Goldfarb, Efficient block-coordinate descent algorithms for the group lasso, Math. Prog.
              Comp. 5, 2013; active groups: Roth & Fischer, ICML 2008; the price: Yuan & Lin, J. R. Stat. Soc. B 68, 2006, with
              magnitudes beside it Simon, Friedman, Hastie & Tibshirani, J. Comput. Graph. Stat. 22, 2013.
    """

    def __init__(self) -> None: ...

class HalfQuadratic(SolverForm):
    r"""Alternates between a code that explains and a copy of it that is sparse, and couples the two ever more tightly.

    .. math:: x \leftarrow \operatorname{prox}_{E/\beta}(z), \qquad (H + \beta) z = \beta \hat x - b, \qquad
              \hat x = x + \tfrac{j}{j + 3} (x - x_{\text{before}})

    A step is both: a proximal step on the quadratic part's envelope, which momentum quickens. The coupling stays for ``turns``
    steps, of which j are done, and grows by ``factor``; at ``last`` it stays for good, which takes 240 steps as it is set. The
    paper's is ``turns: 1``, which has no momentum. The z equation is solved by conjugate gradients from the last z, so that the
    Hessian need not be formed. The code is x.

    It is an approximation: where the last coupling's steps end, the copy's energy is above the minimum by at most the squared
    length of the quadratic part's slope over twice that coupling. Steps that are too few at each coupling leave more.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples; a rest with a proximal map.
    Shapes:   x and z (batch, *shape).
    Source:   Zeiler, Krishnan, Taylor & Fergus, CVPR 2010, section 3.1; Geman & Yang, IEEE Trans. Image Processing 4(7), 1995.

    Options:
        first: the coupling of the first steps
        factor: by which it grows
        last: the coupling beyond which it does not grow
        turns: steps at each coupling
    """

    def __init__(
        self,
        *,
        first: Number = 1.0,
        factor: Number = 6.0,
        last: Number = 100000.0,
        turns: Number = 30,
    ) -> None: ...

class Ista(SolverForm):
    r"""Descends by proximal steps: as long as the bound of the curvature allows, or found by backtracking where none is known.

    .. math:: z_{k+1} = \operatorname{prox}_{E/L}(z_k - \nabla f(z_k) / L)

    Backtracking: a step is refused, and L grows for this example, unless f(z') <= f(z) + g.(z' - z) + L |z' - z|^2 / 2. A refused
    step counts as a step; L never falls within a solve.

    Needs:    smooth terms with a gradient; a rest with a proximal map, or none. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row has its own L.
    Source:   Daubechies, Defrise & De Mol, Comm. Pure Appl. Math. 57, 2004; backtracking: Beck & Teboulle, 2009, section 3.
    """

    def __init__(self) -> None: ...

class Lbfgs(SolverForm):
    r"""Descends by quasi-Newton steps: each example's curvature is learned from its own last ten steps.

    .. math:: z_{k+1} = z_k - a_k H_k \nabla f(z_k), \qquad
              H_{k+1} = (1 - \rho s y') H_k (1 - \rho y s') + \rho s s', \quad \rho = \frac{1}{y.s}, \;
              s = z_{k+1} - z_k, \; y = \nabla f(z_{k+1}) - \nabla f(z_k)

    H is never formed: the remembered pairs (s, y) give its product with the gradient. A step that does not lower the energy by
    1e-4 of what the gradient promises is refused and shortened, to the minimum of the parabola through what was seen; it counts
    as a step. A pair along which the energy bends down is not remembered, and the next step is twice as long.

    Needs:    smooth terms with a gradient, and nothing else; at most 16384 units. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row remembers 20 codes of its own.
    Source:   Liu & Nocedal, Math. Programming 45, 1989, algorithm 2.1; as triangular systems: Byrd, Nocedal & Schnabel, Math.
              Programming 63, 1994, theorem 2.2; which pairs: Li & Fukushima, SIAM J. Optim. 11, 2001; steps that energies are
              too coarse to judge: Hager & Zhang, SIAM J. Optim. 16, 2005, equation 4.1.
    """

    def __init__(self) -> None: ...

class WorkingSet(SolverForm):
    r"""Moves the units behind a convolution, one of each neighbourhood, to where they cost least, and then others.

    .. math:: z_k \leftarrow \operatorname{shrink}(z_k - g_k / h_{kk}, \; w_k / h_{kk}), \qquad
              r \leftarrow m (r - (\bar z_k - z_k) \, d_k)

    with r what is left of the picture where the mask m compares it, d_k the unit's kernel at its place, w the weights of
    magnitudes and g_k = -c d_k.r + a z_k + b_k the gradient of the squares. A move reads and writes the picture under one
    kernel, at the border exactly, too; nothing but the code is as large as the code. Units whose kernels do not meet may move
    at once.

    A step of the compiled kernel lists of each block of 2 x 2 places the unit that lowers the energy most, and sweeps five times
    over the list, which units that are zero again leave; what is listed is found by a correlation of the whole picture, which
    certifies the code as well. Pictures, or bands of one, are taken by as many threads as torch has, with the same bits for any
    number. Where it does not serve, a step is five moves of every neighbourhood in torch, much slower than ``fista``. Both end at
    the certificate of the tolerance, and not at the same bits.

    Needs:    squares, all of which that read functions are one behind one convolution of stride 1 and selections of its result;
              beside them a weight on the magnitude of each unit.
    Shapes:   z (batch, maps, rows, columns), r (batch, colours, height, width).
    Source:   Kavukcuoglu et al., NIPS 2010, algorithm 1; one unit of each neighbourhood: Moreau, Oudre & Vayatis, ICML 2018.
    """

    def __init__(self) -> None: ...
