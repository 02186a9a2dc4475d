"""Laws of solvers that can be unrolled: with its own matrices the network is the solver, and gradients pass through all of it."""

from __future__ import annotations

import itertools

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph import registry
from factorgraph.compile import network
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.inference.solvers._unrolled import Unrollable
from factorgraph.spec.load import loads

SOLVERS = [name for name, cls in registry.leaves("solvers").items() if issubclass(cls, Unrollable)]
MATRICES = ("filter", "inhibition", "threshold")
SUBSETS = [subset for size in range(4) for subset in itertools.combinations(MATRICES, size)]

# Two codes of several axes with weights of their own, an offset in the decoder, a second quadratic term, a number beside it.
SPEC = """
factorgraph: 1
seed: 5
variables:
  Y: {{kind: observed, shape: [4, 3]}}
  A: {{kind: latent, shape: [3, 2], domain: {domain}}}
  B: {{kind: latent, shape: [5], domain: {domain}}}
functions:
  left:    {{type: linear}}
  right:   {{type: linear, bias: false}}
  encoder: {{type: linear, activation: tanh}}
  rows:    {{type: pool, kind: l2, window: [1, 2]}}
  all:     {{type: pool, kind: l2, window: [5]}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, left(A) + right(B)], weight: 0.37}}
  prediction:     {{type: squared_distance, between: [B, encoder(Y)], weight: 0.61}}
  offset:         {{type: squared_distance, between: [A, 0.3], weight: 0.11}}
{rest}
inference:
  solver:  {{method: argmin, of: [A, B], solver: {solver}, steps: {steps}, tolerance: 0{start}}}
  network: {{method: unrolled, of: [A, B], solver: {solver}, steps: {steps}, free: [{free}], share: {share}{start}}}
"""
WARM = ", start: {B: encoder(Y)}"
FEW, FEWER = "few: {type: l1, of: A, weight: 0.23}", "fewer: {type: l1, of: B, weight: 0.31}"
ROWS, ALL = "rows: {type: l1, of: rows(A), weight: 0.41}", "all: {type: l1, of: all(B), weight: 0.5}"
MEDIAN, MORE = "median: {type: distance, between: [B, encoder(Y)], weight: 0.2}", "more: {type: l1, of: A, weight: 0.11}"
MAGNITUDES = (FEW, FEWER)
PRIORS = {
    "nothing": (),
    "one of two": (FEW,),
    "twice": (FEW, FEWER, MORE),
    "groups": (ROWS, ALL),
    "groups of one": (ROWS, FEWER),
    "hierarchical": (ROWS, FEW, ALL, FEWER, MORE),
    "median": (ROWS, MEDIAN),
}


def build(
    solver: str,
    free: tuple[str, ...] = MATRICES,
    domain: str = "real",
    share: str = "steps",
    start: str = "",
    steps: int = 12,  # fista restarts by then
    rest: tuple[str, ...] = MAGNITUDES,
) -> Model:
    lines = "\n".join(f"  {each}" for each in rest)
    text = SPEC.format(solver=solver, free=", ".join(free), domain=domain, share=share, start=start, steps=steps, rest=lines)
    model = compiler.build(loads(text)).double()
    with torch.no_grad():
        for name, each in model.named_parameters():
            if name.endswith("left.bias"):
                each.copy_(torch.linspace(-0.4, 0.5, len(each)))  # an offset that starts at zero would show no mistake
    return model


def rows(model: Model, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


def code(model: Model, procedure: str, y: torch.Tensor) -> torch.Tensor:
    found = model.infer(procedure, Y=y)
    return torch.cat([found["A"].flatten(1), found["B"]], 1)


def finished(model: Model, y: torch.Tensor, few: float = 0.23, fewer: float = 0.31) -> torch.Tensor:
    """The solver's code; where it moves one unit a step, after moving all at once to where each costs least by itself."""
    z = code(model, "solver", y)
    if not model.inferences["network"].solver.finishes:
        return z.detach()
    weight = torch.tensor([few] * 6 + [fewer] * 5, dtype=z.dtype)

    def smooth(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return model.energy(Y=y, A=z[:, :6].unflatten(1, (3, 2)), B=z[:, 6:]) - z.abs() @ weight

    point = z.detach().requires_grad_()
    (slope,) = torch.autograd.grad(smooth(point, y).sum(), point)
    curvature = torch.func.hessian(lambda each: smooth(each[None], y[:1])[0])(torch.ones_like(weight)).diagonal()
    far = z - slope / curvature
    near = far.sign() * (far.abs() - weight / curvature).clamp_min(0)
    kept = near.clamp_min(0) if model.graph.variables["A"].domain == "nonnegative" else near
    return kept.detach()


@pytest.mark.parametrize("free", SUBSETS, ids=lambda each: "-".join(each) or "nothing")
@pytest.mark.parametrize("domain", ["real", "nonnegative"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_before_it_is_trained_the_network_is_the_solver(solver: str, domain: str, free: tuple[str, ...]) -> None:
    for share, start in (("steps", ""), ("none", WARM)):
        model = build(solver, free, domain, share, start)
        y = rows(model)
        wanted = finished(model, y)
        assert 0.2 < (wanted != 0).double().mean() < 0.95  # units of both kinds
        torch.testing.assert_close(code(model, "network", y), wanted, atol=1e-12, rtol=0)
        if free:
            model.take("network")
            torch.testing.assert_close(code(model, "network", y), wanted, atol=1e-12, rtol=0)
        torch.testing.assert_close(code(model.float(), "network", y.float()), wanted.float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("domain", ["real", "nonnegative", "simplex"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_so_it_is_with_every_prior_that_the_solver_accepts(solver: str, domain: str, prior: str) -> None:
    """And what the solver refuses, the network does."""
    free = MATRICES[: 2 + any(each in PRIORS[prior] for each in (FEW, ROWS)) * (domain != "simplex")]
    try:
        model = build(solver, free, domain, rest=PRIORS[prior])
    except SpecError as error:
        assert [(each.code, each.path[1]) for each in error.issues] == [("FG402", "solver"), ("FG402", "network")]
        assert domain == "simplex" or solver == "coordinate_descent"
        return
    y = rows(model)
    wanted = finished(model, y, (FEW in PRIORS[prior]) * 0.23 + (MORE in PRIORS[prior]) * 0.11, (FEWER in PRIORS[prior]) * 0.31)
    torch.testing.assert_close(code(model, "network", y), wanted, atol=1e-12, rtol=0)
    model.take("network")
    torch.testing.assert_close(code(model, "network", y), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(code(build(solver, (), domain, rest=PRIORS[prior]), "network", y), wanted, atol=1e-12, rtol=0)
    if prior == "hierarchical" and domain != "simplex":
        lengths = wanted[:, :6].reshape(-1, 2).norm(dim=1)
        assert 0.1 < (lengths == 0).double().mean() < 0.9 and (wanted[:, :6].reshape(-1, 2)[lengths > 0] == 0).any()


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_network_follows_what_its_matrices_are_made_of_until_they_are_taken(solver: str) -> None:
    model = build(solver)
    y = rows(model)
    for taken in (False, True):
        if taken:
            model.take("network")
        before = code(model, "network", y)
        with torch.no_grad():
            model.tensors()["functions.right"]["matrix"].mul_(1.3)
        changed = (code(model, "network", y) - before).abs().max()
        assert (changed < 1e-12) == taken
        assert ((code(model, "network", y) - finished(model, y)).abs().max() < 1e-12) != taken


class Coded(torch.nn.Module):
    """The code of some rows as a function of parameters."""

    def __init__(self, model: Model, y: torch.Tensor) -> None:
        super().__init__()
        self.inner, self.y = model, y

    def forward(self) -> torch.Tensor:
        return code(self.inner, "network", self.y)


@pytest.mark.parametrize("share", ["steps", "none"])
@pytest.mark.parametrize("free", [(), MATRICES], ids=["nothing", "all"])
@pytest.mark.parametrize(
    ("solver", "rest"), [*((each, MAGNITUDES) for each in SOLVERS), ("ista", (FEW, FEWER, ROWS)), ("fista", (FEW, FEWER, ROWS))]
)
def test_gradients_through_the_steps_are_right(solver: str, rest: tuple[str, ...], free: tuple[str, ...], share: str) -> None:
    """Against differences, by every matrix that is freed, and by the encoder that the start and the filter read."""
    model = build(solver, free, share=share, start=WARM, steps=2, rest=rest)
    if free:
        model.take("network")
    coded = Coded(model, rows(model)[:2])
    owners = ("inner.functions.encoder.", "inner.inference.network.")
    tensors = {name: each for name, each in coded.named_parameters() if name.startswith(owners)}
    assert len(tensors) == 2 + bool(free) * (4 + (ROWS in rest))

    def run(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(coded, dict(zip(tensors, values, strict=True)), ())

    start = tuple(each.detach().clone().requires_grad_() for each in tensors.values())
    assert torch.autograd.gradcheck(run, start, fast_mode=True)
    slopes = torch.autograd.grad(run(*start).square().sum(), start)
    assert all((each != 0).any() for each in slopes)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_not_freed_passes_gradients_on_to_what_it_is_made_of(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against differences, with the bound that sets a step's length held, as it counts as a constant."""
    model = build(solver, (), steps=2)
    y = rows(model)[:3]
    first = []

    def held(hessian: torch.Tensor) -> torch.Tensor:
        first.append(eigenvalue_bound(hessian))
        return first[0]

    monkeypatch.setattr(network, "eigenvalue_bound", held)
    random = torch.Generator().manual_seed(3)
    aim = torch.randn(3, 11, generator=random, dtype=torch.float64)
    for name in ("left", "right"):
        matrix = model.tensors()[f"functions.{name}"]["matrix"]
        (slope,) = torch.autograd.grad((code(model, "network", y) * aim).sum(), matrix)
        towards = torch.randn(matrix.shape, generator=random, dtype=torch.float64)
        ends = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                matrix.add_(towards, alpha=step)
                ends.append((code(model, "network", y) * aim).sum())
        torch.testing.assert_close((slope * towards).sum(), (ends[0] - ends[1]) / 2e-6, atol=1e-6, rtol=1e-5)


REFUSED = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [3]}}
functions: {decoder: {type: linear, units: 4}, bent: {type: linear, activation: tanh}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z}
inference:
  network: {method: unrolled, of: Z, solver: ista}
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("solver: ista", "solver: admm", "FG445", "allowed here: .*fista, ista"),
        ("solver: ista", "solver: block_coordinate", "FG445", "allowed here: .*fista, ista"),
        ("decoder(Z)]", "bent(Z)]", "FG446", "reconstruction is Differentiable"),
        ("shape: [3]", "shape: [5000]", "FG446", "at most 4096 units"),
        ("sparsity: {type: l1, of: Z}", "small: {type: squared_distance, between: [Z, 0]}", "FG447", "allowed here: filter"),
        ("[Y, decoder(Z)]", "[0.3, decoder(Z)]", "FG447", "allowed here: inhibition, threshold"),
        ("solver: ista", "solver: ista, free: {threshold: {keep: 0.5}}", "FG210", "only a rate"),
        ("solver: ista", "solver: ista, free: {filter: {kep: 0.5}}", "FG201", 'Did you mean "keep"'),
        ("solver: ista", "solver: ista, free: [filtre]", "", "filter"),
    ],
)
def test_what_cannot_be_unrolled_is_refused_with_what_can(old: str, new: str, code: str, told: str) -> None:
    text = REFUSED.replace(old, new)
    if "free" not in text:
        text = text.replace("solver: ista}", "solver: ista, free: [filter, threshold]}")
    with pytest.raises(SpecError, match=told) as caught:
        compiler.plan(loads(text))
    assert code in str(caught.value)
