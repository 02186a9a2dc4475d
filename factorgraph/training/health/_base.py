"""What all measures of health share: what a step shows them, what a look makes of it, and how trouble is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.compile.dependence import origin
from factorgraph.errors import address
from factorgraph.graph.model import Application
from factorgraph.spec.constants import NonNegative
from factorgraph.structure import Leaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.graph.model import Graph, Id
    from factorgraph.training.objective import Batch
    from factorgraph.training.sides import Stretch

RARE = 0.05  # of how often the average unit is active

Shown = Mapping[str, "Tensor"]  # by subject: a latent variable, a procedure, a function, a factor, a player


@dataclass(frozen=True)
class Step:
    """One step of one side, as measures see it: its batch with the codes that were inferred, and its loss."""

    batch: Batch
    player: str
    loss: Tensor
    counts: Mapping[Id, Tensor] = field(default_factory=dict)  # how often units of a variable are on, where no code was made


class HealthLeaf(Leaf, ABC):
    """A number that learning is judged by. It is gathered on the device, step by step, and read with a look's last step.

    A look is a pass through the data: at least 25 steps, and where a pass is longer, 20,000 samples; or what is left of a phase.
    """

    joins: ClassVar[Literal["sum", "largest"]] = "sum"  # what becomes of what the steps of a look show
    title: ClassVar[str]  # what the number is, as a figure says it
    of_players: ClassVar[bool] = False  # it compares the sides of a game
    of_change: ClassVar[bool] = False  # the bound is of how many times larger or smaller it is than at a phase's first look
    at_most: NonNegative  # the bound; each leaf says its own

    def see(self, step: Step) -> Shown:
        """What a step shows, by subject: tensors of one shape each. Nothing is read off the device."""
        return {}

    @abstractmethod
    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        """The numbers () of a look, by subject, from what its steps have shown together."""

    def is_trouble(self, value: float, first: float) -> bool:
        """Whether a number is beyond the bound. ``first``: what it was at the first look of the phase."""
        if self.of_change:
            return first > 0 and not first / self.at_most <= value <= first * self.at_most
        return not value <= self.at_most

    @abstractmethod
    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        """One short line: what is wrong with how many, and what to do."""


def codes(batch: Batch) -> Iterator[tuple[Id, Tensor]]:
    """The latent variables of a batch with their codes, (batch, *shape), each as the first procedure found it."""
    seen: set[Id] = set()
    for found in batch.found.values():
        for key, code in found.values.items():
            if key not in seen:
                seen.add(key)
                yield key, code.detach()


def of_maps(graph: Graph, latent: Id) -> bool:
    """Whether it is whole maps of a latent variable that can be dead: all matrices that read it are kernels."""
    read = [each for each in graph.values.values() if isinstance(each, Application)]
    used = {each.function for each in read if latent in [origin(graph, key) for key in each.arguments]}
    nodes = [graph.functions[key] for key in used if "matrix" in graph.functions[key].parameters]
    return bool(nodes) and all(node.leaf.by_map for node in nodes)


def more_steps(procedure: str, stretch: Stretch) -> str:
    """What helps a search that ends too early."""
    plan, method = stretch.view.inferences[procedure].plan, stretch.view.inferences[procedure].method
    return f"more {address(('inference', plan.name, 'steps'))} (now {getattr(method, 'steps', 0)})"


def idle(counts: Tensor) -> Tensor:
    """(units,): which are dead, from the number of samples that each was active in."""
    return counts <= RARE * counts.mean()
