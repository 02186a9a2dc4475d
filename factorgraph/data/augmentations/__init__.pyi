# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.

from factorgraph.spec.forms import AugmentationForm
from factorgraph.spec.handles import Number

class Crop(AugmentationForm):
    r"""Shows a square window of each picture: anywhere in it while learning, its middle otherwise.

    .. math:: x'_{r,c} = x_{r + a,\,c + b}, \qquad 0 \le r, c < size, \quad a \le height - size, \; b \le width - size

    A filter on windows is shown in the middle of a picture. A window cannot be undone: what lay around it is gone.

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are cut at the same place.
    Shapes:   (rows, ..., height, width) -> (rows, ..., size, size).
    Errors:   FG505 where a picture is smaller than the window.
    Source:   Krizhevsky, Sutskever & Hinton, NIPS 2012, section 4.1.

    Options:
        size: pixels along a side of the window
    """

    def __init__(
        self,
        *,
        size: Number,
    ) -> None: ...

class Mirror(AugmentationForm):
    r"""Shows every other picture, by chance, with left and right exchanged.

    .. math:: x'_{r,c} = x_{r,\,width - 1 - c} \text{ with probability } 1/2

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are changed alike; never in evaluation.
    Shapes:   (rows, ..., height, width), the same after.
    Source:   Krizhevsky, Sutskever & Hinton, NIPS 2012, section 4.1.
    """

    def __init__(self) -> None: ...

class Shift(AugmentationForm):
    r"""Moves each picture by up to so many pixels up or down and left or right, every place as likely.

    .. math:: x'_{r,c} = x_{r + a,\,c + b}, \qquad a, b \in \{-pixels, \ldots, pixels\}

    What comes in from outside repeats the nearest pixel of the border, so that it is as bright as what it continues, however the
    picture was prepared.

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are moved alike; never in evaluation.
    Shapes:   (rows, ..., height, width), the same after.
    Source:   Simard, Steinkraus & Platt, ICDAR 2003, section 2.

    Options:
        pixels: the farthest that a picture is moved, either way along both axes
    """

    def __init__(
        self,
        *,
        pixels: Number,
    ) -> None: ...
