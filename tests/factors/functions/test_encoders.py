"""The encoders of Predictive Sparse Decomposition are a linear function with an activation and a gain: read, learned, drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import factorgraph as fg
from factorgraph.graph.drawing import check, draw
from factorgraph.graph.resolve import resolve
from factorgraph.run.folder import RunFolder
from factorgraph.spec.load import loads
from factorgraph.training.session import StoppedError, train

PSD = """
factorgraph: 1
seed: 3
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [9]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: ENCODER
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.3}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y), steps: 20}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
learning:
  fit: {loss: energy, steps: 3, batch_size: 16, learning_rate: 0.01}
data: {source: curve, count: 40, test: 10, bind: {Y: point}}
"""
ENCODERS = {
    "tanh": ("{type: linear, activation: tanh, gain: true}", lambda u, p: p["gain.scale"] * torch.tanh(u)),
    "linear": ("linear", lambda u, p: u),
    "tanh_shrink": ("{type: linear, activation: tanh_shrink, gain: true}", lambda u, p: p["gain.scale"] * (u - torch.tanh(u))),
    "smooth_shrink": (
        "{type: linear, activation: smooth_shrink}",
        lambda u, p: (
            u.sign()
            * (
                (
                    (p["activation.sharpness"] * p["activation.threshold"]).exp()
                    + (p["activation.sharpness"] * u.abs()).exp()
                    - 1
                ).log()
                / p["activation.sharpness"]
                - p["activation.threshold"]
            )
        ),
    ),
    "shrink": ("{type: linear, activation: shrink}", lambda u, p: u.sign() * (u.abs() - p["activation.threshold"]).relu()),
}
every = pytest.mark.parametrize("name", ENCODERS)


@every
def test_its_code_is_that_of_its_formula(name: str) -> None:
    written, formula = ENCODERS[name]
    model = fg.build(loads(PSD.replace("ENCODER", written))).double()
    source = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.rand(parameter.shape, generator=source, dtype=torch.float64)
    y = torch.randn(7, 2, generator=source, dtype=torch.float64)
    own = {key.removeprefix("functions.encoder."): value for key, value in model.named_parameters() if ".encoder." in key}
    expected = formula(y @ own["matrix"].T + own["bias"], own)
    torch.testing.assert_close(model.infer("fast", Y=y)["Z"], expected)


def test_all_learn_side_by_side_with_all_their_parameters(tmp_path: Path) -> None:
    one = "  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.5}\n"
    text = PSD.replace("  encoder: ENCODER\n", "".join(f"  {name}_: {written}\n" for name, (written, _) in ENCODERS.items()))
    text = text.replace(one, "".join(one.replace("prediction", name).replace("encoder", f"{name}_") for name in ENCODERS))
    spec = loads(text.replace("encoder(Y)", "shrink_(Y)"))
    before = fg.build(spec).state_dict()
    with pytest.raises(StoppedError):
        train(spec, tmp_path / "run", stop_after=2)
    after = RunFolder.open(tmp_path / "run").load_latest().tensors["model"]
    assert after.keys() == before.keys() and len(after) == 1 + 2 * len(ENCODERS) + 5
    for key, value in after.items():
        assert value.isfinite().all()
        assert not torch.equal(value, before[key]), f"{key} did not move"


@every
def test_it_is_drawn(name: str) -> None:
    graph = resolve(loads(PSD.replace("ENCODER", ENCODERS[name][0])))
    assert check(graph) == []
    words = [line for node in draw(graph).nodes for line in node.lines]
    assert any(name in line for line in words)
