"""A dictionary of image patches: CPU seconds until the held-out objective is what a peer ends at.

100,000 patches 12 x 12 of two photographs, their mean removed, white, of unit norm; 256 atoms; the weight 0.15. The objective is
that of 20,000 other patches, |x - D z|^2 / 2 + 0.15 |z|_1 at its minimum, which SPAMS finds in double precision for all. Counted
is learning alone, from arrays to atoms: ours is the loop of ``factorgraph train`` with its log, checkpoints and measures of
health; ``--whole`` adds all of the command, with the data that it reads and the figures that it draws. SPAMS begins at the rows
that ours has drawn by its seed, since where learning ends depends on them; scikit-learn begins where it does by itself.

    python -m benchmarks.dictionary_learning [--peer sklearn] [--seconds 10 30] [--seed 1] [--weight 0.1] [--whole]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spams
import torch
from sklearn.decomposition import MiniBatchDictionaryLearning
from torch.optim.optimizer import register_optimizer_step_post_hook

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
seed: {seed}
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
  dictionary: {{optimizer: online_dictionary, batch_size: {batch}, steps: {steps}}}
data: {{source: arrays, file: rows.npz, bind: {{Y: x}}}}
"""
WEIGHT, SAMPLES = 0.15, 100_000
HELD_OUT = 20_000  # dictionaries that are equally good differ by 0.0001 on so many, and by 0.0003 on 2000
BATCH = 512  # of SPAMS, and of ours
TRIAL = 40  # its iterations that tell how long one takes
APART = 1.04  # steps at which we look at our atoms, the last to the one before


@dataclass(frozen=True)
class Patches:
    """Rows (samples, inputs): to learn from, and held out."""

    known: np.ndarray
    held_out: np.ndarray
    weight: float

    def objective(self, atoms: np.ndarray) -> float:
        """Of atoms (units, inputs) in the unit ball: the mean over held-out rows."""
        d = atoms.astype(float).T
        d = np.asfortranarray(d / np.maximum(1, np.linalg.norm(d, axis=0)))
        x = np.asfortranarray(self.held_out.T, float)
        z = spams.lasso(x, d, lambda1=self.weight, mode=2, numThreads=1)
        misfit = x - d @ z.toarray()
        return float(((misfit**2).sum() / 2 + self.weight * np.abs(z.data).sum()) / len(self.held_out))


def prepared(weight: float) -> Patches:
    known, held_out = patches(SAMPLES, 1), patches(HELD_OUT, 0)
    turn = whitening(known)
    known, held_out = (each @ turn for each in (known, held_out))
    return Patches(*(np.float32(each / np.linalg.norm(each, axis=1, keepdims=True)) for each in (known, held_out)), weight)


@dataclass(frozen=True)
class Reached:
    """An objective, and the CPU seconds after which it was reached."""

    how: str
    objective: float
    seconds: float


@dataclass(frozen=True)
class Look:
    """Atoms (units, inputs) after a step of ours, and the CPU seconds until then."""

    step: int
    seconds: float
    atoms: np.ndarray


# --- the ways ------------------------------------------------------------------------------------------------------------------


def spec(folder: Path, told: argparse.Namespace, steps: int) -> fg.Spec:
    given = vars(told) | {"inputs": SIDE**2, "units": UNITS, "steps": steps}
    (folder / "spec.yaml").write_text(SPEC.format(**given))
    return fg.load(folder / "spec.yaml")


def ours(folder: Path, told: argparse.Namespace) -> list[Look]:
    """From the first atoms to the last, from one run of the loop."""
    wanted = spec(folder, told, told.steps)
    graph = fg.resolve(wanted)
    plan = compiler.plan(wanted, graph, "cpu")
    rows = load_data(wanted, graph.sample_shapes, [folder])
    model = compiler.build(wanted, plan, rows.known())
    looks: list[Look] = []

    def look(*_: object) -> None:
        step = trainer.position.total + 1 if looks else 0
        if not looks or step >= min(looks[-1].step * APART, told.steps):
            atoms = model.get_parameter("functions.decoder.matrix").detach().T.numpy().copy()
            looks.append(Look(step, time.process_time() - begin, atoms))

    run = RunFolder.create(folder, "learned", None)
    with run.lock(), StopRequest(lambda _: None) as stop:
        run.begin({})
        trainer = Trainer(run, model, rows, Options(on_progress=lambda _: None), stop)
        begin = time.process_time()
        look()
        hook = register_optimizer_step_post_hook(look)
        trainer.run()
        hook.remove()
    return looks


def whole(data: Patches, folder: Path, told: argparse.Namespace, steps: int) -> Reached:
    """The command, with all that it reads, writes and draws."""
    wanted = spec(folder, told, steps)
    begin = time.process_time()
    run = fg.train(wanted, root=folder)
    seconds = time.process_time() - begin
    matrix = run.model.get_parameter("functions.decoder.matrix").detach()
    return Reached(f"{steps} steps, whole", data.objective(matrix.T.numpy()), seconds)


def by_spams(data: Patches, first: np.ndarray, seconds: Sequence[float]) -> Iterator[Reached]:
    """After about so many seconds each, from these atoms (units, inputs)."""
    x, start = np.asfortranarray(data.known.T), np.asfortranarray(first.T)

    def learned(count: int) -> tuple[np.ndarray, float]:
        begin = time.process_time()
        options = {"lambda1": data.weight, "iter": count, "batchsize": BATCH, "numThreads": 1, "verbose": False}
        return spams.trainDL(x, D=start, **options).T, time.process_time() - begin

    each = learned(TRIAL)[1] / TRIAL
    for wanted in seconds:
        atoms, taken = learned(max(1, round(wanted / each)))
        yield Reached(f"SPAMS trainDL after {wanted:g} s", data.objective(atoms), taken)


def by_sklearn(data: Patches) -> Iterator[Reached]:
    """To where it stops by itself."""
    for algorithm in ("cd", "lars"):
        begin = time.process_time()
        learner = MiniBatchDictionaryLearning(UNITS, alpha=data.weight, fit_algorithm=algorithm, random_state=0).fit(data.known)
        seconds = time.process_time() - begin
        yield Reached(f"scikit-learn, fit_algorithm={algorithm}, to its end", data.objective(learner.components_), seconds)


# --- the table -----------------------------------------------------------------------------------------------------------------


def row(data: Patches, peer: Reached, runs: Sequence[list[Look]]) -> dict[str, str]:
    """A peer beside the first of our looks that reaches what it did, by the mean of the runs around it."""
    at = bisect_left(range(len(runs[0])), -peer.objective, key=lambda each: -data.objective(runs[0][each].atoms))  # it falls
    found = {"peer": peer.how, "objective": f"{peer.objective:.5f}", "CPU s": f"{peer.seconds:.2f}"}
    if at == len(runs[0]):
        return found | {"ours": "not reached", "CPU s, ours": "", "peer / ours": ""}
    mean = sum(each[at].seconds for each in runs) / len(runs)
    steps = f"{runs[0][at].step} steps"
    return found | {"ours": steps, "CPU s, ours": f"{mean:.2f}", "peer / ours": f"{peer.seconds / mean:.1f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=("spams", "sklearn", "none"), default="spams")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 30], help="of SPAMS")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0, help="of our first atoms, which SPAMS is given too")
    parser.add_argument("--weight", type=float, default=WEIGHT)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--whole", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    data = prepared(told.weight)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        np.savez(folder / "rows.npz", x_train=data.known, x_test=data.held_out)
        ours(folder, argparse.Namespace(**{**vars(told), "steps": 1}))  # loads libraries, as TRIAL does for SPAMS
        runs = [ours(folder, told)]
        first, last = runs[0][0].atoms, runs[0][-1]
        peers = {
            "spams": lambda: by_spams(data, first, told.seconds),
            "sklearn": lambda: by_sklearn(data),
            "none": lambda: iter(()),
        }
        found = list(peers[told.peer]())
        runs.append(ours(folder, told))  # once more, since a machine's load changes
        if found:
            print(table([row(data, each, runs) for each in found]) + "\n", flush=True)
        print(f"ours at its end, {last.step} steps: {data.objective(last.atoms):.5f} after {last.seconds:.2f} CPU seconds")
        if told.whole:
            reached = whole(data, folder, told, told.steps)
            print(f"{reached.how}: {reached.objective:.5f} after {reached.seconds:.2f} CPU seconds")


if __name__ == "__main__":
    main()
