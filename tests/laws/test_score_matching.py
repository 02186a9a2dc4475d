"""Laws of score matching: it is its definition by the Hessian, its estimators agree, and what they find is what they promise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import functional

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.lint import lint, strategies_of
from factorgraph.losses.score_matching import ScoreMatching, bends, every_direction
from factorgraph.spec.load import loads
from factorgraph.training.objective import Batch, View

FREE = """
factorgraph: 1
seed: 3
variables:
  X: {kind: observed, shape: [2, 2]}
  Y: {kind: observed, shape: [3]}
  L: {kind: observed, shape: [2], domain: binary}
functions:
  net:   {type: network, layers: 9fc-9fc-fc, activation: softplus}
  along: {type: linear, activation: tanh}
  guess: linear
factors:
  surface: {type: value, of: net(Y), weight: 0.7}
  beside:  {type: squared_distance, between: [X, along(Y)], weight: 0.37}
  heavy:   {type: student_t, of: X, degrees: 3}
  given:   {type: inner_product, between: [L, guess(X)]}
learning: {fit: {loss: {type: score_matching}}}
data: {source: arrays, file: rows.npz, bind: {X: x, Y: y, L: l}}
"""
FOUND = """
factorgraph: 1
seed: 3
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [3]}
functions:
  decoder: {type: linear, bias: false}
  encoder: {type: linear, activation: tanh}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  small:          {type: squared_distance, between: [Z, 0.3], weight: 0.11}
  sparse:         {type: l1, of: Z, weight: 0.05}
inference:
  code: {method: argmin, of: Z, gradient: implicit, steps: 3000, tolerance: 1e-13}
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning: {fit: {loss: {type: score_matching}, inference: code}}
data: {source: arrays, file: rows.npz, bind: {Y: y}}
"""


def built(text: str) -> Model:
    return compiler.build(loads(text)).double()


def seen(model: Model, procedures: tuple[str, ...] = (), factors: tuple[str, ...] = (), **given: Tensor) -> Batch:
    return Batch(View(model, model.program, model.inferences), given, procedures, factors=factors or tuple(model.graph.factors))


def rows(count: int, *shape: int, seed: int = 1) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def free(count: int = 5) -> tuple[Model, Batch]:
    model = built(FREE)
    bits = (rows(count, 2, seed=3) > 0).double()
    return model, seen(model, X=rows(count, 2, 2), Y=rows(count, 3, seed=2), L=bits)


def by_definition(model: Model, batch: Batch) -> float:
    """Row by row, by the whole Hessian."""
    total = 0.0
    for row in range(batch.size):
        x, y, bits = (batch.given[key][row] for key in ("X", "Y", "L"))

        def energy(point: Tensor, bits: Tensor = bits) -> Tensor:
            return model.energy(X=point[:4].reshape(1, 2, 2), Y=point[None, 4:], L=bits[None])[0]

        point = torch.cat([x.flatten(), y])
        slope, hessian = functional.jacobian(energy, point), functional.hessian(energy, point)
        total += (0.5 * slope @ slope - hessian.trace()).item()
    return total / batch.size


def test_exact_is_its_definition_and_so_is_its_gradient() -> None:
    model, batch = free()
    value = ScoreMatching().value(batch)
    assert value.item() == pytest.approx(by_definition(model, batch), rel=1e-10)
    named = {name: each for name, each in model.named_parameters() if each.numel() > 1}
    gradients = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    for parameter, gradient in zip(named.values(), gradients, strict=True):
        place, step, found = parameter.numel() // 2, 1e-5, []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.view(-1)[place] += sign * step
            found.append(by_definition(model, batch))
            with torch.no_grad():
                parameter.view(-1)[place] -= sign * step
        expected = 0.0 if gradient is None else gradient.view(-1)[place].item()
        assert expected == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_sliced_over_a_thousand_directions_is_exact_within_two_percent() -> None:
    model, batch = free()
    many = seen(model, **{key: each.repeat(1000, *[1] * (each.dim() - 1)) for key, each in batch.given.items()})
    exact, sliced = ScoreMatching().value(batch).item(), ScoreMatching(estimator="sliced").value(many).item()
    data = {key: batch.given[key] for key in ("X", "Y")}
    _, bent = bends(batch, data, every_direction(data))
    assert 0 < abs(sliced - exact) < 0.02 * bent.sum().item() / batch.size  # of the trace, for which directions stand


def test_denoising_is_its_definition() -> None:
    model, batch = free()
    noise = {key: batch.normal(batch.given[key], key) for key in ("X", "Y")}
    assert not torch.equal(noise["X"].flatten()[:4], noise["Y"].flatten()[:4])
    moved = {key: (batch.given[key] + 0.3 * each).requires_grad_() for key, each in noise.items()}
    slopes = torch.autograd.grad(model.energy(**moved, L=batch.given["L"]).sum(), list(moved.values()))
    errors = [(0.3 * slope - each).square().flatten(1).sum(1) for slope, each in zip(slopes, noise.values(), strict=True)]
    loss = ScoreMatching(estimator="denoising", sigma=0.3)
    torch.testing.assert_close(loss.value(batch), sum(errors).mean() / 2)  # type: ignore[union-attr]


GAUSSIAN = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [3]}
factors:
  density: {type: gaussian, of: Y, precision: full}
"""


def precision(loss: ScoreMatching, y: Tensor, model: Model) -> Tensor:
    """Where the loss of a Gaussian's precision is least, and whether it got there."""
    (parameter,) = model.parameters()
    with torch.no_grad():
        parameter.zero_()
    ends = {"max_iter": 500, "tolerance_grad": 1e-10, "tolerance_change": 1e-14}
    search = torch.optim.LBFGS([parameter], line_search_fn="strong_wolfe", **ends)

    def again() -> Any:
        value = loss.value(seen(model, Y=y))
        (parameter.grad,) = torch.autograd.grad(value, [parameter])
        return value.detach()

    search.step(again)
    triangle = parameter.detach().tril(-1) + parameter.detach().diagonal().exp().diag()
    return torch.linalg.inv(triangle @ triangle.T)


def test_a_gaussian_gets_the_precision_of_data_and_by_denoising_that_of_noisy_data(monkeypatch: pytest.MonkeyPatch) -> None:
    model, count, sigma = built(GAUSSIAN), 400, 0.6
    y = rows(count, 3) @ rows(3, 3, seed=5)
    moments = y.T @ y / count
    torch.testing.assert_close(precision(ScoreMatching(), y, model), torch.linalg.inv(moments), rtol=1e-3, atol=1e-5)
    noise = rows(count, 3, seed=9)  # made such that it has the moments of all normal noise, and none with the data
    basis, _ = torch.linalg.qr(torch.cat([y, noise], 1))
    monkeypatch.setattr(Batch, "normal", lambda self, like, purpose: count**0.5 * basis[:, 3:])
    found = precision(ScoreMatching(estimator="denoising", sigma=sigma), y, model)
    torch.testing.assert_close(found, torch.linalg.inv(moments + sigma**2 * torch.eye(3)), rtol=1e-3, atol=1e-5)


def least(decoder: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The slope and the curvature of min over Z, by its active set: (rows, 4), (rows, 4, 4)."""
    slopes, curves = [], []
    for row in y:
        z = torch.zeros(3, dtype=torch.float64)
        hessian = 2 * 0.37 * decoder.T @ decoder + 2 * 0.11 * torch.eye(3)
        for _ in range(600):
            v = z - (hessian @ z - 2 * 0.37 * decoder.T @ row - 2 * 0.11 * 0.3) / 3
            z = v.sign() * (v.abs() - 0.05 / 3).clamp_min(0)
        on = decoder[:, z != 0]
        slopes.append(2 * 0.37 * (row - decoder @ z))
        within = torch.linalg.inv(2 * 0.37 * on.T @ on + 2 * 0.11 * torch.eye(on.shape[1]))
        curves.append(2 * 0.37 * torch.eye(4) - (2 * 0.37) ** 2 * on @ within @ on.T)
    return torch.stack(slopes), torch.stack(curves)


@pytest.mark.parametrize("estimator", ["exact", "denoising"])
def test_through_a_search_it_sees_the_curvature_of_the_least_energy(estimator: str) -> None:
    model, y = built(FOUND), rows(2, 4)
    decoder = model.get_parameter("functions.decoder.matrix")
    loss = ScoreMatching(estimator=estimator)

    def expected() -> float:
        if estimator == "exact":
            slopes, curves = least(decoder.detach(), y)
            return float((slopes.square().sum(1) / 2 - curves.diagonal(dim1=1, dim2=2).sum(1)).mean())
        noise = seen(model, Y=y).normal(y, "Y")
        slopes, _ = least(decoder.detach(), y + 0.1 * noise)
        return float((0.1 * slopes - noise).square().sum(1).mean() / 2)

    value = loss.value(seen(model, ("code",), Y=y))
    assert value.item() == pytest.approx(expected(), rel=1e-6)
    (gradient,) = torch.autograd.grad(value, [decoder])
    for place in (0, 7):
        found = []
        for sign in (1, -1):
            with torch.no_grad():
                decoder.view(-1)[place] += sign * 1e-5
            found.append(expected())
            with torch.no_grad():
                decoder.view(-1)[place] -= sign * 1e-5
        assert gradient.view(-1)[place].item() == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-3, abs=1e-7)


def refused(text: str, **changes: Any) -> tuple[str, str, str]:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text).with_changes({key.replace("__", "."): each for key, each in changes.items()}, "test"))
    (issue,) = caught.value.issues
    assert issue.place is not None and issue.place.line
    return issue.code, issue.message, issue.fix


RELU = {"type": "network", "layers": "9fc-9fc-fc"}


def test_what_it_cannot_see_through_is_refused_with_what_would_do() -> None:
    code, message, fix = refused(FREE, functions__net=RELU)
    assert code == "FG472" and "net (network) has corners" in message
    assert "functions.net.activation: softplus" in fix and "estimator: denoising" in fix
    compiler.plan(loads(FREE).with_changes({"functions.net": RELU, "learning.fit.loss.estimator": "denoising"}, "test"))
    code, message, fix = refused(FREE, functions__net={"type": "network", "layers": "9fc-bn-fc", "activation": "tanh"})
    assert code == "FG472" and "the rows of a batch change each other" in message
    code, message, fix = refused(FREE, factors__heavy={"type": "l1", "of": "X"}, learning__fit__loss__estimator="denoising")
    assert code == "FG472" and "heavy (l1)" in message and "log_cosh" in fix
    compiler.plan(loads(FREE).with_changes({"functions.net": RELU, "factors.surface.weight": 0}, "test"))
    bits = FREE.replace("shape: [2, 2]}", "shape: [2, 2], domain: binary}").replace("shape: [3]}", "shape: [3], domain: binary}")
    code, message, fix = refused(bits)
    assert code == "FG471" and "X (binary)" in message and "ratio_matching" in fix


def test_a_search_that_does_not_tell_how_its_code_moves_is_refused() -> None:
    compiler.plan(loads(FOUND))
    code, message, fix = refused(FOUND, inference__code__gradient="stop")
    assert code == "FG473" and "how Z moves with Y" in message and "gradient: implicit" in fix
    choice = FOUND.replace("shape: [3]}", "shape: [3], domain: one_hot}").replace("gradient: implicit, ", "")
    assert "method: marginal" in refused(choice)[2]
    code, message, fix = refused(FOUND, learning__fit__inference="fast")  # an l1 that moves with the data
    assert code == "FG472" and "sparse (l1)" in message
    smooth = {"learning.fit.inference": "fast", "learning.fit.without": "sparse"}
    compiler.plan(loads(FOUND).with_changes(smooth, "test"))
    code, message, fix = refused(FOUND, **{**smooth, "functions.encoder.activation": "relu"})
    assert code == "FG472" and "encoder.activation (relu)" in message and "functions.encoder.activation: softplus" in fix


def test_denoising_through_corners_is_warned_of() -> None:
    def told(**changes: Any) -> list[str]:
        spec = loads(FREE).with_changes({"learning.fit.loss.estimator": "denoising", **changes}, "test")
        graph = resolve(spec)
        return [f"{each.code} {each.fix}" for each in lint(graph, compiler.plan(spec, graph))]

    assert told() == []
    assert told(**{"functions.net": RELU}) == ["FGW266 functions.net.activation: softplus"]


def test_explain_names_its_strategy() -> None:
    spec = loads(FREE)
    graph = resolve(spec)
    (found,) = [each for each in strategies_of(graph, compiler.plan(spec, graph)) if "score_matching" in str(each)]
    assert str(found) == "flat at the data, and curved around them: the loss score_matching"
