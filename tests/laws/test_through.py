"""Laws of learning through a search: the gradient is that of the code that is found, whichever way it is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile import gradients
from factorgraph.compile.model import Model
from factorgraph.inference import implicit
from factorgraph.inference.solvers._kinds import Recordable
from factorgraph.registry import leaves
from factorgraph.spec.load import loads

TEXT = """
factorgraph: 1
seed: 7
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [4, 2], domain: DOMAIN}
  B: {kind: latent, shape: [3]}
functions:
  decoder: {type: linear}
  other:   {type: linear, bias: false}
  encoder: {type: linear, activation: tanh}
  groups:  {type: pool, kind: l2, window: [1, 2]}
  noisy:   {type: linear, units: 5}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z) + other(B)], weight: 0.37}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)], weight: 0.11}
  small:          {type: squared_distance, between: [B, 0.2], weight: 0.07}
  REST
inference:
  code: {method: argmin, of: [Z, B], gradient: stop, steps: 400, tolerance: 1e-11}
"""
REST = {
    "l1": "few: {type: l1, of: Z, weight: 0.31}",
    "l1 twice": "few: {type: l1, of: Z, weight: 0.31}\n  fewer: {type: l1, of: B, weight: 0.43}",
    "groups": "lengths: {type: l1, of: groups(Z), weight: 0.83}",
    "groups beside l1": "lengths: {type: l1, of: groups(Z), weight: 0.53}\n  few: {type: l1, of: Z, weight: 0.13}",
    "log_cosh": "smooth: {type: log_cosh, of: Z, weight: 0.31}",
    "student_t": "heavy: {type: student_t, of: noisy(Z), weight: 0.31}",
    "log_cosh beside l1": "smooth: {type: log_cosh, of: noisy(Z), weight: 0.21}\n  few: {type: l1, of: Z, weight: 0.31}",
    "nothing": "light: {type: squared_distance, between: [noisy(Z), 0.4], weight: 0.013}",
}
CASES = [(rest, domain, "") for rest in ("l1", "l1 twice", "nothing", "log_cosh beside l1") for domain in ("real", "nonnegative")]
CASES += [("groups", "real", ""), ("groups beside l1", "real", ""), ("groups", "nonnegative", ""), ("nothing", "simplex", "")]
CASES += [("log_cosh", "real", solver) for solver in ("lbfgs", "gradient", "fista")]
CASES += [("l1", "real", "ista"), ("student_t", "real", "lbfgs")]
WAYS = ("implicit", "unroll")
SEARCHED = {"lbfgs": 60, "gradient": 200}  # steps


def built(rest: str, domain: str = "real", solver: str = "", **changes: Any) -> Model:
    text = TEXT.replace("DOMAIN", domain).replace("REST", REST[rest])
    changes = {**({"steps": SEARCHED[solver]} if solver in SEARCHED else {}), **changes, "solver": solver}
    known = {f"inference.code.{key}": value for key, value in changes.items() if value != ""}
    model = compiler.build(loads(text).with_changes(known, "test")).double()
    with torch.no_grad():
        model.tensors()["functions.decoder"]["bias"].copy_(torch.linspace(-0.4, 0.5, 6))
    return model


def seen(rows: int = 5) -> torch.Tensor:
    return 1.5 * torch.randn(rows, 6, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def code(model: Model, y: torch.Tensor) -> torch.Tensor:
    found = model.infer("code", Y=y)
    return torch.cat([found["Z"].flatten(1), found["B"]], 1)


def target(z: torch.Tensor) -> torch.Tensor:
    """A loss that a minimum of the energy is no minimum of, different for every unit and row."""
    weights = torch.linspace(-1, 1.3, z.numel(), dtype=z.dtype, device=z.device).reshape(z.shape)
    return (weights * z + 0.3 * z.square()).sum()


def directions(tensors: list[torch.Tensor], count: int = 2) -> list[list[torch.Tensor]]:
    random = torch.Generator().manual_seed(11)
    return [[torch.randn(each.shape, generator=random, dtype=each.dtype) for each in tensors] for _ in range(count)]


def slopes(model: Model, y: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor] = target) -> list[torch.Tensor]:
    """Of the loss by all parameters and by what is observed."""
    y = y.clone().requires_grad_()
    inputs = [*model.parameters(), y]
    found = torch.autograd.grad(loss(code(model, y)), inputs, allow_unused=True)
    return [torch.zeros_like(each) if slope is None else slope for each, slope in zip(inputs, found, strict=True)]


def change(model: Model, y: torch.Tensor, direction: list[torch.Tensor], size: float = 1e-5) -> float:
    """The central difference of the loss along a direction; the active set must stay as it is."""
    values, active = [], []
    with torch.no_grad():
        for sign in (size, -size):
            for each, along in zip(model.parameters(), direction[:-1], strict=True):
                each.add_(sign * along)
            z = code(model, y + sign * direction[-1])
            values.append(float(target(z)))
            active.append(z != 0)
            for each, along in zip(model.parameters(), direction[:-1], strict=True):
                each.sub_(sign * along)
    assert torch.equal(*active)
    return (values[0] - values[1]) / (2 * size)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rest", "domain", "solver"), CASES)
def test_the_gradient_is_that_of_the_code(rest: str, domain: str, solver: str, way: str) -> None:
    model, y = built(rest, domain, solver, gradient=way), seen()
    active = float((code(model, y) != 0).double().mean())
    assert active == 1 if domain == "real" and "l1" not in rest and "groups" not in rest else 0.1 < active < 0.95
    found = slopes(model, y)
    for direction in directions(found):
        wanted = change(model, y, direction)
        got = sum(float((slope * along).sum()) for slope, along in zip(found, direction, strict=True))
        assert abs(wanted) > 0.1 and got == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize(
    ("rest", "domain"), [("l1", "real"), ("groups", "real"), ("nothing", "nonnegative"), ("student_t", "real")]
)
def test_both_ways_agree_and_a_constant_has_no_gradient(rest: str, domain: str) -> None:
    y = seen()
    through, around = (slopes(built(rest, domain, gradient=way), y) for way in ("unroll", "implicit"))
    for one, other in zip(through, around, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert any(float(each.abs().max()) > 0.1 for each in around)
    assert not code(built(rest, domain), y).requires_grad


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rest", "domain"), [("l1", "nonnegative"), ("groups beside l1", "real"), ("log_cosh", "real")])
def test_the_energy_itself_has_the_gradient_that_it_has_beside_a_constant_code(rest: str, domain: str, way: str) -> None:
    """The envelope theorem: what moves at a minimum does not change it, to first order. Another loss is changed."""
    found = {}
    for gradient in ("stop", way):
        model = built(rest, domain, gradient=gradient)
        energy = model.infer("code", Y=seen()).energy.sum()
        found[gradient] = torch.autograd.grad(energy, list(model.parameters()), allow_unused=True)
    for one, other in zip(found["stop"], found[way], strict=True):
        assert (one is None) <= (other is None or float(other.abs().max()) < 1e-5)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rest", "domain", "solver"), [("l1", "real", "fista"), ("l1 twice", "nonnegative", "ista"), ("log_cosh", "real", "lbfgs")]
)
def test_what_is_recorded_is_what_is_found(rest: str, domain: str, solver: str) -> None:
    """The same code whether or not gradients are wanted, also where rows stop early or steps run out."""
    for tolerance, steps in ((1e-6, 400), (0.0, 17)):
        model = built(rest, domain, solver, gradient="unroll", tolerance=tolerance, steps=steps)
        with torch.no_grad():
            wanted = model.infer("code", Y=seen())
        found = model.infer("code", Y=seen())
        assert found["Z"].requires_grad and torch.allclose(found["Z"], wanted["Z"], rtol=0, atol=1e-13)
        assert torch.equal(found.steps, wanted.steps) and torch.equal(found.status, wanted.status)
        assert tolerance == 0 or len(set(wanted.steps.tolist())) > 1


@pytest.mark.parametrize("domain", ["real", "nonnegative"])
def test_conjugate_gradients_and_factors_of_the_hessian_agree(domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, y = built("l1", domain, gradient="implicit"), seen()
    factorised = slopes(model, y)
    monkeypatch.setattr(implicit, "DENSE", 0)
    for one, other in zip(factorised, slopes(model, y), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_in_single_precision_and_where_there_are_no_rows(way: str) -> None:
    model = built("l1", gradient=way, tolerance=1e-6)
    assert code(model, seen(0)).shape == (0, 11)
    wanted, found = slopes(model, seen()), slopes(model.float(), seen().float())
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rest", "domain", "solver"), [*CASES[:3], CASES[8], CASES[11], CASES[12]])
def test_no_value_is_looked_at(rest: str, domain: str, solver: str, way: str) -> None:
    model = built(rest, domain, solver, gradient=way, steps=12).to("meta")
    assert all(each.device.type == "meta" for each in slopes(model, seen().to("meta")))


def test_every_solver_whose_steps_can_be_recorded_says_how_much_it_keeps() -> None:
    able = {name: cls for name, cls in leaves("solvers").items() if issubclass(cls, Recordable)}
    assert set(able) == {"ista", "fista", "lbfgs", "gradient"}
    model = built("log_cosh")
    for name, cls in able.items():
        inference = built("log_cosh", solver=name).inferences["code"]
        start = seen().new_zeros(5, 11)
        state = inference.solver.begin(inference.block.problem(start, {"Y": seen()}, model.in_use()))
        kept = sum(each.numel() for each in state if each.is_floating_point() and each.numel() > 5)
        assert cls.codes * start.numel() >= kept > (cls.codes - 2) * start.numel(), name
    assert gradients.memory(model.graph, model.plan.procedures["code"], 100, 7) == 7 * gradients.memory(
        model.graph, model.plan.procedures["code"], 100, 1
    )
