"""Loading: shipped specs, drafts that wait, fragments, and what loading must not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import find, folder, load, loads, specs, waits_for

SHIPPED = sorted(each.path for each in specs() if each.name)
DRAFTS = sorted((folder() / "drafts").rglob("*.yaml"))


def mistakes(text: str, file: str = "spec.yaml") -> list[str]:
    with pytest.raises(SpecError) as caught:
        loads(text, file)
    return [f"{it.code} {it.place.line}" for it in caught.value.issues if it.place]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_spec_loads(file: Path) -> None:
    spec = load(file)
    assert spec.title
    assert spec.name == file.stem
    assert spec.warnings == ()


@pytest.mark.parametrize("file", DRAFTS, ids=lambda file: file.stem)
def test_a_draft_parses_and_waits_for_leaves_only(file: Path) -> None:
    assert waits_for(file), "all its leaves exist: measure its claims, and move it to specs/"


def test_what_a_draft_waits_for_is_named_by_family_and_type() -> None:
    assert ("optimizers", "line_search") in waits_for(folder() / "drafts/subspace_ica.yaml")


def test_a_spec_is_found_by_path_and_by_name() -> None:
    assert load("psd") == load(folder() / "psd.yaml")
    assert load("toy/kmeans") == load(folder() / "toy/kmeans.yaml")
    short = [each.path.stem for each in specs() if each.name]
    for each in specs():  # a last part that no other spec has is enough
        if each.name and short.count(each.path.stem) == 1:
            assert load(each.path.stem) == load(each.path)
    with pytest.raises(SpecError, match="sparse_coding"):
        load("sparse_codin")


@pytest.mark.parametrize("name", ["drafts/subspace_ica", "subspace_ica"])
def test_a_draft_is_no_spec_to_run_and_says_what_it_waits_for(name: str) -> None:
    with pytest.raises(SpecError, match=rf'FG265: "{name}" is a draft: this version lacks .*line_search \(optimizers\)'):
        load(name)


def test_the_list_of_specs_says_what_each_waits_for() -> None:
    listed = {each.path.stem: each for each in specs()}
    assert listed["psd"].name == "psd"
    assert listed["psd"].waits_for == ()
    assert listed["subspace_ica"].name == ""
    assert ("optimizers", "line_search") in listed["subspace_ica"].waits_for


def test_set_on_the_command_line_changes_the_spec() -> None:
    spec = load("psd", set=["dims.code=64", "learning.joint.learning_rate=2e-4"])
    assert spec.variables["Z"].first.shape == (64,)
    assert spec.learning["joint"].first.learning_rate == 2e-4


def test_what_is_set_mends_a_value_of_the_file(tmp_path: Path) -> None:
    text = find("psd").read_text()
    assert "sparsity:" in text
    (tmp_path / "wrong.yaml").write_text(text.replace("sparsity:", "sparsity: {type: l1, of: Z, weight: heavy} #", 1))
    with pytest.raises(SpecError):
        load(tmp_path / "wrong.yaml")
    assert load(tmp_path / "wrong.yaml", set=["factors.sparsity.weight=0.37"]).factors["sparsity"].weight() == 0.37


def test_what_is_set_and_takes_the_ground_from_a_variant_is_refused_at_the_variant(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load("contractive_autoencoder", set=["learning.fit.loss=energy"])
    (found,) = caught.value.issues
    assert found.code == "FG211" and found.place is not None and found.place.text.strip().startswith("plain:")


LAYER = """
factorgraph: 1
dims: {units: 3, base: 2}
variables:
  Y: {kind: observed, shape: [base + 1]}
  Z: {kind: latent, shape: [units]}
  predicted: encoder(Y)
functions: {encoder: linear}
factors: {prediction: {type: squared_distance, between: [Z, predicted], weight: 0.37}}
inference: {optimal: {method: argmin, of: Z}}
learning: {fit: {loss: energy, steps: 5}}
"""
ABOVE = """
factorgraph: 1
dims: {wide: 5}
use:
  first: {file: parts/layer.yaml, bind: {Y: X}, with: {units: wide + 2}}
variables:
  X: {kind: observed, shape: [3]}
  seen: first.predicted
factors: {small: {type: l1, of: seen}}
inference: {best: {method: argmin, of: first.Z, without: [first]}}
learning: {fit: {loss: energy, train: [first], only: [first, small]}}
data: {source: arrays, files: {x: x.npy}, bind: {X: x}}
"""


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/layer.yaml").write_text(LAYER)
    above = tmp_path / "above.yaml"
    above.write_text("\n".join(line for line in ABOVE.splitlines() if not line.startswith("data")))
    return above


def test_a_fragment_gives_its_graph_and_inference(layered: Path) -> None:
    part = load(layered).use["first"].spec
    assert part.variables["Z"].first.shape == (7,)
    assert dict(part.learning) == {}
    assert part.factors["prediction"].weight() == 0.37
    assert part.inference["optimal"].first.of[0].text == "Z"


def test_a_fragment_is_changed_through_its_name(layered: Path) -> None:
    spec = load(layered, set=["first.factors.prediction.weight=0.5", "use.first.with.units=4"])
    part = spec.use["first"].spec
    assert part.factors["prediction"].weight() == 0.5
    assert part.variables["Z"].first.shape == (4,)
    assert loads(spec.to_yaml(), str(layered)) == spec


def test_a_mistake_in_a_fragment_is_placed_in_the_fragment(layered: Path) -> None:
    part = layered.parent / "parts/layer.yaml"
    part.write_text(LAYER.replace("linear", "linaer"))
    with pytest.raises(SpecError) as caught:
        load(layered)
    (it,) = caught.value.issues
    assert it.place is not None
    assert (it.place.file, it.place.line) == (str(part), 8)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("parts/layer.yaml", "../layer.yaml", "outside"),
        ("parts/layer.yaml", "/etc/passwd", "relative"),
        ("parts/layer.yaml", "above.yaml", "uses itself"),
        ("parts/layer.yaml", "parts/lair.yaml", "no file"),
        ("units: wide", "unit: wide", '"unit"'),
        ("{Y: X}", "{y: X}", '"Y"'),
    ],
)
def test_a_fragment_that_cannot_be_used_is_refused_at_the_use(layered: Path, old: str, new: str, word: str) -> None:
    layered.write_text(layered.read_text().replace(old, new))
    with pytest.raises(SpecError) as caught:
        load(layered)
    (it,) = caught.value.issues
    assert it.place is not None
    assert (it.place.file, it.place.line) == (str(layered), 5)
    assert word in it.message


def test_a_link_does_not_lead_a_fragment_out(layered: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "layer.yaml"
    outside.write_text(LAYER)
    (layered.parent / "parts/layer.yaml").unlink()
    (layered.parent / "parts/layer.yaml").symlink_to(outside)
    with pytest.raises(SpecError, match="FG213"):
        load(layered)


def test_loading_imports_no_numbers_and_no_pictures() -> None:
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "torch numpy networkx matplotlib sklearn scipy pygraphviz graphviz PIL".split():
            raise ImportError(name + " must not be imported here")
sys.meta_path.insert(0, Refuse())
from factorgraph.spec.load import load, specs
from factorgraph.spec.describe import json_schema
for each in specs():
    if each.name:
        load(each.path)
json_schema()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_and_a_run_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r'FG218: ".*" is a folder(.|\n)*give the path of a file'):
        load(tmp_path)
    (tmp_path / "spec.yaml").write_text("")
    with pytest.raises(SpecError, match=r"= fix: that of a run is .*/spec\.yaml"):
        load(tmp_path)
    (tmp_path / "spec.full.yaml").write_text("")
    with pytest.raises(SpecError, match=r"= fix: that of a run is .*/spec\.full\.yaml"):
        load(tmp_path)
