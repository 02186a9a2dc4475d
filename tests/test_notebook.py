"""What a notebook shows of the objects that people hold, with names that try to be more than text."""

from __future__ import annotations

import torch

from factorgraph import compile as compiler
from factorgraph.graph.resolve import resolve
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training.session import train

TITLE = "<img src=x onerror=alert(1)>"
SPEC = f"""
factorgraph: 1
title: "{TITLE}"
variables:
  Y: {{kind: observed, shape: [16]}}
  Z: {{kind: latent, shape: [9]}}
functions:
  decoder: {{type: linear, bias: false, unit_norm: columns}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)]}}
  sparsity:       {{type: l1, of: Z, weight: 0.3}}
inference:
  optimal: {{method: argmin, of: Z, steps: 20}}
learning:
  dictionary: {{loss: energy, steps: 3, batch_size: 16}}
data: {{source: natural_patches, size: 4, count: 60, test: 20, bind: {{Y: image}}}}
expect:
  close: {{claim: "{TITLE}", metric: energy(optimal), at_least: 0}}
"""


def test_each_shows_what_it_holds_as_text(tmp_path):
    spec = loads(SPEC)
    model = compiler.build(spec)
    solution = model.infer(None, Y=torch.randn(5, 16))
    run = train(spec, tmp_path / "run")
    run.keep(run.evaluate())
    shown = {type(each).__name__: each._repr_html_() for each in (spec, model, solution, Run(run.path))}
    for name, words in {
        "Spec": ("squared_distance", "between: [Y, decoder(Z)]"),
        "Model": ("144 parameters", "<td>functions.decoder.matrix</td><td>16×9</td><td>144</td>", "optimal: "),
        "Solution": ("optimal: 5 samples", "<td>sparsity</td>", "<td>Z</td>"),
        "Run": ("finished", "<td>holds</td>", f"<td>{run.evaluate().verdicts[0].values[0]:.4g}</td>"),
    }.items():
        assert all(word in shown[name] for word in words), (name, shown[name])
    assert all("<img" not in each for each in shown.values())
    assert all("&lt;img" in shown[name] for name in ("Spec", "Model", "Run"))


def test_a_graph_shows_its_diagram():
    drawn = resolve(loads(SPEC))._repr_svg_()
    assert drawn is not None and drawn.startswith("<svg") and "decoder" in drawn and "<img" not in drawn
