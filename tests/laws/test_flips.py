"""Laws of losses that compare samples with their neighbours: what they are, unit by unit, and what they find."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.compile.summed import Summed
from factorgraph.errors import SpecError
from factorgraph.losses._flips import FlipsLeaf, flips
from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.training import objective
from factorgraph.training.objective import Batch, View

TEXT = """
factorgraph: 1
seed: 5
variables:
  X: {kind: observed, shape: [4]}
  Y: {kind: observed, shape: [2, 3], domain: binary}
  B: {kind: observed, shape: [1], domain: binary}
  Z: {kind: latent, shape: [5]}
functions:
  lateral: {type: linear, bias: false, init: 0.7}
  net:     {type: network, layers: 7fc-fc, activation: tanh}
  encoder: {type: linear, activation: tanh}
  guess:   {type: linear, activation: sigmoid}
factors:
  interaction: {type: inner_product, between: [Y, lateral(Y)], weight: -0.37}
  field:       {type: bias, of: Y}
  beside:      {type: squared_distance, between: [X, net(Y)], weight: 0.23}
  turned:      {type: inner_product, between: [B, guess(Y)], weight: 0.67}
  code:        {type: squared_distance, between: [Z, encoder(Y)], weight: 0.41}
  small:       {type: squared_distance, between: [Z, 0.3], weight: 0.17}
inference:
  best: {method: argmin, of: Z}
learning: {fit: {loss: LOSS}}
data: {source: arrays, file: rows.npy, bind: {X: x, Y: y, B: b}}
"""
DEFINITIONS: dict[str, Callable[[float], float]] = {  # of the ratio of a sample's probability to that of its neighbour
    "ratio_matching": lambda ratio: (1 / (1 + ratio)) ** 2,
    "pseudo_likelihood": lambda ratio: -math.log(ratio / (1 + ratio)),
    "minimum_probability_flow": lambda ratio: ratio**-0.5,
}
FLIPS = [name for name, cls in leaves("losses").items() if issubclass(cls, FlipsLeaf)]
each = pytest.mark.parametrize("loss", FLIPS)


def built(loss: str) -> tuple[Model, Batch]:
    model = compiler.build(loads(TEXT.replace("LOSS", loss))).double()
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        model.get_parameter("factors.field.bias").copy_(torch.randn(2, 3, generator=source))
    bits = (torch.rand(3, 7, generator=source) < 0.5).double()
    given = {"X": torch.randn(3, 4, generator=source).double(), "Y": bits[:, :6].reshape(3, 2, 3), "B": bits[:, 6:]}
    return model, Batch(View(model, model.program, model.inferences), given, ("best",), factors=tuple(model.graph.factors))


def value(loss: str, batch: Batch) -> Tensor:
    return leaves("losses")[loss]().value(batch)  # type: ignore[attr-defined,no-any-return]


def by_hand(loss: str, model: Model, batch: Batch) -> float:
    """One neighbour after the other, by what its probability is to be."""

    def probability(row: int, bits: list[float]) -> float:
        x = {"X": batch.given["X"][row : row + 1], "Y": torch.tensor(bits[:6]).double().reshape(1, 2, 3)}
        return math.exp(-model.infer(None, **x, B=torch.tensor([bits[6:]]).double()).energy.item())

    total = 0.0
    for row in range(batch.size):
        bits = [*batch.given["Y"][row].flatten().tolist(), float(batch.given["B"][row])]
        for unit in range(7):
            neighbour = [1 - bit if place == unit else bit for place, bit in enumerate(bits)]
            total += DEFINITIONS[loss](probability(row, bits) / probability(row, neighbour))
    return total / batch.size


@each
def test_it_is_its_definition_over_all_neighbours(loss: str) -> None:
    model, batch = built(loss)
    assert value(loss, batch).item() == pytest.approx(by_hand(loss, model, batch), rel=1e-9)


@each
def test_its_gradient_agrees_with_differences_of_the_definition(loss: str) -> None:
    model, batch = built(loss)
    named = dict(model.named_parameters())
    gradients = dict(zip(named, torch.autograd.grad(value(loss, batch), list(named.values())), strict=True))
    for name, parameter in named.items():
        place, step = parameter.numel() // 2, 1e-6
        found = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[place] += sign * step
                found.append(by_hand(loss, model, batch))
                parameter.view(-1)[place] -= sign * step
        assert float(gradients[name].view(-1)[place]) == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5, abs=1e-7)


@each
def test_in_pieces_it_is_the_same_and_so_is_its_gradient(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = built(loss)
    parameters = list(model.parameters())
    whole = value(loss, batch)
    expected = torch.autograd.grad(whole, parameters)
    sizes: list[int] = []
    energy = Batch.energy

    def counted(self: Batch, known: Mapping[str, Tensor], sums: Sequence[Summed]) -> Tensor:
        sizes.append(self.size)
        return energy(self, known, sums)

    monkeypatch.setattr(objective, "AT_ONCE", 4 * 3 * 6)  # numbers of four neighbours of three rows
    monkeypatch.setattr(Batch, "energy", counted)
    pieces = value(loss, replace(batch, found={}, shares={}, told={}))
    assert sizes == [3, 12, 6, 3]
    torch.testing.assert_close(pieces, whole)
    torch.testing.assert_close(torch.autograd.grad(pieces, parameters), expected)


MACHINE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [5], domain: binary}
functions:
  lateral: {type: linear, bias: false}
factors:
  interaction: {type: inner_product, between: [Y, lateral(Y)], weight: -0.5}
  field:       {type: bias, of: Y}
"""


@each
def test_the_true_parameters_are_its_minimum_over_the_distribution_that_they_make(loss: str) -> None:
    """Every pattern, as often as its probability says: the expected loss has no slope at the truth, and has one elsewhere."""
    model = compiler.build(loads(MACHINE)).double()
    source = torch.Generator().manual_seed(3)
    matrix, bias = model.get_parameter("functions.lateral.matrix"), model.get_parameter("factors.field.bias")
    with torch.no_grad():
        matrix.copy_(torch.randn(5, 5, generator=source, dtype=torch.float64))
        bias.copy_(torch.randn(5, generator=source, dtype=torch.float64))
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=5)), dtype=torch.float64)
    probability = torch.softmax(-model.energy(Y=patterns).detach(), 0)

    def slope() -> float:
        batch = Batch(View(model, model.program, model.inferences), {"Y": patterns}, (), factors=tuple(model.graph.factors))
        leaf = leaves("losses")[loss]()
        here = batch.free_energy()
        there = batch.far({"Y": flips(patterns)}).reshape(5, -1)
        assert isinstance(leaf, FlipsLeaf)
        expected = (leaf.of(here - there).sum(0) * probability).sum()
        torch.testing.assert_close(leaf.of(here - there).sum(0).mean(), value(loss, batch))
        return max(float(found.abs().max()) for found in torch.autograd.grad(expected, [matrix, bias]))

    assert slope() < 1e-12
    with torch.no_grad():
        matrix[1, 3] += 0.1
    assert slope() > 1e-4


@each
def test_without_a_binary_variable_it_is_refused_with_what_would_do(loss: str) -> None:
    text = TEXT.replace("LOSS", f"{{ours: {{type: {loss}}}, other: energy}}").replace(", domain: binary", "")
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    (issue,) = caught.value.issues
    assert issue.code == "FG471" and issue.place is not None and (issue.place.line, issue.place.column) == (23, 31)
    assert "X (real) and Y (real) and B (real)" in issue.message and "score_matching" in issue.fix
