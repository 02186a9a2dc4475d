"""How learning is shown: a live line on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from factorgraph.training.loop import Progress

LOG_SECONDS = 30.0  # between two lines where nobody watches


class Display:
    """Shows progress on standard error."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.live: Live | None = None
        self._logged = 0.0
        self._phase = ""
        self._trouble: set[str] = set()

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live = Live(Text(""), console=self.console, refresh_per_second=8, transient=True)
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live is not None:
            self.live.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(Text(text), soft_wrap=True)

    def passing(self, text: str) -> None:
        """One line of many that soon say otherwise: it is told now and then."""
        now = time.monotonic()
        if now - self._logged > LOG_SECONDS:
            self._logged = now
            self.say(text)

    def progress(self, it: Progress) -> None:
        """The newest numbers."""
        if self.live is not None:
            self.live.update(Text(line(it)))
            return
        now = time.monotonic()
        if now - self._logged > LOG_SECONDS or it.phase != self._phase or not self._trouble.issuperset(it.trouble):
            self._logged, self._phase = now, it.phase
            self._trouble |= set(it.trouble)
            self.console.print(Text(line(it)), soft_wrap=True)


def line(it: Progress) -> str:
    """``joint 1200/2000  energy 31.2 (reconstruction 18, sparsity 11)  active 4.1 %  at the step limit 0.2 %  1:05 left``

    A factor whose share is 0, as it is where the phase does not see it, is left out.
    Where something is wrong, one line more: what, with how many, and what to do.
    """
    row = it.row
    shares = ", ".join(f"{key} {value:.3g}" for key, value in row.get("shares", {}).items() if value)
    energy = f"energy {row.get('energy', float('nan')):.4g}" + (f" ({shares})" if shares else "")
    sees_energy = any(row.get("shares", {}).values()) or "loss" not in row  # imitation does not
    parts = [f"{it.phase} {it.step}/{it.steps}", energy if sees_energy else f"loss {row['loss']:.4g}"]
    parts += [f"weight of {key} {value:.3g}" for key, value in row.get("weights", {}).items()]
    if "active" in row:
        parts.append(f"active {100 * row['active']:.1f} %")
    if "unconverged" in row:
        parts.append(f"at the step limit {100 * row['unconverged']:.1f} %")
    minutes, seconds = divmod(round(it.left), 60)
    first, *others = it.trouble.values() or ("",)
    more = f" ({len(others)} more: see health in metrics.jsonl)" if others else ""
    return "  ".join([*parts, f"{minutes}:{seconds:02d} left"]) + (f"\n  {first}{more}" if first else "")
