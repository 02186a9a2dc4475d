"""How healthy a run was while it learned: the last look at each measure, against its bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorgraph.compile.phases import phases
from factorgraph.registry import leaves
from factorgraph.report.series import number

if TYPE_CHECKING:
    from factorgraph.spec.schema import Spec


@dataclass(frozen=True)
class Look:
    """One thing that was measured. ``is_trouble``: whether the last look of its phase was beyond the bound."""

    title: str
    subject: str
    phase: str
    value: str
    bound: str
    is_trouble: bool


def health(spec: Spec, rows: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The last look at each measure and subject, in the order of the measures, from the rows of a run's metrics."""
    first: dict[tuple[str, str, str], float] = {}
    last: dict[tuple[str, str], tuple[str, float]] = {}
    for row in rows:
        phase, shown = str(row.get("phase")), row.get("health")
        for name, subjects in shown.items() if isinstance(shown, Mapping) else ():
            for subject, value in subjects.items() if isinstance(subjects, Mapping) else ():
                if isinstance(value, int | float):
                    first.setdefault((phase, name, subject), value)
                    last[name, subject] = phase, value
    known, bounds = leaves("health"), {key: phase.health for key, _, phase in phases(spec)}
    ordered = [(key, *seen) for name in known for key, seen in last.items() if key[0] == name]
    return [
        _look(name, subject, phase, value, first[phase, name, subject], bounds.get(phase, {}).get(name))
        for (name, subject), phase, value in ordered
    ]


def _look(name: str, subject: str, phase: str, value: float, first: float, said: float | None) -> Look:
    """``first``: what it was at the first look of the phase; ``said``: the phase's own bound."""
    cls: Any = leaves("health")[name]
    measure = cls.model_validate({} if said is None else {"at_most": said})
    bound = f"at most {number(measure.at_most)}"
    if measure.of_change and measure.at_most > 0:
        bound = f"{number(first / measure.at_most)} to {number(first * measure.at_most)}"
    return Look(measure.title, subject, phase, number(value), bound, bool(measure.is_trouble(value, first)))
