"""Kernels moved over images, against loops, dense matrices and scipy; what fits, what does not, and what is said of it."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest
import torch
from pydantic import ValidationError
from scipy.signal import correlate2d

from factorgraph.compile import plan_procedures
from factorgraph.errors import SpecError
from factorgraph.factors.functions._links import link_mask, links
from factorgraph.factors.functions.convolution import Convolution
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads
from factorgraph.structure import ShapeError


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(given, seed=0, **options):
    function = Convolution(**options)
    shape = function.output_shape(given, None)
    declared = function.parameters(given, shape)
    return function, {name: drawn(*each.shape, seed=seed + 1) for name, each in declared.items()}, shape


def by_loops(matrix, given, stride, before, result):
    """The dense matrix (outputs, inputs) of flattened images: each answer reads the kernel's pixels that lie on the image."""
    dense = numpy.zeros((*result, *given))
    for output, row, column in itertools.product(*map(range, result)):
        for read, down, across in itertools.product(range(given[0]), *map(range, matrix.shape[2:])):
            r, c = row * stride + down - before, column * stride + across - before
            if 0 <= r < given[1] and 0 <= c < given[2]:
                dense[output, row, column, read, r, c] += matrix[output, read, down, across]
    return torch.from_numpy(dense.reshape(math.prod(result), math.prod(given)))


CASES = [  # given, options, zeros before, result
    ((2, 5, 7), {"kernel": 3, "maps": 3}, 1, (3, 5, 7)),
    ((2, 5, 7), {"kernel": 4, "maps": 3}, 1, (3, 5, 7)),
    ((1, 5, 7), {"kernel": 3, "maps": 4, "padding": "valid"}, 0, (4, 3, 5)),
    ((4, 3, 5), {"kernel": 3, "maps": 1, "padding": "full"}, 2, (1, 5, 7)),
    ((2, 5, 7), {"kernel": 3, "maps": 3, "stride": 2, "padding": 1}, 1, (3, 3, 4)),
    ((2, 6, 8), {"kernel": 5, "maps": 2, "stride": 2}, 2, (2, 3, 4)),
    ((2, 4, 6), {"kernel": 2, "maps": 3, "stride": 2, "padding": "valid"}, 0, (3, 2, 3)),
    ((1, 6, 9), {"kernel": 2, "maps": 2, "stride": 3}, 0, (2, 2, 3)),
    ((3, 2, 4), {"kernel": 4, "maps": 2, "stride": 2, "padding": "full"}, 3, (2, 3, 4)),
]


@pytest.mark.parametrize(("given", "options", "before", "result"), CASES)
def test_it_and_its_transpose_are_the_dense_matrix(given, options, before, result):
    function, with_, shape = made(given, **options)
    assert shape == result
    dense = by_loops(with_["matrix"].numpy(), given, options.get("stride", 1), before, result)
    x, y = drawn(3, *given, seed=5), drawn(3, *result, seed=6)
    expected = (x.flatten(1) @ dense.T).reshape(3, *result) + with_["bias"][:, None, None]
    torch.testing.assert_close(function.forward(x, with_), expected)
    torch.testing.assert_close(function.transpose(y, with_, given), (y.flatten(1) @ dense).reshape(3, *given))


def test_it_is_scipys_correlation_and_its_full_transpose_scipys_convolution():
    function, with_, _ = made((1, 9, 11), kernel=4, maps=2, padding="valid", bias=False)
    x = drawn(1, 1, 9, 11, seed=3)
    kernels = with_["matrix"][:, 0].numpy()
    expected = numpy.stack([correlate2d(x[0, 0].numpy(), kernel, mode="valid") for kernel in kernels])
    torch.testing.assert_close(function.forward(x, with_)[0], torch.from_numpy(expected))
    z = torch.zeros(1, 2, 6, 8, dtype=torch.float64)
    z[0, 1, 2, 3] = 1.0  # one answer draws its kernel at its place
    back = function.transpose(z, with_, (1, 9, 11))[0, 0]
    assert torch.equal(back[2:6, 3:7], with_["matrix"][1, 0]) and torch.count_nonzero(back) == 16


def test_a_decoder_draws_its_kernels_turned_by_half_a_turn():
    function, with_, _ = made((2, 5, 5), kernel=3, maps=1, padding="full", bias=False)
    z = torch.zeros(1, 2, 5, 5, dtype=torch.float64)
    z[0, 1, 1, 2] = 1.0
    drawing = function.forward(z, with_)[0, 0]
    torch.testing.assert_close(drawing[1:4, 2:5], with_["matrix"][0, 1].flip(0, 1))


def test_an_image_without_colours_is_one_map_on_either_side():
    flat, with_, shape = made((5, 7), kernel=3, maps=1)
    assert shape == (1, 5, 7) and Convolution(kernel=3).output_shape((5, 7), (5, 7)) == (5, 7)
    x = drawn(2, 5, 7)
    torch.testing.assert_close(flat.forward(x, with_), flat.forward(x[:, None], with_))
    torch.testing.assert_close(flat.transpose(x, with_, (5, 7)), flat.transpose(x[:, None], with_, (5, 7)))


# --- the bound


def norm(function, with_, given):
    shape = function.output_shape(given, None)
    basis = torch.eye(math.prod(given), dtype=torch.float64).reshape(-1, *given)
    still = {"matrix": with_["matrix"]}
    return torch.linalg.matrix_norm(function.forward(basis, still).reshape(len(basis), math.prod(shape)), 2)


@pytest.mark.parametrize("padding", ["same", "full"])
@pytest.mark.parametrize(("maps", "kernel", "stride"), [(1, 3, 1), (3, 4, 1), (2, 1, 1), (2, 4, 2), (2, 6, 3)])
def test_of_an_image_many_kernels_wide_the_bound_is_the_norm(maps, kernel, stride, padding):
    given = (2, 24, 24)
    if padding == "full":
        given = (2, 24 + (-24 - kernel + 2) % stride, 24 + (-24 - kernel + 2) % stride)
    function, with_, _ = made(given, kernel=kernel, maps=maps, stride=stride, padding=padding)
    found, bound = norm(function, with_, given), function.norm_bound(with_, given)
    assert found <= bound <= 1.3 * found


def test_around_a_ring_the_norm_is_reached():
    """Of a circular convolution the singular values are the Fourier coefficients; a kernel of ones adds all it sees."""
    function = Convolution(kernel=5, maps=1)
    ones = {"matrix": torch.ones(1, 1, 5, 5, dtype=torch.float64)}
    assert 25 <= function.norm_bound(ones, (1, 40, 40)) <= 25 * 1.09
    kernel = drawn(1, 1, 5, 5, seed=8)
    circular = torch.fft.fft2(torch.nn.functional.pad(kernel[0, 0], (0, 995, 0, 995))).abs().amax()
    assert circular <= function.norm_bound({"matrix": kernel}, (1, 40, 40)) <= circular * 1.09


def test_between_the_frequencies_of_the_grid_nothing_is_missed():
    """Kernels whose spectrum has its top between two frequencies of the grid, and there as sharp as kernels can have it."""
    for kernel, shift in itertools.product((2, 3, 6), (0.0, 0.25, 0.5)):
        angle = 2 * math.pi * shift / (8 * (kernel - 1))
        wave = torch.cos(angle * torch.arange(kernel, dtype=torch.float64))
        matrix = (wave[:, None] * wave)[None, None]
        dense = torch.fft.fft2(matrix, (2048, 2048)).abs().amax()
        bound = Convolution(kernel=kernel).norm_bound({"matrix": matrix}, (1, 9, 9))
        assert dense <= bound * (1 + 1e-12)


def test_the_bound_neither_overflows_nor_vanishes():
    kernels = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    one = Convolution(kernel=3).norm_bound({"matrix": kernels}, (2, 9, 9))
    for scale in (1e-25, 1e25):
        torch.testing.assert_close(Convolution(kernel=3).norm_bound({"matrix": scale * kernels}, (2, 9, 9)), scale * one)
    assert Convolution(kernel=3).norm_bound({"matrix": 0 * kernels}, (2, 9, 9)) == pytest.approx(0, abs=1e-30)


# --- links


def test_every_map_of_the_larger_side_has_its_links_and_the_smaller_side_shares_them_evenly():
    assert links(9, 9, 1) == tuple((place,) for place in range(9))
    pairs = links(36, 9, 2)
    assert len(set(pairs)) == 36 and all(len(set(pair)) == 2 for pair in pairs)  # every pair once
    many = links(256, 64, 16)
    assert all(len(set(each)) == 16 for each in many) and len(set(many)) == 256
    assert set(numpy.bincount(numpy.ravel(many), minlength=64)) == {64}
    like = torch.zeros(())
    assert torch.equal(link_mask(12, 4, 3, like), link_mask(4, 12, 3, like).T)  # the encoder's are the decoder's
    assert link_mask(12, 4, 3, like).sum(1).tolist() == [3] * 12


def test_what_is_not_linked_is_zero_and_its_kernels_have_norm_one():
    function, with_, _ = made((6, 5, 5), kernel=3, maps=3, connections=2, unit_norm="columns")
    function.project(with_)
    mask = link_mask(3, 6, 2, with_["matrix"])
    assert torch.equal((with_["matrix"] != 0).any(3).any(2), mask.bool())
    torch.testing.assert_close(with_["matrix"].movedim(1, 0).flatten(1).norm(dim=1), torch.ones(6, dtype=torch.float64))


# --- sizes


@pytest.mark.parametrize(
    ("given", "options", "why"),
    [
        ((1, 5, 8), {"kernel": 9, "padding": "valid"}, r"\[1, 5, 8\]: a kernel of 9 x 9 is larger than a side of 5; .*: 9, 10"),
        ((1, 9, 8), {"kernel": 3, "stride": 2, "padding": "valid"}, r"a side of 8 is not covered .* in steps of 2 .*: 7, 9"),
        ((1, 8, 9), {"kernel": 5, "stride": 3}, r"a side of 8 is not covered by .* steps of 3 with padding same; .*: 6, 9"),
        ((1, 8, 8), {"kernel": 5, "stride": 2, "padding": 1}, r"a side of 8 .* with a padding of 1; sides that fit: 7, 9"),
        ((3, 3, 3), {"kernel": 4, "stride": 2, "padding": "full"}, r"a side of 3 .* with padding full; sides that fit: 2, 4"),
        ((144,), {"kernel": 3}, r"cannot convolve \[144\]: it takes \[maps, height, width\]"),
        ((2, 3, 8, 8), {"kernel": 3}, r"cannot convolve \[2, 3, 8, 8\]"),
    ],
)
def test_what_does_not_fit_is_told_with_what_does(given, options, why):
    function = Convolution(maps=2, **options)
    with pytest.raises(ShapeError, match=why) as caught:
        function.output_shape(given, None)
    if "sides that fit" in str(caught.value):
        for side in str(caught.value).split(": ")[-1].split(", "):
            function.output_shape((1, int(side), int(side)), None)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"init": "data"}, "'auto'"),
        ({"padding": 3}, "padding is at most 2"),
        ({"padding": "circular"}, "padding"),
        ({"connections": 2, "orthonormal": "rows"}, "leave out orthonormal, or connections"),
        ({"unit_norm": "rows", "max_column_norm": 1.0}, "exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_told(options, why):
    with pytest.raises(ValidationError, match=why):
        Convolution(kernel=3, **options)


def test_more_links_than_maps_are_told():
    with pytest.raises(ShapeError, match="links each map to 3 of the other side, which has 2"):
        Convolution(kernel=3, maps=5, connections=3).parameters((2, 8, 8), (5, 8, 8))


SPARSE = """
factorgraph: 1
dims: {side: 12, kernel: 3, maps: 4}
variables:
  X: {kind: observed, shape: [1, side, side]}
  Z: {kind: latent, shape: [maps, side - kernel + 1, side - kernel + 1]}
functions:
  decoder: {type: convolution, kernel: kernel, padding: full, bias: false, unit_norm: columns}
  inside:  {type: crop, margin: kernel - 1}
factors:
  reconstruction: {type: squared_distance, between: [inside(X), inside(decoder(Z))], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.1}
inference:
  optimal: {method: argmin, of: Z}
"""
ENCODED = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, 12, 12]}
  Z: {kind: latent}
functions:
  encoder: {type: convolution, maps: 5, kernel: 3, padding: valid, activation: smooth_shrink, gain: true}
  decoder: {type: convolution, kernel: 3, padding: full, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(X)]}
"""


def test_the_maps_of_a_decoder_are_those_of_what_it_is_compared_with_also_through_a_crop():
    graph = resolve(loads(SPARSE))
    assert graph.functions["decoder"].parameters["matrix"].shape == (1, 4, 3, 3)
    assert graph.functions["decoder"].result == (1, 12, 12) and graph.functions["inside"].result == (1, 8, 8)


def test_a_code_without_a_shape_has_that_of_its_encoder_and_what_stands_behind_maps_learns_one_number_a_map():
    graph = resolve(loads(ENCODED))
    assert graph.variables["Z"].shape == (5, 10, 10)
    assert graph.functions["decoder"].parameters["matrix"].shape == (1, 5, 3, 3)
    assert graph.functions["encoder.gain"].parameters["scale"].shape == (5, 1, 1)
    assert graph.functions["encoder.activation"].parameters["threshold"].shape == (5, 1, 1)
    assert graph.functions["encoder"].parameters["bias"].shape == (5,)
    tied = ENCODED.replace("decoder(Z)", "encoder.transpose(Z)").replace("  decoder: {type: convolution, kernel: 3,", "  # {")
    assert resolve(loads(tied)).values["encoder.transpose(Z)"].shape == (1, 12, 12)


@pytest.mark.parametrize(("compiled", "expected"), [("1", ("working_set", "compiled_slices")), ("0", ("fista", "gradient"))])
def test_the_planner_sees_a_lasso_too_large_for_a_matrix(compiled, expected, monkeypatch):
    monkeypatch.setenv("FACTORGRAPH_COMPILED", compiled)
    plan = plan_procedures(resolve(loads(SPARSE)))["optimal"]
    assert [term.bound for term in plan.terms] == ["L = 1 |decoder|^2 |inside|^2", "threshold 0.1 / L"]
    large = loads(SPARSE.replace("side: 12", "side: 48"))
    plan = plan_procedures(resolve(large))["optimal"]
    assert (plan.solver["type"], plan.kernel) == expected
    moved = large.with_changes({"inference.optimal.solver": "coordinate_descent"}, "a test")
    assert plan_procedures(resolve(moved))["optimal"].kernel == "slices"  # no matrix of 4096 units and more


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("kernel: 3, maps", "kernel: 15, maps"), "FG3", "shape"),
        (("[1, side, side]", "[3, side, side]"), "", ""),  # a decoder of colours is one of three maps
        (("kernel: kernel, padding: full", "kernel: kernel, stride: 2, padding: full"), "FG321", "sides that fit: 9, 11"),
        (("padding: full", "padding: full, connections: 3"), "FG321", "which has 1; links that fit: 0 (all)"),
        (("padding: full", "maps: 3, padding: full"), "FG320", "[3, 8, 8]"),
    ],
)
def test_a_spec_that_does_not_fit_is_told_with_its_place(change, code, words):
    text = SPARSE.replace(*change)
    if not code:
        assert resolve(loads(text)).functions["decoder"].parameters["matrix"].shape == (3, 4, 3, 3)
        return
    with pytest.raises(SpecError) as caught:
        resolve(loads(text))
    assert any(each.code.startswith(code) and words in str(each) for each in caught.value.issues), str(caught.value)
    assert all(each.place for each in caught.value.issues)
    if "connections" in change[1]:
        assert {each.path for each in caught.value.issues} == {("functions", "decoder", "connections")}


def test_groups_are_told_what_stands_in_their_place():
    with pytest.raises(SpecError) as caught:
        loads(SPARSE.replace("padding: full", "padding: full, groups: 3"))
    (found,) = caught.value.issues
    assert found.code == "FG201" and found.path[-1] == "groups"
    assert "has no groups: links between maps are made by connections" in found.message and "nothing has to divide" in found.fix


def test_maps_that_are_compared_with_others_are_told_how_many_to_make():
    with pytest.raises(SpecError, match="leave maps out of function decoder, or make it 1"):
        resolve(loads(ENCODED.replace("decoder: {type: convolution,", "decoder: {type: convolution, maps: 3,")))
