"""Unrolled solvers with any matrices against the recursions of the papers, unit by unit, in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
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


GROUPED = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [7]}, Z: {kind: latent, shape: [3, 2]}}
functions: {decoder: {type: linear, bias: false}, group: {type: pool, kind: l2, window: [1, 2]}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparsity: {type: l1, of: Z, weight: 0.61}
  groups: {type: l1, of: group(Z), weight: 0.43}
inference:
  network: {method: unrolled, of: Z, solver: ista, steps: 3, free: [filter, inhibition, threshold]}
"""


def test_a_structured_encoder_shrinks_units_and_then_groups() -> None:
    """Of Bronstein, Sprechmann & Sapiro, for magnitudes within groups, with a threshold of each unit and of each group."""
    model = compiler.build(loads(GROUPED)).double()
    model.take("network")
    own = {name: each for name, each in model.tensors()["inference.network"].items() if each.requires_grad}
    shapes = {name: tuple(each.shape) for name, each in own.items()}
    assert shapes == {"filter": (6, 7), "inhibition": (6, 6), "threshold": (6,), "group_threshold": (3,)}
    draw = np.random.default_rng(7)
    learned = {name: draw.standard_normal(shape) * 0.4 for name, shape in shapes.items()}
    for name in ("threshold", "group_threshold"):
        learned[name] = abs(learned[name])
    model.keep({"inference.network": {name: torch.as_tensor(each) for name, each in learned.items()}})
    y = draw.standard_normal((ROWS, INPUTS))
    silent = 0
    for row, code in zip(y, model.infer("network", Y=torch.as_tensor(y))["Z"].detach().numpy(), strict=True):
        z = np.zeros(6)
        for _ in range(3):
            reached = learned["filter"] @ row + learned["inhibition"] @ z
            units = [shrink(v, learned["threshold"][i]) for i, v in enumerate(reached)]
            for group in range(3):
                a, b = units[2 * group], units[2 * group + 1]
                length = (a * a + b * b) ** 0.5
                kept = max(0.0, 1 - learned["group_threshold"][group] / length) if length > 0 else 0.0
                z[2 * group], z[2 * group + 1] = a * kept, b * kept
                silent += kept == 0 and length > 0
        np.testing.assert_allclose(code, z.reshape(3, 2), atol=1e-12)
    assert silent > 0


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


@pytest.mark.parametrize(
    ("free", "told"),
    [
        ("[{filter: {}}]", "takes names, or one map"),
        ("[[filter]]", "takes names, or one map"),
        ("[filter, filter]", "filter stands there twice"),
    ],
)
def test_matrices_are_named_once_each(free: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        loads(GROUPED.replace("[filter, inhibition, threshold]", free))
