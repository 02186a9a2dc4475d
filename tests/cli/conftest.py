"""Commands run in this process, as ``factorgraph`` would run them, and one small run for those that need one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from factorgraph.__main__ import main

TINY = """\
factorgraph: 1
title: Codes of four units for points on a spiral
dims: {code: 4}
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, steps: 5}
learning:
  fit: {loss: energy, steps: 3, batch_size: 8}
data: {source: curve, count: 40, bind: {Y: point}}
expect:
  low: {claim: "the energy is low", metric: energy(optimal), at_most: 100}
"""


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """Runs one command in an empty folder; returns its exit status and what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["factorgraph", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def tiny(tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A finished run of the small spec; whoever changes it works on a copy."""
    import factorgraph as fg

    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    np.save(folder / "points.npy", np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2))
    before = Path.cwd()
    os.chdir(folder)
    try:
        fg.train(fg.load("tiny.yaml"))
    finally:
        os.chdir(before)
    return folder / "runs" / "tiny-0001"
