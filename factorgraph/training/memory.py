"""Codes that searches start at: what was found for each training row when learning last saw it.

They are a part of a run's state: a search that starts elsewhere ends elsewhere within its tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from factorgraph import compile as compiler
from factorgraph.compile.plan import Plan, ProcedurePlan
from factorgraph.compile.procedures import Found, Inference
from factorgraph.compile.warm import LARGEST, bytes_of, remembered
from factorgraph.errors import Issue, RunError, issue
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._method import Method
from factorgraph.run.files import in_words

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.data.model import Array

PREFIX = "previous:"  # of their names in a checkpoint


class Memory:
    """One code for each training row of every procedure that starts at its previous one; zeros before the first visit."""

    def __init__(self, views: Iterable[Mapping[str, Inference]], rows: int, device: str):
        self.device = device
        self.codes: dict[str, dict[Id, Tensor]] = {}
        for inferences in views:
            for key, each in inferences.items():
                if shapes := remembered(each.block.program.graph, each.plan, each.method):
                    self.codes[key] = {name: torch.zeros(rows, *shape, device=device) for name, shape in shapes.items()}

    def of(self, rows: Array) -> dict[str, dict[Id, Tensor]]:
        """The codes of some rows, by procedure."""
        if not self.codes:
            return {}
        index = self._index(rows)
        return {key: {name: each.index_select(0, index) for name, each in codes.items()} for key, codes in self.codes.items()}

    def keep(self, rows: Array, found: Mapping[str, Found]) -> None:
        """What was found for some rows takes the place of what they had."""
        for key in self.codes.keys() & found.keys():
            index = self._index(rows)
            for name, each in self.codes[key].items():
                each.index_copy_(0, index, found[key].values[name].detach().to(each.dtype))

    def state(self) -> dict[str, Tensor]:
        """The codes by their names in a checkpoint."""
        return {f"{PREFIX}{key}/{name}": each for key, codes in self.codes.items() for name, each in codes.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Put the codes of a checkpoint back, and give what else is there. Raises RunError FG672 where they are not those."""
        for name, each in self.state().items():
            if name not in tensors or tensors[name].shape != each.shape:
                raise RunError(issue("FG672", f"the checkpoint has no codes {name} of {len(each)} rows"))
            each.copy_(tensors[name])
        return {name: each for name, each in tensors.items() if not name.startswith(PREFIX)}

    def _index(self, rows: Array) -> Tensor:
        return torch.tensor(rows, device=self.device)


def check_memory(graph: Graph, plan: Plan, rows: int) -> None:
    """Raise RunError FG424 where the codes of so many training rows are more than a run keeps."""
    changed = [(spec, plan.changed[phase]) for phase, spec in compiler.phase_specs(graph.spec)]
    for spec, plans in [(graph.spec, plan.procedures), *changed]:
        for each in plans.values():
            method = spec.inference[each.name].at(each.slots)
            assert isinstance(method, Method), "the schema lets only methods into this block"
            needed = rows * bytes_of(remembered(graph, each, method))
            if needed > LARGEST:
                raise RunError(graph.spec.document.locate(_too_much(each, rows, needed)))


def _too_much(plan: ProcedurePlan, rows: int, needed: int) -> Issue:
    what = f'procedure "{plan.id}" starts at the previous code of each of {rows} training rows: {in_words(needed)}'
    fix = "start: 0, or an encoder's guess; or a smaller data.count"
    return issue("FG424", f"{what}, and at most {in_words(LARGEST)} are kept", ("inference", plan.name, "start"), fix=fix)
