"""Laws of the solvers: which one a structure gets, and that each minimises every kind of problem that it accepts."""

from __future__ import annotations

import itertools

import pytest
import torch

from factorgraph import registry
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, OUT_OF_STEPS, Problem, Quadratic, Rest
from factorgraph.structure import Structure

SOLVERS = registry.leaves("solvers")


def accepting(structure: Structure) -> list[str]:
    """As the planner does: what accepts, the one that uses most of the structure first."""
    fit = [
        name
        for name, cls in SOLVERS.items()
        if cls.needs <= structure.has() and structure.domain in cls.domains and structure.size <= (cls.largest or structure.size)
    ]
    return sorted(fit, key=lambda name: -used(name, structure))


def used(name: str, structure: Structure) -> int:
    return len(SOLVERS[name].uses & structure.has())


def reachable() -> list[Structure]:
    """Quadratic terms are bounded, bounded ones differentiable; a rest is proximal, absent or neither; a domain is a rest."""
    found = []
    for level, convex, rest in itertools.product(range(4), (False, True), ("plain", "proximal", "neither")):
        for domain, size in itertools.product(("real", "nonnegative", "one_hot"), (16, 5000)):
            if domain != "real" and rest == "plain":
                continue
            found.append(
                Structure(
                    differentiable=level >= 1, bounded=level >= 2, quadratic=level == 3, convex=convex,
                    proximal=rest == "proximal", plain=rest == "plain", domain=domain, size=size,
                )
            )  # fmt: skip
    return found


def test_no_structure_leaves_a_choice_between_equals():
    for structure in reachable():
        uses = [used(name, structure) for name in accepting(structure)]
        assert len(set(uses)) == len(uses), f"{accepting(structure)} use as much of {structure}"


@pytest.mark.parametrize(
    ("holds", "domain", "size", "order"),
    [
        ("differentiable bounded convex quadratic plain", "real", 16, ["exact", "fista", "gradient", "ista"]),
        ("differentiable bounded convex quadratic plain", "real", 4097, ["fista", "gradient", "ista"]),
        ("differentiable bounded convex quadratic proximal", "real", 16, ["fista", "ista"]),
        ("differentiable bounded convex quadratic proximal", "nonnegative", 16, ["fista", "ista"]),
        ("differentiable bounded convex plain", "real", 16, ["fista", "gradient", "ista"]),
        ("differentiable bounded proximal", "real", 16, ["ista"]),
        ("differentiable bounded quadratic plain", "real", 16, ["gradient", "ista"]),
        ("differentiable proximal", "real", 16, ["ista"]),
        ("differentiable plain", "real", 16, ["gradient", "ista"]),
        ("differentiable convex plain", "real", 16, ["gradient", "ista"]),
        ("differentiable bounded convex quadratic", "real", 16, []),
        ("proximal", "real", 16, []),
        ("", "one_hot", 16, ["enumerate"]),
        ("differentiable bounded convex quadratic proximal", "one_hot", 16, ["enumerate"]),
    ],
)
def test_the_solver_that_uses_most_of_the_structure_comes_first(holds, domain, size, order):
    names = ("differentiable", "bounded", "convex", "quadratic", "proximal", "plain")
    structure = Structure(*[name in holds.split() for name in names], domain=domain, size=size)
    assert accepting(structure) == order


def test_every_solver_is_first_for_some_structure():
    assert {accepting(structure)[0] for structure in reachable() if accepting(structure)} == set(SOLVERS)


def test_solvers_speak_of_the_structure_in_its_own_words():
    words = Structure(True, True, True, True, True, True).has()
    for cls in SOLVERS.values():
        assert cls.needs <= words and cls.uses <= words


# --- problems with a known minimum, each with the structure that the planner would state ------------------------------------


def ridge(shape: tuple[int, ...], batch: int = 4, bounded: bool = True, dtype: torch.dtype = torch.float64):
    """|D z - y|^2 / 2 + 0.37 |z|^2 / 2 with its closed form."""
    source = torch.Generator().manual_seed(3)
    units = torch.Size(shape).numel()
    d = torch.randn(9, units, generator=source, dtype=torch.float64)
    y = torch.randn(batch, 9, generator=source, dtype=torch.float64)
    hessian, linear, constant = d.T @ d + 0.37 * torch.eye(units, dtype=torch.float64), -y @ d, y.square().sum(1) / 2
    known = torch.linalg.solve(hessian, -linear.T).T.reshape(batch, *shape)
    hessian, linear, constant = hessian.to(dtype), linear.to(dtype), constant.to(dtype)

    def problem(linear, constant, start):
        return Problem(
            start=start,
            smooth=lambda z: (z.flatten(1) * (z.flatten(1) @ hessian / 2 + linear)).sum(1) + constant,
            gradient=lambda z: (z.flatten(1) @ hessian + linear).reshape(z.shape),
            bound=torch.linalg.matrix_norm(hessian, 2) if bounded else None,
            quadratic=Quadratic(hessian, linear, constant) if bounded else None,
            take=lambda rows: problem(linear[rows], constant[rows], start[rows]),
        )

    return problem(linear, constant, torch.zeros(batch, *shape, dtype=dtype)), known


def kmeans():
    """The nearest of 6 columns, searched by numpy's plain loops in the test."""
    source = torch.Generator().manual_seed(8)
    d, y = torch.randn(5, 6, generator=source), torch.randn(11, 5, generator=source)
    known = torch.zeros(11, 6)
    for row in range(11):
        known[row, min(range(6), key=lambda k: float(((y[row] - d[:, k]) ** 2).sum()))] = 1
    smooth = lambda z: (z @ d.T - y).square().sum(1)  # noqa: E731
    return Problem(torch.zeros(11, 6), smooth, lambda z: 2 * (z @ d.T - y) @ d, choices=torch.eye(6)), known


def problems_for(name: str):
    if "one_hot" in SOLVERS[name].domains:
        return [kmeans()]
    found = [ridge((6,)), ridge((2, 3)), ridge((1,))]
    return found + ([] if {"bounded", "quadratic"} & SOLVERS[name].needs else [ridge((2, 3), bounded=False)])


each = pytest.mark.parametrize("name", SOLVERS)


@each
def test_it_reaches_the_known_minimum_and_says_so(name):
    for problem, known in problems_for(name):
        found = solve(SOLVERS[name](), problem, 2000, 1e-9)
        torch.testing.assert_close(found.z, known, rtol=1e-6, atol=1e-7)
        assert (found.status == CONVERGED).all()
        assert (found.certificate < 1e-9).all()


@each
def test_batches_of_none_and_of_one_and_no_steps(name):
    problem, _ = problems_for(name)[0]
    none = problem.take(torch.zeros(0, dtype=torch.int64)) if problem.take else None
    if none is not None:
        assert solve(SOLVERS[name](), none, 20, 1e-4).z.shape == (0, *problem.start.shape[1:])
        one = problem.take(torch.tensor([2]))
        torch.testing.assert_close(solve(SOLVERS[name](), one, 300, 0).z, solve(SOLVERS[name](), problem, 300, 0).z[2:3])
    still = solve(SOLVERS[name](), problem, 0, 1e-4)
    assert torch.equal(still.z, problem.start)
    assert (still.status == OUT_OF_STEPS).all() and (still.steps == 0).all()


@each
def test_the_start_is_left_as_it_was(name):
    problem, _ = problems_for(name)[0]
    found = solve(SOLVERS[name](), problem, 30, 0)
    assert torch.equal(problem.start, torch.zeros_like(problem.start))
    assert found.z.data_ptr() != problem.start.data_ptr()


@each
def test_shapes_pass_without_values(name):
    units, batch = 6, 4
    hessian, linear = torch.zeros(units, units, device="meta"), torch.zeros(batch, units, device="meta")
    problem = Problem(
        start=torch.zeros(batch, units, device="meta"),
        smooth=lambda z: (z @ hessian * z).sum(1),
        gradient=lambda z: z @ hessian + linear,
        bound=torch.ones((), device="meta"),
        quadratic=Quadratic(hessian, linear, torch.zeros(batch, device="meta")),
        rest=Rest(lambda z: z.abs().sum(1), lambda v, t: v.clamp_min(t), l1=torch.ones(units, device="meta"))
        if "proximal" in SOLVERS[name].uses
        else None,
        choices=torch.eye(units, device="meta"),
    )
    found = solve(SOLVERS[name](), problem, 25, 1e-4)
    assert found.z.shape == (batch, units) and found.status.shape == (batch,)


@each
def test_float32_is_enough(name):
    if "one_hot" not in SOLVERS[name].domains:
        problem, known = ridge((2, 3), dtype=torch.float32)
        found = solve(SOLVERS[name](), problem, 500, 1e-5)
        torch.testing.assert_close(found.z.double(), known, rtol=1e-3, atol=1e-4)
        assert found.z.dtype == torch.float32 and (found.status == CONVERGED).all()
