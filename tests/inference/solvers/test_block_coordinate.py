"""Variables in turn, from a spec to a code: against closed forms, another library's lasso and trying every value by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch

import factorgraph as fg
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Part, Problem
from factorgraph.inference.solvers._kinds import Direct, Iterative
from factorgraph.inference.solvers.block_coordinate import BlockCoordinate
from tests.compile.specs import TWO_LATENTS, spec

SEARCH = {"method": "argmin", "of": ["A", "B"], "solver": "block_coordinate", "steps": 300, "tolerance": 1e-10}
TURNS = {"inference.optimal": SEARCH}
MIXED = {"variables.B.domain": "one_hot", "inference.optimal": SEARCH}
RIDGE = {"factors.a": {"type": "squared_distance", "between": ["A", 0], "weight": 0.37}}
PRODUCT = """
factorgraph: 1
indices: {t: 2}
variables:
  S: {kind: observed, shape: [9], per: t}
  P: {kind: latent, shape: [3], per: t, domain: nonnegative}
  T: {kind: latent, shape: [4], domain: nonnegative}
functions:
  places: {type: linear, bias: false}
  types: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [S, places(P) * types(T)], weight: 0.5}
  p: {type: l1, of: P, weight: 0.05}
  t: {type: l1, of: T, weight: 0.05}
  near_p: {type: squared_distance, between: [P, 1], weight: 0.37}
  near_t: {type: squared_distance, between: [T, 1], weight: 0.37}
inference:
  optimal:
    {method: argmin, of: [P, T], start: {P: 1, T: 1}, solver: {type: block_coordinate, inner: 10}, steps: 100, tolerance: 1e-6}
"""


def model_of(text: str, changes: dict[str, Any]) -> Any:
    made = spec(text).with_changes(changes, "test") if changes else spec(text)
    return fg.build(made).double()


def rows(count: int = 7, units: int = 6) -> torch.Tensor:
    return 2 * torch.randn(count, units, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def maps(model: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    left, right = (model.tensors()[f"functions.{name}"]["matrix"].detach().numpy() for name in ("left", "right"))
    return left, right


def test_two_quadratic_variables_reach_the_minimum_of_both_in_closed_form() -> None:
    model, y = model_of(TWO_LATENTS, {**RIDGE, **TURNS}), rows()
    assert [(part.block, part.solver) for part in model.plan.procedures["optimal"].parts] == [
        (("A",), {"type": "exact"}),
        (("B",), {"type": "exact"}),
    ]
    found = model.infer(Y=y)
    both, prices = numpy.hstack(maps(model)), numpy.diag([0.37] * 4 + [0.2] * 3)
    known = numpy.linalg.solve(both.T @ both + prices, both.T @ y.numpy().T).T
    numpy.testing.assert_allclose(torch.cat([found["A"], found["B"]], 1).numpy(), known, rtol=1e-7, atol=1e-8)
    assert (found.status == CONVERGED).all() and (found.steps > 10).any()


def test_two_sparse_variables_have_the_energies_of_another_library() -> None:
    lasso = pytest.importorskip("sklearn.linear_model").Lasso
    model, y = model_of(TWO_LATENTS, {**TURNS, "factors.b": {"type": "l1", "of": "B", "weight": 0.3}}), rows(3)
    found = model.infer(Y=y)
    both = numpy.hstack(maps(model))
    other = lasso(alpha=0.3 / (2 * len(both)), fit_intercept=False, tol=1e-12, max_iter=100_000)
    known = torch.stack([torch.tensor(other.fit(both, row.numpy()).coef_) for row in y])
    best = model.energy(Y=y, A=known[:, :4], B=known[:, 4:])
    torch.testing.assert_close(found.energy, best, rtol=1e-8, atol=0)
    torch.testing.assert_close(torch.cat([found["A"], found["B"]], 1), known, rtol=1e-4, atol=1e-5)
    gap = found.energy - best
    assert (gap <= found.certificate * found.energy + 1e-12).all(), "of all variables together it is a duality gap"


def least_of_each(model: Any, y: torch.Tensor) -> torch.Tensor:
    """(rows, choices): the energy at the best A of every choice B, by coordinate descent in plain loops."""
    left, right = maps(model)
    found = numpy.zeros((len(y), 3))
    for row, choice in numpy.ndindex(found.shape):
        target, a = y[row].numpy() - right[:, choice], numpy.zeros(4)
        for _ in range(200):
            for unit in range(4):
                beside = target - left @ a + left[:, unit] * a[unit]
                pull, curve = left[:, unit] @ beside, left[:, unit] @ left[:, unit]
                a[unit] = numpy.sign(pull) * max(abs(pull) - 0.15, 0) / curve
        found[row, choice] = ((target - left @ a) ** 2).sum() + 0.3 * abs(a).sum()
    return torch.from_numpy(found)


@pytest.mark.parametrize("order", [["A", "B"], ["B", "A"]])
def test_a_choice_beside_a_sparse_code_is_the_best_for_that_code_and_the_code_for_that_choice(order: list[str]) -> None:
    model, y = model_of(TWO_LATENTS, {**MIXED, "factors.b.weight": 0, "inference.optimal.of": order}), rows(12)
    left, right = maps(model)
    found, every = model.infer(Y=y), least_of_each(model, y)
    chosen = found["B"].argmax(1)
    torch.testing.assert_close(found.energy, every.gather(1, chosen[:, None]).squeeze(1), rtol=1e-7, atol=1e-9)
    fixed = ((y[:, None] - found["A"][:, None] @ torch.from_numpy(left.T) - torch.from_numpy(right.T)) ** 2).sum(2)
    assert torch.equal(fixed.argmin(1), chosen)
    assert (found.status == CONVERGED).all()


def test_where_choices_are_plain_it_finds_the_best_of_all() -> None:
    model = model_of(TWO_LATENTS, {**MIXED, "inference.optimal.of": ["B", "A"]})
    with torch.no_grad():  # what the choices write is ten times what the code writes, and apart
        model.tensors()["functions.right"]["matrix"].copy_(20 * torch.eye(6, 3))
        model.tensors()["functions.left"]["matrix"].mul_(0.3)
    y, wanted = 0.3 * rows(12), torch.arange(12) % 3
    y = y + 20 * torch.eye(6)[wanted]
    found, every = model.infer(Y=y), least_of_each(model, y)
    assert torch.equal(found["B"].argmax(1), wanted)
    torch.testing.assert_close(found.energy, every.amin(1) + 0.2, rtol=1e-7, atol=1e-9)


def test_bits_beside_real_values_are_the_best_for_each_other() -> None:
    model, y = model_of(TWO_LATENTS, {**RIDGE, "variables.B.domain": "binary"}), rows(20)
    assert [part.solver for part in model.plan.procedures["optimal"].parts] == [{"type": "exact"}, {"type": "enumerate"}]
    found, (left, right) = model.infer(Y=y), maps(model)
    every = numpy.array(list(numpy.ndindex(2, 2, 2)), dtype=float)
    pull = numpy.linalg.solve(left.T @ left + 0.37 * numpy.eye(4), left.T)
    for row in range(20):
        a, b = found["A"][row].numpy(), found["B"][row].numpy()
        numpy.testing.assert_allclose(a, pull @ (y[row].numpy() - right @ b), rtol=1e-7)
        prices = ((y[row].numpy() - left @ a - every @ right.T) ** 2).sum(1) + 0.2 * every.sum(1)
        assert (every[prices.argmin()] == b).all()
    assert len({tuple(each.tolist()) for each in found["B"]}) > 2


def test_factors_of_a_product_are_each_at_their_minimum() -> None:
    model = model_of(PRODUCT, {})
    places, types = (model.tensors()[f"functions.{name}"]["matrix"].detach() for name in ("places", "types"))
    s = 0.6 * rows(5, 18).view(5, 2, 9)
    found = model.infer(S=s)
    assert (found.status == CONVERGED).all() and (found["P[0]"] > 0).any() and (found["T"] > 0).any()
    written = found["T"] @ types.T
    spots = [found[f"P[{t}]"] @ places.T for t in (0, 1)]
    pulls = {"T": sum(((s[:, t] - spots[t] * written) * spots[t]) @ types for t in (0, 1))}
    pulls |= {f"P[{t}]": ((s[:, t] - spots[t] * written) * written) @ places for t in (0, 1)}
    for name, plain in pulls.items():
        pull, on = plain - 0.74 * (found[name] - 1), found[name] > 0
        torch.testing.assert_close(pull[on], torch.full_like(pull[on], 0.05), rtol=0, atol=1e-4)
        assert (pull[~on] <= 0.05 + 1e-4).all()


def test_a_product_never_leaves_zero() -> None:
    changes = {"inference.optimal.start": 0, "factors.near_p.weight": 0, "factors.near_t.weight": 0}
    found = model_of(PRODUCT, changes).infer(S=rows(5, 18).view(5, 2, 9))
    assert not found["T"].any() and not found["P[0]"].any()


@pytest.mark.parametrize("text", [PRODUCT, TWO_LATENTS])
def test_energies_never_rise_on_the_way(text: str) -> None:
    model = model_of(text, {} if text is PRODUCT else MIXED)
    given = {"S": rows(30, 18).view(30, 2, 9)} if text is PRODUCT else {"Y": rows(30)}
    path = model.approach("optimal", **given)
    energies = torch.stack([model.energy(**given, **next(path)).detach() for _ in range(25)])
    assert (energies.diff(dim=0) <= 1e-13 * energies[:-1].abs()).all()
    assert (energies[0] > energies[1]).all()


def test_more_inner_steps_go_farther_in_a_sweep() -> None:
    reached = []
    for inner in (1, 10):
        changes = {"inference.optimal.solver": {"type": "block_coordinate", "inner": inner}, "inference.optimal.steps": 2}
        reached.append(model_of(PRODUCT, changes).infer(S=rows(5, 18).view(5, 2, 9)).energy)
    assert reached[1].sum() < 0.97 * reached[0].sum()


def test_one_row_that_is_not_a_number_disturbs_no_other() -> None:
    model, y = model_of(TWO_LATENTS, MIXED), rows(9)
    clean = model.infer(Y=y)
    y[3, 2] = torch.nan
    found = model.infer(Y=y)
    others = [0, 1, 2, 4, 5, 6, 7, 8]
    assert found.status[3] == NOT_FINITE and found["A"].isfinite().all() and found["B"].isfinite().all()
    torch.testing.assert_close(found["A"][others], clean["A"][others])
    assert torch.equal(found["B"][others], clean["B"][others])


# --- solvers that a sweep must not trust ---------------------------------------------------------------------------------------


class Overshoots(Iterative):
    """Goes half of the way to zero, and then far beyond."""

    type: str = "overshoots"

    def begin(self, problem: Problem) -> tuple[torch.Tensor, ...]:
        return (problem.start.clone(), torch.zeros(len(problem.start)))

    def stepper(self, problem: Problem) -> Callable[[Any], Any]:
        return lambda state: (state[0].mul_(0.5 if (state[1] == 0).all() else -7), state[1] + 1)

    def inverse_step(self, problem: Problem, state: Any) -> torch.Tensor:
        return torch.ones(())


class Broken(Direct):
    """Has no number to give."""

    type: str = "broken"

    def minimise(self, problem: Problem) -> torch.Tensor:
        return torch.full_like(problem.start, torch.nan)


@pytest.mark.parametrize(("solver", "left"), [(Overshoots(), 0.5), (Broken(), 1.0)])
def test_what_ends_higher_than_it_began_is_not_taken(solver: Iterative | Direct, left: float) -> None:
    def alone(z: torch.Tensor) -> Problem:
        return Problem(z, lambda v: v.square().sum(1), lambda v: 2 * v)

    start = torch.tensor([[3.0, -1.0], [2.0, 5.0]])
    whole = Problem(start, lambda z: z.square().sum(1), lambda z: 2 * z, parts=(Part(solver, alone, lambda z, own: own.clone()),))
    for sweeps in (1, 2):
        torch.testing.assert_close(solve(BlockCoordinate(inner=5), whole, sweeps, 0).z, left**sweeps * start)
