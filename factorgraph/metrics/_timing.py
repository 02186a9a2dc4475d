"""How long calls take beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

WARM_UP = 2  # runs of each that are not counted: first calls allocate and compile
REPEATS = 15  # odd, so that the median is one of them
SECONDS = 5.0  # slow calls get fewer repeats, three at least


def medians(calls: Sequence[Callable[[], float]]) -> list[float]:
    """The median of the seconds that each call gives. They take turns, so that a busy machine slows all of them."""
    from statistics import median

    return [median(times) for times in _repeated(calls)]


def leasts(calls: Sequence[Callable[[], float]]) -> list[float]:
    """The least of the seconds that each call gives: what a busy machine adds to some of them is left out."""
    return [min(times) for times in _repeated(calls)]


def _repeated(calls: Sequence[Callable[[], float]]) -> list[tuple[float, ...]]:
    for _ in range(WARM_UP):
        for call in calls:
            call()
    rounds: list[list[float]] = []
    while len(rounds) < 3 or (len(rounds) < REPEATS and sum(map(sum, rounds)) < SECONDS):
        rounds.append([call() for call in calls])
    return list(zip(*rounds, strict=True))
