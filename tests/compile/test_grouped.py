"""An l1 of lengths of groups is a group norm: planned, lowered, and minimised, against the conditions of optimality."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import factorgraph as fg
from factorgraph.compile import plan_procedures
from factorgraph.compile.plan import describe
from factorgraph.errors import SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.kernels import build
from factorgraph.spec.load import loads

TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [20]}
  Z: {kind: latent, shape: [8, 3]}
  C: {is: pool(Z)}
functions:
  decoder: {type: linear, bias: false}
  shift: {type: linear, bias: false, units: [8, 3]}
  pool: {type: pool, kind: l2, window: [1, 3]}
factors:
  fit: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  groups: {type: l1, of: pool(Z), weight: 0.4}
  sparsity: {type: l1, of: Z, weight: 0.2}
inference:
  optimal: {method: argmin, of: Z, steps: 20000, tolerance: 1e-10}
"""


def model_of(text: str = TEXT, **changes: Any) -> fg.Model:
    torch.manual_seed(1)
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    return fg.build(loads(text).with_changes(changes, "test")).double()


def shrink(v: np.ndarray, t: float) -> np.ndarray:
    return np.sign(v) * np.maximum(abs(v) - t, 0)


@pytest.mark.parametrize("solver", ["fista", "ista", "admm", "group_active_set"])
@pytest.mark.parametrize("domain", ["real", "nonnegative"])
@pytest.mark.parametrize("of", ["pool(Z)", "C"])
def test_a_group_norm_beside_magnitudes(solver: str, domain: str, of: str) -> None:
    model = model_of(variables__Z__domain=domain, inference__optimal__solver=solver, factors__groups__of=of)
    y = torch.randn(6, 20, generator=torch.Generator().manual_seed(3)).double()
    found = model.infer(Y=y)
    z, d = found["Z"].detach().numpy(), dict(model.named_parameters())["functions.decoder.matrix"].detach().numpy()
    pull = ((y.numpy() - z.reshape(6, 24) @ d.T) @ d).reshape(z.shape)
    length = np.linalg.norm(z, axis=2, keepdims=True)
    rest = pull - 0.2 if domain == "nonnegative" else shrink(pull, 0.2)
    silent = length[..., 0] == 0
    assert 0.05 < silent.mean() < 0.95 and (z[~silent] == 0).any()
    short = np.maximum(rest, 0) if domain == "nonnegative" else rest
    assert (np.linalg.norm(short, axis=2)[silent] <= 0.4 * (1 + 1e-6)).all()
    left = pull - 0.4 * z / np.maximum(length, 1e-30)
    np.testing.assert_allclose(left[z != 0], 0.2 * np.sign(z[z != 0]), rtol=1e-5)
    assert (z >= 0).all() or domain == "real"


def test_on_a_lattice_and_beside_another_variable_all_solvers_end_at_one_code() -> None:
    """Groups are blocks of 2 x 2 of one variable; units of the other pay by themselves."""
    text = TEXT.replace("Z: {kind: latent, shape: [8, 3]}", "Z: {kind: latent, shape: [4, 6]}\n  A: {kind: latent, shape: [7]}")
    text = text.replace("  C: {is: pool(Z)}\n", "").replace("window: [1, 3]", "window: [2, 2]").replace("[8, 3]}", "[7]}")
    text = text.replace("decoder(Z)]", "decoder(Z) + other(A)]").replace("of: Z, steps", "of: [Z, A], steps")
    text = text.replace("sparsity: {type: l1, of: Z, weight: 0.2}", "sparsity: {type: l1, of: A, weight: 0.3}")
    text = text.replace("  shift:", "  other: {type: linear, bias: false}\n  shift:")
    y, codes = torch.randn(6, 20, generator=torch.Generator().manual_seed(3)).double(), []
    for solver in ("group_active_set", "fista"):
        found = model_of(text, inference__optimal__solver=solver).infer(Y=y)
        assert (found.status == 0).all() and (found.certificate < 1e-10).all()
        codes.append(torch.cat([found["Z"].flatten(1), found["A"]], 1))
    torch.testing.assert_close(codes[0], codes[1], rtol=0, atol=1e-5)
    blocks = codes[0][:, :24].view(6, 2, 2, 3, 2).transpose(2, 3).reshape(6, 6, 4)
    off = (blocks == 0).all(2)
    assert torch.equal(off, (blocks == 0).any(2)) and 0.05 < off.double().mean() < 0.95


def test_groups_are_searched_by_a_kernel_where_that_is_named_and_can_be_compiled() -> None:
    plan = plan_procedures(resolve(loads(TEXT)))["optimal"]
    assert plan.solver is not None and (plan.solver["type"], plan.kernel) == ("fista", "gram")
    assert "group_active_set and half_quadratic would also do" in describe(plan, "")
    named = TEXT.replace("method: argmin", "method: argmin, solver: group_active_set")
    plan = plan_procedures(resolve(loads(named)))["optimal"]
    assert plan.solver is not None
    assert (plan.solver["type"], plan.kernel) == ("group_active_set", "gram" if build.missing("group_active_set") else "compiled")
    shifted = TEXT.replace("weight: 0.4}", "weight: 0.4}\n  pull: {type: inner_product, between: [Z, shift(Y)]}")
    other = describe(plan_procedures(resolve(loads(shifted)))["optimal"], "")
    assert "group_active_set will not do: it needs squares alone" in other
    plain = describe(plan_procedures(resolve(loads(TEXT.replace("weight: 0.4", "weight: 0"))))["optimal"], "")
    assert "group_active_set will not do: it needs lengths of groups" in plain


@pytest.mark.parametrize(
    "changes",
    [
        {"functions__pool__stride": [1, 1], "functions__pool__wrap": True},
        {"functions__pool__epsilon": 0.01},
        {"functions__pool__weights": "gaussian"},
        {"variables__Z__domain": "simplex"},
        {"factors__sparsity__of": "pool(Z)"},
    ],
)
def test_what_is_no_group_norm_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        model_of(**changes)
    assert [each.code for each in caught.value.issues] == ["FG401"]


def test_coordinate_descent_wants_magnitudes_alone() -> None:
    for changes in ({}, {"factors__sparsity": {"type": "distance", "between": ["Z", "shift(Y)"]}, "factors__groups__weight": 0}):
        with pytest.raises(SpecError, match="magnitudes alone, as of l1") as caught:
            model_of(**changes, inference__optimal__solver="coordinate_descent")
        assert [each.code for each in caught.value.issues] == ["FG402"]


def test_a_linear_term_beside_magnitudes_leaves_them_to_coordinate_descent() -> None:
    """There is no duality gap with it, and the weights are known all the same."""
    changes = {"factors__groups": {"type": "inner_product", "between": ["Z", "shift(Y)"]}, "factors__sparsity__weight": 3}
    y, codes = torch.randn(6, 20, generator=torch.Generator().manual_seed(3)).double(), []
    for solver in ("coordinate_descent", "fista"):
        model = model_of(**changes, inference__optimal__solver=solver)
        codes.append(model.infer(Y=y)["Z"])
    torch.testing.assert_close(codes[0], codes[1], rtol=1e-4, atol=1e-5)
    assert (codes[0] == 0).any() and (codes[0] != 0).any()
