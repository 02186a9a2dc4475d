"""The page of energy surfaces: whole in one file, without a script, with the figures of each model."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from factorgraph.report.surfaces import Surface, surfaces, write_surfaces
from factorgraph.spec.load import loads
from factorgraph.training.session import train
from tests.report.browser import opened
from tests.report.test_page import HOSTILE, SPEC, Elements

MEANS = """
factorgraph: 1
title: "TITLE"
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [3], domain: one_hot}
functions:
  means: {type: linear, bias: false, init: data}
factors:
  error: {type: squared_distance, between: [Y, means(Z)], weight: 0.5}
inference:
  nearest: {method: argmin, of: Z}
learning:
  fit: {loss: energy, optimizer: closed_form, epochs: 3, batch_size: all}
data: {source: curve, shape: parabola, count: 60, bind: {Y: point}}
expect:
  low: {claim: "CLAIM", metric: auc(), at_least: 0.5}
  no:  {claim: "never", metric: rho(error), at_least: 1000}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[Surface]:
    folder = tmp_path_factory.mktemp("runs")
    texts = {"means": MEANS.replace("TITLE", HOSTILE), "patches": SPEC.replace("TITLE", "No plane")}
    runs = [train(loads(each.replace("CLAIM", HOSTILE), f"{name}.yaml"), folder / name) for name, each in texts.items()]
    return [Surface(each, each.evaluate().verdicts) for each in runs]


def test_the_figures_are_those_of_the_model(found):
    means, patches = found
    on = means.run.measured()
    centres = next(iter(on.model.parameters())).detach().double().numpy().T
    far = on.background()
    squares = ((far.variables["Y"].double().numpy()[:, None] - centres) ** 2).sum(-1).min(1)
    assert float(means.rho) == pytest.approx(squares.mean() / on.distances(far.variables["Y"]).square().mean().item(), rel=1e-3)
    assert float(means.auc) == pytest.approx(means.verdicts[0].values[0], rel=1e-3)
    assert (patches.auc, patches.rho) == ("–", "–")  # natural patches know no background
    assert means.held == "1 of 2" and patches.held == "1 of 1"
    assert [each.name for each in means.pictures] == ["energy", "energy_while_learning"] and patches.pictures == []
    assert means.ways == ["the volume of low energy is constant by construction"]


def test_the_page_loads_nothing_and_runs_nothing_and_text_stays_text(found):
    text = surfaces(found)
    elements = Elements(text)
    assert all(each.startswith(("data:", "#")) for each in elements.addresses) and elements.elements.count("img") == 2
    assert "script" not in elements.elements
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy.replace("&#39;", "'") and "script-src 'none'" in policy.replace("&#39;", "'")
    said = " ".join("".join(elements.text).split())
    assert said.count(HOSTILE) == 4  # twice as title, once as claim of each
    for word in ("at least 0.5", "holds", "fails", "its data lie in no plane", f"AUC {found[0].auc}, rho {found[0].rho}"):
        assert word.lower() in said.lower()


def test_a_browser_shows_it_and_has_nothing_to_complain_of(found, tmp_path: Path):
    with opened() as tab:
        tab.open(write_surfaces(found, tmp_path / "page.html").as_uri())
        assert tab.run("window.hit") is None
        assert tab.run("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
        assert tab.complaints == [] and all(each.startswith(("file:", "data:", "about:")) for each in tab.requests)
