# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from typing import Literal

from factorgraph.spec.forms import FactorForm
from factorgraph.spec.handles import Expressed, Number

class Bernoulli(FactorForm):
    r"""Pays for the chance that each unit's logit leaves to the wrong one of on and off.

    .. math:: E(y, l) = \sum_i \log(1 + e^{l_i}) - y_i l_i = -\sum_i y_i \log \sigma(l_i) + (1 - y_i) \log \sigma(-l_i)

    Promises: smooth and convex in the logits while the target stands still, the curvature at most 1/4; differentiable in both.
              Normalised: exp(-E) of the binary targets adds up to 1.
    Needs:    a target between 0 and 1.
    Shapes:   y, l (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    nats; target and logits have none.
    Source:   Cox, J. Royal Statistical Society B 20(2), 1958: the logistic likelihood.

    Options:
        between: the target, then the logits of being on
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
    ) -> None: ...

class Bias(FactorForm):
    r"""Makes each unit prefer to be small or large, as much as is learned.

    .. math:: E(z) = \sum_i b_i z_i

    Promises: linear, and so convex with any weight.
    Needs:    other factors, or a domain, that keep z from running away.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*; bias b (*shape) learned, from 0.
    Units:    b is energy per unit of z. A unit that is often on learns a negative b.
    Source:   Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985: thresholds of a Boltzmann machine.

    Options:
        of: the value whose units have a preference
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...

class Categorical(FactorForm):
    r"""Says how likely each choice is before anything is seen: its share among all samples is learned.

    .. math:: E(z) = -z' \log \operatorname{softmax}(c)

    Promises: linear in z. Normalised: exp(-E) of the one-hot z adds up to 1. Estimated: the shares are those of what was chosen;
              of what never was, next to none.
    Needs:    z one-hot, or a distribution over the choices.
    Shapes:   z (batch, *shape) -> energy (batch,). All units together are the choices; logits c (*shape) are
              learned, from equal odds.
    Units:    nats.
    Source:   Dempster, Laird & Rubin, J. Royal Statistical Society B 39(1), 1977, section 4.3: the shares of a mixture.

    Options:
        of: the choice, one-hot
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...

class Cosine(FactorForm):
    r"""Compares the directions of two values, whatever their lengths; a negative weight makes them line up.

    .. math:: E(a, b) = \frac{a' b}{\|a\| \|b\| + \epsilon}

    Promises: differentiable; neither convex nor a sum over units: it lies between -1 and 1 for any number of units.
    Shapes:   a, b (batch, *shape) -> energy (batch,), the angle in the space of all units.
    Units:    none. A value of zeros has no direction: its cosine with anything is 0.
    Source:   Goroshin, Mathieu & LeCun, NIPS 28, 2015, equation 3, the curvature of a path of codes.

    Options:
        between: the two values whose directions are compared
        epsilon: keeps the quotient finite where a value is zero; in the square of their unit
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
        epsilon: Number = 1e-08,
    ) -> None: ...

class CrossEntropy(FactorForm):
    r"""Pays for the chance that a classifier leaves to all but the right one of several choices.

    .. math:: E(y, l) = -\sum_i y_i \log \operatorname{softmax}(l)_i = \log \sum_i e^{l_i} - y' l \text{ where } \sum_i y_i = 1

    Promises: smooth and convex in the logits while the target stands still, the curvature at most 1/2, if the target is known to
              be a choice: by its variable's domain, one_hot or simplex, or as the result of softmax; else differentiable alone.
              Normalised: exp(-E) of the one-hot targets adds up to 1.
    Needs:    a target that is one-hot or a distribution over the choices.
    Shapes:   y, l (batch, *shape) -> energy (batch,). All units together are the choices; there are two at least.
    Units:    nats; target and logits have none.
    Errors:   one unit alone, which is no choice: bernoulli is for it; a number as target or logits.
    Source:   Bridle, Neurocomputing (NATO ASI F68), 1990: softmax and the logarithm of the chance of the right choice.

    Options:
        between: the target, then the logits of the choices
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
    ) -> None: ...

class Distance(FactorForm):
    r"""Pulls two values towards each other; the power says how much more a large difference counts than a small one.

    .. math:: E(a, b) = \sum_i |a_i - b_i|^p, \qquad p = 1\!: \operatorname{prox}_{tE}(v) = v - \min(\max(v - b, -t), t)

    Promises: convex in both arguments together. With p = 1 proximal in either argument while the other stands still, and no
              gradient where they are equal; with p = 2 quadratic; with any other p only differentiable, its curvature unbounded.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged, and no root is taken.
    Units:    the p-th power of the arguments' unit.
    Errors:   p below 1, where the energy would not be convex.
    Source:   Mathieu, Couprie & LeCun, arXiv:1511.05440, 2015, equation 5.

    Options:
        between: the two values that are compared
        p: the power, at least 1: at 1 the least energy is at a median, at 2 at a mean
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
        p: Number = 1.0,
    ) -> None: ...

class Gaussian(FactorForm):
    r"""Says that one value is another plus Gaussian noise, or Gaussian noise itself, whose precision may be learned.

    .. math:: E(a, b) = \tfrac12 (a - b)' L (a - b) - \tfrac12 \log \det L + \tfrac{n}{2} \log 2 \pi

    ``of`` is compared with 0. With ``by`` every choice has a precision L of its own, and E is the sum of what they say, weighted
    by the units of ``by``: of a one-hot value, what the chosen one says.

    L is positive for any value of the parameters. *scalar* and *diagonal* learn c, with variances exp(-c) + floor. *full* learns
    a lower triangle C, its diagonal by the logarithm, with the covariance C C' + floor times 1: no direction has a variance
    below the floor.

    Promises: quadratic and convex in a and b while ``by``, known to be a choice, stands still: another Hessian for each sample;
              a square where the precision is unit, or scalar without ``by``. Differentiable in all. Normalised in a.
              Estimated: the covariance is that of the differences, its eigenvalues at least the floor.
    Shapes:   a, b (batch, *shape) -> energy (batch,), n units. log_precision () or (n); factor (n, n); by (batch, *choices) puts
              the number of choices before each. All start at a precision of 1, before the floor.
    Units:    nats; L in the inverse square of the arguments' unit.
    Errors:   both or neither of between and of; by or a floor without a learned precision; by a number.
    Source:   Rubin & Thayer, Psychometrika 47(1), 1982, for factor analysis; Dempster, Laird & Rubin 1977 for mixtures.

    Options:
        between: the two values that are compared
        of: instead of between: the value that is compared with 0
        by: a one-hot value, each choice of which has a precision of its own
        precision: the inverse of the covariance: 1, or learned: one number, one for each unit, a matrix
        floor: below which no learned variance falls
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed] | None = None,
        of: Expressed | None = None,
        by: Expressed | None = None,
        precision: Literal['unit', 'scalar', 'diagonal', 'full'] = 'unit',
        floor: Number = 0.0,
    ) -> None: ...

class GradientDifference(FactorForm):
    r"""Asks two images to have edges of the same strength at the same places, so that a blurred one costs much.

    .. math:: E(a, b) = \sum_{d \in \{\uparrow, \leftarrow\}} \sum_i \bigl| |\partial_d a_i| - |\partial_d b_i| \bigr|^p

    Each derivative is the difference of two neighbours along one of the last two axes.

    Promises: differentiable; not convex: it sees neither the sign of an edge nor a constant, so it goes beside a distance.
    Shapes:   a, b (batch, *maps, height, width) -> energy (batch,), summed over both directions and all maps, never averaged.
    Units:    the p-th power of the arguments' unit.
    Errors:   fewer than two axes; a power below 1, whose gradient has no bound where edges agree.
    Source:   Mathieu, Couprie & LeCun, arXiv:1511.05440, 2015, equation 6.

    Options:
        between: the two images whose edges are compared
        power: of each difference, at least 1
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
        power: Number = 1.0,
    ) -> None: ...

class InnerProduct(FactorForm):
    r"""Couples two values: they raise the energy where their signs agree; a negative weight makes them seek each other.

    .. math:: E(a, b) = \sum_i a_i b_i

    Promises: bilinear: linear, and so convex with any weight, in either argument while the other stands still; quadratic in both,
              and then not convex.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    the product of the arguments' units.
    Source:   Smolensky, Parallel Distributed Processing 1, MIT Press 1986, chapter 6: interactions of a harmonium.

    Options:
        between: the two values that are multiplied
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
    ) -> None: ...

class L1(FactorForm):
    r"""Pays for every active unit in proportion to its magnitude.

    .. math:: E(z) = \sum_i |z_i|, \qquad \operatorname{prox}_{tE}(v)_i = \operatorname{sign}(v_i)\max(|v_i| - t, 0)

    Promises: convex; absolute: a prox in closed form, and a duality gap beside quadratic terms. No gradient at 0, so gradient
              solvers refuse it.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    energy per unit of |z|.
    Source:   Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009, section 1.

    Options:
        of: the value whose units are to be few
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...

class LogCosh(FactorForm):
    r"""Pays for active units: by the square while they are small, by their magnitude when they are large.

    .. math:: E(z) = \sum_i \log \cosh z_i

    Promises: smooth and convex; the curvature is at most 1.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*.
    Units:    that of z must be 1.
    Source:   Hyvarinen & Oja, Neural Networks 13, 2000, equation 14.

    Options:
        of: the value whose units are to be small
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...

class LogDet(FactorForm):
    r"""The logarithm of how much a matrix enlarges volumes: with a weight of -1 it is what a density of W y takes for its norm.

    .. math:: E = \log |\det W|

    The energy :math:`\sum_j \phi(w_j' y) - \log |\det W|` has the same partition function for every W: what is low at the data is
    higher elsewhere, and W = 0 costs without end.

    Promises: differentiable where the matrix is not singular. No variable moves it: it is the same for every sample.
    Needs:    a function with a square matrix, such as a linear one from a variable to as many units.
    Shapes:   W (units, units) -> a number, the energy of every sample.
    Units:    nats.
    Source:   Bell & Sejnowski, Neural Computation 7(6), 1995; Hyvarinen & Oja, Neural Networks 13, 2000, section 4.4.

    Options:
        of: the name of a function, whose matrix is meant
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...

class SquaredDistance(FactorForm):
    r"""Pulls two values towards each other, by the square of how far they are apart.

    .. math:: E(a, b) = \sum_i (a_i - b_i)^2

    Promises: quadratic and convex in both arguments together; the Hessian's blocks are 2 and -2 times the identity.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged and never halved.
    Units:    the square of the arguments' unit. A Gaussian's log density has the weight 1 / (2 variance).
    Source:   Olshausen & Field, Nature 381, 1996, equation 2.

    Options:
        between: the two values that are compared
    """

    def __init__(
        self,
        *,
        between: tuple[Expressed, Expressed],
    ) -> None: ...

class StudentT(FactorForm):
    r"""Pays for active units: by the square while they are small, and hardly any more once they are large.

    .. math:: E(z) = \sum_i \log(1 + z_i^2 / \nu)

    Promises: smooth, the curvature at most 2 / degrees; not convex: it bends down beyond the root of the degrees. With the weight
              (degrees + 1) / 2 it is, but for a constant, the energy of Student's t.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    nats per unit of weight; z is measured in its own scale, whose square is the degrees.
    Source:   Welling, Hinton & Osindero, NIPS 15, 2002: products of Student's t.

    Options:
        of: the value whose units are to be small, but for a few
        degrees: of freedom: the square of the size from which on a unit counts as large
    """

    def __init__(
        self,
        *,
        of: Expressed,
        degrees: Number = 1.0,
    ) -> None: ...

class Value(FactorForm):
    r"""Takes a single unit for an energy as it is: what a critic or a free network says of its input.

    .. math:: E(z) = z

    Promises: linear in z, so that the energy has the structure that the function behind z leaves it.
    Shapes:   z (batch, *shape) of one unit -> energy (batch,).
    Units:    those of z.
    Errors:   more than one unit: a sum of them would be meant, and no unit says so.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, MIT Press 2006, section 1.

    Options:
        of: a value of one unit
    """

    def __init__(
        self,
        *,
        of: Expressed,
    ) -> None: ...
