"""What lies between a source's fields and a model's variables: names bound, steps fitted, shapes made to fit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from factorgraph.data import chain as chains
from factorgraph.data.chain import Chain
from factorgraph.data.model import AugmentationLeaf, Geometry, StepLeaf
from factorgraph.data.pool import LABEL, Blocks, Column, check_columns, columns, relocated
from factorgraph.errors import DataError, Issue, issue
from factorgraph.lazy import np
from factorgraph.spec.suggest import near
from factorgraph.structure import Shape, ShapeError

if TYPE_CHECKING:
    from factorgraph.data.model import Array


@dataclass(frozen=True)
class Preparation:
    """What is known without data. ``bind``: variable -> column; ``shapes``: variable -> shape; ``chains``: column -> its fitted
    steps, labels have none; ``augment``: column -> the last of these steps, which learning leaves to chance.

    ``geometry``: how a picture becomes samples of a column; ``of``: the sources' types, for messages. A column is a field of the
    only source, or of several sources one field of each.
    """

    of: str
    geometry: Geometry | None
    bind: Mapping[str, str]
    shapes: Mapping[str, Shape]
    chains: Mapping[str, Chain]
    augment: Mapping[str, tuple[AugmentationLeaf, ...]] = dataclasses.field(default_factory=dict)

    @property
    def chain(self) -> Chain:
        """The chain of the only prepared column, or of the one that pictures are cut for."""
        if self.geometry is not None and self.geometry.field in self.chains:
            return self.chains[self.geometry.field]
        assert len(self.chains) == 1, f"several fields are prepared ({', '.join(self.chains)}): name the variable"
        return next(iter(self.chains.values()))

    def chain_of(self, variable: str) -> Chain | None:
        """The chain that a variable's samples went through; None for labels."""
        return self.chains.get(self.bind[variable])

    def without_chance(self, column: str, x: Array) -> Array:
        """What a column's augmentations make of prepared rows where nothing is left to chance: in measuring and inference."""
        if column not in self.chains:
            return x
        chain = self.chains[column]
        _, last = chain.parted(len(chain.steps) - len(self.augment.get(column, ())))
        return x if last.prepared_shape == last.shape else last.apply(x)[0]

    def variables_of(self, field: str) -> tuple[str, ...]:
        return tuple(variable for variable, bound in self.bind.items() if bound == field)

    def to_variable(self, variable: str, prepared: Array, has: Array | None = None) -> Array:
        """A prepared column (rows, *shape) in the shape of the variable: flattened, or a label as one of its units. FG505.

        ``has``: which rows have it, (rows,) bool; those of the others are 0.
        """
        shape = self.shapes[variable]
        if has is not None:
            found = np.zeros((len(prepared), *shape), dtype=np.float32)
            found[has] = self.to_variable(variable, prepared[has])
            return found
        if prepared.ndim == 1 and prepared.dtype.kind == "i" and len(shape) == 1:
            return _one_hot(prepared, shape[0], variable, self.bind[variable])
        return prepared.reshape(len(prepared), *shape).astype(np.float32, copy=False)

    def to_tensors(self) -> dict[str, Array]:
        """For the run folder: ``image/2.whiten.matrix``."""
        return {f"{field}/{name}": each for field, chain in self.chains.items() for name, each in chain.to_tensors().items()}


def stored_chains(tensors: Mapping[str, Array], known: Mapping[str, Column]) -> dict[str, Chain]:
    """The chains that ``to_tensors`` wrote, by column. DataError FG519."""
    by_column: dict[str, dict[str, Array]] = {}
    for name, each in tensors.items():
        column, _, rest = name.rpartition("/")
        by_column.setdefault(column, {})[rest] = each
    return {name: chains.from_tensors(each, known[name].steps if name in known else ()) for name, each in by_column.items()}


def stored_preparation(spec: Any, shapes: Mapping[str, Shape], tensors: Mapping[str, Array]) -> Preparation:
    """The preparation of a finished run, without reading its data."""
    blocks = spec.data.blocks
    return preparation_of(blocks, shapes, stored_chains(tensors, columns(blocks)[1]))


def preparation_of(blocks: Blocks, shapes: Mapping[str, Shape], fitted: Mapping[str, Chain]) -> Preparation:
    """How the samples of some sources are prepared, with fitted chains by column."""
    bind, known = columns(blocks)
    sources: dict[str, Any] = {name: block.source for name, block in blocks.items()}
    of = ", ".join(dict.fromkeys(each.type for each in sources.values()))
    augment = {column.name: column.augment for column in known.values() if column.augment and column.name in fitted}
    return Preparation(of, _geometry(sources, known), bind, dict(shapes), fitted, augment)


def _geometry(sources: Mapping[str, Any], known: Mapping[str, Column]) -> Geometry | None:
    """How pictures become samples: as for the first source that cuts them for a column."""
    for name, source in sources.items():
        geometry: Geometry | None = source.geometry()
        for column in known.values():
            if geometry is not None and column.fields.get(name) == geometry.field:
                return replace(geometry, field=column.name)
    return None


def check_data(blocks: Blocks, shapes: Mapping[str, Shape]) -> list[Issue]:
    """What can be said of all sources before anything is read."""
    found = list(check_columns(blocks))
    for name, block in blocks.items():
        found += relocated(name, check_block(block, shapes))
    return found


def check_block(block: Any, shapes: Mapping[str, Shape]) -> list[Issue]:
    """What can be said of one source before anything is read: fields that do not exist, shapes that do not fit."""
    fields = block.source.fields()
    return [] if not fields else check_binding(block.bind, (*block.prepare, *block.augment), shapes, fields)


def check_binding(
    bind: Mapping[str, str], steps: Sequence[StepLeaf], shapes: Mapping[str, Shape], fields: Mapping[str, Shape]
) -> list[Issue]:
    """FG506 for each unknown field, FG505 for each shape that does not fit its variable."""
    found = []
    for variable, field in bind.items():
        at = ("data", "bind", variable)
        if field not in fields:
            replacement = near(field, fields)
            text = f"did you mean {replacement}?" if replacement else "name one of these"
            why = f"the data have no field {field}"
            found.append(issue("FG506", why, at, allowed=", ".join(fields), fix=text, replacement=replacement))
        elif variable in shapes:
            why_not, fix = _misfit(variable, shapes[variable], field, fields[field], steps)
            found += [issue("FG505", why_not, at, fix=fix)] if why_not else []
    return found or _nothing_to_augment([fields[field] for field in bind.values()], steps)


def _nothing_to_augment(given: Sequence[Shape], steps: Sequence[StepLeaf]) -> list[Issue]:
    """FG540 where there are augmentations and no field is a picture when they come."""
    first = next((number for number, step in enumerate(steps) if isinstance(step, AugmentationLeaf)), None)
    prepared = [chains.prepared_shape(steps[:first], shape) if shape != LABEL else LABEL for shape in given]
    if first is None or any(len(shape) > 1 for shape in prepared):
        return []
    shapes = ", ".join(str(list(shape)) for shape in prepared)
    why = f"augment changes pictures, and no field that is bound is one after prepare: {shapes}"
    fix = "take augment out, or the step that flattens pictures, such as {whiten: {kept: 100}}"
    return [issue("FG540", why, ("data", "augment"), fix=fix)]


def _misfit(variable: str, shape: Shape, field: str, given: Shape, steps: Sequence[StepLeaf]) -> tuple[str, str]:
    """A sentence and how to mend it, or nothing where the field fits: as it is, flattened, or but for axes of length 1."""
    if given == LABEL:
        why = f"{variable} has the shape {list(shape)}, but {field} is a label"
        return ("", "") if len(shape) <= 1 else (why, "write shape: [], or [classes] with domain: one_hot")
    try:
        prepared = chains.prepared_shape(steps, given)
    except ShapeError as reason:
        return f"{field} of shape {list(given)} cannot be prepared: {reason}", "mend the step, or take it out"
    count = math.prod(prepared)
    if _long(prepared) == _long(shape) or (len(shape) == 1 and count == shape[0]):
        return "", ""
    words = "prepare and augment" if isinstance(steps[-1:] and steps[-1], AugmentationLeaf) else "prepare"
    after = f", and after {words} {list(prepared)}" if prepared != given else ""
    colour = len(prepared) == 3 and prepared[0] == 3
    said = f"{field} {'is in colour:' if colour else 'has'} {list(given)}{after}, {count} values"
    fix = " or ".join(dict.fromkeys((f"[{count}]", str(list(prepared)))))
    fix += ", or data.colors: 1 where the source has it" if colour else ""
    why = f"{variable} has the shape {list(shape)}, {math.prod(shape)} values, but its field {said}"
    return why, f"write shape: {fix}"


def _long(shape: Shape) -> Shape:
    """The axes that are longer than 1: what flattening leaves in order."""
    return tuple(each for each in shape if each != 1)


def _one_hot(labels: Array, classes: int, variable: str, field: str) -> Array:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        why = f"{field} holds the label {wrong[0]}, but {variable} has {classes} classes, counted from 0"
        raise DataError(issue("FG505", why, ("data", "bind", variable), fix="make the variable's shape [number of classes]"))
    return np.eye(classes, dtype=np.float32)[labels]
