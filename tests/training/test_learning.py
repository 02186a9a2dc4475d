"""What functions do while learning: a step has its batch statistics and random numbers; only learning changes what is kept."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.compile.model import Model
from factorgraph.errors import RunError
from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec
from factorgraph.training.objective import Batch, View, evaluate
from factorgraph.training.session import train
from factorgraph.training.sides import parameters_by_address, stretches

TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [7]}
  Z: {kind: latent, shape: [4]}
functions:
  encoder: {type: network, layers: 6fc-bn-0.4drop-fc}
  decoder: {type: network, layers: 5fc-bn-fc}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.37}
inference:
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning:
  both:  {loss: energy, steps: 3, batch_size: 9}
  after: {loss: energy, steps: 2, batch_size: 9, train: [decoder]}
data: {source: planted_codes, units: 7, atoms: 9, count: 60, test: 20, bind: {Y: signal}}
"""
MEANS = [f"functions.{name}.{kind}_2" for name in ("encoder", "decoder") for kind in ("mean", "variance")]
ALL = frozenset({"encoder", "decoder"})


def spec(**changes: object) -> Spec:
    made = loads(TEXT)
    return made.with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test") if changes else made


def learning(step: int = 0, learned: frozenset[str] = ALL) -> Learning:
    return Learning(3, ("both", step, "model", 0), learned)


def rows(count: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(count, 7, generator=torch.Generator().manual_seed(seed))


def values(model: Model, name: str, given: Tensor, how: Learning | None) -> Tensor:
    found = model.program.values((name,), {"Y": given}, model.tensors(), how)[name]
    assert isinstance(found, Tensor)
    return found


def test_means_are_buffers_that_move_to_devices_and_copies_and_that_no_optimizer_sees() -> None:
    model = compiler.build(spec())
    assert sorted(name for name, _ in model.named_buffers()) == sorted(MEANS)
    assert not set(MEANS) & {name for name, _ in model.named_parameters()}
    assert set(MEANS) <= parameters_by_address(model).keys() & model.state_dict().keys()
    assert all(each.dtype == torch.float64 for each in model.double().buffers())
    model.keep({"functions.encoder": {"mean_2": torch.full((6,), 0.37, dtype=torch.float64)}})
    twin = copy.deepcopy(model)
    assert torch.equal(dict(twin.named_buffers())[MEANS[0]], torch.full((6,), 0.37, dtype=torch.float64))
    model.keep({"functions.encoder": {"mean_2": torch.zeros(6)}})
    assert dict(twin.named_buffers())[MEANS[0]].sum() > 1
    assert not set(MEANS) & {address for each in model.plan.phases for address in each.parameters}


def test_a_procedure_sees_the_statistics_and_the_silence_that_the_energy_sees() -> None:
    model, y = compiler.build(spec()), rows()
    step = learning()
    codes = model.run(("fast",), {"Y": y}, model.inferences, step)["fast"].values
    shares = model.program.shares(model.graph.factors, {"Y": y, **codes}, model.tensors(), step)
    assert torch.equal(shares["prediction"], torch.zeros(9))
    other = model.program.shares(model.graph.factors, {"Y": y, **codes}, model.tensors(), learning(step=1))
    assert (other["prediction"] > 0).any()  # another step is silent elsewhere
    resting = model.program.shares(model.graph.factors, {"Y": y, **codes}, model.tensors())
    assert (resting["prediction"] > 0).all()


def test_an_application_counts_once_and_several_come_one_after_another() -> None:
    model = compiler.build(loads(TEXT.replace("encoder(Y)]", "encoder(Y) + encoder(2 * Y)]").replace("0.4drop-", "")))
    y, step = rows(), learning()
    for _ in range(2):
        values(model, "encoder(Y)", y, step)
        values(model, "encoder(2 * Y)", y, step)
    matrix = dict(model.named_parameters())["functions.encoder.matrix_1"].detach()
    mean = torch.zeros(6)
    for each in (y, 2 * y):
        mean = 0.9 * mean + 0.1 * (each @ matrix.T).mean(0)
    torch.testing.assert_close(step.kept["functions.encoder"]["mean_2"], mean)
    assert dict(model.named_buffers())[MEANS[0]].abs().sum() == 0  # nothing is written by evaluating


def test_what_stands_in_the_batchs_place_has_numbers_of_its_own() -> None:
    model, y = compiler.build(spec()), rows()
    view = View(model, model.program, model.inferences)
    step = learning()
    batch = Batch(view, {"Y": y}, ("fast",), step)
    other, again = {"Y": y.clone()}, {"Y": y.clone()}
    assert batch.learning_of({"Y": y, "Z": y}) is step
    assert batch.learning_of(other) is batch.learning_of(other) is not batch.learning_of(again)
    found = [batch.values(("encoder(Y)",), each)["encoder(Y)"] for each in ({"Y": y}, other, again, other)]
    assert torch.equal(found[1], found[3])
    assert not torch.allclose(found[0], found[1]) and not torch.allclose(found[1], found[2])
    once = learning()
    values(model, "encoder(Y)", y, once)
    mean = once.kept["functions.encoder"]["mean_2"]
    torch.testing.assert_close(step.kept["functions.encoder"]["mean_2"], mean * (1 + 0.9 + 0.81))


def test_random_numbers_belong_to_the_step_and_the_application_alone() -> None:
    model, y = compiler.build(spec()), rows()
    first = values(model, "encoder(Y)", y, learning())
    assert torch.equal(first, values(model, "encoder(Y)", y, learning()))
    for other in (learning(step=1), Learning(4, ("both", 0, "model", 0), ALL), Learning(3, ("both", 0, "critic", 0), ALL)):
        assert not torch.allclose(first, values(model, "encoder(Y)", y, other))


def test_two_applications_to_the_same_values_are_silent_in_different_places() -> None:
    model = compiler.build(loads(TEXT.replace("encoder(Y)]", "encoder(Y) + encoder(Y + 0)]")))
    y, step = rows(), learning()
    assert not torch.allclose(values(model, "encoder(Y)", y, step), values(model, "encoder(Y + 0)", y, step))
    torch.testing.assert_close(values(model, "encoder(Y)", y, None), values(model, "encoder(Y + 0)", y, None))


def test_no_gradient_reaches_what_is_kept_in_a_step() -> None:
    model, y = compiler.build(spec()), rows()
    for stretch in stretches(model, rows=40):
        for side in stretch.sides():
            assert not set(side.names) & set(MEANS)
            outcome = evaluate(stretch, side, {"Y": y}, learning())
            gradients = torch.autograd.grad(outcome.loss, list(side.names.values()), allow_unused=True)
            assert all(each is not None for each in gradients)
    assert all(each.grad is None and not each.requires_grad for each in model.buffers())


def test_learning_writes_the_means_once_a_step_and_what_is_frozen_rests(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    keep = Model.keep

    def watched(self: Model, found: dict[str, dict[str, Tensor]]) -> None:
        seen.append(set(found))
        keep(self, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "keep", watched)
        train(spec(), tmp_path / "run")
    both, after = {"functions.encoder", "functions.decoder"}, {"functions.decoder"}
    assert seen == [both, both, both, after, after]


def test_a_frozen_function_is_evaluated_at_rest() -> None:
    model, y = compiler.build(spec()), rows()
    both, after = stretches(model, rows=40)
    assert both.learned == ALL and after.learned == {"decoder"}
    resting = values(model, "encoder(Y)", y, None)
    assert torch.equal(values(model, "encoder(Y)", y, learning(learned=after.learned)), resting)
    assert not torch.allclose(values(model, "encoder(Y)", y, learning(learned=both.learned)), resting)


def test_a_side_changes_only_what_it_trains(tmp_path: Path) -> None:
    one = {"train": ["encoder"], "loss": "energy", "steps": 2}
    game = {"steps": 2, "batch_size": 9, "players": {"one": one, "two": {"train": ["decoder"], "loss": "energy"}}}
    seen: list[set[str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "keep", lambda self, found: seen.append(set(found)))
        train(spec(learning={"game": game}), tmp_path / "run")
    assert seen == [{"functions.encoder"}, {"functions.encoder"}, {"functions.decoder"}] * 2


def test_a_batch_of_one_is_told_with_its_function(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        train(spec(learning__both__batch_size=1), tmp_path / "run")
    (found,) = caught.value.issues
    assert found.code == "FG338" and found.path == ("functions", "encoder")
    assert "layer 2" in found.message and "batch_size" in found.fix


def test_after_learning_a_sample_is_mapped_by_itself(tmp_path: Path) -> None:
    model = train(spec(), tmp_path / "run").model
    y = rows()
    whole = model.infer("fast", Y=y)["Z"]
    alone = torch.cat([model.infer("fast", Y=y[each : each + 1])["Z"] for each in range(9)])
    torch.testing.assert_close(whole, alone)
    assert all(each.abs().sum() > 0 for each in model.buffers())
