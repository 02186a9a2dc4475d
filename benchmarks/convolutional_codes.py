"""One convolutional sparse code, by a model's procedure and by SPORCO, at equal objective.

A 256 x 256 part of a photograph without its slow changes, 64 kernels 9 x 9 that end where the picture does. SPORCO has an option
for that, ``NoBndryCross``, so that both minimise the same energy, ``|sum_k d_k * z_k - x|^2 / 2 + w |z|_1``. A code is judged
by its objective in double precision, by one formula, beside that of a code whose duality gap is below a tenth of the target.
Counted is all from a picture and kernels to maps: ours as learning calls the procedure, with the certificate, and without the
energies that ``Model.infer`` adds.

    python -m benchmarks.convolutional_codes [--side 64] [--maps 16] [--own admm fista] [--pairs 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from sporco import fft
from sporco.admm.cbpdn import ConvBPDN
from sporco.pgm.cbpdn import ConvBPDN as Proximal

import factorgraph as fg
from benchmarks.harness import Setting, cheapest, paired, table, tried

SPEC = """
factorgraph: 1
variables:
  X: {{kind: observed, shape: [1, {side}, {side}]}}
  Z: {{kind: latent, shape: [{maps}, {code}, {code}]}}
functions:
  decoder: {{type: convolution, kernel: {kernel}, padding: full, bias: false, unit_norm: columns}}
factors:
  reconstruction: {{type: squared_distance, between: [X, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {weight}}}
inference:
  codes: {{method: argmin, of: Z, {solver}steps: 5000, tolerance: {tolerance}}}
"""
TARGETS = (1e-2, 1e-3)
KNOWN = 1e-4  # the duality gap of the code that objectives are compared with: a tenth of the lower target
LEVELS = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01, 1e-3)
LOOKED = 5  # iterations of a peer between two looks at its objective
PEERS = {"ADMM": ConvBPDN, "PGM": Proximal}  # at SPORCO's own penalty, which it adapts; at the slope's bound


@dataclass(frozen=True)
class Case:
    """A picture (side, side), kernels (maps, side, side) that are convolved with maps, and a weight."""

    x: np.ndarray
    d: np.ndarray
    weight: float


def picture(side: int) -> np.ndarray:
    """A part of a photograph without its slow changes, of variance 1: (side, side)."""
    grey = load_sample_image("china.jpg").mean(2)[100:, 150:][: side + 16, : side + 16] / 255
    means = np.lib.stride_tricks.sliding_window_view(grey, (17, 17)).mean((2, 3))
    rough = grey[8 : 8 + side, 8 : 8 + side] - means
    return np.asarray(rough / rough.std())


def kernels(maps: int, side: int) -> np.ndarray:
    """Smooth random patterns of norm 1: (maps, side, side)."""
    random = np.random.default_rng(0).standard_normal((maps, side, side))
    fast = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    smooth = np.fft.irfft2(np.fft.rfft2(random) * np.exp(-2 * fast), (side, side))
    return np.asarray(smooth / np.linalg.norm(smooth, axis=(1, 2), keepdims=True))


def objective(case: Case, code: np.ndarray) -> float:
    """Of maps (maps, rows, columns), in double precision."""
    z, d = torch.from_numpy(code).double()[None], torch.from_numpy(case.d)[:, None]
    misfit = torch.nn.functional.conv_transpose2d(z, d)[0, 0] - torch.from_numpy(case.x)
    return float(misfit.square().sum() / 2 + case.weight * z.abs().sum())


# --- the ways ------------------------------------------------------------------------------------------------------------------


def ours(case: Case, solver: str, levels: tuple[float, ...] = LEVELS) -> Iterator[Setting]:
    """By the solver that the planner takes, or by one that is named."""
    side, (maps, kernel, _) = len(case.x), case.d.shape
    sizes = {"side": side, "maps": maps, "kernel": kernel, "code": side - kernel + 1, "weight": case.weight}
    x = torch.from_numpy(case.x).float()[None, None]
    for tolerance in levels:
        named = f"solver: {solver}, " if solver else ""
        model = fg.build(fg.loads(SPEC.format(**sizes, tolerance=tolerance, solver=named))).requires_grad_(False)
        matrix = model.get_parameter("functions.decoder.matrix")
        matrix.copy_(torch.from_numpy(case.d[:, ::-1, ::-1].copy()).reshape(matrix.shape))  # it correlates

        def run(model: fg.Model = model) -> np.ndarray:
            return np.asarray(model.inferences["codes"](model.assign({"X": x}), model.tensors()).values["Z"][0])

        plan = model.inferences["codes"].plan.solver or {}
        yield Setting(f"factorgraph {plan['type']}, gap {tolerance:g}", run, 1)


class Peer:
    """A class of SPORCO, without the margin of its maps in which kernels would cross the border."""

    def __init__(self, case: Case, name: str):
        slope = float((np.abs(np.fft.fft2(case.d, case.x.shape)) ** 2).sum(0).max())
        own = {"L": slope, "Backtrack": None} if name == "PGM" else {}
        self.case, self.name, self.way = case, name, PEERS[name]
        self.options = {"RelStopTol": 0.0, "NoBndryCross": True, "FastSolve": True, **own}  # fast: no objective at each iteration

    def code(self, **options: object) -> np.ndarray:
        kernels, x = self.case.d.transpose(1, 2, 0).astype(np.float32), self.case.x.astype(np.float32)
        search = self.way(kernels, x, self.case.weight, self.way.Options({**self.options, **options}))
        search.solve()
        return self.cut(search)

    def cut(self, search: ConvBPDN | Proximal) -> np.ndarray:
        left = len(self.case.x) - self.case.d.shape[-1] + 1
        return np.ascontiguousarray(search.getcoef().squeeze().transpose(2, 0, 1)[:, :left, :left])

    def fewest(self, best: float, targets: Sequence[float]) -> dict[float, int]:
        """How many iterations reach each target: in one search, which is not timed."""
        found: dict[float, int] = {}

        def look(search: ConvBPDN | Proximal) -> bool:
            if (search.k + 1) % LOOKED == 0:
                gap = objective(self.case, self.cut(search)) / best - 1
                found.update({each: search.k + 1 for each in targets if each not in found and gap <= each})
            return len(found) == len(targets)

        self.code(MaxMainIter=2000, Callback=look)
        return found

    def setting(self, iterations: int) -> Setting:
        return Setting(f"SPORCO {self.name}, {iterations} iterations", lambda: self.code(MaxMainIter=iterations), 1)


# --- the table -----------------------------------------------------------------------------------------------------------------


def rows_of(case: Case, own: list[str], peers: list[str], targets: list[float], pairs: int) -> Iterator[dict[str, str]]:
    """For each target, and each way of ours, a row of the table."""
    (best,) = (objective(case, each.run()) for each in ours(case, "", (KNOWN,)))

    def quality(code: np.ndarray) -> dict[str, float]:
        return {"gap": objective(case, code) / best - 1}

    mine = {name: tried(ours(case, name), quality, min(targets)) for name in own}
    others = {name: Peer(case, name) for name in peers}
    enough = {name: each.fewest(best, targets) for name, each in others.items()}
    for target, name in product(targets, own):
        by = cheapest(mine[name], "gap", target)
        row = {"objective within": f"{target:.1%}", "ours": by.name if by else "not reached"}
        for peer, found in enough.items():
            if by is None or target not in found:
                continue
            rival = others[peer].setting(found[target])
            ratio = paired(by, rival, pairs)
            row["s, ours"] = f"{ratio.ours / 1e6:.2f}"
            row |= {f"s, {peer}": f"{ratio.theirs / 1e6:.2f}, {found[target]} iterations"}
            row |= {f"{peer} / ours": f"{ratio.value:.2f} ({ratio.lower:.2f})"}
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("side", 256), ("maps", 64), ("kernel", 9), ("pairs", 9)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--weight", type=float, default=0.5)
    parser.add_argument("--own", nargs="*", default=[], help="solvers beside the planner's: admm, fista")
    parser.add_argument("--peers", nargs="*", default=["ADMM", "PGM"], choices=PEERS)
    parser.add_argument("--targets", nargs="*", type=float, default=list(TARGETS))
    told = parser.parse_args()
    torch.set_num_threads(1)
    fft.pyfftw_threads = 1
    case = Case(picture(told.side), kernels(told.maps, told.kernel), told.weight)
    for row in rows_of(case, ["", *told.own], told.peers, told.targets, told.pairs):
        print(table([row]), flush=True)


if __name__ == "__main__":
    main()
