"""Questions on the command line: any variables of a small run are clamped, and what is inferred is written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import factorgraph
from factorgraph.compile.question import ask
from factorgraph.data.chain import fit
from factorgraph.data.images import LINE
from factorgraph.errors import RunError
from factorgraph.registry import leaves
from factorgraph.run import asking
from factorgraph.run.answers import completed
from factorgraph.run.asking import in_domain, linear
from factorgraph.run.run import Run
from factorgraph.spec.load import loads

SPEC = """\
factorgraph: 1
variables:
  X:     {kind: observed, shape: [64]}
  label: {kind: observed, shape: [10], domain: one_hot, given: training}
  Z:     {kind: latent, shape: [12]}
functions:
  decoder:    {type: linear, bias: false, unit_norm: columns, init: data}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)]}
  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.1}
  classification: {type: cross_entropy, between: [label, classifier(Z)], weight: 0.5}
inference:
  code: {method: argmin, of: Z, without: [classification]}
learning:
  fit: {loss: energy, steps: 20, batch_size: 40, learning_rate: 0.02}
data: {source: digits, count: 100, test: 20, PREPARE, bind: {X: image, label: label}}
"""


@pytest.fixture(scope="module", params=["prepare: [{scale: [-1, 2]}]", "prepare: [remove_mean, {whiten: 0.1}]"])
def run(request, tmp_path_factory):
    spec = loads(SPEC.replace("PREPARE", request.param), "digits.yaml")
    return factorgraph.train(spec, tmp_path_factory.mktemp("runs") / "digits", device="cpu").path


@pytest.fixture
def pictures(tmp_path):
    """Two pictures, and a mask of which the upper half is white."""
    rng = np.random.default_rng(3)
    rows = {"a": rng.random((8, 8)), "b": rng.random((8, 8)), "mask": np.arange(64).reshape(8, 8) < 32}
    for name, values in rows.items():
        Image.fromarray(np.uint8(np.rint(values * 255))).save(tmp_path / f"{name}.png")
    return {name: np.uint8(np.rint(values * 255)) / 255 for name, values in rows.items()}


def arrays(folder):
    return dict(np.load(folder / "inferred.npz"))


def test_a_label_is_the_one_of_least_energy(cli, run, pictures, tmp_path):
    said = cli("infer", str(run), "--clamp", "X=a.png", "--free", "Z, label", "-o", "out")
    assert said.code == 0, said.err
    found = arrays(tmp_path / "out")
    energies = [Run(run).infer({"X": tmp_path / "a.png", "label": str(each)}).energy[0] for each in range(10)]
    assert found["variable.label"].argmax() == int(np.argmin(energies)) and f"label: {np.argmin(energies)}" in said.out
    assert found["energy"][0] == pytest.approx(min(energies), rel=1e-5)
    assert np.array_equal(found["variable.Z"], Run(run).infer({"X": tmp_path / "a.png"})["Z"])


def test_what_is_masked_is_filled_in_and_the_rest_stays(cli, run, pictures, tmp_path):
    said = cli("infer", str(run), "--clamp", "X=a.png", "--mask", "mask.png", "-o", "out")
    assert said.code == 0 and "planned for this question: X, Z by exact" in said.out, said.err
    assert "not linear" not in said.out
    shown = np.asarray(Image.open(tmp_path / "out" / "a-X.png")) / 255
    assert shown.shape == (8, 3 * 8 + 2 * 2)
    before, mask, after = shown[:, :8], shown[:, 10:18], shown[:, 20:]
    np.testing.assert_array_equal(mask, pictures["mask"])
    np.testing.assert_array_equal(after[:4], pictures["a"][:4])
    np.testing.assert_array_equal(before[:4], pictures["a"][:4])
    assert after[4:].std() > 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["planned"] == ["X, Z by exact"]


def test_the_filled_picture_has_less_energy_than_any_near_it(run, pictures, tmp_path):
    """Whatever the preparation mixes: the free pixels are moved, prepared anew, and coded anew."""
    opened = Run(run)
    found = opened.infer({"X": tmp_path / "a.png"}, mask=tmp_path / "mask.png")
    chain = opened.preparation.chain_of("X")
    raw = completed(found.inputs["X"].undo("X", found["X"]), found.inputs["X"].raw, found.mask)
    rng = np.random.default_rng(1)
    steps = [np.where(found.mask, 0, rng.standard_normal(raw.shape)) * size for size in (0, 0.03, 0.03, 0.03)]
    near = chain.apply(np.concatenate([raw + step for step in steps]).astype(np.float32))[0]
    energies = opened.infer({"X": near.reshape(4, 64)}).energy
    assert energies[0] == pytest.approx(found.energy[0], rel=1e-3)
    assert (energies[1:] > energies[0]).all()


def test_a_label_is_drawn(cli, run, tmp_path):
    said = cli("infer", str(run), "--clamp", "label=0,1,2", "--free", "X", "-o", "out")
    assert said.code == 0 and "planned for this question: X, Z by" in said.out, said.err
    assert arrays(tmp_path / "out")["variable.X"].shape == (3, 64)
    assert Image.open(tmp_path / "out" / "X.png").size == (3 * 80 + 2 * 8, 80 + 2 * LINE)


def test_a_code_is_led_from_one_to_another(cli, run, pictures, tmp_path):
    said = cli("infer", str(run), "--interpolate", "Z", "a.png", "b.png", "--steps", "5", "-o", "out")
    assert said.code == 0, said.err
    codes = arrays(tmp_path / "out")["variable.Z"]
    ends = [Run(run).infer({"X": tmp_path / f"{name}.png"})["Z"][0] for name in "ab"]
    np.testing.assert_array_equal(codes[[0, -1]], ends)
    np.testing.assert_allclose(codes[2], (ends[0] + ends[1]) / 2, rtol=1e-5, atol=1e-6)
    assert Image.open(tmp_path / "out" / "X.png").size == (5 * 80 + 4 * 8, 80 + LINE)


def test_a_clamped_code_is_an_array(cli, run, tmp_path):
    code = np.random.default_rng(3).standard_normal((2, 12)).astype(np.float32)
    np.save(tmp_path / "code.npy", code)
    said = cli("infer", str(run), "--clamp", "Z=code.npy", "--free", "X", "-o", "out.npz")
    assert said.code == 0, said.err
    found = dict(np.load(tmp_path / "out.npz"))
    decoder = Run(run).model.tensors()["functions.decoder"]["matrix"].detach().numpy()
    np.testing.assert_allclose(found["variable.X"], code @ decoder.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--clamp", "Q=a.png"], ["FG658", 'no variable "Q"', "X, label, Z"]),
        (["--clamp", "X=a.png", "--free", "Q"], ["FG658", 'no variable "Q"']),
        (["--clamp", "X=a.png", "--free", "X"], ["FG658", "clamped and free at once"]),
        (["--clamp", "label=10", "--free", "X"], ["FG660", "label has 10 values, and 10 is none of them", "0 to 9"]),
        (["--clamp", "Z=short.npy", "--free", "X"], ["FG660", "[2, 5]", "[rows, 12]"]),
        (["--clamp", "X=short.npy"], ["FG521", "[rows, 64]"]),
        (["--clamp", "X=none.png"], ["FG660", "no file none.png"]),
        (["--clamp", "X=a.png", "--mask", "large.png"], ["FG660", "9 x 9 pixels, and a.png 8 x 8"]),
        (["--clamp", "label=3", "--free", "X", "--mask", "mask.png"], ["FG660", "there are 0"]),
        (["--clamp", "X"], ["FG660", "does not say what a variable is"]),
        (["--clamp", "X=a.png", "--clamp", "X=b.png"], ["FG660", "once more"]),
        (["a.png", "--clamp", "X=a.png"], ["FG660", "at once"]),
        (["--free", "X"], ["FG660", "nothing to infer from"]),
        (["a.png", "--free", "label"], ["FG660", "--free without --clamp"]),
        (["a.png", "--steps", "3"], ["FG660", "--steps without --interpolate"]),
        (["--interpolate", "X", "a.png", "b.png"], ["FG660", "no latent variable"]),
        (["--interpolate", "Z", "a.png", "b.png", "--steps", "1"], ["FG660", "at least 2 steps"]),
        (["--interpolate", "Z", "a.png", "b.png", "--steps", "1000000000"], ["FG660", "1000000000 rows", "--steps 100000"]),
        (["--interpolate", "Z", "a.png", "empty.npy"], ["FG660", '"X" is clamped to has no rows']),
        (["--clamp", "X=empty.npy"], ["FG660", '"X" is clamped to has no rows']),
        (["--clamp", "Z=nothing.npy", "--free", "X"], ["FG660", '"Z" is clamped to has no rows']),
        (["--clamp", "label=soft.npy", "--free", "X"], ["FG660", "holds 0.1 in row 0", "label is one_hot", "one 1"]),
        (["--clamp", "label=3", "--free", "X", "--procedure", "code"], ["FG621", "X is not known"]),
    ],
)
def test_what_cannot_be_asked_is_told(cli, run, pictures, tmp_path, words, told):
    np.save(tmp_path / "short.npy", np.zeros((2, 5)))
    np.save(tmp_path / "empty.npy", np.zeros((0, 8, 8), np.float32))
    np.save(tmp_path / "nothing.npy", np.zeros((0, 12)))
    np.save(tmp_path / "soft.npy", np.full((1, 10), 0.1, np.float32))
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(tmp_path / "large.png")
    said = cli("infer", str(run), *words, "-o", "out")
    assert said.code != 0 and "Traceback" not in said.err
    assert all(each in said.err for each in told), said.err


@pytest.mark.parametrize(
    ("steps", "straight"),
    [([], True), (["remove_mean", "whiten"], True), (["remove_mean", "unit_variance"], False), (["unit_norm"], False)],
)
def test_a_preparation_that_is_not_linear_is_known(steps, straight):
    samples = np.random.default_rng(3).random((200, 4, 4))
    chain, _, _ = fit([leaves("steps")[name]() for name in steps], samples)
    assert linear(chain, samples.astype(np.float32), chain.pixels_of_rows(np.eye(16)).reshape(16, -1)) == straight


@pytest.mark.parametrize(
    ("clamp", "free", "code", "told"),
    [
        ({}, [], "FG658", "nothing is clamped"),
        ({}, ["X"], "FG658", "nothing is clamped"),
        ({"Z": [[1, 2], [3]]}, ["X"], "FG660", "no array"),
        ({"Z": np.ones((1, 12), complex)}, ["X"], "FG660", "complex128, not real numbers"),
        ({"label": np.array([3, -1])}, ["X"], "FG660", "-1 is none of them"),
    ],
)
def test_arrays_that_cannot_be_clamped_are_told(run, clamp, free, code, told):
    with pytest.raises(RunError, match=told) as caught:
        Run(run).infer(clamp, free=free)
    assert caught.value.issues[0].code == code


def test_what_is_outside_its_domain_is_told(run):
    opened = Run(run)
    for domain, wrong, right in [
        ("nonnegative", [[-1.0, 0.3]], [[0.0, 0.3]]),
        ("simplex", [[0.3, 0.3]], [[0.1, 0.9]]),
        ("binary", [[0.0, 0.5]], [[0.0, 1.0]]),
        ("one_hot", [[1.0, 1.0]], [[0.0, 1.0]]),
    ]:
        variable = replace(opened.model.graph.variables["Z"], domain=domain, shape=(2,))
        with pytest.raises(RunError, match=f"Z is {domain}"):
            in_domain(variable, np.float32(wrong))
        np.testing.assert_allclose(in_domain(variable, np.float32(right)), right, atol=1e-7)


def test_what_is_said_of_any_rows_is_said_once(run, monkeypatch):
    """Rows are asked about some at a time."""
    told = iter([("first",), (), ("second", "first")])
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(asking, "ask", lambda *given: replace(ask(*given), notes=next(told)))
    assert Run(run).infer({"label": "0,1,2"}, free=["X"]).notes == ("first", "second")
