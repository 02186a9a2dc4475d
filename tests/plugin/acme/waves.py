"""Waves of random phase."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape


class AcmeWaves(SourceLeaf):
    r"""One period of a sine, sampled evenly, each sample with a phase and a height of its own.

    .. math:: y_i = h \sin(2 \pi i / n + \varphi), \qquad h \sim U(0.5, 1.5),\ \varphi \sim U(0, 2 \pi)
    """

    type: Literal["acme_waves"] = "acme_waves"
    points: Count = Field(16, description="of a wave")

    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"

    def fields(self) -> dict[str, Shape]:
        return {"wave": (self.points,)}

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(500)
        rows = count + held_out
        random = generator(request.seed, "acme_waves", "phases")
        height, phase = 0.5 + random.random((rows, 1)), 2 * np.pi * random.random((rows, 1))
        waves = (height * np.sin(2 * np.pi * np.arange(self.points) / self.points + phase)).astype(np.float32)
        groups = np.arange(rows)
        train, test = Table({"wave": waves[:count]}, groups[:count]), Table({"wave": waves[count:]}, groups[count:])
        return Splits(train, test, {"division": "each wave is drawn independently"})
