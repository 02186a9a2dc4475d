"""Laws that hold for every factor: each runs over the registry, so that a new leaf earns them by lying in its folder.

A leaf is tried under each of its ``examples``, its promises for every set of arguments that move while the others stand still.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from factorgraph import registry
from factorgraph.spec.expressions import Expression
from factorgraph.structure import (
    Absolute,
    Differentiable,
    Dispersed,
    Estimated,
    Factor,
    Linear,
    Normalised,
    Proximal,
    Quadratic,
    ShapeError,
    Smooth,
    Square,
)

FACTORS = registry.leaves("factors")
SHAPE, SMALL = (4, 3, 5), (2, 3)
PROMISES = (Differentiable, Smooth, Quadratic, Square, Linear, Proximal, Absolute, Normalised, Estimated, Dispersed)
IMPLIED = {Smooth: Differentiable, Quadratic: Smooth, Square: Quadratic, Linear: Quadratic, Absolute: Proximal}
IMPLIED |= {Dispersed: Estimated}


# --- what is tried -------------------------------------------------------------------------------------------------------------


def made(name: str, **options: object) -> Factor:
    """The factor with these options, and a name of its own for every argument that it needs."""
    cls, names = FACTORS[name], (f"A{k}" for k in itertools.count())
    for key, info in cls.model_fields.items():
        if key not in options and info.annotation is Expression:
            options[key] = next(names)
        elif key not in options and info.is_required():  # a tuple of expressions
            options[key] = tuple(next(names) for _ in info.annotation.__args__)
    return cls(**options)


def title(factor: Factor) -> str:
    options = factor.model_dump(exclude_defaults=True)
    words = [f"{key}={value}" for key, value in options.items() if isinstance(value, int | float | str)]
    words += [key for key in ("between", "of", "by") if getattr(factor, key, None) is not None]
    return " ".join((factor.type, *words))


CASES = [made(name, **options) for name, cls in FACTORS.items() for options in cls.examples]
each = pytest.mark.parametrize("factor", CASES, ids=title)


def where(holds) -> pytest.MarkDecorator:
    """The cases, with the sets of moving arguments, for which something is promised."""
    found = [(factor, moving) for factor in CASES for moving in sets(factor) if holds(factor, moving)]
    return pytest.mark.parametrize(
        ("factor", "moving"), found, ids=[f"{title(factor)} {sorted(moving)}" for factor, moving in found]
    )


def kept(promise: type) -> pytest.MarkDecorator:
    return where(lambda factor, moving: factor.keeps(promise, moving))


def sets(factor: Factor) -> list[frozenset[int]]:
    every = range(len(factor.arguments()))
    return [frozenset(chosen) for size in range(1, len(every) + 1) for chosen in itertools.combinations(every, size)]


def compared(factor: Factor) -> int:
    """How many arguments stand in a list, and so are compared with each other; they come first."""
    return next((len(value) for _, value in factor if isinstance(value, tuple)), 0)


def fits(factor: Factor, shape: tuple[int, ...]) -> bool:
    try:
        factor.check(*[shape] * len(factor.arguments()))
    except ShapeError:
        return False
    return True


def shape_for(factor: Factor, *wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The first of some shapes that the factor takes for all of its arguments; a factor that takes none is a mistake."""
    return next(shape for shape in (*wanted, (1,), (3, 3)) if fits(factor, shape))


def arguments(factor: Factor, batch: int = 3, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> list[torch.Tensor]:
    """Random ones, in the domains that the factor means them to have."""
    source = torch.Generator().manual_seed(seed)
    shape = shape_for(factor, shape) if shape else shape
    normal = [torch.randn(batch, *shape, generator=source, dtype=torch.float64) for _ in factor.arguments()]
    return [within(factor.domain(position), each_) for position, each_ in enumerate(normal)]


def within(domain: str, x: torch.Tensor) -> torch.Tensor:
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    match domain:
        case "real":
            return x
        case "nonnegative":
            return x.abs()
        case "binary":
            return (x > 0).to(x)
        case "simplex":
            return flat.softmax(1).reshape(x.shape)
        case "one_hot":
            return (flat == flat.amax(1, keepdim=True)).to(x).reshape(x.shape)
    raise AssertionError(f"no domain of the language: {domain}")


def learned(factor: Factor, shape: tuple[int, ...] = SHAPE, seed: int = 7, scale: float = 0.3) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    shape = shape_for(factor, shape) if shape else shape
    declared = factor.parameters(*[shape] * len(factor.arguments()))
    return {
        name: scale * torch.randn(each_.shape, generator=source, dtype=torch.float64) for name, each_ in sorted(declared.items())
    }


def energy(factor: Factor, given, parameters) -> torch.Tensor:
    return factor.energy(*given, parameters) if parameters else factor.energy(*given)


def along(factor: Factor, moving: frozenset[int], steps: int) -> list[torch.Tensor]:
    """Energies at even steps along a straight line in the arguments that move."""
    given, step, with_ = arguments(factor, seed=1), arguments(factor, seed=2), learned(factor)
    step = [each_ * (position in moving) for position, each_ in enumerate(step)]
    return [energy(factor, [a + k * s for a, s in zip(given, step, strict=True)], with_) for k in range(steps)]


def hessian(factor: Factor, moving: frozenset[int], given, parameters) -> list[torch.Tensor]:
    """Blocks of the Hessian of one example in the arguments that move, (units, units) each, row by row."""

    def of(*inputs: torch.Tensor) -> torch.Tensor:
        filled = dict(zip(sorted(moving), inputs, strict=True))
        return energy(factor, [filled.get(position, each_) for position, each_ in enumerate(given)], parameters).sum()

    blocks = torch.autograd.functional.hessian(of, tuple(given[position] for position in sorted(moving)))
    units = given[0].numel()
    return [block.reshape(units, units) for block in itertools.chain(*blocks)]


# --- what is said --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_is_tried_and_keeps_what_its_class_line_says_under_some_option(name):
    cases = [factor for factor in CASES if factor.type == name]
    assert cases, "a factor without examples is held to nothing"
    for promise in PROMISES:
        somewhere = any(factor.keeps(promise, moving) for factor in cases for moving in sets(factor))
        assert somewhere == issubclass(FACTORS[name], promise), promise.__name__
    convex = any(factor.is_convex(moving) for factor in cases for moving in sets(factor))
    assert convex or not FACTORS[name].convex


@each
def test_promises_imply_those_that_they_extend_and_hold_for_fewer_moving_arguments(factor):
    for moving in sets(factor):
        for promise, implied in IMPLIED.items():
            assert factor.keeps(implied, moving) or not factor.keeps(promise, moving)
        for fewer in (each_ for each_ in sets(factor) if each_ < moving):
            for promise in PROMISES:
                assert factor.keeps(promise, fewer) or not factor.keeps(promise, moving)
            assert factor.is_convex(fewer) or not factor.is_convex(moving)


@each
def test_parameters_are_declared_with_a_start_that_costs_a_finite_energy(factor):
    shape = shape_for(factor, SHAPE)
    declared = factor.parameters(*[shape] * len(factor.arguments()))
    for each_ in declared.values():
        assert all(length > 0 for length in each_.shape)
        assert each_.rate > 0 and math.isfinite(each_.scale) and each_.start == "constant"
    start = {name: torch.full(each_.shape, each_.scale, dtype=torch.float64) for name, each_ in declared.items()}
    assert energy(factor, arguments(factor), start).isfinite().all()


# --- energies ------------------------------------------------------------------------------------------------------------------


@each
def test_energies_are_finite_numbers_one_for_each_example(factor):
    given, with_ = arguments(factor), learned(factor)
    found = energy(factor, given, with_)
    assert found.shape == (3,)
    assert found.isfinite().all()
    alone = torch.cat([energy(factor, [a[k : k + 1] for a in given], with_) for k in range(3)])
    torch.testing.assert_close(found, alone)
    assert found.unique().numel() > 1, "the case shows nothing if all examples cost the same"


@each
@pytest.mark.parametrize("batch", [0, 1])
def test_batches_of_none_and_of_one(factor, batch):
    assert energy(factor, arguments(factor, batch), learned(factor)).shape == (batch,)


@each
def test_a_sample_may_be_one_number(factor):
    if fits(factor, ()):
        given, with_ = arguments(factor, shape=(1,)), learned(factor, (1,))
        declared = factor.parameters(*[()] * len(given))
        alone = {name: value.reshape(declared[name].shape) for name, value in with_.items()}
        found = energy(factor, [a.squeeze(1) for a in given], alone)
        torch.testing.assert_close(found, energy(factor, given, with_))


@each
def test_a_number_stands_for_equal_units_where_it_is_taken(factor):
    given, with_ = arguments(factor), learned(factor)
    for position in range(compared(factor)):
        shapes = [() if k == position else a.shape[1:] for k, a in enumerate(given)]
        try:
            factor.check(*shapes)
        except ShapeError:
            continue
        filled = [torch.full_like(a, 0.37) if k == position else a for k, a in enumerate(given)]
        number = [torch.tensor(0.37, dtype=a.dtype) if k == position else a for k, a in enumerate(given)]
        torch.testing.assert_close(energy(factor, number, with_), energy(factor, filled, with_))
        declared = {name: each_.shape for name, each_ in factor.parameters(*shapes).items()}
        assert declared == {name: value.shape for name, value in with_.items()}


@pytest.mark.parametrize("factor", [factor for factor in CASES if factor.additive], ids=title)
def test_energies_are_sums_over_units_never_means(factor):
    given, with_ = arguments(factor), learned(factor)
    twice = [torch.cat([a, a], 1) for a in given]
    both = {name: torch.cat([value, value]) if value.shape == SHAPE else value for name, value in with_.items()}
    torch.testing.assert_close(energy(factor, twice, both), 2 * energy(factor, given, with_))


@each
@pytest.mark.parametrize("nonnegative", [False, True])
def test_energies_fall_without_end_but_where_they_are_bounded(factor, nonnegative):
    """Arguments of either sign, large and small: an energy that is bounded below stays above a number, any other one does not."""
    least, with_ = math.inf, learned(factor)
    for scale, seed in itertools.product((1e-30, 1e3, 1e6), range(3)):
        given = [scale * (each_.abs() if nonnegative else each_) for each_ in arguments(factor, seed=seed)]
        given = [within(factor.domain(position), each_) for position, each_ in enumerate(given)]
        least = min(least, float(energy(factor, given, with_).min()))
    positions = frozenset(range(len(factor.arguments()))) if nonnegative else frozenset()
    assert (least > -100) == factor.is_bounded_below(positions)


@each
def test_float32_agrees_with_float64(factor):
    given, with_ = arguments(factor), learned(factor)
    single = energy(factor, [a.float() for a in given], {name: value.float() for name, value in with_.items()})
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), energy(factor, given, with_), rtol=1e-5, atol=1e-5)


@each
def test_strided_arguments_give_the_same(factor):
    given, with_ = arguments(factor), learned(factor)
    strided = [a.transpose(1, -1).contiguous().transpose(1, -1) for a in given]
    assert not strided[0].is_contiguous() or given[0][0].numel() == 1
    torch.testing.assert_close(energy(factor, strided, with_), energy(factor, given, with_))


@each
def test_shapes_pass_without_values(factor):
    with_ = {name: value.to("meta") for name, value in learned(factor).items()}
    assert energy(factor, [a.to("meta") for a in arguments(factor)], with_).shape == (3,)
    if isinstance(factor, Smooth):
        bound = factor.curvature(with_)
        assert isinstance(bound, float) or (bound.shape == () and not bound.requires_grad)


@each
def test_arguments_that_do_not_fit_are_refused(factor):
    shape = shape_for(factor, SHAPE)
    others = [shape] * (len(factor.arguments()) - 1)
    if compared(factor):
        with pytest.raises(ShapeError, match=r"\[7\]"):
            factor.check((7,), *others)
        with pytest.raises(ShapeError, match=r"\[7\]"):
            factor.check(shape, (7,), *others[1:])


# --- promises ------------------------------------------------------------------------------------------------------------------


@each
def test_gradients_match_central_differences(factor):
    """In parameters always: they are learned by them whatever the arguments have."""
    every = range(len(factor.arguments()))
    smooth = [k for k in every if factor.keeps(Differentiable, frozenset({k}))]
    given, with_ = arguments(factor, batch=2, shape=SMALL), learned(factor, SMALL)
    inputs = [given[k].requires_grad_() for k in smooth] + [value.requires_grad_() for value in with_.values()]

    def of(*inputs: torch.Tensor) -> torch.Tensor:
        filled = dict(zip(smooth, inputs, strict=False))
        parameters = dict(zip(with_, inputs[len(smooth) :], strict=True))
        return energy(factor, [filled.get(k, a) for k, a in enumerate(given)], parameters)

    if inputs:
        assert torch.autograd.gradcheck(of, inputs, eps=1e-6, atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("factor", [factor for factor in CASES if isinstance(factor, Smooth)], ids=title)
def test_curvature_bounds_every_block_of_the_hessian_and_is_not_ten_times_too_large(factor):
    moved = [moving for moving in sets(factor) if factor.keeps(Smooth, moving)]
    for scale in (0.3, 1.0) if moved else ():
        with_ = learned(factor, SMALL, scale=scale)
        bound, seen = float(factor.curvature(with_)), 0.0
        for moving, seed in itertools.product(moved, range(12)):
            blocks = hessian(factor, moving, arguments(factor, 1, SMALL, seed), with_)
            for block in blocks:
                norm = float(torch.linalg.matrix_norm(block, 2))
                assert norm <= bound * (1 + 1e-9)
                seen = max(seen, norm)
        assert bound <= 10 * seen


@kept(Smooth)
def test_far_away_derivatives_are_numbers_to_the_third(factor, moving):
    """In single precision, where the exponential of a hundred is none."""
    given = [each.float() for each in arguments(factor)]
    for place in moving:
        given[place] = (200 * given[place] if factor.domain(place) == "real" else given[place]).requires_grad_()
    parameters = {name: each.float() for name, each in learned(factor).items()}
    found = [energy(factor, given, parameters)]
    for _ in range(3):
        if found[-1].requires_grad:
            points = [given[place] for place in sorted(moving)]
            slopes = torch.autograd.grad(found[-1].sum(), points, create_graph=True, allow_unused=True, materialize_grads=True)
            found.append(torch.cat([slope.flatten(1) for slope in slopes], 1))
    assert all(each.isfinite().all() for each in found)


@each
def test_energies_are_affine_in_what_is_meant_to_have_a_domain(factor):
    """So that whatever holds at the values of a domain holds between them."""
    for position in range(len(factor.arguments())):
        if factor.domain(position) != "real":
            found = along(factor, frozenset({position}), 3)
            torch.testing.assert_close(found[2] - found[1], found[1] - found[0], atol=1e-9, rtol=0)


@where(lambda factor, moving: factor.anywhere and factor.keeps(Smooth, moving) and factor.is_convex(moving))
def test_promises_that_need_no_domain_hold_outside_of_it(factor, moving):
    with_, bound = learned(factor, SMALL), float(factor.curvature(learned(factor, SMALL)))
    for seed in range(12):
        given = arguments(factor, 1, SMALL, seed)
        source = torch.Generator().manual_seed(seed)
        given = [3 * torch.randn(each_.shape, generator=source, dtype=each_.dtype) for each_ in given]
        for block in hessian(factor, moving, given, with_):
            eigenvalues = torch.linalg.eigvalsh(block)
            assert eigenvalues.min() >= -1e-9 and eigenvalues.max() <= bound * (1 + 1e-9) + 1e-12


@kept(Quadratic)
def test_quadratic_ones_have_no_third_difference(factor, moving):
    found = along(factor, moving, 4)
    third = found[3] - 3 * found[2] + 3 * found[1] - found[0]
    torch.testing.assert_close(third, torch.zeros_like(third), atol=1e-9, rtol=0)


@kept(Quadratic)
def test_a_hessian_varies_between_samples_where_it_is_said_to(factor, moving):
    with_ = learned(factor, SMALL)
    found = [hessian(factor, moving, arguments(factor, 1, SMALL, seed), with_) for seed in range(6)]
    same = all(torch.allclose(a, b) for other in found for a, b in zip(found[0], other, strict=True))
    assert same is not factor.varies(moving)


@kept(Linear)
def test_linear_ones_have_no_second_difference(factor, moving):
    found = along(factor, moving, 3)
    second = found[2] - 2 * found[1] + found[0]
    torch.testing.assert_close(second, torch.zeros_like(second), atol=1e-9, rtol=0)


@kept(Square)
def test_squares_are_half_their_curvature_times_a_squared_length(factor, moving):
    given, with_ = arguments(factor, seed=1), learned(factor)
    difference = given[0] - given[1] if len(given) == 2 else given[0]
    zero = energy(factor, [torch.zeros_like(a) for a in given], with_)
    half = factor.curvature(with_) / 2
    torch.testing.assert_close(energy(factor, given, with_) - zero, half * difference.square().flatten(1).sum(1))


@where(lambda factor, moving: factor.is_convex(moving))
def test_convex_ones_lie_below_their_chords(factor, moving):
    with_ = learned(factor, SMALL)
    for seed in range(0, 40, 2):
        one, other = (arguments(factor, shape=SMALL, seed=seed + k) for k in (0, 1))
        other = [b if position in moving else a for position, (a, b) in enumerate(zip(one, other, strict=True))]
        middle = energy(factor, [(a + b) / 2 for a, b in zip(one, other, strict=True)], with_)
        assert (middle <= (energy(factor, one, with_) + energy(factor, other, with_)) / 2 + 1e-9).all()


@pytest.mark.parametrize("factor", [factor for factor in CASES if isinstance(factor, Normalised)], ids=title)
@pytest.mark.parametrize("units", [1, 2, 3])
def test_normalised_ones_add_up_to_one(factor, units):
    """Over the values of the first argument: all of a finite domain, a grid of the real ones, of two units at most."""
    shape = (units,)
    if not fits(factor, shape) or (factor.domain(0) == "real" and units > 2):
        return
    values, size = points(factor.domain(0), units)
    rest = [a.expand(len(values), units) for a in arguments(factor, 1, shape, seed=3)[1:]]
    mass = size * (-energy(factor, [values, *rest], learned(factor, shape))).exp().sum()
    torch.testing.assert_close(mass, torch.ones_like(mass), atol=1e-9, rtol=0)


def points(domain: str, units: int) -> tuple[torch.Tensor, float]:
    """The values that are added up, and the volume of each."""
    if domain in ("one_hot", "simplex"):
        return torch.eye(units, dtype=torch.float64), 1.0
    axis = torch.arange(2.0).double() if domain == "binary" else torch.arange(-80.0, 81).double() / 5
    return torch.cartesian_prod(*[axis] * units).reshape(-1, units), 1.0 if domain == "binary" else 0.2**units


# --- estimates -----------------------------------------------------------------------------------------------------------------

ESTIMATED = [factor for factor in CASES if factor.keeps(Estimated, frozenset())]


def weighted(factor: Factor, with_: dict[str, torch.Tensor], given: list[torch.Tensor], weight: torch.Tensor) -> float:
    return (energy(factor, given, with_).double() @ weight).item()


@pytest.mark.parametrize("factor", ESTIMATED, ids=title)
@pytest.mark.parametrize("size", [1.0, 0.2])  # of what is compared: with 0.2 there are variances below the floor of 0.37
def test_estimates_are_the_best_parameters(factor, size):
    given = [a if factor.domain(k) == "one_hot" else size * a for k, a in enumerate(arguments(factor, 40, SMALL, seed=5))]
    weight = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = learned(factor, shape_for(factor, SMALL))
    halves = [factor.statistics(*(a[part] for a in given), weight=weight[part]) for part in (slice(0, 17), slice(17, 40))]
    found = factor.estimate({key: halves[0][key] + halves[1][key] for key in halves[0]}, before)
    best, source = weighted(factor, found, given, weight), torch.Generator().manual_seed(2)
    assert best < weighted(factor, before, given, weight)
    for step in (1e-3, 1e-1):
        for _ in range(30):
            near = {key: a + step * torch.randn(a.shape, generator=source, dtype=a.dtype) for key, a in found.items()}
            assert weighted(factor, near, given, weight) >= best - 1e-5 * abs(best)


@pytest.mark.parametrize("factor", ESTIMATED, ids=title)
def test_what_no_row_told_stays_as_it_was(factor):
    given, before = arguments(factor, 4, SMALL), learned(factor, shape_for(factor, SMALL))
    found = factor.estimate(factor.statistics(*given, weight=torch.zeros(4)), before)
    for key, each_ in before.items():
        torch.testing.assert_close(found[key], each_, rtol=0, atol=0)


# --- proximal maps -------------------------------------------------------------------------------------------------------------


def split(given: list[torch.Tensor], moving: frozenset[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What moves, and what stands still."""
    (position,) = moving
    return given[position], given[:position] + given[position + 1 :]


def at(factor: Factor, moving: frozenset[int], x: torch.Tensor, still: list[torch.Tensor]) -> torch.Tensor:
    (position,) = moving
    return factor.energy(*still[:position], x, *still[position:])


@kept(Proximal)
@pytest.mark.parametrize("t", [0.0, 0.37, 2.5])
@pytest.mark.parametrize("number", [False, True])
def test_prox_beats_its_neighbours_and_random_points(factor, moving, t, number):
    v, still = split(arguments(factor), moving)
    still = [torch.tensor(0.37, dtype=a.dtype) if number else a for a in still]
    z = factor.prox(v, torch.tensor(t, dtype=torch.float64), *still)

    def cost(x):
        return t * at(factor, moving, x, still) + (x - v).square().flatten(1).sum(1) / 2

    best, source = cost(z), torch.Generator().manual_seed(5)
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(50):
            assert (cost(z + size * torch.randn(z.shape, generator=source, dtype=z.dtype)) >= best - 1e-12).all()
    for index in itertools.product(*map(range, SHAPE)):  # one unit at a time: where a coordinate is stuck at its threshold
        for size in (-1e-3, 1e-3):
            near = z.clone()
            near[(slice(None), *index)] += size
            assert (cost(near) >= best - 1e-12).all()


@kept(Proximal)
def test_prox_takes_a_step_for_each_row(factor, moving):
    v, still = split(arguments(factor), moving)
    t = torch.tensor([0.1, 0.37, 1.1], dtype=torch.float64)
    rows = [factor.prox(v[k : k + 1], t[k], *(a[k : k + 1] for a in still)) for k in range(3)]
    torch.testing.assert_close(factor.prox(v, t.reshape(3, 1, 1, 1), *still), torch.cat(rows))


@kept(Proximal)
def test_prox_keeps_what_is_not_finite_in_sight_and_leaves_its_arguments_alone(factor, moving):
    v, still = split(arguments(factor), moving)
    before = [each_.clone() for each_ in (v, *still)]
    assert factor.prox(v, torch.tensor(0.37, dtype=torch.float64), *still) is not v
    assert all(torch.equal(a, b) for a, b in zip((v, *still), before, strict=True))
    v[1] = torch.nan
    z = factor.prox(v, torch.tensor(0.37, dtype=torch.float64), *still)
    assert z[1].isnan().all() and z[[0, 2]].isfinite().all()
