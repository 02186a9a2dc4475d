"""Exported programs are run by what knows nothing of factorgraph, and give what the model gives, for batches of other sizes."""

from __future__ import annotations

import io

import onnxruntime
import pytest
import torch

from factorgraph.compile import build
from factorgraph.errors import RunError
from factorgraph.leaving.exported import as_onnx, as_torch, exported, plain
from factorgraph.spec.load import loads
from tests.compile import specs

NETWORKS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [7]}
  label: {kind: observed, shape: [3], domain: one_hot, given: training}
  Z: {kind: latent, shape: [2, 3]}
functions:
  decoder: {type: linear, bias: false}
  group: {type: pool, kind: l2, window: [1, 3]}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparsity: {type: l1, of: Z, weight: 0.21}
  groups: {type: l1, of: group(Z), weight: 0.13}
  naming: {type: squared_distance, between: [label, classifier(Z)], weight: 0.5}
inference:
  ista: {method: unrolled, of: Z, solver: ista, steps: 4}
  fista: {method: unrolled, of: Z, solver: fista, steps: 5, without: [naming], free: [filter], share: none}
  each: {method: unrolled, per: k, of: Z, solver: ista, steps: k + 1, without: [naming], free: [filter, inhibition, threshold]}
indices: {k: 2}
"""
LCOD = specs.SPARSE.replace("{method: argmin, of: Z}", "{method: unrolled, of: Z, solver: coordinate_descent, steps: 9}")
WAITING = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [5]}
  Y: {kind: observed, shape: [5]}
  A: {kind: latent, shape: [4]}
  B: {kind: latent, shape: [3]}
functions: {first: {type: linear, activation: tanh}, second: {type: network, layers: 6fc-3fc, activation: relu}}
factors: {near: {type: squared_distance, between: [A, first(X - Y)]}, far: {type: squared_distance, between: [B, second(A)]}}
inference:
  upper: {method: amortized, of: B, by: second(A)}
  lower: {method: amortized, of: A, by: first(X - Y)}
"""
CASES = [
    (specs.PSD, "fast", ("Y",)),
    (LCOD, "optimal", ("Y",)),
    *((NETWORKS, name, ("Y",)) for name in ("ista", "fista", "each[1]")),
    (WAITING, "upper", ("X", "Y")),
]
IN_ONNX = ("each[1]", "optimal", "upper")  # to write one costs seconds


@pytest.mark.parametrize("text, procedure, inputs", CASES, ids=[f"{case[1]}{at}" for at, case in enumerate(CASES)])
def test_a_program_gives_what_the_model_gives(text, procedure, inputs):
    torch.manual_seed(3)
    model = build(loads(text))
    if procedure in ("fista", "each[1]"):  # matrices of its own, apart from the energy's
        model.take(procedure)
        with torch.no_grad():
            for each in model.tensors()[f"inference.{procedure}"].values():
                each.add_(0.01 * torch.rand_like(each) * (each.dim() > 0))
    module = exported(model, procedure)
    assert module.inputs == inputs
    loaded = torch.export.load(io.BytesIO(as_torch(module))).module()
    session = onnxruntime.InferenceSession(as_onnx(module)) if procedure in IN_ONNX else None
    for rows in (1, 6):
        given = {key: torch.randn(rows, *model.graph.variables[key].shape) for key in inputs}
        with torch.no_grad():
            wanted = model.predict(procedure, **given).variables
        found = [loaded(*given.values())]
        if session is not None:
            said = session.run(None, {key: each.numpy() for key, each in given.items()})
            found.append([torch.from_numpy(each) for each in said])
        for codes in found:
            for key, code in zip(module.outputs, codes, strict=True):
                largest = wanted[key].abs().max()
                assert largest > 0.01
                assert (code - wanted[key]).abs().max() < 1e-5 * largest


def test_a_program_holds_only_the_parameters_that_it_needs():
    held = {name for name, _ in exported(build(loads(specs.PSD)), "fast").named_buffers()}
    assert held == {plain(f"functions.encoder.{each}") for each in ("matrix", "bias", "activation.threshold")}


@pytest.mark.parametrize(
    "text, procedure, said",
    [
        (specs.PSD, None, ('"optimal" cannot be exported: argmin', '--procedure "fast"')),
        (specs.SPARSE, "optimal", ("argmin is no fixed sequence", "method: amortized, of: Z", "method: unrolled, of: Z")),
        (NETWORKS, "each", ("several ways to infer Z", '--procedure "each[0]"')),
        (specs.PSD, "quick", ('no procedure "quick"',)),
    ],
)
def test_what_is_no_sequence_of_operations_is_refused_with_the_nearest_that_is(text, procedure, said):
    with pytest.raises(RunError) as told:
        exported(build(loads(text)), procedure)
    assert all(each in str(told.value) for each in said), told.value
