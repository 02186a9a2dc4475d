"""A dictionary of image patches: CPU seconds until the held-out objective is what a peer ends at.

100,000 patches 12 x 12 of two photographs, their mean removed, white, of unit norm; 256 atoms; the weight 0.15. The objective is
that of 2000 other patches, |x - D z|^2 / 2 + 0.15 |z|_1 at its minimum, which SPAMS finds in double precision for all. Counted is
learning alone, from arrays to atoms: ours is the loop of ``factorgraph train`` with its log, checkpoints and measures of health;
``--whole`` adds all of the command, with the data that it reads and the figures that it draws. Both begin at rows of the data.

    python -m benchmarks.dictionary_learning [--peer sklearn] [--seconds 30] [--whole]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spams
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning

import factorgraph as fg
from benchmarks.harness import table
from benchmarks.lasso_codes import SIDE, UNITS, patches, whitening
from factorgraph import compile as compiler
from factorgraph.data.dataset import load_data
from factorgraph.run.folder import RunFolder
from factorgraph.run.signals import StopRequest
from factorgraph.training.loop import Options, Trainer

SPEC = """
factorgraph: 1
variables:
  Y: {{kind: observed, shape: {inputs}}}
  Z: {{kind: latent, shape: {units}}}
functions:
  decoder: {{type: linear, bias: false, unit_norm: columns, init: data}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {weight}}}
inference:
  codes: {{method: argmin, of: Z, tolerance: {tolerance}}}
learning:
  dictionary: {{optimizer: {{type: online_dictionary, forgetting: 6}}, batch_size: {batch}, steps: {steps}}}
data: {{source: arrays, file: rows.npz, bind: {{Y: x}}}}
"""
WEIGHT, SAMPLES, HELD_OUT = 0.15, 100_000, 2000
BATCH = 512  # of SPAMS, and of ours
TRIAL = 40  # its iterations that tell how long one takes


@dataclass(frozen=True)
class Patches:
    """Rows (samples, inputs): to learn from, and held out."""

    known: np.ndarray
    held_out: np.ndarray

    def objective(self, atoms: np.ndarray) -> float:
        """Of atoms (units, inputs) in the unit ball: the mean over held-out rows."""
        d = atoms.astype(float).T
        d = np.asfortranarray(d / np.maximum(1, np.linalg.norm(d, axis=0)))
        x = np.asfortranarray(self.held_out.T, float)
        z = spams.lasso(x, d, lambda1=WEIGHT, mode=2, numThreads=1)
        misfit = x - d @ z.toarray()
        return float(((misfit**2).sum() / 2 + WEIGHT * np.abs(z.data).sum()) / len(self.held_out))


def prepared() -> Patches:
    known, held_out = patches(SAMPLES, 1), patches(HELD_OUT, 0)
    turn = whitening(known)
    known, held_out = (each @ turn for each in (known, held_out))
    return Patches(*(np.float32(each / np.linalg.norm(each, axis=1, keepdims=True)) for each in (known, held_out)))


@dataclass(frozen=True)
class Reached:
    """An objective, and the CPU seconds after which it was reached."""

    how: str
    objective: float
    seconds: float


# --- the ways ------------------------------------------------------------------------------------------------------------------


def spec(folder: Path, told: argparse.Namespace, steps: int) -> fg.Spec:
    sizes = {"inputs": SIDE**2, "units": UNITS, "weight": WEIGHT, "tolerance": told.tolerance, "batch": told.batch}
    (folder / "spec.yaml").write_text(SPEC.format(**sizes, steps=steps))
    return fg.load(folder / "spec.yaml")


def ours(data: Patches, folder: Path, told: argparse.Namespace) -> list[Reached]:
    """What learning has reached each time that it shows where it is, from one run of its loop."""
    wanted = spec(folder, told, told.steps)
    graph = fg.resolve(wanted)
    plan = compiler.plan(wanted, graph, "cpu")
    rows = load_data(wanted, graph.sample_shapes, [folder])
    model = compiler.build(wanted, plan, rows.known())
    seen: list[tuple[int, float, np.ndarray]] = []

    def look(progress: object) -> None:
        atoms = model.get_parameter("functions.decoder.matrix").detach().T.numpy().copy()
        seen.append((trainer.position.total, time.process_time(), atoms))

    run = RunFolder.create(folder, "learned", None)
    with run.lock(), StopRequest(lambda _: None) as stop:
        run.begin({})
        trainer = Trainer(run, model, rows, Options(on_progress=look), stop)
        begin = time.process_time()
        trainer.run()
    return [Reached(f"{step} steps", data.objective(atoms), at - begin) for step, at, atoms in seen]


def whole(data: Patches, folder: Path, told: argparse.Namespace, steps: int) -> Reached:
    """The command, with all that it reads, writes and draws."""
    wanted = spec(folder, told, steps)
    begin = time.process_time()
    run = fg.train(wanted, root=folder)
    seconds = time.process_time() - begin
    matrix = run.model.get_parameter("functions.decoder.matrix").detach()
    return Reached(f"{steps} steps, whole", data.objective(matrix.T.numpy()), seconds)


def by_spams(data: Patches, seconds: float) -> Iterator[Reached]:
    """After about so many seconds."""
    x, count = np.asfortranarray(data.known.T), TRIAL
    for _ in range(2):
        begin = time.process_time()
        options = {"lambda1": WEIGHT, "iter": count, "batchsize": BATCH, "numThreads": 1, "verbose": False}
        d = spams.trainDL(x, D=np.asfortranarray(x[:, :UNITS]), **options)
        taken = time.process_time() - begin
        count = max(1, round(count * seconds / taken))
    yield Reached(f"SPAMS trainDL after {seconds:g} s", data.objective(d.T), taken)


def by_sklearn(data: Patches) -> Iterator[Reached]:
    """To where it stops by itself."""
    for algorithm in ("cd", "lars"):
        begin = time.process_time()
        learner = MiniBatchDictionaryLearning(UNITS, alpha=WEIGHT, fit_algorithm=algorithm, random_state=0).fit(data.known)
        seconds = time.process_time() - begin
        yield Reached(f"scikit-learn, fit_algorithm={algorithm}, to its end", data.objective(learner.components_), seconds)


# --- the table -----------------------------------------------------------------------------------------------------------------


def shown(found: Iterable[Reached]) -> list[Reached]:
    """All of them, each told as it comes."""
    every = []
    for each in found:
        every.append(each)
        print(f"{each.objective:.5f}  {each.seconds:7.2f}  {each.how}", flush=True)
    return every


def row(peer: Reached, runs: list[list[Reached]]) -> dict[str, str]:
    """A peer beside the first of our steps that reaches what it did, by the mean of the runs around it."""
    at = next((n for n, each in enumerate(runs[0]) if each.objective <= peer.objective), None)
    found = {"peer": peer.how, "objective": f"{peer.objective:.5f}", "CPU s": f"{peer.seconds:.2f}"}
    if at is None:
        return found | {"ours": "not reached", "CPU s, ours": "", "peer / ours": ""}
    mean = sum(each[at].seconds for each in runs) / len(runs)
    return found | {"ours": runs[0][at].how, "CPU s, ours": f"{mean:.2f}", "peer / ours": f"{peer.seconds / mean:.1f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=("spams", "sklearn", "none"), default="spams")
    parser.add_argument("--seconds", type=float, default=10, help="of SPAMS")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--whole", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    data = prepared()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        np.savez(folder / "rows.npz", x_train=data.known, x_test=data.held_out)
        ours(data, folder, argparse.Namespace(**{**vars(told), "steps": 1}))  # loads libraries, as TRIAL does for SPAMS
        runs = [shown(ours(data, folder, told))]
        peers = {"spams": lambda: by_spams(data, told.seconds), "sklearn": lambda: by_sklearn(data), "none": lambda: iter(())}
        found = shown(peers[told.peer]())
        runs.append(shown(ours(data, folder, told)))  # once more, since a machine's load changes
        if found:
            print("\n" + table([row(each, runs) for each in found]), flush=True)
        if told.whole:
            reached = whole(data, folder, told, told.steps)
            print(f"\n{reached.how}: {reached.objective:.5f} after {reached.seconds:.2f} CPU seconds")


if __name__ == "__main__":
    main()
