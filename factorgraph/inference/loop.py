"""The one loop that runs every iterative solver, and the one door to every solver.

A block of iterations runs without a look at a value, so that a GPU is never waited for. Between blocks each row is judged: it is
frozen once its certificate meets the tolerance or it stops being finite, and frozen rows leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

from factorgraph.inference.certificate import certifier
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Minimum, Problem
from factorgraph.inference.rows import choose, finite, flat, readable
from factorgraph.inference.solvers._kinds import Compiled, Direct, Iterative, Recordable, State
from factorgraph.inference.solvers._steps import step_length
from factorgraph.kernels import fista as kernel
from factorgraph.lazy import torch
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor

CHECK_EVERY = 10  # iterations: a check costs about as much as one
Run = Callable[[State], State]
Advance = Callable[[Run, State], State]
TILE = 2**18  # numbers of a code that are searched together on a CPU: 1 MiB of float32, five of which a step goes through
COMPACT_BELOW = 0.75  # share of rows still open at which copying them out is cheaper than carrying the frozen ones along


def solve(solver: Solver, problem: Problem, steps: int, tolerance: float) -> Minimum:
    """The minimum of each row as far as ``steps`` iterations go, without recording gradients.

    A row stops early when its certificate is below ``tolerance``, looked at every ``CHECK_EVERY`` iterations, or as often as a
    kernel does; with a tolerance of 0 none does. A row that stops being finite keeps the last code that was seen finite, or its
    start. Direct solvers count as one step.
    """
    with torch.no_grad():
        if len(problem.start) == 0:
            return _unmoved(problem.start)
        if isinstance(solver, Direct):
            return _direct(solver, problem, steps)
        if isinstance(solver, Compiled) and steps > 0 and (found := solver.search(problem, steps, tolerance)) is not None:
            return found
        if problem.fused and (found := _fused(problem, steps, tolerance)) is not None:
            return found
        assert isinstance(solver, Iterative), f"the solver {solver.type} is neither direct nor iterative"
        tiles = [_iterate(solver, each, steps, tolerance, lambda run, state: run(state)) for each in _tiles(problem)]
        return tiles[0] if len(tiles) == 1 else _together(tiles)


def record(solver: Recordable, problem: Problem, steps: int, tolerance: float, advance: Advance) -> Minimum:
    """The same minimum with gradients through all steps that were taken, to what the problem was made of. No row leaves.

    ``advance`` runs the beginning, and ``CHECK_EVERY`` steps at a time, on a state, and gives the next: it may record less.
    """
    if len(problem.start) == 0:
        return _unmoved(problem.start)
    return _iterate(solver, replace(problem, take=None, fused=False), steps, tolerance, advance)


def _tiles(problem: Problem) -> Iterator[Problem]:
    """The problem for as many rows at a time as a processor's cache holds, where steps are products with one Hessian."""
    start, quadratic = problem.start, problem.quadratic
    rows = max(TILE // max(start[0].numel(), 1), 1)
    shared = quadratic is not None and not quadratic.apart
    if problem.take is None or not shared or start.device.type != "cpu" or len(start) < 2 * rows:
        yield problem
        return
    for begin in range(0, len(start), rows):
        yield problem.take(torch.arange(begin, min(begin + rows, len(start))))


def _together(tiles: Sequence[Minimum]) -> Minimum:
    """What was found for all rows of a batch, from what was found for some at a time."""
    parts = ([getattr(each, part.name) for each in tiles] for part in fields(Minimum))
    return Minimum(*map(torch.cat, parts))


def _unmoved(start: Tensor) -> Minimum:
    """The start as a result of no steps; what is not finite in it becomes 0."""
    batch = len(start)
    return Minimum(
        z=torch.where(torch.isfinite(start), start, torch.zeros_like(start)),
        status=torch.full((batch,), OUT_OF_STEPS, device=start.device),
        steps=torch.zeros(batch, dtype=torch.int64, device=start.device),
        certificate=start.new_full((batch,), torch.inf),
    )


def _direct(solver: Direct, problem: Problem, steps: int) -> Minimum:
    found = _unmoved(problem.start)
    if steps == 0:
        return found
    z = solver.minimise(problem)
    return _judge(found, z, z.new_zeros(len(z)), taken=1, tolerance=torch.inf)


def _iterate(solver: Iterative, problem: Problem, steps: int, tolerance: float, advance: Advance) -> Minimum:
    state = advance(lambda given: solver.begin(replace(problem, start=given[0])), (problem.start,))
    several, certify = _several(solver, problem), certifier(problem)
    found = _unmoved(problem.start)  # of the rows in the loop
    whole, rows = found, torch.arange(len(problem.start), device=problem.start.device)
    taken = 0
    while True:
        size = min(CHECK_EVERY, steps - taken)
        state = advance(partial(several, size), state)
        taken += size
        judged = taken == steps or tolerance > 0  # else nobody compares it
        with torch.no_grad():
            sure = certify(state[0], solver.inverse_step(problem, state)) if judged else _only_finite(state)
        found = _judge(found, state[0], sure, taken, tolerance)
        still = _still_open(found) if tolerance > 0 else len(rows)  # else none stops early, and nothing waits
        if taken == steps or not still:
            return _written(whole, rows, found)
        if problem.take is not None and still <= COMPACT_BELOW * len(rows):
            whole = _written(whole, rows, found)
            kept = (found.status == OUT_OF_STEPS).nonzero().squeeze(1)
            rows, found, problem = rows[kept], _rows_of(found, kept), problem.take(kept)
            state = tuple(each[kept] for each in state)
            several, certify = _several(solver, problem), certifier(problem)


def _several(solver: Iterative, problem: Problem) -> Callable[[int, State], State]:
    """So many steps in a row."""
    step = solver.stepper(problem)

    def run(size: int, state: State) -> State:
        for _ in range(size):
            state = step(state)
        return state

    return run


def _fused(problem: Problem, steps: int, tolerance: float) -> Minimum | None:
    """The whole search by a kernel on the device, which nobody waits for; ``None`` where it does not serve."""
    quadratic, rest, start = problem.quadratic, problem.rest, problem.start
    assert quadratic is not None and not quadratic.apart and (rest is None or rest.l1 is not None), "what is planned as fused"
    weight = None if rest is None or rest.l1 is None else rest.l1.expand(start.shape[1:]).reshape(-1)
    nonnegative = rest is not None and rest.nonnegative
    given = (quadratic.hessian, quadratic.linear, quadratic.constant, weight, flat(start), step_length(problem))
    found = kernel.search(*given, problem.squares, nonnegative, steps, tolerance)
    return None if found is None else Minimum(found.code.view(start.shape), found.status, found.steps, found.certificate)


def _only_finite(state: State) -> Tensor:
    """In place of certificates: 0 for rows of which all is finite, the solver's memory included."""
    sound = torch.stack([finite(each) for each in state]).all(0)
    return torch.where(sound, 0.0, torch.nan)


def _judge(found: Minimum, z: Tensor, sure: Tensor, taken: int, tolerance: float) -> Minimum:
    """Freeze what has converged or is not finite any more; let the rest have moved to ``z``."""
    still = found.status == OUT_OF_STEPS
    sound = finite(z) & torch.isfinite(sure)
    moved = still & sound
    status = torch.where(moved & (sure < tolerance), CONVERGED, found.status)
    return Minimum(
        z=choose(moved, z, found.z),
        status=torch.where(still & ~sound, NOT_FINITE, status),
        steps=torch.where(moved, taken, found.steps),
        certificate=torch.where(moved, sure, found.certificate),
    )


def _still_open(found: Minimum) -> int:
    """Rows that are not frozen: the host's only look; where there are no values, all."""
    return int((found.status == OUT_OF_STEPS).sum()) if readable(found.status) else len(found.status)


def _rows_of(found: Minimum, rows: Tensor) -> Minimum:
    return Minimum(found.z[rows], found.status[rows], found.steps[rows], found.certificate[rows])


def _written(whole: Minimum, rows: Tensor, found: Minimum) -> Minimum:
    """The whole batch with some of its rows replaced."""
    if len(rows) == len(whole.status):
        return found
    return Minimum(
        whole.z.index_copy(0, rows, found.z),
        whole.status.index_copy(0, rows, found.status),
        whole.steps.index_copy(0, rows, found.steps),
        whole.certificate.index_copy(0, rows, found.certificate),
    )
