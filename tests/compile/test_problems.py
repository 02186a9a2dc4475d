"""Minima where terms depend on what stands still, on what is learned and on domains, against closed forms and plain search."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import Field
from scipy.optimize import minimize
from sklearn.linear_model import Lasso

import factorgraph as fg
from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.compile.program import Program
from factorgraph.graph.resolve import resolve
from factorgraph.spec.expressions import Expression
from factorgraph.spec.load import loads
from factorgraph.structure import Factor, Glyph, Proximal
from tests.compile.test_model import array, rows

BATCH = 7
TEXT = """
factorgraph: 1
dims: {pixels: 9, units: 4}
variables:
  Y: {kind: observed, shape: [pixels]}
  K: {kind: observed, shape: [3], domain: one_hot}
  Z: {kind: latent, shape: [units]}
functions:
  decoder: {type: linear, bias: false}
  guess: {type: linear, units: units}
factors:
  likelihood: {type: squared_distance, between: [Y, decoder(Z)]}
  prior: {type: squared_distance, between: [Z, 0], weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, steps: 20000, tolerance: 1e-10}
"""
LIKELIHOOD = {"type": "gaussian", "between": ["Y", "decoder(Z)"], "precision": "diagonal"}
BY_SAMPLE = {"type": "squared_distance", "between": ["Y", "decoder(Z * guess(Y))"]}
NOTHING = {"type": "l1", "of": "Z", "weight": 0}


def model_of(dtype: torch.dtype = torch.float64, text: str = TEXT, **changes: Any) -> Model:
    """The spec with values at addresses, its learned tensors away from where they start."""
    spec = loads(text).with_changes({key.replace("__", "."): value for key, value in changes.items()}, "test")
    model = fg.build(spec).to(dtype)
    source = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if name.startswith("factors") or "bias" in name:
                each.add_(0.8 * torch.randn(each.shape, generator=source, dtype=torch.float64).to(dtype))
    return model


def given(model: Model) -> dict[str, torch.Tensor]:
    kinds = torch.eye(3)[torch.arange(BATCH) % 3]
    values = {"Y": rows(BATCH, 9), "K": kinds}
    dtype = next(model.parameters()).dtype
    return {key: each.to(dtype) for key, each in values.items() if key in model.graph.variables}


def solver(model: Model) -> tuple[str, str]:
    plan = model.inferences["optimal"].plan
    assert plan.solver is not None
    return plan.solver["type"], plan.kernel


# --- quadratic energies in closed form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_factor_analysis_has_its_closed_form(dtype: torch.dtype, close: float) -> None:
    """Z = (I + W' P W)^-1 W' P Y, with a precision P that was learned."""
    model = model_of(dtype, factors__likelihood=LIKELIHOOD, factors__prior={"type": "gaussian", "of": "Z"})
    assert solver(model) == ("exact", "gram")
    w = array(model, "functions.decoder.matrix").astype(float)
    p = np.diag(np.exp(array(model, "factors.likelihood.log_precision").astype(float)))
    assert p.diagonal().max() > 2 * p.diagonal().min()
    y = given(model)["Y"].double().numpy()
    known = np.linalg.solve(np.eye(4) + w.T @ p @ w, w.T @ p @ y.T).T
    found = model.infer(**given(model))["Z"].detach().double().numpy()
    assert np.linalg.norm(found - known) < close * np.linalg.norm(known)


def test_a_learned_precision_bounds_the_step_of_other_solvers() -> None:
    """The step's bound reads the precision of the day: with the one of the start, 1, the search would fly apart."""
    changes = {"factors__likelihood": LIKELIHOOD, "factors__prior": {"type": "gaussian", "of": "Z"}}
    exact = model_of(**changes)
    model = model_of(**changes, inference__optimal__solver="fista")
    for each in (exact, model):
        with torch.no_grad():
            dict(each.named_parameters())["factors.likelihood.log_precision"].add_(3)
    found = model.infer(**given(model))
    torch.testing.assert_close(found["Z"], exact.infer(**given(model))["Z"], rtol=1e-6, atol=1e-8)
    block = model.inferences["optimal"].block
    problem = block.problem(torch.zeros(BATCH, 4).double(), given(model), model.tensors())
    w, p = array(model, "functions.decoder.matrix"), np.exp(array(model, "factors.likelihood.log_precision"))
    assert problem.bound is not None and float(problem.bound) >= np.linalg.norm(w.T @ np.diag(p) @ w + np.eye(4), 2)


def own_hessians(model: Model) -> np.ndarray:
    """Z of |Y - D (Z * g)|^2 + 0.37 |Z|^2 by its normal equations, row by row."""
    d, y = array(model, "functions.decoder.matrix"), given(model)["Y"].numpy()
    g = y @ array(model, "functions.guess.matrix").T + array(model, "functions.guess.bias")
    every = [(d * weights, row) for weights, row in zip(g, y, strict=True)]
    return np.stack([np.linalg.solve(each.T @ each + 0.37 * np.eye(4), each.T @ row) for each, row in every])


@pytest.mark.parametrize("name", ["exact", "gradient", "lbfgs", "ista"])
def test_a_value_that_weighs_the_latent_gives_each_sample_a_hessian(name: str) -> None:
    model = model_of(factors__likelihood=BY_SAMPLE, inference__optimal__solver=name)
    assert solver(model) == (name, "grams" if name == "exact" else "gradient")
    known = own_hessians(model)
    np.testing.assert_allclose(model.infer(**given(model))["Z"].detach().numpy(), known, rtol=1e-6, atol=1e-8)


def test_own_hessians_are_the_choice_where_there_is_one_and_float32_is_enough() -> None:
    model = model_of(torch.float32, factors__likelihood=BY_SAMPLE)
    assert solver(model) == ("exact", "grams")
    known = own_hessians(model_of(factors__likelihood=BY_SAMPLE))
    found = model.infer(**given(model))["Z"].detach().double().numpy()
    assert np.linalg.norm(found - known) < 1e-5 * np.linalg.norm(known)
    meta = {key: each.to("meta") for key, each in given(model).items()}
    assert model.to("meta").infer(**meta)["Z"].shape == (BATCH, 4)


@pytest.mark.parametrize("name", ["exact", "fista"])
def test_a_precision_that_an_observed_choice_picks(name: str) -> None:
    """Quadratic with a Hessian by class; bounded by the largest, so that proximal steps stay possible."""
    model = model_of(factors__likelihood={**LIKELIHOOD, "by": "K"}, inference__optimal__solver=name)
    assert solver(model) == (name, "grams" if name == "exact" else "gradient")
    w, p = array(model, "functions.decoder.matrix"), np.exp(array(model, "factors.likelihood.log_precision"))
    y, kinds = given(model)["Y"].numpy(), given(model)["K"].numpy()
    scaled = [(w.T * (kind @ p)) for kind in kinds]  # W' P / 2 of 0.37 |Z|^2 doubled
    known = np.stack([np.linalg.solve(each @ w + 0.74 * np.eye(4), each @ row) for each, row in zip(scaled, y, strict=True)])
    np.testing.assert_allclose(model.infer(**given(model))["Z"].detach().numpy(), known, rtol=1e-6, atol=1e-8)


def test_a_linear_term_tilts_the_bowl_and_curves_nothing() -> None:
    """With either sign of its weight; what multiplies the latent may differ from sample to sample."""
    tilt = {"type": "inner_product", "between": ["Z * guess(Y)", "guess(Y)"], "weight": -0.61}
    text = TEXT.replace("inference:", "  tilt: {type: bias, of: Z}\ninference:")
    model = model_of(text=text, factors__tilt=tilt)
    assert solver(model) == ("exact", "gram")
    d, y = array(model, "functions.decoder.matrix"), given(model)["Y"].numpy()
    g = y @ array(model, "functions.guess.matrix").T + array(model, "functions.guess.bias")
    known = np.linalg.solve(2 * d.T @ d + 0.74 * np.eye(4), (2 * y @ d + 0.61 * g**2).T).T
    np.testing.assert_allclose(model.infer(**given(model))["Z"].detach().numpy(), known, rtol=1e-8)


# --- proximal terms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [["Z", "guess(Y)"], ["guess(Y)", "Z"]])
@pytest.mark.parametrize("domain", ["real", "nonnegative"])
def test_a_pull_by_magnitude_towards_what_stands_still(order: list[str], domain: str) -> None:
    """With Z = g + U it is a lasso in U, the known minimum of another library; what g is follows the rows that are left."""
    pull = {"type": "distance", "between": order, "weight": 0.9}
    model = model_of(factors__prior=pull, variables__Z__domain=domain)
    assert solver(model) == ("fista", "gram")
    d, y = array(model, "functions.decoder.matrix"), given(model)["Y"].numpy()
    g = y @ array(model, "functions.guess.matrix").T + array(model, "functions.guess.bias")
    found = model.infer(**given(model))
    assert len(set(found.steps.tolist())) > 1 and (found.status == 0).all()
    z = found["Z"].detach().numpy()
    if domain == "real":
        lasso = Lasso(alpha=0.9 / 18, fit_intercept=False, tol=1e-14, max_iter=100000)
        known = g + np.stack([lasso.fit(d, row - d @ each).coef_ for row, each in zip(y, g, strict=True)])
        np.testing.assert_allclose(z, known, atol=1e-6)
        assert 0 < (abs(z - g) < 1e-9).sum() < z.size
    slope = 2 * (z @ d.T - y) @ d
    low = slope + 0.9 * np.where(z > g + 1e-9, 1, -1)  # the subgradient's two ends
    high = slope + 0.9 * np.where(z < g - 1e-9, -1, 1)
    moved = z > 1e-9 if domain == "nonnegative" else np.full(z.shape, True)
    assert (high >= -1e-5).all() and (low <= 1e-5)[moved].all()
    assert (z >= 0).all() or domain == "real"


class Doubled(Factor, Proximal):
    """A factor whose arguments are not alike: the second is pulled towards twice the first."""

    type: str = "doubled"
    between: tuple[Expression, Expression] = Field(description="two values")
    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="doubled")

    def energy(self, *arguments: Any) -> Any:
        return (arguments[1] - 2 * arguments[0]).abs().flatten(1).sum(1)

    def prox(self, v: Any, t: Any, *still: Any) -> Any:
        return v - torch.minimum(torch.maximum(v - 2 * still[0], -t), t)


def test_arguments_keep_their_order_and_their_rows() -> None:
    spec = loads(TEXT).with_changes({"factors.prior": {"type": "distance", "between": ["guess(Y)", "Z"], "weight": 0.7}}, "test")
    graph = resolve(spec)
    prior = replace(graph.factors["prior"], leaf=Doubled(between=("guess(Y)", "Z")))
    graph = replace(graph, factors={**graph.factors, "prior": prior})
    model = fg.build(spec).double()
    block = compiler.inferences(graph, Program(graph), compiler.plan_procedures(graph))["optimal"].block
    problem = block.problem(torch.zeros(BATCH, 4).double(), given(model), model.tensors())
    guess = model.evaluate(("guess(Y)",), **given(model))["guess(Y)"].detach()
    assert problem.rest is not None and problem.take is not None
    v, t = rows(BATCH, 4, seed=3), torch.linspace(0.1, 2, BATCH).double()[:, None]
    torch.testing.assert_close(problem.rest.value(v), 0.7 * (v - 2 * guess).abs().sum(1))
    torch.testing.assert_close(problem.rest.prox(v, t), v - (v - 2 * guess).clamp(-0.7 * t, 0.7 * t))
    some = torch.tensor([5, 1])
    rest = problem.take(some).rest
    assert rest is not None
    torch.testing.assert_close(rest.value(v[some]), problem.rest.value(v)[some])
    torch.testing.assert_close(rest.prox(v[some], t[some]), problem.rest.prox(v, t)[some])


def test_two_magnitudes_weigh_as_much_as_their_sum() -> None:
    both = TEXT.replace("inference:", "  second: {type: l1, of: Z, weight: 0.5}\ninference:")
    sparse = {"type": "l1", "of": "Z", "weight": 0.4}
    one, two = model_of(factors__prior={**sparse, "weight": 0.9}), model_of(text=both, factors__prior=sparse)
    torch.testing.assert_close(one.infer(**given(one))["Z"], two.infer(**given(one))["Z"], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"by": "K"}, {"precision": "full"}, {"precision": "scalar"}, BY_SAMPLE])
def test_sparse_codes_under_any_bowl_meet_their_conditions(options: dict[str, Any]) -> None:
    """No duality gap here: a normaliser is a number beside the squares. The residual judges, and it must be right."""
    likelihood = options if "between" in options else {**LIKELIHOOD, **options}
    model = model_of(factors__likelihood=likelihood, factors__prior={"type": "l1", "of": "Z", "weight": 0.9})
    found = model.infer(**given(model))
    assert (found.status == 0).all()
    z = found["Z"].detach().requires_grad_()
    model.energy(Z=z, **given(model)).sum().backward()
    assert z.grad is not None
    slope = z.grad - 0.9 * z.detach().sign()
    assert (slope[z == 0].abs() <= 0.9 + 1e-6).all() and 0 < (z == 0).sum() < z.numel()
    torch.testing.assert_close(slope[z != 0], -0.9 * z.detach()[z != 0].sign(), rtol=1e-5, atol=1e-6)


def test_a_number_beside_the_squares_is_no_part_of_a_gap() -> None:
    """Where noise is small a normaliser is below zero, and so is the energy: no share of it tells how near the minimum is."""
    model = model_of(factors__likelihood={**LIKELIHOOD, "precision": "scalar"}, factors__prior={"type": "l1", "of": "Z"})
    with torch.no_grad():
        dict(model.named_parameters())["factors.likelihood.log_precision"].fill_(4)
    found = model.infer(Y=0.05 * given(model)["Y"])
    assert (found.energy < 0).all() and (found.status == 0).all() and (found["Z"] != 0).any()


# --- domains -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [[4], [2, 2]])
@pytest.mark.parametrize("start", [None, "guess(Y)"])
def test_shares_that_add_up_to_one(shape: list[int], start: str | None) -> None:
    sparse = {"type": "l1", "of": "Z", "weight": 0.9}
    changes = {"variables__Z__shape": shape, "variables__Z__domain": "simplex", "inference__optimal__tolerance": 1e-10}
    if start is not None:
        changes |= {"inference__optimal__start": start, "functions__guess__units": shape}
    model = model_of(**changes, factors__prior=sparse)
    found = model.infer(**given(model))
    z, d, y = found["Z"].detach().flatten(1).numpy(), array(model, "functions.decoder.matrix"), given(model)["Y"].numpy()
    assert (found.status == 0).all() and solver(model) == ("fista", "gram")
    for code, row in zip(z, y, strict=True):
        best = minimize(
            lambda u, row=row: ((row - d @ u) ** 2).sum(), np.full(4, 0.25), bounds=[(0, None)] * 4, method="SLSQP",
            constraints=[{"type": "eq", "fun": lambda u: u.sum() - 1}], options={"ftol": 1e-14},
        )  # fmt: skip
        np.testing.assert_allclose(code, best.x, atol=1e-5)
    torch.testing.assert_close(found.shares["prior"], torch.full((BATCH,), 0.9, dtype=torch.float64))


@pytest.mark.parametrize(("start", "known"), [(None, [0.25] * 4), ("Z0", [0.6, 0.4, 0, 0])])
def test_a_search_on_a_simplex_begins_inside(start: str | None, known: list[float]) -> None:
    text = TEXT.replace("  Z:", "  Z0: {kind: observed, shape: [units]}\n  Z:")
    model = model_of(text=text, variables__Z__domain="simplex", inference__optimal__start=start, inference__optimal__steps=0)
    origin = torch.tensor([[1.1, 0.9, -3.0, 0.0]], dtype=torch.float64).expand(BATCH, 4)
    found = model.infer(**given(model), Z0=origin)
    torch.testing.assert_close(found["Z"], torch.tensor(known, dtype=torch.float64).expand(BATCH, 4))


def best(model: Model, **every: np.ndarray) -> dict[str, np.ndarray]:
    """The first of the least energies over all combinations of values, by asking for each."""
    found, least = {}, np.full(BATCH, np.inf)
    for combination in itertools.product(*every.values()):
        values = {name: torch.tensor(value).expand(BATCH, len(value)) for name, value in zip(every, combination, strict=True)}
        energy = model.energy(**values, **given(model)).detach().numpy()
        for name, value in values.items():
            found[name] = np.where((energy < least)[:, None], value.numpy(), found.get(name, 0))
        least = np.minimum(least, energy)
    return found


def patterns(units: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)))


@pytest.mark.parametrize(
    ("prior", "kernel"),
    [
        ({"type": "bias", "of": "Z"}, "gram"),
        ({"type": "inner_product", "between": ["Z", "guess(Y)"], "weight": -1.3}, "gram"),
        ({"type": "l1", "of": "decoder(Z)", "weight": 0.4}, ""),  # no solver of real values could: here it only counts
        ({"type": "l1", "of": "Z", "weight": 0.4}, "gram"),
        ({"type": "distance", "between": ["Z", "guess(Y)"], "weight": 0.4}, "gram"),
        ({"type": "student_t", "of": "decoder(Z)"}, ""),
    ],
    ids=lambda it: it["type"] if isinstance(it, dict) else it,
)
def test_bits_are_the_best_of_all_patterns(prior: dict[str, Any], kernel: str) -> None:
    model = model_of(variables__Z__domain="binary", factors__prior=prior)
    assert solver(model) == ("enumerate", kernel)
    found = model.infer(**given(model))["Z"].detach().numpy()
    np.testing.assert_array_equal(found, best(model, Z=patterns(4))["Z"])
    assert len(np.unique(found, axis=0)) > 1


@pytest.mark.parametrize(("a", "b"), [("binary", "binary"), ("binary", "one_hot"), ("one_hot", "one_hot")])
def test_bits_and_choices_of_one_block_are_tried_together(a: str, b: str) -> None:
    text = TEXT.replace("  Z:", f"  B: {{kind: latent, shape: [3], domain: {b}}}\n  Z:").replace("of: Z,", "of: [Z, B],")
    text = text.replace("guess: {type: linear, units: units}", "other: {type: linear, bias: false}")
    text = text.replace("decoder(Z)]", "decoder(Z) + other(B)]")
    model = model_of(text=text, variables__Z__domain=a)
    every = {"Z": patterns(4) if a == "binary" else np.eye(4), "B": patterns(3) if b == "binary" else np.eye(3)}
    found, known = model.infer(**given(model)), best(model, **every)
    for name in ("Z", "B"):
        np.testing.assert_array_equal(found[name].detach().numpy(), known[name])
    assert len(np.unique(np.hstack(list(known.values())), axis=0)) > 2


def test_kmeans_takes_the_nearest_column() -> None:
    model = model_of(dims__units=20, variables__Z__domain="one_hot", factors__prior=NOTHING)
    columns, y = array(model, "functions.decoder.matrix"), given(model)["Y"].numpy()
    nearest = ((y[:, None] - columns.T[None]) ** 2).sum(2).argmin(1)
    assert solver(model) == ("enumerate", "gram")
    np.testing.assert_array_equal(model.infer(**given(model))["Z"].argmax(1).numpy(), nearest)
