"""All solvers that take a lasso or its kin find the same code, and it meets the conditions that single the minimum out.

With R = D'(y - D z), a unit at zero is pulled by at most its weight, any other by exactly that, towards its own sign.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

import factorgraph as fg
from factorgraph import registry
from factorgraph.errors import SpecError
from factorgraph.inference.problem import CONVERGED
from factorgraph.inference.solvers._kinds import Minimising
from factorgraph.spec.load import loads

ALPHA, INPUTS, UNITS, CUT, BATCH = 0.37, 12, 8, 4, 6
TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [12]}
  %s
functions:
  left: {type: linear, bias: false}
  right: {type: linear, bias: false}
  lengths: {type: pool, kind: l2, window: 2}
factors:
  reconstruction: {type: squared_distance, between: [Y, %s], weight: 0.5}
  %s
inference:
  optimal: {method: argmin, of: [%s], steps: 20000, tolerance: 1e-10}
"""
WHOLE = ("Z: {kind: latent, shape: [8], domain: DOMAIN}", "left(Z)", "sparse: {type: l1, of: OF(Z), weight: 0.37}", "Z")
SPLIT = (
    "A: {kind: latent, shape: [4], domain: DOMAIN}\n  B: {kind: latent, shape: [4], domain: DOMAIN}",
    "left(A) + right(B)",
    "sparse: {type: l1, of: OF(A), weight: 0.37}\n  also: {type: l1, of: OF(B), weight: 0.37}",
    "A, B",
)
KINDS = {"l1": ("real", ""), "nonnegative": ("nonnegative", ""), "group": ("real", "lengths")}
EVERY = ["admm", "fista", "ista"]  # and one that moves groups, and those that move one unit at a time, which groups do not allow
SINGLE = [*EVERY, "active_set", *({"type": "coordinate_descent", "order": order} for order in ("greedy", "cyclic"))]
TURNS = [{"type": "block_coordinate", "inner": inner} for inner in (1, 20)]


@cache
def dictionary() -> Tensor:
    """Unit columns, well conditioned."""
    source = torch.Generator().manual_seed(4)
    d = torch.eye(INPUTS, UNITS).double() + 0.2 * torch.randn(INPUTS, UNITS, generator=source, dtype=torch.float64)
    return d / d.norm(dim=0)


@cache
def signals() -> Tensor:
    return 0.8 * torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def model_of(kind: str, parts: tuple[str, ...], solver: Any) -> Any:
    domain, of = KINDS[kind]
    text = (TEXT % parts).replace("DOMAIN", domain).replace("OF(", f"{of}(" if of else "(")
    text = text if parts is SPLIT else text.replace("  right: {type: linear, bias: false}\n", "")
    text = text if of else text.replace("  lengths: {type: pool, kind: l2, window: 2}\n", "")
    made = loads(text).with_changes({"inference.optimal.solver": solver} if solver else {}, "test")
    model = fg.build(made).double()
    with torch.no_grad():
        left = dictionary()[:, :CUT] if parts is SPLIT else dictionary()
        model.tensors()["functions.left"]["matrix"].copy_(left)
        if parts is SPLIT:
            model.tensors()["functions.right"]["matrix"].copy_(dictionary()[:, CUT:])
    return model


def code(kind: str, solver: Any) -> Tensor:
    return searched(kind, json.dumps(solver))


@cache
def searched(kind: str, written: str) -> Tensor:
    solver = json.loads(written)
    parts = SPLIT if solver in TURNS else WHOLE
    found = model_of(kind, parts, solver).infer(Y=signals())
    assert (found.status == CONVERGED).all()
    return torch.cat([found["A"], found["B"]], 1) if parts is SPLIT else found["Z"]


def optimal(z: Tensor) -> None:
    pull = (signals() - z @ dictionary().T) @ dictionary()
    assert (pull[z == 0].abs() <= ALPHA * (1 + 1e-4)).all()
    assert ((pull - ALPHA * z.sign())[z != 0].abs() <= 1e-4 * ALPHA).all()


def optimal_above_zero(z: Tensor) -> None:
    pull = (signals() - z @ dictionary().T) @ dictionary()
    assert (z >= 0).all() and (pull[z == 0] <= ALPHA * (1 + 1e-4)).all()
    assert ((pull - ALPHA)[z > 0].abs() <= 1e-4 * ALPHA).all()


def optimal_in_groups(z: Tensor) -> None:
    pull = ((signals() - z @ dictionary().T) @ dictionary()).view(BATCH, -1, 2)
    groups = z.view(BATCH, -1, 2)
    size = groups.norm(dim=2, keepdim=True)
    on = (size > 0).squeeze(2)
    assert (pull.norm(dim=2)[~on] <= ALPHA * (1 + 1e-4)).all()
    assert ((pull - ALPHA * groups / size)[on].abs() <= 1e-4 * ALPHA).all()


CONDITIONS: dict[str, Callable[[Tensor], None]] = {"l1": optimal, "nonnegative": optimal_above_zero, "group": optimal_in_groups}
CASES = [(kind, solver) for kind in KINDS for solver in (*([*EVERY, "group_active_set"] if kind == "group" else SINGLE), *TURNS)]


@pytest.mark.parametrize(("kind", "solver"), CASES, ids=str)
def test_the_code_meets_the_conditions_of_a_minimum(kind: str, solver: Any) -> None:
    z = code(kind, solver)
    CONDITIONS[kind](z)
    assert 0.1 < (z == 0).double().mean() < 0.9, "the case shows nothing unless units of both kinds occur"


@pytest.mark.parametrize("kind", KINDS)
def test_all_codes_are_one(kind: str) -> None:
    codes = [code(kind, solver) for of, solver in CASES if of == kind]
    for other in codes[1:]:
        torch.testing.assert_close(other, codes[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_no_solver_that_accepts_is_left_out(kind: str) -> None:
    named = {each if isinstance(each, str) else each["type"] for of, each in CASES if of == kind}
    accepting = set()
    minimising = {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, Minimising)}
    exact = [name for name, cls in minimising.items() if not cls.approximates]  # those say that they end near it
    for name in exact:
        for parts in (WHOLE, SPLIT):
            try:
                model_of(kind, parts, name)
            except SpecError as error:
                assert [each.code for each in error.issues] == ["FG402"]
            else:
                accepting.add(name)
    assert accepting == named


@pytest.mark.parametrize("kind", KINDS)
def test_the_conditions_would_tell_a_wrong_code(kind: str) -> None:
    z = code(kind, "fista")
    smaller, fewer = 0.999 * z, torch.where(z.abs() < z.abs().median(), 0, z)
    for wrong in (smaller, fewer + 1e-3 * (z == 0)):
        with pytest.raises(AssertionError):
            CONDITIONS[kind](wrong)
