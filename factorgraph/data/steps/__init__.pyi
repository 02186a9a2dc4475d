# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.

from factorgraph.spec.forms import StepForm
from factorgraph.spec.handles import Number

class Binarise(StepForm):
    r"""Turns every value above a threshold into 1 and every other into 0, as models of binary units need it.

    .. math:: x'_i = [x_i > threshold]

    How far a value was from the threshold is lost: undone, a 0 becomes the mean of the training values that became 0, and a 1 the
    mean of those that became 1. Shapes: any. Units: none.

    Options:
        threshold: values above it become 1
    """

    def __init__(
        self,
        *,
        threshold: Number = 0.5,
    ) -> None: ...

class Center(StepForm):
    r"""Subtracts the training set's mean sample, so that every unit has mean 0 over the training set.

    .. math:: x' = x - \frac{1}{n} \sum_{i \in train} x_i

    Undone exactly. Shapes: any. Units: those of the data.
    """

    def __init__(self) -> None: ...

class ContrastNormalise(StepForm):
    r"""Subtracts from each pixel its neighbourhood's mean and divides by its deviation: what lighting does to a picture is gone.

    With a Gaussian window :math:`w` that sums to 1 over the neighbourhood and all channels, and :math:`c` the mean of
    :math:`s` over the picture,

    .. math:: v = x - w * x, \qquad s^2 = w * v^2, \qquad x' = v / \max(c, s)

    The window's deviation is a quarter of its width; at the border it is cut off and sums to 1 over what is left. A flat picture
    is divided by the training pictures' usual deviation instead. Undone exactly: means and deviations are remembered. Filters are
    shown without the division, which differs from pixel to pixel.

    Shapes: (height, width), or (channels, height, width). Units: none.
    Source: Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, section 2.1.

    Options:
        window: pixels along a side of a neighbourhood; an odd number
    """

    def __init__(
        self,
        *,
        window: Number = 9,
    ) -> None: ...

class DropFlat(StepForm):
    r"""Leaves out the share of samples of lowest contrast: sky and wall, which teach nothing. Held-out ones too.

    Contrast is the standard deviation of a sample's values. The bound is the training samples' quantile; held-out samples at or
    below it are left out too. In inference nothing is left out. A sample stays when its contrast is *above* the bound: ties at
    the bound all go.

    Options:
        share: of the training samples to leave out, 0 to 1; it sets the bound for held-out ones
    """

    def __init__(
        self,
        *,
        share: Number = 0.15,
    ) -> None: ...

class Pad(StepForm):
    r"""Lays a margin of zeros around pictures, so that their sides divide well: 28 x 28 becomes 32 x 32.

    .. math:: x'_{i + t, j + l} = x_{ij}, \qquad t = \lfloor (size - height) / 2 \rfloor, \ l = \lfloor (size - width) / 2 \rfloor

    and 0 elsewhere. Undone exactly: the margin is cut off. Shapes: (..., height, width) to (..., size, size). Units: those of the
    data.

    Options:
        size: pixels along a side of a padded picture
    """

    def __init__(
        self,
        *,
        size: Number,
    ) -> None: ...

class RemoveMean(StepForm):
    r"""Subtracts from each sample the mean of its own values, over all channels: a patch's brightness.

    .. math:: x'_i = x_i - \frac{1}{d} \sum_j x_j

    Undone exactly: the mean is remembered. Filters are shown as they are: their part along the constant direction, which no
    prepared sample has, is seen when it is there.
    """

    def __init__(self) -> None: ...

class Scale(StepForm):
    r"""Maps the smallest value of the training set to ``low`` and the largest to ``high``, the others between them.

    .. math:: x' = low + (high - low) \frac{x - min}{max - min}

    Test samples may fall a little outside: nothing is cut off. Undone exactly.

    Options:
        to: [low, high], the range of the prepared training set
    """

    def __init__(
        self,
        *,
        to: tuple[Number, Number] = ...,
    ) -> None: ...

class UnitNorm(StepForm):
    r"""Divides each sample by its Euclidean length.

    .. math:: x' = x / \|x\|

    A sample of zeros stays zero. Undone exactly: the length is remembered.
    """

    def __init__(self) -> None: ...

class UnitVariance(StepForm):
    r"""Divides each sample by the standard deviation of its own values: a patch's contrast.

    .. math:: x' = x / \sqrt{\tfrac{1}{d} \sum_j (x_j - \bar x)^2}

    The mean is not removed; ``remove_mean`` does that. A flat sample is divided by the training samples' usual deviation instead,
    so that a patch of zeros stays zero. Undone exactly: the deviation is remembered.
    """

    def __init__(self) -> None: ...

class Whiten(StepForm):
    r"""Makes the units uncorrelated and of equal variance over the training set, as the retina is said to do.

    With the covariance :math:`C = V \Lambda V'` of the training samples and their mean :math:`\mu`,

    .. math:: x' = V (\Lambda + f \lambda_{max})^{-1/2} V' (x - \mu)

    which keeps each unit in its place (ZCA). The floor *f*, a share of the largest eigenvalue, keeps directions that hold only
    noise from being blown up. With ``kept``, a sample is instead its coordinates on the so many leading components, each divided
    by the square root of its eigenvalue (plus a floor, if one is given): its shape is then [kept].

    Undone exactly with a floor; with ``kept``, up to what the dropped components held.
    Source: Bell and Sejnowski, Vision Research 37(23), 1997.

    Options:
        floor: a share of the largest eigenvalue; 0.02, or 0 with kept
        kept: number of leading components; a sample's shape is then [kept]
    """

    def __init__(
        self,
        *,
        floor: Number | None = None,
        kept: Number | None = None,
    ) -> None: ...
