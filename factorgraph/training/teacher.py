"""Teachers that a phase leaves as they are: their codes of all training rows, found once and kept by row.

A code is kept where it is a function of the row alone: then what a batch reads is what solving for it would give. The run holds
them, in ``cache/``, under a fingerprint of all that the teacher reads, so that a run that goes on sees the very same codes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.procedures import Found, Inference
from factorgraph.compile.warm import remembered
from factorgraph.errors import RunError
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.inference.problem import CONVERGED
from factorgraph.lazy import np
from factorgraph.losses._loss import LossLeaf
from factorgraph.run.files import in_words
from factorgraph.run.folder import RunFolder, fit_name
from factorgraph.spec.references import standing_for
from factorgraph.training.sides import Stretch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.data.dataset import Dataset
    from factorgraph.data.model import Array

ROWS_AT_ONCE = 1000  # always the same, so that codes that are found again are the same
LARGEST = 2**30  # bytes of one teacher's codes; sealing them takes some copies more
SECONDS = 10.0  # between two words on how far it is
ENDS = ("status", "steps", "certificate")
PRINT = "fingerprint"

Solve = Callable[[tuple[str, ...], slice], Mapping[str, Found]]  # what procedures find for some training rows, on any device
Say = Callable[[str], None]


@dataclass(frozen=True)
class Teacher:
    """A procedure that losses of a phase imitate, at every slot that its name stands for."""

    name: str
    stretch: Stretch

    @cached_property
    def inferences(self) -> dict[str, Inference]:
        known = self.stretch.view.inferences
        return {key: known[key] for key in standing_for(self.name, known)}

    @property
    def title(self) -> str:
        return f"phase {self.stretch.id}, teacher {self.name}"

    @property
    def graph(self) -> Graph:
        return self.stretch.view.graph

    @cached_property
    def plans(self) -> tuple[ProcedurePlan, ...]:
        return tuple(each.plan for each in self.inferences.values())

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """Ids of the factors in the energies that it makes small, or is unrolled from."""
        searching = (each.plan.factors for each in self.inferences.values() if each.method.searches)
        return tuple(dict.fromkeys(key for keys in searching for key in keys if self.graph.factors[key].weight != 0))

    @cached_property
    def values(self) -> frozenset[Id]:
        """All values of the graph that it reads."""
        written = [key for each in self.inferences.values() for field in each.reads.values() for key in field.values()]
        return self.graph.leading_to([*written, *(key for each in self.factors for key in self.graph.factors[each].arguments)])

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """Ids of the functions that it reads."""
        applied = (self.graph.values[key] for key in sorted(self.values))
        return tuple(dict.fromkeys(each.function for each in applied if isinstance(each, Application)))

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """Owners of the parameters that it reads."""
        keys = (("functions", self.functions), ("factors", self.factors), ("inference", self.inferences))
        return tuple(f"{block}.{key}" for block, each in keys for key in each)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The codes' names in the run's file, and the shape of one."""
        return {f"{plan.id}/{key}": self.graph.variables[key].shape for plan in self.plans for key in plan.block}

    def varies(self, data: Dataset) -> str:
        """Why its code is not a function of the row alone while the phase goes on, or nothing."""
        for plan, each in zip(self.plans, self.inferences.values(), strict=True):
            if each.method.sums:
                return f"{plan.id} sums, and what it leaves is no code"
            if remembered(self.graph, plan, each.method):
                return f"{plan.id} starts at the row's previous code"
        for owner in self.owners:
            if owner in self.stretch.trained:
                return f"the phase trains {owner}"
        for key in self.functions:
            leaf = self.graph.functions[key].leaf
            if not leaf.by_row or (leaf.learns_apart and key in self.stretch.learned):
                return f"{key} sees more than the row"
        inferred = {key for plan in self.plans for key in plan.block}
        augmented = {variable for each in data.augmented for variable in data.preparation.variables_of(each.column)}
        for key in sorted(self.values & self.graph.variables.keys()):
            variable = self.graph.variables[key]
            if variable.name in augmented:
                return f"{variable.name} is augmented"
            if variable.kind == "noise" or (variable.kind == "latent" and key not in inferred):
                return f"it reads {key}, which the row does not tell"
        return ""

    def unfit(self, data: Dataset) -> str:
        """Why its codes are not kept although they could be, or nothing."""
        rows, size = data.rows(), self.stretch.phase.batch_size
        asked = self.stretch.steps * (self.stretch.rows if isinstance(size, str) else size)
        if asked <= rows:
            return f"the phase asks for {asked} codes, and there are {rows} rows"
        needed = rows * 4 * sum(prod(shape) for shape in self.shapes.values())
        return f"{rows} rows need {in_words(needed)}, more than the {in_words(LARGEST)} that are kept" if needed > LARGEST else ""

    def fingerprint(self, data: Dataset, precision: str) -> str:
        """SHA-256 of everything that its codes depend on: plan, leaves, parameters, rows."""
        graph, tensors = self.graph, self.stretch.view.model.tensors()
        told = [precision, *(json.dumps(asdict(each), sort_keys=True) for each in self.plans)]
        told += [f"{each.method!r} {each.reads!r}" for each in self.inferences.values()]
        told += [f"{key} {graph.functions[key].leaf!r}" for key in self.functions]
        told += [f"{key} {graph.factors[key].arguments} {graph.factors[key].leaf!r}" for key in self.factors]
        told += [f"{key} {float(self.stretch.view.program.weight(key, tensors))!r}" for key in self.factors]
        digest = hashlib.sha256("\n".join(told).encode())
        for owner in self.owners:
            for name, each in sorted(tensors.get(owner, {}).items()):
                _add(digest, f"{owner}.{name}", each.detach().cpu().numpy())
        for name in sorted({self.graph.variables[key].name for key in self.values & graph.variables.keys()} & data.train.keys()):
            _add(digest, name, data.train[name])
        return digest.hexdigest()


class HaltedError(Exception):
    """Somebody asked to stop before all codes were found."""


@dataclass(frozen=True)
class Keeper:
    """What finds the codes of a run's teachers, or reads them from where it has put them."""

    data: Dataset
    folder: RunFolder
    precision: str
    solve: Solve
    say: Say
    stopped: Callable[[], bool]

    def codes(self, stretch: Stretch) -> dict[str, Found]:
        """What procedures found for every training row, on the CPU, of the teachers whose codes are kept. Raises HaltedError."""
        found: dict[str, Found] = {}
        for teacher in teachers(stretch):
            if why := teacher.varies(self.data):
                self.folder.log(f"{teacher.title}: solved for each batch, as {why}")
            elif why := teacher.unfit(self.data):
                self._tell(f"{teacher.title}: solved for each batch, as {why}")
            else:
                found.update(self._kept(teacher))
        return found

    def _kept(self, teacher: Teacher) -> dict[str, Found]:
        file = f"cache/teacher-{fit_name(teacher.name)}.safetensors"
        mark = np.frombuffer(bytes.fromhex(teacher.fingerprint(self.data, self.precision)), np.uint8)
        found = self._stored(teacher, file, mark)
        if found is None:
            found = self._found(teacher)
            self.folder.write_arrays(file, {**_to_arrays(found), PRINT: mark})
        self._tell(f"{teacher.title}: {_sentence(teacher, found)}, in {file}")
        return found

    def _stored(self, teacher: Teacher, file: str, mark: Array) -> dict[str, Found] | None:
        """The codes that the run holds, if they are of what the teacher reads now."""
        if not self.folder.has(file):
            return None
        try:
            arrays = self.folder.read_arrays(file)
        except RunError as error:
            self.folder.log(f"{error.issues[0].message}; the codes are found again")
            return None
        same = np.array_equal(arrays.pop(PRINT, np.zeros(0)), mark)
        return _from_arrays(teacher, arrays) if same and _fits(teacher, arrays, self.data.rows()) else None

    def _found(self, teacher: Teacher) -> dict[str, Found]:
        rows = self.data.rows()
        parts: dict[str, list[Found]] = {key: [] for key in teacher.inferences}
        said = time.monotonic()
        self.say(f"{teacher.title}: finding its codes of {rows} rows, once")
        for begin in range(0, rows, ROWS_AT_ONCE):
            if self.stopped():
                raise HaltedError
            for key, each in self.solve(tuple(parts), slice(begin, begin + ROWS_AT_ONCE)).items():
                parts[key].append(_changed(each, lambda some: (some.float() if some.is_floating_point() else some).cpu()))
            if time.monotonic() - said > SECONDS:
                said = time.monotonic()
                self.say(f"{teacher.title}: {min(begin + ROWS_AT_ONCE, rows)} of {rows} rows")
        return {key: _joined(each) for key, each in parts.items()}

    def _tell(self, text: str) -> None:
        self.folder.log(text)
        self.say(text)


def teachers(stretch: Stretch) -> Iterator[Teacher]:
    """What the losses of a phase take as right, each name once."""
    leaves = [term.loss for side in stretch.phase.sides().values() for term in side.loss.values()]
    names = dict.fromkeys(name for each in leaves if isinstance(each, LossLeaf) for name in each.teachers())
    yield from (Teacher(name, stretch) for name in names)


def of_rows(codes: Mapping[str, Found], rows: Array, device: str) -> dict[str, Found]:
    """The codes of some training rows, as a batch on a device reads them."""
    index = torch.tensor(rows)
    return {key: _changed(each, lambda every: every[index].to(device, non_blocking=True)) for key, each in codes.items()}


def _sentence(teacher: Teacher, found: Mapping[str, Found]) -> str:
    """How many codes are as right as they should be."""
    ends = [each.status for each in found.values() if each.status is not None]
    count = len(next(iter(next(iter(found.values())).values.values())))
    wanted = [end for each in teacher.inferences.values() if (end := float(getattr(each.method, "tolerance", 0))) > 0]
    if not ends or not wanted:
        return f"{count} codes"
    late = float((torch.stack(ends) != CONVERGED).any(0).double().mean())
    return f"{count} codes, {100 * late:.3g} % of them further from the minimum than the tolerance {max(wanted):g}"


def _fits(teacher: Teacher, arrays: Mapping[str, Array], rows: int) -> bool:
    """Whether these are codes of so many rows."""
    wanted = {name: (rows, *shape) for name, shape in teacher.shapes.items()}
    ends = {f"{key}:{end}" for key in teacher.inferences for end in ENDS}
    named = wanted.keys() <= arrays.keys() <= wanted.keys() | ends
    return named and all(each.shape == wanted.get(name, (rows,)) for name, each in arrays.items())


def _to_arrays(found: Mapping[str, Found]) -> dict[str, Array]:
    codes = {f"{key}/{name}": each.numpy() for key, one in found.items() for name, each in one.values.items()}
    ends = {f"{key}:{end}": each.numpy() for key, one in found.items() for end, each in _ends(one).items()}
    return {**codes, **ends}


def _from_arrays(teacher: Teacher, arrays: Mapping[str, Array]) -> dict[str, Found]:
    tensors: dict[str, Any] = {name: torch.from_numpy(each) for name, each in arrays.items()}
    return {
        plan.id: Found(
            {key: tensors[f"{plan.id}/{key}"] for key in plan.block},
            **{end: tensors[name] for end in ENDS if (name := f"{plan.id}:{end}") in tensors},
        )
        for plan in teacher.plans
    }


def _ends(found: Found) -> dict[str, Tensor]:
    return {end: each for end in ENDS if (each := getattr(found, end)) is not None}


def _changed(found: Found, change: Callable[[Tensor], Tensor]) -> Found:
    values = {key: change(each) for key, each in found.values.items()}
    ends: dict[str, Any] = {end: change(each) for end, each in _ends(found).items()}
    return Found(values, **ends)


def _joined(parts: list[Found]) -> Found:
    values = {key: torch.cat([each.values[key] for each in parts]) for key in parts[0].values}
    ends: dict[str, Any] = {end: torch.cat([getattr(each, end) for each in parts]) for end in _ends(parts[0])}
    return Found(values, **ends)


def _add(digest: Any, name: str, array: Array) -> None:
    digest.update(f"{name} {array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
