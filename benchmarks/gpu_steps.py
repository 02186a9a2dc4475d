"""Steps of learning on a CUDA device: launched kernel by kernel, and as one graph that was recorded. One command, minutes:

    python -m benchmarks.gpu_steps [NAME ...]

For each phase of shipped specs: milliseconds of a step both ways, with all that the loop launches for it, and whether the
parameters are the same to the bit after as many steps. It ends with 1 where they are not, or a recorded step waits.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import factorgraph as fg
from benchmarks.harness import table
from benchmarks.training_step import CONVNET
from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.training.dependent import Dependent
from factorgraph.training.keeping import Codes
from factorgraph.training.memory import Memory
from factorgraph.training.rounds import Drawn, Rounds
from factorgraph.training.sides import Side, Stretch, parameters_by_address, stretches
from factorgraph.training.watch import Watch

SPECS = Path(__file__).parents[1] / "specs"
NAMES = ("psd", "drsae", "lista", "encoder_decoder", "sparse_coding", "convolutional_psd", "energy_based_gan", "gan")
ROWS, STEPS, REPEATS = 100, 20, 3


class Learner:
    """The steps of a phase, batch after batch, as the loop takes them. ``recorded``: as one graph where that may be."""

    def __init__(self, spec: fg.Spec, phase: str, recorded: bool):
        plan = compiler.plan(spec, device="cuda")
        self.model = compiler.build(spec, plan).to("cuda")
        self.stretch: Stretch = next(each for each in stretches(self.model, 10_000) if each.id == phase)
        self.stretch.begin()
        self.sides: tuple[Side, ...] = self.stretch.sides()
        memory = Memory([], 0, "cuda")
        self.rounds = Rounds(self.model, memory, Dependent(), "cuda" if recorded else "cpu", nullcontext)
        self.watch, self.taken = Watch("cuda"), 0
        batch = self.stretch.phase.batch_size
        self.rows = batch if isinstance(batch, int) else ROWS
        self.batches = [self._batch(each) for each in range(4)]

    def _batch(self, seed: int) -> dict[str, Tensor]:
        source, drawn = torch.Generator().manual_seed(seed), {}
        for name, shape in self.model.graph.sample_shapes.items():
            values = torch.randn(self.rows, *shape, generator=source)
            if self.model.graph.variables[name].domain in ("one_hot", "simplex"):
                values = torch.nn.functional.one_hot(values.flatten(1).argmax(1), values[0].numel()).float().reshape(values.shape)
            drawn[name] = values
        return drawn

    def step(self) -> None:
        for side in self.sides:
            values = {key: each.to("cuda", non_blocking=True) for key, each in self.batches[self.taken % 4].items()}
            given = self.model.with_noise(self.model.assign(values), torch.Generator().manual_seed(self.taken))
            learning = Learning(0, (self.stretch.id, self.taken, side.plan.player, 0), self.stretch.learned)
            drawn = Drawn(values, {}, Codes(), np.arange(self.rows), frozenset())
            _, shown = self.rounds.take(self.stretch, side, given, drawn, learning, self.taken)
            self.watch.join(self.stretch, shown)
        self.taken += 1

    def ms(self) -> float:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(STEPS):
            self.step()
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / STEPS * 1e3

    @property
    def graphs(self) -> int:
        return sum(each.graph is not None for each in self.rounds.replays.values())


def waits(learner: Learner) -> str:
    """What a step waits for the device for; empty where it does not."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        learner.step()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    told = parser.parse_args()
    if not torch.cuda.is_available():
        print("nothing is measured: there is no CUDA device")
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    specs = [(name, fg.load(SPECS / f"{name}.yaml")) for name in told.names] + [("a net for digits", fg.loads(CONVNET))]
    rows, right = [], True
    for name, spec in specs:
        model = compiler.build(spec, compiler.plan(spec, device="cuda"))
        for phase in [each.id for each in stretches(model, 10_000) if each.steps]:
            eager, graph = (Learner(spec, phase, recorded) for recorded in (False, True))
            took = [(eager.ms(), graph.ms()) for _ in range(REPEATS + 1)][1:]
            slow, fast = (statistics.median(each) for each in zip(*took, strict=True))
            mine, theirs = parameters_by_address(graph.model), parameters_by_address(eager.model)
            same = all(torch.equal(each, theirs[key]) for key, each in mine.items())
            waited = waits(graph) if graph.graphs == len(graph.sides) else ""
            right &= same and not waited
            recorded = f"{graph.graphs} of {len(graph.sides)}"
            row = {"step of": f"{name}, {phase}", "rows": f"{graph.rows}", "ms, by kernel": f"{slow:.2f}"}
            row |= {"ms, recorded": f"{fast:.2f}", "ratio": f"{slow / fast:.1f}", "recorded": recorded}
            row |= {"to the bit": str(same), "waits": waited}
            rows.append(row)
    print(f"\n{table(rows)}")
    sys.exit(not right)


if __name__ == "__main__":
    main()
