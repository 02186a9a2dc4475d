"""Codes of teachers: found once where they are functions of the row alone, the same as those found again, in every sitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.kept import teachers
from factorgraph.compile.procedures import Procedure
from factorgraph.data.dataset import Dataset, load_data
from factorgraph.data.paths import allowed_roots
from factorgraph.run.folder import RunFolder
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training import keeping, session
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import Stretch, stretches
from tests.training.test_resume import fingerprint

RUN = """
factorgraph: 1
seed: 3
dims: {side: 4, code: 11}
indices: {p: 2}
variables:
  Y: {kind: observed, shape: [side * side]}
  N: {kind: noise, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: tanh}
  rough:   {type: network, layers: 7fc-bn-0.3drop-fc}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, solver: fista, steps: 20, tolerance: 1e-5}
  lista:   {method: unrolled, of: Z, solver: ista, steps: 2, free: [filter, inhibition, threshold]}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
  noisy:   {method: argmin, of: Z, start: encoder(Y + N), steps: 5}
  random:  {method: argmin, of: Z, start: rough(Y), steps: 5}
learning:
  dictionary: {loss: energy, inference: optimal, train: [decoder], steps: 4, batch_size: 16}
  encoders:
    loss: {type: imitation, teacher: optimal, student: [lista, fast]}
    train: [lista, encoder]
    epochs: 2
    batch_size: 16
  again: {per: p, loss: {type: imitation, teacher: optimal, student: fast}, train: [encoder], epochs: 2, batch_size: 32}
data:
  source: planted_codes
  units: side * side
  atoms: 9
  count: 70
  test: 10
  bind: {Y: signal}
"""
PICTURES = {"source": "natural_patches", "size": "side", "count": 70, "test": 10, "augment": ["mirror"], "bind": {"Y": "image"}}
FILE = "cache/teacher-optimal.safetensors"


def small(patch: pytest.MonkeyPatch) -> None:
    """Several chunks of codes; no pictures."""
    patch.setattr(keeping, "ROWS_AT_ONCE", 32)
    patch.setattr(session, "_all_pictures", lambda *_: None)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each search of the teacher had."""
    found: list[int] = []
    minimise = Procedure.minimise

    def counted(self: Procedure, steps: int, tolerance: float) -> object:
        if self.inference.plan.id == "optimal":
            found.append(len(self.given["Y"]))
        return minimise(self, steps, tolerance)

    monkeypatch.setattr(Procedure, "minimise", counted)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        return train(loads(RUN), tmp_path_factory.mktemp("whole") / "run")


def losses(run: Run) -> list[float]:
    return [row["loss"] for row in run.metrics if row["split"] == "train"]


def parameters(run: Run) -> Mapping[str, torch.Tensor]:
    return run.folder.load_latest().tensors["model"]


def test_a_teacher_is_asked_once_for_all_phases_that_leave_it_as_it_is(tmp_path: Path, searched: list[int]) -> None:
    told: list[str] = []
    run = train(loads(RUN), tmp_path / "run", say=told.append)
    assert searched == [*[16] * 4, 10, 32, 32, 6, *[10] * 3]  # held-out rows at the end of each phase
    assert (run.path / FILE).is_file()
    words = [each for each in told if "further from the minimum" in each]
    assert len(words) == 3 and all("70 codes" in each and "1e-05" in each for each in words)
    codes = run.folder.read_arrays(FILE)
    late = float((codes["optimal:status"] != 0).mean())
    assert late > 0
    assert f"{100 * late:.3g} %" in words[0]
    assert words[0] in (run.path / "log.txt").read_text()
    assert (codes["optimal:certificate"][codes["optimal:status"] == 0] < 1e-5).all()


def test_what_is_kept_is_the_teachers_code_of_the_row(whole: Run) -> None:
    model, data = whole.measured("dictionary").model, whole.dataset
    parts = [torch.from_numpy(data.train["Y"][begin : begin + 32]) for begin in (0, 32, 64)]
    right = torch.cat([model.infer("optimal", Y=each)["Z"] for each in parts])
    np.testing.assert_allclose(whole.folder.read_arrays(FILE)["optimal/Z"], right.detach().numpy(), atol=2e-3)


def test_learning_from_kept_codes_is_learning_from_codes_found_for_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: list[int]
) -> None:
    spec = loads(RUN).with_changes({"inference.optimal.tolerance": 0}, "test")  # else rounding moves the step at which rows stop
    one = train(spec, tmp_path / "one")
    assert 32 in searched
    monkeypatch.setattr(keeping, "LARGEST", 70 * 11 * 4 - 1)
    monkeypatch.setattr(keeping, "SHARE", 0)
    searched.clear()
    told: list[str] = []
    other = train(spec, tmp_path / "other", say=told.append)
    assert sum("rows need 3 kB, and " in each for each in told) == 3
    assert 32 not in searched[:5] and len(searched) > 20
    assert not (other.path / "cache").exists()
    np.testing.assert_allclose(losses(one), losses(other), rtol=1e-5)
    for name, each in parameters(one).items():
        torch.testing.assert_close(each, parameters(other)[name], atol=1e-6, rtol=1e-5)
    assert [each.get("unconverged") for each in one.metrics] == [each.get("unconverged") for each in other.metrics]


@pytest.mark.parametrize("step", [4, 5, 9, 14])
def test_a_sitting_may_end_anywhere(step: int, whole: Run, tmp_path: Path, searched: list[int]) -> None:
    with pytest.raises(StoppedError):
        train(loads(RUN), tmp_path / "run", stop_after=step, workers=2 * (step % 2))
    assert (tmp_path / "run" / FILE).exists() == (step > 4)
    searched.clear()
    run = resume(tmp_path / "run", workers=step % 3)
    assert fingerprint(run.path) == fingerprint(whole.path)
    assert (32 in searched) == (step == 4)


@pytest.mark.parametrize("harm", ["lost", "torn", "changed", "of another teacher", "of other rows"])
def test_codes_that_are_lost_or_of_something_else_are_found_again(
    harm: str, whole: Run, tmp_path: Path, searched: list[int]
) -> None:
    with pytest.raises(StoppedError):
        train(loads(RUN), tmp_path / "run", stop_after=7)
    file = tmp_path / "run" / FILE
    before, data = file.read_bytes(), bytearray(file.read_bytes())
    if harm == "lost":
        file.unlink()
    elif harm == "torn":
        file.write_bytes(data[:-99])
    elif harm == "changed":
        data[-2000] ^= 1
        file.write_bytes(data)
    else:
        folder = RunFolder.open(tmp_path / "run")
        arrays = folder.read_arrays(FILE)
        if harm == "of another teacher":
            arrays["fingerprint"] = arrays["fingerprint"] ^ 1
            arrays["optimal/Z"] = arrays["optimal/Z"] + 1
        else:
            arrays["optimal/Z"] = arrays["optimal/Z"][:-1]
        with folder.lock():
            folder.write_arrays(FILE, arrays)
    searched.clear()
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)
    assert 32 in searched
    assert file.read_bytes() == before


def test_a_stop_while_codes_are_found_ends_the_sitting_between_two_phases(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([False, True])
    honest = keeping.Keeper._found

    def impatient(self: keeping.Keeper, *about: object) -> object:
        return honest(replace(self, stopped=lambda: next(asked)), *about)

    monkeypatch.setattr(keeping.Keeper, "_found", impatient)
    with pytest.raises(StoppedError, match="after step 4"):
        train(loads(RUN), tmp_path / "run")
    monkeypatch.setattr(keeping.Keeper, "_found", honest)
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)


def stretch(phase: str, **changes: object) -> tuple[Stretch, Dataset]:
    spec = loads(RUN[: RUN.index("learning:")] + f"learning:\n  one: {phase}\n" + RUN[RUN.index("data:") :])
    spec = spec.with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test") if changes else spec
    model = compiler.build(spec)
    data = load_data(spec, model.graph.sample_shapes, allowed_roots(Path.cwd(), ()))
    (found,) = stretches(model, data.rows("train"), data)
    return found, data


ENOUGH = "epochs: 2, batch_size: 16"


@pytest.mark.parametrize(
    ("phase", "changes", "why"),
    [
        (f"{{loss: {{type: imitation, teacher: optimal, student: fast}}, {ENOUGH}}}", {}, ""),
        (f"{{loss: {{type: imitation, teacher: fast, student: lista}}, train: [lista], {ENOUGH}}}", {}, ""),
        (f"{{loss: {{type: imitation, teacher: random, student: fast}}, {ENOUGH}}}", {}, ""),  # its function rests
        (f"{{loss: {{type: imitation, teacher: optimal, student: fast}}, {ENOUGH}}}", {"data": PICTURES}, "augmented"),
        (f"{{loss: {{type: imitation, teacher: noisy, student: lista}}, train: [lista], {ENOUGH}}}", {}, "reads N"),
        (f"{{loss: {{type: imitation, teacher: fast, student: fast}}, {ENOUGH}}}", {}, "trains functions.encoder"),
        (
            f"{{loss: {{one: {{type: imitation, teacher: optimal, student: fast}}, two: energy}}, inference: optimal, {ENOUGH}}}",
            {},
            "trains functions.decoder",
        ),
        (
            f"{{loss: {{type: imitation, teacher: lista, student: lista}}, train: [lista], {ENOUGH}}}",
            {},
            "trains inference.lista",
        ),
        ("{loss: {type: imitation, teacher: optimal, student: fast}, steps: 4, batch_size: 16}", {}, "asks for 64"),
        ("{loss: {type: imitation, teacher: optimal, student: fast}, steps: 2, batch_size: all}", {}, ""),
    ],
)
def test_codes_are_kept_only_where_the_row_alone_tells_them(phase: str, changes: dict[str, object], why: str) -> None:
    found, _ = stretch(phase, **changes)
    (teacher,) = teachers(found.view.graph, found.planned, found.phase)
    told = teacher.varies(found.resting) or keeping.seldom(found)
    assert (why in told) if why else not told


def test_the_mark_tells_teachers_apart() -> None:
    def mark(**changes: object) -> str:
        found, data = stretch(f"{{loss: {{type: imitation, teacher: optimal, student: fast}}, {ENOUGH}}}", **changes)
        (teacher,) = teachers(found.view.graph, found.planned, found.phase)
        return keeping.fingerprint(teacher, found, data, "float32")

    marks = [
        mark(),
        mark(factors__sparsity__weight=0.38),
        mark(inference__optimal__steps=21),
        mark(inference__optimal__tolerance=1e-6),
        mark(seed=4),
        mark(data__count=71),
        mark(functions__decoder__unit_norm="rows"),
    ]
    assert len(set(marks)) == len(marks)
    assert mark() == marks[0] == mark(inference__fast__by="2 * encoder(Y)")
    found, data = stretch(f"{{loss: {{type: imitation, teacher: optimal, student: fast}}, {ENOUGH}}}")
    with torch.no_grad():
        found.view.model.tensors()["functions.decoder"]["matrix"][1, 2] += 1e-6
    (teacher,) = teachers(found.view.graph, found.planned, found.phase)
    assert keeping.fingerprint(teacher, found, data, "float32") != marks[0]
