"""Learning through a search: what is refused and why, what is told of it, what a phase trains, codes without a derivative."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.cli.explain_ import _plan
from factorgraph.compile.learning import Learning
from factorgraph.compile.through import dependent
from factorgraph.errors import SpecError
from factorgraph.inference.implicit import Near, respond
from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec

TEXT = """
factorgraph: 1
variables:
  Y:     {kind: observed, shape: [7]}
  label: {kind: observed, shape: [3], domain: one_hot, given: training}
  Z:     {kind: latent, shape: [5]}
functions:
  decoder:    {type: linear, bias: false}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparsity:       {type: l1, of: Z, weight: 0.2}
  classification: {type: cross_entropy, between: [label, classifier(Z)]}
inference:
  code: {method: argmin, of: Z, without: [classification], gradient: implicit, steps: 2000, tolerance: 1e-9}
learning:
  task: {only: [classification], steps: 3, batch_size: 100}
"""


def spec(**changes: Any) -> Spec:
    return loads(TEXT).with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test")


def refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as error:
        compiler.plan(spec(**changes))
    return str(error.value)


@pytest.mark.parametrize("way", ["implicit", "unroll"])
@pytest.mark.parametrize("domain", ["binary", "one_hot"])
def test_a_code_that_jumps_has_no_gradient(domain: str, way: str) -> None:
    told = refusal(variables__Z__domain=domain, inference__code__gradient=way)
    assert "FG436" in told and f"Z is {domain}" in told and "nonnegative or simplex" in told


def test_a_kink_that_moves_has_no_active_set_but_steps() -> None:
    far: dict[str, Any] = {"factors__sparsity": {"type": "distance", "between": ["Z", "decoder.transpose(Y)"], "weight": 0.2}}
    told = refusal(**far)
    assert "FG436" in told and "sparsity is distance" in told and "gradient: unroll" in told
    assert compiler.plan(spec(**far, inference__code__gradient="unroll")).procedures["code"].solver


def test_solvers_whose_steps_cannot_be_recorded() -> None:
    for solver in ("admm", "coordinate_descent"):
        told = refusal(inference__code__gradient="unroll", inference__code__solver=solver)
        assert "FG437" in told and solver in told and "fista" in told
        assert compiler.plan(spec(inference__code__solver=solver))  # the way does not matter to what holds at its end
    smooth = {"factors__sparsity": {"type": "squared_distance", "between": ["Z", 0], "weight": 0.2}}
    assert compiler.plan(spec(**smooth)).procedures["code"].solver == {"type": "exact"}
    unrolled = compiler.plan(spec(**smooth, inference__code__gradient="unroll")).procedures["code"].solver
    assert unrolled is not None and unrolled["type"] in ("fista", "lbfgs", "gradient", "ista")


def test_steps_that_do_not_fit() -> None:
    told = refusal(inference__code__gradient="unroll", inference__code__steps=10**8)
    assert "FG438" in told and "for 100 rows takes" in told and "16 GiB" in told
    assert compiler.plan(spec(inference__code__steps=10**8))
    data = {"source": "planted_codes", "units": 7, "atoms": 5, "count": 1234, "bind": {"Y": "signal"}}
    every = {"task": {"steps": 3, "batch_size": "all", "without": ["classification"]}}
    told = refusal(inference__code__gradient="unroll", inference__code__steps=10**8, data=data, learning=every)
    assert "FG438" in told and "for 1234 rows takes" in told


def test_explain_tells_the_damping_and_the_memory(tmp_path: Any) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(TEXT)
    assert "by the conditions of optimality on the active set, damped by the root of the precision" in _plan(str(file), ())
    told = _plan(str(file), ("inference.code.gradient=unroll",))
    # 200 stretches of a state of two codes, and ten steps of six: (400 + 60) codes of 5 numbers for 100 rows
    assert f"through at most 2000 steps, of which every 10th is kept: {460 * 5 * 100 * 4 / 2**20:.3g} MiB for 100 rows" in told
    assert "learns" not in _plan(str(file), ("inference.code.gradient=stop",))


@pytest.mark.parametrize(
    ("way", "trains"), [("stop", {"classifier"}), ("implicit", {"classifier", "decoder"}), ("unroll", {"classifier", "decoder"})]
)
def test_a_loss_reaches_what_the_code_was_found_by(way: str, trains: set[str]) -> None:
    (phase,) = compiler.plan(spec(inference__code__gradient=way)).phases
    assert {each.split(".")[1] for each in phase.parameters} == trains


def test_closed_form_knows_that_codes_move() -> None:
    told = refusal(learning={"task": {"optimizer": "closed_form", "train": "decoder", "steps": 3}}, inference__code__without=[])
    assert "FG434" in told and "move with it" in told


def alike(way: str = "implicit") -> Any:
    """A model two of whose columns are equal, and active in all rows, as proximal steps leave them."""
    model = compiler.build(spec(inference__code__gradient=way, inference__code__solver="fista")).double()
    with torch.no_grad():
        matrix = model.tensors()["functions.decoder"]["matrix"]
        matrix[:, 1] = matrix[:, 0]
    y = 5 * matrix[:, :1].T.detach() + 0.3 * torch.randn(4, 7, generator=torch.Generator().manual_seed(2)).double()
    return model, y


def test_units_that_depend_on_each_other_are_told_with_their_block() -> None:
    model, y = alike()
    known = model.infer("code", Y=y)
    assert bool((known["Z"][:, :2] > 0).all())
    with pytest.warns(UserWarning, match="4 of 4 codes of Z have active units that depend on each other"):
        loss = (known["Z"] @ torch.linspace(-1, 1, 5).double()).sum()  # which would have the code move along what nothing holds
        found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    assert all(each is None or float(each.abs().max()) < 100 for each in found)
    learning = Learning(0, (), ())
    values = model.run(("code",), {"Y": y}, model.inferences, learning)["code"].values
    torch.autograd.grad(values["Z"].square().sum(), list(model.parameters()), allow_unused=True)
    assert [(int(rows), among) for rows, among in learning.dependent.values()] == [(4, 4)]
    told = dependent(model.plan.procedures["code"], 4, 4)
    assert told.code == "FGW254" and "codes of Z" in told.message


def test_what_is_held_still_has_its_gradient_beside_what_is_not() -> None:
    """Of two equal columns the sum of their units is held: a loss of it has the gradient of one unit in their place."""
    model, y = alike()
    with pytest.warns(UserWarning):
        (both,) = torch.autograd.grad(model.infer("code", Y=y.requires_grad_())["Z"][:, :2].sum(), y)
    single = compiler.build(spec(variables__Z__shape=[4])).double()
    with torch.no_grad():
        single.tensors()["functions.decoder"]["matrix"].copy_(model.tensors()["functions.decoder"]["matrix"][:, 1:])
    (one,) = torch.autograd.grad(single.infer("code", Y=y)["Z"][:, 0].sum(), y)
    torch.testing.assert_close(both, one, rtol=1e-6, atol=1e-7)


def around(hessian: torch.Tensor, free: torch.Tensor, formed: bool) -> Near:
    def along(v: torch.Tensor) -> torch.Tensor:
        return torch.where(free, v, 0)

    return Near(torch.ones_like(free, dtype=hessian.dtype), free, along, lambda v: v @ hessian, hessian if formed else None)


@pytest.mark.parametrize("formed", [True, False])
def test_the_linear_system_of_each_row(formed: bool) -> None:
    """Against numpy, row by row; the third row's active units depend, and it has the least-squares answer of least norm."""
    random = torch.Generator().manual_seed(3)
    root = torch.randn(6, 6, generator=random, dtype=torch.float64)
    root[:, 5] = root[:, 4]
    hessian, pull = root.T @ root, torch.randn(4, 6, generator=random, dtype=torch.float64)
    free = torch.tensor([[1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 0]]).bool()
    answer, flat = respond(around(hessian, free, formed), pull)
    assert flat.tolist() == [False, False, True, False]
    for row in range(4):
        own = free[row].nonzero()[:, 0]
        wanted = torch.zeros(6, dtype=torch.float64)
        if row != 2 or formed:  # conjugate gradients end where they meet a flat direction, with what they have by then
            wanted[own] = torch.linalg.pinv(hessian[own][:, own], rtol=1e-10, hermitian=True) @ pull[row, own]
            torch.testing.assert_close(answer[row], wanted, rtol=1e-5, atol=1e-6)
    assert bool(torch.isfinite(answer).all())


@pytest.mark.parametrize("formed", [True, False])
def test_a_batch_in_which_nothing_can_move(formed: bool) -> None:
    answer, flat = respond(around(torch.eye(6), torch.zeros(4, 6, dtype=torch.bool), formed), torch.ones(4, 6))
    assert flat.tolist() == [False] * 4 and answer.tolist() == [[0.0] * 6] * 4


@pytest.mark.parametrize("formed", [True, False])
def test_units_that_depend_without_a_small_pivot(formed: bool) -> None:
    """Kahan's matrix: its smallest eigenvalue is 1e-15, and no pivot of its Cholesky factor below 4e-6."""
    units, sine = 60, 0.9
    scale = torch.diag(sine ** torch.arange(units, dtype=torch.float64))
    upper = torch.triu(torch.ones(units, units, dtype=torch.float64), 1)
    root = scale @ (torch.eye(units, dtype=torch.float64) - (1 - sine**2) ** 0.5 * upper)
    hessian = root.T @ root
    assert float(torch.linalg.eigvalsh(hessian)[0]) < 1e-14 and float(root.diagonal().square().min()) > 3e-6
    near = around(hessian, torch.ones(1, units, dtype=torch.bool), formed)
    answer, flat = respond(near, torch.ones(1, units, dtype=torch.float64))
    damping = float(near.damping())
    assert flat.tolist() == [True] and float(answer @ hessian @ answer.T) > damping * float(answer.square().sum())
    values, vectors = torch.linalg.eigh(hessian)
    held = values > damping
    if formed:
        expected = vectors[:, held] @ (vectors[:, held].sum(0) / (values[held] + damping))
        torch.testing.assert_close(answer[0], expected, rtol=1e-3, atol=1e-4)


def test_small_curvature_alone_is_no_dependence() -> None:
    """The trace of the inverse does not clear this row, and its eigenvalues do."""
    curvature = torch.tensor([1, *[1.2e-8] * 5], dtype=torch.float64)
    near = around(curvature.diag(), torch.ones(1, 6, dtype=torch.bool), True)
    assert 2 * float(near.damping()) * float((1 / (curvature + near.damping())).sum()) > 1
    answer, flat = respond(near, torch.ones(1, 6, dtype=torch.float64))
    assert flat.tolist() == [False]
    torch.testing.assert_close(answer[0], 1 / (curvature + near.damping()))


def test_steps_of_a_network_may_count_as_a_constant() -> None:
    """Then the loss lowers the energy beside its code, and its matrices are reached by nothing."""
    network = {"method": "unrolled", "of": "Z", "solver": "ista", "steps": 3, "free": "filter", "without": ["classification"]}
    task = {"without": ["classification"], "steps": 3}
    learned = compiler.plan(spec(inference__code=network, learning={"task": task})).phases[0].parameters
    assert {each.split(".")[1] for each in learned} == {"code", "decoder"}
    still = spec(inference__code={**network, "gradient": "stop"}, learning={"task": task})
    assert {each.split(".")[1] for each in compiler.plan(still).phases[0].parameters} == {"decoder"}
    y = torch.randn(4, 7)
    assert not compiler.build(still).infer("code", Y=y)["Z"].requires_grad
    told = refusal(inference__code={**network, "gradient": "implicit"})
    assert "unroll, stop" in told and "FG205" not in told
