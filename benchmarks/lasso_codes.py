"""Sparse codes of image patches, by a model's procedure and by peers, at equal certified quality.

10,000 patches 12 x 12 of two photographs, their mean removed, of unit norm, *raw* or *white*; 256 atoms of unit norm that SPAMS
learned from others; weights at which about 10 % and 3 % of a code is active. The quality of every code is its relative duality
gap in double precision, by one formula. Counted is all from signals and atoms to codes: ours by ``Model.infer``, with the
certificate and the energies of each code, which peers do not compute.

    python -m benchmarks.lasso_codes [--patches 'raw 3%'] [--only spams]

On a machine without a compiler, which ``FACTORGRAPH_COMPILED=0`` makes of any, ours takes the steps in torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import spams
import torch
from sklearn.datasets import load_sample_image
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import Lasso

import factorgraph as fg
from benchmarks.harness import PAIRS, Setting, Tried, cheapest, geometric, paired, table, tried

SPEC = """
factorgraph: 1
variables:
  Y: {{kind: observed, shape: {inputs}}}
  Z: {{kind: latent, shape: {units}}}
functions:
  decoder: {{type: linear, bias: false}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {weight}}}
inference:
  codes: {{method: argmin, of: Z, tolerance: {tolerance}, steps: {steps}}}
"""
SIDE, UNITS = 12, 256
STEPS = 3000  # at most, so that proximal steps, where they are all there is, come to the tightest gap
SLOW, SLOWEST = 500, 100  # samples for the torch loop, which likes small arrays, and for scikit-learn, one by one
KINDS, DENSITIES = ("raw", "white"), (0.10, 0.03)
TARGETS = (("mean", 1e-3), ("worst", 1e-3), ("mean", 1e-5), ("worst", 1e-5))
LEVELS = (5e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5, 8e-6, 3e-6, 1e-6)


@dataclass(frozen=True)
class Case:
    """Signals (samples, inputs), atoms (units, inputs) and a weight."""

    name: str
    x: np.ndarray
    d: np.ndarray
    weight: float


def patches(count: int, seed: int) -> np.ndarray:
    """Of both photographs, those that are not flat: (count, inputs)."""
    random, found = np.random.default_rng(seed), []
    for name in ("china.jpg", "flower.jpg"):
        grey = load_sample_image(name).mean(2) / 255
        windows = np.lib.stride_tricks.sliding_window_view(grey, (SIDE, SIDE))
        places = random.integers(0, windows.shape[:2], (2 * count, 2))
        own = windows[places[:, 0], places[:, 1]].reshape(len(places), -1)
        own = own - own.mean(1, keepdims=True)
        found.append(own[np.linalg.norm(own, axis=1) > 0.1][: count // 2])
    return random.permutation(np.concatenate(found))


def whitening(x: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return np.asarray(vectors / np.sqrt(values + 1e-3 * values[-1]) @ vectors.T)


def cases(samples: int, only: str | None = None) -> Iterator[Case]:
    held, learned = patches(samples, 0), patches(20_000, 1)
    for kind in KINDS:
        if only and not only.startswith(kind):
            continue
        turn = whitening(learned) if kind == "white" else np.eye(SIDE**2)
        x, known = (each @ turn for each in (held, learned))
        x, known = (np.float32(each / np.linalg.norm(each, axis=1, keepdims=True)) for each in (x, known))
        first = np.asfortranarray(known[:UNITS].T)
        d = spams.trainDL(np.asfortranarray(known.T), D=first, lambda1=0.15, iter=150, batchsize=512, numThreads=1, verbose=False)
        d = np.ascontiguousarray(d.T / np.linalg.norm(d.T, axis=1, keepdims=True))
        for density in DENSITIES:
            if only in (None, f"{kind} {density:.0%}"):
                yield Case(f"{kind} {density:.0%}", x, d, weight_for(x[:500], d, density))


def weight_for(x: np.ndarray, d: np.ndarray, density: float) -> float:
    low, high = 1e-3, 1.0
    for _ in range(14):
        middle = (low * high) ** 0.5
        active = (spams_lars(Case("", x, d, middle)).run() != 0).mean()
        low, high = (middle, high) if active > density else (low, middle)
    return float(high)


def gaps(case: Case, z: np.ndarray) -> np.ndarray:
    """(samples,): relative duality gaps of the first codes, in double precision."""
    x, d, z = case.x[: len(z)].astype(float), case.d.astype(float), z.astype(float)
    residual = x - z @ d
    s = np.minimum(1, case.weight / np.abs(residual @ d.T).max(1))
    energy = (residual**2).sum(1) / 2 + case.weight * np.abs(z).sum(1)
    return np.asarray((energy - s * (residual * x).sum(1) + s**2 * (residual**2).sum(1) / 2) / energy)


# --- the ways ------------------------------------------------------------------------------------------------------------------


def ours(case: Case, samples: int) -> Iterator[Setting]:
    y = torch.from_numpy(case.x[:samples])
    for tolerance in LEVELS:
        text = SPEC.format(inputs=SIDE**2, units=UNITS, weight=case.weight, tolerance=tolerance, steps=STEPS)
        model = fg.build(fg.loads(text)).requires_grad_(False)
        matrix, atoms = model.get_parameter("functions.decoder.matrix"), torch.from_numpy(case.d.T.copy())

        def run(model: fg.Model = model, matrix: torch.Tensor = matrix, atoms: torch.Tensor = atoms) -> np.ndarray:
            matrix.copy_(atoms)  # so that nothing is kept from the call before
            return model.infer(Y=y)["Z"].numpy()

        yield Setting(f"factorgraph, tolerance {tolerance:g}", run, samples)


def spams_cd(case: Case) -> Iterator[Setting]:
    x, d = np.asfortranarray(case.x.T), np.asfortranarray(case.d.T)
    start = scipy.sparse.csc_matrix((UNITS, len(case.x)), dtype=np.float32)
    for tolerance in (*LEVELS, 3e-7):

        def run(tolerance: float = tolerance) -> np.ndarray:
            options = {"lambda1": case.weight, "mode": 2, "itermax": 1000, "tol": tolerance}
            return spams.cd(x, d, start, numThreads=torch.get_num_threads(), **options).T.toarray()

        yield Setting(f"SPAMS cd, tol {tolerance:g}", run, len(case.x))


def spams_lars(case: Case, dtype: type = np.float32) -> Setting:
    x, d = np.asfortranarray(case.x.T, dtype), np.asfortranarray(case.d.T, dtype)

    def run() -> np.ndarray:
        return spams.lasso(x, d, lambda1=case.weight, mode=2, numThreads=torch.get_num_threads()).T.toarray()

    return Setting(f"SPAMS lasso (LARS) in {np.dtype(dtype).name}", run, len(case.x))


def lasso_cd(case: Case) -> Iterator[Setting]:
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10):

        def run(tolerance: float = tolerance) -> np.ndarray:
            x, d = case.x[:SLOWEST].astype(float), case.d.astype(float)
            model = Lasso(case.weight / SIDE**2, fit_intercept=False, precompute=d @ d.T, tol=tolerance, max_iter=5000)
            return np.asarray(model.fit(d.T, x.T).coef_)

        yield Setting(f"Lasso, tol {tolerance:g}", run, SLOWEST)


def encoded(case: Case) -> Iterator[Setting]:
    """Its tolerance cannot be given: it is loosened by its limit of iterations."""
    for limit in (5, 10, 20, 50, 100, 200, 500, 1000, 5000):

        def run(limit: int = limit) -> np.ndarray:
            return np.asarray(sparse_encode(case.x[:SLOWEST], case.d, algorithm="lasso_cd", alpha=case.weight, max_iter=limit))

        yield Setting(f"max_iter {limit}", run, SLOWEST)


def torch_fista(case: Case, restart: bool) -> Iterator[Setting]:
    """The recursion of Beck & Teboulle in torch, in Gram form, a fixed number of steps for all.

    ``restart``: each signal drops its momentum where it carries uphill, as O'Donoghue & Candes do by the gradient.
    """
    x, d = torch.from_numpy(case.x[:SLOW]), torch.from_numpy(case.d)

    def run(steps: int) -> np.ndarray:
        gram, drive = d @ d.T, x @ d.T
        bound = torch.linalg.eigvalsh(gram)[-1]
        lateral, drive = torch.eye(UNITS) - gram / bound, drive / bound
        z, y, t = torch.zeros_like(drive), torch.zeros_like(drive), torch.ones(len(x), 1)
        for _ in range(steps):
            before, z = z, torch.nn.functional.softshrink(torch.addmm(drive, y, lateral), float(case.weight / bound))
            moved = z - before
            if restart:
                t = torch.where(((y - z) * moved).sum(1, keepdim=True) > 0, 1.0, t)
            t, old = (1 + (1 + 4 * t * t).sqrt()) / 2, t
            y = torch.addcmul(z, moved, (old - 1) / t)
        return z.numpy()

    how = "restarted, " if restart else ""
    for steps in (15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1920):
        yield Setting(f"{how}{steps} steps", lambda steps=steps: run(steps), SLOW)


# --- the table -----------------------------------------------------------------------------------------------------------------


def rows_of(case: Case, samples: int, pairs: int, only: str | None) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """For each target a row of the table, and the ratios in it."""
    tightest = min(target for _, target in TARGETS)

    def quality(z: np.ndarray) -> dict[str, float]:
        found = gaps(case, z)
        return {"mean": float(found.mean()), "worst": float(found.max())}

    def all_of(settings: Iterator[Setting]) -> list[Tried]:
        return tried(settings, quality, tightest)

    own, peers = all_of(ours(case, samples)), {}
    if only in (None, "spams"):
        peers["SPAMS"] = [all_of(spams_cd(case)), all_of(spams_lars(case, each) for each in (np.float32, np.float64))]
    if only in (None, "scikit-learn"):
        peers["sparse_encode"] = [all_of(encoded(case))]
        peers["scikit-learn Lasso"] = [all_of(lasso_cd(case))]
    if only in (None, "torch"):
        peers["torch FISTA"] = [all_of(torch_fista(case, restart)) for restart in (False, True)]
    for kind, target in TARGETS:
        row: dict[str, str] = {"patches": case.name, "gap": f"{kind} {target:g}"}
        ratios: dict[str, float] = {}
        mine = cheapest(own, kind, target)
        assert mine is not None, f"no tolerance of ours reaches {row}"
        for name, others in peers.items():
            rivals = [cheapest(each, kind, target) for each in others]
            found = [(paired(mine, each, pairs), each) for each in rivals if each is not None]
            row |= {f"us, {name}": "not reached", f"{name} / ours": ""}
            if found:
                ratio, by = min(found, key=lambda each: each[0].value)
                row.setdefault("us, ours", f"{ratio.ours:.1f}")
                row[f"us, {name}"] = f"{ratio.theirs:.1f}, {by.name.removeprefix(name).strip()}"
                row[f"{name} / ours"] = f"{ratio.value:.2f} ({ratio.lower:.2f})"
                ratios |= {f"{name}, all": ratio.value, f"{name}, {target:g}": ratio.value}
        yield row, ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", choices=("spams", "scikit-learn", "torch"))
    parser.add_argument("--patches", choices=[f"{kind} {density:.0%}" for kind in KINDS for density in DENSITIES])
    told = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, str]] = []
    ratios: dict[str, list[float]] = {}
    for case in cases(told.samples, told.patches):
        for row, found in rows_of(case, told.samples, told.pairs, told.only):
            rows.append(row)
            for name, ratio in found.items():
                ratios.setdefault(name, []).append(ratio)
    print(table(rows) + "\n")
    for name, values in ratios.items():
        print(f"{name}: geometric mean {geometric(values):.2f}, lowest {min(values):.2f}, of {len(values)} cells")


if __name__ == "__main__":
    main()
