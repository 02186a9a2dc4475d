"""From a spec to a finished run, and from a run that stopped to one that went on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.compile.plan import Plan
from factorgraph.compile.strip import strip_of
from factorgraph.data.dataset import Dataset, load_data
from factorgraph.data.paths import allowed_roots
from factorgraph.errors import DataError, FactorgraphError, Issue, RunError, SpecError, issue
from factorgraph.graph.drawing import dot, draw, svg
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.lint import lint
from factorgraph.run.folder import FINISHED, RunFolder, refuses
from factorgraph.run.measured import Measured
from factorgraph.run.run import Run
from factorgraph.run.signals import StopRequest
from factorgraph.spec.fragments import files
from factorgraph.spec.load import load
from factorgraph.spec.schema import Spec
from factorgraph.training.covering import check_values
from factorgraph.training.loop import Options, Progress, Trainer
from factorgraph.training.memory import check_memory

SMALL_STEP = 2e7  # multiplications: at 100 x 256 x 256 two free cores are as fast as one, and two busy ones many times slower
Say = Callable[[str], None]
PRECISIONS = ("float32", "tf32", "bf16")


class StoppedError(FactorgraphError):
    """Learning was asked to stop, and saved its work. ``exit_code`` follows the signal."""

    def __init__(self, run: Path, reason: str, code: int):
        self.exit_code = code or 0
        what = f"{reason}; the run is whole and goes on with: factorgraph train --resume {run}"
        super().__init__(issue("FG675", what))


def train(
    spec: Spec | str | Path,
    out: str | Path | None = None,
    *,
    root: str | Path = "runs",
    device: str = "auto",
    precision: str = "float32",
    epochs: int | None = None,
    seed: int | None = None,
    workers: int = 0,
    data: Sequence[Path] = (),
    stop_after: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    say: Say = lambda _: None,
) -> Run:
    """Learn what the spec says, into a new run folder.

    ``out`` names the folder; otherwise it is the next free ``<root>/<name>-0001``. ``epochs`` replaces the length of every phase,
    ``data`` names folders that the spec may read beside its own. Raises
    :class:`FactorgraphError`; :class:`StoppedError` after Ctrl-C.
    """
    spec = adapted(load(spec) if isinstance(spec, str | Path) else spec, epochs, seed)
    chosen, parts = choose_device(device, precision), files(spec, refuses)
    if spec.data is None:
        raise SpecError(
            spec.document.locate(issue("FG406", "there is nothing to learn from: the spec has no data", fix="add a data block"))
        )
    if not spec.learning:
        raise SpecError(
            spec.document.locate(issue("FG407", "there is nothing to learn: the spec has no learning block", fix="add one"))
        )
    graph = resolve(spec)
    plan = compiler.plan(spec, graph, chosen.partition(":")[0])
    _warn((*graph.warnings, *lint(graph, plan)), say)
    say(f"reading data: {', '.join(each.source.type for each in spec.data.blocks.values())}")
    home = Path(spec.document.file).resolve().parent
    dataset = load_data(spec, graph.sample_shapes, allowed_roots(home, data))
    for note in dataset.notes:
        say(note)
    if not dataset.rows("test"):
        raise DataError(spec.document.locate(issue("FG561", "there is no held-out sample to measure on", ("data", "test"))))
    compiler.check_rows(spec, graph, plan, dataset.lacked)
    _warn(check_values(graph, plan, dataset.train), say)
    check_memory(graph, plan, dataset.rows())
    model = compiler.build(spec, plan, dataset.known()).to(chosen)
    folder = RunFolder.create(Path(root), spec.name, Path(out) if out is not None else None)
    options = Options(chosen, precision, workers, stop_after, on_progress)
    with folder.lock():
        _begin(folder, spec, options, (home, data), threads_for(model))
        for name, text in parts.items():
            folder.write(name, text)
        folder.write("spec.yaml", spec.document.text)
        folder.write("spec.full.yaml", spec.full(origins=True))
        folder.write("plan.json", plan.to_json())
        folder.write_json("data.json", dataset.fingerprint)
        folder.write_arrays("preprocessing.safetensors", dataset.to_tensors())
        _draw(folder, graph, plan, say)
        say(f"run: {folder.path}")
        _learn(folder, model, dataset, options, None, say)
    return Run(folder.path, (home, *data), chosen)


def _warn(warnings: Iterable[Issue], say: Say) -> None:
    for warning in warnings:
        say(f"warning {warning.code}: {warning.message}; fix: {warning.fix}")


def _draw(folder: RunFolder, graph: Graph, plan: Plan, say: Say) -> None:
    """The diagram, and the strip of the phases where there are several.

    A machine that cannot lay them out learns all the same, and keeps the diagram's text.
    """
    try:
        folder.write("figures/diagram.svg", svg(graph))
        strip = strip_of(graph, plan)
        if len(strip.drawings) > 1:
            folder.write("figures/phases.svg", svg(strip))
    except RunError as reason:
        folder.write("figures/diagram.dot", dot(draw(graph)))
        first = reason.issues[0]
        say(f"warning {first.code}: {first.message}; figures/diagram.dot can be drawn elsewhere")


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    device: str = "auto",
    precision: str | None = None,
    workers: int = 0,
    data: Sequence[Path] = (),
    stop_after: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    say: Say = lambda _: None,
) -> Run:
    """Go on with a run from its newest checkpoint. ``epochs``: the length of the last phase from now on, in all."""
    run = Run(path, data)
    spec = run.spec
    if epochs is not None:
        spec = spec.with_changes({f"learning.{list(spec.learning)[-1]}.epochs": epochs}, "--epochs")
    precision = precision or str(run.folder.about().get("precision", "float32"))
    options = Options(choose_device(device, precision), precision, workers, stop_after, on_progress)
    with run.folder.lock():
        checkpoint = run.folder.load_latest()
        for warning in checkpoint.warnings:
            say(f"warning {warning.code}: {warning.message}")
        dataset = run.dataset
        model = compiler.build(spec, run.plan).to(options.device)
        _begin(run.folder, spec, options, (run.learned_from, data or run.data_named), threads_for(model))
        if epochs is not None:
            run.folder.write("spec.full.yaml", spec.full(origins=True))
        run.folder.go_back_to(checkpoint.step)
        say(f"run: {run.path}, from step {checkpoint.step}")
        _learn(run.folder, model, dataset, options, checkpoint, say)
    return Run(run.path, data, options.device)


def _learn(folder: RunFolder, model: Model, dataset: Dataset, options: Options, checkpoint: Any, say: Say) -> None:
    from dataclasses import replace

    began = time.monotonic()
    options = replace(options, on_picture=lambda: _pictures(folder, model, dataset), say=say)
    with (
        StopRequest(lambda name: say(f"{name}: finishing this step, then saving; once more to quit at once")) as stop,
        _exactly(options, threads_for(model)),
    ):
        try:
            trainer = Trainer(folder, model, dataset, options, stop)
            if checkpoint is not None:
                trainer.restore(checkpoint)
            finished = trainer.run()
        except BaseException as reason:
            code = reason.issues[0].code if isinstance(reason, FactorgraphError) else type(reason).__name__
            folder.finish(f"error {code}", {"seconds": round(time.monotonic() - began, 3)})
            raise
        if not finished:
            folder.finish(stop.reason or "stopped", {"seconds": round(time.monotonic() - began, 3)})
            raise StoppedError(folder.path, stop.reason or f"stopped after step {trainer.position.total}", stop.exit_code)
        _all_pictures(folder, model, dataset, options.device)
        folder.finish(FINISHED, {"seconds": round(time.monotonic() - began, 3)})


def adapted(spec: Spec, epochs: int | None, seed: int | None) -> Spec:
    """The spec with what the command line says of length and seed."""
    if epochs is not None:
        spec = spec.for_steps(epochs=epochs, origin="--epochs")
    return spec if seed is None else spec.with_changes({"seed": seed}, "--seed")


def choose_device(device: str, precision: str) -> str:
    """The torch device of a name; *auto* is CUDA where it is. Raises RunError FG676."""
    if precision not in PRECISIONS:
        raise RunError(issue("FG676", f'there is no precision "{precision}"', allowed=", ".join(PRECISIONS)))
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen.split(":")[0] not in ("cpu", "cuda"):
        raise RunError(issue("FG676", f'there is no device "{device}"', allowed="auto, cpu, cuda"))
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise RunError(issue("FG676", "this machine has no CUDA device that torch can use", fix="--device cpu"))
    known = ("cpu", "cuda", *(f"cuda:{each}" for each in range(torch.cuda.device_count())))
    if chosen not in known:
        raise RunError(issue("FG676", f'there is no device "{device}"', allowed=", ".join(("auto", *known))))
    if precision == "tf32" and not chosen.startswith("cuda"):
        raise RunError(issue("FG676", "tf32 is a format of CUDA devices", fix="--precision float32"))
    return chosen


@contextmanager
def _exactly(options: Options, threads: int) -> Iterator[None]:
    """Torch's deterministic algorithms, the wanted matrix product and number of threads, for the time of learning."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.matmul.allow_tf32, torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cuda.matmul.allow_tf32 = before[1]
        torch.set_num_threads(before[2])


def threads_for(model: Model) -> int:
    """How many threads learning is worth: one where a solver's step is small, so that a busy core holds nobody up.

    A user's OMP_NUM_THREADS is obeyed.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return torch.get_num_threads()
    batches = [each.first.batch_size for each in model.spec.learning.values()]
    rows = max((each for each in batches if not isinstance(each, str)), default=1000)
    units = max((each.units for each in model.plan.procedures.values()), default=1)
    return 1 if rows * units**2 <= SMALL_STEP and "all" not in batches else torch.get_num_threads()


def _begin(folder: RunFolder, spec: Spec, options: Options, where: tuple[Path | None, Sequence[Path]], threads: int) -> None:
    """What ran. ``where``: the folder that the spec lay in, and those that were named with --data."""
    home, data = where
    folder.begin(
        {
            "name": spec.name,
            "folder": None if home is None else str(home),
            "data": [str(each.resolve()) for each in data],
            "command": sys.argv,
            "seed": spec.seed,
            "device": options.device,
            "precision": options.precision,
            "threads": threads,
        }
    )


def _pictures(folder: RunFolder, model: Model, dataset: Dataset) -> None:
    """The pictures that need no inference, while learning goes on. A picture never ends a run."""
    from factorgraph.run.figures._chosen import drawn, first_figures

    for name, data in drawn(first_figures(Measured(model, dataset))):
        folder.write(f"figures/{name}", data)


def _all_pictures(folder: RunFolder, model: Model, dataset: Dataset, device: str) -> None:
    """All pictures of what was learned. One that cannot be measured is told in the log and left out."""
    from factorgraph.run.figures._chosen import asked_figures, drawn, figures, learning_figures

    run = Run.at_hand(folder, model, dataset, device)
    states = run.states()
    chosen = figures(states(""), folder.metrics.rows()) | learning_figures(model.spec, states) | asked_figures(model.spec, states)
    for figure, drawing in chosen.items():
        try:
            made = dict(drawn({figure: drawing}))
        except RunError as error:
            folder.log(f"the figure {figure} cannot be drawn: {error.issues[0].message}")
            continue
        for name, data in made.items():
            folder.write(f"figures/{name}", data)
