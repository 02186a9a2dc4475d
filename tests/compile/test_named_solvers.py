"""Solvers that are there to be named, from a spec to a code: what they find is what the solver of the planner's choice finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import factorgraph as fg
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from tests.compile.specs import PSD, SPARSE, spec

TWICE = SPARSE.replace("inference:", "  again: {type: l1, of: Z, weight: 0.2}\ninference:")
NONNEGATIVE = {"variables.Z.domain": "nonnegative"}
LATTICE = {"variables.Z.shape": [11, 3]}
STEPS = {"coordinate_descent": 20_000, "admm": 3000, "fista": 3000}


def model_of(text: str, changes: dict[str, Any], solver: str, steps: int | None = None) -> Model:
    search = {"method": "argmin", "of": "Z", "solver": solver, "steps": steps or STEPS[solver], "tolerance": 1e-9}
    torch.manual_seed(0)
    return fg.build(spec(text, **{**changes, "inference.optimal": search})).double()


def rows(units: int) -> dict[str, torch.Tensor]:
    return {"Y": 2 * torch.randn(6, units, generator=torch.Generator().manual_seed(1), dtype=torch.float64)}


@pytest.mark.parametrize("solver", ["coordinate_descent", "admm"])
@pytest.mark.parametrize(
    ("text", "changes", "pixels"),
    [
        (SPARSE, {}, 20),
        (SPARSE, LATTICE, 20),
        (SPARSE, NONNEGATIVE, 20),
        (SPARSE, {**NONNEGATIVE, "factors.sparsity": {"type": "squared_distance", "between": ["Z", 0], "weight": 0.37}}, 20),
        (TWICE, {"functions.decoder": {"type": "linear", "bias": False}}, 20),
        (PSD, {}, 7),
    ],
)
def test_a_named_solver_finds_what_the_planner_would_have_found(text, changes, pixels, solver):
    named, usual = model_of(text, changes, solver), model_of(text, changes, "fista")
    usual.load_state_dict(named.state_dict())
    found = named.infer(**rows(pixels))
    assert named.inferences["optimal"].plan.kernel == "gram"
    known = usual.infer(**rows(pixels))["Z"]
    torch.testing.assert_close(found["Z"], known, rtol=1e-4, atol=1e-5)
    assert ((found["Z"] == 0) == (known == 0)).all() and (found["Z"] != 0).any()


def test_a_step_of_coordinate_descent_is_one_unit():
    active = {}
    for steps in (1, 5, 20_000):
        z = model_of(SPARSE, {}, "coordinate_descent", steps=steps).infer(**rows(20))["Z"]
        active[steps] = (z != 0).sum(1)
    assert (active[1] == 1).all() and (active[5] <= 5).all() and (active[20_000] > 5).any()


def test_simplex_is_for_two_halves_alone():
    model = model_of(SPARSE, {"variables.Z.domain": "simplex"}, "admm")
    z = model.infer(**rows(20))["Z"]
    torch.testing.assert_close(z.sum(1), torch.ones(6).double())
    assert (z >= 0).all() and (z == 0).any()
    with pytest.raises(SpecError, match="simplex"):
        model_of(SPARSE, {"variables.Z.domain": "simplex"}, "coordinate_descent")
