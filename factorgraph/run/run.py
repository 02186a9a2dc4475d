"""A run, opened again: its spec, its model as learned, its data and metrics, and what can be done with them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph import compile as compiler
from factorgraph.compile.plan import Plan, from_json
from factorgraph.data.dataset import Dataset, load_data
from factorgraph.data.paths import allowed_roots
from factorgraph.data.preparation import Preparation, stored_preparation
from factorgraph.errors import DataError, RunError, issue
from factorgraph.notebook import heading, table
from factorgraph.run.checkpoint import Checkpoint
from factorgraph.run.folder import EVALUATION, RunFolder
from factorgraph.run.measured import Measured
from factorgraph.spec.claimed import START
from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec

if TYPE_CHECKING:
    from factorgraph.compile.model import Model
    from factorgraph.run.asking import Answered
    from factorgraph.run.claims import States
    from factorgraph.run.compare import Comparisons
    from factorgraph.run.evaluate import Evaluation

LEFT = "stopped without a word"  # the status of a run whose process is gone, and nobody said how it ended
GONE = "FG511"  # the code of data that were there when the run learned


class Run:
    """One run folder. Nothing is read before it is asked for; ``data`` names more folders that hold the data."""

    def __init__(self, path: str | Path, data: Sequence[Path] = (), device: str = "cpu"):
        self.folder = RunFolder.open(Path(path))
        self.device = device
        self._named = tuple(data)

    @classmethod
    def at_hand(cls, folder: RunFolder, model: Model, dataset: Dataset, device: str) -> Run:
        """A run whose model and data are in memory already."""
        run = cls(folder.path, device=device)
        run.folder, run.model, run.dataset = folder, model, dataset
        return run

    @property
    def path(self) -> Path:
        return self.folder.path

    @cached_property
    def spec(self) -> Spec:
        """The spec as it was understood, with what the command line changed."""
        name = str(self.folder.about().get("name", "run"))
        spec = loads(self.folder.read_text("spec.full.yaml"), str(self.path / "spec.full.yaml"))
        return replace(spec, name=name, document=spec.document.recalled())

    @cached_property
    def plan(self) -> Plan:
        """The plan that was stored: it is read back, never made anew."""
        try:
            return from_json(self.folder.read_json("plan.json"))
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            raise RunError(issue("FG673", f"plan.json in {self.path} is not a plan that this version reads: {reason}")) from None

    @cached_property
    def dataset(self) -> Dataset:
        """The data of the run: prepared as then, and refused where they have changed."""
        stored = (self.folder.read_json("data.json"), self.folder.read_arrays("preprocessing.safetensors"))
        try:
            return load_data(self.spec, self.model.graph.sample_shapes, self.roots, stored)
        except DataError as error:
            fix = f"name the folder that holds them: {self._how_named()}"
            raise DataError([replace(each, fix=fix) if each.code == GONE else each for each in error.issues]) from None

    @cached_property
    def preparation(self) -> Preparation:
        """How samples are prepared, as it was fitted then: all that is needed to infer for new ones; the data may be gone."""
        tensors = self.folder.read_arrays("preprocessing.safetensors")
        return stored_preparation(self.spec, self.model.graph.sample_shapes, tensors)

    @property
    def lacked(self) -> frozenset[str]:
        """The variables that some rows of the run's data lack."""
        found = self.folder.read_json("data.json").get("lacks", [])
        return frozenset(found) & frozenset(self.model.graph.sample_shapes)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that the run's data may lie in: this one, those that were named, and the spec's, if the run lies below it.

        A run that came from elsewhere cannot open a folder by writing its name into run.json.
        """
        own = [each for each in [self.learned_from] if each is not None and each in self.path.resolve().parents]
        return allowed_roots(Path.cwd(), (*own, *self._named))

    @property
    def learned_from(self) -> Path | None:
        """The folder that the spec lay in."""
        found = self.folder.about().get("folder")
        return Path(found) if isinstance(found, str) else None

    @property
    def data_named(self) -> tuple[Path, ...]:
        """The folders that --data named when the run learned."""
        found = self.folder.about().get("data")
        return tuple(Path(each) for each in found if isinstance(each, str)) if isinstance(found, list) else ()

    def _how_named(self) -> str:
        """What the command line says so that the run may read what it learned from."""
        own = [each for each in (self.learned_from, *self.data_named) if each is not None]
        beyond = [each for each in dict.fromkeys(own) if each.resolve() not in self.roots]
        return " ".join(f"--data {shlex.quote(str(each))}" for each in beyond or own) or "--data DIR"

    @cached_property
    def model(self) -> Model:
        """The model with the parameters of the newest checkpoint."""
        return self.model_at(self.folder.load_latest())

    def model_at(self, checkpoint: Checkpoint) -> Model:
        """The model as it was at a checkpoint."""
        from factorgraph.training.loop import load_parameters

        model = compiler.build(self.spec, self.plan)
        load_parameters(model, checkpoint)
        return model.to(self.device)

    @property
    def status(self) -> str:
        """How learning stands: *learning*, how it ended, or that nobody said so and no process goes on with it."""
        ended = self.folder.about().get("exit")
        return str(ended) if ended else "learning" if self.folder.is_written else LEFT

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return list(self.folder.metrics.rows())

    def measured(self, state: str = "", split: str = "test") -> Measured:
        """The model at a state with a split of its data. ``state``: a phase, or *start*; empty: as learned."""
        if not state:
            return Measured(self.model, self.dataset, split)
        checkpoint = self.folder.load_named(state)
        if checkpoint is None:
            raise RunError(issue("FG674", f'the run has no state "{state}"', allowed=", ".join(("start", *self.spec.learning))))
        return Measured(self.model_at(checkpoint), self.dataset, split)

    def states(self, split: str = "test") -> States:
        """What gives the model at a state with a split of its data, each made once. It raises NotMeasuredError for variants."""
        from factorgraph.run.claims import NotMeasuredError

        @cache
        def states(state: str) -> Measured:
            if state and state != START and state.split("[", maxsplit=1)[0] not in self.spec.learning:
                raise NotMeasuredError(f"it needs the variant {state}, which this run did not train")
            return self.measured(state, split)

        return states

    def evaluate(self, on: str = "test", procedure: str | None = None) -> Evaluation:
        """Every metric that fits the graph, and the spec's claims with their verdicts, on a split of the data."""
        from factorgraph.run.evaluate import evaluate

        return evaluate(self, on, procedure)

    def keep(self, evaluation: Evaluation) -> None:
        """Put what was found on the held-out split into the run, for its report. Raises RunError FG606."""
        with self.folder.lock() as folder:
            folder.write_json(EVALUATION, {"start": folder.about().get("start"), **evaluation.as_dict()})

    def infer(
        self,
        clamp: Mapping[str, Any],
        free: Sequence[str] = (),
        mask: Path | Any | None = None,
        procedure: str | None = None,
    ) -> Answered:
        """The least energy with some variables known: pictures, arrays or labels by name; the rest is inferred.

        ``free``: observed variables among it. ``mask``: of a picture only what is white, or True, is known.
        """
        from factorgraph.run.asking import question

        return question(self, clamp, free, mask, procedure)

    def compare(self) -> Comparisons:
        """All procedures that infer the same latents beside each other, on held-out data; drawn into the run's figures."""
        from factorgraph.run.compare import compare
        from factorgraph.run.figures._chosen import comparison_figures, drawn

        found = compare(self.measured())
        with self.folder.lock():
            for name, data in drawn(comparison_figures(found)):
                self.folder.write(f"figures/{name}", data)
        return found

    def resume(self, epochs: int | None = None) -> Run:
        """Go on from the newest checkpoint, to the end or for more epochs of the last phase."""
        from factorgraph.training.session import resume

        return resume(self.path, epochs=epochs, data=self._named)

    def _repr_html_(self) -> str:
        told = heading(self.spec.title or self.spec.name, str(self.path), self.status)
        claims = self.folder.read_json(EVALUATION)["claims"] if self.folder.has(EVALUATION) else []
        rows = [[each["verdict"], each["claim"], _shown(each["values"]), each["bound"]] for each in claims]
        return told + (table(("verdict", "claim", "values", "bound"), rows) if rows else "")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def _shown(values: Sequence[float | None]) -> str:
    return ", ".join("–" if each is None else f"{each:.4g}" for each in values)
