"""Weights that a phase tunes: set from the data when it begins, or made larger and smaller until enough units are active.

A tuned weight is a tensor of the model, so that checkpoints hold it and evaluation uses what learning came to. It is the same for
all samples: the energy of one must not depend on which others stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from factorgraph.compile.dependence import origin
from factorgraph.compile.targets import largest_weight, tuned_by
from factorgraph.graph.model import WEIGHT, Id

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch
    from factorgraph.training.sides import Stretch

GAIN = 0.05  # the logarithm of a weight moves by at most so much a step
FIRST = 0.1  # of the smallest weight at which all is zero: where a search for a share of active units begins
RANGE = (1e-12, 1e12)  # a share that no weight reaches must not end in a weight that is none

Given = Mapping[Id, "Tensor"]


class Tuning:
    """The tuned weights of a phase. ``rest``: procedures whose codes stay what they are, so that they tell nothing."""

    def __init__(self, stretch: Stretch, rest: Collection[str] = ()):
        self.view = stretch.view
        plans = {key: each.plan for key, each in self.view.inferences.items()}
        self.before = stretch.procedures
        self.by = tuned_by(self.view.graph, plans, {each for plan in stretch.plans for each in plan.procedures} - set(rest))

    def begin(self, batches: Callable[[], Iterable[Given]], known: Collection[str] = ()) -> None:
        """Set what is a share of the largest weight over all ``batches``, and the others unless they are ``known`` already."""
        for factor, procedure in self.by.items():
            target = self.view.graph.factors[factor].target
            assert target is not None, "only what has a target is tuned"
            if target.kind == "active_fraction" and factor in known:
                continue
            with torch.no_grad():
                largest = torch.stack([self._largest(factor, procedure, each) for each in batches()]).amax()
                share = target.value if target.kind == "of_maximum" else FIRST
                self._weight(factor).copy_((share * largest).clamp(*RANGE))

    def follow(self, batch: Batch) -> None:
        """A step towards the wanted shares of active units, from the codes of a batch; nothing is read off the device."""
        for factor, procedure in self.by.items():
            node = self.view.graph.factors[factor]
            if node.target is None or node.target.kind != "active_fraction" or procedure not in batch.found:
                continue
            code = batch.found[procedure].values[origin(self.view.graph, node.arguments[0])].detach()
            with torch.no_grad():
                step_to_share(self._weight(factor), code, node.target.value)

    def _largest(self, factor: str, procedure: str, given: Given) -> Tensor:
        model, inferences = self.view.model, self.view.inferences
        before = self.before[: self.before.index(procedure)] if procedure in self.before else ()
        found = model.run(tuple(before), given, inferences)
        known = {**given, **{key: each for one in found.values() for key, each in one.values.items()}}
        return largest_weight(inferences[procedure], factor, known, model.in_use()).amax()

    def _weight(self, factor: str) -> Tensor:
        return self.view.model.tensors()[f"factors.{factor}"][WEIGHT]


def step_to_share(weight: Tensor, code: Tensor, share: float) -> None:
    """Make a weight, (), larger where more than a share of the units of ``code`` is active, smaller where less is."""
    excess = (code != 0).to(weight.dtype).mean() / share - 1
    weight.mul_(torch.exp(GAIN * excess.clamp(-1, 1))).clamp_(*RANGE)


def known_before(stretches: Sequence[Stretch]) -> set[str]:
    """The factors whose weights phases have tuned: one without steps has not."""
    return {factor for each in stretches if each.steps for factor in Tuning(each).by}
