"""Codes of image patches that are sparse by groups, by a model's procedure and by peers, at equal certified quality.

Signals and atoms are those of ``lasso_codes``: 10,000 patches 12 x 12, *raw* or *white*, and 256 atoms of unit norm. Groups of 4
or of 8 hold atoms that are alike: each is the first that is left, with those of the largest correlation with it. The weight of
lengths, the same for all, leaves about 10 % or 3 % of a code active. The quality of a code is its relative duality gap in double
precision, by one formula. Counted is all from signals and atoms to codes: ours by ``Model.infer`` with ``group_active_set``;
*fista* is ours too, and stops by the same gap. SPAMS is ``fistaFlat``, whose tolerance is one of its own.

    python -m benchmarks.group_codes [--patches white] [--members 4] [--only fista]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import spams
import torch

import factorgraph as fg
from benchmarks.harness import PAIRS, Setting, Tried, cheapest, geometric, paired, table, tried
from benchmarks.lasso_codes import DENSITIES, KINDS, LEVELS, SIDE, STEPS, TARGETS, UNITS, Case, cases

SPEC = """
factorgraph: 1
variables:
  Y: {{kind: observed, shape: {inputs}}}
  Z: {{kind: latent, shape: [{groups}, {members}]}}
functions:
  decoder: {{type: linear, bias: false}}
  group:   {{type: pool, kind: l2, window: [1, {members}]}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  groups:         {{type: l1, of: group(Z), weight: {weight}}}
inference:
  codes: {{method: argmin, of: Z, tolerance: {tolerance}, steps: {steps}, solver: {solver}}}
"""
MEMBERS = (4, 8)
SLOW, SLOWEST = 2000, 500  # samples for steps in torch, and for SPAMS, signal by signal


@dataclass(frozen=True)
class Grouped:
    """Signals (samples, inputs), atoms (units, inputs), those of a group one after the other, and the weight of a length."""

    name: str
    x: np.ndarray
    d: np.ndarray
    members: int
    weight: float


def grouped(case: Case, members: int, density: float) -> Grouped:
    left, order = list(range(len(case.d))), []
    alike = np.abs(case.d @ case.d.T)
    while left:
        taken = sorted(left, key=lambda each: -alike[left[0], each])[:members]
        order += taken
        left = [each for each in left if each not in taken]
    d = np.ascontiguousarray(case.d[order])
    low, high = 1e-3, 10.0
    for _ in range(14):
        middle = (low * high) ** 0.5
        found = Grouped("", case.x[:500], d, members, middle)
        active = (of_model(found, 500, 1e-4).run() != 0).mean()
        low, high = (middle, high) if active > density else (low, middle)
    return Grouped(f"{case.name.split()[0]}, {members}, {density:.0%}", case.x, d, members, float(high))


def gaps(case: Grouped, z: np.ndarray) -> np.ndarray:
    """(samples,): relative duality gaps of the first codes, in double precision."""
    x, d, z = case.x[: len(z)].astype(float), case.d.astype(float), z.astype(float)

    def lengths(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(values.reshape(len(values), -1, case.members), axis=2))

    residual = x - z @ d
    s = np.minimum(1, case.weight / lengths(residual @ d.T).max(1))
    energy = (residual**2).sum(1) / 2 + case.weight * lengths(z).sum(1)
    return np.asarray((energy - s * (residual * x).sum(1) + s**2 * (residual**2).sum(1) / 2) / energy)


# --- the ways ------------------------------------------------------------------------------------------------------------------


def of_model(case: Grouped, samples: int, tolerance: float, solver: str = "group_active_set") -> Setting:
    """By a model."""
    y = torch.from_numpy(case.x[:samples])
    sizes = {"inputs": SIDE**2, "groups": UNITS // case.members, "members": case.members}
    text = SPEC.format(**sizes, weight=case.weight, tolerance=tolerance, steps=STEPS, solver=solver)
    model = fg.build(fg.loads(text)).requires_grad_(False)
    matrix, atoms = model.get_parameter("functions.decoder.matrix"), torch.from_numpy(case.d.T.copy())

    def run() -> np.ndarray:
        matrix.copy_(atoms)  # so that nothing is kept from the call before
        return model.infer(Y=y)["Z"].reshape(samples, UNITS).numpy()

    return Setting(f"tolerance {tolerance:g}", run, samples)


def flat(case: Grouped, dtype: type) -> Iterator[Setting]:
    x, d = (np.asfortranarray(each.T, dtype) for each in (case.x[:SLOWEST], case.d))
    start = np.zeros((UNITS, SLOWEST), dtype, order="F")
    for tolerance in (1e-2, *LEVELS[2:], 1e-7, 1e-8, 1e-9, 1e-10, 1e-12):

        def run(tolerance: float = tolerance) -> np.ndarray:
            options = {"loss": "square", "regul": "group-lasso-l2", "size_group": case.members, "lambda1": case.weight}
            told = {"tol": tolerance, "max_it": STEPS, "it0": 10, "L0": 1.0, "compute_gram": True, "verbose": False}
            return np.asarray(spams.fistaFlat(x, d, start, numThreads=torch.get_num_threads(), **options, **told).T)

        yield Setting(f"tol {tolerance:g} in {np.dtype(dtype).name}", run, SLOWEST)


# --- the table -----------------------------------------------------------------------------------------------------------------


def rows_of(case: Grouped, samples: int, pairs: int, only: str | None) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """For each target a row of the table, and the ratios in it."""
    tightest = min(target for _, target in TARGETS)

    def quality(z: np.ndarray) -> dict[str, float]:
        found = gaps(case, z)
        return {"mean": float(found.mean()), "worst": float(found.max())}

    def all_of(settings: Iterator[Setting]) -> list[Tried]:
        return tried(settings, quality, tightest)

    own, peers = all_of(of_model(case, samples, each) for each in LEVELS), {}
    if only in (None, "fista"):
        peers["fista"] = all_of(of_model(case, min(samples, SLOW), each, "fista") for each in LEVELS)
    if only in (None, "spams"):
        peers["SPAMS"] = [each for dtype in (np.float32, np.float64) for each in all_of(flat(case, dtype))]
    for kind, target in TARGETS:
        row: dict[str, str] = {"patches, members, active": case.name, "gap": f"{kind} {target:g}"}
        ratios: dict[str, float] = {}
        mine = cheapest(own, kind, target)
        assert mine is not None, f"no tolerance of ours reaches {row}"
        for name, others in peers.items():
            rival = cheapest(others, kind, target)
            row |= {f"us, {name}": "not reached", f"{name} / ours": ""}
            if rival is None:
                continue
            ratio = paired(mine, rival, pairs)
            row.setdefault("us, ours", f"{ratio.ours:.1f}")
            row[f"us, {name}"] = f"{ratio.theirs:.1f}, {rival.name}"
            row[f"{name} / ours"] = f"{ratio.value:.1f} ({ratio.lower:.1f})"
            ratios |= {f"{name}, all": ratio.value, f"{name}, {target:g}": ratio.value}
        yield row, ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", choices=("fista", "spams"))
    parser.add_argument("--patches", choices=KINDS)
    parser.add_argument("--members", type=int, choices=MEMBERS)
    told = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, str]] = []
    ratios: dict[str, list[float]] = {}
    for kind in [told.patches] if told.patches else KINDS:
        case = next(cases(told.samples, f"{kind} {DENSITIES[0]:.0%}"))
        for members in [told.members] if told.members else MEMBERS:
            for density in DENSITIES:
                for row, found in rows_of(grouped(case, members, density), told.samples, told.pairs, told.only):
                    rows.append(row)
                    for name, ratio in found.items():
                        ratios.setdefault(name, []).append(ratio)
    print(table(rows) + "\n")
    for name, values in ratios.items():
        print(f"{name}: geometric mean {geometric(values):.2f}, lowest {min(values):.2f}, of {len(values)} cells")


if __name__ == "__main__":
    main()
