"""What lies between a source's fields and a model's variables: names bound, steps fitted, shapes made to fit."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorgraph.data import chain as chains
from factorgraph.data.chain import Chain
from factorgraph.data.model import SourceLeaf, StepLeaf
from factorgraph.errors import DataError, Issue, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape, ShapeError

if TYPE_CHECKING:
    from factorgraph.data.model import Array

LABEL: Shape = ()  # of a field with one whole number a sample; it is never prepared


@dataclass(frozen=True)
class Preparation:
    """``bind``: variable -> field. ``shapes``: variable -> shape. ``chains``: field -> its fitted steps; labels have none."""

    source: SourceLeaf
    bind: Mapping[str, str]
    shapes: Mapping[str, Shape]
    chains: Mapping[str, Chain]

    @property
    def chain(self) -> Chain:
        """The chain of the only prepared field, or of the one that pictures are cut for."""
        geometry = self.source.geometry()
        if geometry is not None and geometry.field in self.chains:
            return self.chains[geometry.field]
        assert len(self.chains) == 1, f"several fields are prepared ({', '.join(self.chains)}): name the variable"
        return next(iter(self.chains.values()))

    def chain_of(self, variable: str) -> Chain | None:
        """The chain that a variable's samples went through; None for labels."""
        return self.chains.get(self.bind[variable])

    def variables_of(self, field: str) -> tuple[str, ...]:
        return tuple(variable for variable, bound in self.bind.items() if bound == field)

    def to_variable(self, variable: str, prepared: Array) -> Array:
        """A prepared field (rows, *shape) in the shape of the variable: flattened, or a label as one of its units. FG505."""
        shape = self.shapes[variable]
        if prepared.ndim == 1 and prepared.dtype.kind == "i" and len(shape) == 1:
            return _one_hot(prepared, shape[0], variable, self.bind[variable])
        return prepared.reshape(len(prepared), *shape).astype(np.float32, copy=False)

    def to_tensors(self) -> dict[str, Array]:
        """For the run folder: ``image/2.whiten.matrix``."""
        return {f"{field}/{name}": each for field, chain in self.chains.items() for name, each in chain.to_tensors().items()}


def stored_chains(tensors: Mapping[str, Array], steps: Sequence[StepLeaf]) -> dict[str, Chain]:
    """The chains that ``to_tensors`` wrote, by field. DataError FG519."""
    by_field: dict[str, dict[str, Array]] = {}
    for name, each in tensors.items():
        field, _, rest = name.rpartition("/")
        by_field.setdefault(field, {})[rest] = each
    return {field: chains.from_tensors(each, steps) for field, each in by_field.items()}


def stored_preparation(spec: Any, shapes: Mapping[str, Shape], tensors: Mapping[str, Array]) -> Preparation:
    """The preparation of a finished run, without reading its data."""
    block = spec.data.first
    return Preparation(block.source, dict(block.bind), dict(shapes), stored_chains(tensors, tuple(block.prepare)))


def check_block(block: Any, shapes: Mapping[str, Shape]) -> list[Issue]:
    """What can be said of a data block before anything is read: fields that do not exist, shapes that do not fit."""
    fields = block.source.fields()
    return [] if not fields else check_binding(block.bind, block.prepare, shapes, fields)


def check_binding(
    bind: Mapping[str, str], steps: Sequence[StepLeaf], shapes: Mapping[str, Shape], fields: Mapping[str, Shape]
) -> list[Issue]:
    """FG506 for each unknown field, FG505 for each shape that does not fit its variable."""
    found = []
    for variable, field in bind.items():
        at = ("data", "bind", variable)
        if field not in fields:
            near = difflib.get_close_matches(field, fields, n=1)
            text = f"did you mean {near[0]}?" if near else "name one of these"
            replacement = near[0] if near else None
            why = f"the data have no field {field}"
            found.append(issue("FG506", why, at, allowed=", ".join(fields), fix=text, replacement=replacement))
        elif variable in shapes:
            why_not = _misfit(variable, shapes[variable], field, fields[field], steps)
            found += [issue("FG505", why_not, at, fix="make the variable's shape that of the field")] if why_not else []
    return found


def _misfit(variable: str, shape: Shape, field: str, given: Shape, steps: Sequence[StepLeaf]) -> str:
    """A sentence, or nothing where the field fits."""
    if given == LABEL:
        return "" if len(shape) <= 1 else f"{variable} has the shape {list(shape)}, but {field} is a label: [], or [classes]"
    try:
        prepared = chains.prepared_shape(steps, given)
    except ShapeError as why:
        return f"{field} of shape {list(given)} cannot be prepared: {why}"
    if prepared == shape or (len(shape) == 1 and math.prod(prepared) == shape[0]):
        return ""
    after = f", {list(prepared)} after prepare," if prepared != given else ""
    return f"{variable} has the shape {list(shape)}, but its field {field} has {list(given)}{after} and cannot be flattened to it"


def _one_hot(labels: Array, classes: int, variable: str, field: str) -> Array:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        why = f"{field} holds the label {wrong[0]}, but {variable} has {classes} classes, counted from 0"
        raise DataError(issue("FG505", why, ("data", "bind", variable), fix="make the variable's shape [number of classes]"))
    return np.eye(classes, dtype=np.float32)[labels]
