"""Codes that were to be sparse and are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.compile.dependence import origin
from factorgraph.errors import address
from factorgraph.lazy import torch
from factorgraph.spec.constants import Share
from factorgraph.training.health._base import HealthLeaf, Shown, Step

if TYPE_CHECKING:
    from factorgraph.graph.model import FactorNode, Id
    from factorgraph.training.objective import View
    from factorgraph.training.sides import Stretch


class Dense(HealthLeaf):
    r"""A price on magnitudes that leaves most units active chooses nothing: any input is as easy to say as the data are.

    .. math:: \frac{1}{Nn} \sum_Y \#\{i : z_i(Y) \ne 0\}

    Of a latent variable that a search finds under a factor of its magnitudes, as ``l1``: the share of its units that are active,
    on average over samples. Not where the weight is tuned to a share of its own, ``active_fraction``.

    Healthy:  at most 60 % of the units.
    Remedy:   a larger weight of that factor; ``{active_fraction: 0.1}`` in its place finds one.
    Source:   Olshausen & Field, Vision Research 37(23), 1997, on codes of few units; Hurley & Rickard, IEEE Trans. Inf. Theory
              55(10), 2009, on how sparsity is measured.
    """

    type: Literal["dense"] = "dense"
    title: ClassVar[str] = "share of units that are active"
    at_most: Share = Field(default=0.6, description="the share of units that may be active")

    def see(self, step: Step) -> Shown:
        shown: dict[str, torch.Tensor] = {}
        for procedure, found in step.batch.found.items():
            for key in _priced(step.batch.view, procedure):
                if key in found.values and key not in shown:
                    code = found.values[key]
                    active = torch.count_nonzero(code).float()
                    shown[key] = torch.stack([active, torch.full_like(active, code.numel())])
        return shown

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return {key: each[0] / each[1] for key, each in shown.items()}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        view = stretch.view
        factor = next(priced[subject] for key in view.inferences if subject in (priced := _priced(view, key)))
        now = f"{factor.weight:.4g}" if factor.target is None else f"{{{factor.target.kind}: {factor.target.value:.4g}}}"
        fix = f"a larger {address(('factors', factor.name, 'weight'))} (now {now})"
        return f"{100 * value:.0f} % of the units of {subject} are active: {fix}"


def _priced(view: View, procedure: str) -> dict[Id, FactorNode]:
    """The latent variables whose magnitudes a search counts, each with the first factor that says what they cost."""
    plan, graph, found = view.inferences[procedure].plan, view.graph, dict[str, "FactorNode"]()
    for term in plan.terms if plan.method == "argmin" else ():
        factor = graph.factors[term.factor]
        is_tuned = factor.target is not None and factor.target.kind == "active_fraction"
        if term.part == "rest" and term.magnitude and factor.weight > 0 and not is_tuned:
            found.setdefault(origin(graph, factor.arguments[0]), factor)
    return found
