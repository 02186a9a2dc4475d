"""What evaluation sees while learning: random numbers and batch statistics that belong to one step of one side."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from factorgraph.data.order import torch_generator
from factorgraph.errors import RunError, issue
from factorgraph.graph.model import Application, FunctionNode, Graph, Id
from factorgraph.lazy import torch
from factorgraph.structure import Parameters, ShapeError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Learning:
    """One step of one side: how functions that learn apart are evaluated, and what becomes of their kept parameters.

    An application draws the same numbers however often it is evaluated, so that a procedure sees what the energy sees; what it
    tells of its batch counts once. ``learned``: ids of the functions that learn here, all others rest.
    """

    seed: int
    purpose: tuple[str | int, ...]  # phase, step, player, repeat
    learned: Container[str]
    previous: Mapping[str, Mapping[Id, Tensor]] = field(default_factory=dict)  # by procedure: what it found for these rows before
    kept: dict[str, Parameters] = field(default_factory=dict)  # new values by owner; several applications come one after another
    dependent: dict[str, tuple[Tensor | int, int]] = field(default_factory=dict)  # by procedure: rows without a derivative
    generators: list[torch.Generator] = field(default_factory=list)  # that were made on a CUDA device
    _saw: dict[Id, Parameters] = field(default_factory=dict)
    _beside: list[tuple[Mapping[Id, Tensor], Learning]] = field(default_factory=list)

    def afresh(self) -> Learning:
        """The same step, of which nothing has been evaluated yet."""
        return replace(self, kept={}, dependent={}, generators=[], _saw={}, _beside=[])

    def beside(self, others: Mapping[Id, Tensor]) -> Learning:
        """The same step with other tensors in the batch's place: a stand-in has random numbers and statistics of its own."""
        for known, found in self._beside:
            if known.keys() == others.keys() and all(known[key] is each for key, each in others.items()):
                return found
        made = replace(self, purpose=(*self.purpose, "beside", len(self._beside)), previous={}, _saw={}, _beside=[])
        self._beside.append((dict(others), made))
        return made

    def count_dependent(self, procedure: str, rows: Tensor) -> None:
        """Count the rows, (batch,) bool, whose code has no derivative along some directions."""
        found, among = self.dependent.get(procedure, (0, 0))
        self.dependent[procedure] = (found + rows.sum(), among + len(rows))

    def applied(
        self, value: Application, node: FunctionNode, arguments: tuple[Tensor, ...], parameters: Parameters, graph: Graph
    ) -> Tensor:
        """The result of an application while learning. Raises RunError FG338."""
        owner = f"functions.{node.id}"
        first = value.id not in self._saw
        if first:
            self._saw[value.id] = {**parameters, **self.kept.get(owner, {})}
        learn: Callable[..., tuple[Tensor, Parameters]] = node.leaf.learn
        try:
            result, kept = learn(*arguments, self._saw[value.id], self._random(value.id, arguments[0]))
        except ShapeError as error:
            found = issue("FG338", f"{node.spelled} {error}", node.written.path, fix="a larger batch_size of the phase")
            raise RunError(graph.spec.document.locate(found)) from None
        if first and kept:
            self.kept[owner] = {**self.kept.get(owner, {}), **{name: each.detach() for name, each in kept.items()}}
        return result

    @property
    def drew(self) -> bool:
        """Whether numbers were drawn on a CUDA device."""
        return any(each.get_offset() for each in self.generators)

    def _random(self, application: Id, x: Tensor) -> torch.Generator:
        device = "cpu" if x.device.type == "meta" else str(x.device)  # what has no values has no random numbers of its own
        if not x.is_cuda:
            return torch_generator(self.seed, "learn", *self.purpose, application, device=device)
        if torch.cuda.is_current_stream_capturing():  # nothing is drawn in what is recorded, and none may be made there
            return _idle(device)
        self.generators.append(torch_generator(self.seed, "learn", *self.purpose, application, device=device))
        _idle(device)
        return self.generators[-1]


@cache
def _idle(device: str) -> torch.Generator:
    return torch.Generator(device)
