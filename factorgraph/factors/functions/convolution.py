"""Learned kernels, moved over an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.factors.functions import _convolve
from factorgraph.factors.functions._affine import AffineFunction
from factorgraph.factors.functions._convolve import Padding
from factorgraph.factors.functions._links import link_mask
from factorgraph.factors.functions._spectrum import convolution_norm_bound
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, Positive, Whole
from factorgraph.structure import Convolving, Parameter, Parameters, Placed, Promise, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor


class Convolution(AffineFunction, Placed, Convolving):
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
    """

    by_map: ClassVar[bool] = True
    beside: ClassVar[frozenset[str]] = frozenset({"connections"})
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"kernel": 3, "maps": 6},
        {"kernel": 2, "maps": 3, "padding": "valid", "bias": False},
        {"kernel": 3, "maps": 2, "stride": 2, "padding": "full"},
        {"kernel": 3, "maps": 5, "stride": 2, "padding": 1},
        {"kernel": 4, "maps": 2},
        {"kernel": 2, "maps": 6, "connections": 2},
        {"kernel": 2, "maps": 3, "connections": 2, "unit_norm": "columns"},
    )

    type: Literal["convolution"] = "convolution"
    maps: Count | None = Field(default=None, description="the outputs; left out, the maps of what the result is compared with")
    kernel: Count = Field(description="pixels along a side of a kernel")
    stride: Count = Field(default=1, description="pixels from one place of the kernel to the next")
    padding: Padding | Whole = Field(default="same", description="the zeros around the image: a word, or their number")
    connections: Whole = Field(default=0, description="maps of the smaller side that each of the larger is linked to; 0 is all")

    # never data, which are whole samples: a kernel is a part of one
    init: Literal["auto"] | Positive = Field(default="auto", description="how the matrix starts: a deviation; auto keeps norms")

    @model_validator(mode="after")
    def _makes_sense(self) -> Convolution:
        if self.orthonormal and self.connections:
            raise ValueError("rows at right angles would not keep their zeros: leave out orthonormal, or connections")
        if isinstance(self.padding, int) and self.padding >= self.kernel:
            beside = f"with {self.padding} zeros around it a kernel of {self.kernel} would lie beside the image"
            raise ValueError(f"{beside}: padding is at most {self.kernel - 1}, which is full")
        return self

    def constraints(self) -> dict[str, bool]:
        return {**super().constraints(), "connections": self.connections > 0}

    def keeps(self, promise: Promise) -> bool:
        return super().keeps(promise) and (promise is not Convolving or self.stride == 1)

    # --- sizes -----------------------------------------------------------------------------------------------------------------

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        seen = _convolve.as_maps(given)
        if seen is None:
            takes = "it takes [maps, height, width], or [height, width] as one map"
            raise ShapeError(f"cannot convolve {list(given)}: {takes}")
        sides = tuple(self._side(given, each) for each in seen[1:])
        if self.maps is not None:
            return (self.maps, *sides)
        if not wanted:
            return None
        met = _convolve.as_maps(wanted)
        if met is None:
            raise ShapeError(f"makes as many maps as what it is compared with, and {list(wanted)} has none", ("maps",))
        return sides if wanted == sides else (met[0], *sides)  # an image without colours is one map

    def _side(self, given: Shape, size: int) -> int:
        """How many kernels lie along a side."""
        rule, _ = _convolve.side_rules(self.kernel, self.stride, self.padding)
        found = rule(size)
        if found is not None:
            return found
        fits = f"sides that fit: {_convolve.fitting(rule, size, self.kernel + 2 * self.stride)}"
        steps = f" in steps of {self.stride}" if self.stride > 1 else ""
        what = f"a kernel of {self.kernel} x {self.kernel}"
        around = {"valid": "without padding", "same": "with padding same", "full": "with padding full"}
        words = around.get(str(self.padding), f"with a padding of {self.padding}")
        if size < self.kernel and self.padding in ("valid", 0):
            raise ShapeError(f"cannot convolve {list(given)}: {what} is larger than a side of {size}; {fits}", ("kernel",))
        raise ShapeError(f"cannot convolve {list(given)}: a side of {size} is not covered by {what}{steps} {words}; {fits}")

    def transpose_shape(self, result: Shape, given: Shape | None) -> Shape | None:
        _, rule = _convolve.side_rules(self.kernel, self.stride, self.padding)
        sides = tuple(rule(each) for each in result[-2:])
        return given if given is None or len(result) < 2 or None in sides else (*given[:-2], *sides)  # type: ignore[arg-type]

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        seen, made = _convolve.as_maps(given), _convolve.as_maps(result)
        if seen is None or made is None or tuple(self._side(given, each) for each in seen[1:]) != made[1:]:
            raise ShapeError(f"does not lead from {list(given)} to {list(result)}")
        if self.maps not in (None, made[0]):
            raise ShapeError(f"has {self.maps} maps, and {list(result)} has {made[0]}", ("maps",))
        outputs, inputs = made[0], seen[0]
        few = min(outputs, inputs)
        if self.connections > few:
            what = f"links each map to {self.connections} of the other side, which has {few}; links that fit: 0 (all), 1 to {few}"
            raise ShapeError(what, ("connections",))
        matrix = self.matrix_parameter((outputs, inputs, self.kernel, self.kernel), (self.connections or few) / few)
        return {"matrix": matrix, **({"bias": self.bias_parameter((outputs,))} if self.bias else {})}

    # --- mathematics -----------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        x = x[:, None] if x.dim() == 3 else x
        return _convolve.convolved(x, parameters["matrix"], parameters.get("bias"), self.stride, self.padding)

    def read(self, x: Tensor, parameters: Parameters) -> Tensor:
        x = x[:, None] if x.dim() == 3 else x
        return _convolve.unfolded(x, self.kernel, self.stride, self.padding)

    def drawn(self, parameters: Parameters, method: str) -> tuple[Tensor, int]:
        matrix, (low, _) = parameters["matrix"], _convolve.borders(self.kernel, self.padding)
        if method == "transpose":
            return matrix.transpose(0, 1), low
        return matrix.flip(-1, -2), self.kernel - 1 - low  # what is read at a place behind is drawn at one before

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        y = y[:, None] if y.dim() == 3 else y
        return _convolve.spread(y, parameters["matrix"], None, self.stride, self.padding, given[-2:])

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return convolution_norm_bound(parameters["matrix"], self.stride)

    def project(self, parameters: Parameters) -> None:
        matrix = parameters["matrix"]
        if self.connections:
            with torch.no_grad():
                matrix.mul_(link_mask(matrix.shape[0], matrix.shape[1], self.connections, matrix)[:, :, None, None])
        super().project(parameters)
