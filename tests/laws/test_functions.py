"""Laws that hold for every function: each runs over the registry, so that a new leaf earns them by lying in its folder."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from pydantic import ValidationError

from factorgraph import registry
from factorgraph.factors.functions._affine import AffineFunction
from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.spec.language import UNDECLARED
from factorgraph.structure import (
    Affine,
    Convolving,
    Cornerless,
    Dense,
    Differentiable,
    Function,
    Grouping,
    Placed,
    Saturating,
    Selection,
)

FUNCTIONS = registry.leaves("functions")
GIVEN, WANTED = (4, 3, 5), (2, 7)
OPTIONS = [  # of every function with a matrix
    {"bias": False},
    {"unit_norm": "rows"},
    {"unit_norm": "columns"},
    {"max_row_norm": 0.37},
    {"max_column_norm": 0.21},
    {"max_row_norm": 0.9, "max_column_norm": 0.3},
    {"orthonormal": "rows"},
]


def cases() -> list[Function]:
    found = []
    for cls in FUNCTIONS.values():
        found += [cls(**options) for options in cls.examples]
        found += [cls(**{**cls.examples[0], **options}) for options in OPTIONS if issubclass(cls, AffineFunction)]
    return found


def title(function: Function) -> str:
    return str(function.model_dump(exclude_defaults=True) | {"type": function.type})


def parameters(function: Function, seed: int = 0, scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Random ones, on their constraints."""
    source = torch.Generator().manual_seed(seed)
    declared = function.parameters(GIVEN, result(function))
    made = {name: scale * torch.randn(each.shape, generator=source, dtype=torch.float64) for name, each in declared.items()}
    made |= {name: made[name].abs() + 0.1 for name, each in declared.items() if each.kept}  # running variances are above 0
    function.project(made)
    return made


def kept(function: Function) -> set[str]:
    return {name for name, each in function.parameters(GIVEN, result(function)).items() if each.kept}


def result(function: Function) -> tuple[int, ...]:
    shape = function.output_shape(GIVEN, WANTED)
    assert shape is not None
    return shape


def data(batch: int = 3, shape: tuple[int, ...] = GIVEN, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def apply(function: Function, x: torch.Tensor, with_: dict[str, torch.Tensor]) -> torch.Tensor:
    return function.forward(x, with_).reshape(len(x), *result(function))


each = pytest.mark.parametrize("function", cases(), ids=title)
unit_by_unit = pytest.mark.parametrize("function", [f for f in cases() if isinstance(f, UnitByUnit)], ids=title)
affine = pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Affine)], ids=title)
grouping = pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Grouping)], ids=title)
learned = pytest.mark.parametrize("function", [f for f in cases() if isinstance(f, AffineFunction)], ids=title)


@each
def test_each_example_is_mapped_on_its_own_and_stays_finite(function):
    with_, x = parameters(function), data()
    y = apply(function, x, with_)
    assert y.isfinite().all()
    torch.testing.assert_close(y[[2, 0, 1]], apply(function, x[[2, 0, 1]], with_))
    if function.by_row:
        torch.testing.assert_close(y, torch.cat([apply(function, x[k : k + 1], with_) for k in range(3)]))
    else:
        assert not torch.allclose(y[:2], apply(function, x[:2], with_)), "rows that do not change each other are a promise"


@pytest.mark.parametrize("name", [name for name in UNDECLARED if name not in ("join", "sum", "mean")])
def test_what_is_called_by_its_type_learns_nothing_and_needs_no_options(name):
    assert FUNCTIONS[name]().parameters(GIVEN, GIVEN) == {}


def test_what_learns_nothing_and_needs_no_options_is_called_by_its_type():
    """So that the refusal of all others, which says that they have parameters or need options, is true."""
    for name, cls in FUNCTIONS.items():
        assert needs_options(cls) or cls.parameters is not Function.parameters or name in UNDECLARED, name


def needs_options(cls: type[Function]) -> bool:
    try:
        cls()
    except ValidationError:
        return True
    return False


@each
def test_results_lie_where_a_function_says(function):
    found = apply(function, 3 * data(), parameters(function)).flatten(1)
    if function.domain() == "simplex":
        assert (found >= 0).all()
        torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
    elif function.domain() == "nonnegative":
        assert (found >= 0).all()
    else:
        assert function.domain() == "real"


@each
def test_results_that_are_limited_stay_where_they_are_however_large_what_is_mapped(function):
    far, farther = (apply(function, scale * data(), parameters(function)).abs().amax() for scale in (1e3, 1e6))
    if function.is_limited():
        assert far <= 2 and farther <= 2
    elif issubclass(type(function), Affine):
        assert farther > 100 * far


@each
def test_the_shapes_of_input_and_result_agree(function):
    implied = function.input_shape(result(function))
    assert implied is None or implied == GIVEN
    assert function.output_shape(GIVEN, result(function)) == result(function)  # lent its own result, it does not change it


@unit_by_unit
def test_a_unit_is_computed_from_the_one_in_its_place_and_from_no_other(function):
    with_, x = parameters(function), data()
    changed = x.clone()
    changed[:, 2, 1, 3] += 0.37
    moved = apply(function, changed, with_) != apply(function, x, with_)
    moved[:, 2, 1, 3] = False
    assert not moved.any()


@unit_by_unit
def test_renaming_units_renames_results(function):
    with_, x = parameters(function), data()
    order = torch.tensor([2, 0, 3, 1])
    renamed = {name: value[order] for name, value in with_.items()}
    torch.testing.assert_close(apply(function, x[:, order], renamed), apply(function, x, with_)[:, order])


saturating = pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Saturating)], ids=title)


@saturating
def test_units_rest_where_a_function_says_it_is_flat_and_nowhere_nearer(function):
    """Slopes by autograd: none at that distance on one side at least, some at all that is nearer on either side."""
    with_ = {name: each.abs() + 0.1 for name, each in parameters(function).items()}  # no threshold of 0: it has one flat point
    x = 2 * data(20)
    away = function.to_flat(x, with_)
    assert away.shape == x.shape and (away == 0).any() and (away > 0).any()

    def slope(moved):
        moved = moved.requires_grad_()
        return torch.autograd.grad(apply(function, moved, with_).sum(), moved)[0]

    assert (slope(x.clone())[away == 0] == 0).all()
    far = away > 0
    there = torch.stack([slope(x + way * (away + 1e-6)) == 0 for way in (-1, 1)]).any(0)
    assert there[far].all()
    for share in (-0.999, -0.4, 0.0, 0.4, 0.999):
        assert (slope(x + share * away)[far] != 0).all()


@each
@pytest.mark.parametrize("batch", [0, 1])
def test_batches_of_none_and_of_one(function, batch):
    assert apply(function, data(batch), parameters(function)).shape == (batch, *result(function))


@pytest.mark.parametrize("method", ["forward", "transpose"])
@pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Convolving)], ids=title)
def test_what_convolves_adds_up_the_pictures_of_its_units(function, method):
    """Unit by unit, by plain loops."""
    with_ = {name: value for name, value in parameters(function).items() if name != "bias"}
    given, made = (GIVEN, result(function)) if method == "forward" else (result(function), GIVEN)
    z = data(2, given)
    drawn, cut = function.drawn(with_, method)
    side = drawn.shape[-1]
    whole = torch.zeros(2, made[0], given[1] + side - 1, given[2] + side - 1, dtype=z.dtype)
    for m, p, q in itertools.product(*map(range, given)):
        whole[:, :, p : p + side, q : q + side] += z[:, m, p, q, None, None, None] * drawn[:, m]
    found = apply(function, z, with_) if method == "forward" else function.transpose(z, with_, GIVEN)
    torch.testing.assert_close(found.reshape(2, *made), whole[:, :, cut : cut + made[1], cut : cut + made[2]])


@each
def test_float32_agrees_with_float64(function):
    with_, x = parameters(function), data()
    single = apply(function, x.float(), {name: value.float() for name, value in with_.items()})
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), apply(function, x, with_), rtol=1e-4, atol=1e-5)


@each
def test_strided_arguments_give_the_same(function):
    with_, x = parameters(function), data()
    strided = x.transpose(1, 3).contiguous().transpose(1, 3)
    assert not strided.is_contiguous()
    torch.testing.assert_close(apply(function, strided, with_), apply(function, x, with_))


@each
def test_shapes_pass_without_values(function):
    with_ = {name: value.to("meta") for name, value in parameters(function).items()}
    assert apply(function, data().to("meta"), with_).shape == (3, *result(function))
    function.project(with_)
    if function.keeps(Affine):
        assert function.transpose(data(3, result(function)).to("meta"), with_, GIVEN).shape[0] == 3
        assert function.norm_bound(with_, GIVEN).shape == ()


@each
def test_promises_at_least_a_gradient_and_it_matches_central_differences(function):
    assert isinstance(function, Differentiable)
    names, still = list(parameters(function)), kept(function)
    tensors = [(value.abs() + 0.1).requires_grad_(name not in still) for name, value in parameters(function).items()]  # off edges
    x = data(2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, *rest: function.forward(x, dict(zip(names, rest, strict=True))), (x, *tensors), eps=1e-6, atol=1e-5
    )


def along_a_line(function: Function, steps: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The slope of some units of the result at so many points of a line, (units, steps), how it changes, and how far they are."""
    with_ = {name: value if name in kept(function) else value.abs() + 0.1 for name, value in parameters(function).items()}
    t = torch.linspace(-2, 2, steps, dtype=torch.float64).requires_grad_()
    x = data(1, seed=4) + t.reshape(-1, 1, 1, 1) * data(1, seed=5)
    units = apply(function, x, with_).flatten(1).T[:8]
    slopes = [torch.autograd.grad(unit.sum(), t, create_graph=True)[0] for unit in units]
    curves = [torch.autograd.grad(slope.sum(), t, retain_graph=True)[0] for slope in slopes if slope.requires_grad]
    return torch.stack(slopes).detach(), torch.stack(curves or [torch.zeros_like(t)]), 4 / (steps - 1)


def jump(function: Function, steps: int) -> float:
    """The largest change of the slope between neighbours."""
    slopes, _, _ = along_a_line(function, steps)
    return float((slopes[:, 1:] - slopes[:, :-1]).abs().max())


@pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Cornerless) and not f.keeps(Affine)], ids=title)
def test_without_a_corner_the_slope_does_not_jump_and_second_derivatives_tell_how_it_changes(function):
    assert jump(function, 4000) <= 0.2 * jump(function, 400)
    slopes, curves, step = along_a_line(function, 4000)
    error = ((slopes[:, 2:] - slopes[:, :-2]) / (2 * step) - curves[:, 1:-1]).abs() / (1 + curves[:, 1:-1].abs())
    assert (error > 1e-2).double().mean() < 1e-3  # second derivatives may jump themselves, at single points


@pytest.mark.parametrize("function", [f for f in cases() if f.keeps(Cornerless)], ids=title)
def test_far_away_derivatives_are_numbers_to_the_third(function):
    """In single precision, where the exponential of a hundred is none."""
    with_ = {name: value.float() for name, value in parameters(function).items()}
    x = (200 * data(2)).float().requires_grad_()
    found = [apply(function, x, with_)]
    for _ in range(3):
        if found[-1].requires_grad:
            found += torch.autograd.grad(found[-1].square().sum(), x, create_graph=True)
    assert all(each.isfinite().all() for each in found)


@pytest.mark.parametrize("name", ["abs", "relu", "leaky_relu", "saturated_linear", "shrink"])
def test_the_law_of_corners_sees_one(name):
    function = FUNCTIONS[name]()
    assert not function.keeps(Cornerless) and jump(function, 4000) > 0.8 * jump(function, 400)


def learn(function: Function, x: torch.Tensor, with_: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    y, new = function.learn(x, with_, torch.Generator().manual_seed(5))
    return y.reshape(len(x), *result(function)), dict(new)


@each
def test_learning_is_a_pure_function_and_tells_new_values_of_what_is_kept(function):
    with_, x = parameters(function), data()
    before = {name: value.clone() for name, value in with_.items()}
    (y, new), (again, same) = learn(function, x, with_), learn(function, x, with_)
    assert torch.equal(y, again)
    assert all(torch.equal(value, before[name]) for name, value in with_.items())
    assert new.keys() == same.keys() == kept(function)
    for name, value in new.items():
        assert torch.equal(value, same[name]) and value.shape == before[name].shape and value.isfinite().all()
        assert not torch.equal(value, before[name])
    if not function.learns_apart:
        assert torch.equal(y, apply(function, x, with_))


@each
def test_no_gradient_reaches_what_is_kept(function):
    with_, x = parameters(function), data()
    held = {name: value.requires_grad_() for name, value in with_.items() if name in kept(function)}
    y, new = learn(function, x.requires_grad_(), with_)
    for made in (y, apply(function, x, with_)):
        gradients = torch.autograd.grad(made.sum(), [x, *held.values()], allow_unused=True, retain_graph=True)
        assert gradients[0] is not None and all(each_ is None for each_ in gradients[1:])
    assert not any(value.requires_grad for value in new.values())


@each
def test_learning_passes_shapes_without_values(function):
    with_ = {name: value.to("meta") for name, value in parameters(function).items()}
    assert learn(function, data().to("meta"), with_)[0].shape == (3, *result(function))


@each
def test_parameters_are_declared_with_a_start(function):
    for each_ in function.parameters(GIVEN, result(function)).values():
        assert all(length > 0 for length in each_.shape)
        assert each_.rate > 0 and math.isfinite(each_.scale)


@each
def test_projecting_twice_is_projecting_once(function):
    with_ = parameters(function, scale=3.0)
    once = {name: value.clone() for name, value in with_.items()}
    function.project(with_)
    for name, value in with_.items():
        torch.testing.assert_close(value, once[name], rtol=1e-12, atol=1e-12)


@affine
def test_the_adjoint_is_the_adjoint(function):
    with_ = parameters(function)
    x, y = data(), data(3, result(function), seed=2)
    linear = apply(function, x, with_) - apply(function, torch.zeros_like(x), with_)
    back = function.transpose(y, with_, GIVEN).reshape(x.shape)
    torch.testing.assert_close((linear * y).flatten(1).sum(1), (x * back).flatten(1).sum(1))


@affine
def test_it_is_affine(function):
    with_, x, other = parameters(function), data(), data(seed=3)
    mixed = apply(function, 0.37 * x + 0.63 * other, with_)
    torch.testing.assert_close(mixed, 0.37 * apply(function, x, with_) + 0.63 * apply(function, other, with_))


@affine
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_norm_bound_is_one_and_not_ten_times_too_large(function, scale):
    with_ = {name: scale * value for name, value in parameters(function).items()}
    size = math.prod(GIVEN)
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *GIVEN)
    matrix = (apply(function, basis, with_) - apply(function, torch.zeros_like(basis), with_)).flatten(1)
    norm = torch.linalg.matrix_norm(matrix, 2)
    bound = function.norm_bound(with_, GIVEN)
    assert norm <= bound * (1 + 1e-12)
    assert bound <= 10 * norm


@grouping
def test_a_grouping_is_the_lengths_of_groups_that_share_no_unit_and_leave_none_out(function):
    """Scaled group by group the lengths are scaled, and what all units have is what all groups have."""
    x, scale = data(), data(3, result(function), seed=2)
    lengths = apply(function, x, {})
    torch.testing.assert_close(lengths.square().flatten(1).sum(1), x.square().flatten(1).sum(1))
    scaled = x * function.spread(scale).reshape(x.shape)
    torch.testing.assert_close(apply(function, scaled, {}), lengths * scale.abs())
    assert (apply(function, torch.zeros_like(x), {}) == 0).all()


def norms_of(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the rows and of the columns of a matrix (outputs, inputs, ...)."""
    return matrix.flatten(1).norm(dim=1), matrix.movedim(1, 0).flatten(1).norm(dim=1)


@learned
def test_projection_puts_the_matrix_on_its_constraint(function):
    matrix = parameters(function, scale=3.0)["matrix"]
    rows, columns = norms_of(matrix)
    for norms, kind, bound in ((rows, "rows", function.max_row_norm), (columns, "columns", function.max_column_norm)):
        if function.unit_norm == kind:
            torch.testing.assert_close(norms, torch.ones_like(norms))
        if bound is not None:
            assert (norms <= bound * (1 + 1e-9)).all()
            assert (norms > 0.1 * bound).any()
    if function.orthonormal:
        torch.testing.assert_close(matrix.flatten(1) @ matrix.flatten(1).T, torch.eye(len(matrix), dtype=torch.float64))


@learned
def test_projection_leaves_what_is_within_its_bounds(function):
    are_zero = getattr(function, "connections", 0)  # entries that no link holds
    if not are_zero and (not any(function.constraints().values()) or function.constraints()["a bound on norms"]):
        free = parameters(function, scale=1e-3)["matrix"]
        source = torch.Generator().manual_seed(0)
        assert torch.equal(free, 1e-3 * torch.randn(free.shape, generator=source, dtype=torch.float64))


placed = pytest.mark.parametrize("function", [f for f in cases() if isinstance(f, Placed)], ids=title)


@placed
def test_at_each_place_the_matrix_multiplies_what_is_read_there(function):
    with_, x = parameters(function), data()
    made = function.read(x, with_) @ with_["matrix"].flatten(1).T + with_.get("bias", 0)
    torch.testing.assert_close(made.transpose(1, 2).flatten(), function.forward(x, with_).flatten())


@placed
def test_columns_are_kept_each_by_itself_where_their_norms_are_told(function):
    told = function.column_norms()
    assert (told is not None) or any(function.constraints().values())
    free = {name: torch.randn_like(value) for name, value in parameters(function).items()}
    free["matrix"][:, 0] *= 1e-3
    moved = {name: value.clone() for name, value in free.items()}
    function.project(moved)
    norms = norms_of(free["matrix"])[1]
    if told is not None:
        known = free["matrix"] * (norms.clamp(*told) / norms).reshape(-1, *[1] * (free["matrix"].dim() - 2))
        torch.testing.assert_close(moved["matrix"], known)


@pytest.mark.parametrize("function", [f for f in cases() if isinstance(f, Selection)], ids=title)
def test_selections_take_inputs_and_none_twice(function):
    places = torch.arange(60.0).reshape(1, 4, 3, 5)
    taken = function.forward(places, {}).flatten()
    assert len(taken.unique()) == len(taken)
    assert torch.isin(taken, places).all()


@pytest.mark.parametrize("function", [f for f in cases() if isinstance(f, Dense)], ids=title)
def test_dense_ones_are_a_matrix_that_may_be_any_where_no_constraint_is_named(function):
    with_, x = parameters(function), data()
    product = x.flatten(1) @ with_["matrix"].T + with_.get("bias", 0)
    torch.testing.assert_close(function.forward(x, with_), product)
    assert set(with_) <= {"matrix", "bias"}
    free = {name: torch.randn(value.shape, dtype=value.dtype) for name, value in with_.items()}
    kept = free["matrix"].clone()
    function.project(free)
    assert torch.equal(free["matrix"], kept) == (not any(function.constraints().values()))


@learned
def test_projection_of_zeros_and_of_huge_numbers_is_finite_and_hides_no_nan(function):
    outputs, inputs = parameters(function)["matrix"].shape[:2]
    for fill in (0.0, 1e30, 1e-30):
        with_ = {name: torch.full_like(value, fill, dtype=torch.float32) for name, value in parameters(function).items()}
        function.project(with_)
        assert with_["matrix"].isfinite().all()
        if function.unit_norm == "columns":
            torch.testing.assert_close(norms_of(with_["matrix"])[1], torch.ones(inputs))
        if function.unit_norm == "rows":
            torch.testing.assert_close(norms_of(with_["matrix"])[0], torch.ones(outputs))
    broken = parameters(function)
    broken["matrix"][1, 2] = torch.nan
    function.project(broken)
    assert broken["matrix"].isnan().any()


def of_maps(function: Function) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes between which it leads, with as many maps as a sample of norms takes."""
    given = (60, 5, 5)
    made = function.output_shape(given, (60, 1, 1))
    assert made is not None
    return given, made


@learned
def test_the_start_neither_swells_nor_fades_a_signal(function):
    is_square = result(function) == GIVEN
    is_convolution = len(function.parameters(GIVEN, result(function))["matrix"].shape) == 4
    given, made = ((400,), (400,) if is_square else (300,)) if not is_convolution else of_maps(function)
    declared = function.parameters(given, made)
    source = torch.Generator().manual_seed(4)
    start = {name: each_.scale * torch.randn(each_.shape, generator=source) for name, each_ in declared.items()}
    start |= {name: torch.full(each_.shape, each_.scale) for name, each_ in declared.items() if each_.start == "constant"}
    if is_square or getattr(function, "connections", 0):
        function.project(start)  # which takes means of entries, or puts 0 where no link is
    rows, columns = (each_.mean() for each_ in norms_of(start["matrix"]))
    assert 0.9 < (columns if function.unit_norm == "columns" else rows) < 1.1
