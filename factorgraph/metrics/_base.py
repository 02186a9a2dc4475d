"""What all metrics share: the kinds of their arguments, and the calculations that several of them need."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.lazy import torch
from factorgraph.structure import Metric

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured
    from factorgraph.run.solved import Solved

# "units" is another metric that gives one figure a unit; "identity" is that word
Kind = Literal["procedure", "factor", "function", "value", "number", "field", "units", "identity", "phase"]

SILENT = 1e-3  # of a code's root mean square: what a tanh or softplus never gets below, an exact zero always does


class MetricLeaf(Metric):
    """A metric says what its arguments are; whoever evaluates a claim resolves them.

    A procedure, a factor or a function comes as its name (``fast``, ``lista[2]``), a value as the id that it has in the graph,
    a number as a float, a figure per unit as a tensor (units,).
    """

    arguments: ClassVar[tuple[Kind, ...]] = ()
    per_unit: ClassVar[bool] = False
    of_source: ClassVar[str] = ""  # what it needs and only some sources know: a background, a truth

    @abstractmethod
    def measure(self, on: Measured, *arguments: Any) -> float | Tensor:
        """The figure on a trained model and held-out data: one number, or (units,) where ``per_unit``."""


def active_units(code: Tensor) -> Tensor:
    """Which units are active: (rows, *shape) -> (rows, units) bool. Up to a thousandth of the root mean square is silent."""
    flat = code.detach().flatten(1).double()
    level = SILENT * flat.square().mean().sqrt() if flat.numel() else flat.new_zeros(())
    return flat.abs() > level


def squared_difference(a: Solved, b: Solved) -> tuple[float, float]:
    """Mean over rows of |code - other's code|^2, and of |other's code|^2, both summed over the units of the latents of both."""
    shared = [each for each in a.latents if each in b.latents]
    if not shared:
        text = f"procedures {a.procedure!r} and {b.procedure!r} have no latent in common"
        raise RunError(issue("FG631", text, fix="compare two procedures of one latent"))
    pairs = [(a.variables[each].double().flatten(1), b.variables[each].double().flatten(1)) for each in shared]
    difference = sum(float((x - y).square().sum(1).mean()) for x, y in pairs)
    norm = sum(float(y.square().sum(1).mean()) for _, y in pairs)
    return difference, norm


def chance_greater(above: Tensor, below: Tensor) -> float:
    """The chance that one of ``above`` exceeds one of ``below``; a tie counts half. NaN where either is empty or not finite.

    Mann and Whitney, Ann. Math. Stat. 18(1), 1947: by counting, after one sort.
    """
    above, below = above.double().flatten(), below.double().flatten()
    if not (len(above) and len(below) and above.isfinite().all() and below.isfinite().all()):
        return float("nan")
    order = below.sort().values
    smaller = torch.searchsorted(order, above, right=False)
    not_larger = torch.searchsorted(order, above, right=True)
    return float((smaller + not_larger).double().mean() / (2 * len(below)))


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of row i with row j: (n, d), (m, d) -> (n, m). A row of zeros has cosine 0 with everything."""
    a, b = a.double(), b.double()
    tiny = torch.finfo(a.dtype).tiny
    found: Tensor = (a / a.norm(dim=1, keepdim=True).clamp_min(tiny)) @ (b / b.norm(dim=1, keepdim=True).clamp_min(tiny)).T
    return found


def matched_cosines(on: Measured, first: str, second: str) -> Tensor:
    """The cosine between matched units of two functions: row i of an encoder, column i of a decoder; 0 for zeros: (units,).

    Raises RunError FG632 where they cannot be matched.
    """
    a, b = on.units(first).double(), on.units(second).double()
    if a.shape != b.shape:
        sizes = [f"{name!r} has {len(each)} units of {each.shape[1]} values" for name, each in ((first, a), (second, b))]
        text = f"{sizes[0]}, {sizes[1]}: they cannot be matched"
        raise RunError(issue("FG632", text, fix="compare an encoder with the decoder of the same code"))
    found: Tensor = torch.nn.functional.cosine_similarity(a, b, dim=1, eps=torch.finfo(a.dtype).tiny)
    return found


def check_matched(figures: Tensor, other: Tensor) -> None:
    """Raise RunError FG635 where two figures are not of the same units."""
    if len(figures) != len(other):
        text = f"figures of {len(figures)} units and of {len(other)} are compared, unit by unit"
        raise RunError(issue("FG635", text, fix="name functions of the same code"))


def count(number: float, of: str, least: int) -> int:
    """A number that counts something. Raises RunError FG635 where it does not."""
    if not float(number).is_integer() or number < least:
        raise RunError(issue("FG635", f"{number:g} is no number of {of}", allowed=f"a whole number of at least {least}"))
    return int(number)
