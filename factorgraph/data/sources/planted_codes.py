"""Signals that are sparse mixtures of a dictionary that is known."""

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

USUAL = 20_000  # training samples
AT_ONCE = 4096  # rows whose codes are held at a time


class PlantedCodes(SourceLeaf):
    r"""Signals with a true dictionary: each is a sum of a few atoms, weighted by Laplace-distributed numbers.

    .. math:: y = D z, \qquad \|d_j\| = 1, \qquad \|z\|_0 = active, \qquad z_j \sim Laplace(1)

    The atoms are uniform on the sphere; which are active is uniform too. ``truth(seed)`` gives D.

    Fields:  signal (units,).
    """

    type: Literal["planted_codes"] = "planted_codes"
    units: Count = Field(description="values of a signal")
    atoms: Count = Field(description="atoms of the true dictionary")
    active: Count = Field(3, description="atoms in each signal")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({"units": 12, "atoms": 20},)
    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"

    @model_validator(mode="after")
    def _enough_atoms(self) -> Self:
        if self.active > self.atoms:
            raise ValueError(f"{self.active} active atoms cannot be chosen out of {self.atoms}")
        return self

    def fields(self) -> dict[str, Shape]:
        return {"signal": (self.units,)}

    def truth(self, seed: int) -> Array:
        """The true dictionary D, (units, atoms) float64, columns of length 1."""
        check_size(self.atoms, (self.units,), "atoms", ("data", "atoms"), bytes_each=8)
        columns = generator(seed, "planted_codes", "dictionary").standard_normal((self.units, self.atoms))
        found: Array = columns / np.linalg.norm(columns, axis=0)
        return found

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, (self.units,), "signals", ("data", "count"))
        truth = self.truth(request.seed)
        train = self._draw(truth, count, request.seed, "train")
        test = self._draw(truth, held_out, request.seed, "test")
        about = {"division": "training and test signals are drawn independently from one dictionary"}
        groups = np.arange(count + held_out)
        return Splits(Table({"signal": train}, groups[:count]), Table({"signal": test}, groups[count:]), about)

    def _draw(self, truth: Array, rows: int, seed: int, split: str) -> Array:
        drawn = np.empty((rows, self.units), dtype=np.float32)
        for start in range(0, rows, AT_ONCE):
            random = generator(seed, "planted_codes", split, start)
            many = min(AT_ONCE, rows - start)
            chosen = np.argsort(random.random((many, self.atoms)), axis=1)[:, : self.active]
            codes = np.zeros((many, self.atoms))
            np.put_along_axis(codes, chosen, random.laplace(size=(many, self.active)), axis=1)
            drawn[start : start + many] = codes @ truth.T
        return drawn
