"""What is said and written of answers: which is of which file, what became of pictures, what a mask of nothing or all means."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import factorgraph
from factorgraph.run.answers import table
from factorgraph.run.run import Run
from factorgraph.spec.load import loads

SPEC = """\
factorgraph: 1
variables:
  X:     {kind: observed, shape: [64]}
  digit: {kind: observed, shape: [10], domain: one_hot, given: training}
  Z:     {kind: latent, shape: [12]}
functions:
  decoder:    {type: linear, bias: false, unit_norm: columns, init: data}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)]}
  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.1}
  classification: {type: cross_entropy, between: [digit, classifier(Z)], weight: 0.5}
inference:
  code: {method: argmin, of: Z, without: [classification]}
learning:
  fit: {loss: energy, steps: 20, batch_size: 40, learning_rate: 0.02}
data: {source: digits, count: 100, test: 20, prepare: [{scale: [-1, 2]}], bind: {X: image, digit: label}}
"""
NUMBERS = [0, 1, 2, 9, 10, 11]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return factorgraph.train(loads(SPEC, "digits.yaml"), tmp_path_factory.mktemp("runs") / "digits", device="cpu").path


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(3)
    (tmp_path / "mine").mkdir()
    for number in NUMBERS:
        Image.fromarray(np.uint8(rng.integers(0, 256, (8, 8)))).save(tmp_path / "mine" / f"{number}.png")
    return tmp_path / "mine"


def written(folder):
    return json.loads((folder / "summary.json").read_text()), dict(np.load(folder / "inferred.npz"))


def test_each_file_has_its_answer(cli, run, folder, tmp_path):
    """The oracle asks for each file alone."""
    said = cli("infer", str(run), "--clamp", "X=mine", "--free", "digit", "-o", "out")
    assert said.code == 0, said.err
    alone = [factorgraph.open(run).infer({"X": folder / f"{number}.png"}, free=["digit"]) for number in NUMBERS]
    labels, energies = [int(each["digit"].argmax()) for each in alone], [float(each.energy[0]) for each in alone]
    lines = [line.split() for line in said.out.splitlines()]
    begin = lines.index(["file", "digit", "energy"]) + 1
    table = lines[begin : begin + len(NUMBERS)]
    assert [(name, int(label)) for name, label, _ in table] == [
        (f"{each}.png", label) for each, label in zip(NUMBERS, labels, strict=True)
    ]
    np.testing.assert_allclose([float(each[2]) for each in table], energies, rtol=1e-4)
    summary, arrays = written(tmp_path / "out")
    assert summary["files"] == arrays["files"].tolist() == [f"{each}.png" for each in NUMBERS]
    assert summary["labels"] == {"digit": labels} and len(set(labels)) > 1
    np.testing.assert_allclose(summary["energies"], energies, rtol=1e-4)


def test_one_picture_has_its_label_in_the_summary(cli, run, folder, tmp_path):
    said = cli("infer", str(run), "--clamp", "X=mine/9.png", "--free", "digit", "-o", "out")
    summary, arrays = written(tmp_path / "out")
    assert said.code == 0 and summary["labels"] == {"digit": [int(arrays["variable.digit"].argmax())]}
    assert summary["files"] == ["9.png"]


def test_plain_inference_names_its_files_too(cli, run, folder, tmp_path):
    assert cli("infer", str(run), "mine", "-o", "out.npz").code == 0
    assert np.load(tmp_path / "out.npz")["files"].tolist() == [f"{each}.png" for each in NUMBERS]


def test_a_white_mask_is_none(cli, run, folder, tmp_path):
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    words = ("infer", str(run), "--clamp", "X=mine/1.png", "--free", "digit")
    masked, plain = cli(*words, "--mask", "mask.png", "-o", "masked"), cli(*words, "-o", "plain")
    assert "shows all of X" in masked.out and "shows all" not in plain.out, masked.err
    one, other = written(tmp_path / "masked")[1], written(tmp_path / "plain")[1]
    assert one.keys() == other.keys() and all(np.array_equal(one[key], other[key], equal_nan=key == "certificate") for key in one)


def test_of_a_black_mask_it_is_said_that_nothing_is_known(cli, run, folder, tmp_path):
    Image.new("L", (8, 8), 0).save(tmp_path / "mask.png")
    said = cli("infer", str(run), "--clamp", "X=mine/1.png", "--mask", "mask.png", "-o", "out")
    assert said.code == 0 and "note: the mask shows nothing of X: nothing of it is known" in said.out, said.err


@pytest.mark.parametrize("asked", [["--clamp", "X=odd.png"], ["odd.png"]])
def test_what_became_of_a_picture_is_said(cli, run, tmp_path, asked):
    picture = np.zeros((20, 31, 4), np.uint8)
    picture[..., 3] = 255
    Image.fromarray(picture).save(tmp_path / "odd.png")
    said = cli("infer", str(run), *asked, "-o", "out")
    assert "note: odd.png (31 x 20 pixels): samples are 8 x 8 pixels; the middle square" in said.out, said.err
    assert "see-through" not in said.out
    picture[3, 4, 3] = 128
    Image.fromarray(picture).save(tmp_path / "odd.png")
    assert "note: odd.png: what is see-through was laid on white" in cli("infer", str(run), *asked, "-o", "out").out


@pytest.mark.parametrize(
    "words", [[], ["mine", "--free", "digit"], ["--clamp", "digit=3", "--free", "X", "--mask", "mine/1.png"]]
)
def test_what_would_do_names_the_models_variables(cli, run, folder, words):
    said = cli("infer", str(run), *words, "-o", "out")
    assert said.code != 0 and "--clamp X=photo.png" in said.err and "Y=" not in said.err


def test_several_pictures_are_on_one_sheet(cli, run, folder, tmp_path):
    assert cli("infer", str(run), "--clamp", "X=mine", "--free", "digit", "-o", "out").code == 0
    shown = Image.open(tmp_path / "out" / "X.png")
    single = np.asarray(Image.open(tmp_path / "out" / "9-X.png"))
    at = np.asarray(shown)[80 + 26 + 8 :][:80, :80]  # three columns: the fourth begins a row
    assert shown.width == 3 * 80 + 2 * 8
    np.testing.assert_array_equal(at, np.kron(single, np.ones((10, 10), np.uint8)))


def test_of_pictures_in_pieces_the_mean_energy_is_listed(run, folder):
    """Six samples, as if each of two pictures were cut into three."""
    answered = factorgraph.open(run).infer({"X": folder}, free=["digit"])
    given = answered.inputs["X"]
    pieces = tuple(replace(each, corners=np.zeros((3, 2), int)) for each in given.pictures[:2])
    answered = replace(answered, inputs={"X": replace(given, pictures=pieces)})
    head, *lines = (line.split() for line in table(Run(run), answered))
    assert head == ["file", "samples", "energy"] and [line[:2] for line in lines] == [["0.png", "3"], ["1.png", "3"]]
    means = answered.energy.reshape(2, 3).mean(1)
    np.testing.assert_allclose([float(line[2]) for line in lines], means, rtol=1e-4)


def test_a_long_table_says_how_much_it_leaves_out(cli, run, tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(53) % 10)
    said = cli("infer", str(run), "--clamp", "digit=labels.npy", "--free", "X", "-o", "out")
    assert said.code == 0 and "and 3 more, which are in what is written" in said.out, said.err
    assert len(written(tmp_path / "out")[0]["labels"]["digit"]) == 53
