"""Whether an encoder reads what a decoder writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Alignment(MetricLeaf):
    """The median cosine between what matched units of two functions read or write: row i of an encoder, column i of a decoder.

    A unit of zeros has cosine 0.
    """

    type: Literal["alignment"] = "alignment"

    arguments: ClassVar[tuple[Kind, ...]] = ("function", "function")

    def measure(self, on: Measured, first: str, second: str) -> float:
        a, b = on.units(first).double(), on.units(second).double()
        if a.shape != b.shape:
            sizes = [f"{name!r} has {len(each)} units of {each.shape[1]} values" for name, each in ((first, a), (second, b))]
            text = f"{sizes[0]}, {sizes[1]}: they cannot be matched"
            raise RunError(issue("FG632", text, fix="compare an encoder with the decoder of the same code"))
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=1, eps=torch.finfo(a.dtype).tiny)
        return float(cosine.quantile(0.5))
