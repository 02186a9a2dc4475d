"""Functions unit by unit: their values at special points, against closed forms and high precision, and far out."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import pytest
import torch

from factorgraph import registry

getcontext().prec = 50


def made(name: str, **options: object) -> object:
    return registry.leaves("functions")[name](**options)


def exp(x: float) -> Decimal:
    return Decimal(x).exp()


def tanh(x: float) -> Decimal:
    return (exp(2 * x) - 1) / (exp(2 * x) + 1)


EXACT = {  # to fifty digits
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "softplus": lambda x: (1 + exp(x)).ln(),
    "tanh_shrink": lambda x: Decimal(x) - tanh(x),
    "abs": lambda x: abs(Decimal(x)),
    "leaky_relu": lambda x: Decimal(x) if x > 0 else Decimal("0.2") * Decimal(x),
    "saturated_linear": lambda x: min(max(Decimal(x), Decimal(-1)), Decimal(1)),
}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_exact_to_the_last_digits(name):
    points = [-40.0, -25.0, -3.0, -1.0, -0.37, 0.0, 0.37, 1.0, 2.5, 25.0, 40.0]
    x = torch.tensor([points], dtype=torch.float64)
    exact = torch.tensor([[float(EXACT[name](point)) for point in points]], dtype=torch.float64)
    torch.testing.assert_close(made(name).forward(x, {}), exact, rtol=1e-14, atol=1e-15)


SLOPES = {  # at 0, far above, far below
    "sigmoid": (0.25, 0, 0),
    "softplus": (0.5, 1, 0),
    "tanh_shrink": (0, 1, 1),
    "abs": (0, 1, -1),
    "leaky_relu": (0.2, 1, 0.2),
    "saturated_linear": (1, 0, 0),
    "normalise": (1e4, None, None),
    "softmax": (0, 0, 0),
}
VALUES = {
    "sigmoid": (0.5, 1, 0),
    "softplus": (math.log(2), 1e4, 0),
    "tanh_shrink": (0, 1e4 - 1, 1 - 1e4),
    "abs": (0, 1e4, 1e4),
    "leaky_relu": (0, 1e4, -2e3),
    "saturated_linear": (0, 1, -1),
    "normalise": (0, 1, -1),
    "softmax": (1, 1, 1),  # of one unit
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SLOPES)
def test_at_zero_and_far_out_values_and_slopes_are_right(name, dtype):
    x = torch.tensor([[0.0], [1e4], [-1e4]], dtype=dtype, requires_grad=True)
    y = made(name).forward(x, {})
    y.sum().backward()
    torch.testing.assert_close(y.detach().flatten(), torch.tensor(VALUES[name], dtype=dtype))
    for slope, expected in zip(x.grad.flatten().tolist(), SLOPES[name], strict=True):
        assert math.isfinite(slope)
        assert expected is None or math.isclose(slope, expected, rel_tol=1e-6, abs_tol=1e-6)


def test_another_slope_of_a_leaky_rectifier():
    x = torch.tensor([[-2.0, 3.0]])
    torch.testing.assert_close(made("leaky_relu", slope=0.01).forward(x, {}), torch.tensor([[-0.02, 3.0]]))


def test_a_softmax_is_over_all_units_whatever_their_shape():
    x = torch.randn(3, 4, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = made("softmax").forward(x, {})
    assert y.shape == x.shape
    weights = x.flatten(1).exp()
    torch.testing.assert_close(y.flatten(1), weights / weights.sum(1, keepdim=True))
    huge = made("softmax").forward(torch.tensor([[1e4, -1e4, 1e4]]), {})
    torch.testing.assert_close(huge, torch.tensor([[0.5, 0.0, 0.5]]))


# --- normalise


def test_a_normalised_sample_has_norm_one_over_all_its_units():
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = made("normalise").forward(x, {})
    torch.testing.assert_close(y, torch.nn.functional.normalize(x.flatten(1)).reshape(x.shape), rtol=1e-8, atol=0)


@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1e18, 1e30])
def test_no_square_overflows_in_float32(scale):
    x = scale * torch.tensor([[3.0, 4.0]])
    y = made("normalise", epsilon=0.37).forward(x, {})
    exact = x.double() / (0.37 + x.double().square().sum()).sqrt()
    torch.testing.assert_close(y.double(), exact, rtol=1e-6, atol=0)


def test_the_gradient_of_the_direction_is_finite_at_zeros_and_right_where_numbers_are_large():
    for point in ([0.0, 0.0], [3e3, 4e3], [0.3, -0.4], [1.0, -1.0]):
        x = torch.tensor([point], dtype=torch.float64, requires_grad=True)
        jacobian = torch.autograd.functional.jacobian(lambda x: made("normalise").forward(x, {}), x)[0, :, 0]
        squared = x.square().sum() + 1e-8
        exact = (torch.eye(2, dtype=torch.float64) - x.T @ x / squared) / squared.sqrt()
        torch.testing.assert_close(jacobian, exact.detach())


# --- with parameters


def test_double_tanh_is_two_steps():
    x = torch.tensor([[-3.0, 0.0, 0.37, 2.0]], dtype=torch.float64)
    place = torch.tensor([2.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    exact = [float(tanh(a + u) + tanh(a - u)) for a, u in zip(x[0].tolist(), place.tolist(), strict=True)]
    torch.testing.assert_close(made("double_tanh").forward(x, {"place": place}), torch.tensor([exact], dtype=torch.float64))
    far = made("double_tanh").forward(torch.tensor([[1e4, -1e4]]), {"place": torch.ones(2)})
    assert torch.equal(far, torch.tensor([[2.0, -2.0]]))


def test_the_place_of_a_double_tanh_starts_where_it_can_move():
    leaf = made("double_tanh")
    declared = leaf.parameters((2, 3), (2, 3))["place"]
    assert declared.shape == (2, 3)
    place = torch.full((1,), declared.scale, requires_grad=True)
    leaf.forward(torch.tensor([[0.5]]), {"place": place}).sum().backward()
    assert place.grad.abs() > 0.1


@pytest.mark.parametrize("gain", [False, True])
def test_an_offset_gains_before_it_adds(gain):
    leaf = made("offset", gain=gain)
    declared = leaf.parameters((2, 3), (2, 3))
    assert {name: (each.start, each.scale) for name, each in declared.items()} == {
        "bias": ("constant", 0.0),
        **({"scale": ("constant", 1.0)} if gain else {}),
    }
    with_ = {"bias": torch.tensor([1.0, -2.0]), "scale": torch.tensor([3.0, -4.0])}
    x = torch.tensor([[0.5, 0.37]])
    expected = [[2.5, -3.48]] if gain else [[1.5, -1.63]]
    torch.testing.assert_close(leaf.forward(x, with_), torch.tensor(expected))
    torch.testing.assert_close(leaf.transpose(x, with_, (2,)), torch.tensor([[1.5, -1.48]]) if gain else x)
    assert leaf.norm_bound(with_, (2,)) == (4 if gain else 1)
