"""What inference found for a batch, for whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from factorgraph.graph.drawing import words
from factorgraph.graph.model import Id
from factorgraph.inference.problem import SENTENCES, in_samples
from factorgraph.notebook import heading, table


@dataclass(frozen=True)
class Solution:
    """What inference found for a batch.

    ``variables`` by name, (batch, *shape) each, what was given included. ``energy`` (batch,) is the sum of ``shares``, each
    factor's weighted energy. Where nothing was searched, ``status`` is 0, ``steps`` 0 and ``certificate`` not a number.
    """

    procedure: str
    variables: Mapping[Id, Tensor]
    energy: Tensor
    shares: Mapping[str, Tensor]
    status: Tensor
    steps: Tensor
    certificate: Tensor

    def __getitem__(self, name: str) -> Tensor:
        return self.variables[name]

    def _repr_html_(self) -> str:
        ended = self.sentence() if self.procedure else ""
        mean = f"mean energy {float(self.energy.detach().double().mean()):.4g}"
        told = heading(f"{self.procedure or 'model'}: {in_samples(len(self.energy))}", mean, ended)
        shares = [[name, f"{float(each.detach().double().mean()):.4g}"] for name, each in self.shares.items()]
        shapes = [[name, words.size(tuple(each.shape)) or "one number"] for name, each in self.variables.items()]
        return told + table(("factor", "mean energy"), shares) + table(("variable", "shape"), shapes)

    def sentence(self) -> str:
        """How the search ended, in words: "98 of 100 converged, 2 out of steps"."""
        counts = torch.bincount(self.status.reshape(-1), minlength=len(SENTENCES)).tolist()
        return ", ".join(f"{count} {word}" for count, word in zip(counts, SENTENCES, strict=True) if count)
