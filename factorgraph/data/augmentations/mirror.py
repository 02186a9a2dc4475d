"""Pictures seen in a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.data.model import AugmentationLeaf
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array


class Mirror(AugmentationLeaf):
    r"""Shows every other picture, by chance, with left and right exchanged.

    .. math:: x'_{r,c} = x_{r,\,width - 1 - c} \text{ with probability } 1/2

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are changed alike; never in evaluation.
    Shapes:   (rows, ..., height, width), the same after.
    Source:   Krizhevsky, Sutskever & Hinton, NIPS 2012, section 4.1.
    """

    type: Literal["mirror"] = "mirror"

    def vary(self, x: Array, chance: Array) -> Array:
        turned = (chance[:, 0] < 0.5).reshape(-1, *[1] * (x.ndim - 1))
        return np.where(turned, x[..., ::-1], x)
