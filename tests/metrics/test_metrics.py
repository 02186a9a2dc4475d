"""Metrics against figures worked out on their own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.metrics._base import active_units, chance_greater
from factorgraph.registry import leaves
from factorgraph.run.measured import Measured

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parents[1] / "run" / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)


def measure(name, on, *arguments):
    return leaves("metrics")[name]().measure(on, *arguments)


@pytest.fixture
def psd():
    rng = np.random.default_rng(5)
    decoder = rng.standard_normal((12, 7)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=0)
    encoder = (decoder.T + 0.1 * rng.standard_normal((7, 12))).astype(np.float32)
    data = fakes.dataset(rng.standard_normal((1037, 12)), rng.standard_normal((5, 12)), field=(3, 4))
    return Measured(fakes.FakeModel(decoder, encoder), data)


def test_energy_value_and_the_factors_seen(psd):
    y = torch.as_tensor(psd.given["Y"])
    z = psd.model.infer("fast", Y=y).variables["Z"]
    reconstruction = (y - z @ psd.model.decoder.T).square().sum(1).mean()
    sparsity = 0.5 * z.abs().sum(1).mean()
    assert measure("energy", psd, "fast") == pytest.approx(float(reconstruction + sparsity), rel=1e-5)
    assert measure("energy", psd.seeing(["sparsity"], []), "fast") == pytest.approx(float(sparsity), rel=1e-5)
    assert measure("energy", psd.seeing([], ["sparsity"]), "fast") == pytest.approx(float(reconstruction), rel=1e-5)
    best = psd.model.infer("optimal", Y=y).variables["Z"]
    assert measure("value", psd, "sparsity") == pytest.approx(float(best.abs().sum(1).mean()), rel=1e-5)  # no weight
    assert measure("energy", psd, "optimal") < measure("energy", psd, "fast")


def test_value_of_a_factor_of_weight_zero():
    model = fakes.FakeModel(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), sparsity=0.0, prediction=0.0)
    on = Measured(model, fakes.dataset(np.full((4, 3), 2.0)))
    assert measure("value", on, "sparsity") == pytest.approx(6.0, rel=1e-4)


def test_splits(psd):
    assert Measured(psd.model, psd.dataset, "train").rows == 5
    with pytest.raises(RunError, match="FG633"):
        Measured(psd.model, psd.dataset, "validation")
    with pytest.raises(RunError, match="FG633"):
        Measured(psd.model, fakes.dataset(np.zeros((0, 12))))


@pytest.mark.parametrize("ties", [False, True])
def test_auc_agrees_with_scikit_learn(ties):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    data, far = rng.standard_normal(300), rng.standard_normal(431) + 0.7
    if ties:
        data, far = data.round(), far.round()
    labels = np.r_[np.zeros(300), np.ones(431)]
    mine = chance_greater(torch.as_tensor(far), torch.as_tensor(data))
    assert mine == pytest.approx(metrics.roc_auc_score(labels, np.r_[data, far]), abs=1e-12)


def test_auc_of_nothing_or_of_no_number_is_no_number():
    some = torch.ones(3)
    assert chance_greater(some, some) == 0.5
    for above, below in ((some[:0], some), (some, some[:0]), (some * torch.nan, some), (some, some * torch.inf)):
        assert np.isnan(chance_greater(above, below))


def test_auc_and_background_of_prototypes():
    background = np.array([[3.0, 0.0], [0.0, 0.5], [0.0, 1.5]], dtype=np.float32)
    on = Measured(fakes.FakePlane(np.zeros((1, 2), dtype=np.float32), background), fakes.dataset([[0.0, 1.0], [0.0, 0.1]]))
    assert measure("background", on) == pytest.approx((9 + 0.25 + 2.25) / 3)
    assert measure("auc", on) == pytest.approx((2 + 1 + 2) / 6)  # pairs of 3 x 2 in which the background is higher


def test_background_goes_through_the_preparation():
    background = np.array([[1.0, 0.0]], dtype=np.float32)
    plane = fakes.FakePlane(np.zeros((1, 2), dtype=np.float32), background)
    assert measure("background", Measured(plane, fakes.dataset([[0.0, 1.0]], chain=fakes.Doubled((2,))))) == pytest.approx(4.0)


def test_code_errors(psd):
    y = torch.as_tensor(psd.given["Y"])
    fast, best = (psd.model.infer(name, Y=y).variables["Z"].double() for name in ("fast", "optimal"))
    error = float((fast - best).square().sum(1).mean())
    assert measure("code_error", psd, "fast", "optimal") == pytest.approx(error, rel=1e-5)
    relative = error / float(best.square().sum(1).mean())
    assert measure("relative_code_error", psd, "fast", "optimal") == pytest.approx(relative, rel=1e-5)
    assert measure("code_error", psd, "fast", "fast") == 0
    silent = Measured(psd.model, fakes.dataset(np.zeros((2, 12))))
    assert np.isnan(measure("relative_code_error", silent, "fast", "optimal"))


def test_active_and_dead():
    model = fakes.FakeModel(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), threshold=1.0, sparsity=2.0)
    on = Measured(model, fakes.dataset([[3, 0, 0, 0], [3, 5, 0.5, 0], [-4, 0, 0, 0]]))
    assert measure("active", on, "fast") == pytest.approx(4 / 12)
    assert measure("dead", on, "Z") == pytest.approx(0.5)
    assert measure("dead", on, "decoder(Z)") == pytest.approx(0.5)
    with pytest.raises(RunError, match="FG630"):
        measure("dead", on, "decoder(Y)")


def test_silent_is_a_thousandth_of_the_scale():
    code = torch.tensor([[1.0, 0.0006, 0.0, -1.2], [1.0, 0.0, -0.0015, -1.0]])
    assert active_units(code).tolist() == [[True, False, False, True], [True, False, True, True]]
    assert active_units(1e-6 * code).tolist() == active_units(code).tolist()
    assert not active_units(torch.zeros(2, 3)).any()


def test_filters_are_columns_of_a_decoder_and_rows_of_an_encoder(psd):
    assert torch.equal(psd.filters("decoder")[2].flatten(), psd.model.decoder[:, 2])
    assert torch.equal(psd.filters("encoder")[2].flatten(), psd.model.encoder[2])
    assert psd.filters("decoder").shape == (7, 3, 4)
    unnamed = fakes.FakeModel(psd.model.decoder, psd.model.encoder, role=False)
    on = Measured(unnamed, psd.dataset)
    assert torch.equal(on.filters("decoder"), psd.filters("decoder"))
    assert torch.equal(on.filters("encoder"), psd.filters("encoder"))


def test_pixels_undo_what_is_written_and_transpose_what_is_read(psd):
    on = Measured(psd.model, fakes.dataset(psd.given["Y"], chain=fakes.Doubled((3, 4))))
    assert torch.equal(on.pixels("decoder"), psd.filters("decoder") / 2)
    assert torch.equal(on.pixels("encoder"), psd.filters("encoder") * 2)


def test_gabor_share_is_taken_where_the_model_lives():
    """The preparation here blurs away what is seen in pixels; the metric must not see it."""
    noise = np.random.default_rng(0).standard_normal((12, 12))
    pictures = np.array([fakes.gabor(12), fakes.gabor(12, angle=2.0), noise, np.zeros((12, 12))])
    decoder = pictures.reshape(4, 144).T.astype(np.float32)

    class Blank(fakes.NoSteps):
        def pixels(self, x):
            return 0 * super().pixels(x)

    on = Measured(fakes.FakeModel(decoder, decoder.T.copy()), fakes.dataset(np.ones((1, 144)), chain=Blank((12, 12))))
    assert measure("gabor_share", on, "decoder") == measure("gabor_share", on, "encoder") == 0.5


def test_gabor_share_needs_pictures(psd):
    on = Measured(fakes.FakeModel(psd.model.decoder, psd.model.encoder), fakes.dataset(psd.given["Y"]))
    with pytest.raises(RunError, match="FG632"):
        measure("gabor_share", on, "decoder")
    with pytest.raises(RunError, match="FG632"):
        measure("gabor_share", psd, "sparsity")


def test_alignment():
    decoder = np.array([[1, 0, 2], [0, 1, 0]], dtype=np.float32)
    encoder = np.array([[1, 0], [3, 3], [-1, 0]], dtype=np.float32)
    on = Measured(fakes.FakeModel(decoder, encoder), fakes.dataset(np.ones((1, 2))))
    assert measure("alignment", on, "encoder", "decoder") == pytest.approx(np.sqrt(0.5))  # of 1, 0.707 and -1
    with pytest.raises(RunError, match="FG632"):
        other = fakes.FakeModel(decoder, encoder[:2].copy())
        measure("alignment", Measured(other, on.dataset), "encoder", "decoder")


def test_recovered():
    rng = np.random.default_rng(2)
    truth = rng.standard_normal((6, 5))
    near = truth + 0.02 * rng.standard_normal((6, 5))
    found = np.stack([-3 * near[:, 4], near[:, 0], rng.standard_normal(6), 0 * near[:, 1]], 1).astype(np.float32)
    source = fakes.FakeSource(truth=truth)
    on = Measured(fakes.FakeModel(found, found.T.copy(), source=source), fakes.dataset(np.ones((1, 6))))
    cosine = np.abs((truth / np.linalg.norm(truth, axis=0)).T @ (found / np.maximum(np.linalg.norm(found, axis=0), 1e-9)))
    assert measure("recovered", on, "decoder") == np.mean(cosine.max(1) > 0.95) == 0.4
    with pytest.raises(RunError, match="FG634"):
        measure("auc", on)


def test_figures_per_unit(psd):
    norms = measure("column_norm", psd, "encoder")
    assert norms.numpy() == pytest.approx(np.linalg.norm(psd.model.encoder.numpy(), axis=0), rel=1e-6)
    assert measure("largest", psd, norms) == float(norms.max())
    assert measure("smallest", psd, norms) == float(norms.min())


def test_speedup_is_a_ratio_of_medians_of_runs_that_take_turns():
    calls = []

    def seconds(name):
        calls.append(name)
        return {"fast": 1.0, "slow": 37.0}[name] * (100 if len(calls) > 4 and len(calls) % 10 < 2 else 1)  # a hiccup now and then

    on = SimpleNamespace(seconds=seconds)
    assert measure("speedup", on, "fast", "slow") == 37.0
    assert calls[:4] == ["fast", "slow"] * 2
    assert calls == ["fast", "slow"] * (len(calls) // 2)


def test_inference_in_pieces_is_inference_at_once(psd, monkeypatch):
    whole = psd.solved("fast").variables["Z"]
    monkeypatch.setattr("factorgraph.run.batches.ROWS_AT_ONCE", 100)
    pieces = Measured(psd.model, psd.dataset).solved("fast").variables["Z"]
    assert torch.allclose(pieces, whole, atol=1e-6)
    assert len(pieces) == 1037
