# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from collections.abc import Sequence
from typing import Literal

from factorgraph.spec.forms import FunctionForm
from factorgraph.spec.handles import Name, Number

class Abs(FunctionForm):
    r"""Forgets the sign, so that a filter answers alike to an edge of either polarity.

    .. math:: f(x)_i = |x_i|

    Promises: differentiable but at 0, where the gradient is taken as 0.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, the rectification layer.
    """

    def __init__(self) -> None: ...

class ContrastNormalise(FunctionForm):
    r"""Subtracts from each pixel its neighbourhood's mean and divides by its deviation, unless that is below the usual one.

    .. math:: v = x - w * x, \qquad s^2 = w * v^2, \qquad f(x) = \frac{v}{\max(\langle s \rangle, s)}

    The window w is a Gaussian whose deviation is a quarter of its width; it sums to 1 over the neighbourhood and all maps, at the
    border over what is left of it. The mean of s is over the image. A flat image becomes zero.

    Promises: differentiable, also where there is no contrast.
    Shapes:   x (batch, maps, height, width), or (batch, height, width) -> the same.
    Units:    the result has none.
    Errors:   FG321 where a value is no image.
    Source:   Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, section 2.1.

    Options:
        window: pixels along a side of a neighbourhood; an odd number
    """

    def __init__(
        self,
        *,
        window: Number = 9,
    ) -> None: ...

class Convolution(FunctionForm):
    r"""Looks for the same patterns at every place of an image, one map of answers for each, or draws them there.

    .. math:: f(x)_o = b_o + \sum_i W_{oi} \star x_i, \qquad (w \star x)(p) = \sum_q w(q)\, x(s p + q - m)

    for outputs o and inputs i, a stride of s and zeros of width m around the image: a cross-correlation. Its transpose draws the
    pattern of each answer at its place. A decoder of codes smaller than the image pads them in full and so draws each kernel
    turned round by half a turn; one of larger codes pads nothing.

    ``padding`` is *same*, as many answers as strides; *valid*, only where the whole kernel lies on the image; *full*, wherever
    any of it does; or the number of zeros around the image. With ``connections`` each map of the larger side is linked to so many
    of the other, the same ones whenever the numbers of maps are the same; the rest of the matrix is kept at 0.

    A row is what one output map reads, over all inputs; a column what one input map writes. Bias, gain and what an activation
    learns are one number for each map.

    Promises: affine, with a stride of 1 convolving; the bound of its norm is that of an unbounded image, at most 1.1 times too
              large there (1.2 from 40 maps on); of an image few kernels wide the norm itself is smaller.
    Shapes:   x (batch, maps, height, width), or (batch, height, width) as one map -> (batch, outputs, rows, columns); matrix W
              (outputs, inputs, kernel, kernel), bias b (outputs).
    Errors:   FG321 where a side is not covered without a rest, or smaller than the kernel: it says which sizes fit.
    Source:   LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86, 1998; as a decoder Zeiler, Krishnan, Taylor & Fergus, CVPR 2010.

    Options:
        kernel: pixels along a side of a kernel
        bias: adds a learned number to every output
        gain: multiplies every output by a learned factor, after the activation
        activation: the type of a function that is applied to every output
        unit_norm: keeps the norm of each at 1
        max_row_norm: keeps the norm of each row at or below this
        max_column_norm: keeps the norm of each column at or below this
        orthonormal: keeps the rows at norm 1 and at right angles
        init: how the matrix starts: a deviation; auto keeps norms
        rate: times the learning rate
        maps: the outputs; left out, the maps of what the result is compared with
        stride: pixels from one place of the kernel to the next
        padding: the zeros around the image: a word, or their number
        connections: maps of the smaller side that each of the larger is linked to; 0 is all
    """

    def __init__(
        self,
        *,
        kernel: Number,
        bias: bool = True,
        gain: bool = False,
        activation: Name | None = None,
        unit_norm: Literal['rows', 'columns'] | None = None,
        max_row_norm: Number | None = None,
        max_column_norm: Number | None = None,
        orthonormal: Literal['rows'] | None = None,
        init: Literal['auto'] | Number = 'auto',
        rate: Number = 1.0,
        maps: Number | None = None,
        stride: Number = 1,
        padding: Literal['same', 'valid', 'full'] | Number = 'same',
        connections: Number = 0,
    ) -> None: ...

class Corrupt(FunctionForm):
    r"""Spoils its argument while learning, so that what is made of it must lead back; afterwards it passes it on as it is.

    .. math:: \tilde x = x + \sigma n, \qquad \tilde x_i = m_i x_i,\ P(m_i = 0) = a, \qquad
              P(\tilde x_i = 0) = P(\tilde x_i = 1) = \tfrac a 2

    Gaussian noise of deviation ``amount``; a mask silences that share of the units; salt and pepper make it 0 or 1.

    Promises: differentiable; drawn anew for each step and each place where it is applied. Learns nothing.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Units:    those of x; salt and pepper are meant for values from 0 to 1.
    Source:   Vincent, Larochelle, Bengio & Manzagol, ICML 2008, section 2.3; Vincent et al., JMLR 11, 2010, section 3.3.

    Options:
        amount: the deviation of the noise; of the others the share of units, at most 1
        kind: what is done to units
    """

    def __init__(
        self,
        *,
        amount: Number,
        kind: Literal['gaussian', 'mask', 'salt_pepper'] = 'gaussian',
    ) -> None: ...

class Crop(FunctionForm):
    r"""Keeps the middle of an image and drops its border, of which a convolution knows less than of the rest.

    .. math:: f(x)(p) = x(p + m)

    ``margin`` m is dropped on all four sides; or what is beyond ``size``, the one pixel more at the bottom and on the right where
    the rest is odd. Where both a picture and what is computed of it are cropped, an energy ignores the border.

    Promises: affine, of norm 1.
    Shapes:   x (batch, *rest, height, width) -> (batch, *rest, rows, columns).
    Errors:   FG321 where nothing would be left.
    Source:   an elementary function; as a mask of the border Kavukcuoglu et al., NIPS 2010, section 2.1.

    Options:
        margin: pixels to drop on each side
        size: instead: pixels to keep, [height, width] or both
    """

    def __init__(
        self,
        *,
        margin: Number | None = None,
        size: Number | tuple[Number, Number] | None = None,
    ) -> None: ...

class DoubleTanh(FunctionForm):
    r"""Rises in two steps, at -u and u, with a flat between them: a shrinkage that saturates.

    .. math:: f(x)_i = \tanh(x_i + u_i) + \tanh(x_i - u_i)

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; place u (*shape), with ``per_map``
              (maps, 1, 1), learned, starts at 1; its sign is free.
    Source:   Gregor & LeCun, ICML 2010, the baseline encoder D(tanh(x + u) + tanh(x - u)).

    Options:
        per_map: learns one number for each map of [maps, height, width], not for each unit
    """

    def __init__(
        self,
        *,
        per_map: bool = False,
    ) -> None: ...

class Gain(FunctionForm):
    r"""Multiplies every unit by a learned number of its own: what ``gain: true`` puts behind a function.

    .. math:: f(x)_i = g_i x_i

    Promises: affine; its norm is the largest magnitude of g.
    Shapes:   x (batch, *shape) -> (batch, *shape); scale g (*shape), with ``per_map`` (maps, 1, 1),
              starts at 1.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, section 2, the diagonal gain of the encoder.

    Options:
        per_map: learns one number for each map of [maps, height, width], not for each unit
    """

    def __init__(
        self,
        *,
        per_map: bool = False,
    ) -> None: ...

class Identity(FunctionForm):
    r"""Passes its argument on as it is.

    .. math:: f(x) = x

    Promises: affine, of norm 1.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   an elementary function.
    """

    def __init__(self) -> None: ...

class LeakyRelu(FunctionForm):
    r"""Passes what is positive and a share of the rest, so that no unit falls silent for good.

    .. math:: f(x)_i = \max(x_i, 0) + a \min(x_i, 0)

    Promises: differentiable but at 0, where the slope is taken as a.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Maas, Hannun & Ng, ICML workshop 2013; a = 0.2 after Radford, Metz & Chintala, arXiv:1511.06434.

    Options:
        slope: the share a of a negative value that passes
    """

    def __init__(
        self,
        *,
        slope: Number = 0.2,
    ) -> None: ...

class Linear(FunctionForm):
    r"""Mixes all inputs into each output by a learned matrix.

    .. math:: f(x) = W x + b, \qquad f'(y) = W' y

    A square matrix may be kept ``symmetric`` and ``hollow``: lateral connections that are the same both ways, none to oneself.

    Promises: affine; the bound of its norm is at most 1.7 times too large.
    Shapes:   x (batch, *given), flattened -> (batch, units), which the model gives the shape that it is compared with;
              matrix W (outputs, inputs), bias b (outputs).
    Source:   an elementary function; unit columns after Olshausen & Field, Vision Research 37, 1997.

    Options:
        bias: adds a learned number to every output
        gain: multiplies every output by a learned factor, after the activation
        activation: the type of a function that is applied to every output
        unit_norm: keeps the norm of each at 1
        max_row_norm: keeps the norm of each row at or below this
        max_column_norm: keeps the norm of each column at or below this
        orthonormal: keeps the rows at norm 1 and at right angles
        init: how the matrix starts: a deviation; data: rows of training data as columns; auto keeps norms
        rate: times the learning rate
        units: the outputs, a number or a shape; left out, the shape of what the result is compared with
        symmetric: keeps the matrix, which is square, equal to its transpose
        hollow: keeps the diagonal of the matrix, which is square, at 0
    """

    def __init__(
        self,
        *,
        bias: bool = True,
        gain: bool = False,
        activation: Name | None = None,
        unit_norm: Literal['rows', 'columns'] | None = None,
        max_row_norm: Number | None = None,
        max_column_norm: Number | None = None,
        orthonormal: Literal['rows'] | None = None,
        init: Literal['auto', 'data'] | Number = 'auto',
        rate: Number = 1.0,
        units: Number | Sequence[Number] | None = None,
        symmetric: bool = False,
        hollow: bool = False,
    ) -> None: ...

class Network(FunctionForm):
    r"""Passes its argument through a chain of layers, written as papers write it: ``(64)3c-2p-10fc``.

    .. math:: f(x) = l_n(\dots l_2(l_1(x)) \dots), \qquad l_i(x) = s_i(W_i * x + b_i)

    Layers are joined by hyphens. ``(64)3c`` convolves to 64 maps with kernels of 3x3, ``(64)5c2`` in steps of 2, ``(64)5d2`` is
    a transposed convolution; ``4p`` takes the largest of 4x4, ``2a`` their average, ``2u`` repeats each unit 2x2 times;
    ``10fc`` connects all to 10 units, ``(64)8x8fc`` to 64 maps of 8x8. The number of the last of c, d and fc may be left out.
    ``bn`` normalises each unit, or map, over the batch; behind a layer it comes before the activation, and its shift takes the
    bias's place. ``0.5drop`` silences half of the units.

    Promises: differentiable; without a corner where its activations have none and no layer takes the largest. While learning, bn
              uses the batch and drop draws; after it, bn uses running means and drop rests.
    Needs:    while learning, bn needs two samples. Sides are covered without a rest: a padding or stride that leaves one is told.
    Shapes:   x (batch, maps, height, width), (batch, height, width) as one map, or (batch, units) -> (batch, *result). A number
              is one unit.
              Padding *same*: a side over the stride; *valid*: only whole kernels; *full*: all that touch.
              Of layer n: matrix_n (outputs, inputs, rows, columns), of fc (*result, inputs); bias_n; of bn gain_n, shift_n and,
              kept, mean_n and variance_n.
    Source:   the notation of Zhao, Mathieu, Goroshin & LeCun, arXiv:1506.02351; Ioffe & Szegedy, arXiv:1502.03167, algorithm 1;
              Srivastava et al., JMLR 15, 2014, section 4; starts after He et al., arXiv:1502.01852, equation 10;
              spread after LeCun, Bottou, Orr & Muller, Neural Networks: Tricks of the Trade, 1998, section 4.6.

    Options:
        layers: the layers, joined by hyphens; a list of such strings is read per slot
        mirror: instead of layers: a network, whose layers are reversed and transposed
        activation: the type of the function behind each c, d and fc but the last
        last: the type of the function behind the last of them
        padding: what c and d do at the border
        width: multiplies every number of maps or units that is given
        init: how the matrices start: a deviation; auto keeps the size of a signal; spread: evenly, and biases as well, within 1 over the root of the inputs, so that units bend at different places
        rate: times the learning rate
    """

    def __init__(
        self,
        *,
        layers: object | None = None,
        mirror: Name | None = None,
        activation: Name = 'relu',
        last: Name = 'identity',
        padding: Literal['same', 'valid', 'full'] = 'same',
        width: Number = 1.0,
        init: Literal['auto', 'spread'] | Number = 'auto',
        rate: Number = 1.0,
    ) -> None: ...

class Normalise(FunctionForm):
    r"""Keeps a sample's direction and forgets its length: the norm over all its units becomes 1.

    .. math:: f(x) = \frac{x}{\sqrt{\epsilon + \sum_i x_i^2}}

    What is much shorter than the root of epsilon fades out, so that zeros stay zeros with a finite gradient.

    Promises: differentiable everywhere.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   an elementary function.

    Options:
        epsilon: added to the squared norm
    """

    def __init__(
        self,
        *,
        epsilon: Number = 1e-08,
    ) -> None: ...

class Offset(FunctionForm):
    r"""Moves every unit by a learned number of its own: what a transposed function lacks, which has no bias.

    .. math:: f(x)_i = g_i x_i + b_i, \qquad f'(y)_i = g_i y_i

    Promises: affine; its norm is the largest magnitude of g, 1 without gain.
    Shapes:   x (batch, *shape) -> (batch, *shape); bias b (*shape), starts at 0; with gain, scale g (*shape), starts at 1.
              With ``per_map`` both are (maps, 1, 1).
    Source:   an elementary function.

    Options:
        per_map: learns one number for each map of [maps, height, width], not for each unit
        gain: multiplies every unit by a learned number, before the other is added
    """

    def __init__(
        self,
        *,
        per_map: bool = False,
        gain: bool = False,
    ) -> None: ...

class Pool(FunctionForm):
    r"""Sums up each window of neighbouring units by one number: the largest, the average, or the length of the whole.

    .. math:: \max_k x_k, \qquad \frac{1}{n} \sum_k w_k x_k, \qquad \sqrt{\epsilon + \sum_k w_k x_k^2}, \qquad
              \frac{1}{n} \sum_k w_k = 1

    for *max*, *average* and *l2*, with k over the n units of a window. The weights are all 1, or fall off from its middle as
    a Gaussian whose deviation is a quarter of the window, along each axis.

    One number for the window means the last two axes of three, and else all; a list means that many axes, the last ones.
    Windows begin every ``stride`` units and lie inside the shape, which they cover without a rest; with ``wrap`` the shape is
    a ring, or a torus, and as many windows begin in it as it has strides.

    Promises: differentiable, also where a length is 0: there its gradient is taken as 0. *average*: affine; the bound of its norm
              is exact for a list of uniform windows that do not overlap, and that of one axis for one number. *l2* with uniform
              weights, without epsilon and overlap: a grouping, so that the l1 of it is a group norm; with epsilon it has no
              corner.
    Shapes:   x (batch, *shape) -> (batch, *windows).
    Units:    those of x; epsilon has their square.
    Source:   an elementary function; l2 with weights on a torus: Kavukcuoglu, Ranzato, Fergus & LeCun, CVPR 2009.

    Options:
        window: units along each axis of a window, a number or a list
        kind: what a window is summed up by
        stride: units from one window to the next; left out, the window's
        wrap: joins the ends of each axis, so that windows reach over them
        weights: what the units of a window count
        epsilon: of l2: added to the sum of squares
    """

    def __init__(
        self,
        *,
        window: Number | Sequence[Number],
        kind: Literal['max', 'average', 'l2'] = 'max',
        stride: Number | Sequence[Number] | None = None,
        wrap: bool = False,
        weights: Literal['uniform', 'gaussian'] = 'uniform',
        epsilon: Number = 0.0,
    ) -> None: ...

class Relu(FunctionForm):
    r"""Passes what is positive and silences the rest.

    .. math:: f(x)_i = \max(x_i, 0)

    Promises: differentiable but at 0, where the gradient is taken as 0; flat below.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Nair & Hinton, ICML 2010, section 2.
    """

    def __init__(self) -> None: ...

class Resize(FunctionForm):
    r"""Shows an image at another size: each new pixel is the nearest old one, or lies between its neighbours.

    .. math:: f(x) = R_h\, x\, R_w', \qquad (R_w')_{jp} = 1 \text{ at the nearest } j, \text{ or } \max(0, 1 - |j - c_p|)

    where c is the middle of new pixel p in old pixels, (p + 1/2) n / m - 1/2 for n old pixels and m new ones, at the border moved
    onto the image. Of what is made smaller pixels are left out, not averaged: ``pool`` does that.

    Promises: affine; the bound of its norm is at most 1.3 times too large up to 256 pixels a side.
    Shapes:   x (batch, *rest, height, width) -> (batch, *rest, rows, columns).
    Errors:   FG321 where a side times ``scale`` is no whole number: it says which sizes fit.
    Source:   an elementary function.

    Options:
        size: new pixels, [height, width] or one for both
        scale: instead: new pixels for each old one, along each axis
        kind: what a pixel between others is made of
    """

    def __init__(
        self,
        *,
        size: Number | tuple[Number, Number] | None = None,
        scale: Number | None = None,
        kind: Literal['nearest', 'bilinear'] = 'nearest',
    ) -> None: ...

class SaturatedLinear(FunctionForm):
    r"""Passes what lies between -1 and 1 and is flat beyond, where a unit no longer answers to its input.

    .. math:: f(x)_i = \min(\max(x_i, -1), 1)

    Promises: differentiable but at -1 and 1, where the slope is taken as 1.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Goroshin & LeCun, arXiv:1301.3577, the saturated linear unit.
    """

    def __init__(self) -> None: ...

class Shrink(FunctionForm):
    r"""Silences what is small and moves the rest towards zero by its threshold, one for each unit.

    .. math:: f(x)_i = \operatorname{sign}(x_i)\max(|x_i| - b_i, 0), \qquad b_i \ge 0

    Promises: differentiable but where |x| is the threshold; flat within.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; threshold b (*shape), with ``per_map``
              (maps, 1, 1), learned, kept at 0 or above.
    Source:   Gregor & LeCun, ICML 2010, equation 2.

    Options:
        per_map: learns one number for each map of [maps, height, width], not for each unit
    """

    def __init__(
        self,
        *,
        per_map: bool = False,
    ) -> None: ...

class Sigmoid(FunctionForm):
    r"""Turns a number into a probability: saturates smoothly at 0 and 1.

    .. math:: f(x)_i = \frac{1}{1 + e^{-x_i}}

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   an elementary function; as the code of an auto-encoder, Rifai et al., ICML 2011.
    """

    def __init__(self) -> None: ...

class SmoothShrink(FunctionForm):
    r"""Flattens what is small and moves the rest towards zero by its threshold, with a bend in place of a corner.

    .. math:: f(x) = \operatorname{sign}(x)\Bigl(\frac{1}{s} \log\bigl(e^{s b} + e^{s |x|} - 1\bigr) - b\Bigr)

    It is odd; its slope is exp(-s b) at 0 and nears 1 far away, where f(x) nears x - b or x + b. A large sharpness s makes it
    ``shrink``. The slope at 0 never vanishes, so that a silent unit goes on learning; nothing is exactly zero.

    Promises: differentiable everywhere, at 0 as well.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; sharpness s and threshold b (*shape), with
              ``per_map`` (maps, 1, 1). Kept at s >= 0.01 and b >= 0.
    Source:   Kavukcuoglu et al., NIPS 2010, equation 5, with the last term inside the bracket: as printed it is not odd.

    Options:
        per_map: learns one number for each map of [maps, height, width], not for each unit
    """

    def __init__(
        self,
        *,
        per_map: bool = False,
    ) -> None: ...

class Softmax(FunctionForm):
    r"""Lets all units of a sample compete for one whole: the results are positive and add up to 1.

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}, \qquad j \text{ over all units, whatever their shape}

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   Bridle, Neurocomputing (NATO ASI F68), 1990, pages 227-236.
    """

    def __init__(self) -> None: ...

class Softplus(FunctionForm):
    r"""Passes what is positive and fades out the rest, without a corner between them.

    .. math:: f(x)_i = \log(1 + e^{x_i})

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Dugas, Bengio, Belisle, Nadeau & Garcia, NIPS 2000.
    """

    def __init__(self) -> None: ...

class Standardise(FunctionForm):
    r"""Subtracts each unit's mean over the batch and divides by its deviation: its own, or those of a second argument.

    .. math:: f(x, y)_i = \frac{x_i - \langle y_i \rangle}{\sqrt{\langle (y_i - \langle y_i \rangle)^2 \rangle + 10^{-8}}},
              \qquad f(x) = f(x, x)

    Promises: differentiable; the rows of a batch change each other, also after learning, so that no search goes through it.
    Needs:    while learning, two samples.
    Shapes:   x, y (batch, *shape) -> (batch, *shape); the averages run over the batch alone.
    Units:    the result has none.
    Source:   Rasmus, Valpola, Honkala, Berglund & Raiko, arXiv:1507.02672, section 3, without the learned scale and shift.
    """

    def __init__(self) -> None: ...

class Tanh(FunctionForm):
    r"""Saturates smoothly at -1 and 1.

    .. math:: f(x)_i = \tanh x_i

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, section 2, the encoder before its gain.
    """

    def __init__(self) -> None: ...

class TanhShrink(FunctionForm):
    r"""Flattens what is small and moves the rest towards zero by nearly 1: a shrinkage without a corner and without parameters.

    .. math:: f(x)_i = x_i - \tanh x_i

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, an encoder of the code published with it.
    """

    def __init__(self) -> None: ...
