"""The figure of a run's health: what was measured, at which steps, against which bound."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.cli.progress import line
from factorgraph.run.figures._health import health
from factorgraph.training.loop import Progress


def row(step: int, phase: str, dead: float, gap: float, **more):
    found = {"dead": {"Z": dead}, "duplicate": {"decoder": 0.0}, "gap": {"slow": gap, "fast": 2 * gap}}
    return {"step": step, "phase": phase, "health": found, **more}


ROWS = [row(37, "warm", 0.3, 0.5, resampled={"decoder": [1, 2]}), row(74, "joint", 0.1, 0.25), row(99, "joint", 0.0, 0.125)]


def drawn(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def test_each_measure_has_a_panel_with_a_line_for_each_thing_measured():
    figure = health([{"step": 1, "energy": 2.0}, *ROWS])
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["share of units that are dead", "largest gap to the minimum"]  # what was never wrong is left out
    dead, gap = (drawn(axes) for axes in panels.values())
    assert dead["Z"] == ([37, 74, 99], [0.3, 0.1, 0.0])
    assert dead["columns replaced"][0] == [37]
    assert gap["fast"] == ([37, 74, 99], [1.0, 0.5, 0.25])


def test_bounds_are_those_of_the_phases():
    axes = health(ROWS, {"warm": {"dead": 0.2}}).axes[0]
    bounds = [list(each.get_ydata()) for each in axes.lines if each.get_linestyle() == "--"]
    assert bounds == [[0.2, 0.2], [0.05, 0.05]]


def test_no_figure_without_two_looks_and_none_breaks_on_what_is_no_number():
    assert health(ROWS[:1]) is None and health([{"step": 1, "energy": 2.0}]) is None
    assert len(health([*ROWS, row(120, "joint", 0.0, float("nan"))]).axes) == 2
    assert np.isfinite(health([row(1, "a", 0, 0), row(2, "a", 0, 0)]).axes[0].get_ylim()).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_progress_tells_of_trouble_in_one_line_more(count):
    trouble = {f"dead/Z{number}": f"{number} of 256 units of Z{number} are dead: fewer units" for number in range(count)}
    shown = {"energy": 1.0, "shares": {"a": 1.0}, "weights": {"sparse": 0.3141}}
    told = line(Progress("fit", 1, 2, 1, 2, 1.0, 1.0, shown, trouble)).split("\n")
    assert len(told) == (2 if count else 1) and "weight of sparse 0.314" in told[0]
    if count:
        assert told[1].strip().startswith("0 of 256 units of Z0 are dead: fewer units")
        assert ("2 more" in told[1]) == (count == 3)
