"""Unrolled solvers with any matrices against the recursions of the papers, unit by unit, in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.spec.load import loads

UNITS, INPUTS, ROWS = 5, 7, 4
SPEC = """
factorgraph: 1
variables: {{Y: {{kind: observed, shape: [7]}}, Z: {{kind: latent, shape: [5], domain: {domain}}}}}
functions: {{decoder: {{type: linear, bias: false}}}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}}
  sparsity: {{type: l1, of: Z, weight: 0.61}}
inference:
  network: {{method: unrolled, of: Z, solver: {solver}, steps: {steps}, free: [filter, inhibition, threshold]}}
"""


def learned(solver: str, steps: int, domain: str = "real") -> tuple[Model, dict[str, np.ndarray]]:
    """A network with matrices that no energy has: the inhibition is not symmetric, thresholds differ."""
    model = compiler.build(loads(SPEC.format(solver=solver, steps=steps, domain=domain))).double()
    model.take("network")
    random = torch.Generator().manual_seed(7)
    found = {}
    for name, each in model.tensors()["inference.network"].items():
        if each.requires_grad:
            values = torch.randn(each.shape, generator=random, dtype=torch.float64) * 0.4
            model.keep({"inference.network": {name: values.abs() if name == "threshold" else values}})
            found[name] = each.detach().numpy()
    return model, found


def shrink(v: float, by: float, domain: str = "real") -> float:
    return max(v - by, 0.0) if domain == "nonnegative" else float(np.sign(v)) * max(abs(v) - by, 0.0)


@pytest.mark.parametrize("domain", ["real", "nonnegative"])
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_lista_is_gregor_and_lecuns_recursion(steps: int, domain: str) -> None:
    model, own = learned("ista", steps, domain)
    y = np.random.default_rng(3).standard_normal((ROWS, INPUTS))
    for row, code in zip(y, model.infer("network", Y=torch.as_tensor(y))["Z"].detach().numpy(), strict=True):
        z = [0.0] * UNITS
        for _ in range(steps):
            reached = [
                sum(own["filter"][i, j] * row[j] for j in range(INPUTS))
                + sum(own["inhibition"][i, k] * z[k] for k in range(UNITS))
                for i in range(UNITS)
            ]
            z = [shrink(v, own["threshold"][i], domain) for i, v in enumerate(reached)]
        np.testing.assert_allclose(code, z, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_lcod_is_gregor_and_lecuns_recursion(steps: int) -> None:
    """Their algorithm 3, for a dictionary of unit columns: the unit that would move farthest moves."""
    model, own = learned("coordinate_descent", steps)
    model.keep({"inference.network": {"lengths": torch.ones(UNITS, dtype=torch.float64)}})
    y = np.random.default_rng(3).standard_normal((ROWS, INPUTS))
    for row, code in zip(y, model.infer("network", Y=torch.as_tensor(y))["Z"].detach().numpy(), strict=True):
        b, z = own["filter"] @ row, np.zeros(UNITS)
        for _ in range(steps):
            wanted = np.array([shrink(v, own["threshold"][i]) for i, v in enumerate(b)])
            k = int(np.argmax(np.abs(wanted - z)))
            b = b + own["inhibition"][:, k] * (wanted[k] - z[k])
            z[k] = wanted[k]
        np.testing.assert_allclose(code, [shrink(v, own["threshold"][i]) for i, v in enumerate(b)], atol=1e-12)
