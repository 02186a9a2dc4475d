# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.

from factorgraph.spec.forms import OptimizerForm
from factorgraph.spec.handles import Number

class Adadelta(OptimizerForm):
    r"""Each parameter moves by its gradient, in units of its own steps so far: the learning rate is a share, usually 1.

    .. math:: \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}}\, g, \qquad \theta \leftarrow \theta - \eta\, \Delta

    *v* and *u* are running means of the squares of the gradient and of the step.

    Source:   Zeiler, arXiv 1212.5701, 2012, algorithm 1; torch.optim.Adadelta.

    Options:
        rho: decay of the running means
        eps: added under the roots
        weight_decay: pulls to zero: this times the parameter is added to its gradient
    """

    def __init__(
        self,
        *,
        rho: Number = 0.9,
        eps: Number = 1e-06,
        weight_decay: Number = 0.0,
    ) -> None: ...

class Adagrad(OptimizerForm):
    r"""Each parameter moves by its gradient over the root of all its squares so far.

    .. math:: \theta \leftarrow \theta - \eta\, g / (\sqrt{\textstyle\sum g^2} + \epsilon)

    Source:   Duchi, Hazan & Singer, JMLR 12, 2011, figure 1; torch.optim.Adagrad.

    Options:
        lr_decay: the learning rate is divided by 1 plus this times the steps done
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        initial_accumulator_value: what the sum of squares starts at
        eps: added to the denominator
    """

    def __init__(
        self,
        *,
        lr_decay: Number = 0.0,
        weight_decay: Number = 0.0,
        initial_accumulator_value: Number = 0.0,
        eps: Number = 1e-10,
    ) -> None: ...

class Adam(OptimizerForm):
    r"""Each parameter moves by its gradient's running mean over the root of its square's running mean.

    .. math:: \theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Kingma & Ba, ICLR 2015, algorithm 1; torch.optim.Adam.

    Options:
        betas: decays of the running means of gradient and square
        eps: added to the denominator
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        amsgrad: divides by the largest square so far
    """

    def __init__(
        self,
        *,
        betas: tuple[Number, Number] = ...,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        amsgrad: bool = False,
    ) -> None: ...

class Adamax(OptimizerForm):
    r"""Each parameter moves by its gradient's running mean over the largest magnitude, which fades.

    .. math:: u \leftarrow \max(\beta_2 u, |g| + \epsilon), \qquad \theta \leftarrow \theta - \eta\, \hat m / u

    Source:   Kingma & Ba, ICLR 2015, algorithm 2; torch.optim.Adamax.

    Options:
        betas: decays of the gradient's mean and of the largest
        eps: added to the magnitude
        weight_decay: pulls to zero: this times the parameter is added to its gradient
    """

    def __init__(
        self,
        *,
        betas: tuple[Number, Number] = ...,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
    ) -> None: ...

class AdamW(OptimizerForm):
    r"""Adam, with parameters pulled to zero apart from their gradient.

    .. math:: \theta \leftarrow (1 - \eta \lambda)\theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Loshchilov & Hutter, ICLR 2019, algorithm 2; torch.optim.AdamW.

    Options:
        betas: decays of the running means of gradient and square
        eps: added to the denominator
        weight_decay: pulls to zero: by learning rate times this times the parameter
        amsgrad: divides by the largest square so far
    """

    def __init__(
        self,
        *,
        betas: tuple[Number, Number] = ...,
        eps: Number = 1e-08,
        weight_decay: Number = 0.01,
        amsgrad: bool = False,
    ) -> None: ...

class ASGD(OptimizerForm):
    r"""Parameters move against their gradient, by less and less; their average is kept beside them, in checkpoints.

    .. math:: \theta \leftarrow (1 - \lambda \eta_t)\, \theta - \eta_t\, g, \qquad \eta_t = \eta / (1 + \lambda \eta t)^\alpha

    The model keeps the parameters themselves, not the average.

    Source:   Polyak & Juditsky, SIAM J. Control and Optimization 30, 1992, section 1; torch.optim.ASGD.

    Options:
        lambd: pulls to zero, and how fast the learning rate falls
        alpha: the power with which it falls
        t0: the step from which parameters are averaged
        weight_decay: pulls to zero: this times the parameter is added to its gradient
    """

    def __init__(
        self,
        *,
        lambd: Number = 0.0001,
        alpha: Number = 0.75,
        t0: Number = 1000000.0,
        weight_decay: Number = 0.0,
    ) -> None: ...

class ClosedForm(OptimizerForm):
    r"""Sets matrices to the minimum of the energy over the codes of a whole pass through the data, at the end of each pass.

    .. math:: W \leftarrow W - \Bigl(\sum_n \frac{\partial E_n}{\partial W}\Bigr) H^+, \qquad
              H = \sum_n \sum_k w_k\, x_{nk} x_{nk}'

    For the matrix W of a linear function, and its bias, behind squares of weight and curvature *w*, its inputs *x* with a 1 for
    the bias. One-hot codes make it K-means, real codes alternating least squares. What no sample used keeps its place: a
    prototype without samples, a direction without inputs. Where the rows are orthonormal and the energy is
    ``|Y - f'(f(Y))|^2``, they become the leading eigenvectors of the second moment of Y, the largest entry of each positive: PCA
    of centred data.

    Where codes are summed out, ``method: marginal``, the sums are over the posterior: expectation-maximisation. Precisions of a
    ``gaussian`` and shares of a ``categorical`` are set beside the matrices, by covariances of what is compared and by how often
    each choice is made: mixtures of Gaussians, factor analysis.

    Within a pass nothing changes. A pass ends with its last row, and its last batch may be smaller; a phase that ends before ends
    with the minimum over what it saw. There is no learning rate, and no schedule.

    K-means and PCA need sums over their data alone, no gradient and no memory for codes: there ``batch_size: all`` costs least.

    Errors:   FG430 to FG435: the minimum has no closed form, or an option would change nothing.
    Source:   Lloyd, IEEE Trans. Information Theory 28, 1982; Pearson, Philosophical Magazine 2, 1901; Dempster, Laird & Rubin,
              J. Royal Statistical Society B 39(1), 1977; Rubin & Thayer, Psychometrika 47(1), 1982.
    """

    def __init__(self) -> None: ...

class DiagonalNewton(OptimizerForm):
    r"""Divides each parameter's gradient by the energy's curvature along it: parameters that much depends on move less.

    .. math:: \theta_i \leftarrow \theta_i - \eta\, g_i / (h_i + \mu), \qquad
              h_i \approx \frac1B \sum_n \sum_j c \Bigl(\frac{\partial r_{nj}}{\partial \theta_i}\Bigr)^2

    for the squares :math:`c\, r^2 / 2` of the energy's factors: the diagonal of the Gauss-Newton matrix, which leaves out how
    functions are curved themselves and is never negative. Other smooth factors count with the bound of their curvature, the rest
    with none. Each step estimates it from its own batch, by one gradient of the residuals times random signs, the first step by
    sixteen. h is the running mean of the estimates, the damping mu what it is at least, about. A learning rate of 1 is Newton's
    step along one parameter alone; where many work together, as the pixels of a kernel do, about 0.05 is stable.

    Deviates: the papers go back to the curvature of a few hundred samples every ten thousand; here its mean runs along.
    Errors:   FG439 where a loss is not the energy itself.
    Source:   LeCun, Bottou, Orr & Muller, Efficient BackProp, 1998, sections 7.4 and 9.1; for encoders of sparse codes
              Kavukcuoglu et al., NIPS 2010, section 2.3. Random signs: Bekas, Kokiopoulou & Saad, Appl. Numer. Math. 57, 2007.

    Options:
        damping: is added to every curvature
        decay: of the running mean of curvatures
    """

    def __init__(
        self,
        *,
        damping: Number = 0.02,
        decay: Number = 0.95,
    ) -> None: ...

class NAdam(OptimizerForm):
    r"""Adam with Nesterov's momentum: the running mean of the gradient as it will be after the step.

    .. math:: \theta \leftarrow \theta - \eta\, (\mu_{t+1} \hat m + (1 - \mu_t)\, \hat g) / (\sqrt{\hat v} + \epsilon)

    Source:   Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016, algorithm 2; torch.optim.NAdam.

    Options:
        betas: decays of the running means of gradient and square
        eps: added to the denominator
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        momentum_decay: how fast the momentum rises to its full value
        decoupled_weight_decay: pulls to zero apart from the gradient, as adamw does
    """

    def __init__(
        self,
        *,
        betas: tuple[Number, Number] = ...,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        momentum_decay: Number = 0.004,
        decoupled_weight_decay: bool = False,
    ) -> None: ...

class OnlineDictionary(OptimizerForm):
    r"""Moves the columns of a matrix one after another to their best place for all codes seen so far, at each step.

    .. math:: A_t = (1 - 1/t)^\rho A_{t-1} + \sum_n w\, z_n z_n', \quad B_t = (1 - 1/t)^\rho B_{t-1} + \sum_n w\, y_n z_n', \qquad
              d_j \leftarrow \Pi\bigl(d_j + (b_j - D a_j) / A_{jj}\bigr)

    For the matrix D, and its bias, of a linear function or a convolution behind squares of weight and curvature *w*. The
    projection puts a column on its constraint, ``unit_norm: columns`` or ``max_column_norm``, if it has one. A bias is a column
    more, whose code is 1. Step t sums over its batch n, and each column moves once: sums are much alike from step to step.

    The window grows: ``forgetting`` is the power rho, with which half the weight lies on about the last 1 - 2^(-1/(rho + 1)) of
    the steps, with 6 on a tenth of them. 0 forgets nothing, not even the codes of the first random dictionary; 2 is for a few
    steps of small batches.

    A column of a convolution is all that one map writes. Its sums are over all pairs of places in the kernels of all pairs of
    maps, and over all places of the kernel that the energy sees: they are exact at any stride, at any border and behind a crop.
    A_jj is then a bound of the largest eigenvalue of the column's own part.

    What no code used keeps its place. Where ``on_dead: resample`` gives a column a new place, its sums begin anew: A loses its
    row and column, B its column. Sums are kept in checkpoints. There is no learning rate, and no schedule.

    Units:    the sums take 8 bytes for each pair of inputs, and as much more while they are gathered; a convolution has
              maps * kernel^2 inputs: 5 MB for 16 maps of 7 x 7, 215 MB for 64 of 9 x 9.
    Errors:   FG430 to FG435: the energy is no square, or an option would change nothing; FG480: the sums are too large.
    Source:   Mairal, Bach, Ponce & Sapiro, J. Machine Learning Research 11, 2010, algorithms 1 and 2, sections 3.3 and 3.4.

    Options:
        forgetting: the power with which what was seen fades; 0 forgets nothing
    """

    def __init__(
        self,
        *,
        forgetting: Number = 6.0,
    ) -> None: ...

class RAdam(OptimizerForm):
    r"""Adam that moves by the gradient's mean alone until the mean of squares can be trusted, and then by less, growing to Adam.

    .. math:: \theta \leftarrow \theta - \eta\, r_t\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020, algorithm 2; torch.optim.RAdam.

    Options:
        betas: decays of the running means of gradient and square
        eps: added to the denominator
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        decoupled_weight_decay: pulls to zero apart from the gradient, as adamw does
    """

    def __init__(
        self,
        *,
        betas: tuple[Number, Number] = ...,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        decoupled_weight_decay: bool = False,
    ) -> None: ...

class RMSprop(OptimizerForm):
    r"""Each parameter moves by its gradient over the root of its square's running mean.

    .. math:: \theta \leftarrow \theta - \eta\, g / (\sqrt{v} + \epsilon)

    Source:   Tieleman & Hinton, lecture 6.5, 2012; torch.optim.RMSprop.

    Options:
        alpha: decay of the running mean of squares
        eps: added to the denominator
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        momentum: share of the step before that is kept
        centered: divides by the deviation instead of the root of the square
    """

    def __init__(
        self,
        *,
        alpha: Number = 0.99,
        eps: Number = 1e-08,
        weight_decay: Number = 0.0,
        momentum: Number = 0.0,
        centered: bool = False,
    ) -> None: ...

class Rprop(OptimizerForm):
    r"""Each parameter moves by a step of its own against the sign of its gradient; for batches of all rows.

    .. math:: \theta \leftarrow \theta - s\, \mathrm{sign}(g)

    The step *s* begins at the learning rate, grows while the sign stays, shrinks where it changes, and no schedule touches it.

    Source:   Riedmiller & Braun, IEEE Int. Conf. on Neural Networks, 1993, figure 1; torch.optim.Rprop.

    Options:
        etas: times the step where the sign changes, where it stays
        step_sizes: the least and the largest step
    """

    def __init__(
        self,
        *,
        etas: tuple[Number, Number] = ...,
        step_sizes: tuple[Number, Number] = ...,
    ) -> None: ...

class SGD(OptimizerForm):
    r"""Parameters move against their gradient, with momentum if asked for.

    .. math:: b \leftarrow \mu b + (1 - d)\, g, \qquad \theta \leftarrow \theta - \eta\, b

    Source:   Robbins & Monro 1951; momentum after Polyak 1964 and Sutskever et al., ICML 2013; torch.optim.SGD.

    Options:
        momentum: share of the step before that is kept
        dampening: share of the gradient that momentum leaves out
        weight_decay: pulls to zero: this times the parameter is added to its gradient
        nesterov: looks ahead: the gradient where momentum leads
    """

    def __init__(
        self,
        *,
        momentum: Number = 0.0,
        dampening: Number = 0.0,
        weight_decay: Number = 0.0,
        nesterov: bool = False,
    ) -> None: ...
