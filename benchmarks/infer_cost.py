"""What ``Model.infer`` costs beside the same solver called by hand: operators, microseconds a call, and time for many codes.

The hand's way forms the Hessian once, as somebody would who knows that the atoms stay, and computes what a solution holds: the
codes with status, steps and certificate, and the energy of each factor. Counted is what torch dispatches, views included.

    python -m benchmarks.infer_cost [--samples 10000] [--pairs 9]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import factorgraph as fg
from benchmarks.harness import Setting, paired, table
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import NOT_FINITE, Minimum, Problem, Quadratic, Rest
from factorgraph.inference.solvers.active_set import ActiveSet

INPUTS, UNITS, WEIGHT = 144, 256, 0.3
SPEC = f"""
factorgraph: 1
variables:
  Y: {{kind: observed, shape: {INPUTS}}}
  Z: {{kind: latent, shape: {UNITS}}}
functions:
  decoder: {{type: linear, bias: false}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {WEIGHT}}}
inference:
  codes: {{method: argmin, of: Z, solver: active_set}}
"""


class Count(TorchDispatchMode):
    """How many operators were dispatched inside."""

    number = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        self.number += 1
        return function(*arguments, **(options or {}))


def operators(call: Callable[[], object]) -> int:
    """Of one call, when all that is kept between calls is there."""
    for _ in range(3):
        call()
    with Count() as count:
        call()
    return count.number


def signals(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal signals (count, inputs) and atoms (inputs, units), all of unit norm: about 5 % of a code is active."""
    source = torch.Generator().manual_seed(seed)
    y, atoms = torch.randn(count, INPUTS, generator=source), torch.randn(INPUTS, UNITS, generator=source)
    return y / y.norm(dim=1, keepdim=True), atoms / atoms.norm(dim=0)


def ours(y: Tensor, atoms: Tensor) -> Callable[[], fg.Solution]:
    model = fg.build(fg.loads(SPEC)).requires_grad_(False)
    model.get_parameter("functions.decoder.matrix").copy_(atoms)
    return lambda: model.infer(Y=y)


def by_hand(y: Tensor, atoms: Tensor) -> Callable[[], tuple[Minimum, Tensor, Tensor, Tensor, Tensor]]:
    hessian, weight = atoms.T @ atoms, torch.full((UNITS,), WEIGHT)

    def magnitudes(z: Tensor) -> Tensor:
        return WEIGHT * z.abs().sum(1)

    rest = Rest(magnitudes, lambda v, t: torch.nn.functional.softshrink(v, float(t) * WEIGHT), weight)

    def call() -> tuple[Minimum, Tensor, Tensor, Tensor, Tensor]:
        form = Quadratic(hessian, -y @ atoms, y.square().sum(1) / 2)
        problem = Problem(y.new_zeros(len(y), UNITS), form.value, form.gradient, None, rest, form, squares=True, compiled=True)
        found = solve(ActiveSet(), problem, 100, 1e-4)
        reconstruction = 0.5 * (y - torch.nn.functional.linear(found.z, atoms)).square().sum(1)
        sparsity = magnitudes(found.z)
        energy = reconstruction + sparsity
        return found, reconstruction, sparsity, energy, torch.where(torch.isfinite(energy), found.status, NOT_FINITE)

    return call


def microseconds(call: Callable[[], object], calls: int) -> float:
    """Of CPU, a call: the best of several rounds, which nothing disturbed."""
    found = []
    for _ in range(10):
        begin = time.process_time()
        for _ in range(calls):
            call()
        found.append((time.process_time() - begin) / calls)
    return 1e6 * min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=9)
    told = parser.parse_args()
    torch.set_num_threads(1)
    one, many = signals(1), signals(told.samples)
    apart = (ours(*many)()["Z"] - by_hand(*many)()[0].z).abs().max()
    mine, other = operators(ours(*one)), operators(by_hand(*one))
    once, hand = microseconds(ours(*one), 50), microseconds(by_hand(*one), 50)
    found = paired(*(Setting("", _codes(call), told.samples) for call in (ours(*many), by_hand(*many))), told.pairs)
    rows = [
        {"": "operators a call", "Model.infer": f"{mine}", "by hand": f"{other}", "ratio": f"{mine / other:.3f}"},
        {"": "us, a call for one signal", "Model.infer": f"{once:.0f}", "by hand": f"{hand:.0f}", "ratio": f"{once / hand:.2f}"},
    ]
    codes = (f"{found.ours:.2f}", f"{found.theirs:.2f}", f"{1 / found.value:.3f}")
    rows.append(dict(zip(rows[0], (f"us a code of {told.samples}", *codes), strict=True)))
    print(table(rows) + f"\n\nlargest difference of a code: {float(apart):.1e}")


def _codes(call: Callable[[], Any]) -> Callable[[], np.ndarray]:
    def codes() -> np.ndarray:
        found = call()
        return np.asarray(found["Z"] if isinstance(found, fg.Solution) else found[0].z)

    return codes


if __name__ == "__main__":
    main()
