"""One number for each window of neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.factors.functions._roots import root
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, NonNegative
from factorgraph.structure import Affine, Cornerless, Function, Grouping, Parameters, Promise, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

Sizes = Count | tuple[Count, ...]
SLACK = 1e-6  # of a bound that is kept in single precision


class Pool(Function, Affine, Grouping):
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
    """

    type: Literal["pool"] = "pool"
    kind: Literal["max", "average", "l2"] = Field(default="max", description="what a window is summed up by")
    window: Sizes = Field(description="units along each axis of a window, a number or a list")
    stride: Sizes | None = Field(default=None, description="units from one window to the next; left out, the window's")
    wrap: bool = Field(default=False, description="joins the ends of each axis, so that windows reach over them")
    weights: Literal["uniform", "gaussian"] = Field(default="uniform", description="what the units of a window count")
    epsilon: NonNegative = Field(default=0.0, description="of l2: added to the sum of squares")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"window": (2, 1, 5)},
        {"window": 3, "stride": 2},
        {"window": (3, 2, 4), "stride": (2, 3, 1), "wrap": True},
        {"kind": "average", "window": 3, "stride": 2},
        {"kind": "average", "window": (3, 2, 4), "stride": (2, 3, 1), "wrap": True, "weights": "gaussian"},
        {"kind": "average", "window": (4, 3, 5)},
        {"kind": "l2", "window": (2, 3, 5)},
        {"kind": "l2", "window": (3, 5), "stride": (3, 1), "wrap": True, "weights": "gaussian", "epsilon": 0.37},
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Pool:
        if self.epsilon and self.kind != "l2":
            raise ValueError(f"epsilon belongs to kind: l2, and this pool's kind is {self.kind}: leave it out")
        if self.weights != "uniform" and self.kind == "max":
            raise ValueError("the largest of a window has no weights: leave them out, or take kind: average or l2")
        if isinstance(self.window, tuple) and isinstance(self.stride, tuple) and len(self.window) != len(self.stride):
            raise ValueError(f"window has {len(self.window)} numbers and stride {len(self.stride)}: give one for each axis")
        return self

    def keeps(self, promise: Promise) -> bool:
        if promise is Affine:
            return self.kind == "average"
        if promise is Grouping:
            apart = self.kind == "l2" and self.weights == "uniform" and self.epsilon == 0
            return apart and all(window == stride for window, stride in self._sizes(self._listed or 1))
        if promise is Cornerless:
            return self.kind == "average" or (self.kind == "l2" and self.epsilon > 0)
        return super().keeps(promise)

    # --- sizes -----------------------------------------------------------------------------------------------------------------

    @property
    def _listed(self) -> int | None:
        """The number of axes, where a list tells it."""
        return next((len(each) for each in (self.window, self.stride) if isinstance(each, tuple)), None)

    def _sizes(self, axes: int) -> list[tuple[int, int]]:
        """Window and stride along each of the axes."""
        stride = self.window if self.stride is None else self.stride
        windows, strides = (each if isinstance(each, tuple) else (each,) * axes for each in (self.window, stride))
        return list(zip(windows, strides, strict=True))

    def _axes(self, shape: Shape) -> list[tuple[int, int, int]]:
        """The axes of a shape that are pooled: each with its window and stride."""
        count = (2 if len(shape) == 3 else len(shape)) if self._listed is None else self._listed
        if not 0 < count <= len(shape):
            many = f"pools {count} axes, and {list(shape)} has {len(shape)}"
            none = "pools units, and a number has none" if self._listed is None else "pools no axis: its list of sizes is empty"
            raise ShapeError(many if count else none, ("window",))
        first = len(shape) - count
        return [(first + place, *sizes) for place, sizes in enumerate(self._sizes(count))]

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        sides = list(given)
        for axis, window, stride in self._axes(given):
            sides[axis] = self._side(given, given[axis], window, stride)
        return tuple(sides)

    def input_shape(self, result: Shape) -> Shape | None:
        try:
            pooled = self._axes(result)
        except ShapeError:
            return None
        sides = list(result)
        for axis, window, stride in pooled:
            sides[axis] = result[axis] * stride if self.wrap else (result[axis] - 1) * stride + window
        return tuple(sides)

    def _side(self, given: Shape, size: int, window: int, stride: int) -> int:
        """How many windows lie along an axis."""
        rest = size if self.wrap else size - window
        if size >= window and rest % stride == 0:
            return rest // stride + (not self.wrap)
        least = -(-window // stride) * stride if self.wrap else window
        fitting = [least + (max(0, (size - least) // stride) + more) * stride for more in (0, 1)]
        around = " around a ring" if self.wrap else ""
        what = f"a side of {size} is not covered by windows of {window} in steps of {stride}{around}"
        raise ShapeError(f"cannot pool {list(given)}: {what}; sides that fit: {', '.join(map(str, fitting))}", ("window",))

    # --- mathematics -----------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        axes = self._axes(x.shape[1:])
        if self.kind != "l2" and self.weights == "uniform" and not self.wrap and len(axes) == 2 and x.dim() in (3, 4):
            (_, *rows), (_, *columns) = axes
            windows, strides = zip(rows, columns, strict=True)
            pooled = torch.nn.functional.max_pool2d if self.kind == "max" else torch.nn.functional.avg_pool2d
            found: Tensor = pooled(x.unsqueeze(1), windows, strides).squeeze(1) if x.dim() == 3 else pooled(x, windows, strides)
            return found  # with an axis of maps: a batch of none would be maps of none, which torch refuses
        y = x.square() if self.kind == "l2" else x
        for axis, window, stride in axes:
            parts = self._windows(y, axis + 1, window, stride)  # (..., window)
            y = parts.amax(-1) if self.kind == "max" else parts @ self._weights(window, y)
        return root(y + self.epsilon) if self.kind == "l2" else y

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        x = y
        for axis, window, stride in self._axes(given):
            starts = stride * torch.arange(x.shape[axis + 1], device=y.device)
            units = (starts[:, None] + torch.arange(window, device=y.device)) % given[axis]
            shares = (x.movedim(axis + 1, -1)[..., None] * self._weights(window, y)).flatten(-2).movedim(-1, axis + 1)
            empty = y.new_zeros(*x.shape[: axis + 1], given[axis], *x.shape[axis + 2 :])
            x = empty.index_add(axis + 1, units.flatten(), shares)
        return x

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        """Along each axis the root of the largest sum of a row, 1, times the largest sum of a column: at most 1."""
        bound = SLACK + 1.0
        for window, stride in self._sizes(self._listed or 1):
            shares = self._weights(window, torch.ones(()).double())
            column = torch.nn.functional.pad(shares, (0, -window % stride)).view(-1, stride).sum(0).max()
            bound *= math.sqrt(column)
        return torch.tensor(bound)

    def spread(self, y: Tensor) -> Tensor:
        for axis, window, _ in self._axes(y.shape[1:]):
            y = y.repeat_interleave(window, axis + 1)
        return y

    def _windows(self, x: Tensor, axis: int, window: int, stride: int) -> Tensor:
        if self.wrap and window > stride:
            x = torch.cat([x, x.narrow(axis, 0, window - stride)], axis)
        return x.unfold(axis, window, stride)

    def _weights(self, window: int, like: Tensor) -> Tensor:
        """(window,): of mean 1 for l2, of sum 1 for the average."""
        places = torch.arange(window, dtype=like.dtype, device=like.device) - (window - 1) / 2
        weights = torch.exp(-8 * (places / window).square()) if self.weights == "gaussian" else torch.ones_like(places)
        return weights / (weights.sum() if self.kind == "average" else weights.mean())
