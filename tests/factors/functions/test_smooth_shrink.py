"""Smooth shrinkage: the facts that follow from its formula."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import pytest
import torch

from factorgraph.factors.functions.smooth_shrink import SmoothShrink

getcontext().prec = 50
LEAF = SmoothShrink()
PLOTTED = [(10.0, 1.0), (3.0, 1.0), (1.0, 1.0), (10.0, 2.0)]  # (sharpness, threshold)


def applied(x: torch.Tensor, s: float, b: float) -> torch.Tensor:
    return LEAF.forward(x, {"sharpness": torch.tensor(s, dtype=x.dtype), "threshold": torch.tensor(b, dtype=x.dtype)})


def exact(x: float, s: float, b: float) -> float:
    q = (Decimal(s) * Decimal(b)).exp() + (Decimal(s) * abs(Decimal(x))).exp() - 1
    return math.copysign(1.0, x) * float(q.ln() / Decimal(s) - Decimal(b))


@pytest.mark.parametrize(("s", "b"), [*PLOTTED, (0.01, 0.5), (50.0, 0.0), (0.37, 30.0)])
def test_values_are_exact_to_the_last_digits(s, b):
    points = [-30.0, -2.0, -1.0, -1e-6, 0.0, 1e-12, 0.37, 1.0, 1.5, 2.0, 30.0]
    x = torch.tensor(points, dtype=torch.float64)
    torch.testing.assert_close(
        applied(x, s, b), torch.tensor([exact(each, s, b) for each in points], dtype=torch.float64), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize(("s", "b"), PLOTTED)
def test_it_is_odd_and_zero_at_zero(s, b):
    x = torch.linspace(0, 5, 41, dtype=torch.float64)
    assert torch.equal(applied(-x, s, b), -applied(x, s, b))
    assert applied(x, s, b)[0] == 0


@pytest.mark.parametrize(("s", "b"), PLOTTED)
def test_its_slope_is_as_derived_at_every_point_zero_and_the_threshold_included(s, b):
    x = torch.tensor([-3.0, -b, -0.37, 0.0, 0.37, b, 3.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(applied(x, s, b).sum(), x)
    size = x.detach().abs()
    torch.testing.assert_close(slope, (s * size).exp() / (math.exp(s * b) + (s * size).exp() - 1))
    assert slope[3] > 0 and math.isclose(slope[3], math.exp(-s * b), rel_tol=1e-12)


def test_its_gradients_match_central_differences_in_all_three():
    source = torch.Generator().manual_seed(3)
    x = 2 * torch.randn(3, 4, 2, 2, generator=source, dtype=torch.float64)
    s = (1 + 4 * torch.rand(4, 1, 1, generator=source, dtype=torch.float64)).requires_grad_()
    b = (0.2 + torch.rand(4, 1, 1, generator=source, dtype=torch.float64)).requires_grad_()
    x = x.requires_grad_()

    def value(x: torch.Tensor, s: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return LEAF.forward(x, {"sharpness": s, "threshold": b})

    assert torch.autograd.gradcheck(value, (x, s, b), eps=1e-6, atol=1e-6, rtol=1e-6)
    q = (s * b).exp() + (s * x.abs()).exp() - 1
    by_s, by_b = torch.autograd.grad(value(x, s, b).sum(), (s, b))
    sign, size = x.sign(), x.abs()
    derived = sign * ((b * (s * b).exp() + size * (s * size).exp()) / (s * q) - q.log() / s**2)
    torch.testing.assert_close(by_s, derived.sum((0, 2, 3)).reshape(4, 1, 1).detach())
    torch.testing.assert_close(by_b, (sign * ((s * b).exp() / q - 1)).sum((0, 2, 3)).reshape(4, 1, 1).detach())


def test_sharp_it_is_the_shrinkage():
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(applied(x, 1e4, 0.55), torch.nn.functional.softshrink(x, 0.55), rtol=0, atol=1e-4)
    torch.testing.assert_close(applied(x, 3.0, 0.0), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("s", "b"), [(10.0, 1.0), (0.01, 1.0), (100.0, 0.1), (3.0, 1e4)])
def test_far_out_nothing_overflows(s, b, dtype):
    values = [torch.tensor([0.0, 1e4, -1e4, 1e-20], dtype=dtype), torch.tensor(s, dtype=dtype), torch.tensor(b, dtype=dtype)]
    x, sharpness, threshold = (each.requires_grad_() for each in values)
    y = LEAF.forward(x, {"sharpness": sharpness, "threshold": threshold})
    y.sum().backward()
    for each in (y, x.grad, sharpness.grad, threshold.grad):
        assert each.isfinite().all()
    torch.testing.assert_close(y.detach()[:3], torch.tensor([exact(each, s, b) for each in (0.0, 1e4, -1e4)], dtype=dtype))


def test_one_of_each_for_a_unit_or_for_a_map():
    for shape, per_map, expected in (((7,), False, (7,)), ((4, 3, 5), False, (4, 3, 5)), ((4, 3, 5), True, (4, 1, 1))):
        declared = SmoothShrink(per_map=per_map).parameters(shape, shape)
        assert declared["sharpness"].shape == declared["threshold"].shape == expected
        assert declared["sharpness"].scale > 0 and declared["threshold"].scale >= 0


def test_what_leaves_its_range_acts_as_its_edge_is_put_back_and_can_return():
    sharpness, threshold = torch.tensor([-1.0, 2.0]), torch.tensor([0.5, -3.0])
    outside = LEAF.forward(torch.ones(1, 2), {"sharpness": sharpness, "threshold": threshold})
    LEAF.project({"sharpness": sharpness, "threshold": threshold})
    assert torch.equal(sharpness, torch.tensor([0.01, 2.0])) and torch.equal(threshold, torch.tensor([0.5, 0.0]))
    edges = sharpness.requires_grad_(), threshold.requires_grad_()
    inside = LEAF.forward(torch.ones(1, 2), {"sharpness": sharpness, "threshold": threshold})
    assert torch.equal(inside, outside)
    by_s, by_b = torch.autograd.grad(inside.sum(), edges)
    assert by_s[0] != 0 and by_b[1] != 0
