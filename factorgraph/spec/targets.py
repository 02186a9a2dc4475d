"""Weights that are not numbers: what they are tuned to, so that a spec says what it wants and learning finds the number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from factorgraph.spec.constants import Constants
from factorgraph.spec.expressions import kind_of
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError

KINDS = {
    "active_fraction": "the share of units that are to be active, on average over samples",
    "of_maximum": "a share of the smallest weight at which every unit of every training sample is zero",
}
FORMS = "a number, {active_fraction: 0.05}, {of_maximum: 0.1}"


@dataclass(frozen=True)
class Target:
    """What a weight is tuned to: ``value`` is above 0; *active_fraction* is below 1, *of_maximum* at most 1.

    A phase whose search reads the weight tunes it: of_maximum once, from all its training rows, when it begins;
    active_fraction with every step, by at most 5 %. Only the weight of a sum of magnitudes, such as l1, of a variable that an
    argmin infers can be tuned. What a weight has come to belongs to the model: later phases that do not tune it, claims and
    inference use it as a number. ``factorgraph evaluate`` prints it, each row of metrics.jsonl has it.
    """

    kind: Literal["active_fraction", "of_maximum"]
    value: float

    def __str__(self) -> str:
        """In words, as explanations have it."""
        if self.kind == "active_fraction":
            return f"tuned until {self.value:.4g} of the units are active"
        return f"{self.value:.4g} of the smallest weight at which all units are zero"


def read_weight(written: Any, constants: Constants) -> float | Target:
    """A weight as it is written. Raises :class:`ExpressionError`, FG550 for what is no target."""
    if not isinstance(written, Mapping):
        return float(constants.evaluate(written))
    if len(written) != 1 or next(iter(written)) not in KINDS:
        meant = [near(str(key), tuple(KINDS)) for key in written if key not in KINDS]
        hint = f'. Did you mean "{meant[0]}"?' if len(written) == 1 and meant[0] else ""
        message = f"a weight that is tuned has one key, not {', '.join(map(str, written)) or 'none'}{hint}"
        raise ExpressionError("FG550", message, allowed=FORMS, fix="name what it is tuned to")
    ((kind, value),) = written.items()
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise ExpressionError("FG550", f"{kind} takes a number, not {kind_of(value)}", allowed=FORMS)
    number = float(constants.evaluate(value))
    if not (0 < number < 1 or (number == 1 and kind == "of_maximum")):
        most = "at most 1" if kind == "of_maximum" else "below 1"
        raise ExpressionError("FG550", f"{kind} is {KINDS[kind]}: above 0 and {most}, not {number:g}", allowed=FORMS)
    return Target(kind, number)
