"""What ``factorgraph evaluate`` says of a model: energies, shares, activity and how each procedure's search ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factorgraph.inference.problem import NOT_FINITE, OUT_OF_STEPS, in_samples
from factorgraph.metrics._base import active_units, squared_difference
from factorgraph.run.counts import products
from factorgraph.run.labels import Confusion, confusions

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured
    from factorgraph.run.solved import Solved


@dataclass(frozen=True)
class Inferred:
    """One procedure's figures on a split. Energies and shares are means over samples; shares are weighted and add up."""

    procedure: str
    energy: float  # of all factors
    counted: float  # of those that count for the procedure: it may be without some, or a fragment's
    shares: Mapping[str, float]
    active: Mapping[str, float]  # share of active units, by latent
    steps: float  # mean
    out_of_steps: float  # share of samples
    not_finite: float  # share of samples
    products: float | None = None  # with the matrix of mutual inhibition, of an unrolled procedure: the T of papers


@dataclass(frozen=True)
class Compared:
    """An amortized or unrolled procedure against one that searches for the same latents."""

    fast: str
    search: str
    gap: float  # the amortization gap: mean energy of the fast one less that of the search, of the factors that the search counts
    relative_gap: float  # over the magnitude of the search's energy
    code_error: float  # relative


@dataclass(frozen=True)
class Report:
    """The figures of every procedure on one split, and the comparisons that the graph asks for."""

    split: str
    rows: int
    procedures: tuple[Inferred, ...]
    compared: tuple[Compared, ...]
    weights: Mapping[str, float] = field(default_factory=dict)  # of factors whose weight was tuned: what it came to
    labels: tuple[Confusion, ...] = ()  # of factors by which a label is predicted

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``; a figure that is no finite number is ``None``."""
        figures: dict[str, Any] = jsonable(
            {
                "split": self.split,
                "rows": self.rows,
                "procedures": {each.procedure: {**vars(each)} for each in self.procedures},
                "compared": [{**vars(each)} for each in self.compared],
                "weights": self.weights,
                "labels": {each.factor: _labels(each) for each in self.labels},
            }
        )
        return figures

    def text(self) -> str:
        """The same as plain text: one column a procedure."""
        lines = [f"{in_samples(self.rows, self.split)}, means per sample"]
        lines += aligned([["", *(each.procedure or "model" for each in self.procedures)], *self._rows()])
        for each in self.compared:
            gap = f"{each.gap:.4g}, {each.relative_gap:.2%} of its energy; relative code error {each.code_error:.3g}"
            lines.append(f"amortization gap of {each.fast} to {each.search}: {gap}")
        lines += [f"weight of {key}, as it was tuned: {value:.4g}" for key, value in self.weights.items()]
        for found in self.labels:
            lines += ["", f"{found.label} by {found.factor}: {found.error:.2%} of {in_samples(found.rows)} wrong"]
            lines += aligned(_table(found))
        return "\n".join(lines)

    def _rows(self) -> list[list[str]]:
        every = self.procedures
        rows = [["energy", *(f"{each.energy:.4g}" for each in every)]]
        if any(not math.isclose(each.counted, each.energy, rel_tol=1e-6) for each in every):
            rows.append(["energy of what it counts", *(f"{each.counted:.4g}" for each in every)])
        for factor in dict.fromkeys(name for each in every for name in each.shares):
            told = (f"{each.shares[factor]:.4g}" if factor in each.shares else "" for each in every)
            rows.append([f"  {factor}", *told])
        for latent in dict.fromkeys(name for each in every for name in each.active):
            rows.append([f"active units of {latent}", *(_percent(each.active.get(latent)) for each in every)])
        if any(each.steps for each in every):
            rows.append(["steps", *(f"{each.steps:.4g}" for each in every)])
        if any(each.products is not None for each in every):
            told = ("-" if each.products is None else f"{each.products:.4g}" for each in every)
            rows.append(["products with the inhibition", *told])
        if any(each.out_of_steps for each in every):
            rows.append(["samples out of steps", *(_percent(each.out_of_steps) for each in every)])
        if any(each.not_finite for each in every):
            rows.append(["samples without a finite energy", *(_percent(each.not_finite) for each in every)])
        return rows


def evaluate(on: Measured, procedure: str | None = None) -> Report:
    """The figures of one procedure, or of all that the spec names; a model without any is evaluated as it is."""
    names: Sequence[str | None] = [procedure] if procedure is not None else list(on.procedures) or [None]
    solved = [on.solved(name) for name in names]
    weights = {key: float(on.model.program.weight(key, on.model.tensors())) for key in on.graph.tuned}
    labels = tuple(confusions(on))
    return Report(on.split, on.rows, tuple(_inferred(on, each) for each in solved), tuple(_compared(on, solved)), weights, labels)


def _inferred(on: Measured, solved: Solved) -> Inferred:
    measured = solved.energy
    if any(map(on.lacking, solved.shares)):  # what no row has is no fault of the rows
        measured = sum((each for key, each in solved.shares.items() if not on.lacking(key)), solved.status * 0.0)
    unrolled = on.method(solved.procedure) == "unrolled"
    steps = on.steps(solved.procedure) if unrolled else float(solved.steps.double().mean())
    return Inferred(
        solved.procedure,
        float(solved.energy.double().mean()),
        float((on.energies_for(solved.procedure, solved) if solved.procedure else solved.energy).double().mean()),
        {key: float(each.double().mean()) for key, each in solved.shares.items()},
        {key: float(active_units(solved.variables[key]).double().mean()) for key in solved.latents},
        steps,
        float((solved.status == OUT_OF_STEPS).double().mean()),
        float(((solved.status == NOT_FINITE) | ~measured.isfinite()).double().mean()),
        products(on, solved.procedure, steps) if unrolled else None,
    )


def _compared(on: Measured, solved: Sequence[Solved]) -> list[Compared]:
    """Each amortized or unrolled procedure with the first search that infers a latent that it infers, too."""
    found = []
    own = {each.procedure: set(on.latents(each.procedure)) for each in solved}
    searches = [each for each in solved if on.method(each.procedure) == "argmin"]
    for fast in (each for each in solved if on.method(each.procedure) in ("amortized", "unrolled")):
        for search in (each for each in searches if own[each.procedure] & own[fast.procedure]):
            difference, norm = squared_difference(fast, search)
            reached, least = (float(on.energies_for(search.procedure, each).double().mean()) for each in (fast, search))
            gap = reached - least
            found.append(Compared(fast.procedure, search.procedure, gap, _ratio(gap, abs(least)), _ratio(difference, norm)))
            break
    return found


def _labels(found: Confusion) -> dict[str, Any]:
    classes = range(len(found.true))
    return {
        "label": found.label,
        "rows": found.rows,
        "error": found.error,
        "classes": [
            {"class": each, "rows": int(found.true[each]), "precision": found.precision(each), "recall": found.recall(each)}
            for each in classes
        ],
        "confusion": found.counts.tolist(),
    }


def _table(found: Confusion) -> list[list[str]]:
    """A line for each true class: what it was taken for, how much of it was found, how much that was taken for it is of it."""
    classes = range(len(found.true))
    head = ["class", *(f"as {each}" for each in classes), "recall", "precision"]
    return [head] + [
        [str(each), *(str(int(count)) for count in found.counts[each]), _rate(found.recall(each)), _rate(found.precision(each))]
        for each in classes
    ]


def _rate(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"


def _ratio(a: float, b: float) -> float:
    return a / b if b != 0 else math.nan


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines: the first column begins at the left, all others end at the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
    return lines


def jsonable(value: Any) -> Any:
    """The same for JSON, which knows no infinity: a number that is not finite becomes ``None``."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
