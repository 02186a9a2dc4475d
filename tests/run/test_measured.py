"""Metrics, claims, reports and figures on models that were compiled from the shipped specs."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import factorgraph as fg
from factorgraph.data.dataset import load_data
from factorgraph.registry import leaves
from factorgraph.run.claims import NotMeasuredError, exit_status, judge
from factorgraph.run.figures._chosen import drawn, figures
from factorgraph.run.measured import Measured
from factorgraph.run.report import evaluate

PLANTED = "{source: planted_codes, units: 8, atoms: 5, active: 2, count: 100, bind: {Y: signal}}"
SPECS = Path(__file__).parents[2] / "specs"


def built(name, **changes):
    torch.manual_seed(0)
    spec = fg.load(str(SPECS / name), set=tuple(f"{key}={each}" for key, each in changes.items()))
    model = fg.build(spec)
    shapes = {each.name: each.shape for each in model.graph.of_kind("observed")}
    return Measured(model, load_data(spec, shapes, [SPECS], None))


@pytest.fixture(scope="module")
def psd():
    pytest.importorskip("sklearn", reason="the bundled photographs come with scikit-learn")
    return built("psd.yaml", **{"dims.side": 6, "dims.code": 16, "data.count": 400})


@pytest.fixture(scope="module")
def kmeans():
    return built("toy/kmeans.yaml")


def test_the_energy_is_that_of_the_model(psd):
    solved = psd.solved("fast")
    y, z = torch.as_tensor(psd.given["Y"]), solved.variables["Z"]
    with torch.no_grad():
        energy = psd.model.energy(Y=y, Z=z)
    assert torch.allclose(solved.energy, energy, rtol=1e-5)
    assert torch.allclose(torch.stack(list(solved.shares.values())).sum(0), energy, rtol=1e-5)
    assert float(psd.factor_values("prediction", solved).abs().max()) < 1e-6
    assert torch.allclose(psd.factor_values("sparsity", solved), z.abs().sum(1), rtol=1e-5)
    matrix = psd.matrix("decoder")
    assert torch.allclose(psd.value("decoder(Z)"), psd.solved(None).variables["Z"] @ matrix.T, atol=1e-5)


TWO_LAYERS = """
factorgraph: 1
indices: {l: 2}
variables:
  Y: {kind: observed, shape: [8]}
  Z: {kind: latent, shape: [3], per: l}
functions: {decoder: {type: linear, per: l, bias: false}}
factors:
  rec: {type: squared_distance, between: [Y, "decoder(Z[l])"], weight: 0.37}
  sparsity: {type: l1, of: "Z[l]", weight: 0.1}
inference: {optimal: {method: argmin, of: ["Z[0]", "Z[1]"]}}
learning: {fit: {loss: energy, steps: 1}}
data: {source: planted_codes, units: 8, atoms: 5, active: 2, count: 100, bind: {Y: signal}}
expect:
  first: {claim: "the first slot", metric: energy(optimal), at_most: 0.0001, only: ["rec[0]"]}
  other: {claim: "the other slot", metric: energy(optimal), report: true, only: [rec], without: ["rec[0]"]}
  both: {claim: "both", metric: energy(optimal), report: true, only: [rec]}
  none: {claim: "no factor", metric: energy(optimal), at_most: 0.0001, only: ["rec[1]"], without: [rec]}
"""


def test_a_claim_sees_one_slot_of_a_factor_and_fails_where_it_sees_none(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "two_layers.yaml"
    file.write_text(TWO_LAYERS)
    model = fg.build(fg.load(str(file)))
    on = Measured(model, load_data(model.spec, {"Y": (8,)}, [SPECS], None))
    solved = on.solved("optimal")
    distances = [
        float(0.37 * (torch.as_tensor(on.given["Y"]) - solved.variables[f"Z[{slot}]"] @ matrix.T).square().sum(1).mean())
        for slot, matrix in enumerate(each.detach() for each in model.parameters())
    ]
    assert judged(on, "first").values == pytest.approx(distances[:1], rel=1e-4)
    assert judged(on, "other").values == pytest.approx(distances[1:], rel=1e-4)
    assert judged(on, "both").values == pytest.approx([sum(distances)], rel=1e-4)
    assert judged(on, "first").verdict == "fails"
    none = judged(on, "none")
    assert (none.verdict, none.values) == ("fails", ()) and "no factors" in none.why


def test_the_search_beats_the_encoder(psd):
    report = evaluate(psd)
    optimal, fast = report.procedures
    assert optimal.energy < fast.energy
    assert report.compared[0].relative_gap == pytest.approx(fast.energy / optimal.energy - 1, rel=1e-4)


def test_filters_are_pictures_of_the_patch_size(psd):
    assert psd.filters("decoder").shape == psd.filters("encoder").shape == psd.pixels("encoder").shape == (16, 6, 6)
    whitened = psd.dataset.chain.apply(1000 * psd.pixels("decoder").numpy() + 0.5)[0].reshape(16, 36)
    back = torch.nn.functional.cosine_similarity(torch.as_tensor(whitened).double(), psd.units("decoder").double())
    assert float(back.median()) > 0.95  # a filter in pixels, prepared as a patch is, is the filter that the model holds


def judged(on, name):
    """The verdict on one shipped claim of a model that learned nothing."""

    def state(which):
        if which not in ("", "start"):
            raise NotMeasuredError("it was not trained")
        return on

    spec = on.graph.spec
    only = SimpleNamespace(expect={name: spec.expect[name]}, indices=spec.indices, learning=spec.learning)
    (found,) = judge(only, [state])
    return found


def test_the_shipped_claims_of_psd_can_be_measured_and_one_that_learned_nothing_fails(psd):
    found = {name: judged(psd, name) for name in psd.graph.spec.expect}
    assert all(len(each.values) == 1 and math.isfinite(each.values[0]) for each in found.values())
    assert found["close"].values[0] > 1
    assert found["control"].verdict == "holds"
    assert found["oriented"].verdict == "fails"
    assert exit_status(found.values()) == 1


def test_a_claim_about_a_variant_is_not_measured(kmeans):
    assert judged(kmeans, "on_parabola").verdict == "not measured"
    assert judged(kmeans, "contrast").verdict == "fails"


def test_auc_of_prototypes_on_the_spiral_and_of_prototypes_elsewhere(kmeans):
    prototypes = dict(kmeans.model.named_parameters())["functions.prototypes.matrix"]
    points = torch.as_tensor(kmeans.dataset.train["Y"])
    with torch.no_grad():
        prototypes.copy_(points[torch.linspace(0, len(points) - 1, 20).long()].T)
    assert leaves("metrics")["auc"]().measure(Measured(kmeans.model, kmeans.dataset)) > 0.8
    with torch.no_grad():
        prototypes.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, 20))  # all in one corner
    assert leaves("metrics")["auc"]().measure(Measured(kmeans.model, kmeans.dataset)) < 0.7


def test_planted_atoms_are_recovered_by_themselves_and_by_nothing_else():
    on = built("sparse_coding.yaml", **{"dims.code": 5, "variables.Y.shape": "[8]", "data": PLANTED})
    assert leaves("metrics")["recovered"]().measure(on, "decoder") < 0.5
    with torch.no_grad():
        dict(on.model.named_parameters())["functions.decoder.matrix"].copy_(-on.truth().T.flip(1))
    assert leaves("metrics")["recovered"]().measure(on, "decoder") == 1.0


def test_every_figure_of_a_compiled_model_is_drawn(psd, kmeans):
    pictures = ["filters-decoder.png", "filters-encoder.png", "reconstructions.png", "codes.png"]
    assert [name for name, _ in drawn(figures(psd, []))] == pictures
    assert [name for name, _ in drawn(figures(kmeans, []))] == ["codes.png", "energy.png"]


def test_amortized_inference_is_faster_than_the_search():
    """A count, not a clock: the search calls the decoder once a step."""
    sizes = {"dims.side": 6, "dims.code": 16, "data.count": 400}
    psd = built("psd.yaml", **sizes, **{"inference.optimal.solver": "fista"})
    assert float(psd.solved("optimal").steps.double().mean()) > 2
    assert leaves("metrics")["speedup"]().measure(psd, "fast", "optimal") > 0
