"""Exact samples of a small Boltzmann machine whose parameters are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factorgraph.data.bounds import check_size
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.lazy import np
from factorgraph.spec.constants import Count, Positive
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 10_000  # training samples
MOST = 16  # units: 65536 states


class PlantedBoltzmann(SourceLeaf):
    r"""Binary units that are tied in pairs, drawn from the exact probabilities of all their states.

    .. math:: P(y) \propto \exp(\tfrac12 y' J y + h' y), \qquad J = J', \qquad J_{ii} = 0

    J above its diagonal and h are normal with deviation ``scale``. ``truth(seed)`` gives J, ``fields_of(seed)`` h.

    Fields:  bits (units,).
    Source:  Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985.
    """

    type: Literal["planted_boltzmann"] = "planted_boltzmann"
    units: Count = Field(description="units of a sample, at most 16")
    scale: Positive = Field(0.5, description="standard deviation of the true parameters")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({"units": 5}, {"units": 8, "scale": 1.0})
    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"
    repeats: ClassVar[bool] = True

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if self.units > MOST:
            raise ValueError(f"{self.units} units have too many states to be drawn exactly: at most {MOST}")
        return self

    def fields(self) -> dict[str, Shape]:
        return {"bits": (self.units,)}

    def truth(self, seed: int) -> Array:
        """The true ties J, (units, units) float64."""
        upper = np.triu(self.scale * generator(seed, "planted_boltzmann", "ties").standard_normal((self.units, self.units)), 1)
        found: Array = upper + upper.T
        return found

    def fields_of(self, seed: int) -> Array:
        """The true fields h, (units,) float64."""
        found: Array = self.scale * generator(seed, "planted_boltzmann", "fields").standard_normal(self.units)
        return found

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, (self.units,), "samples", ("data", "count"), bytes_each=8)
        states = np.arange(2**self.units)[:, None] >> np.arange(self.units) & 1
        logits = ((states @ self.truth(request.seed)) * states).sum(axis=1) / 2 + states @ self.fields_of(request.seed)
        below = np.cumsum(np.exp(logits - logits.max()))
        drawn = []
        for split, rows in (("train", count), ("test", held_out)):
            chance = generator(request.seed, "planted_boltzmann", split).random(rows) * below[-1]
            drawn.append(states[np.searchsorted(below, chance, side="right")].astype(np.float32))
        groups = np.arange(count + held_out)
        about = {"division": "training and test samples are drawn independently from one machine"}
        return Splits(Table({"bits": drawn[0]}, groups[:count]), Table({"bits": drawn[1]}, groups[count:]), about)
