"""The worth of a code in steps of a search, against a search that is cut by hand."""

from __future__ import annotations

import importlib.util
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import RunError
from factorgraph.registry import leaves
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parents[1] / "run" / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [12]}, Z: {kind: latent, shape: [9]}}
functions: {decoder: {type: linear, bias: false}, encoder: {type: linear, init: 0.01}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparsity: {type: l1, of: Z, weight: 0.23}
inference:
  search: {method: argmin, of: Z, solver: ista, steps: 400, tolerance: 1e-9}
  cut:    {method: argmin, of: Z, solver: ista, steps: 7, tolerance: 0}
  longer: {method: argmin, of: Z, solver: fista, steps: 12, tolerance: 0}
  silent: {method: amortized, of: Z, by: encoder(Y)}
"""


@pytest.fixture(scope="module")
def on() -> Measured:
    model = compiler.build(loads(SPEC))
    with torch.no_grad():
        for each in model.tensors()["functions.encoder"].values():
            each.zero_()
    samples = np.random.default_rng(5).standard_normal((1037, 12)).astype(np.float32)  # more than are looked at at once
    return Measured(model, fakes.dataset(samples))


def worth(on: Measured, search: str, other: str) -> float:
    return float(leaves("metrics")["iterations_to_match"]().measure(on, search, other))


def test_a_search_that_is_cut_is_worth_its_steps(on: Measured) -> None:
    assert worth(on, "search", "cut") == 7


def test_a_code_of_zeros_is_worth_nothing_and_a_better_search_more_than_its_steps(on: Measured) -> None:
    assert worth(on, "search", "silent") == 0
    fast = worth(on, "search", "longer")
    assert fast > 12
    end, code = (on.solved(each).variables["Z"] for each in ("search", "longer"))
    errors = [float((codes["Z"] - end).square().sum(1).mean()) for codes in islice(on.approach("search"), 60)]
    goal = float((code - end).square().sum(1).mean())
    assert fast == next(steps for steps, error in enumerate(errors) if error <= goal)


def test_what_is_no_search_cannot_be_watched(on: Measured) -> None:
    with pytest.raises(RunError, match="allowed here: search, cut, longer"):
        worth(on, "silent", "cut")
