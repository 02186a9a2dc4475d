# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from collections.abc import Sequence
from typing import Literal

from factorgraph.spec.forms import LossForm
from factorgraph.spec.handles import Expressed, Name, Number

class Adversarial(LossForm):
    r"""Lowers the energy of the data and raises that of what another player puts in their place: the critic's side of a game.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{F(Y)}) + \log(1 + e^{-F(\tilde Y)}), \qquad
              \frac{1}{n} \sum_Y F(Y) + \max(0, m - F(\tilde Y))

    Logistic, minus the energy is the logit of being real; hinge, nothing is pushed up beyond the margin.

    Promises: no gradient reaches what makes the stand-in, which is held fixed.
    Shapes:   energies (batch,) -> a number, averaged over the batch, summed over the slots of the stand-in.
    Units:    the margin is an energy, per sample.
    Source:   Goodfellow et al., NeurIPS 2014, equation 1; hinge: Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 1.

    Options:
        fake: the variable that stands for the data
        form: how energies are pulled apart
        margin: of hinge: the energy above which nothing is pushed up
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        fake: Name,
        form: Literal['logistic', 'hinge'] = 'logistic',
        margin: Number = 1.0,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class Contraction(LossForm):
    r"""Makes a value move as little as it can with what is observed: what still moves it are the directions that the data take.

    .. math:: \frac{1}{n} \sum_Y \left\lVert \frac{\partial h(Y)}{\partial Y} \right\rVert^2
              = \frac{1}{n} \sum_Y \sum_j s'(a_j)^2 \lVert w_j \rVert^2 \quad \text{where } h = s(W Y + b)

    Promises: exact for any value, by its derivative along the fewer of its own units and those observed; in closed form where it
              is a dense matrix of an observed variable, then unit by unit.
    Needs:    a value that is computed from what is observed: one that is inferred has no derivative here. A decoder that is tied
              to the encoder, or bounded: a free one makes up for a code that shrinks.
    Shapes:   h (batch, *shape) -> a number, averaged over the batch, summed over slots.
    Units:    the square of h's unit over that of Y's.
    Source:   Rifai, Vincent, Muller, Glorot & Bengio, ICML 2011, equations 4 and 5.

    Options:
        of: the value that is to move little
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        of: Expressed,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

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

class Fool(LossForm):
    r"""Lowers the energy of what is put in the data's place by moving that, not the energy: the generator's side of a game.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{F(\tilde Y)}), \qquad \frac{1}{n} \sum_Y F(\tilde Y)

    Logistic, this is minus the logarithm of how real it looks, which has a slope where the critic is sure; hinge, the energy.

    Promises: gradients reach what makes the stand-in, and nothing else.
    Shapes:   energies (batch,) -> a number, averaged over the batch, summed over the slots of the stand-in.
    Source:   Goodfellow et al., NeurIPS 2014, section 3; hinge: Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 2.

    Options:
        fake: the variable that stands for the data
        form: that of the critic's loss
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        fake: Name,
        form: Literal['logistic', 'hinge'] = 'logistic',
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

class Likelihood(LossForm):
    r"""Lowers the free energy of the data and raises that of everything else: exact maximum likelihood.

    .. math:: \frac1n \sum_Y F(Y) + \frac1\beta \log Z, \qquad Z = \int e^{-\beta F(Y)} \, dY, \qquad
              \frac{\partial}{\partial W} = \frac1n \sum_Y \frac{\partial F}{\partial W} - E_P \frac{\partial F}{\partial W}

    Promises: beta times the loss is minus the mean log likelihood. Its gradient is exact; none comes from sampling.
    Needs:    a procedure that sums over all that is observed and latent, with the factors and the beta of the phase.
    Shapes:   energies (batch,) and one log partition function -> a number.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 2.2.4.

    Options:
        partition: the procedure that sums over everything, with method: marginal
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        partition: Name,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class MinimumProbabilityFlow(LossForm):
    r"""Stops probability from flowing from binary data to their neighbours, were the energy to let it go.

    .. math:: \frac{1}{n} \sum_Y \sum_i e^{(F(Y) - F(Y^{(i)})) / 2}

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped; the sum is the rate at which probability
    leaves the data under dynamics that end at the model, at their first moment.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Convex where
              the energy is linear in the parameters. Where few patterns lie apart, the energies of their neighbours rise without
              end; and patterns that single flips do not connect are not weighed against each other.
    Needs:    a binary observed variable; those that are not binary stay as they are. Neighbours that are data count as others do.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Source:   Sohl-Dickstein, Battaglino & DeWeese, ICML 2011 (arXiv:0906.4779).

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

class NoiseContrastive(LossForm):
    r"""Lowers the energy of the data and raises that of noise, until it tells which of the two a sample is.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{-G(Y)}) + \frac{1}{n} \sum_{k=1}^{\nu n} \log(1 + e^{G(U_k)}), \qquad
              G(u) = -F(u) + c - \log q(u) - \log \nu

    G is the logit of being data, if their density is :math:`e^{-F + c}`, and :math:`\nu` samples U of the noise of density q, the
    *ratio*, come for each of them. The constant c is learned: it ends at minus the logarithm of the partition function, and
    starts where samples of the noise estimate that when the phase begins.

    Promises: no partition function; with enough data the true parameters and constant, where the model holds them. Densities of
              patterns far apart are weighed against each other, if noise comes to both.
    Needs:    a noise variable that stands for an observed one, and is found wherever data are: data that it cannot hold teach
              nothing, and are refused. The nearer to the data, the less of it does.
    Shapes:   F (batch,) at data, (ratio * batch,) at noise; constant () -> a number, averaged over the batch.
    Units:    nats, which the energy has too: F is beta times the free energy.
    Source:   Gutmann & Hyvarinen, AISTATS 2010, equations 2 to 4, and with a ratio JMLR 13, 2012.

    Options:
        noise: the noise variable that stands for the data
        ratio: samples of the noise for each of the data
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        noise: Name,
        ratio: Number = 1,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class PseudoLikelihood(LossForm):
    r"""Makes each unit of binary data likely, given all others.

    .. math:: -\frac{1}{n} \sum_Y \sum_i \log p(Y_i \mid Y_{-i}) = \frac{1}{n} \sum_Y \sum_i \log(1 + e^{F(Y) - F(Y^{(i)})})

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped. F is beta times the free energy.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Convex where
              the energy is linear in the parameters. Patterns that single flips do not connect are not weighed against each
              other.
    Needs:    a binary observed variable; those that are not binary stay as they are.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Units:    nats.
    Source:   Besag, The Statistician 24(3), 1975.

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

class PullingAway(LossForm):
    r"""Turns the codes of different samples at right angles, so that a generator does not say one thing over and over.

    .. math:: \frac{1}{n (n - 1)} \sum_i \sum_{j \ne i} \left(\frac{s_i' s_j}{\lVert s_i \rVert \lVert s_j \rVert}\right)^2

    Promises: from 0, all at right angles, to 1, all along one line; the length of a code does not matter.
    Shapes:   s (batch, *shape) -> a number, averaged over pairs of samples, summed over slots.
    Source:   Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 14.

    Options:
        of: the value whose samples are kept apart, such as an encoder of what is made
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        of: Expressed,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class RatioMatching(LossForm):
    r"""Lowers the energy of binary data below that of their neighbours, and cares less the lower it is already.

    .. math:: \frac{1}{n} \sum_Y \sum_i \sigma(F(Y) - F(Y^{(i)}))^2, \qquad \sigma(x) = \frac{1}{1 + e^{-x}}

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped; :math:`e^{F(Y) - F(Y')}` is the ratio of
    its probability to that of the sample, in which the partition function cancels.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Each term is
              between 0 and 1. Patterns that single flips do not connect are not weighed against each other.
    Needs:    a binary observed variable; those that are not binary stay as they are.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Source:   Hyvarinen, Computational Statistics & Data Analysis 51(5), 2007.

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

class Saturation(LossForm):
    r"""Pushes the input of every unit towards the nearest part of its activation that is flat, where the unit does not move.

    .. math:: \frac{1}{n} \sum_Y \sum_j d(a_j), \qquad h_j = s(a_j), \qquad d(a) = \min_{b:\ s'(b) = 0} |a - b|

    Promises: 0 where no unit answers to its input.
    Needs:    a value that is made by an activation with a flat part, which says how far it is: a relu, where this is a price on
              activity, ``saturated_linear``, or ``shrink``.
    Shapes:   a (batch, *shape) -> a number, summed over units and slots, averaged over the batch.
    Units:    those of a.
    Source:   Goroshin & LeCun, arXiv:1301.3577.

    Options:
        of: the value whose units are to rest, as they leave their activation
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        of: Expressed,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...

class ScoreMatching(LossForm):
    r"""Makes the energy flat at the data and curved around them, so that they lie at the bottom of valleys.

    .. math:: \frac{1}{n} \sum_Y \tfrac12 \lVert \nabla F \rVert^2 - \operatorname{tr} \nabla^2 F, \qquad
              \tfrac12 \lVert \nabla F \rVert^2 - v' \nabla^2 F \, v, \qquad
              \tfrac12 \lVert \sigma \nabla F(Y + \sigma n) - n \rVert^2

    *exact*, *sliced* and *denoising*, in this order. Minus the slope of the energy is the score, that of the log density, in
    which the partition function is lost. Sliced puts a direction v of random signs, one for each row and step, in the place of
    the trace; denoising teaches the slope to point away from data that normal noise n has moved.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Sliced is
              exact on average. Denoising finds the density of the data with the noise on them, and needs no second derivatives by
              the data. How much data each of several valleys holds has no part in it. Where data lie on a thin line, exact and
              sliced fall without end: put noise on the data.
    Needs:    a real observed variable, in which the energy has a gradient; exact and sliced: one without corners, as of softplus,
              not of relu. Codes by a formula, summed out, or by an argmin with ``gradient: implicit``.
    Shapes:   F (batch,), derivatives (batch, units) -> a number, averaged over the batch. Exact evaluates the energy at units
              times as many rows.
    Units:    sigma has that of the data; without it the loss has the inverse of its square. F is beta times the free energy.
    Source:   Hyvarinen, JMLR 6, 2005, theorem 1; Song, Garg, Shi & Ermon, UAI 2019 (arXiv:1905.07088), with reduced variance;
              Vincent, Neural Computation 23(7), 2011, equation 9.

    Options:
        estimator: all directions, a random one, or noise in the place of second derivatives
        sigma: of denoising: the deviation of the noise
        weight: what it is multiplied by
        only: the factors seen; all, if left out
        without: factors not seen
    """

    def __init__(
        self,
        *,
        estimator: Literal['exact', 'sliced', 'denoising'] = 'exact',
        sigma: Number = 0.1,
        weight: Number = 1.0,
        only: Name | Sequence[Name] | None = None,
        without: Name | Sequence[Name] = ...,
    ) -> None: ...
