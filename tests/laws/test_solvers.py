"""Laws of the solvers: which one a structure gets, and that each minimises every kind of problem that it accepts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy
import pytest
import torch

from factorgraph import registry
from factorgraph.inference import domains
from factorgraph.inference.convolved import Convolved
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, OUT_OF_STEPS, Groups, Part, Problem, Quadratic, Rest
from factorgraph.inference.solvers._kinds import Minimising, Summing
from factorgraph.structure import UNDIVIDED, Structure

SOLVERS = {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, Minimising)}
SUMMING = {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, Summing)}


def accepting(structure: Structure) -> list[str]:
    """As the planner does: what accepts, the one that uses most of the structure first."""
    fit = [
        name
        for name, cls in SOLVERS.items()
        if cls.needs <= structure.has() and structure.domain in cls.domains and not cls.too_large(structure)
    ]
    return sorted(fit, key=lambda name: (SOLVERS[name].divides, -used(name, structure)))


def used(name: str, structure: Structure) -> int:
    return len(SOLVERS[name].uses & structure.has())


FINITE = ("binary", "one_hot", "finite")


def reachable() -> list[Structure]:
    """Quadratic terms are bounded unless samples weigh them, bounded ones differentiable; a domain is a rest."""
    return [replace(each, undivided=why) for each in whole() for why in ("", UNDIVIDED)]


def whole() -> list[Structure]:
    found = []
    levels = [  # differentiable, bounded, quadratic, shared
        (False, False, False, True), (True, False, False, True), (True, True, False, True),
        (True, True, True, True), (True, True, True, False), (True, False, True, False),
    ]  # fmt: skip
    for level, convex, rest in itertools.product(levels, (False, True), ("plain", "proximal", "neither")):
        for domain, size in itertools.product(("real", "nonnegative", "simplex", *FINITE), (16, 200, 5000, 20_000)):
            if domain != "real" and rest == "plain":
                continue
            differentiable, bounded, quadratic, shared = level
            one = Structure(
                differentiable, bounded, convex, quadratic, proximal=rest == "proximal", plain=rest == "plain",
                domain=domain, size=size, shared=shared, choices=size if domain in FINITE else 0,
            )  # fmt: skip
            found.append(one)
            if quadratic and shared and convex and rest == "proximal" and domain in ("real", "nonnegative"):
                found += [replace(one, gap=True), replace(one, gap=True, convolved=True)]
                found += [replace(one, gap=gap, grouped=True, magnitudes=False) for gap in (False, True)]
    return found


def test_no_structure_leaves_a_choice_between_equals():
    for structure in reachable():
        uses = [(SOLVERS[name].divides, used(name, structure)) for name in accepting(structure)]
        assert len(set(uses)) == len(uses), f"{accepting(structure)} use as much of {structure}"


NAMED = ["fista", "admm", "ista", "coordinate_descent", "half_quadratic"]
STEPWISE = ["fista", "lbfgs", "gradient", "ista", "coordinate_descent"]


@pytest.mark.parametrize(
    ("holds", "domain", "size", "order"),
    [
        ("differentiable bounded convex quadratic plain", "real", 16, ["exact", *STEPWISE]),
        ("differentiable bounded convex quadratic plain", "real", 4097, ["fista", "lbfgs", "gradient", "ista"]),
        ("differentiable bounded convex quadratic proximal", "real", 16, NAMED),
        ("differentiable bounded convex quadratic proximal", "nonnegative", 16, NAMED),
        ("differentiable bounded convex plain", "real", 16, ["fista", "lbfgs", "gradient", "ista"]),
        ("differentiable bounded proximal", "real", 16, ["ista"]),
        ("differentiable bounded quadratic plain", "real", 16, ["lbfgs", "gradient", "ista"]),
        ("differentiable proximal", "real", 16, ["ista"]),
        ("differentiable plain", "real", 16, ["lbfgs", "gradient", "ista"]),
        ("differentiable plain", "real", 16_385, ["gradient", "ista"]),
        ("differentiable convex plain", "real", 16, ["lbfgs", "gradient", "ista"]),
        ("differentiable bounded convex quadratic", "real", 16, []),
        ("proximal", "real", 16, []),
        ("", "one_hot", 16, ["enumerate"]),
        ("differentiable bounded convex quadratic proximal", "one_hot", 16, ["enumerate"]),
        ("differentiable bounded convex quadratic proximal", "binary", 16, ["enumerate"]),
        ("differentiable bounded convex quadratic proximal", "simplex", 16, ["fista", "admm", "ista"]),
        ("differentiable bounded proximal", "simplex", 16, ["ista"]),
    ],
)
def test_the_solver_that_uses_most_of_the_structure_comes_first(holds, domain, size, order):
    names = ("differentiable", "bounded", "convex", "quadratic", "proximal", "plain")
    structure = Structure(*[name in holds.split() for name in names], domain=domain, size=size)
    assert accepting(structure) == order


def test_a_gap_is_what_the_active_set_goes_by():
    structure = Structure(True, True, True, True, True, False, size=16, gap=True)
    assert accepting(structure) == ["active_set", *NAMED]
    assert accepting(replace(structure, size=1025)) == NAMED and accepting(replace(structure, gap=False)) == NAMED


def test_of_groups_a_gap_is_what_the_active_set_of_groups_goes_by():
    structure = Structure(True, True, True, True, True, False, size=16, gap=True, grouped=True, magnitudes=False)
    others = [each for each in NAMED if each != "coordinate_descent"]
    named = [*others[:3], "group_active_set", *others[3:]]
    assert accepting(structure) == named, "fista first: groups may be dense"
    assert accepting(replace(structure, size=1025)) == others and accepting(replace(structure, gap=False)) == others


def test_behind_a_convolution_a_gap_is_what_the_working_set_goes_by():
    structure = Structure(True, True, True, True, True, False, size=5000, gap=True, convolved=True)
    assert accepting(structure) == ["working_set", *NAMED]
    assert accepting(replace(structure, gap=False)) == NAMED
    assert "working_set" not in accepting(replace(structure, convolved=False))


def test_hessians_of_their_own_are_for_small_blocks():
    for size, first in ((128, "exact"), (129, "fista")):
        assert accepting(Structure(True, True, True, True, False, True, size=size, shared=False))[0] == first


def test_nothing_is_divided_that_some_solver_takes_whole():
    for structure in reachable():
        order = accepting(structure)
        assert not any(SOLVERS[name].divides for name in order[:-1])
        assert not structure.divisible or order[-1] == "block_coordinate"


def test_every_solver_is_first_for_some_structure_or_is_there_to_be_named():
    first = {accepting(structure)[0] for structure in reachable() if accepting(structure)}
    assert first == set(SOLVERS) - {"admm", "coordinate_descent", "group_active_set", "half_quadratic"}


def test_solvers_speak_of_the_structure_in_its_own_words():
    words = Structure(True, True, True, True, True, True, grouped=True, gap=True, convolved=True, undivided="").has()
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


def given(domain: str, form: str = "", batch: int = 5):
    """|D z - y|^2 / 2 + 0.37 |z|^2 / 2 over 6 units of a domain, with its minimum by another's hand."""
    source = torch.Generator().manual_seed(8)
    d, y = torch.randn(9, 6, generator=source).double(), 2 * torch.randn(batch, 9, generator=source).double()
    hessian, linear = d.T @ d + 0.37 * torch.eye(6).double(), -y @ d

    def problem(linear, start):
        return Problem(
            start=start,
            smooth=lambda z: (z * (z @ hessian / 2 + linear)).sum(1),
            gradient=lambda z: z @ hessian + linear,
            bound=torch.linalg.matrix_norm(hessian, 2),
            rest=Rest(
                lambda z: z.new_zeros(len(z)),
                lambda v, t: domains.project(domain, v),
                l1=start.new_zeros(6) if domain == "nonnegative" else None,
                nonnegative=domain == "nonnegative",
            )
            if domain in MINIMA
            else None,
            quadratic=Quadratic(hessian, linear, linear.new_zeros(len(linear))) if form == "quadratic" else None,
            choices=domains.choices(PARTS[domain], start, 6) if domain in PARTS else None,
            take=lambda rows: problem(linear[rows], start[rows]),
        )

    parts = PARTS.get(domain, [(domain, 6)])
    start = torch.cat([domains.project(name, torch.zeros(batch, size, dtype=torch.float64)) for name, size in parts], 1)
    known = [MINIMA.get(domain, least(domain))(hessian.numpy(), row.numpy()) for row in linear]
    return problem(linear, start), torch.from_numpy(numpy.stack(known))


PARTS = {"binary": [("binary", 6)], "one_hot": [("one_hot", 6)], "finite": [("binary", 2), ("one_hot", 3), ("binary", 1)]}


def least(domain: str):
    """The best of all values, by plain loops."""
    of_one = {"binary": lambda n: list(itertools.product((0, 1), repeat=n)), "one_hot": lambda n: numpy.eye(n).tolist()}

    def minimum(hessian, linear):
        parts = itertools.product(*(of_one[name](size) for name, size in PARTS[domain]))
        every = [list(itertools.chain(*each)) for each in parts]
        return min((numpy.array(z, dtype=float) for z in every), key=lambda z: z @ hessian @ z / 2 + linear @ z)

    return minimum


def supported(total: float | None):
    """The best of the minima over each support that lie in the domain: nonnegative, and adding up to a total if there is one."""

    def minimum(hessian, linear):
        best, where = numpy.inf, numpy.zeros(len(linear))
        for support in itertools.product((False, True), repeat=len(linear)):
            on = numpy.flatnonzero(support)
            matrix, right = hessian[numpy.ix_(on, on)], -linear[on]
            if total is not None:
                edge = numpy.ones((len(on), 1))
                matrix, right = numpy.block([[matrix, edge], [edge.T, numpy.zeros((1, 1))]]), numpy.append(right, total)
            try:
                found = numpy.linalg.solve(matrix, right)[: len(on)]
            except numpy.linalg.LinAlgError:  # the empty support cannot add up to a total
                continue
            z = numpy.zeros(len(linear))
            z[on] = found
            energy = z @ hessian @ z / 2 + linear @ z
            if (found >= 0).all() and energy < best:
                best, where = energy, z
        return where

    return minimum


MINIMA = {"nonnegative": supported(None), "simplex": supported(1.0)}
INSIDE = {
    "real": lambda z: z.isfinite(),
    "nonnegative": lambda z: z >= 0,
    "simplex": lambda z: (z >= 0) & ((z.sum(1, keepdim=True) - 1).abs() < 1e-12),
    "binary": lambda z: (z == 0) | (z == 1),
    "one_hot": lambda z: ((z == 0) | (z == 1)) & (z.sum(1, keepdim=True) == 1),
    "finite": lambda z: ((z == 0) | (z == 1)) & (z[:, 2:5].sum(1, keepdim=True) == 1),
}


def lasso(form: str = "", batch: int = 4, dtype: torch.dtype = torch.float64):
    """|D z - y|^2 / 2 + w.|z| over (2, 3) units, more than there are inputs, with the best of all patterns of signs."""
    source = torch.Generator().manual_seed(5)
    d, y = torch.randn(5, 6, generator=source).double(), torch.randn(batch, 5, generator=source).double()
    weight = 0.37 * torch.arange(1, 7).double().view(2, 3)
    hessian, linear, constant = d.T @ d, -y @ d, y.square().sum(1) / 2
    known = [signed(hessian.numpy(), row.numpy(), weight.flatten().numpy()) for row in linear]

    def problem(smooth, weight, start):
        return Problem(
            start=start,
            smooth=lambda z: smooth.value(z.flatten(1)),
            gradient=lambda z: smooth.gradient(z.flatten(1)).reshape(z.shape),
            bound=torch.linalg.matrix_norm(smooth.hessian, 2),
            rest=Rest(
                lambda z: (z.abs() * weight).flatten(1).sum(1),
                lambda v, t: v.sign() * (v.abs() - t * weight).clamp_min(0),
                l1=weight,
            ),
            quadratic=smooth if form == "quadratic" else None,
            squares=True,
            take=lambda rows: problem(smooth.take(rows), weight, start[rows]),
        )

    smooth = Quadratic(hessian.to(dtype), linear.to(dtype), constant.to(dtype))
    made = problem(smooth, weight.to(dtype), torch.zeros(batch, 2, 3, dtype=dtype))
    return made, torch.from_numpy(numpy.stack(known)).view(batch, 2, 3)


def signed(hessian, linear, weight):
    """The best of the minima over each pattern of signs that have these signs."""
    best, where = 0.0, numpy.zeros(len(linear))
    for signs in itertools.product((-1, 0, 1), repeat=len(linear)):
        on = numpy.flatnonzero(signs)
        if not 0 < len(on) <= 5:  # six columns of five numbers depend on each other
            continue
        z = numpy.zeros(len(linear))
        z[on] = numpy.linalg.solve(hessian[numpy.ix_(on, on)], -(linear + weight * signs)[on])
        energy = z @ hessian @ z / 2 + linear @ z + weight @ abs(z)
        if (z * signs >= 0).all() and energy < best:
            best, where = energy, z
    return where


def in_halves(problem: Problem, first: str = "fista", second: str = "ista") -> Problem:
    """The same problem, whose first units and whose other units take turns, each by a solver."""
    units = problem.start.shape[1:].numel()

    def part(solver: str, own: slice) -> Part:
        def put(z, v):
            code = z.flatten(1).clone()
            code[:, own] = v
            return code.view(z.shape)

        def alone(z) -> Problem:
            rest, form = problem.rest, problem.quadratic
            zero = z.new_zeros(len(z), units)[:, own]

            def gradient(v):
                return problem.gradient(put(z, v)).flatten(1)[:, own]

            def smooth(v):
                return problem.smooth(put(z, v))

            return Problem(
                start=z.flatten(1)[:, own],
                smooth=smooth,
                gradient=gradient,
                bound=problem.bound,
                rest=None
                if rest is None
                else Rest(
                    lambda v: rest.value(put(z, v)) - rest.value(put(z, zero)),
                    lambda v, t: rest.prox(put(z, v), t).flatten(1)[:, own],
                    l1=None if rest.l1 is None else rest.l1.expand(problem.start.shape[1:]).flatten()[own],
                    nonnegative=rest.nonnegative,
                ),
                quadratic=None if form is None else Quadratic(form.hessian[own, own], gradient(zero), smooth(zero)),
                squares=problem.squares,
            )

        return Part(SOLVERS[solver](), alone, put)

    parts = part(first, slice(0, units // 3)), part(second, slice(units // 3, units))
    take = problem.take
    fewer = None if take is None else lambda rows: in_halves(take(rows), first, second)
    return replace(problem, parts=parts, take=fewer)


def behind_kernels(problem: Problem) -> Problem:
    """The same problem of maps of one place: any matrix is a convolution by kernels of one number."""
    form = problem.quadratic
    values, vectors = torch.linalg.eigh(form.hessian)
    roots = values.clamp_min(0).sqrt()[:, None] * vectors.mT
    number, units, batch = form.hessian.new_ones(()), len(roots), len(form.linear)
    convolved = Convolved(
        kernels=roots[:, :, None, None],
        cut=0,
        shape=(units, 1, 1),
        mask=number.expand(1, units, 1, 1),
        target=form.linear.new_zeros(batch, units, 1, 1),
        curvature=number,
        own=0 * number,
        linear=form.linear,
        constant=form.constant,
    )
    take = problem.take
    fewer = None if take is None else lambda rows: behind_kernels(take(rows))
    return replace(problem, convolved=convolved, take=fewer)


def in_groups(problem: Problem) -> Problem:
    """The same problem, whose magnitudes are lengths of groups of one unit."""
    shape, take = problem.start.shape[1:], problem.take
    weight = problem.rest.l1.expand(shape).flatten()
    groups = Groups(torch.arange(len(weight), device=weight.device)[:, None], weight, torch.zeros_like(weight))
    fewer = None if take is None else lambda rows: in_groups(take(rows))
    return replace(problem, rest=replace(problem.rest, l1=None, groups=groups), take=fewer)


def seen(name: str, problem: Problem) -> Problem:
    """As the solver is given it."""
    problem = in_halves(problem) if SOLVERS[name].divides else problem
    problem = in_groups(problem) if "grouped" in SOLVERS[name].needs else problem
    return behind_kernels(problem) if "convolved" in SOLVERS[name].needs else problem


def problems_for(name: str):
    needs = SOLVERS[name].needs
    if SOLVERS[name].divides:
        shrunk = [(lasso("quadratic"), ("fista", "ista"))]
        plain = [(ridge((6,)), ("exact", "fista")), (ridge((2, 3)), ("gradient", "exact"))]
        unbounded = [(ridge((6,), bounded=False), ("lbfgs", "ista"))]
        return [(in_halves(problem, *by), known) for (problem, known), by in (*shrunk, *plain, *unbounded)]
    form = needs & {"quadratic"}
    if "real" not in SOLVERS[name].domains:
        return [given(domain) for domain in sorted(SOLVERS[name].domains)]
    found = [(seen(name, problem), known) for problem, known in [lasso(*form)]] if {"settled", "proximal"} & needs else []
    found += [] if "proximal" in needs else [ridge((6,)), ridge((2, 3)), ridge((1,))]
    return found + ([] if {"bounded", "quadratic"} & needs else [ridge((2, 3), bounded=False)])


each = pytest.mark.parametrize("name", SOLVERS)


@each
def test_it_reaches_the_known_minimum_and_says_so(name):
    for problem, known in problems_for(name):
        found = solve(SOLVERS[name](), problem, 2000, 1e-9)
        if SOLVERS[name].approximates:
            torch.testing.assert_close(problem.energy(found.z), problem.energy(known), rtol=1e-2, atol=0)
            continue
        torch.testing.assert_close(found.z, known, rtol=1e-6, atol=1e-7)
        assert (found.status == CONVERGED).all()
        assert (found.certificate < 1e-9).all()


DOMAINS = [(name, domain) for name, cls in SOLVERS.items() for domain in sorted(cls.domains - {"real"}) if not cls.divides]
DOMAINS += [(name, "nonnegative") for name, cls in SOLVERS.items() if cls.divides]  # others' minima are one of several


def given_for(name: str, domain: str):
    problem, known = given(domain, *SOLVERS[name].needs & {"quadratic"})
    return seen(name, problem), known


@pytest.mark.parametrize(("name", "domain"), DOMAINS)
def test_it_ends_inside_the_domain_and_at_the_least_energy_there(name, domain):
    problem, known = given_for(name, domain)
    for steps in (0, 1, 3, 30):
        assert INSIDE[domain](solve(SOLVERS[name](), problem, steps, 0).z).all()
    found = solve(SOLVERS[name](), problem, 5000, 1e-10)
    if SOLVERS[name].approximates:
        torch.testing.assert_close(problem.energy(found.z), problem.energy(known.double()), rtol=1e-2, atol=0)
        return
    torch.testing.assert_close(found.z, known.double(), rtol=1e-6, atol=1e-8)
    assert (found.status == CONVERGED).all()


@pytest.mark.parametrize(("name", "domain"), DOMAINS)
def test_a_certificate_is_small_only_near_the_minimum(name, domain):
    problem, known = given_for(name, domain)
    for steps in (1, 3, 10, 40):
        found = solve(SOLVERS[name](), problem, steps, 0)
        off = (found.z - known.double()).norm(dim=1) / known.double().norm(dim=1).clamp_min(1e-6)
        assert (off <= 1e-12 + 50 * found.certificate).all()  # 50: the condition of the Hessian, 40


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
    assert torch.equal(problem.start, problems_for(name)[0][0].start)
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
        choices=domains.choices([("binary", units)], linear, units),
    )
    found = solve(SOLVERS[name](), seen(name, problem), 25, 1e-4)
    assert found.z.shape == (batch, units) and found.status.shape == (batch,)


@each
def test_float32_is_enough(name):
    needs = SOLVERS[name].needs
    if "real" in SOLVERS[name].domains:
        of = ridge((2, 3), dtype=torch.float32) if "plain" in needs else lasso(*needs & {"quadratic"}, dtype=torch.float32)
        problem, known = of
        problem = seen(name, problem)
        found = solve(SOLVERS[name](), problem, 500, 1e-5)
        assert found.z.dtype == torch.float32
        if SOLVERS[name].approximates:
            torch.testing.assert_close(problem.energy(found.z), problem.energy(known.float()), rtol=1e-2, atol=0)
            return
        torch.testing.assert_close(found.z.double(), known, rtol=1e-3, atol=1e-4)
        assert (found.status == CONVERGED).all()


@pytest.mark.parametrize("name", [name for name, cls in SOLVERS.items() if cls.divides])
def test_no_sweep_raises_an_energy(name):
    solver = SOLVERS[name](inner=3)
    for problem, _ in [*problems_for(name), given_for(name, "nonnegative")]:
        state, sweep = solver.begin(problem), solver.stepper(problem)
        before = begun = problem.energy(state[0])
        for _ in range(12):
            state = sweep(state)
            now = problem.energy(state[0])
            assert (now <= before + 1e-14 * problem.energy(problem.start).abs()).all()
            before = now
        assert (before < begun).all()


# --- those that sum


def test_every_solver_looks_for_a_minimum_or_sums() -> None:
    assert SOLVERS.keys() | SUMMING.keys() == registry.leaves("solvers").keys()


@pytest.mark.parametrize("name", SUMMING)
def test_every_value_is_added_up_once(name: str) -> None:
    """The measure of all values together is that of the domain, and a mean over them that of an even distribution."""
    solver, like = SUMMING[name](), torch.zeros(1, dtype=torch.float64)
    domain = "real" if "real" in SUMMING[name].domains and "one_hot" not in SUMMING[name].domains else None
    tried = [("one_hot", 3), ("binary", 2)] + ([(domain, 2), ("nonnegative", 1)] if name == "grid" else [])
    values = solver.values(tried, like, 1)
    assert values.count == solver.count(tried)
    every = values.at(torch.arange(values.count))
    assert len({tuple(row) for row in every[:: values.count // 1000 + 1].tolist()}) == len(every[:: values.count // 1000 + 1])
    torch.testing.assert_close(every[:, :5].mean(0), torch.tensor([1 / 3] * 3 + [0.5] * 2, dtype=torch.float64))
    if name == "grid":
        torch.testing.assert_close(every[:, 5:].mean(0), torch.tensor([0, 0, 1.5], dtype=torch.float64))
        assert values.count * numpy.exp(values.log_measure) == pytest.approx(3 * 4 * 6 * 6 * 3)
    else:
        assert values.log_measure == 0
