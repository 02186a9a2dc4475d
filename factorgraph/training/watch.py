"""Watching a phase: what each measure of health gathers on the device, read with the numbers of a look's last step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from factorgraph.registry import leaves
from factorgraph.training.health._base import HealthLeaf, Step, idle

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.spec.blocks import Phase
    from factorgraph.training.sides import Stretch

BETWEEN = "/"  # a measure's type and its subject, in the names of what is gathered


def measures(phase: Phase) -> list[HealthLeaf]:
    """Every measure, with the bounds that a phase gives some of them."""
    bounds = ({"at_most": phase.health[name]} if name in phase.health else {} for name in leaves("health"))
    made = [cls.model_validate(given) for cls, given in zip(leaves("health").values(), bounds, strict=True)]
    assert all(isinstance(each, HealthLeaf) for each in made), "the family holds measures of health"
    return made  # type: ignore[return-value]


@torch.no_grad()
def seen(stretch: Stretch, step: Step) -> dict[str, Tensor]:
    """What a step of one side shows, by measure and subject."""
    return {f"{each.type}{BETWEEN}{subject}": shown for each in stretch.measures for subject, shown in each.see(step).items()}


class Watch:
    """What is gathered of the look that is under way, and what the last one told. ``device``: where a resumed run gathers."""

    def __init__(self, device: str = "cpu"):
        self.device = device
        self.shown: dict[str, Tensor] = {}
        self.first: dict[str, float] = {}  # the numbers of a phase's first look
        self.trouble: dict[str, str] = {}  # what is wrong since the last look, in words
        self._ended: list[tuple[dict[str, Any], Stretch, dict[str, Tensor]]] = []

    def see(self, stretch: Stretch, step: Step) -> None:
        """A step of one side."""
        self.join(stretch, seen(stretch, step))

    def join(self, stretch: Stretch, shown: Mapping[str, Tensor]) -> None:
        """Beside what earlier steps of the look have shown."""
        joins = {each.type: torch.add if each.joins == "sum" else torch.maximum for each in stretch.measures}
        for key, each in shown.items():
            before = self.shown.get(key)
            self.shown[key] = each if before is None else joins[key.partition(BETWEEN)[0]](before, each)

    def dead(self, latent: str) -> Tensor | None:
        """(units,): which units of a variable are dead, from the look so far; ``None`` where no step has shown any."""
        shown = self.shown.get(f"dead{BETWEEN}{latent}")
        return None if shown is None else idle(shown)

    def end(self, stretch: Stretch, row: dict[str, Any]) -> None:
        """The look is over: its numbers belong to ``row``, once they are read."""
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            for measure in stretch.measures:
                about = measure.type + BETWEEN
                shown = {key.removeprefix(about): self.shown[key] for key in sorted(self.shown) if key.startswith(about)}
                found.update({about + subject: each for subject, each in measure.values(shown, stretch).items()})
        self._ended.append((row, stretch, found))

    def clear(self) -> None:
        """Begin the next look."""
        self.shown = {}

    def read(self) -> Iterator[str]:
        """Read the numbers of the looks that are over, into their rows as ``health``. Yields what is newly wrong, in words."""
        for row, stretch, found in self._ended:
            numbers = torch.stack([each.double() for each in found.values()]).cpu().tolist() if found else []
            before, self.trouble = self.trouble, {}
            row["health"] = {}
            for (key, number), measure in zip(zip(found, numbers, strict=True), _measures(found, stretch), strict=True):
                subject = key.partition(BETWEEN)[2]
                first = self.first.setdefault(key, number)
                row["health"].setdefault(measure.type, {})[subject] = number
                if measure.is_trouble(number, first):
                    self.trouble[key] = measure.sentence(subject, number, first, stretch)
            yield from (text for key, text in self.trouble.items() if key not in before)
        self._ended = []

    def begin(self) -> None:
        """A new phase."""
        self.shown, self.first, self.trouble = {}, {}, {}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint holds: tensors, and the rest for JSON."""
        return dict(self.shown), {"first": {key: repr(value) for key, value in self.first.items()}}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` took."""
        self.shown = {key: each.to(self.device) for key, each in tensors.items()}
        self.first = {key: float(value) for key, value in about.get("first", {}).items()}


def _measures(found: Mapping[str, Tensor], stretch: Stretch) -> Iterator[HealthLeaf]:
    by_type = {each.type: each for each in stretch.measures}
    return (by_type[key.partition(BETWEEN)[0]] for key in found)
