"""What a phase leaves as it is, of all training rows: codes of teachers and of its own searches, features, found once.

The run holds them, in ``cache/``, under a fingerprint of all that they are computed from, so that a run that goes on sees the
very same numbers, and one whose parameters, data or graph have changed finds them again. What is large stays on the disk.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from shutil import disk_usage
from typing import TYPE_CHECKING, Any

import torch

from factorgraph.compile.kept import Kept, beside, teachers
from factorgraph.compile.procedures import Found
from factorgraph.errors import RunError
from factorgraph.graph.model import Application, Graph, Id, Operation
from factorgraph.inference.problem import CONVERGED
from factorgraph.lazy import np
from factorgraph.run.files import in_words
from factorgraph.run.folder import RunFolder, fit_name
from factorgraph.training.shelf import Shelf
from factorgraph.training.sides import Stretch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.data.dataset import Dataset
    from factorgraph.data.model import Array

ROWS_AT_ONCE = 1000  # always the same, so that what is found again is the same
LARGEST = 2**30  # bytes that are kept in memory under one name, sealing them takes some copies more; beyond they stay on the disk
SHARE = 0.5  # of what the disk has free that may be taken
SECONDS = 10.0  # between two words on how far it is
ENDS = ("status", "steps", "certificate")

Solve = Callable[[Kept, Any], Mapping[str, Found]]  # what procedures find, or values are, for some training rows, on any device
Say = Callable[[str], None]


@dataclass(frozen=True)
class Codes:
    """What is kept of a phase, of the training rows that it draws. ``found``: by procedure; ``features``: by value."""

    found: Mapping[str, Found] = field(default_factory=dict)
    features: Mapping[Id, Tensor] = field(default_factory=dict)
    among: Array | None = None  # which rows these are, in rising order; all of them, if left out

    def of_rows(self, rows: Array, device: str) -> Codes:
        """Those of some training rows, as a batch on a device reads them."""
        if not self.found and not self.features:
            return self
        index = torch.tensor(rows if self.among is None else np.searchsorted(self.among, rows))

        def taken(every: Tensor) -> Tensor:
            return every[index].to(device, non_blocking=True)

        found = {key: _changed(each, taken) for key, each in self.found.items()}
        return Codes(found, {key: taken(each) for key, each in self.features.items()})


def found(kept: Kept, stretch: Stretch, given: Mapping[Id, Tensor]) -> Mapping[str, Found]:
    """What there is to keep of a batch: by procedure, or all values under one name."""
    view = stretch.view
    if not kept.wanted:
        return view.model.run(tuple(kept.named), given, view.inferences)
    known = view.program.values(kept.wanted, given, view.model.tensors())
    return {kept.name: Found({key: known[key] for key in kept.wanted})}


def needed(kept: Kept, stretch: Stretch) -> int:
    """Bytes of all rows."""
    return stretch.rows * 4 * sum(prod(shape) for shape in kept.shapes.values())


def seldom(stretch: Stretch) -> str:
    """Why it is not worth keeping anything, or nothing."""
    asked = stretch.steps * stretch.batch
    return f"the phase asks for {asked} rows, and there are {stretch.rows}" if asked <= stretch.rows else ""


def crowded(kept: Kept, stretch: Stretch, free: int) -> str:
    """Why it cannot be kept although it could, or nothing. ``free``: bytes that the disk can take."""
    size = needed(kept, stretch)
    if size > LARGEST and size > SHARE * free:
        return f"{stretch.rows} rows need {in_words(size)}, and {in_words(free)} are free on the disk"
    return ""


def fingerprint(kept: Kept, stretch: Stretch, data: Dataset, precision: str) -> str:
    """SHA-256 of everything that it depends on: plan, part of the graph, leaves, parameters, rows."""
    graph, tensors = kept.graph, stretch.view.model.tensors()
    told = [precision, *(json.dumps(asdict(each), sort_keys=True) for each in kept.plans)]
    told += [f"{each.method!r} {kept.reads[key]!r}" for key, each in kept.named.items()]
    told += [f"{kept.wanted}", *(_written(graph, key) for key in sorted(kept.values))]
    told += [f"{key} {graph.functions[key].leaf!r}" for key in kept.functions]
    told += [f"{key} {graph.factors[key].arguments} {graph.factors[key].leaf!r}" for key in kept.factors]
    told += [f"{key} {float(stretch.view.program.weight(key, tensors))!r}" for key in kept.factors]
    digest = hashlib.sha256("\n".join(told).encode())
    for owner in kept.owners:
        for name, each in sorted(tensors.get(owner, {}).items()):
            _add(digest, f"{owner}.{name}", each.detach().cpu().numpy())
    for name in sorted({graph.variables[key].name for key in kept.values & graph.variables.keys()} & data.train.keys()):
        _add(digest, name, data.train[name] if stretch.among is None else data.train[name][stretch.among])
    return digest.hexdigest()


def _written(graph: Graph, key: Id) -> str:
    """A value of the graph with what makes it of its arguments."""
    value = graph.values[key]
    made = ""
    if isinstance(value, Application):
        made = f"{value.function}.{value.method}.{value.output}"
    elif isinstance(value, Operation):
        made = value.operator
    return f"{key} = {made}{value.arguments}"


class HaltedError(Exception):
    """Somebody asked to stop before all codes were found."""


@dataclass(frozen=True)
class Keeper:
    """What finds what the phases of a run may keep, or reads it from where it has put it."""

    data: Dataset
    folder: RunFolder
    precision: str
    solve: Solve
    say: Say
    stopped: Callable[[], bool]

    def codes(self, stretch: Stretch) -> Codes:
        """What is kept of every training row that a phase draws, on the CPU. Raises HaltedError."""
        codes: dict[str, Found] = {}
        features: dict[Id, Tensor] = {}
        for kept in self._wanted(stretch):
            title = f"phase {stretch.id}, {kept.title}"
            if why := seldom(stretch):
                self.folder.log(f"{title}: found for each batch, as {why}")
                continue
            each = self._kept(kept, stretch, title)
            if each is None:
                continue
            if kept.wanted:
                features.update(each[kept.name].values)
            else:
                codes.update(each)
        return Codes(codes, features, stretch.among)

    def _wanted(self, stretch: Stretch) -> Iterator[Kept]:
        graph, plans, rest = stretch.view.graph, stretch.planned, stretch.resting
        for each in teachers(graph, plans, stretch.phase):
            if why := each.varies(rest):
                self.folder.log(f"phase {stretch.id}, {each.title}: found for each batch, as {why}")
            else:
                yield each
        yield from beside(graph, plans, stretch.phase, rest)

    def _kept(self, kept: Kept, stretch: Stretch, title: str) -> dict[str, Found] | None:
        """``None`` where the disk has no room; what lies there already needs none, so that a run that goes on has it, too."""
        mapped = tuple(kept.shapes) if needed(kept, stretch) > LARGEST else ()
        shelf = Shelf(self.folder, f"cache/{kept.kind}-{fit_name(kept.name)}", stretch.rows, mapped)
        mark = np.frombuffer(bytes.fromhex(fingerprint(kept, stretch, self.data, self.precision)), np.uint8)
        tensors = self._stored(kept, shelf, mark)
        if tensors is None:
            shelf.clear()
            if why := crowded(kept, stretch, disk_usage(self.folder.path).free):
                self._tell(f"{title}: found for each batch, as {why}")
                return None
            tensors = self._found(kept, stretch, title, shelf)
            shelf.write(tensors, mark)
        each = _of_tensors(kept, tensors)
        self._tell(f"{title}: {_sentence(kept, each)}, in {shelf.place if mapped else shelf.file}")
        return each

    def _stored(self, kept: Kept, shelf: Shelf, mark: Array) -> dict[str, Tensor] | None:
        """What the run holds, if it is of what would be read now."""
        try:
            tensors = shelf.read(mark)
        except RunError as error:
            self.folder.log(f"{error.issues[0].message}; it is found again")
            return None
        return tensors if tensors is not None and _fits(kept, tensors, shelf.rows) else None

    def _found(self, kept: Kept, stretch: Stretch, title: str, shelf: Shelf) -> dict[str, Tensor]:
        rows = np.arange(stretch.rows) if stretch.among is None else stretch.among
        tensors: dict[str, Tensor] = {}
        said = time.monotonic()
        self.say(f"{title}: finding {'them' if kept.wanted else 'its codes'} of {len(rows)} rows, once")
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            if self.stopped():
                raise HaltedError
            for name, each in _to_tensors(self.solve(kept, rows[begin : begin + ROWS_AT_ONCE])):
                if name not in tensors:
                    tensors[name] = shelf.room(name, each)
                tensors[name][begin : begin + len(each)] = each
            if time.monotonic() - said > SECONDS:
                said = time.monotonic()
                self.say(f"{title}: {min(begin + ROWS_AT_ONCE, len(rows))} of {len(rows)} rows")
        return tensors

    def _tell(self, text: str) -> None:
        self.folder.log(text)
        self.say(text)


def _sentence(kept: Kept, found: Mapping[str, Found]) -> str:
    """How much is kept, and of codes how many are as right as they should be."""
    count = len(next(iter(next(iter(found.values())).values.values())))
    if kept.wanted:
        return f"of {count} rows"
    ends = [each.status for each in found.values() if each.status is not None]
    wanted = [end for each in kept.named.values() if (end := float(getattr(each.method, "tolerance", 0))) > 0]
    if not ends or not wanted:
        return f"{count} codes"
    late = float((torch.stack(ends) != CONVERGED).any(0).double().mean())
    return f"{count} codes, {100 * late:.3g} % of them further from the minimum than the tolerance {max(wanted):g}"


def _fits(kept: Kept, tensors: Mapping[str, Tensor], rows: int) -> bool:
    """Whether this is what is wanted, of so many rows."""
    wanted = {name: (rows, *shape) for name, shape in kept.shapes.items()}
    ends = {f"{key}:{end}" for key in kept.named for end in ENDS}
    named = wanted.keys() <= tensors.keys() <= wanted.keys() | ends
    return named and all(each.shape == wanted.get(name, (rows,)) for name, each in tensors.items())


def _to_tensors(found: Mapping[str, Found]) -> Iterator[tuple[str, Tensor]]:
    """What was found, at rest, under the names that it has in files."""
    for key, one in found.items():
        yield from ((f"{key}/{name}", _at_rest(each)) for name, each in one.values.items())
        yield from ((f"{key}:{end}", _at_rest(each)) for end, each in _ends(one).items())


def _of_tensors(kept: Kept, tensors: Mapping[str, Tensor]) -> dict[str, Found]:
    if kept.wanted:
        return {kept.name: Found({key: tensors[f"{kept.name}/{key}"] for key in kept.wanted})}
    ends: dict[str, dict[str, Any]] = {
        plan.id: {end: tensors[name] for end in ENDS if (name := f"{plan.id}:{end}") in tensors} for plan in kept.plans
    }
    return {plan.id: Found({key: tensors[f"{plan.id}/{key}"] for key in plan.block}, **ends[plan.id]) for plan in kept.plans}


def _ends(found: Found) -> dict[str, Tensor]:
    return {end: each for end in ENDS if (each := getattr(found, end)) is not None}


def _at_rest(some: Tensor) -> Tensor:
    return (some.float() if some.is_floating_point() else some).cpu()


def _changed(found: Found, change: Callable[[Tensor], Tensor]) -> Found:
    values = {key: change(each) for key, each in found.values.items()}
    ends: dict[str, Any] = {end: change(each) for end, each in _ends(found).items()}
    return Found(values, **ends)


def _add(digest: Any, name: str, array: Array) -> None:
    digest.update(f"{name} {array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
