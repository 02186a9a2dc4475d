"""Signals that are mixtures of sources that know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.data.bounds import check_size
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 20_000  # training samples
WIDEST = 4.0  # the largest of the mixture's singular values over the smallest, at most


class MixedSources(SourceLeaf):
    r"""As many independent sources as signals, mixed by a matrix that is known.

    .. math:: y = A s, \qquad s_j \sim Laplace(1 / \sqrt 2) \text{ or uniform, of variance 1}

    The mixture A is a product of rotations and of scales that differ by a factor of at most 4. ``truth(seed)`` gives A.

    Fields:  signal (sources,).
    """

    type: Literal["mixed_sources"] = "mixed_sources"
    sources: Count = Field(2, description="how many sources, and signals")
    law: Literal["laplace", "uniform"] = Field("laplace", description="what each source is drawn from")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"sources": 5, "law": "uniform"})
    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"

    def fields(self) -> dict[str, Shape]:
        return {"signal": (self.sources,)}

    def truth(self, seed: int) -> Array:
        """The mixture A, (signals, sources) float64."""
        check_size(self.sources, (self.sources,), "sources", ("data", "sources"), bytes_each=8)
        random = generator(seed, "mixed_sources", "mixture")
        left, right = (np.linalg.qr(random.standard_normal((self.sources, self.sources)))[0] for _ in range(2))
        found: Array = (left * WIDEST ** (random.random(self.sources) - 0.5)) @ right
        return found

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, (self.sources,), "signals", ("data", "count"))
        truth = self.truth(request.seed)
        train, test = (self._draw(truth, rows, request.seed, split) for rows, split in ((count, "train"), (held_out, "test")))
        about = {"division": "training and test signals are drawn independently from one mixture"}
        groups = np.arange(count + held_out)
        return Splits(Table({"signal": train}, groups[:count]), Table({"signal": test}, groups[count:]), about)

    def _draw(self, truth: Array, rows: int, seed: int, split: str) -> Array:
        random = generator(seed, "mixed_sources", split)
        shape = (rows, self.sources)
        made = random.laplace(scale=0.5**0.5, size=shape) if self.law == "laplace" else random.uniform(-(3**0.5), 3**0.5, shape)
        drawn: Array = (made @ truth.T).astype(np.float32)
        return drawn
