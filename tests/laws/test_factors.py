"""Laws that hold for every factor: each runs over the registry, so that a new leaf earns them by lying in its folder."""

from __future__ import annotations

import itertools

import pytest
import torch

from factorgraph import registry
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Proximal, Quadratic, ShapeError, Smooth, Square

FACTORS = registry.leaves("factors")
SHAPE = (4, 3, 5)


def made(name: str) -> Factor:
    """The factor with a name of its own for every argument."""
    cls, names = FACTORS[name], (f"A{k}" for k in itertools.count())
    fields = {}
    for key, info in cls.model_fields.items():
        if info.annotation is Expression:
            fields[key] = next(names)
        elif info.is_required():  # a tuple of expressions
            fields[key] = tuple(next(names) for _ in info.annotation.__args__)
    return cls(**fields)


def arguments(factor: Factor, batch: int = 3, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, *shape, generator=source, dtype=torch.float64) for _ in factor.arguments()]


def having(promise: type) -> list[str]:
    return [name for name, cls in FACTORS.items() if issubclass(cls, promise)]


each = pytest.mark.parametrize("name", FACTORS)


@each
def test_energies_are_finite_numbers_one_for_each_example(name):
    factor = made(name)
    given = arguments(factor)
    energy = factor.energy(*given)
    assert energy.shape == (3,)
    assert energy.isfinite().all()
    alone = torch.cat([factor.energy(*(a[k : k + 1] for a in given)) for k in range(3)])
    torch.testing.assert_close(energy, alone)


@each
@pytest.mark.parametrize("batch", [0, 1])
def test_batches_of_none_and_of_one(name, batch):
    factor = made(name)
    assert factor.energy(*arguments(factor, batch)).shape == (batch,)


@each
def test_a_sample_may_be_one_number(name):
    factor = made(name)
    single = factor.energy(*arguments(factor, shape=(1,)))
    torch.testing.assert_close(factor.energy(*(a.squeeze(1) for a in arguments(factor, shape=(1,)))), single)


@each
def test_energies_are_sums_over_units_never_means(name):
    factor = made(name)
    given = arguments(factor)
    twice = [torch.cat([a, a], 1) for a in given]
    torch.testing.assert_close(factor.energy(*twice), 2 * factor.energy(*given))


@each
def test_float32_agrees_with_float64(name):
    factor = made(name)
    given = arguments(factor)
    single = factor.energy(*(a.float() for a in given))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), factor.energy(*given), rtol=1e-5, atol=1e-5)


@each
def test_strided_arguments_give_the_same(name):
    factor = made(name)
    given = arguments(factor)
    strided = [a.transpose(1, 3).contiguous().transpose(1, 3) for a in given]
    assert not strided[0].is_contiguous()
    torch.testing.assert_close(factor.energy(*strided), factor.energy(*given))


@each
def test_shapes_pass_without_values(name):
    factor = made(name)
    assert factor.energy(*(a.to("meta") for a in arguments(factor))).shape == (3,)


@each
def test_arguments_that_do_not_fit_are_refused(name):
    factor = made(name)
    count = len(factor.arguments())
    factor.check(*[SHAPE] * count)
    if count > 1:
        with pytest.raises(ShapeError, match=r"\[7\]"):
            factor.check((7,), *[SHAPE] * (count - 1))


@pytest.mark.parametrize("name", having(Differentiable))
def test_gradients_match_central_differences(name):
    factor = made(name)
    given = [a.requires_grad_() for a in arguments(factor, batch=2, shape=(2, 3))]
    assert torch.autograd.gradcheck(factor.energy, given, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", having(Smooth))
def test_curvature_bounds_every_block_of_the_hessian_and_is_not_ten_times_too_large(name):
    factor = made(name)
    seen = 0.0
    for seed in range(5):
        given = tuple(arguments(factor, batch=1, shape=(2, 3), seed=seed))
        blocks = torch.autograd.functional.hessian(lambda *a: factor.energy(*a).sum(), given)
        for block in itertools.chain(*blocks):
            norm = torch.linalg.matrix_norm(block.reshape(6, 6), 2)
            assert norm <= factor.curvature({}) * (1 + 1e-9)
            seen = max(seen, float(norm))
    assert factor.curvature({}) <= 10 * seen


@pytest.mark.parametrize("name", having(Quadratic))
def test_quadratic_ones_have_no_third_difference(name):
    factor = made(name)
    given, step = arguments(factor, seed=1), arguments(factor, seed=2)
    along = [factor.energy(*(a + k * s for a, s in zip(given, step, strict=True))) for k in range(4)]
    third = along[3] - 3 * along[2] + 3 * along[1] - along[0]
    torch.testing.assert_close(third, torch.zeros_like(third), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", having(Square))
def test_squares_are_half_their_curvature_times_a_squared_length(name):
    factor = made(name)
    given = arguments(factor, seed=1)
    difference = given[0] - given[1] if len(given) == 2 else given[0]
    zero = factor.energy(*(torch.zeros_like(each_) for each_ in given))
    half = factor.curvature({}) / 2
    torch.testing.assert_close(factor.energy(*given) - zero, half * difference.square().flatten(1).sum(1))


@pytest.mark.parametrize("name", [name for name, cls in FACTORS.items() if cls.convex])
def test_convex_ones_lie_below_their_chords(name):
    factor = made(name)
    for seed in range(0, 40, 2):
        one, other = arguments(factor, seed=seed), arguments(factor, seed=seed + 1)
        middle = factor.energy(*((a + b) / 2 for a, b in zip(one, other, strict=True)))
        assert (middle <= (factor.energy(*one) + factor.energy(*other)) / 2 + 1e-9).all()


@pytest.mark.parametrize("name", having(Proximal))
@pytest.mark.parametrize("t", [0.0, 0.37, 2.5])
def test_prox_beats_its_neighbours_and_random_points(name, t):
    factor = made(name)
    (v,) = arguments(factor)
    z = factor.prox(v, torch.tensor(t, dtype=torch.float64))

    def cost(x):
        return t * factor.energy(x) + (x - v).square().flatten(1).sum(1) / 2

    best, source = cost(z), torch.Generator().manual_seed(5)
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(50):
            assert (cost(z + size * torch.randn(z.shape, generator=source, dtype=z.dtype)) >= best - 1e-12).all()
    for index in itertools.product(*map(range, SHAPE)):  # one unit at a time: where a coordinate is stuck at its threshold
        for size in (-1e-3, 1e-3):
            near = z.clone()
            near[(slice(None), *index)] += size
            assert (cost(near) >= best - 1e-12).all()


@pytest.mark.parametrize("name", having(Proximal))
def test_prox_takes_a_step_for_each_row(name):
    factor = made(name)
    (v,) = arguments(factor)
    t = torch.tensor([0.1, 0.37, 1.1], dtype=torch.float64)
    rows = [factor.prox(v[k : k + 1], t[k]) for k in range(3)]
    torch.testing.assert_close(factor.prox(v, t.reshape(3, 1, 1, 1)), torch.cat(rows))


@pytest.mark.parametrize("name", having(Proximal))
def test_prox_keeps_what_is_not_finite_in_sight_and_leaves_its_argument_alone(name):
    factor = made(name)
    (v,) = arguments(factor)
    kept = v.clone()
    assert factor.prox(v, torch.tensor(0.37, dtype=torch.float64)) is not v
    assert torch.equal(v, kept)
    v[1] = torch.nan
    z = factor.prox(v, torch.tensor(0.37, dtype=torch.float64))
    assert z[1].isnan().all() and z[[0, 2]].isfinite().all()
