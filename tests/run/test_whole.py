"""Pictures of different sizes: a run learns from windows of them and codes each as a whole, tile by tile where it is large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import factorgraph as fg
from factorgraph.compile.resized import at_size
from factorgraph.data import images
from factorgraph.data.inputs import wholes
from factorgraph.errors import DataError, RunError, SpecError
from factorgraph.inference import tiled as sweeps
from factorgraph.run import whole
from factorgraph.run.run import Run
from factorgraph.run.whole import coded_wholes, infer_wholes
from factorgraph.spec.load import loads

SPEC = """\
factorgraph: 1
dims: {side: 16, kernel: 5, maps: 4}
variables:
  X: {kind: observed, shape: [COLOURS, side, side]}
  Z: {kind: latent, shape: [maps, side - kernel + 1, side - kernel + 1]}
functions:
  decoder: {type: convolution, kernel: kernel, padding: full, bias: false, unit_norm: columns}
  inside:  {type: crop, margin: kernel - 1}
factors:
  reconstruction: {type: squared_distance, between: [inside(X), inside(decoder(Z))], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.3}
inference:
  optimal: {method: argmin, of: Z, steps: 300, tolerance: 1e-3}
learning:
  dictionary: {loss: energy, steps: 2, batch_size: 4, inference: optimal}
data: {source: natural_patches, folder: photographs, size: side, colors: COLOURS, count: 20, test: 4, PREPARE, bind: {X: image}}
"""
PREPARE = "prepare: [{contrast_normalise: 9}]"
SIZES = {"a": (33, 40), "b": (28, 61), "c": (45, 20)}


def photographs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name, (height, width) in SIZES.items():
        rough = Image.fromarray(rng.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8))
        rough.resize((width, height), Image.Resampling.BILINEAR).save(folder / f"{name}.png")


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def run(request, tmp_path_factory):
    """A run on windows of three photographs of different sizes."""
    folder = tmp_path_factory.mktemp("whole")
    photographs(folder / "photographs")
    spec = loads(SPEC.replace("COLOURS", str(request.param)).replace("PREPARE", PREPARE), "conv.yaml")
    before = Path.cwd()
    os.chdir(folder)
    try:
        fg.train(spec, folder / "run", device="cpu")
    finally:
        os.chdir(before)
    return Run(folder / "run")


def test_each_picture_is_coded_at_its_own_size(run, tmp_path):
    source, colours = run.path.parent / "photographs", run.model.graph.variables["X"].shape[0]
    said = list(infer_wholes(run, source, tmp_path / "out", None, None))
    assert "40 x 33 pixels" in said[0] and said[-1].endswith("out")
    assert any("this model sees grey" in line for line in said) == (colours == 1)
    for name, (height, width) in SIZES.items():
        found = np.load(tmp_path / "out" / f"{name}.npz")
        assert found["variable.Z"].shape == (1, 4, height - 4, width - 4) and found["certificate"][0] < 0.1
        assert found["variable.X"].shape == found["reconstruction.X"].shape == (1, colours, height, width)
        back = np.asarray(Image.open(tmp_path / "out" / f"{name}-X.png"), dtype=float) / 255
        given = images.read(source / f"{name}.png", colours)
        given = given if colours == 1 else given.transpose(1, 2, 0)
        assert back.shape == given.shape and np.corrcoef(back.ravel(), given.ravel())[0, 1] > 0.6
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["procedure"] == next(iter(run.model.inferences))  # the one that ran, though none was named
    told = summary["pictures"]
    assert [each["height"] for each in told] == [33, 28, 45] and all(each["tile"] == 0 for each in told)


def test_tiles_give_the_same_codes(run):
    source = run.path.parent / "photographs"
    whole, by_tiles = (list(coded_wholes(run, source, "optimal", tile)) for tile in (0, 20))
    for one, other in zip(whole, by_tiles, strict=True):
        assert (one.tiles, other.tile) == (0, 20) and other.tiles > 1
        assert other.arrays["energy"][0] == pytest.approx(one.arrays["energy"][0], rel=1e-4)
        for key, each in one.arrays.items():
            if key.startswith(("share", "reconstruction")):
                np.testing.assert_allclose(other.arrays[key], each, rtol=0.02, atol=0.02 * np.abs(each).max())


@pytest.mark.parametrize("tile", [0, 20])
def test_a_search_that_ends_too_early_says_how_far_it_is(run, tile, monkeypatch):
    monkeypatch.setattr(whole, "at_size", lambda model, sides: at_size(model, sides).limited("optimal", 1, 1e-9))
    monkeypatch.setattr(sweeps, "SWEEPS", 3)
    told = []
    (coded,) = coded_wholes(run, run.path.parent / "photographs" / "b.png", None, tile, told.append)
    fix = f"{'larger tiles, or ' * bool(tile)}more inference.optimal.steps (now 1)"
    distance = float(coded.arrays["certificate"][0])
    assert coded.notes[-1] == f"optimal ended {distance:.2g} from the minimum, where 1e-09 is asked: {fix}"
    assert [each.split(" over ")[0] for each in told] == [
        f"b.png: sweep {each + 1} of at most 3" for each in range(3 * bool(tile))
    ]


def test_a_window_as_a_whole_has_the_code_that_it_has_as_a_window(run, tmp_path):
    Image.open(run.path.parent / "photographs" / "a.png").crop((3, 5, 19, 21)).save(tmp_path / "window.png")
    (coded,) = coded_wholes(run, tmp_path / "window.png", None, None)
    window = run.infer({"X": tmp_path / "window.png"})
    np.testing.assert_allclose(coded.arrays["variable/Z"], window["Z"], atol=1e-5)
    assert coded.arrays["energy"] == pytest.approx(window.energy)


def test_what_does_not_fit_is_told(run, tmp_path):
    source = run.path.parent / "photographs"
    with pytest.raises(RunError, match="tiles of 9 x 9 units are mostly border"):
        list(coded_wholes(run, source, None, 9))
    with pytest.raises(DataError, match="can hold one picture"):
        list(infer_wholes(run, source, tmp_path / "out.png", None, None))
    Image.new("L", (30, 6), 99).save(tmp_path / "low.png")
    with pytest.raises(SpecError, match=r"of a height of 6 its margin is at most 2(.|\n)*low.png is 30 x 6 pixels"):
        list(coded_wholes(run, tmp_path / "low.png", None, None))
    Image.new("L", (30, 3), 99).save(tmp_path / "lower.png")
    with pytest.raises(SpecError, match=r"lower\.png is 30 x 3 pixels"):
        list(coded_wholes(run, tmp_path / "lower.png", None, None))


def test_colour_for_a_grey_model_is_refused_where_nothing_says_what_becomes_of_it(run, tmp_path):
    """An array is taken as it is; of a picture the luma is taken, and that is said."""
    if run.model.graph.variables["X"].shape[0] == 3:
        pytest.skip("of grey models")
    np.save(tmp_path / "colour.npy", np.zeros((2, 3, 16, 16), dtype=np.float32))
    with pytest.raises(DataError, match=r"holds samples of shape \[3, 16, 16\] for X"):
        run.infer({"X": tmp_path / "colour.npy"})
    with pytest.raises(DataError, match=r"holds arrays: --whole takes pictures"):
        next(wholes(tmp_path / "colour.npy", run.preparation))
    grey = SPEC.replace("colors: COLOURS", "colors: 3").replace("COLOURS", "1").replace("PREPARE", PREPARE)
    with pytest.raises((SpecError, DataError), match=r"its field image is in colour: \[3, 16, 16\]"):
        fg.train(loads(grey, "grey.yaml"), tmp_path / "grey", device="cpu")


@pytest.mark.parametrize("step", ["center", "{whiten: 0.1}", "unit_norm", "{pad: 16}"])
def test_a_preparation_of_one_size_is_named(run, step, tmp_path):
    spec = loads(SPEC.replace("COLOURS", "1").replace("PREPARE", f"prepare: [{step}]"), "conv.yaml")
    from factorgraph.data.dataset import load_data

    data = load_data(spec, {"X": (1, 16, 16)}, [run.path.parent])
    name = step.strip("{}").split(":")[0]
    with pytest.raises(DataError, match=f"{name} prepares samples of 16 x 16 pixels, and none of another size"):
        next(wholes(run.path.parent / "photographs" / "a.png", data.preparation))


MEMORY = """
import resource, sys, torch
import factorgraph as fg
from factorgraph.compile.resized import at_size
from factorgraph.compile.tiled import Tiling
from factorgraph.spec.load import loads
side = int(sys.argv[1])
torch.manual_seed(0)
model = at_size(fg.build(loads(open(sys.argv[2]).read(), "conv.yaml")), {"X": (side, side)}).limited("optimal", 10, 0.5)
model = model.tiled("optimal", Tiling(64))
x = torch.randn(1, 1, side, side)
with torch.no_grad():
    model.infer(X=x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is told in other units")
def test_memory_grows_with_picture_and_code_alone(tmp_path):
    """From 256 x 256 to 768 x 768 pixels of 32 maps: 64 MB more of codes; all at once a dozen times that would be held.

    What is freed goes back at once: else the allocator keeps pieces of it, by chance from a little to two codes.
    """
    freed = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144"}
    (tmp_path / "conv.yaml").write_text(SPEC.replace("COLOURS", "1").replace("PREPARE", PREPARE).replace("maps: 4", "maps: 32"))
    peaks = {}
    for side in (256, 768):
        words = [sys.executable, "-c", MEMORY, str(side), str(tmp_path / "conv.yaml")]
        peaks[side] = int(subprocess.run(words, check=True, capture_output=True, text=True, env=freed).stdout)
    codes = {side: 4 * 32 * (side - 4) ** 2 for side in peaks}
    frames = {side: 4 * side**2 for side in peaks}  # the picture, its mask, what is drawn and lacking, and a few of their like
    more = peaks[768] - peaks[256] - (codes[768] - codes[256])
    assert more < 16 * (frames[768] - frames[256])
