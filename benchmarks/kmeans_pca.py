"""A Lloyd pass of K-means, and PCA, by ``closed_form`` and by scikit-learn: ratios of CPU seconds, from the same starts.

100,000 whitened patches 12 x 12 of two photographs, in one batch. K-means has 256 centres, and both go from the same ones.
Counted is what further passes cost, a run of several less a run of two, so that reading, drawing and saving are not; a pass of
PCA, of 50 directions, is all of it, once more. Before each pair is a run that is not counted: it loads libraries, and fetches
memory from the system. Both objectives are computed here, in double precision.

    python -m benchmarks.kmeans_pca [--samples 100000] [--pairs 9]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import factorgraph as fg
from benchmarks.harness import Ratio, ratio, table
from benchmarks.lasso_codes import patches, whitening

KMEANS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [144]}
  Z: {kind: latent, shape: [256], domain: one_hot}
functions:
  prototypes: {type: linear, bias: false, init: data}
factors:
  reconstruction: {type: squared_distance, between: [Y, prototypes(Z)]}
inference:
  nearest: {method: argmin, of: Z}
learning:
  fit: {loss: energy, optimizer: closed_form, epochs: PASSES, batch_size: all}
data: {source: arrays, file: x.npz, bind: {Y: x}}
"""
PCA_TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [144]}
  Z: W(Y)
functions:
  W: {type: linear, units: 50, bias: false, orthonormal: rows}
factors:
  reconstruction: {type: squared_distance, between: [Y, W.transpose(Z)]}
learning:
  fit: {loss: energy, optimizer: closed_form, epochs: PASSES, batch_size: all}
data: {source: arrays, file: x.npz, bind: {Y: x}}
"""

FEW = 2  # passes of the shorter run: one of a single pass draws fewer figures


def ours(text: str, home: Path, name: str) -> tuple[fg.Run, float]:
    """A run, and the CPU seconds that it took."""
    (home / f"{name}.yaml").write_text(text)
    begin = time.process_time()
    run = fg.train(home / f"{name}.yaml", root=home, device="cpu")
    return run, time.process_time() - begin


def fitted(model: KMeans | PCA, x: np.ndarray) -> float:
    """CPU seconds."""
    begin = time.process_time()
    model.fit(x)
    return time.process_time() - begin


def inertia(x: np.ndarray, centres: np.ndarray) -> float:
    """The mean squared distance to the nearest centre: x (samples, units), centres (centres, units)."""
    x, centres = x.astype(float), centres.astype(float)
    nearest = ((centres**2).sum(1) - 2 * x @ centres.T).min(1)
    return float(((x**2).sum(1) + nearest).mean())


def kmeans(home: Path, x: np.ndarray, pairs: int, passes: int) -> tuple[Ratio, float, float]:
    """CPU seconds of a pass, and both objectives after as many."""
    times = []
    for _ in range(pairs):
        ours(KMEANS.replace("PASSES", str(FEW)), home, "before")
        whole, longer = ours(KMEANS.replace("PASSES", str(passes + FEW)), home, "kmeans")
        _, shorter = ours(KMEANS.replace("PASSES", str(FEW)), home, "kmeans")
        start = whole.measured("start").model.get_parameter("functions.prototypes.matrix").detach().numpy().T
        options = {"n_clusters": 256, "init": start, "n_init": 1, "tol": 0, "algorithm": "lloyd"}
        known, first = (KMeans(max_iter=count, **options) for count in (passes + FEW, FEW))
        times.append(((longer - shorter) / passes, (fitted(known, x) - fitted(first, x)) / passes))
    found = whole.model.get_parameter("functions.prototypes.matrix").detach().numpy().T
    return ratio(np.array(times)), inertia(x, found), inertia(x, known.cluster_centers_)


def pca(home: Path, x: np.ndarray, pairs: int, passes: int) -> tuple[Ratio, float, float]:
    """CPU seconds of one, and the variance that each of both leaves."""
    times = []
    for _ in range(pairs):
        ours(PCA_TEXT.replace("PASSES", str(FEW)), home, "before")
        whole, longer = ours(PCA_TEXT.replace("PASSES", str(passes + FEW)), home, "pca")
        _, shorter = ours(PCA_TEXT.replace("PASSES", str(FEW)), home, "pca")
        known = PCA(50)
        times.append(((longer - shorter) / passes, fitted(known, x)))
    rows = whole.model.get_parameter("functions.W.matrix").detach().numpy()
    return ratio(np.array(times)), left(x, rows), left(x, known.components_)


def left(x: np.ndarray, rows: np.ndarray) -> float:
    """The mean squared distance to a subspace, whose orthonormal rows are (directions, units)."""
    x, rows = x.astype(float), rows.astype(float)
    return float((x**2).sum(1).mean() - ((x @ rows.T) ** 2).sum(1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("samples", 100_000), ("pairs", 9), ("passes", 20)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    told = parser.parse_args()
    torch.set_num_threads(1)
    x = patches(told.samples, 0)
    x = np.float32(x @ whitening(x))
    x -= x.mean(0)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "x.npz", x_train=x, x_test=-x[:100])  # nothing is asked of them
        for name, way in (("a Lloyd pass", kmeans), ("PCA", pca)):
            each, mine, theirs = way(Path(folder), x, told.pairs, told.passes)
            found.append(
                {
                    "": name,
                    "ours, ms": f"{each.ours / 1e3:.0f}",
                    "scikit-learn, ms": f"{each.theirs / 1e3:.0f}",
                    "scikit-learn / ours": f"{each.value:.2f} ({each.lower:.2f})",
                    "objectives": f"{mine:.6g}, {theirs:.6g}",
                }
            )
    print(table(found))


if __name__ == "__main__":
    main()
