"""The loop: phases, rounds of players, steps. Its whole state is a position, the parameters and the optimizers' memories.

Batches and noise are pure functions of (seed, phase, step), so that a run that was stopped after any step goes on bit for bit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from factorgraph.compile.kept import Kept
from factorgraph.compile.lacking import counted, unmeasured
from factorgraph.compile.learning import Learning
from factorgraph.compile.model import Model
from factorgraph.compile.phases import owned
from factorgraph.compile.procedures import Found
from factorgraph.data.dataset import Dataset
from factorgraph.data.model import Rows
from factorgraph.data.order import Prefetch, torch_generator
from factorgraph.errors import RunError, issue, render
from factorgraph.graph.model import WEIGHT, Graph
from factorgraph.run.checkpoint import Checkpoint
from factorgraph.run.folder import RunFolder
from factorgraph.run.signals import StopRequest
from factorgraph.training.dependent import Dependent
from factorgraph.training.guard import Guard
from factorgraph.training.keeping import Codes, HaltedError, Keeper, found
from factorgraph.training.memory import Memory
from factorgraph.training.objective import ACTIVE, LATE, LOSS, numbers_owned, prepare, shares_of
from factorgraph.training.resampling import Resampling, in_all, in_words
from factorgraph.training.rounds import Drawn, Rounds
from factorgraph.training.shelf import forget
from factorgraph.training.sides import Side, Stretch, parameters_by_address, stretches
from factorgraph.training.tuning import Tuning, known_before
from factorgraph.training.watch import Watch

FLUSH_STEPS = 25  # steps between two reads of the device: rows are written and numbers checked then
CHECKPOINT_SECONDS = 30.0
PICTURE_SECONDS = 15.0  # to the first picture, then between pictures ever longer
TEST_ROWS = 1000  # at a time, when a phase is measured


@dataclass(frozen=True)
class Position:
    """Where learning stands: ``step`` of the phase number ``phase``, ``total`` steps in all.

    ``measured``: the phase's held-out row for this step is written. A phase that was made longer goes on from there.
    """

    phase: int = 0
    step: int = 0
    total: int = 0
    measured: bool = False


@dataclass(frozen=True)
class Progress:
    """What there is to show while learning goes on."""

    phase: str
    step: int
    steps: int
    total: int
    all_steps: int
    seconds: float  # of this sitting
    left: float  # seconds, estimated
    row: Mapping[str, Any]  # of the metrics
    trouble: Mapping[str, str] = field(default_factory=dict)  # what is wrong with the model's health, in words


@dataclass(frozen=True)
class Options:
    """How, not what: none of it changes the numbers but ``precision`` and ``device``."""

    device: str = "cpu"
    precision: str = "float32"
    workers: int = 0
    stop_after: int | None = None  # steps in all, then as if interrupted
    on_progress: Callable[[Progress], None] | None = None
    on_picture: Callable[[], None] | None = None
    say: Callable[[str], None] = lambda _: None


class Trainer:
    """One sitting of a run. :meth:`run` returns whether learning reached its end."""

    def __init__(self, folder: RunFolder, model: Model, data: Dataset, options: Options, stop: StopRequest):
        self.folder, self.model, self.data, self.options, self.stop = folder, model, data, options, stop
        self.stretches = stretches(model, data.rows("train"), data)
        self.position = Position()
        self.sides: tuple[Side, ...] = ()
        self.codes = Codes()  # what the phase leaves as it is, of all training rows
        self.pending: list[tuple[dict[str, Any], Mapping[str, Tensor]]] = []  # rows of the log and their numbers, by name
        self.guard = Guard(folder, model)
        self.owned = numbers_owned(model.graph)
        self.memory = Memory([each.view.inferences for each in self.stretches], data.rows("train"), options.device)
        self.dependent = Dependent()
        self.rounds = Rounds(model, self.memory, self.dependent, options.device, self._precision)
        self.began = self.saved = self.pictured = time.monotonic()
        self.done_here = 0
        self.watch = Watch(options.device)
        self.resampling: Resampling | None = None
        self.last_row: Mapping[str, Any] = {}

    # --- state -------------------------------------------------------------------------------------------------------------

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where a checkpoint was taken."""
        where = checkpoint.state["position"]
        self.position = Position(where["phase"], where["step"], where["total"], where["measured"])
        load_parameters(self.model, checkpoint)
        shown = self.memory.restore(checkpoint.tensors["state"])
        self.guard.restore(checkpoint.state["first"])
        self.watch.restore(shown, checkpoint.state.get("health", {}))
        if self.position.total > 0:
            self.sides = self.stretches[self.position.phase].sides()
            for side in self.sides:
                about = checkpoint.state["optimizers"].get(side.plan.player)
                if about:
                    side.restore(checkpoint.tensors["optimizer"], about)

    def save(self, name: str | None = None) -> None:
        """Write a checkpoint of everything that the next step depends on."""
        self.flush()
        tensors: dict[str, Tensor] = {}
        about: dict[str, Any] = {}
        for side in self.sides:
            found, about[side.plan.player] = side.state()
            tensors.update(found)
        shown, health = self.watch.state()
        state = {
            "position": self.position.__dict__,
            "optimizers": about,
            "health": health,
            "first": self.guard.state(),
        }
        parts = {"model": parameters_by_address(self.model), "optimizer": tensors, "state": {**shown, **self.memory.state()}}
        self.folder.log(f"step {self.position.total}: saved" + (f" as {name}" if name else ""))
        self.folder.save(self.position.total, parts, state, name=name, spec_hash=graph_hash(self.model.graph))
        self.saved = time.monotonic()

    # --- running -----------------------------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Learn from the position to the end, or to the first request to stop. Raises RunError FG678."""
        here = self.stretches[self.position.phase]
        if self.position.step > here.steps:
            what = f'phase "{here.id}" has done {self.position.step} steps, and would end after {here.steps}'
            raise RunError(issue("FG678", what, fix="give more epochs, or start a new run"))
        while self.position.phase < len(self.stretches):
            stretch = self.stretches[self.position.phase]
            if self.position.step == 0 and stretch.steps > 0:  # one without steps changes nothing: its state is the one before it
                stretch.begin()
                Tuning(stretch).begin(partial(self._every, stretch), known_before(self.stretches[: self.position.phase]))
                for side in stretch.sides() if owned(self.model.spec) else ():
                    prepare(stretch, side, next(self._every(stretch)))
            if self.position == Position():
                self.save(name="start")
            self.sides = self.sides or stretch.sides()
            if not self._keep(stretch) or not self._stretch(stretch):
                self.save()
                return False
            self._end(stretch)
        self.codes = Codes()
        forget(self.folder)
        return True

    def _keep(self, stretch: Stretch) -> bool:
        """Have what the phase leaves as it is at hand. Returns whether it came to its end."""

        def solve(kept: Kept, rows: Any) -> Mapping[str, Found]:
            with torch.no_grad(), self._precision():
                return found(kept, stretch, self.model.assign(self._given(self.data.batch(rows))))

        options = self.options
        keeper = Keeper(self.data, self.folder, options.precision, solve, options.say, lambda: self.stop.requested)
        try:
            self.codes = keeper.codes(stretch) if self.position.step < stretch.steps else Codes()
        except HaltedError:
            return False
        return True

    def _stretch(self, stretch: Stretch) -> bool:
        def make(step: int) -> Rows:
            return self.data.drawn(stretch.id, step, stretch.shares, stretch.whole)

        self.rounds.tuning = Tuning(stretch, self.codes.found)
        self.resampling = Resampling(stretch, self.sides, self.data.present["train"]) if stretch.phase.on_dead else None
        for rows in Prefetch(make, range(self.position.step, stretch.steps), self.options.workers):
            self._step(stretch, rows)
            if self.stop.requested or self.position.total == self.options.stop_after:
                return False
        return True

    def _step(self, stretch: Stretch, rows: Rows) -> None:
        where = self.position
        codes = self.codes.of_rows(rows.index, self.options.device)
        present, graph = {name: torch.from_numpy(each) for name, each in rows.present.items()}, stretch.view.graph
        nowhere = frozenset(key for key in graph.factors if unmeasured(graph, key, present)) if present else frozenset()
        drawn = Drawn(self._given(rows.values), self._given(rows.present), codes, rows.index, nowhere)
        epoch = stretch.epoch(where.step)
        for side in self.sides:
            for repeat in range(side.player.steps):
                numbers = self._round(stretch, side, drawn, repeat)
            row = {"step": where.total + 1, "epoch": epoch, "phase": stretch.id, "player": side.plan.player, "split": "train"}
            self.pending.append((row, numbers))
        if stretch.ends_look(where.step):
            self._look(stretch, row)
        self.position = replace(where, step=where.step + 1, total=where.total + 1, measured=False)
        self.done_here += 1
        if len(self.pending) >= FLUSH_STEPS * len(self.sides):
            self.flush()
            self._show(stretch)
            self._on_the_clock()

    def _look(self, stretch: Stretch, row: dict[str, Any]) -> None:
        """The end of a look at the phase's health. Dead units are given new columns, unless these would not learn any more."""
        self.watch.end(stretch, row)
        if self.resampling is not None and self.position.step + 1 < stretch.steps:
            changed = self.resampling.act(self.watch, self.position.step, partial(self._rows, stretch))
            if changed:
                row["resampled"] = changed
                self.folder.log(f"step {row['step']}: {in_words(changed)}")
        self.watch.clear()

    def _rows(self, stretch: Stretch, rows: Any) -> Mapping[str, Tensor]:
        """Some training rows as values of the graph, the noise of a phase's beginning beside them."""
        values = self.model.assign(self._given(self.data.batch(rows)))
        return self.model.with_noise(values, torch_generator(self.model.spec.seed, "noise", stretch.id, "rows"))

    def _every(self, stretch: Stretch) -> Iterator[Mapping[str, Tensor]]:
        """All training rows that the phase draws from, some at a time."""
        for begin in range(0, stretch.rows, TEST_ROWS):
            rows = slice(begin, begin + TEST_ROWS)
            yield self._rows(stretch, rows if stretch.among is None else stretch.among[rows])

    def _round(self, stretch: Stretch, side: Side, drawn: Drawn, repeat: int) -> Mapping[str, Tensor]:
        seed = self.model.spec.seed
        purpose = ("noise", stretch.id, self.position.step, side.plan.player, repeat)
        noisy = self.model.with_noise(self.model.assign(drawn.values), torch_generator(seed, *purpose))
        learning = Learning(seed, purpose[1:], stretch.learned, self.memory.of(drawn.index))
        numbers, shown = self.rounds.take(stretch, side, {**noisy, **drawn.codes.features}, drawn, learning, self.position.step)
        self.watch.join(stretch, shown)
        return {key: each for key, each in numbers.items() if key not in drawn.unmeasured}

    def _end(self, stretch: Stretch) -> None:
        if not self.position.measured:
            self.flush()
            for text in in_all(self.folder.metrics.rows(), stretch.id) if self.resampling is not None else ():
                self.folder.log(text)
                self.options.say(text)
            self._measure(stretch)
            self.position = replace(self.position, measured=True)
            self.save(name=stretch.id)
            if self.options.on_picture:
                self.options.on_picture()
        self.position = Position(self.position.phase + 1, 0, self.position.total)
        self.sides = ()
        self.rounds.replays.clear()
        self.watch.begin()

    def _measure(self, stretch: Stretch) -> None:
        """A row for the held-out split, with the first procedure."""
        parts: dict[str, list[Tensor]] = {}
        for begin in range(0, self.data.rows("test"), TEST_ROWS):
            values = self._given(self.data.batch(slice(begin, begin + TEST_ROWS), "test"))
            with torch.no_grad():
                solution = self.model.predict(None, **values)
            for key, share in solution.shares.items():
                parts.setdefault(key, []).append(share.double())
        every = {key: torch.cat(each) for key, each in parts.items()}
        graph, present = self.model.graph, self._given(self.data.present["test"])
        rated = {key: each for key, each in counted(graph, every, present).items() if not unmeasured(graph, key, present)}
        row = {"step": self.position.total, "epoch": None, "phase": stretch.id, "player": None, "split": "test"}
        self.folder.metrics.append(row | _energy({key: float(each.mean()) for key, each in rated.items()}))

    # --- what is seen of it ------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Read the numbers of the last steps off the device, write their rows, and stop if they are no numbers any more."""
        if not self.pending:
            return
        for warning in self.dependent.warnings({each.id: each.view.inferences for each in self.stretches}):
            self.folder.log(render([warning]))
            self.options.say(render([self.model.spec.document.locate(warning)]))
        table = iter(torch.stack([each for _, numbers in self.pending for each in numbers.values()]).double().cpu().tolist())
        pending, self.pending = self.pending, []
        for trouble in self.watch.read():
            self.folder.log(f"step {self.position.total}: {trouble}")
        for row, numbers in pending:
            named = dict(zip(numbers, table, strict=False))  # each row takes its own numbers, and leaves the others
            self.guard.check(row, named, self.sides)
            self.last_row = _full_row(row, named, self.model.graph, self.owned)
            self.folder.metrics.append(self.last_row)

    def _show(self, stretch: Stretch) -> None:
        if self.options.on_progress is None:
            return
        seconds = time.monotonic() - self.began
        everything = sum(each.steps for each in self.stretches)
        left = seconds / max(self.done_here, 1) * (everything - self.position.total)
        shown = Progress(
            stretch.id, self.position.step, stretch.steps, self.position.total, everything, seconds, left, self.last_row,
            self.watch.trouble,
        )
        self.options.on_progress(shown)

    def _on_the_clock(self) -> None:
        now = time.monotonic()
        if now - self.saved > CHECKPOINT_SECONDS:
            self.save()
        if self.options.on_picture and now - self.pictured > max(PICTURE_SECONDS, 0.5 * (self.pictured - self.began)):
            self.options.on_picture()
            self.pictured = time.monotonic()

    def _given(self, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(each).to(self.options.device, non_blocking=True) for name, each in arrays.items()}

    def _precision(self) -> AbstractContextManager[Any]:
        if self.options.precision == "bf16":
            return torch.autocast(self.options.device.split(":")[0], torch.bfloat16)
        return nullcontext()


def load_parameters(model: Model, checkpoint: Checkpoint) -> None:
    """Give a model the parameters of a checkpoint. Raises RunError FG672 where they are not those of its graph."""
    known, stored = parameters_by_address(model), checkpoint.tensors["model"]
    if {key: tuple(each.shape) for key, each in known.items()} != {key: tuple(each.shape) for key, each in stored.items()}:
        raise RunError(issue("FG672", f"the parameters in {checkpoint.path} are not those of the run's spec"))
    if checkpoint.spec_hash and checkpoint.spec_hash != graph_hash(model.graph):
        raise RunError(issue("FG672", f"the run's spec has changed since {checkpoint.path} was written"))
    with torch.no_grad():
        for key, parameter in known.items():
            parameter.copy_(stored[key])
    model.recall()


def graph_hash(graph: Graph) -> str:
    """What a checkpoint belongs to: values, functions and factors with their weights; not how long it learns, or from what."""
    functions = (f"{key} {node.leaf!r}" for key, node in graph.functions.items())
    factors = (f"{key} {each.target or each.weight!r} {each.arguments} {each.leaf!r}" for key, each in graph.factors.items())
    return hashlib.sha256("\n".join([*graph.values, *functions, *factors]).encode()).hexdigest()


def _full_row(row: Mapping[str, Any], named: Mapping[str, float], graph: Graph, owned: Sequence[str]) -> dict[str, Any]:
    """A row of the log with its numbers. ``owned``: addresses of those that losses learn themselves."""
    searched = {name: named[key] for name, key in (("active", ACTIVE), ("unconverged", LATE)) if key in named}
    weights = {key: named[f"factors.{key}.{WEIGHT}"] for key in graph.tuned}
    tuned = {"weights": weights} if weights else {}
    about = f"learning.{row['phase']}."
    own = {each.removeprefix(about): named[each] for each in owned if each.startswith(about)}
    learned = {"learned": own} if own else {}
    return {**row, "loss": named[LOSS], **_energy(shares_of(named, graph)), **searched, **tuned, **learned}


def _energy(shares: Mapping[str, float]) -> dict[str, Any]:
    """The energy and the factors' shares of it; nothing of either where none was measured."""
    return {"energy": sum(shares.values()), "shares": dict(shares)} if shares else {}
