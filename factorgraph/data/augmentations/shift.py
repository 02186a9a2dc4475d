"""Pictures a little aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data.augmentations._windows import at, whole
from factorgraph.data.model import AugmentationLeaf
from factorgraph.lazy import np
from factorgraph.spec.constants import Whole

if TYPE_CHECKING:
    from factorgraph.data.model import Array


class Shift(AugmentationLeaf):
    r"""Moves each picture by up to so many pixels up or down and left or right, every place as likely.

    .. math:: x'_{r,c} = x_{r + a,\,c + b}, \qquad a, b \in \{-pixels, \ldots, pixels\}

    What comes in from outside repeats the nearest pixel of the border, so that it is as bright as what it continues, however the
    picture was prepared.

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are moved alike; never in evaluation.
    Shapes:   (rows, ..., height, width), the same after.
    Source:   Simard, Steinkraus & Platt, ICDAR 2003, section 2.
    """

    type: Literal["shift"] = "shift"
    pixels: Whole = Field(description="the farthest that a picture is moved, either way along both axes")

    main: ClassVar[str] = "pixels"
    chances: ClassVar[int] = 2
    examples = ({"pixels": 2},)

    def vary(self, x: Array, chance: Array) -> Array:
        places = (
            np.clip(np.arange(size) + whole(chance[:, axis], -self.pixels, self.pixels)[:, None], 0, size - 1)
            for axis, size in enumerate(x.shape[-2:])
        )
        return at(x, *places)
