"""Fair ratios: each way at its cheapest setting that reaches the same measured quality, in interleaved pairs, by CPU seconds.

A busy machine slows both of a pair; wall time would say who waited. The lower end of a ratio is the 5 % quantile of the
geometric mean over pairs drawn again with replacement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PAIRS = 5
DRAWN = 2000  # times that pairs are drawn again


@dataclass(frozen=True)
class Setting:
    """One way at one setting: what it computes, and for how many samples, so that slow ways may take fewer."""

    name: str
    run: Callable[[], np.ndarray]
    samples: int


@dataclass(frozen=True)
class Ratio:
    """How many times the CPU seconds a sample of one way are those of ours."""

    value: float
    lower: float
    ours: float  # CPU microseconds a sample, median
    theirs: float


def timed(setting: Setting) -> tuple[np.ndarray, float]:
    """What it computed, and CPU seconds a sample of all threads."""
    begin = time.process_time()
    found = setting.run()
    return found, (time.process_time() - begin) / setting.samples


@dataclass(frozen=True)
class Tried:
    """What a setting reaches, and what it costs."""

    setting: Setting
    seconds: float
    quality: Mapping[str, float]  # smaller is better


def tried(settings: Iterable[Setting], quality: Callable[[np.ndarray], Mapping[str, float]], enough: float) -> list[Tried]:
    """Settings from loose to tight, each run once, until all that is measured is below ``enough``."""
    found: list[Tried] = []
    for setting in settings:
        result, seconds = timed(setting)
        found.append(Tried(setting, seconds, quality(result)))
        if max(found[-1].quality.values()) <= enough:
            break
    return found


def cheapest(found: Iterable[Tried], kind: str, target: float) -> Setting | None:
    """The fastest that reaches a target, if one does."""
    reaching = [each for each in found if each.quality[kind] <= target]
    return min(reaching, key=lambda each: each.seconds).setting if reaching else None


def paired(ours: Setting, theirs: Setting, pairs: int = PAIRS) -> Ratio:
    """The ratio of two settings that reach the same quality, run in turns."""
    return ratio(np.array([(timed(ours)[1], timed(theirs)[1]) for _ in range(pairs)]))


def ratio(times: np.ndarray) -> Ratio:
    """Of pairs, (pairs, 2): the CPU seconds of ours and of theirs."""
    logs = np.log(times[:, 1] / times[:, 0])
    again = np.random.default_rng(0).choice(logs, (DRAWN, len(logs))).mean(1)
    mine, other = np.median(times, axis=0) * 1e6
    return Ratio(float(np.exp(logs.mean())), float(np.exp(np.quantile(again, 0.05))), float(mine), float(other))


def geometric(ratios: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as a table in Markdown, a column for each key that any of them has."""
    head = list(dict.fromkeys(key for each in rows for key in each))
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(each.get(key, "") for key in head) + " |" for each in rows)])
