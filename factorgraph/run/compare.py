"""Ways to infer the same variables beside each other: what a few steps of a search, or one pass of an encoder, are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from factorgraph import compile as compiler
from factorgraph.compile.plan import runs
from factorgraph.errors import SpecError, issue
from factorgraph.graph.resolve import resolve
from factorgraph.inference.problem import CONVERGED, in_samples
from factorgraph.inference.solvers._kinds import Direct
from factorgraph.metrics._base import squared_difference
from factorgraph.metrics._timing import leasts
from factorgraph.run.counts import products
from factorgraph.run.measured import TIMED_ROWS, Measured
from factorgraph.run.report import aligned, jsonable
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from factorgraph.compile.plan import Plan
    from factorgraph.graph.model import Graph
    from factorgraph.run.solved import Solved
    from factorgraph.spec.schema import Spec

ROWS = 1000  # held-out samples at most: a mean's standard error is then a thirtieth of their spread
TOLERANCE = 1e-6  # of the reference
STEPS = 2000  # of the reference at most, or its procedure's own, if they are more
COUNTS = "T: products with the matrix of mutual inhibition, as papers count; from zero the first step needs none"
ARRIVED = 1e-8  # of the code's squared norm: a curve whose error is below this ends there


@dataclass(frozen=True)
class Place:
    """A procedure after some steps. Means over samples; the code error is squared and summed over units."""

    procedure: str
    steps: int
    energy: float
    code_error: float
    time: float  # of a batch, in units of the comparison
    products: float | None = None  # with the matrix of mutual inhibition, where the solver's steps are made of it


@dataclass(frozen=True)
class Curve:
    """A search after more and more steps, or what was learned: one place, or one for each slot of a name."""

    name: str
    method: str
    places: tuple[Place, ...]
    solver: str = ""  # whose steps; none of an encoder


@dataclass(frozen=True)
class Reference:
    """The code that all others are held against: that of the best search, in double precision, run on until it is certified."""

    procedure: str
    certified: float  # share of samples
    energy: float
    norm: float  # mean squared norm of the code: the code error of zeros
    factors: tuple[str, ...]  # that its search, and every energy here, counts


@dataclass(frozen=True)
class Comparison:
    """All procedures that infer the same latents."""

    latents: tuple[str, ...]
    reference: Reference
    unit: str  # what takes the time 1
    seconds: float  # that it takes for a batch
    curves: tuple[Curve, ...]

    def text(self) -> str:
        """One line for each place of each curve."""
        found = self.reference
        places = [place for curve in self.curves for place in curve.places]
        rows = [["", "steps", "T", "energy", "code error", "time"]]
        rows.append([f"{found.procedure}, run on", "", "", f"{found.energy:.5g}", "0", ""])
        for each in places:
            counts = [str(each.steps), "" if each.products is None else f"{each.products:.4g}"]
            rows.append([each.procedure, *counts, f"{each.energy:.5g}", f"{each.code_error:.3g}", f"{each.time:.3g}"])
        if all(each.products is None for each in places):
            rows = [[name, steps, *rest] for name, steps, _, *rest in rows]
        return "\n".join(
            [
                f"{', '.join(self.latents)}: codes against that of {found.procedure}, run on to {TOLERANCE:g}, "
                f"which {found.certified:.1%} of the samples reach",
                f"energy: {' + '.join(found.factors)}; code error: of zeros it is {found.norm:.3g}",
                f"time: 1 is {self.unit}, {1000 * self.seconds:.3g} ms for at most {TIMED_ROWS} samples; "
                "what a search prepares, as its bound, is part of it",
                *([COUNTS] if rows[0][2] == "T" else []),
                *aligned(rows),
            ]
        )


@dataclass(frozen=True)
class Comparisons:
    """What ``factorgraph compare`` says."""

    split: str
    rows: int
    comparisons: tuple[Comparison, ...]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``; a figure that is no finite number is ``None``."""
        figures: dict[str, Any] = jsonable(asdict(self))
        return figures

    def text(self) -> str:
        head = f"the first {in_samples(self.rows, self.split)}, means per sample"
        return "\n\n".join([head, *(each.text() for each in self.comparisons)])


def compare(on: Measured) -> Comparisons:
    """Each latent that several procedures infer, on at most 1000 samples. Raises :class:`SpecError` as :func:`rivals` does."""
    on = first(on, ROWS)
    found = rivals(on.model.spec, on.graph, on.model.plan)
    return Comparisons(on.split, on.rows, tuple(_comparison(on, latents, names) for names, latents in found.items()))


def first(on: Measured, rows: int) -> Measured:
    """The same model on the first rows of its split alone."""
    kept = {name: each[:rows] for name, each in on.given.items()}
    there = {name: each[:rows] for name, each in on.dataset.present[on.split].items()}
    fewer = replace(on.dataset, present={**on.dataset.present, on.split: there})
    fewer = replace(fewer, test=kept) if on.split == "test" else replace(fewer, train=kept)
    return Measured(on.model, fewer, on.split, on.only, on.without)


def limited(on: Measured, procedure: str, steps: int, tolerance: float = 0.0) -> Measured:
    """The same with another end of a procedure's search: so many steps, all of them unless there is a tolerance."""
    return Measured(on.model.limited(procedure, steps, tolerance), on.dataset, on.split, on.only, on.without)


def in_double(on: Measured) -> Measured:
    """The same in double precision: small differences are then those of codes, not of rounding."""
    return Measured(deepcopy(on.model).double(), on.dataset, on.split, on.only, on.without)


def check(spec: Spec) -> None:
    """Raise :class:`SpecError` where a spec has nothing to compare: before it is trained."""
    graph = resolve(spec)
    rivals(spec, graph, compiler.plan(spec, graph))


def rivals(spec: Spec, graph: Graph, plan: Plan) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The latents that the same several procedures infer, a search among them.

    Raises :class:`SpecError` FG641 where there is none, FG642 where no search is among the procedures.
    """
    plans = plan.procedures.values()
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for latent in graph.of_kind("latent"):
        able = [each.id for each in plans if latent.id in each.block]
        names = tuple(name for name in runs(plans) if standing_for(name, able))
        found[names] = (*found.get(names, ()), latent.id)
    several = {names: latents for names, latents in found.items() if len(names) > 1}
    if not several:
        text = "there is nothing to compare: no latent variable is inferred by two procedures"
        raise SpecError(spec.document.locate(issue("FG641", text, ("inference",), fix="infer one in another way too")))
    searches = {name for each in plans if each.method == "argmin" for name in (each.name, each.id)}
    searched = {names: latents for names, latents in several.items() if searches & set(names)}
    if not searched:
        text = f"{', '.join(next(iter(several)))} cannot be compared: no search says which code is best"
        raise SpecError(spec.document.locate(issue("FG642", text, ("inference",), fix="add a procedure with method: argmin")))
    return searched


def _comparison(on: Measured, latents: tuple[str, ...], names: Sequence[str]) -> Comparison:
    end = _best(on, [name for name in names if on.method(name) == "argmin"])
    best = replace(end, latents=latents)
    visits = [each for name in names for each in _visits(on, name, best)]
    seconds = leasts([partial(each.on.seconds, each.name) for each in visits])
    unit = min(range(len(visits)), key=lambda place: _pass_first(on, visits[place].name, best.procedure))
    one = visits[unit]
    called = f"{one.name} with {one.steps} steps" if on.method(one.name) == "argmin" else f"one pass of {one.name}"
    places = [
        Place(
            each.name,
            each.steps,
            _energy(on, best.procedure, each.solved),
            each.error,
            time / seconds[unit],
            products(on, each.name, each.steps),
        )
        for each, time in zip(visits, seconds, strict=True)
    ]
    return Comparison(latents, _reference(on, best), called, seconds[unit], tuple(_curves(on, places)))


def _pass_first(on: Measured, name: str, best: str) -> int:
    """What is rather the unit of time: one pass of an encoder, of a network, or the first step of the best search."""
    known = {"amortized": 0, "unrolled": 1}
    return known.get(on.method(name), 2 if name == best else 3)


def _best(on: Measured, searches: Sequence[str]) -> Solved:
    """The end of the search that comes lowest, of those that count the same factors as the first."""
    exact = in_double(on)
    alike = [name for name in searches if _counted(on, name) == _counted(on, searches[0])]
    ends = [limited(exact, name, max(STEPS, on.steps(name)), TOLERANCE).solved(name) for name in alike]
    return min(ends, key=lambda each: _energy(on, each.procedure, each))


def _counted(on: Measured, procedure: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for each in on.plans(procedure) for key in each.factors))


def _energy(on: Measured, search: str, solved: Solved) -> float:
    return float(on.energies_for(search, solved).double().mean())


def _reference(on: Measured, best: Solved) -> Reference:
    certified = float((best.status == CONVERGED).double().mean())
    norm = squared_difference(best, best)[1]
    return Reference(best.procedure, certified, _energy(on, best.procedure, best), norm, _counted(on, best.procedure))


@dataclass(frozen=True)
class _Visit:
    """A procedure that was stopped somewhere, and what it had found."""

    name: str
    steps: int
    on: Measured
    solved: Solved
    error: float


def _visits(on: Measured, name: str, best: Solved) -> Iterator[_Visit]:
    """Where a procedure is looked at: a search after more and more steps, all of them, until it has arrived."""
    for steps in _stops(on, name):
        stopped = limited(on, name, steps) if on.method(name) == "argmin" else on
        error, norm = squared_difference(stopped.solved(name), best)
        yield _Visit(name, steps, stopped, stopped.solved(name), error)
        if error <= ARRIVED * norm:
            return


def _stops(on: Measured, name: str) -> list[int]:
    """1, 2, 3, 5, 10, 20, 50, 100, ... and the steps that it takes at most; of what is no search these alone."""
    last = on.steps(name)
    if on.method(name) != "argmin":
        return [last]
    if all(isinstance(on.model.inferences[each.id].solver, Direct) for each in on.plans(name)):
        return [1]
    ladder = (step for power in count() for step in ((1, 2, 3, 5) if power == 0 else (10**power, 2 * 10**power, 5 * 10**power)))
    return [*takewhile(lambda step: step < last, ladder), last]


def _curves(on: Measured, places: Sequence[Place]) -> Iterator[Curve]:
    named: dict[str, list[Place]] = {name: [] for name in dict.fromkeys(_name(each.procedure) for each in places)}
    for each in places:
        named[_name(each.procedure)].append(each)
    for name, own in named.items():
        solver = on.plans(own[0].procedure)[0].solver
        yield Curve(name, on.method(name), tuple(own), "" if solver is None else str(solver["type"]))


def _name(procedure: str) -> str:
    """``lista`` of ``lista[2]``: slots of one name are points of one curve."""
    return procedure.partition("[")[0]
