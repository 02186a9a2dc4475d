"""The rows of metrics.jsonl as curves of a size that a page can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

POINTS = 400  # of a curve: more than a page has pixels between them

Curve = dict[str, Any]  # name, split, points: [step, value] each, value null where it is no finite number


def curves(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Everything that is drawn of learning: ``phases`` with their first and last step, ``curves`` by what they are of.

    Of the training batches a curve for the energy and each factor, or for each player's loss in a game; of the held-out split
    points. Where there are more than ``POINTS`` rows, neighbours are averaged.
    """
    rows = [row for row in rows if type(row.get("step")) is int]
    training = [row for row in rows if row.get("split") == "train"]
    held_out = [row for row in rows if row.get("split") == "test"]
    found: list[Curve] = []
    players = dict.fromkeys(str(row.get("player")) for row in training)
    for player in players:
        among = [row for row in training if str(row.get("player")) == player]
        if len(players) > 1:
            found.append(_curve(f"loss of {player}", "train", among, lambda row: row.get("loss")))
        else:
            found += _shares(among, "train")
    found += _shares(held_out, "test")
    return {"phases": _phases(training), "curves": [each for each in found if any(_known(each["points"]))]}


def milestones(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The held-out points of :func:`curves` as a table: the names of the phases that they end, and a row for each curve."""
    held_out = [each for each in found["curves"] if each["split"] == "test"]
    ends = {each["to"]: each["name"] for each in found["phases"]}
    steps = [step for step in ends if any(step == point[0] for each in held_out for point in each["points"])]
    rows = [[each["name"], *(number(dict(map(tuple, each["points"])).get(step)) for step in steps)] for each in held_out]
    return [ends[step] for step in steps], rows


def number(value: Any) -> str:
    """Four significant digits; a dash for what is no finite number."""
    return f"{value:.4g}" if isinstance(value, int | float) and math.isfinite(value) else "–"


def _shares(rows: Sequence[Mapping[str, Any]], split: str) -> list[Curve]:
    """The energy, then its factors; the loss where that is not the energy."""
    found = [_curve("energy", split, rows, lambda row: row.get("energy"))]
    for name in dict.fromkeys(name for row in rows for name in row.get("shares") or {}):
        found.append(_curve(name, split, rows, lambda row, name=name: (row.get("shares") or {}).get(name)))
    if split == "train":
        found.append(_curve("loss", split, rows, lambda row: row.get("loss") if _differs(row) else None))
    return found


def _differs(row: Mapping[str, Any]) -> bool:
    """Whether the loss of a row is not its energy, which it may not have seen."""
    loss, energy = row.get("loss"), row.get("energy")
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in (loss, 0.0 if energy is None else energy)):
        return False
    return energy is None or not math.isclose(loss, energy, rel_tol=1e-4, abs_tol=1e-9)  # type: ignore[arg-type]  # numbers


def _curve(name: str, split: str, rows: Sequence[Mapping[str, Any]], read: Any) -> Curve:
    points = [(row["step"], read(row)) for row in rows]
    size = max(1, math.ceil(len(points) / POINTS))
    return {"name": name, "split": split, "points": [_mean(points[at : at + size]) for at in range(0, len(points), size)]}


def _mean(points: Sequence[tuple[int, Any]]) -> list[float | None]:
    values = [float(value) for _, value in points if isinstance(value, int | float) and math.isfinite(value)]
    return [points[-1][0], sum(values) / len(values) if values else None]


def _known(points: Sequence[Sequence[float | None]]) -> Iterable[bool]:
    return (value is not None for _, value in points)


def _phases(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(str(row.get("phase")), []).append(row["step"])
    return [{"name": name, "from": min(steps), "to": max(steps)} for name, steps in found.items()]
