"""Searches to a tolerance that single precision cannot certify."""

from __future__ import annotations

import torch

from factorgraph import compile as compiler
from factorgraph.inference.problem import CONVERGED
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [100]}, Z: {kind: latent, shape: [120]}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity: {type: l1, of: Z, weight: 0.37}
inference:
  fine:   {method: argmin, of: Z, solver: fista, steps: 4000, tolerance: 1e-7}
  coarse: {method: argmin, of: Z, solver: fista, steps: 4000, tolerance: 1e-3}
"""


def test_a_fine_tolerance_is_met_by_a_model_in_single_precision():
    model = compiler.build(loads(SPEC))
    y = torch.randn(200, 100, generator=torch.Generator().manual_seed(3))
    found = model.infer("fine", Y=y)
    assert (found.status == CONVERGED).all()
    assert (found.certificate < 1e-7).all()
    code = found.variables["Z"]
    assert code.dtype == found.certificate.dtype == torch.float32
    matrix = model.tensors()["functions.decoder"]["matrix"].detach().double()
    correlation = (y.double() - code.double() @ matrix.T) @ matrix  # 0.37 sign(z) where z is active
    assert ((correlation - 0.37 * code.sign()).abs()[code != 0] < 1e-3).all()
    assert (correlation.abs() < 0.37 + 1e-3).all()


def test_a_coarse_one_is_met_in_the_model_s_own(monkeypatch):
    seen = []
    model = compiler.build(loads(SPEC))
    block = model.inferences["coarse"].block
    problem = type(block).problem

    def seeing(self, start, *more):
        seen.append(start.dtype)
        return problem(self, start, *more)

    monkeypatch.setattr(type(block), "problem", seeing)
    model.infer("coarse", Y=torch.randn(4, 100))
    assert seen == [torch.float32]
