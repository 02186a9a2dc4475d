"""A picture of any size by a model that learned from windows, and tile by tile: it is what a search of all at once finds."""

from __future__ import annotations

import pytest
import torch

import factorgraph as fg
from factorgraph.compile.resized import at_size
from factorgraph.compile.tiled import AT_ONCE, Tiling, count, side_for, untileable
from factorgraph.errors import SpecError
from factorgraph.inference.tiled import PATIENCE
from tests.compile.specs import spec
from tests.compile.test_convolved import KINDS, MASKED, PICTURES

ENCODED = PICTURES.replace(  # what stands beside the code is of its size
    "functions:\n", "functions:\n  encoder: {type: convolution, kernel: 3, padding: valid, activation: tanh}\n"
).replace("[0.8, Z]", "[Z, encoder(X)]")
CASES = {  # a kind of graph, the picture, the side of tiles: some divide the maps and others do not, one is larger than they are
    "whole": (KINDS["whole"], (30, 45), 14),
    "masked": (KINDS["masked"], (24, 37), 13),
    "colour": (KINDS["colour"], (27, 18), 12),
    "drawn": (KINDS["drawn"], (31, 17), 16),
    "large": (KINDS["large"], (16, 33), 19),
    "padded": (KINDS["padded"], (20, 21), 40),
    "flat": (KINDS["flat"], (30, 17), 15),
    "nonnegative": (KINDS["nonnegative"], (40, 12), 14),
    "encoded": ({"": ENCODED, **MASKED}, (29, 22), 12),
}


SMALL = {"variables.Z.shape": [3, 5, 4]}


def built(changes, **options):
    """The model of PICTURES, or of the text at the address of nothing."""
    search = {"method": "argmin", "of": "Z", "solver": "fista", "steps": 2000, "tolerance": 1e-8, **options}
    rest = {key: each for key, each in changes.items() if key}
    torch.manual_seed(0)
    return fg.build(spec(changes.get("", PICTURES), **{**rest, "inference.optimal": search})).double()


def sized(changes, sides, **options):
    """The model at another size than it was declared for, and a picture of it."""
    model = built(changes, **options)
    big = at_size(model, {"X": sides})
    shape = big.graph.variables["X"].shape
    return big, 2 * torch.randn(1, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("case", CASES)
def test_tiles_find_the_minimum(case):
    changes, sides, side = CASES[case]
    model, x = sized(changes, sides)
    with torch.no_grad():
        whole = model.infer(X=x)
        found = model.limited("optimal", 200, 1e-4).tiled("optimal", Tiling(side)).infer(X=x)
    assert found.status.item() == 0 and found.certificate.item() < 1e-4
    assert abs(found.energy.item() / whole.energy.item() - 1) < 1e-4 and found.energy.item() >= whole.energy.item() * (1 - 1e-9)
    assert {key: each.item() for key, each in found.shares.items()} == pytest.approx(
        {key: each.item() for key, each in whole.shares.items()}, rel=1e-2
    )
    torch.testing.assert_close(found.variables["X"], x)


def test_the_picture_that_tiles_hand_over_is_what_the_code_draws():
    for changes in (KINDS["padded"], KINDS["large"]):
        model, x = sized(changes, (23, 26))
        with torch.no_grad():
            for each in model.parameters():
                each.add_(0.3)
            run = model.limited("optimal", 20, 0.1).tiled("optimal", Tiling(12))
            found = run.run(("optimal",), {"X": x}, run.inferences)["optimal"].values
            torch.testing.assert_close(found["decoder(Z)"], model.evaluate(("decoder(Z)",), X=x, Z=found["Z"])["decoder(Z)"])


def test_without_a_gap_the_fixed_point_of_all_units_is_the_certificate():
    """A linear term is no square: the certificate is how far one proximal step moves the whole code."""
    pull = "factors:\n  pull: {type: inner_product, between: [0.05, Z]}\n"
    changes = {**MASKED, "": PICTURES.replace("factors:\n", pull)}
    model, x = sized(changes, (26, 23), tolerance=1e-10)
    with torch.no_grad():
        whole = model.infer(X=x)
        found = model.limited("optimal", 200, 1e-5).tiled("optimal", Tiling(12)).infer(X=x)
        again = model.limited("optimal", 1, 0).infer(X=x)
    assert found.status.item() == 0 and again.energy.item() > found.energy.item()
    assert found.energy.item() == pytest.approx(whole.energy.item(), rel=1e-6)


def test_the_start_is_kept_and_begins_the_search():
    changes = {"": ENCODED, **MASKED}
    model, x = sized(changes, (20, 19), start="encoder(X)", steps=0)
    with torch.no_grad():
        start = model.infer(X=x)
        found = model.limited("optimal", 3, 0.9).tiled("optimal", Tiling(12)).infer(X=x)
    torch.testing.assert_close(start["Z"], model.evaluate(("encoder(X)",), X=x)["encoder(X)"])
    assert found.energy.item() <= start.energy.item()


def test_sweeps_that_come_no_closer_are_the_last():
    """Nothing is exactly at the minimum: without the end fifty sweeps would go over it."""
    model, x = sized(KINDS["masked"], (24, 26))
    told = []
    with torch.no_grad():
        found = model.limited("optimal", 300, 0).tiled("optimal", Tiling(14, told.append)).infer(X=x)
    assert found.status.item() == 1 and found.certificate.item() < 1e-9
    assert PATIENCE < len(told) < 35 and told[0].startswith("sweep 1 of at most 50 over 4 tiles: ")
    assert told[-1].endswith("from the minimum, where 0 is asked")


def test_what_is_not_finite_is_said():
    model, x = sized(KINDS["masked"], (20, 19))
    x[0, 0, 10, 10] = torch.nan
    with torch.no_grad():
        assert model.tiled("optimal", Tiling(12)).infer(X=x).status.item() == 2


def test_parameters_are_those_of_the_model():
    model = built(KINDS["padded"])
    big = at_size(model, {"X": (20, 20)})
    mine, theirs = dict(model.named_parameters()), dict(big.named_parameters())
    assert mine.keys() == theirs.keys() and all(mine[key].data_ptr() == theirs[key].data_ptr() for key in mine)


def test_tiles_are_taken_where_units_are_many():
    model, _ = sized(KINDS["masked"], (40, 40))
    assert side_for(model.inferences["optimal"].block) == 0
    large = at_size(model, {"X": (2500, 1300)}).inferences["optimal"].block
    side = side_for(large)
    assert 3 * side**2 <= AT_ONCE < 3 * (side + 1) ** 2 and count(large, side) == 6


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"factors.prediction.between": ["inside(Z)", 0]}, "not one square behind one convolution"),
        ({"factors.sparsity": {"type": "distance", "between": ["Z", 0.2], "p": 1}}, "not a sum of magnitudes"),
    ],
)
def test_what_cannot_go_by_tiles_is_told(changes, why):
    assert why in untileable(built(changes).inferences["optimal"].block)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"functions.decoder": {"type": "linear", "bias": False}}, "decoder fixes the size of a picture: it makes"),
        (
            {"": ENCODED, "functions.encoder": "linear"},
            "the function encoder fixes the size of a picture: its matrix",
        ),
        (
            {"functions.inside": {"type": "crop", "size": 6}, "functions.decoder.maps": 1, **MASKED},
            "inside fixes the size of a picture",
        ),
    ],
)
def test_a_graph_of_one_size_is_refused_by_name(changes, said):
    model = built(changes)
    with pytest.raises(SpecError) as refused:
        at_size(model, {"X": (20, 20)})
    assert refused.value.issues[0].code == "FG329" and said in refused.value.issues[0].message, refused.value


def test_a_picture_that_a_stride_or_a_kernel_does_not_fit_is_told_which_does():
    strided = {
        "variables.X.shape": [1, 8, 8],
        "variables.Z.shape": [3, 4, 4],
        "functions.decoder": {"type": "convolution", "kernel": 3, "stride": 2, "bias": False},
        "factors.reconstruction.between": ["X", "decoder.transpose(Z)"],
    }
    model = built(strided)
    assert at_size(model, {"X": (18, 20)}).graph.variables["Z"].shape == (3, 9, 10)
    with pytest.raises(SpecError, match=r"a side of 19 is not covered.*sides that fit: 18, 20"):
        at_size(model, {"X": (18, 19)})
    with pytest.raises(SpecError, match=r"no picture with a side of 2; sides that fit: 3, 4"):
        at_size(built(KINDS["whole"]), {"X": (2, 9)})
    with pytest.raises(SpecError, match="a kernel of 4 x 4 is larger than a side of 3; sides that fit: 4, 5"):
        at_size(built({"": ENCODED, "functions.encoder.kernel": 4, "functions.decoder.kernel": 4, **SMALL}), {"X": (3, 9)})


LAYERS = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, 8, 8]}
  Z: {kind: latent, shape: [3, 8, 8]}
  U: {kind: latent, shape: [2, 4, 4]}
functions:
  decoder: {type: convolution, kernel: 3}
  upper:   {type: convolution, kernel: 3}
  pool:    {type: pool, kind: average, window: 2}
factors:
  below: {type: squared_distance, between: [X, decoder(Z)]}
  above: {type: squared_distance, between: [pool(Z), upper(U)]}
inference:
  both: {method: argmin, of: [Z, U]}
"""


def test_two_layers_and_a_pool_follow_the_picture():
    big = at_size(fg.build(spec(LAYERS)), {"X": (20, 14)})
    found = {key: each.shape for key, each in big.graph.variables.items()}
    assert found == {"X": (1, 20, 14), "Z": (3, 20, 14), "U": (2, 10, 7)}
    assert "minimised together" in untileable(big.inferences["both"].block)
    assert big.infer(X=torch.ones(1, 1, 20, 14))["U"].shape == (1, 2, 10, 7)
