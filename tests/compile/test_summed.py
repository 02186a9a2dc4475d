"""Blocks that are summed out: the free energy, its derivatives and the posterior, against sums that are written out by hand."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.compile.plan import from_json
from factorgraph.compile.summed import ENTROPY
from factorgraph.errors import SpecError
from factorgraph.spec.load import loads
from factorgraph.training.objective import Batch, View

MACHINE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [5], domain: binary}
  Z: {kind: latent, shape: [3], domain: binary}
functions:
  W: {type: linear, bias: false}
factors:
  interaction:  {type: inner_product, between: [Z, W(Y)], weight: -0.7}
  visible_bias: {type: bias, of: Y}
  hidden_bias:  {type: bias, of: Z}
inference:
  closed:     {method: marginal, of: Z, beta: BETA}
  tried:      {method: marginal, of: Z, beta: BETA, solver: enumerate}
  everything: {method: marginal, of: [Y, Z], beta: BETA}
  written:    {method: marginal, of: [Y, Z], beta: BETA, solver: enumerate}
"""
MIXTURE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2]}
  C: {kind: latent, shape: [3], domain: one_hot}
  X: {kind: latent, shape: [2]}
functions:
  means:   {type: linear, bias: false}
  loading: {type: linear, bias: false}
factors:
  noise: {type: gaussian, between: [Y, means(C) + loading(X)], precision: diagonal, by: C, floor: 0.1}
  prior: {type: gaussian, of: X, precision: scalar}
  share: {type: categorical, of: C}
inference:
  both:       {method: marginal, of: [C, X], beta: BETA}
  everything: {method: marginal, of: [Y, C, X], beta: BETA}
  grid:       {method: marginal, of: [C, X], beta: BETA, solver: {type: grid, range: 12, points: 240}}
"""


def made(text: str, beta: float = 1.0, double: bool = True, seed: int = 3) -> Model:
    model = compiler.build(loads(text.replace("BETA", f"{beta}")))
    with torch.no_grad():
        source = torch.Generator().manual_seed(seed)
        for each in model.parameters():
            each.copy_(0.8 * torch.randn(each.shape, generator=source))
    return model.double() if double else model


def bits(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def free(model: Model, procedure: str, **given: Tensor) -> Tensor:
    view = View(model, model.program, model.inferences)
    return Batch(view, model.assign(given), (procedure,), factors=tuple(model.graph.factors)).free_energy()


def log_partition(model: Model, procedure: str, **given: Tensor) -> Tensor:
    return Batch(View(model, model.program, model.inferences), model.assign(given), ()).log_partition(procedure)


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_hidden_units_are_summed_in_closed_form(beta: float) -> None:
    model, y = made(MACHINE, beta), bits(5)
    energies = torch.stack([model.energy(Y=y, Z=z.expand(32, 3)) for z in bits(3)], 1)
    right = -torch.logsumexp(-beta * energies, 1) / beta
    chance = torch.softmax(-beta * energies, 1)
    tensors = {key: each.detach() for key, each in model.named_parameters()}
    w, a, c = tensors["functions.W.matrix"], tensors["factors.visible_bias.bias"], tensors["factors.hidden_bias.bias"]
    formula = y @ a - torch.nn.functional.softplus(beta * (0.7 * y @ w.T - c)).sum(1) / beta
    torch.testing.assert_close(right, formula, rtol=0, atol=1e-12)
    for procedure in ("closed", "tried"):
        torch.testing.assert_close(free(model, procedure, Y=y), right, rtol=0, atol=1e-10)
        found = model.infer(procedure, Y=y)
        torch.testing.assert_close(found["Z"], chance @ bits(3), rtol=0, atol=1e-10)
        torch.testing.assert_close(found.energy, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_the_shares_are_means_under_the_posterior_and_add_up(beta: float) -> None:
    model, y = made(MACHINE, beta), bits(5)
    energies = torch.stack([model.energy(Y=y, Z=z.expand(32, 3)) for z in bits(3)], 1)
    chance = torch.softmax(-beta * energies, 1)
    parts = [model.program.shares(model.graph.factors, {"Y": y, "Z": z.expand(32, 3)}, model.tensors()) for z in bits(3)]
    for procedure in ("closed", "tried"):
        shares = model.infer(procedure, Y=y).shares
        for key in model.graph.factors:
            right = sum(chance[:, place] * part[key] for place, part in enumerate(parts))
            torch.testing.assert_close(shares[key], right, rtol=0, atol=1e-10)
        torch.testing.assert_close(shares[ENTROPY], (chance * chance.log()).sum(1) / beta, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_the_partition_function_of_a_machine_is_that_of_all_its_states(beta: float) -> None:
    model = made(MACHINE, beta)
    assert model.plan.procedures["everything"].closed == ("Y",)  # the larger half: 8 values of Z are tried, and not 256
    energies = torch.stack([model.energy(Y=y[None], Z=z[None]) for y in bits(5) for z in bits(3)])
    for procedure in ("everything", "written"):
        found = log_partition(model, procedure, Y=bits(5))
        torch.testing.assert_close(found, torch.logsumexp(-beta * energies, 0) / beta, rtol=0, atol=1e-10)


def direct(model: Model, y: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """F and the chance of each choice by torch's own Gaussians, for ``beta`` 1: Y given C is Gaussian once X is integrated."""
    found = {key: each.detach() for key, each in model.named_parameters()}
    loading, means = found["functions.loading.matrix"], found["functions.means.matrix"]
    variance = torch.exp(-found["factors.noise.log_precision"]) + 0.1
    width = torch.exp(-found["factors.prior.log_precision"])
    logs = []
    for choice in range(3):
        covariance = variance[choice].diag() + width * loading @ loading.T
        logs.append(torch.distributions.MultivariateNormal(means[:, choice], covariance).log_prob(y))
    joint = torch.stack(logs, 1) + torch.log_softmax(found["factors.share.logits"], 0)
    return -torch.logsumexp(joint, 1), torch.softmax(joint, 1)


def test_gaussians_are_integrated_for_each_choice() -> None:
    model, y = made(MIXTURE), torch.randn(7, 2, dtype=torch.float64)
    right, chance = direct(model, y, 1.0)
    torch.testing.assert_close(free(model, "both", Y=y), right, rtol=0, atol=1e-10)
    torch.testing.assert_close(model.infer("both", Y=y)["C"], chance, rtol=0, atol=1e-10)
    torch.testing.assert_close(log_partition(model, "everything", Y=y), torch.zeros(1).double(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_a_grid_comes_to_the_same_as_the_closed_form(beta: float) -> None:
    model, y = made(MIXTURE, beta), torch.randn(3, 2, dtype=torch.float64)
    exact, grid = model.infer("both", Y=y), model.infer("grid", Y=y)
    torch.testing.assert_close(grid.energy, exact.energy, rtol=0, atol=1e-6)
    for key in ("C", "X"):
        torch.testing.assert_close(grid[key], exact[key], rtol=0, atol=1e-6)
    for key, share in exact.shares.items():
        torch.testing.assert_close(grid.shares[key], share, rtol=0, atol=1e-6)


# --- derivatives ----------------------------------------------------------------------------------------------------------------


def test_derivatives_of_every_order_are_those_of_the_free_energy() -> None:
    """By the observed variables twice, where they may take any value, and by parameters of their gradient."""
    for text, procedure, units in ((MACHINE, "closed", 5), (MACHINE, "tried", 5), (MIXTURE, "both", 2)):
        model = made(text, 0.9)
        y = torch.randn(2, units, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda y, m=model, p=procedure: free(m, p, Y=y), (y,))
        assert torch.autograd.gradgradcheck(lambda y, m=model, p=procedure: free(m, p, Y=y), (y,))
        for parameter in model.parameters():
            slope = torch.autograd.grad(free(model, procedure, Y=y).square().sum(), parameter)[0]
            flat = parameter.detach().view(-1)
            for place in range(0, len(flat), 3):
                kept = flat[place].item()
                ends = []
                for move in (1e-5, -1e-5):
                    flat[place] = kept + move
                    ends.append(free(model, procedure, Y=y).square().sum().item())
                flat[place] = kept
                assert slope.view(-1)[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_a_loss_that_sees_other_factors_takes_their_mean_under_the_procedure_s_posterior() -> None:
    model, y = made(MACHINE), bits(5)
    batch = Batch(View(model, model.program, model.inferences), {"Y": y}, ("closed",), factors=("interaction",))
    energies = torch.stack([model.energy(Y=y, Z=z.expand(32, 3)) for z in bits(3)], 1)
    chance = torch.softmax(-energies, 1)
    pairs = [{"Y": y, "Z": z.expand(32, 3)} for z in bits(3)]
    seen = torch.stack([model.program.shares(("interaction",), each, model.tensors())["interaction"] for each in pairs], 1)
    torch.testing.assert_close(batch.free_energy(), (chance * (seen + chance.log())).sum(1), rtol=0, atol=1e-10)
    bias = model.get_parameter("factors.hidden_bias.bias")
    (slope,) = torch.autograd.grad(batch.free_energy().sum(), bias)
    (right,) = torch.autograd.grad((chance * (seen + chance.log())).sum(), bias)
    torch.testing.assert_close(slope, right, rtol=0, atol=1e-10)
    assert slope.abs().max() > 0.1


def test_single_precision_follows_double() -> None:
    y = torch.randn(9, 2)
    single, double = made(MIXTURE, double=False), made(MIXTURE)
    torch.testing.assert_close(free(single, "both", Y=y), free(double, "both", Y=y.double()).float(), rtol=1e-5, atol=1e-5)
    assert log_partition(single, "everything", Y=y).dtype == torch.float64


# --- what is refused ------------------------------------------------------------------------------------------------------------


def refusals(text: str) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    return [(each.code, " ".join((each.message, *each.notes, each.fix))) for each in caught.value.issues]


TIED = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [24]}
  H: {kind: latent, shape: [UNITS], domain: DOMAIN}
functions:
  decoder: linear
  lateral: {type: linear, bias: false}
factors:
  error: {type: squared_distance, between: [Y, decoder(H)]}
  ties:  {type: FACTOR}
inference:
  sum: {method: marginal, of: H}
"""


@pytest.mark.parametrize(
    ("units", "domain", "factor", "told"),
    [
        (24, "binary", "inner_product, between: [H, lateral(H)]", "at most 65536 values to try; 24 units have 16777216 together"),
        (4, "real", "log_cosh, of: H", "at most 3 units; there are 4"),
        (3, "real", "l1, of: H", ""),
        (3, "simplex", "l1, of: H", "on a simplex"),
        (4, "real", "squared_distance, between: [H, 0], weight: -1", "ties is Quadratic and not convex"),
    ],
)
def test_what_cannot_be_summed_is_refused_with_what_keeps_it(units: int, domain: str, factor: str, told: str) -> None:
    text = TIED.replace("UNITS", f"{units}").replace("DOMAIN", domain).replace("FACTOR", factor)
    if not told:
        assert (compiler.plan(loads(text)).procedures["sum"].solver or {})["type"] == "grid"
        return
    ((code, said),) = refusals(text)
    assert code == "FG453" and told in said


def test_what_nothing_keeps_finite_is_not_integrated() -> None:
    text = TIED.replace("UNITS", "4").replace("DOMAIN", "real").replace("FACTOR", "bias, of: H")
    ((code, said),) = refusals(text.replace("type: squared_distance, between: [Y, decoder(H)]", "type: bias, of: Y"))
    assert code == "FG453" and "nothing keeps it from running away" in said


def test_a_grid_of_so_many_points_is_refused() -> None:
    text = TIED.replace("UNITS", "3").replace("DOMAIN", "real").replace("FACTOR", "l1, of: H")
    ((code, said),) = refusals(text.replace("marginal, of: H}", "marginal, of: H, solver: {type: grid, points: 200}}"))
    assert code == "FG453" and "8000000 values" in said


def test_a_solver_that_cannot_sum_this_is_told_which_can() -> None:
    text = TIED.replace("UNITS", "4").replace("DOMAIN", "binary").replace("FACTOR", "bias, of: H")
    for solver, fix in (("exact", "enumerate"), ("grid", "enumerate"), ("fista", "enumerate")):
        ((code, said),) = refusals(text.replace("marginal, of: H}", f"marginal, of: H, solver: {solver}}}"))
        assert code == "FG453" and f"solver: {fix}" in said
    ((code, said),) = refusals(text.replace("marginal, of: H}", "argmin, of: H, solver: grid}"))
    assert code == "FG402" and "looks for no minimum" in said


def test_what_is_tied_is_summed_by_one_procedure() -> None:
    both = "both:       {method: marginal, of: [C, X], beta: BETA}"
    apart = "first: {method: marginal, of: C, only: share}\n  second: {method: marginal, of: X}"
    text = MIXTURE.replace(both, apart).replace("  grid: ", "  #").replace("BETA", "1") + (
        "learning: {fit: {loss: energy, steps: 1}}\ndata: {source: curve, bind: {Y: point}}\n"
    )
    ((code, said),) = refusals(text)
    assert code == "FG455" and "of: [C, X]" in said


def test_columns_are_not_moved_at_each_step_where_all_codes_count() -> None:
    text = MIXTURE.replace("BETA", "1").replace("precision: diagonal, by: C, floor: 0.1", "precision: unit") + (
        "learning: {fit: {loss: energy, steps: 1, optimizer: online_dictionary, train: means}}\n"
        "data: {source: curve, bind: {Y: point}}\n"
    )
    assert [code for code, _ in refusals(text)] == ["FG434"]


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_weighted_points_have_the_means_of_the_posterior(beta: float) -> None:
    """Of what is linear in binary units, and of what is quadratic in a Gaussian's: its shares are those of the energy."""
    for text, procedure, given in ((MACHINE, "closed", bits(5)), (MACHINE, "tried", bits(5)), (MIXTURE, "both", None)):
        model = made(text, beta)
        y = torch.randn(7, 2, dtype=torch.float64) if given is None else given
        shares, seen = model.infer(procedure, Y=y).shares, model.inferences[procedure](({"Y": y}), model.tensors()).summed
        assert seen is not None
        found: dict[str, Tensor] = {}
        for block, weight in seen.points():
            rows = y.repeat_interleave(len(weight) // len(y), 0)
            for key, each in model.program.shares(seen.sum.touched, {"Y": rows, **block}, model.tensors()).items():
                found[key] = found.get(key, torch.zeros(len(y))) + (each * weight).reshape(len(y), -1).sum(1)
        for key, each in found.items():
            torch.testing.assert_close(each, shares[key], rtol=0, atol=1e-10)


def test_a_plan_that_was_stored_is_followed_and_another_is_not() -> None:
    spec = loads(MIXTURE.replace("BETA", "1"))
    stored = compiler.plan(spec)
    again = from_json(json.loads(stored.to_json()))
    assert again == stored
    compiler.build(spec, again)
