"""Small pictures of bars or of stripes: so few patterns that their probabilities can be added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factorgraph.data.bounds import check_size
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

MOST = 16  # pixels of a side: 131070 patterns


class BarsAndStripes(SourceLeaf):
    """Binary pictures in which every row is of one value, or every column: ``2 * 2**side - 2`` patterns, each as likely.

    Each pattern comes as often as any other, or once more: training and held-out rows go through all of them in turn. Without
    ``count`` and ``test`` every pattern is there once, on either side, and the entropy is that of an even choice: 2.639 nats for
    3 x 3, the least mean negative log likelihood that there can be.

    Fields:  image (side, side).
    Source:  MacKay, Information Theory, Inference, and Learning Algorithms, 2003, section 43.1.
    """

    type: Literal["bars_and_stripes"] = "bars_and_stripes"
    side: Count = Field(3, description="pixels of a side, at most 16")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"side": 4})
    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed, which gives the order"
    repeats: ClassVar[bool] = True

    @model_validator(mode="after")
    def _few_patterns(self) -> Self:
        if self.side > MOST:
            raise ValueError(f"a side of {self.side} pixels has too many patterns: at most {MOST}")
        return self

    def fields(self) -> dict[str, Shape]:
        return {"image": (self.side, self.side)}

    def patterns(self) -> Array:
        """All of them, (patterns, side, side): bars by their number in binary, then stripes that are no bars."""
        check_size(2 * 2**self.side, (self.side, self.side), "patterns", ("data", "side"))
        bits = np.arange(2**self.side)[:, None] >> np.arange(self.side) & 1
        bars = np.repeat(bits[:, :, None], self.side, axis=2)
        stripes = bars[1:-1].transpose(0, 2, 1)  # without the two that are of one value
        return np.concatenate([bars, stripes]).astype(np.float32)

    def load(self, request: Request) -> Splits:
        patterns = self.patterns()
        count = len(patterns) if request.count is None else request.count
        held_out = len(patterns) if request.test is None else request.held_out(count)
        check_size(count + held_out, (self.side, self.side), "pictures", ("data", "count"))
        order = generator(request.seed, "bars_and_stripes").permutation(len(patterns))
        train, test = (patterns[order[np.arange(rows) % len(patterns)]] for rows in (count, held_out))
        groups = np.arange(count + held_out)
        about = {"division": "both sides go through all patterns"}
        return Splits(Table({"image": train}, groups[:count]), Table({"image": test}, groups[count:]), about)
