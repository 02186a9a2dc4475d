"""Learning through a search in a run: what the loss asks of the code reaches what the code was found by, and what is told."""

from __future__ import annotations

from pathlib import Path

import torch

from factorgraph import build, train
from factorgraph.spec.load import loads

RUN = """
factorgraph: 1
seed: 3
variables:
  Y: {kind: observed, shape: [25]}
  A: {kind: latent, shape: [6], domain: nonnegative}
  B: {kind: latent, shape: [6], domain: nonnegative}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  same:    {type: linear, bias: false, unit_norm: columns}
  guess:   {type: linear, units: 25}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(A) + decoder(B)], weight: 0.5}
  sparsity:       {type: l1, of: A, weight: 0.1}
  sparse:         {type: l1, of: B, weight: 0.1}
  rough:          {type: squared_distance, between: [Y, guess(A)], weight: 0.1}
inference:
  code: {method: argmin, of: [A, B], without: [rough], gradient: implicit, steps: 300}
learning:
  first: {only: [rough], train: [decoder], steps: 3, batch_size: 16}
  then:  {only: [rough], train: [guess], steps: 3, batch_size: 16, set: {factors.rough.weight: 0.2}}
data: {source: natural_patches, size: 5, count: 100, test: 20, prepare: [remove_mean, unit_variance], bind: {Y: image}}
"""


def run(path: Path, way: str = "implicit", text: str = RUN) -> tuple[list[str], torch.Tensor]:
    told: list[str] = []
    made = train(loads(text).with_changes({"inference.code.gradient": way}, "test"), path, say=told.append)
    return told, made.model.tensors()["functions.decoder"]["matrix"].detach()


def test_codes_without_a_derivative_are_told_once_a_phase(tmp_path: Path) -> None:
    """Both codes are decoded by one function: nothing says which of them is to have a unit."""
    told, _ = run(tmp_path / "run")
    warned = [each for each in told if "FGW254" in each]
    assert len(warned) == 1 and "of 48 codes of A and B" in warned[0] and "spec.yaml:18" in warned[0]
    assert "FGW254" in (tmp_path / "run" / "log.txt").read_text()
    told, _ = run(tmp_path / "apart", text=RUN.replace("decoder(B)", "same(B)"))
    assert not [each for each in told if "FGW254" in each]


def test_a_loss_that_the_search_does_not_see_moves_what_the_code_is_found_by(tmp_path: Path) -> None:
    text = RUN.replace("decoder(B)", "same(B)")
    (_, around), (_, through) = run(tmp_path / "implicit", text=text), run(tmp_path / "unroll", "unroll", text)
    start = build(loads(text)).tensors()["functions.decoder"]["matrix"].detach()
    torch.testing.assert_close(around, through, rtol=0, atol=2e-4)
    assert float((around - start).abs().max()) > 2e-3
