"""Giving dead units a new life: their columns become rows of training data, drawn anew by seed, phase and step.

All rows are alike. Drawing them by their error, as a start of k-means does, fills columns with outliers in many dimensions: on
whitened patches such units were as idle as before.

It is done at the end of each look at a phase's health but the last: a pass through the data, at least 25 steps. The log and
metrics.jsonl (``resampled``) say which units when, a line at the phase's end how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from factorgraph.compile.resampled import Columns, resampled
from factorgraph.data.order import order
from factorgraph.lazy import np

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

    from factorgraph.graph.model import Id
    from factorgraph.training.sides import Side, Stretch
    from factorgraph.training.watch import Watch

Given = Callable[["ndarray"], Mapping["Id", "Tensor"]]  # the variables of some training rows


class Resampling:
    """The dead units of a phase whose columns can be replaced. ``present``: of variables that rows lack, who has them."""

    def __init__(self, stretch: Stretch, sides: Sequence[Side], present: Mapping[str, ndarray]):
        self.stretch, self.sides, self.present = stretch, sides, present
        self.graph = stretch.view.graph
        trained = [address for each in stretch.plans for address in each.parameters]
        self.columns = resampled(self.graph, trained, [key for each in stretch.plans for key in each.procedures])

    def act(self, watch: Watch, step: int, given: Given) -> dict[str, list[int]]:
        """Replace what the look has found dead. Returns the units by function, for the log. This waits for the device."""
        found = {}
        for each in self.columns:
            units = _dead(watch, each)
            rows = self._rows(each, step)[: len(units)]
            if len(rows):
                found[each.function] = units[: len(rows)]
                self._write(each, found[each.function], given(rows)[each.written])
        return found

    def _rows(self, columns: Columns, step: int) -> ndarray:
        """The training rows that the phase draws from, and that have what is written, in an order of this step's own."""
        rows = np.arange(self.stretch.rows) if self.stretch.among is None else self.stretch.among
        has = self.present.get(self.graph.variables[columns.written].name)
        rows = rows if has is None else rows[has[rows]]
        purpose = f"resample {self.stretch.id} {' '.join(columns.latents)}"  # functions of one variable get parts of one row
        found: ndarray = rows[order(self.stretch.view.model.spec.seed, purpose, step, len(rows))]
        return found

    def _write(self, columns: Columns, units: list[int], rows: Tensor) -> None:
        """Put rows in the place of columns, on the function's constraints, and forget what the optimizer remembers of them."""
        owner = f"functions.{columns.function}"
        tensors = self.stretch.view.model.tensors()[owner]
        with torch.no_grad():
            matrix = tensors["matrix"]
            bias = tensors["bias"].flatten() if "bias" in tensors else 0
            matrix[:, torch.tensor(units, device=matrix.device)] = (rows.flatten(1) - bias).to(matrix.dtype).T
            self.graph.functions[columns.function].leaf.project(tensors)
        for side in self.sides:
            side.forget(f"{owner}.matrix", units)


def in_words(changed: Mapping[str, Sequence[int]]) -> str:
    """What one look has changed: ``new columns for units 3, 17 of decoder``."""
    return "; ".join(f"new columns for units {', '.join(map(str, units))} of {key}" for key, units in changed.items())


def in_all(rows: Iterable[Mapping[str, Any]], phase: str) -> Iterator[str]:
    """What a phase has changed in all, from the rows of metrics.jsonl: a sentence for each function."""
    looks: dict[str, dict[int, int]] = {}  # function -> step -> units
    for row in rows:
        for key, units in row.get("resampled", {}).items() if row.get("phase") == phase else ():
            looks.setdefault(key, {})[row["step"]] = len(units)
    for key, counts in looks.items():
        when = f"step {min(counts)}" if len(counts) == 1 else f"{len(counts)} looks, steps {min(counts)} to {max(counts)}"
        many = sum(counts.values())
        yield f"phase {phase}: {many} dead unit{'s' * (many > 1)} of {key} got new columns ({when})"


def _dead(watch: Watch, columns: Columns) -> list[int]:
    """The units that are dead in every variable that the function is applied to."""
    masks = [each for latent in columns.latents if (each := watch.dead(latent)) is not None]
    if not masks:
        return []
    found: list[int] = torch.stack(masks).all(0).cpu().nonzero()[:, 0].tolist()
    return found
