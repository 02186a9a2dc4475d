"""The compiled model against numpy, scikit-learn and what a torch module must be able to do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

import factorgraph as fg
from factorgraph.compile.model import Model
from factorgraph.errors import RunError
from tests.compile.specs import FRAMES, PSD, SPARSE, TWO_LATENTS, spec

BATCH = 7


def model_of(text: str, **changes: object) -> Model:
    return fg.build(spec(text, **changes)).double()


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def array(model: Model, name: str) -> np.ndarray:
    return dict(model.named_parameters())[name].detach().numpy()


def test_energy_is_the_sum_of_weighted_factors() -> None:
    model, y, z = model_of(PSD), rows(BATCH, 7), rows(BATCH, 5, seed=1)
    decoder = array(model, "functions.decoder.matrix")
    matrix, bias = array(model, "functions.encoder.matrix"), array(model, "functions.encoder.bias")
    threshold = array(model, "functions.encoder.activation.threshold")
    pre = y.numpy() @ matrix.T + bias
    predicted = np.sign(pre) * np.maximum(np.abs(pre) - threshold, 0)
    expected = ((y.numpy() - z.numpy() @ decoder.T) ** 2).sum(1)
    expected += 0.37 * ((z.numpy() - predicted) ** 2).sum(1) + 0.61 * np.abs(z.numpy()).sum(1)
    np.testing.assert_allclose(model.energy(Y=y, Z=z).detach().numpy(), expected, rtol=1e-12)


def test_parameters_are_named_by_their_addresses() -> None:
    encoder = ["functions.encoder.matrix", "functions.encoder.bias", "functions.encoder.activation.threshold"]
    assert [name for name, _ in model_of(PSD).named_parameters()] == ["functions.decoder.matrix", *encoder]


def test_shares_add_up_to_the_energy_and_the_minimum_is_below_the_amortized_code() -> None:
    model, y = model_of(PSD), rows(BATCH, 7)
    best, fast = model.infer(Y=y), model.infer(Y=y, procedure="fast")
    torch.testing.assert_close(sum(best.shares.values()), best.energy)
    assert set(best.shares) == {"reconstruction", "prediction", "sparsity"}
    assert (best.energy <= fast.energy + 1e-9).all()
    assert best.procedure == "optimal"
    assert (best.status == 0).all()
    assert best.certificate.max() <= 1e-6
    torch.testing.assert_close(model(Y=y).energy, best.energy)


def test_inference_agrees_with_scikit_learn() -> None:
    model, y = model_of(SPARSE, inference__optimal__steps=20000, inference__optimal__tolerance=1e-12), rows(BATCH, 20)
    found = model.infer(Y=y)
    lasso = Lasso(alpha=0.37 / 2 / 20, fit_intercept=False, tol=1e-14, max_iter=200000)
    code = lasso.fit(array(model, "functions.decoder.matrix"), y.numpy().T).coef_
    expected = model.energy(Y=y, Z=torch.from_numpy(code))
    torch.testing.assert_close(found.energy, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found["Z"], torch.from_numpy(code), rtol=1e-4, atol=1e-5)


def test_two_latents_reach_the_joint_minimum() -> None:
    model, y = model_of(TWO_LATENTS), rows(BATCH, 6)
    found = model.infer(Y=y)
    assert (found.status == 0).all()
    free = {name: found[name].detach().clone().requires_grad_() for name in ("A", "B")}
    model.energy(Y=y, **free).sum().backward()
    slope_a, slope_b = free["A"].grad, free["B"].grad
    assert slope_a is not None and slope_b is not None
    assert slope_b.abs().max() < 1e-4
    at_rest = found["A"] == 0  # elsewhere the gradient vanishes; at zero autograd takes 0 from the weight of 0.3
    assert slope_a[~at_rest].abs().max() < 1e-4
    assert slope_a[at_rest].abs().max() <= 0.3 + 1e-4


def test_slots_are_inferred_together_as_the_closed_form_says() -> None:
    model, x = model_of(FRAMES), rows(BATCH, 3, 6)
    found = model.infer(X=x)
    decoder, bias = array(model, "functions.decoder.matrix"), array(model, "functions.decoder.bias")
    coupling = np.array([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])
    left = np.kron(np.eye(3), decoder.T @ decoder + 0.1 * np.eye(4)) + 0.4 * np.kron(coupling, np.eye(4))
    right = ((x.numpy() - bias) @ decoder).reshape(BATCH, 12)
    expected = np.linalg.solve(left, right.T).T.reshape(BATCH, 3, 4)
    together = torch.stack([found[f"H[{t}]"] for t in range(3)], 1).detach().numpy()
    np.testing.assert_allclose(together, expected, rtol=1e-7, atol=1e-9)


def test_energy_is_differentiable_in_every_argument_and_parameter() -> None:
    model = model_of(PSD)
    y, z = rows(2, 7).requires_grad_(), rows(2, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: model.energy(Y=a, Z=b), (y, z))
    model.energy(Y=y, Z=z).sum().backward()
    assert all(each.grad is not None for each in model.parameters())


@pytest.mark.parametrize("size", [0, 1])
def test_empty_and_single_row_batches(size: int) -> None:
    model = model_of(PSD)
    found = model.infer(Y=rows(BATCH, 7)[:size])
    assert found.energy.shape == (size,)
    assert found["Z"].shape == (size, 5)
    whole = model.infer(Y=rows(BATCH, 7))
    torch.testing.assert_close(found["Z"], whole["Z"][:size], rtol=1e-5, atol=1e-6)


def test_input_that_is_not_contiguous() -> None:
    model, y = model_of(PSD), rows(7, BATCH).T
    assert not y.is_contiguous()
    torch.testing.assert_close(model.infer(Y=y).energy, model.infer(Y=y.contiguous()).energy)


def test_a_copy_is_apart_and_equal() -> None:
    model, y = model_of(PSD), rows(BATCH, 7)
    twin = copy.deepcopy(model)
    torch.testing.assert_close(twin.infer(Y=y).energy, model.infer(Y=y).energy, rtol=0, atol=0)
    with torch.no_grad():
        next(twin.parameters()).mul_(2)
    assert not torch.equal(next(twin.parameters()), next(model.parameters()))


def test_state_dict_round_trip_and_types() -> None:
    model, y = fg.build(spec(PSD)), rows(BATCH, 7)
    other = fg.build(spec(PSD, seed=5))
    assert not torch.equal(next(other.parameters()), next(model.parameters()))
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.infer(Y=y.float()).energy, model.infer(Y=y.float()).energy, rtol=0, atol=0)
    single = model.infer(Y=y.float()).energy
    double = model.double().infer(Y=y).energy
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_compiled_energy_equals_eager() -> None:
    model, y, z = fg.build(spec(PSD)), rows(BATCH, 7).float(), rows(BATCH, 5, seed=1).float()
    torch.testing.assert_close(torch.compile(model.energy)(Y=y, Z=z), model.energy(Y=y, Z=z))


@pytest.mark.parametrize("text", [PSD, SPARSE, TWO_LATENTS, FRAMES])
def test_nothing_reads_a_tensor_back_from_its_device(text: str) -> None:
    """On the meta device .item(), a branch on a tensor and a tensor made elsewhere raise."""
    model = fg.build(spec(text, inference__optimal__steps=25)).to("meta")  # steps cost more there than with values
    shapes = {each.name: (3, *((3,) if each.slots else ()), *each.shape) for each in model.graph.of_kind("observed")}
    values = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    for name in model.inferences:
        found = model.infer(procedure=name, **values)
        assert found.energy.device.type == "meta"
        assert found.energy.shape == (3,)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"X": rows(2, 7)}, ['no variable "X"', "Y"]),
        ({"Y": rows(2, 6)}, ['"Y" must have the shape [batch, 7]', "[2, 6]"]),
        ({"Y": rows(2, 7), "Z": rows(3, 5)}, ["different sizes", "2, 3"]),
        ({}, ["no variable was given"]),
        ({"Z": rows(2, 5)}, ['"Y" is needed']),
    ],
)
def test_values_that_do_not_fit_are_told(values: dict[str, torch.Tensor], words: list[str]) -> None:
    with pytest.raises(RunError) as caught:
        model_of(PSD).energy(**values)
    for word in words:
        assert word in str(caught.value)


def test_a_procedure_that_is_not_there_is_told() -> None:
    with pytest.raises(RunError, match="optimal, fast"):
        model_of(PSD).infer(Y=rows(2, 7), procedure="quick")


def test_a_given_latent_is_not_searched() -> None:
    model, y, z = model_of(PSD), rows(2, 7), rows(2, 5, seed=3)
    found = model.infer(Y=y, Z=z)
    torch.testing.assert_close(found["Z"], z)
    torch.testing.assert_close(found.energy, model.energy(Y=y, Z=z))


def test_the_hessian_costs_no_accuracy_beside_differentiating() -> None:
    """Both kernels minimise the same energy: the one that forms the Hessian and the one that differentiates each time."""
    from dataclasses import replace

    model, y = model_of(PSD, inference__optimal__solver="fista"), rows(BATCH, 7)
    planned = model.inferences["optimal"]
    assert planned.plan.kernel == "gram"
    slow = type(planned)(model.program, replace(planned.plan, kernel="gradient"), planned.method, planned.reads)
    a = planned(model.assign({"Y": y}), model.tensors()).values["Z"]
    b = slow(model.assign({"Y": y}), model.tensors()).values["Z"]
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.energy(Y=y, Z=a), model.energy(Y=y, Z=b), rtol=1e-5, atol=1e-7)


def test_a_row_with_nan_spoils_no_other() -> None:
    model, y = model_of(PSD), rows(BATCH, 7)
    good = model.infer(Y=y)
    bad = y.clone()
    bad[2, 3] = float("nan")
    found = model.infer(Y=bad)
    keep = [each for each in range(BATCH) if each != 2]
    torch.testing.assert_close(found["Z"][keep], good["Z"][keep], rtol=1e-6, atol=1e-8)
    assert found.status[2] == 2
    assert "1 not finite" in found.sentence()


def test_a_stiff_coupling_is_not_called_converged_before_it_is() -> None:
    """With a gap as certificate, a row that says converged is within it of the optimum that many more steps find."""
    text = FRAMES.replace("weight: 0.4", "weight: 500").replace(
        "size: {type: squared_distance, between: [H, 0], weight: 0.1}", "size: {type: l1, of: H, weight: 0.3}"
    )
    for solver_steps in (300, 3000):
        model = model_of(text, inference__optimal__steps=solver_steps)
        x = rows(BATCH, 3, 6)
        found = model.infer(X=x)
        best = model_of(text, inference__optimal__steps=100000, inference__optimal__tolerance=1e-10).infer(X=x)
        sure = found.status == 0
        assert (found.energy[sure] <= best.energy[sure] * (1 + 1e-3)).all()


def test_an_energy_beyond_all_numbers_is_not_finite() -> None:
    model = fg.build(spec(PSD))
    found = model.infer(Y=rows(2, 7).float() * 1e25)
    assert found.status.tolist() == [2, 2]


@pytest.mark.parametrize(("value", "words"), [(np.zeros((2, 7)), "torch.as_tensor"), (rows(2, 7).float(), "float32")])
def test_values_of_another_kind_are_told(value: object, words: str) -> None:
    with pytest.raises(RunError, match=words):
        model_of(PSD).infer(Y=value)


STACK = """
factorgraph: 1
indices: {l: 3}
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, per: l, shape: [5]}
  below: {is: "Z[l-1]", start: Y}
functions:
  decoder: {type: linear, per: l, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [below, decoder(Z)]}
  sparsity:       {type: l1, of: Z, weight: 0.3}
inference:
  code: {per: l, method: argmin, of: "Z[l]", only: ["reconstruction[l]", "sparsity[l]"], steps: 5000, tolerance: 1e-9}
"""


@pytest.mark.parametrize("asked", [None, "code", "code[0]", "code[1]", "code[2]"])
def test_layers_are_inferred_from_the_lowest_on_whichever_is_asked_for(asked: str | None) -> None:
    model, y = model_of(STACK), rows(BATCH, 6)
    found, below = model.infer(asked, Y=y), y.numpy()
    assert found.procedure == ("code[0]" if asked in (None, "code") else asked)
    for slot in range(3):
        lasso = Lasso(alpha=0.3 / 2 / below.shape[1], fit_intercept=False, tol=1e-14, max_iter=200000)
        below = lasso.fit(array(model, f"functions.decoder.{slot}.matrix"), below.T).coef_
        np.testing.assert_allclose(found[f"Z[{slot}]"], below, atol=1e-5)
