"""Losses that make a reconstruction as constant as possible: contraction is a derivative's norm, saturation a distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile import slope
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from factorgraph.spec.load import loads
from factorgraph.training.objective import evaluate
from factorgraph.training.sides import stretches

GRAPH = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [4]}
  X: {kind: observed, shape: [2]}
  H: encoder(Y)
functions:
  encoder: {type: linear, units: 7, activation: sigmoid, gain: true}
  bent:    {type: linear, units: 5, activation: ACTIVATION}
  deep:    {type: network, layers: 6fc-UNITSfc, activation: tanh}
  norms:   standardise
factors:
  code: {type: squared_distance, between: [H, 0], weight: 0}
  bent: {type: squared_distance, between: [bent(Y), 0], weight: 0}
  deep: {type: squared_distance, between: ["deep(Y, X)", 0], weight: 0}
  norm: {type: squared_distance, between: [norms(Y), 0], weight: 0}
learning: {fit: {loss: LOSS}}
"""
ROWS = 3


def model(loss: str, activation: str = "relu", units: int = 3) -> Model:
    text = GRAPH.replace("LOSS", loss).replace("ACTIVATION", activation).replace("UNITS", str(units))
    made = compiler.build(loads(text)).double()
    with torch.no_grad():
        for number, each in enumerate(made.parameters()):
            each.copy_(torch.randn(each.shape, generator=torch.Generator().manual_seed(number), dtype=each.dtype))
            each.add_(0.37)
    return made


def value(made: Model, y: Tensor, x: Tensor) -> Tensor:
    (stretch,) = stretches(made, rows=ROWS)
    return evaluate(stretch, stretch.sides()[0], made.assign({"Y": y, "X": x})).loss


def data() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    y, x = (torch.randn(ROWS, units, generator=source, dtype=torch.float64) for units in (4, 2))
    return y, x


def squared_jacobian(made: Model, of: str, y: Tensor, x: Tensor) -> Tensor:
    """By torch's own Jacobian, row by row."""
    total = y.new_zeros(())
    for row in range(ROWS):

        def one(a: Tensor, b: Tensor) -> Tensor:
            return made.evaluate((of,), Y=a[None], X=b[None])[of].flatten()

        for part in torch.autograd.functional.jacobian(one, (y[row], x[row]), create_graph=True):
            total = total + part.square().sum() / ROWS
    return total


@pytest.mark.parametrize(
    ("of", "units", "way"),
    [
        ("H", 3, "_unit_by_unit"),
        ("bent(Y)", 3, "_unit_by_unit"),
        ("deep(Y, X)", 3, "_from_results"),
        ("deep(Y, X)", 9, "_from_arguments"),
    ],
)
def test_contraction_is_the_norm_of_the_jacobian(of: str, units: int, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[str] = []
    for name in ("_unit_by_unit", "_from_results", "_from_arguments"):
        honest = getattr(slope, name)
        monkeypatch.setattr(slope, name, lambda *a, name=name, honest=honest: (went.append(name), honest(*a))[1])
    made, (y, x) = model(f'{{type: contraction, of: "{of}"}}', units=units), data()
    key = next(each for each in made.graph.values if each == of or each.replace("join(Y, X)", "Y, X") == of)
    found, wanted = value(made, y, x), squared_jacobian(made, key, y, x)
    assert went == [way] and found > 0.01
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=0)
    parameters = list(made.parameters())
    gradients = [torch.autograd.grad(each, parameters, allow_unused=True, retain_graph=True) for each in (found, wanted)]
    for mine, theirs in zip(*gradients, strict=True):
        if theirs is not None and theirs.abs().max() > 0:
            torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "distances"),
    [
        ("relu", {-1.5: 0, -0.1: 0, 0.4: 0.4, 2.0: 2.0}),
        ("saturated_linear", {-1.5: 0, -0.9: 0.1, 0.0: 1.0, 0.4: 0.6, 2.0: 0}),
        ("shrink", {-1.5: 1.13, -0.2: 0, 0.3: 0, 0.4: 0.03, 2.0: 1.63}),  # its threshold is 0.37
    ],
)
def test_saturation_is_the_distance_to_the_flat_part(activation: str, distances: dict[float, float]) -> None:
    made, (_, x) = model("{type: saturation, of: bent(Y)}", activation), data()
    with torch.no_grad():
        for name, each in made.named_parameters():
            if name.startswith("functions.bent"):
                each.zero_()
        if activation == "shrink":
            made.get_parameter("functions.bent.activation.threshold").fill_(0.37)
        bias = made.get_parameter("functions.bent.bias")
        for number, place in enumerate(distances):
            bias[number] = place
        for number in range(len(distances), len(bias)):
            bias[number] = {"relu": -1.0, "saturated_linear": 3.0, "shrink": 0.0}[activation]  # all others are flat
    wanted = torch.tensor(sum(distances.values()), dtype=torch.float64)
    torch.testing.assert_close(value(made, torch.zeros(ROWS, 4, dtype=torch.float64), x), wanted)


@pytest.mark.parametrize(
    ("loss", "code", "word"),
    [
        ("{type: contraction, of: norms(bent(Y))}", "FG461", "rows of a batch"),
        ("{type: saturation, of: H}", "FG462", "saturated_linear"),
        ('{type: saturation, of: "deep(Y, X)"}', "FG462", "relu"),
        ("{type: saturation, of: 2 * bent(Y)}", "FG462", "relu"),
    ],
)
def test_what_has_no_derivative_or_no_rest_is_told(loss: str, code: str, word: str) -> None:
    with pytest.raises(SpecError) as caught:
        model(loss)
    (found,) = caught.value.issues
    assert found.code == code and word in f"{found.message} {found.allowed}"
    assert found.place is not None and found.place.text[found.place.column - 1 :].startswith(loss.split("of: ")[1][:4])


def test_a_latent_code_has_no_derivative_by_the_data() -> None:
    text = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [3]}}
functions: {encoder: {type: linear, activation: tanh}, decoder: linear}
factors: {reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}}
inference: {fast: {method: amortized, of: Z, by: encoder(Y)}}
learning: {fit: {loss: {push_down: energy, flatten: {type: contraction, of: OF, weight: 0.3}}}}
"""
    with pytest.raises(SpecError, match="FG461"):
        compiler.build(loads(text.replace("OF", "Z")))
    alone = text.replace("push_down: energy, ", "")
    with pytest.raises(SpecError, match="it depends on Z, which is inferred") as caught:  # why it trains nothing
        compiler.build(loads(alone.replace("OF", "Z")))
    assert [each.code for each in caught.value.issues] == ["FG461"] and caught.value.issues[0].place is not None
    saturated = alone.replace("contraction", "saturation").replace("OF", "Z")
    with pytest.raises(SpecError) as caught:
        compiler.build(loads(saturated))
    assert [each.code for each in caught.value.issues] == ["FG462"]
    with pytest.raises(SpecError, match="FG405"):  # a derivative that nothing here can change
        compiler.build(loads(alone.replace("OF", "encoder(Y)").replace("weight: 0.3}}", "weight: 0.3}}, train: [decoder]")))
    made = compiler.build(loads(text.replace("OF", "encoder(Y)")))
    assert {each.split(".")[1] for each in made.plan.phases[0].parameters} == {"encoder", "decoder"}
