"""Several models beside each other by what they make of the same thing: their energy surfaces, and what these are worth."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from factorgraph.errors import FactorgraphError
from factorgraph.lint import strategies_of
from factorgraph.report.contents import Contents
from factorgraph.report.page import asset, environment, policy
from factorgraph.report.pictures import Picture
from factorgraph.report.series import number
from factorgraph.run.claims import measured_at, shown
from factorgraph.run.files import atomic_write
from factorgraph.run.pairs import alike, compared, is_reconstruction
from factorgraph.spec.claims import ClaimExpression
from factorgraph.structure import Square

if TYPE_CHECKING:
    from factorgraph.run.claims import Verdict
    from factorgraph.run.run import Run

SURFACE, LEARNING = "energy", "energy_while_learning"  # figures of a run


@dataclass(frozen=True)
class Surface:
    """One model: a run of the spec itself, and what became of the spec's claims."""

    run: Run
    verdicts: Sequence[Verdict]

    @cached_property
    def contents(self) -> Contents:
        return Contents(self.run)

    @property
    def name(self) -> str:
        return self.run.spec.name

    @property
    def title(self) -> str:
        return self.contents.title

    @property
    def ways(self) -> list[str]:
        """What keeps its energy from being low everywhere."""
        return list(dict.fromkeys(each.way.value for each in strategies_of(self.contents.graph, self.run.plan)))

    @cached_property
    def pictures(self) -> list[Picture]:
        """The surface at the end, then while learning; none where the data lie in no plane."""
        found = {each.name: each for each in self.contents.pictures()}
        return [found[key] for key in (SURFACE, LEARNING) if key in found]

    @cached_property
    def auc(self) -> str:
        return self._figure("auc()")

    @cached_property
    def rho(self) -> str:
        """Of the first factor that is the square of how far a reconstruction is from what is observed; a dash if none is."""
        on = self.run.measured()
        for factor in on.graph.factors.values():
            for pair in compared(factor) if isinstance(factor.leaf, Square) else ():
                seen, made = alike(on.graph, *pair)
                if seen in {each.id for each in on.graph.of_kind("observed")} and is_reconstruction(on, (seen, made)):
                    return self._figure(f"rho({factor.name})")
        return "–"

    @property
    def judged(self) -> list[dict[str, str]]:
        """A row for each claim."""
        words = ("claim", "metric", "bound", "verdict", "why")
        return [{**{key: str(getattr(each, key)) for key in words}, "ours": shown(each.values)} for each in self.verdicts]

    @property
    def held(self) -> str:
        """How many of the claims that were judged hold."""
        judged = [each.verdict for each in self.verdicts if each.verdict in ("holds", "fails")]
        return f"{judged.count('holds')} of {len(judged)}" if judged else "–"

    def _figure(self, metric: str) -> str:
        """On held-out samples; a dash where the source of the data knows no background."""
        with contextlib.suppress(FactorgraphError):
            ((_, value),) = measured_at(self.run.spec, self.run.states(), ClaimExpression.of(metric))
            return number(value)
        return "–"


def surfaces(found: Sequence[Surface]) -> str:
    """The page's text: a table, then a card for each model. It has no script and loads nothing."""
    style = asset("style.css")
    return environment().get_template("surfaces.html").render(found=found, style=style, policy=policy(style))


def write_surfaces(found: Sequence[Surface], out: Path) -> Path:
    """The page as a file."""
    atomic_write(out, surfaces(found).encode())
    return out
