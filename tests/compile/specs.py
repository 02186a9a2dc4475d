"""Small specs for tests of the compiler, as text."""

from __future__ import annotations

from typing import Any

from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec

PSD = """
factorgraph: 1
dims: {pixels: 7, code: 5}
variables:
  Y: {kind: observed, shape: [pixels]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.37}
  sparsity:       {type: l1, of: Z, weight: 0.61}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y), tolerance: 1e-6, steps: 3000}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
"""

SPARSE = """
factorgraph: 1
dims: {pixels: 20, code: 33}
variables:
  Y: {kind: observed, shape: [pixels]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity:       {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z}
"""

TWO_LATENTS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  A: {kind: latent, shape: [4]}
  B: {kind: latent, shape: [3]}
functions:
  left: {type: linear, bias: false}
  right: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [Y, left(A) + right(B)]}
  a: {type: l1, of: A, weight: 0.3}
  b: {type: squared_distance, between: [B, 0], weight: 0.2}
inference:
  optimal: {method: argmin, of: [A, B], steps: 2000, tolerance: 1e-7}
"""

FRAMES = """
factorgraph: 1
indices: {t: 3}
variables:
  X: {kind: observed, shape: [6], per: t}
  H: {kind: latent, shape: [4], per: t}
functions:
  decoder: {type: linear}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(H)]}
  slowness: {type: squared_distance, between: ["H[t]", "H[t-1]"], weight: 0.4}
  size: {type: squared_distance, between: [H, 0], weight: 0.1}
inference:
  optimal: {method: argmin, of: H}
"""


def spec(text: str, **changes: Any) -> Spec:
    """The spec of a text, with values at addresses: dots are written as double underscores."""
    made = loads(text)
    return made.with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test") if changes else made
