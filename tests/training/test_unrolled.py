"""Learning the matrices of a solver: when they become parameters, how they stay as they are meant to, and that it resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile import procedures
from factorgraph.errors import SpecError
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training.objective import evaluate
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import stretches
from tests.training.test_resume import fingerprint

RUN = """
factorgraph: 1
seed: 3
dims: {side: 5, code: 12, keep: [0.3, 0]}
indices: {p: 2}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.5}
inference:
  optimal: {method: argmin, of: Z, solver: fista, steps: 100}
  ista:    {method: argmin, of: Z, solver: ista, steps: 2, tolerance: 0}
  lista:   {method: unrolled, of: Z, solver: ista, steps: 2, free: {filter: {}, inhibition: {keep: 1}, threshold: {}}}
  bounded: {method: unrolled, of: Z, solver: fista, steps: 3, share: none, free: {filter: {max_row_norm: 0.4}, threshold: {}}}
learning:
  dictionary: {loss: energy, train: [decoder], steps: 4, batch_size: 16}
  dense: {loss: {type: imitation, teacher: optimal, student: [lista, bounded]}, train: [lista, bounded], steps: 6, batch_size: 16}
  thin:
    per: p
    loss: {type: imitation, teacher: optimal, student: lista}
    set: {inference.lista.free.inhibition.keep: "keep[p]"}
    optimizer: {type: adam, weight_decay: 0.01}
    steps: 3
    batch_size: 16
data:
  source: natural_patches
  size: side
  count: 100
  test: 20
  prepare: [remove_mean, unit_variance]
  bind: {Y: image}
"""
ENDS = (4, 4 + 6, 4 + 6 + 3)  # of phases


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(loads(RUN), tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("step", [*ENDS, 7, 11, 14])
def test_a_sitting_can_end_within_a_phase_and_between_two(step: int, whole: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="--resume"):
        train(loads(RUN), tmp_path / "run", stop_after=step)
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)


def code_error(run: Run, state: str, procedure: str) -> float:
    on = run.measured(state)
    right, other = (on.solved(each).variables["Z"] for each in ("optimal", procedure))
    return float((right - other).square().sum(1).mean())


def test_until_they_are_trained_matrices_follow_the_dictionary_that_is_learned(whole: Run) -> None:
    on = whole.measured("dictionary")
    assert not on.model.taken
    decoder = on.model.tensors()["functions.decoder"]["matrix"]
    assert not torch.equal(decoder, whole.measured("start").model.tensors()["functions.decoder"]["matrix"])
    torch.testing.assert_close(on.solved("lista").variables["Z"], on.solved("ista").variables["Z"], atol=1e-6, rtol=0)
    after = whole.measured("dense").model
    assert after.taken == {"inference.lista", "inference.bounded"}
    torch.testing.assert_close(decoder, after.tensors()["functions.decoder"]["matrix"])
    assert after.tensors()["inference.lista"].keys() == {"filter", "inhibition", "threshold", "taken"}


def test_a_few_steps_of_imitation_bring_the_code_closer(whole: Run) -> None:
    assert code_error(whole, "dense", "lista") < 0.98 * code_error(whole, "dictionary", "lista")


def test_bounds_hold_for_every_steps_own_matrix_and_thresholds_are_not_negative(whole: Run) -> None:
    found = whole.measured("dense").model.tensors()["inference.bounded"]
    assert found["filter"].shape == (3, 12, 25)
    norms = found["filter"].norm(dim=2)
    assert norms.max() <= 0.4 + 1e-6 and norms.std() > 0
    assert (found["threshold"] >= 0).all()
    assert len({float(each) for each in found["threshold"].detach().sum(1)}) == 3  # each step has learned its own


def test_the_smallest_entries_are_removed_when_a_phase_begins_and_stay_removed(whole: Run) -> None:
    dense, thin, none = (
        whole.measured(state).model.tensors()["inference.lista"]["inhibition"] for state in ("dense", "thin[0]", "thin[1]")
    )
    assert (dense != 0).all()
    largest = dense.abs().flatten().sort(descending=True).values[round(0.3 * 144) - 1]
    assert torch.equal(thin != 0, dense.abs() >= largest)
    assert not torch.equal(thin, torch.where(thin != 0, dense, 0))  # the others learn on
    assert (none == 0).all()


def test_what_is_removed_would_come_back_without_its_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedures, "thinned", lambda method, own: {key: each for key, each in own.items() if key != "taken"})
    run = train(loads(RUN), tmp_path / "run")
    assert (run.measured("thin[1]").model.tensors()["inference.lista"]["inhibition"] != 0).any()


PLANS = """
factorgraph: 1
indices: {k: 2}
variables: {Y: {kind: observed, shape: [6]}, Z: {kind: latent, shape: [4]}}
functions: {decoder: {type: linear, bias: false}, encoder: {type: linear, activation: tanh, bias: false}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
  sparsity: {type: l1, of: Z}
inference:
  optimal: {method: argmin, of: Z}
  all: {method: unrolled, per: k, of: Z, solver: ista, steps: k + 2, free: [filter, inhibition, threshold]}
  part: {method: unrolled, of: Z, solver: fista, steps: 2, free: inhibition}
learning:
  one: %s
"""
DECODER, ENCODER, LATERAL = "functions.decoder.matrix", "functions.encoder.matrix", "inference.part.inhibition"
FIRST = tuple(f"inference.all[0].{name}" for name in ("filter", "inhibition", "threshold"))


@pytest.mark.parametrize(
    ("phase", "trained"),
    [
        ('{per: k, loss: energy, inference: "all[k]", train: "all[k]"}', set(FIRST)),
        ('{per: k, loss: {type: imitation, teacher: optimal, student: "all[k]"}, train: ["all[k-1]", "all[k]"]}', set(FIRST)),
        ('{loss: {type: imitation, teacher: optimal, student: "all[0]"}}', {ENCODER, *FIRST}),
        ('{loss: {type: imitation, teacher: optimal, student: all}, train: ["all[0]"]}', set(FIRST)),
        ('{loss: {type: imitation, teacher: optimal, student: "all[0]"}, train: decoder}', {DECODER}),
        ("{loss: {type: imitation, teacher: optimal, student: part}}", {DECODER, ENCODER, LATERAL}),
        ("{loss: {type: imitation, teacher: part, student: optimal}, train: []}", None),
        ('{loss: energy, inference: "all[0]"}', {DECODER, ENCODER, *FIRST}),
        ("{loss: energy, inference: part, train: [part, decoder]}", {DECODER, LATERAL}),
        ("energy", {DECODER, ENCODER}),
    ],
)
def test_a_loss_reaches_matrices_at_whose_code_it_looks(phase: str, trained: set[str] | None) -> None:
    spec = loads(PLANS % phase)
    if trained is None:
        with pytest.raises(SpecError, match="FG405"):
            compiler.plan(spec)
        return
    assert set(compiler.plan(spec).phases[0].parameters) == trained


def test_a_phase_that_is_repeated_trains_its_own_slot_of_a_family() -> None:
    plan = compiler.plan(loads(PLANS % '{per: k, loss: energy, inference: "all[k]", train: "all[k]"}'))
    for slot, phase in enumerate(plan.phases):
        assert phase.phase == f"one[{slot}]"
        assert phase.procedures == (f"all[{slot}]",)
        assert {each.rsplit(".", 1)[0] for each in phase.parameters} == {f"inference.all[{slot}]"}


def test_a_phase_that_asks_for_a_slot_beyond_its_family_is_refused() -> None:
    phase = '{per: k, loss: {type: imitation, teacher: "all[k+1]", student: "all[k]"}}'
    with pytest.raises(SpecError, match=r'FG410: phase "one\[1\]" asks for all\[2\]'):
        compiler.plan(loads(PLANS % phase))


def test_every_parameter_that_a_phase_trains_gets_a_gradient() -> None:
    model = compiler.build(loads(PLANS % "{loss: energy, inference: part}"))
    (stretch,) = stretches(model, rows=40)
    stretch.begin()
    given = {"Y": torch.randn(5, 6, generator=torch.Generator().manual_seed(1))}
    (side,) = stretch.sides()
    outcome = evaluate(stretch, side, given)
    for name, slope in zip(side.names, torch.autograd.grad(outcome.loss, list(side.names.values())), strict=True):
        assert slope.abs().max() > 1e-4, name
    with torch.no_grad():  # the decoder moves the energy at the code, and, through the filter and the threshold, the code
        code = model.infer("part", **given)["Z"]
    (direct,) = torch.autograd.grad(model.energy(Z=code, **given).mean(), side.names[DECODER])
    (whole,) = torch.autograd.grad(
        evaluate(stretch, side, given).loss, side.names[DECODER]
    )
    assert not torch.allclose(direct, whole, rtol=1e-3)


def test_every_slot_of_a_student_is_taught() -> None:
    """Several slots infer one variable: none may stand in for the others."""
    model = compiler.build(loads(PLANS % "{loss: {type: imitation, teacher: optimal, student: all}}"))
    (stretch,) = stretches(model, rows=40)
    stretch.begin()
    given = {"Y": torch.randn(5, 6, generator=torch.Generator().manual_seed(1))}
    (side,) = stretch.sides()
    outcome = evaluate(stretch, side, given)
    slopes = torch.autograd.grad(outcome.loss, list(side.names.values()), allow_unused=True)
    assert all(each is not None and each.abs().max() > 0 for each in slopes)
    wanted = sum(
        0.5 * (model.infer("optimal", **given)["Z"] - model.infer(f"all[{slot}]", **given)["Z"]).square().sum(1).mean()
        for slot in (0, 1)
    )
    torch.testing.assert_close(outcome.loss, wanted)
