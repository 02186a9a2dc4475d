"""Hessian, slope and energy of squares, followed back by hand, against automatic differentiation of the energy itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import factorgraph as fg
from factorgraph.compile.model import Model
from factorgraph.compile.problems import Block
from factorgraph.compile.squares import Squares

VECTORS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: 5}
  Z: {kind: latent, shape: 4}
  W: {kind: latent, shape: 4}
functions:
  decoder: {type: linear}
  encoder: {type: linear, units: 4}
factors:
  likelihood: {type: squared_distance, between: [Y, "decoder(Z)"], weight: 0.37}
  prior: {type: squared_distance, between: [W, 0.3], weight: 1.3}
  sparsity: {type: l1, of: Z, weight: 0.2}
  other: {type: l1, of: W, weight: 0.3}
inference:
  optimal: {method: argmin, of: [Z, W], solver: fista}
"""
ALONE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: 5}
  Z: {kind: latent, shape: 4}
functions:
  decoder: {type: linear}
  encoder: {type: linear, units: 4}
  code: {type: offset}
factors:
  likelihood: {type: squared_distance, between: [Y, "decoder(Z)"], weight: 0.37}
  prior: {type: squared_distance, between: [Z, 0.3], weight: 1.3}
inference:
  optimal: {method: argmin, of: Z, solver: fista}
"""
PICTURES = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2, 6, 7]}
  Z: {kind: latent, shape: [3, 6, 7]}
functions:
  decoder: {type: convolution, kernel: 3}
factors:
  likelihood: {type: squared_distance, between: [Y, "decoder(Z)"], weight: 0.37}
  sparsity: {type: l1, of: Z, weight: 0.2}
inference:
  optimal: {method: argmin, of: Z, solver: fista}
"""
COMPARED = [
    ["Y", "decoder(Z)"],
    ["decoder(Z - 0.5 * W)", "Y"],
    ["Y", "-decoder(Z) - Y"],
    ["encoder.transpose(Z)", "Y"],
    ["Z", "encoder(Y)"],
    ["Z + 2 * encoder(Y)", 0.7],
    ["decoder.transpose(decoder(Z) + 0.3 * encoder.transpose(W))", "encoder(Y)"],
]


def block_of(text: str, **changes: Any) -> tuple[Model, Block]:
    spec = fg.loads(text).with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test")
    model = fg.build(spec).double()
    source = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.4 * torch.randn(each.shape, generator=source, dtype=torch.float64))
    return model, model.inferences["optimal"].block


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(3, *shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def check(model: Model, block: Block, y: torch.Tensor) -> None:
    units, start = sum(block.sizes), torch.zeros(len(y), sum(block.sizes), dtype=torch.float64)
    still = {key: each.detach() for key, each in block.beside(start, {"Y": y}, model.tensors()).items()}
    squares, smooth = Squares(block, still, model.tensors()), block.smooth_of(still, model.tensors())
    assert len(block.compared) == len(block.smooth)
    energy, slope = squares.linear(start, squares.at_zero(start))
    point = start.clone().requires_grad_()
    torch.testing.assert_close(energy.detach(), smooth(start).detach())
    torch.testing.assert_close(slope.detach(), torch.autograd.grad(smooth(point).sum(), point)[0])
    whole = torch.autograd.functional.hessian(lambda z: smooth(z.expand(len(y), units))[0], start[0])
    torch.testing.assert_close(squares.hessian(start).detach(), whole)


@pytest.mark.parametrize("between", COMPARED, ids=str)
def test_they_are_those_of_the_energy(between: list[str]) -> None:
    model, block = block_of(VECTORS, factors__likelihood__between=between)
    check(model, block, rows(5))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("prior", [["Z", "encoder(Y)"], ["encoder.transpose(Z)", "Y"], ["2 * Z", 0.3], ["code(Z)", 0]], ids=str)
def test_so_they_are_of_one_variable_behind_what_adds_nothing(bias: bool, prior: list[object]) -> None:
    """Where a matrix is read off, and a map of zeros is not evaluated."""
    model, block = block_of(ALONE, functions__decoder__bias=bias, factors__prior__between=prior)
    check(model, block, rows(5))


@pytest.mark.parametrize("between", [["Y", "decoder(Z)"], ["decoder(Z) + 0.5 * Y", "Y"]], ids=str)
def test_so_they_are_behind_a_convolution(between: list[str]) -> None:
    model, block = block_of(PICTURES, factors__likelihood__between=between)
    check(model, block, rows(2, 6, 7))


@pytest.mark.parametrize(
    "factor",
    [
        {"type": "squared_distance", "between": ["Z", "W"]},
        {"type": "gaussian", "between": ["Y", "decoder(Z)"]},
    ],
    ids=["both sides move", "a number beside the square"],
)
def test_others_are_left_to_differentiation(factor: dict[str, Any]) -> None:
    _, block = block_of(VECTORS, factors__likelihood=factor)
    assert block.compared == ()
