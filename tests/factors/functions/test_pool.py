"""Windows of neighbours against torch's own pools, and against plain loops where torch has none."""

from __future__ import annotations

import itertools

import numpy
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from factorgraph.compile import plan_procedures
from factorgraph.errors import SpecError
from factorgraph.factors.functions.pool import Pool
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads
from factorgraph.structure import Affine, Grouping, ShapeError


def data(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


IMAGES = data(3, 4, 9, 15)


@pytest.mark.parametrize("kind", ["max", "average", "l2"])
@pytest.mark.parametrize("image", [IMAGES, IMAGES[:, 0]], ids=["maps", "one image"])
def test_a_batch_of_none_is_pooled_to_none(kind, image):
    assert Pool(kind=kind, window=3).forward(image[:0], {}).shape == (0, *image.shape[1:-2], 3, 5)


def pair(size):
    return size if isinstance(size, tuple) else (size, size)


def unwrapped(x, reach):
    """The rows and columns that windows reach over the edge, joined on."""
    return functional.pad(x, (0, reach, 0, reach), mode="circular")


@pytest.mark.parametrize(("window", "stride"), [(3, 3), (3, 2), (1, 1), (5, 2), ((3, 5), (2, 1))])
@pytest.mark.parametrize("image", [IMAGES, IMAGES[:, 0]], ids=["maps", "one image"])
def test_pools_are_those_of_each_window(image, window, stride):
    pool = {kind: Pool(kind=kind, window=list(pair(window)), stride=list(pair(stride))) for kind in ("max", "average", "l2")}
    found = {kind: each.forward(image, {}) for kind, each in pool.items()}
    (high, wide), (down, right) = pair(window), pair(stride)
    windows = image.unfold(-2, high, down).unfold(-2, wide, right)  # (..., rows, columns, high, wide)
    torch.testing.assert_close(found["max"], windows.amax((-2, -1)))
    torch.testing.assert_close(found["average"], windows.mean((-2, -1)))
    torch.testing.assert_close(found["l2"], windows.square().sum((-2, -1)).sqrt())


@pytest.mark.parametrize(("window", "stride"), [(3, 3), (4, 3), (5, 1), (2, 3)])
def test_on_a_torus_windows_reach_over_the_edge(window, stride):
    x = unwrapped(IMAGES, window - stride) if window > stride else IMAGES
    of = {"wrap": True, "window": window, "stride": stride}
    torch.testing.assert_close(Pool(kind="max", **of).forward(IMAGES, {}), functional.max_pool2d(x, window, stride))
    torch.testing.assert_close(Pool(kind="average", **of).forward(IMAGES, {}), functional.avg_pool2d(x, window, stride))
    torch.testing.assert_close(Pool(kind="l2", **of).forward(IMAGES, {}), functional.lp_pool2d(x, 2, window, stride))
    assert Pool(**of).output_shape((4, 9, 15), None) == (4, 9 // stride, 15 // stride)


@pytest.mark.parametrize("kind", ["average", "l2"])
def test_gaussian_weights_by_plain_loops(kind):
    """A torus of 4 x 6 with windows of 4 x 3; the mean of the weights over a window is 1."""
    x, (window, stride) = data(2, 4, 6), ((4, 3), (2, 3))
    found = Pool(kind=kind, window=window, stride=stride, wrap=True, weights="gaussian", epsilon=0.37 * (kind == "l2"))
    weight = numpy.zeros(window)
    for place in itertools.product(*map(range, window)):
        off = [(at - (size - 1) / 2) / (size / 4) for at, size in zip(place, window, strict=True)]
        weight[place] = numpy.exp(-sum(each**2 for each in off) / 2)
    weight /= weight.mean()
    known = numpy.zeros((2, 2, 2))
    for row, top, left in itertools.product(range(2), repeat=3):
        for place in itertools.product(*map(range, window)):
            unit = x[row, (stride[0] * top + place[0]) % 4, (stride[1] * left + place[1]) % 6].item()
            known[row, top, left] += weight[place] * (unit**2 if kind == "l2" else unit / 12)
    known = numpy.sqrt(0.37 + known) if kind == "l2" else known
    torch.testing.assert_close(found.forward(x, {}), torch.from_numpy(known))


@pytest.mark.parametrize(
    ("shape", "window", "result"),
    [
        ((12,), 4, (3,)),
        ((8, 6), 2, (4, 3)),
        ((5, 8, 6), 2, (5, 4, 3)),
        ((4, 8, 6), (2, 2), (4, 4, 3)),
        ((4, 8, 6), (4, 1, 1), (1, 8, 6)),
        ((4, 8, 6), (3,), (4, 8, 2)),
        ((2, 4, 2, 6), 2, (1, 2, 1, 3)),
    ],
)
def test_which_axes_are_pooled(shape, window, result):
    pool, x = Pool(window=window), data(3, *shape)
    assert pool.output_shape(shape, None) == result and pool.input_shape(result) == shape
    assert pool.forward(x, {}).shape == (3, *result)
    if len(shape) == 1:
        torch.testing.assert_close(pool.forward(x, {}), functional.max_pool1d(x, window))
    if window == (4, 1, 1):
        torch.testing.assert_close(pool.forward(x, {})[:, 0], x.amax(1))


def test_sizes_that_do_not_fit_are_told_with_those_that_do():
    with pytest.raises(ShapeError, match=r"\[4, 9, 15\].* side of 9 is not covered by windows of 2 in steps of 2; .*: 8, 10"):
        Pool(window=2).output_shape((4, 9, 15), None)
    with pytest.raises(ShapeError, match=r"a side of 9 .* windows of 4 in steps of 2 around a ring; .*: 8, 10"):
        Pool(window=4, stride=2, wrap=True).output_shape((9, 8), None)
    with pytest.raises(ShapeError, match=r"a side of 3 is not covered by windows of 4 in steps of 4 around a ring; .*: 4, 8"):
        Pool(window=4, wrap=True).output_shape((3,), None)
    with pytest.raises(ShapeError, match=r"pools 3 axes, and \[9, 15\] has 2"):
        Pool(window=(1, 1, 1)).output_shape((9, 15), None)
    with pytest.raises(ShapeError, match="number"):
        Pool(window=2).output_shape((), None)
    for fix in (8, 10):
        Pool(window=2).output_shape((fix, 8), None)
        Pool(window=4, stride=2, wrap=True).output_shape((fix, 8), None)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"window": 2, "epsilon": 0.1}, "epsilon belongs to kind: l2"),
        ({"window": 2, "kind": "average", "epsilon": 0.1}, "epsilon belongs to kind: l2"),
        ({"window": 2, "weights": "gaussian"}, "no weights"),
        ({"window": (2, 2), "stride": (1, 1, 1)}, "one for each axis"),
        ({"window": 0}, "outside"),
        ({}, "window"),
    ],
)
def test_options_that_exclude_each_other_are_told(options, why):
    with pytest.raises(ValidationError, match=why):
        Pool(**options)


def test_what_it_keeps_depends_on_its_options():
    assert Pool(kind="average", window=2, stride=1).keeps(Affine)
    assert not Pool(window=2).keeps(Affine) and not Pool(kind="l2", window=2).keeps(Affine)
    assert Pool(kind="l2", window=(2, 3), stride=(2, 3), wrap=True).keeps(Grouping)
    for other in ({"stride": 1}, {"stride": 3}, {"weights": "gaussian"}, {"epsilon": 1e-9}, {"kind": "average"}):
        assert not Pool(**{"kind": "l2", "window": 2, **other}).keeps(Grouping)


def test_a_length_of_nothing_has_no_slope_and_no_undefined_one():
    x = torch.zeros(2, 6, dtype=torch.float64)
    x[1, 2:] = torch.tensor([3.0, 4.0, 0.0, 0.0])
    x.requires_grad_()
    y = Pool(kind="l2", window=2).forward(x, {})
    torch.testing.assert_close(y, torch.tensor([[0.0, 0.0, 0.0], [0.0, 5.0, 0.0]], dtype=torch.float64))
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, torch.tensor([[0.0] * 6, [0, 0, 0.6, 0.8, 0, 0]], dtype=torch.float64))


def test_the_bound_is_the_norm_where_windows_do_not_overlap():
    assert Pool(kind="average", window=(4, 3)).norm_bound({}, (4, 3)) == pytest.approx(12**-0.5, rel=1e-5)
    assert Pool(kind="average", window=(4, 4), stride=(1, 1), wrap=True).norm_bound({}, (4, 4)) == pytest.approx(1, rel=1e-5)


def test_of_one_number_the_bound_holds_for_any_count_of_axes():
    pool = Pool(kind="average", window=4)
    for shape in ((8,), (4, 8), (2, 4, 4)):
        basis = torch.eye(torch.Size(shape).numel()).reshape(-1, *shape)
        assert torch.linalg.matrix_norm(pool.forward(basis, {}).flatten(1), 2) <= pool.norm_bound({}, shape)


@pytest.mark.parametrize("options", [{"window": 3}, {"window": (2, 3), "stride": (2, 1), "wrap": True}])
def test_what_is_spread_is_read_back(options):
    y = data(2, 4, 5, seed=3).abs()
    pool = Pool(**{**options, "stride": None})
    torch.testing.assert_close(pool.forward(pool.spread(y), {}), y)
    torch.testing.assert_close(Pool(**{**options, "stride": None, "kind": "average"}).forward(pool.spread(y), {}), y)


POOLED = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [4, 6]}
  Z: {kind: latent, shape: [2, 3]}
functions:
  D: {type: linear, bias: false, units: [4, 6]}
  pool: {type: pool, kind: average, window: 2}
factors:
  fit: {type: squared_distance, between: [pool(Y), "pool(D(Z))"]}
  size: {type: squared_distance, between: [Z, 0]}
inference:
  optimal: {method: argmin, of: Z}
"""


def test_planners_see_what_it_keeps_and_no_more():
    plans = {}
    for kind in ("average", "max", "l2"):
        plans[kind] = plan_procedures(resolve(loads(POOLED.replace("average", kind))))["optimal"]
    assert plans["average"].solver["type"] == "exact"
    assert plans["average"].terms[0].bound == "L = 2 |D|^2 |pool|^2"
    assert plans["max"].solver["type"] == plans["l2"].solver["type"] == "lbfgs"


@pytest.mark.parametrize("kind", ["max", "l2"])
def test_only_an_average_has_a_transpose(kind):
    text = POOLED.replace("pool(D(Z))", "D(Z)").replace("[pool(Y)", '["pool.transpose(pool(Y))"')
    assert resolve(loads(text)).values["pool.transpose(pool(Y))"].shape == (4, 6)
    with pytest.raises(SpecError, match="no transpose") as caught:
        resolve(loads(text.replace("average", kind)))
    assert [each.code for each in caught.value.issues] == ["FG324"]
