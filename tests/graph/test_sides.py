"""One set of kernels serves images of several sizes."""

from __future__ import annotations

import pytest
import torch

import factorgraph as fg
from factorgraph.spec.load import loads

SIZES = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, LARGE, LARGE]}
  Y: {kind: observed, shape: [1, SMALL, SMALL]}
functions:
  encoder: {type: convolution, kernel: 3, padding: PADDING, stride: STRIDE, maps: 3, bias: false}
factors:
  large: {type: squared_distance, between: [X, encoder.transpose(encoder(X))]}
  small: {type: squared_distance, between: [Y, encoder.transpose(encoder(Y))]}
"""


SIDES = [("valid", 1, 8, 5), ("full", 2, 9, 7), ("same", 2, 8, 4), (1, 1, 6, 4)]


@pytest.mark.parametrize(("padding", "stride", "large", "small"), SIDES)
def test_a_transposed_convolution_is_as_large_as_what_it_was_made_from(padding, stride, large, small):
    text = SIZES.replace("PADDING", str(padding)).replace("STRIDE", str(stride))
    model = fg.build(loads(text.replace("LARGE", str(large)).replace("SMALL", str(small))))
    x, y = (torch.randn(2, 1, each, each, generator=torch.Generator().manual_seed(each)) for each in (large, small))
    back = "encoder.transpose(encoder(Y))"
    known = model.evaluate(("encoder(Y)", back), X=x, Y=y)
    assert known[back].shape == y.shape
    codes = torch.randn(known["encoder(Y)"].shape, generator=torch.Generator().manual_seed(0))
    matrix = next(model.parameters())
    leaf = model.graph.functions["encoder"].leaf
    drawn = leaf.transpose(codes, {"matrix": matrix}, tuple(y.shape[1:]))
    torch.testing.assert_close((drawn * y).sum(), (codes * known["encoder(Y)"]).sum(), rtol=1e-4, atol=1e-4)
