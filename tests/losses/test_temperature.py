"""Losses that take energies for probabilities: at the temperature of the sums, and of rows that are each by themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.training.objective import Batch, View

MIXTURE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [3], domain: DOMAIN}
  Q: {kind: noise, distribution: NOISE, stands_for: Y}
  Z: {kind: latent, shape: [4], domain: binary}
  H: {kind: latent, shape: [2], domain: binary}
functions:
  W: {type: linear, activation: tanh}
  V: {type: linear, activation: tanh}
factors:
  near: {type: squared_distance, between: [Y, W(Z)], weight: WEIGHT}
  tied: {type: inner_product, between: [H, V(Y)], weight: WEIGHT}
inference:
  free: {method: marginal, of: Z, beta: BETA}
  more: {method: marginal, of: H, beta: BETA}
learning: {fit: {loss: LOSS, steps: 1}}
"""
LOSSES = {
    "pseudo_likelihood": {},
    "ratio_matching": {},
    "minimum_probability_flow": {},
    "score_matching": {},
    "noise_contrastive": {"noise": "Q", "ratio": 2},
}


def text(loss: str, weight: float, beta: float) -> str:
    real = loss == "score_matching"
    written = "{type: " + ", ".join([loss, *(f"{key}: {each}" for key, each in LOSSES[loss].items())]) + "}"
    found = MIXTURE.replace("DOMAIN", "real" if real else "binary").replace("NOISE", "normal" if real else "bernoulli")
    return found.replace("WEIGHT", f"{weight}").replace("BETA", f"{beta}").replace("LOSS", written)


def value(loss: str, weight: float, beta: float) -> Tensor:
    model = compiler.build(loads(text(loss, weight, beta))).double()
    source = torch.Generator().manual_seed(1)
    y = torch.rand(5, 3, generator=source, dtype=torch.float64)
    y = y if loss == "score_matching" else y.round()
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.randn(each.shape, generator=source))
    own = {"constant": torch.tensor(0.3, dtype=torch.float64)}
    view = View(model, model.program, model.inferences)
    batch = Batch(view, {"Y": y}, ("free", "more"), factors=tuple(model.graph.factors), own=own)
    found: Tensor = leaves("losses")[loss](**LOSSES[loss]).value(batch)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("loss", LOSSES)
def test_beta_times_an_energy_is_that_energy_at_another_temperature(loss: str) -> None:
    torch.testing.assert_close(value(loss, 0.7, 2.5), value(loss, 0.7 * 2.5, 1.0), rtol=1e-9, atol=1e-9)
    assert abs(value(loss, 0.7, 2.5) - value(loss, 0.7, 1.0)) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_two_temperatures_are_told(loss: str) -> None:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text(loss, 0.7, 2.5).replace("of: H, beta: 2.5", "of: H")))
    (found,) = caught.value.issues
    assert found.code == "FG479" and 'the beta of "free" is 2.5, that of "more" 1' in found.message
    assert found.place is not None and found.place.line


FUNCTIONS = {
    "standardise": ("{type: standardise}", "by mixed the rows of a batch change each other"),
    "corrupt": ("{type: corrupt, amount: 0.1}", "mixed draws other noise"),
    "bn": ("{type: network, layers: 4fc-bn-3fc, activation: tanh}", "by mixed the rows of a batch change each other"),
}


@pytest.mark.parametrize("written", FUNCTIONS)
@pytest.mark.parametrize("loss", [each for each in LOSSES if each != "score_matching"])
def test_rows_are_compared_each_by_itself_and_without_noise(loss: str, written: str) -> None:
    function, why = FUNCTIONS[written]
    spec = text(loss, 0.7, 1.0).replace("functions:", f"functions:\n  mixed: {function}")
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(spec.replace("V(Y)", "V(mixed(Y))")))
    (found,) = caught.value.issues
    assert found.code == "FG472" and why in found.message
