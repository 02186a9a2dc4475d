"""Evaluating a run: the report of its model on a split, and the verdicts on its spec's claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorgraph.run.claims import Verdict, exit_status, judge, table
from factorgraph.run.report import Report
from factorgraph.run.report import evaluate as report_on

if TYPE_CHECKING:
    from factorgraph.run.run import Run


@dataclass(frozen=True)
class Evaluation:
    """What ``factorgraph evaluate`` says. ``exit_status``: 1 if a claim fails."""

    report: Report
    verdicts: tuple[Verdict, ...]

    @property
    def exit_status(self) -> int:
        return exit_status(self.verdicts)

    def text(self) -> str:
        return self.report.text() + (f"\n\n{table(self.verdicts)}" if self.verdicts else "")

    def as_dict(self) -> dict[str, Any]:
        return {**self.report.as_dict(), "claims": [each.as_dict() for each in self.verdicts]}


def evaluate(run: Run, on: str, procedure: str | None) -> Evaluation:
    """Measure a run. Claims are about held-out data: on the training split there are none."""

    states = run.states(on)
    verdicts = tuple(judge(run.spec, [states])) if on == "test" and procedure is None else ()
    return Evaluation(report_on(states(""), procedure), verdicts)
