"""Make the units uncorrelated and of equal variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import covariance, flat
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Count, NonNegative
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State

USUAL_FLOOR = 0.02
EQUAL = 1e-20  # of the squared mean: a variance below it is rounding (one step of float32 makes 1e-15)
EMPTY = 1e-12  # of the largest eigenvalue: below it a direction holds nothing but rounding


class Whiten(StepLeaf):
    r"""Makes the units uncorrelated and of equal variance over the training set, as the retina is said to do.

    With the covariance :math:`C = V \Lambda V'` of the training samples and their mean :math:`\mu`,

    .. math:: x' = V (\Lambda + f \lambda_{max})^{-1/2} V' (x - \mu)

    which keeps each unit in its place (ZCA). The floor *f*, a share of the largest eigenvalue, keeps directions that hold only
    noise from being blown up. With ``kept``, a sample is instead its coordinates on the so many leading components, each divided
    by the square root of its eigenvalue (plus a floor, if one is given): its shape is then [kept].

    Undone exactly with a floor; with ``kept``, up to what the dropped components held.
    Source: Bell and Sejnowski, Vision Research 37(23), 1997.
    """

    type: Literal["whiten"] = "whiten"
    floor: NonNegative | None = Field(None, description="a share of the largest eigenvalue; 0.02, or 0 with kept")
    kept: Count | None = Field(None, description="number of leading components; a sample's shape is then [kept]")

    main: ClassVar[str] = "floor"
    anywhere: ClassVar[bool] = False  # a matrix of all pixels

    def output_shape(self, given: Shape) -> Shape:
        return given if self.kept is None else (self.kept,)

    def fit(self, x: Array) -> dict[str, Array]:
        mean, matrix = covariance(x)
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        if values[0] <= EQUAL * np.abs(mean).max() ** 2:
            why = "whiten: all training samples are equal, so there is no variance to divide by"
            raise DataError(issue("FG517", why, fix="look at the data, or take whiten out of prepare"))
        floor = self._floor(values, len(x))
        kept = len(values) if self.kept is None else self.kept
        vectors = vectors[:, :kept]
        scale = np.sqrt(values[:kept] + floor * values[0])
        if self.kept is None:
            there, back = (vectors / scale) @ vectors.T, (vectors * scale) @ vectors.T
        else:
            vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
            there, back = (vectors / scale).T, vectors * scale
        return {"mean": mean.reshape(x.shape[1:]), "matrix": np.ascontiguousarray(there), "inverse": np.ascontiguousarray(back)}

    def _floor(self, values: Array, rows: int) -> float:
        """The floor that is meant, once the training samples are known to carry it. FG517."""
        filled = int((values > EMPTY * values[0]).sum())
        if self.kept is not None and self.kept > filled:
            why = f"whiten keeps {self.kept} components, but {rows} training samples of {len(values)} units vary in {filled} only"
            raise DataError(issue("FG517", why, fix=f"kept of at most {filled}"))
        floor = (USUAL_FLOOR if self.kept is None else 0.0) if self.floor is None else self.floor
        if floor == 0 and self.kept is None and filled < len(values):
            why = f"whiten with a floor of 0 needs variance in every direction, but only {filled} of {len(values)} have any"
            raise DataError(issue("FG517", why, fix=f"a floor such as {USUAL_FLOOR}, or {{whiten: {{kept: {filled}}}}}"))
        return floor

    def apply(self, x: Array, state: State) -> Array:
        result: Array = flat(x - state["mean"]) @ state["matrix"].T
        return result.reshape(len(x), *self.output_shape(tuple(x.shape[1:])))

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return self.undo_linear(x, state) + state["mean"]

    def undo_linear(self, x: Array, state: State) -> Array:
        result: Array = flat(x) @ state["inverse"].T
        return result.reshape(len(x), *state["mean"].shape)

    def transpose(self, x: Array, state: State) -> Array:
        result: Array = flat(x) @ state["matrix"]
        return result.reshape(len(x), *state["mean"].shape)
