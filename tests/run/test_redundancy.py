"""A code of the whole picture says once what codes of overlapping patches say again and again."""

from __future__ import annotations

import torch

from factorgraph.data.dataset import load_data
from factorgraph.spec.load import loads
from tests.run.redundancy import at_equal_error

LEAVES = """
factorgraph: 1
variables: {X: {kind: observed, shape: [1, 20, 20]}}
functions: {f: linear}
factors: {fit: {type: squared_distance, between: [X, f(X)]}}
learning: {fit: {loss: energy}}
data: {source: dead_leaves, size: 20, count: 16, test: 3, prepare: [{contrast_normalise: 9}], bind: {X: image}}
"""
SIDE, DIRECTIONS = 5, 6


def edges_and_spots() -> torch.Tensor:
    """Kernels of norm 1: an edge in each of a few directions, and a spot."""
    at = torch.arange(SIDE) - (SIDE - 1) / 2
    down, across = torch.meshgrid(at, at, indexing="ij")
    window = torch.exp(-(down**2 + across**2) / 4)
    angles = torch.arange(DIRECTIONS) * torch.pi / DIRECTIONS
    kernels = torch.stack([window * (down * torch.sin(each) + across * torch.cos(each)) for each in angles] + [window])
    return kernels / kernels.flatten(1).norm(dim=1)[:, None, None]


def test_a_joint_code_has_a_quarter_of_the_numbers_of_patches_at_equal_error() -> None:
    data = load_data(loads(LEAVES), {"X": (1, 20, 20)}, ())
    apart, whole = at_equal_error(torch.as_tensor(data.test["X"]), edges_and_spots(), 0.3)
    assert whole.error <= apart.error < 0.5
    assert 0 < 4 * whole.nonzeros <= apart.nonzeros
