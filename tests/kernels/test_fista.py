"""Steps of FISTA by a kernel: those of the solver, and codes that certify themselves, on a GPU or in Triton's interpreter."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile import planner
from factorgraph.compile.plan import ProcedurePlan, describe
from factorgraph.graph.resolve import resolve
from factorgraph.inference.certificate import duality_gap
from factorgraph.inference.loop import CHECK_EVERY, solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Problem, Quadratic, Rest
from factorgraph.inference.solvers.fista import Fista
from factorgraph.kernels import fista
from factorgraph.spec.load import loads

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INPUTS, BATCH = 20, fista.ROWS + 3  # a second program, most of whose rows are none
if DEVICE == "cpu" and find_spec("triton"):
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is loaded
run = pytest.mark.skipif(bool(fista.missing(DEVICE, 33)), reason=fista.missing(DEVICE, 33))


def lasso(units: int = 33, weight: object = 0.2, nonnegative: bool = False, plain: bool = False, batch: int = BATCH) -> Problem:
    """|y - D z|^2 / 2 + weight.|z|"""
    source = torch.Generator().manual_seed(units)
    d = (torch.randn(INPUTS, units, generator=source) / INPUTS**0.5).to(DEVICE)
    y = torch.randn(batch, INPUTS, generator=source).to(DEVICE)
    weights = torch.as_tensor(weight, device=DEVICE).expand(units)

    def posed(y: torch.Tensor, start: torch.Tensor) -> Problem:
        form = Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2)

        def prox(v: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            z = v.sign() * (v.abs() - t * weights).clamp_min(0)
            return z.clamp_min(0) if nonnegative else z

        return Problem(
            start=start,
            smooth=form.value,
            gradient=form.gradient,
            bound=torch.linalg.eigvalsh(form.hessian.double())[-1].float() * 1.001,
            rest=None if plain else Rest(lambda z: (weights * z.abs()).sum(1), prox, weights, nonnegative),
            quadratic=form,
            squares=True,
            fused=True,
            take=lambda rows: posed(y[rows], start[rows]),
        )

    return posed(y, y.new_zeros(batch, units))


CASES = {
    "signs": {},
    "nonnegative": {"nonnegative": True},
    "weights of each, some 0": {"weight": torch.linspace(0, 0.6, 33)},
    "a vector that fits": {"units": 16},
    "one unit": {"units": 1},
    "nothing beside squares": {"plain": True, "units": 12},
}


@run
@pytest.mark.parametrize("case", CASES)
def test_a_few_steps_are_the_solver_s(case: str) -> None:
    """The first exactly, others as far as bf16 tells what moved since."""
    problem = lasso(**CASES[case])  # type: ignore[arg-type]
    for steps, rounding in ((0, 0), (1, 1e-6), (10, 2e-2)):
        found, known = (solve(Fista(), replace(problem, fused=each), steps, 0.0).z for each in (True, False))
        torch.testing.assert_close(found, known, rtol=0, atol=rounding * float(known.abs().max()), msg=str(steps))
        assert (found != 0).any() or steps == 0


@run
@pytest.mark.parametrize("nonnegative", [False, True])
def test_it_ends_at_the_minimum_and_can_say_so_as_soon_as_the_solver(nonnegative: bool) -> None:
    problem = lasso(nonnegative=nonnegative)
    found, known = (solve(Fista(), replace(problem, fused=each), 1000, 1e-5) for each in (True, False))
    assert (found.status == CONVERGED).all() and (found.certificate < 1e-5).all()
    torch.testing.assert_close(duality_gap(problem, found.z), found.certificate, rtol=0.1, atol=1e-6)
    torch.testing.assert_close(problem.energy(found.z), problem.energy(known.z), rtol=1e-5, atol=0)
    assert found.steps.sum() <= 1.1 * known.steps.sum() + (fista.EVERY - CHECK_EVERY) * BATCH  # it looks less often
    assert (found.z >= 0).all() or not nonnegative


@run
def test_a_row_that_is_not_a_number_is_told_and_disturbs_no_other() -> None:
    for nonnegative in (False, True):
        problem = lasso(nonnegative=nonnegative)
        clean = solve(Fista(), problem, 30, 0.0)
        assert problem.quadratic is not None
        problem.quadratic.linear[3, 0] = torch.nan
        found = solve(Fista(), problem, 30, 0.0)
        lost = torch.arange(BATCH, device=DEVICE) == 3
        assert (found.status[lost] == NOT_FINITE).all() and found.z.isfinite().all()
        assert torch.equal(found.z[~lost], clean.z[~lost])


@run
def test_a_row_that_runs_away_goes_back_to_its_start() -> None:
    problem = lasso(batch=3)
    assert problem.bound is not None
    found = solve(Fista(), replace(problem, bound=problem.bound / 1e3), 3000, 0.0)
    assert (found.status == NOT_FINITE).all() and (found.z == problem.start).all()
    assert (found.steps == 0).all() and found.certificate.isinf().all()


@run
def test_a_row_is_searched_as_if_it_were_alone() -> None:
    problem = lasso()
    assert problem.take is not None
    whole = solve(Fista(), problem, 200, 1e-4)
    for row in (0, BATCH - 1):
        alone = solve(Fista(), problem.take(torch.tensor([row], device=DEVICE)), 200, 1e-4)
        torch.testing.assert_close(alone.z[0], whole.z[row], rtol=0, atol=1e-4)  # the product with the atoms may round otherwise
        assert alone.steps[0] == whole.steps[row] and alone.status[0] == whole.status[row]


@run
def test_what_it_does_not_hold_the_solver_does() -> None:
    large, double = lasso(fista.LARGEST + 1, batch=2), lasso(batch=2)
    form = double.quadratic
    assert form is not None
    given = (form.hessian.double(), form.linear, form.constant, None, double.start, form.constant)
    assert fista.search(*given, squares=True, nonnegative=False, steps=1, tolerance=0) is None
    assert torch.equal(solve(Fista(), large, 10, 0.0).z, solve(Fista(), replace(large, fused=False), 10, 0.0).z)


# --- the plan

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [20]}, Z: {kind: latent, shape: [33]}}
functions: {decoder: {type: linear, bias: false}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity: {type: l1, of: Z, weight: 0.5}
inference: {codes: {method: argmin, of: Z, solver: fista}}
"""


def planned(device: str = "cuda", **changes: object) -> ProcedurePlan:
    made = loads(SPEC).with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test")
    graph = resolve(made)
    plans = compiler.plan_procedures(graph, device)
    compiler.check_plan(graph, plans)
    return plans["codes"]


def test_it_is_planned_on_a_cuda_device_where_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner.fista, "missing", lambda device, units: "")
    assert planned().kernel == "fused" and planned().gram
    assert planned(variables__Z__domain="nonnegative").kernel == "fused"
    for other in (
        {"inference__codes__gradient": "unroll"},  # which records the steps
        {"inference__codes__solver": {"type": "fista", "restart": False}},
        {"inference__codes__solver": "ista"},
        {"variables__Z__domain": "simplex"},
        {"factors__sparsity": {"type": "distance", "between": ["Z", 0.0]}},
    ):
        assert planned(**other).kernel == "gram", other
    assert planned(device="cpu").kernel == "gram"
    monkeypatch.setattr(planner.fista, "missing", lambda device, units: "a reason")
    assert "the search is not one kernel: a reason" in describe(planned(), "")


def test_why_it_does_not_serve_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fista.SWITCH, raising=False)
    assert fista.missing("cpu", 257) == "it holds at most 256 units, and these are 257"
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(fista, "find_spec", lambda name: None)
    assert fista.missing("cuda", 256) == "there is no Triton, which comes with torch for CUDA"
    monkeypatch.setattr(fista, "find_spec", lambda name: True)
    assert fista.missing("cpu", 256) == "it is for cuda, not for cpu"
    monkeypatch.setenv(fista.SWITCH, "0")
    assert fista.missing("cuda", 256) == "FACTORGRAPH_COMPILED is 0"
    monkeypatch.delenv(fista.SWITCH)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fista.missing("cuda", 256) == "there is no CUDA device"
