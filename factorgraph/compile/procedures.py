"""Running a named procedure: what a way to infer is handed, and what it hands back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from factorgraph.compile import through, tiled
from factorgraph.compile.freed import thinned
from factorgraph.compile.later import predicted
from factorgraph.compile.naming import awaited
from factorgraph.compile.network import Network
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.problems import Block, solver_of
from factorgraph.compile.program import Assignment, Program, Tensors, spread
from factorgraph.compile.summed import Sum, Summed
from factorgraph.graph.model import Id
from factorgraph.inference import domains
from factorgraph.inference.loop import solve
from factorgraph.inference.methods._matrix import Layered
from factorgraph.inference.methods._method import Method
from factorgraph.inference.rows import readable, resting
from factorgraph.inference.solvers._kinds import Iterative, Recordable, Summing
from factorgraph.inference.solvers._unrolled import Unrollable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning

CERTAIN = 64  # of a precision's eps: a relative gap that sums over a code's units still tell from rounding


@dataclass(frozen=True)
class Found:
    """What a procedure found. ``status``, ``steps`` and ``certificate`` are (batch,), ``None`` where nothing was searched.

    ``values``: its variables, and what was computed of them on the way.
    """

    values: Mapping[Id, Tensor]  # (batch, *shape) each
    status: Tensor | None = None
    steps: Tensor | None = None
    certificate: Tensor | None = None
    summed: Summed | None = None  # where all values count: the free energy that is left

    def constant(self) -> Found:
        """The same as learning sees what it is not to move."""
        return replace(self, values={key: each.detach() for key, each in self.values.items()})


def worst(found: Iterable[Found]) -> Found:
    """How several searches ended, taken together: by row the worst status, the most steps, the largest certificate."""
    searched = [each for each in found if each.status is not None]
    if len(searched) == 1:
        return replace(searched[0], values={}, summed=None)
    ends: dict[str, Any] = {}
    for name in ("status", "steps", "certificate") if searched else ():
        ends[name] = torch.stack([getattr(each, name) for each in searched]).amax(0)
    return Found({}, **ends)


class Inference:
    """A planned procedure over a program; it keeps nothing between calls."""

    def __init__(self, program: Program, plan: ProcedurePlan, method: Method, reads: Mapping[str, Mapping[Id, Id]]):
        self.plan = plan
        self.method = method
        self.reads = reads  # field ("start", "by") -> variable -> the value that it is given
        self.block = Block(program, plan)
        self.solver = None if plan.solver is None else solver_of(plan)
        self.network: Network | None = None
        if isinstance(method, Layered) and isinstance(self.solver, Unrollable):
            self.network = Network(self.block, self.solver)
        self.sum: Sum | None = None
        if method.sums and isinstance(self.solver, Summing):
            self.sum = Sum(program, plan, self.solver, float(getattr(method, "beta", 1)))
        self.tiling: tiled.Tiling | None = None  # by which tiles a search goes; without any it takes all at once
        self.later: Inference | None = None
        if plan.later is not None:
            self.later = Inference(program, plan.later, method, reads)

    def __deepcopy__(self, memo: object) -> Inference:
        return self

    def limited(self, steps: int, tolerance: float) -> Inference:
        """The same search with another end."""
        other = copy(self)
        other.method = self.method.model_copy(update={"steps": steps, "tolerance": tolerance})
        other.later = self.later.limited(steps, tolerance) if self.later is not None else None
        return other

    def tiled(self, tiling: tiled.Tiling) -> Inference:
        """The same search by tiles."""
        other = copy(self)
        other.tiling = tiling
        other.later = self.later.tiled(tiling) if self.later is not None else None
        return other

    def knowing(self, given: Assignment) -> Inference:
        """The one that these values allow: without the factors that touch what is predicted later, where that is not known."""
        return self if self.later is None or self._seen <= given.keys() else self.later

    @cached_property
    def of_latents(self) -> bool:
        """Whether it fills in latent variables; else it says something of observed ones, as a partition function does."""
        return all(each.kind == "latent" for each in self.block.variables)

    @cached_property
    def _seen(self) -> frozenset[Id]:
        """What is given in training only, and touched by a factor that counts."""
        graph = self.block.program.graph
        return predicted(graph) & graph.leading_to(each for key in self.plan.factors for each in graph.factors[key].arguments)

    @cached_property
    def read(self) -> frozenset[Id]:
        """The values that it reads, and all that these are computed from, but for what moves with what it infers."""
        written = [key for field in self.reads.values() for key in field.values()]
        return self.block.program.graph.leading_to([*written, *(self.block.still if self.method.searches else ())])

    @cached_property
    def waits(self) -> frozenset[Id]:
        """The latent variables that must be known before it runs."""
        return awaited(self.block.program.graph, self.plan, self.method, self.reads)

    def __call__(self, given: Assignment, tensors: Tensors, learning: Learning | None = None) -> Found:
        return self.method.infer(Procedure(self.knowing(given), given, tensors, learning))


class Procedure:
    """One call of an inference: what a method may ask for.

    While learning, what it reads is what the energy reads; in a search, functions of the block itself rest.
    """

    def __init__(self, inference: Inference, given: Assignment, tensors: Tensors, learning: Learning | None = None):
        self.inference, self.given, self.tensors, self.learning = inference, given, tensors, learning

    def read(self, field: str) -> Found:
        """The values of the expressions that the spec wrote in a field, for each variable of the block."""
        return Found(self._read(self.inference.reads.get(field, {})))

    def minimise(self, steps: int, tolerance: float) -> Found:
        """The block's variables at the least energy that the plan's solver finds.

        Found in double precision where the tolerance is below what rounding lets single precision certify.
        """
        block, solver = self.inference.block, self.inference.solver
        assert solver is not None, "the planner gives a solver to every procedure that searches"
        with torch.no_grad():
            start, given, tensors = resting(self._start()), self.given, self.tensors
            usual = start.dtype
            if 0 < tolerance < CERTAIN * torch.finfo(usual).eps:
                start, given = start.double(), _in_double(given)
                tensors = {owner: _in_double(each) for owner, each in tensors.items()}
            if self.inference.tiling is not None:
                own = start.clone() if self.inference.reads.get("start") else start
                minimum, more = tiled.search(block, own, given, tensors, self.inference.tiling, steps, tolerance)
            else:
                minimum, more = solve(solver, block.problem(start, given, tensors, self.learning), steps, tolerance), {}
        values = {key: each.to(usual) for key, each in {**block.split(minimum.z), **more}.items()}
        return Found(values, minimum.status, minimum.steps, minimum.certificate.to(usual))

    def sum_out(self) -> Found:
        """The means of the block's variables where all of its values count, and the free energy that is left."""
        inference, like = self.inference, next(iter(self.given.values()))
        assert inference.sum is not None, "the planner gives such a method a solver that sums"
        summed = inference.sum(self.given, self.tensors, self.learning)
        means = {key: each.to(like.dtype).expand(len(like), *each.shape[1:]) for key, each in summed.mean().items()}
        return Found(means, summed=summed)

    def attach(self, found: Found) -> Found:
        """What was found, with the gradients that a minimum has by the conditions that make it one."""
        if not torch.is_grad_enabled():
            return found
        block = self.inference.block
        z = block.join(found.values).detach()
        still = block.beside(z, self.given, self.tensors, self.learning)
        return replace(found, values=block.split(through.attached(block, z, still, self.tensors, self._dependent)))

    def record(self, steps: int, tolerance: float) -> Found:
        """As ``minimise``, with gradients through all steps."""
        block, solver = self.inference.block, self.inference.solver
        if not torch.is_grad_enabled():
            return self.minimise(steps, tolerance)
        assert isinstance(solver, Recordable), "the planner gives it a solver whose steps can be recorded"
        start = self._start()
        still = block.beside(start, self.given, self.tensors, self.learning)
        minimum = through.recorded(block, solver, start, still, self.tensors, steps, tolerance)
        return Found(block.split(minimum.z), minimum.status, minimum.steps, minimum.certificate)

    def _dependent(self, rows: Tensor) -> None:
        """Rows, (batch,) bool, whose active units depend on each other: counted while learning, told otherwise."""
        if self.learning is not None:
            self.learning.count_dependent(self.inference.plan.id, rows)
        elif readable(rows) and bool(rows.any()):
            warnings.warn(through.dependent(self.inference.plan, int(rows.sum()), len(rows)).message, stacklevel=2)

    def approach(self) -> Iterator[dict[Id, Tensor]]:
        """The block's variables at the start and after each step of the plan's solver, without end: read before the next."""
        solver = self.inference.solver
        assert isinstance(solver, Iterative), "only what goes step by step can be watched"
        with torch.no_grad():
            problem = self.inference.block.problem(self._start().detach(), self.given, self.tensors, self.learning)
            state, step = solver.begin(problem), solver.stepper(problem)
        while True:
            yield self.inference.block.split(state[0])
            with torch.no_grad():
                state = step(state)

    def unroll(self, method: Layered) -> Found:
        """The block's variables after some steps of the plan's solver, with gradients through all of them."""
        network, owner = self.inference.network, f"inference.{self.inference.plan.id}"
        assert network is not None, "the planner gives such a method a solver that has layers"
        own = thinned(method, self.tensors.get(owner, {}))
        z = network(self._start(), self.given, self.tensors, own, method.steps, method.share == "none", self.learning)
        return Found(self.inference.block.split(z))

    def _start(self) -> Tensor:
        like = next(iter(self.given.values()))
        block = self.inference.block
        found = block.project({**self._previous(like), **self._read(self.inference.reads.get("start", {}))})
        others = (each for each in block.variables if each.id not in found)
        return block.join({**found, **{each.id: domains.at_zero(each.domain, like, each.shape) for each in others}})

    def _previous(self, like: Tensor) -> dict[Id, Tensor]:
        """What was found for the same rows when learning last saw them, where the search starts there."""
        known = {} if self.learning is None else self.learning.previous.get(self.inference.plan.id, {})
        return {key: each.to(like.dtype) for key, each in known.items()}

    def _read(self, wanted: Mapping[Id, Id]) -> dict[Id, Tensor]:
        known = self.inference.block.program.values(tuple(wanted.values()), self.given, self.tensors, self.learning)
        like = next(iter(self.given.values()))
        shapes = {each.id: each.shape for each in self.inference.block.variables}
        return {key: spread(known[each], (like.shape[0], *shapes[key])) for key, each in wanted.items()}


def _in_double(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: each.double() if each.is_floating_point() else each for key, each in tensors.items()}
